//! What the management API (`/api/v1`) answers where it is not a monitoring document.

use crate::json::is_default;
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};

/// Which server this is: `/api/v1/identity`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Public key of this run of the server.
    pub server_id: String,
    /// Name from the configuration, else the id.
    pub server_name: String,
    /// What runs: `natsd`.
    pub product: String,
    /// Version of the product.
    pub product_version: String,
    /// Version of the Go server whose behaviour it has.
    pub compatible_version: String,
    /// `host:port` of the client listener.
    pub client_address: String,
    /// Name of the cluster, when there is one.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster: String,
    /// When it was started.
    pub start: Rfc3339,
    /// The time now.
    pub now: Rfc3339,
    /// How long it has run: `1d2h3m4s`.
    pub uptime: String,
}

/// The body of every answer of the management API that is an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminErrorBody {
    /// The HTTP status again.
    pub status: u16,
    /// A word for programs: `unauthorized`, `connection_not_found`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

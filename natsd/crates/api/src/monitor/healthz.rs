//! `/healthz`: whether the server can do its work.
//!
//! Source: Go `server/monitor.go` (`HealthStatus`, `HealthzError`).

use crate::json::is_default;
use serde::{Deserialize, Serialize};

/// What a finding of a health check is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthzErrorKind {
    /// The listener.
    #[default]
    #[serde(rename = "CONNECTION")]
    Connection,
    /// The request itself.
    #[serde(rename = "BAD_REQUEST")]
    BadRequest,
    /// JetStream as a whole.
    #[serde(rename = "JETSTREAM")]
    JetStream,
    /// An account.
    #[serde(rename = "ACCOUNT")]
    Account,
    /// A stream.
    #[serde(rename = "STREAM")]
    Stream,
    /// A consumer.
    #[serde(rename = "CONSUMER")]
    Consumer,
}

/// What `/healthz` can be asked for. The keys are those of a request over NATS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthzOptions {
    #[serde(rename = "js-enabled", skip_serializing_if = "is_default")]
    pub js_enabled: bool,
    #[serde(rename = "js-enabled-only", skip_serializing_if = "is_default")]
    pub js_enabled_only: bool,
    #[serde(rename = "js-server-only", skip_serializing_if = "is_default")]
    pub js_server_only: bool,
    #[serde(rename = "js-meta-only", skip_serializing_if = "is_default")]
    pub js_meta_only: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub stream: String,
    #[serde(skip_serializing_if = "is_default")]
    pub consumer: String,
    #[serde(skip_serializing_if = "is_default")]
    pub details: bool,
}

/// The document. `status` is `ok`, `unavailable` or `error`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthStatus {
    pub status: String,
    /// The HTTP status; left out of answers over HTTP.
    #[serde(skip_serializing_if = "is_default")]
    pub status_code: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub error: String,
    #[serde(skip_serializing_if = "is_default")]
    pub errors: Vec<HealthzError>,
}

/// One finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthzError {
    #[serde(rename = "type")]
    pub kind: HealthzErrorKind,
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    #[serde(skip_serializing_if = "is_default")]
    pub stream: String,
    #[serde(skip_serializing_if = "is_default")]
    pub consumer: String,
    #[serde(skip_serializing_if = "is_default")]
    pub error: String,
}

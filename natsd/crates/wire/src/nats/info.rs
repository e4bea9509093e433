//! The `INFO` line of a server.
//!
//! Source: Go `server/server.go` (`Info`), `server/util.go` (`generateInfoJSON`).

use serde::Serialize;

/// What a server says of itself to a client. The order of the fields is the order on the wire.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of the protocol")]
pub struct Info {
    /// Public key of the server, unique in each run.
    pub server_id: String,
    /// Name from the configuration, else the id.
    pub server_name: String,
    /// Version of the Go server whose behaviour this is.
    pub version: String,
    /// Protocol of the server: 1.
    pub proto: u8,
    /// Commit of the build.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// Compiler of the build.
    pub go: String,
    /// Address that the listener is bound to, or is advertised at.
    pub host: String,
    /// Port of the listener.
    pub port: u16,
    /// Whether headers are supported.
    pub headers: bool,
    /// Whether a client has to authenticate.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether a client has to speak TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Whether a client has to show a certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// Whether a client may speak TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// Largest payload in bytes; -1 is unlimited.
    pub max_payload: i64,
    /// Number of the connection.
    #[serde(skip_serializing_if = "is_zero")]
    pub client_id: u64,
    /// Address of the client as the server sees it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    /// Text to be signed by clients with nkeys.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// URLs of this server and its peers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Whether the server is about to stop.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// Whether this line answers the first PING behind a CONNECT.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// Account that the connection is bound to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    /// Whether that is the system account.
    #[serde(skip_serializing_if = "is_false")]
    pub acc_is_sys: bool,
    /// Level of the JetStream API.
    #[serde(skip_serializing_if = "is_zero")]
    pub api_lvl: u64,
    /// Public curve key of the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Info {
    /// The line as sent: `INFO {json} \r\n`. Go has the blank before the line end too.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = b"INFO ".to_vec();
        serde_json::to_writer(&mut line, self).expect("plain data is always valid JSON");
        line.extend_from_slice(b" \r\n");
        line
    }
}

//! The `CONNECT` options of a client.
//!
//! Source: Go `server/client.go` (`ClientOpts`, `processConnect`) and the rules of its JSON
//! decoder: unknown keys are ignored, a value of another type is an error, see `json.rs`.

use super::json::{Invalid, JsonValue, for_each_member};

/// What a client said of itself. A second `CONNECT` changes only what it names.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of the protocol")]
pub struct Connect {
    /// Receive its own messages. Default true.
    pub echo: bool,
    /// Answer each operation by `+OK`. Default true.
    pub verbose: bool,
    /// Report publishes to subjects that are not literal. Default true.
    pub pedantic: bool,
    /// Informational.
    pub tls_required: bool,
    /// Public nkey of the user.
    pub nkey: String,
    /// User JWT.
    pub jwt: String,
    /// Signature of the nonce.
    pub sig: String,
    /// Authentication token.
    pub auth_token: String,
    /// User name.
    pub user: String,
    /// Password.
    pub pass: String,
    /// Name of the connection.
    pub name: String,
    /// Language of the client library.
    pub lang: String,
    /// Version of the client library.
    pub version: String,
    /// 0, or 1 for asynchronous INFO.
    pub protocol: i64,
    /// Legacy; anything but empty is refused.
    pub account: String,
    /// Legacy; true is refused.
    pub new_account: bool,
    /// Sends and understands headers.
    pub headers: bool,
    /// Wants to hear of requests that nobody takes.
    pub no_responders: bool,
}

impl Default for Connect {
    fn default() -> Connect {
        Connect {
            echo: true,
            verbose: true,
            pedantic: true,
            tls_required: false,
            nkey: String::new(),
            jwt: String::new(),
            sig: String::new(),
            auth_token: String::new(),
            user: String::new(),
            pass: String::new(),
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            protocol: 0,
            account: String::new(),
            new_account: false,
            headers: false,
            no_responders: false,
        }
    }
}

/// Secrets are left out.
impl core::fmt::Debug for Connect {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connect")
            .field("name", &self.name)
            .field("lang", &self.lang)
            .field("version", &self.version)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// The JSON of a `CONNECT` is broken, or a field has another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid CONNECT")]
pub struct InvalidConnect;

impl Connect {
    /// Takes over the fields that `json` names.
    ///
    /// # Errors
    /// When `json` is not an object (or `null`) or a known field has another type.
    pub fn apply(&mut self, json: &[u8]) -> Result<(), InvalidConnect> {
        for_each_member(json, |key, value| self.set(key, value)).map_err(|Invalid| InvalidConnect)
    }

    fn set(&mut self, key: &str, value: JsonValue<'_>) -> Result<(), Invalid> {
        enum Field<'a> {
            Bool(&'a mut bool),
            Text(&'a mut String),
            Number(&'a mut i64),
        }
        let field = match key {
            "echo" => Field::Bool(&mut self.echo),
            "verbose" => Field::Bool(&mut self.verbose),
            "pedantic" => Field::Bool(&mut self.pedantic),
            "tls_required" => Field::Bool(&mut self.tls_required),
            "new_account" => Field::Bool(&mut self.new_account),
            "headers" => Field::Bool(&mut self.headers),
            "no_responders" => Field::Bool(&mut self.no_responders),
            "nkey" => Field::Text(&mut self.nkey),
            "jwt" => Field::Text(&mut self.jwt),
            "sig" => Field::Text(&mut self.sig),
            "auth_token" => Field::Text(&mut self.auth_token),
            "user" => Field::Text(&mut self.user),
            "pass" => Field::Text(&mut self.pass),
            "name" => Field::Text(&mut self.name),
            "lang" => Field::Text(&mut self.lang),
            "version" => Field::Text(&mut self.version),
            "account" => Field::Text(&mut self.account),
            "protocol" => Field::Number(&mut self.protocol),
            // Known to Go, of no meaning here, but of a fixed type.
            "remote_account" | "proxy_sig" => {
                return accept(matches!(value, JsonValue::Text(_) | JsonValue::Null));
            }
            "import" | "export" => {
                return accept(matches!(value, JsonValue::Object | JsonValue::Null));
            }
            _ => return Ok(()),
        };
        match (field, value) {
            (_, JsonValue::Null) => {}
            (Field::Bool(field), JsonValue::Bool(value)) => *field = value,
            (Field::Text(field), JsonValue::Text(value)) => *field = value,
            (Field::Number(field), JsonValue::Number(value)) => {
                *field = value.parse().map_err(|_| Invalid)?;
            }
            _ => return Err(Invalid),
        }
        Ok(())
    }
}

fn accept(fits: bool) -> Result<(), Invalid> {
    fits.then_some(()).ok_or(Invalid)
}

/// Whether `json` is an INFO that Go could read: an object whose known fields have their types.
#[must_use]
pub fn is_readable_info(json: &[u8]) -> bool {
    let check = |key: &str, value: JsonValue<'_>| {
        accept(match key {
            _ if value == JsonValue::Null => true,
            "server_id"
            | "server_name"
            | "version"
            | "git_commit"
            | "go"
            | "host"
            | "ip"
            | "client_ip"
            | "nonce"
            | "cluster"
            | "domain"
            | "compression"
            | "remote_account"
            | "route_account"
            | "route_acc_add_reqid"
            | "gateway"
            | "gateway_url"
            | "xkey"
            | "gateway_cmd_payload" => matches!(value, JsonValue::Text(_)),
            "proto" | "port" | "max_payload" | "client_id" | "api_lvl" | "route_pool_size"
            | "route_pool_idx" | "gossip_mode" | "gateway_cmd" => {
                matches!(value, JsonValue::Number(text) if text.parse::<i64>().is_ok())
            }
            "headers" | "auth_required" | "tls_required" | "tls_verify" | "tls_available"
            | "jetstream" | "cluster_dynamic" | "ldm" | "connect_info" | "acc_is_sys" | "lnoc"
            | "lnocu" | "info_on_connect" | "gateway_nrp" | "gateway_iom" => {
                matches!(value, JsonValue::Bool(_))
            }
            "connect_urls" | "ws_connect_urls" | "gateway_urls" | "leafnode_urls" => {
                value == JsonValue::Array
            }
            "import" | "export" => value == JsonValue::Object,
            _ => true,
        })
    };
    for_each_member(json, check).is_ok()
}

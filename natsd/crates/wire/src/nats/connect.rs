//! The `CONNECT` options of a client.
//!
//! Source: Go `server/client.go` (`ClientOpts`, `processConnect`) and the rules of its JSON
//! decoder: keys in any case, the last of a repeated key wins, `null` changes nothing, unknown keys
//! are ignored, a value of another type is an error.

use serde_json::Value;

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
        let text = String::from_utf8_lossy(json);
        let fields = match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => fields,
            Ok(Value::Null) => return Ok(()),
            _ => return Err(InvalidConnect),
        };
        for (key, value) in fields {
            if !value.is_null() {
                self.set(&key.to_ascii_lowercase(), value)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value) -> Result<(), InvalidConnect> {
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
                return value.is_string().then_some(()).ok_or(InvalidConnect);
            }
            "import" | "export" => return value.is_object().then_some(()).ok_or(InvalidConnect),
            _ => return Ok(()),
        };
        match (field, value) {
            (Field::Bool(field), Value::Bool(value)) => *field = value,
            (Field::Text(field), Value::String(value)) => *field = value,
            (Field::Number(field), Value::Number(value)) => {
                *field = value.as_i64().ok_or(InvalidConnect)?;
            }
            _ => return Err(InvalidConnect),
        }
        Ok(())
    }
}

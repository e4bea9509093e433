//! Contexts: named connection settings in the files that the `nats` tool uses too.
//!
//! A file is read and written with every key it has, known here or not, so that both tools can
//! share it. Files hold secrets: mode 0600, written beside and renamed into place.
//!
//! Source: `jsm.go/natscontext` (the format; nothing of its code).

mod secret;
mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use secret::{expand, read_secret};
pub(crate) use store::Store;

/// The content of one context file. Strings are empty when not set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Context {
    /// What the context is for.
    pub(crate) description: String,
    /// Server URLs, separated by commas.
    pub(crate) url: String,
    /// Proxy to connect through.
    pub(crate) socks_proxy: String,
    /// Token, or where to find it.
    pub(crate) token: String,
    /// User name.
    pub(crate) user: String,
    /// Password, or where to find it.
    pub(crate) password: String,
    /// Credentials, or where to find them.
    pub(crate) creds: String,
    /// Seed of an nkey, or where to find it.
    pub(crate) nkey: String,
    /// Path of the client certificate.
    pub(crate) cert: String,
    /// Path of the client certificate's key.
    pub(crate) key: String,
    /// Path of the certificate authority.
    pub(crate) ca: String,
    /// Name of credentials kept by `nsc`, in the old form.
    pub(crate) nsc: String,
    /// First tokens of inboxes.
    pub(crate) inbox_prefix: String,
    /// JWT of a user, or where to find it.
    pub(crate) user_jwt: String,
    /// Seed for the JWT, or where to find it.
    pub(crate) user_seed: String,
    /// Whether TLS starts before the server speaks.
    pub(crate) tls_first: bool,
    /// Windows' certificate store to use.
    pub(crate) windows_cert_store: String,
    /// Keys that natsctl does not use; kept as they are.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

/// Keys that hold a secret themselves when they are neither empty, a path, nor a reference.
const SECRETS: [&str; 3] = ["password", "token", "user_seed"];

/// What the `nats` tool also writes, empty, into a new file.
const FURTHER_KEYS: [&str; 6] = [
    "color_scheme",
    "jetstream_api_prefix",
    "jetstream_domain",
    "jetstream_event_prefix",
    "windows_cert_match",
    "windows_cert_match_by",
];

impl Context {
    /// A new context, with all the keys that the `nats` tool writes.
    pub(crate) fn new() -> Self {
        let mut other: BTreeMap<String, Value> =
            FURTHER_KEYS.iter().map(|key| ((*key).to_owned(), Value::from(""))).collect();
        other.insert("windows_ca_certs_match".to_owned(), Value::Null);
        Self { other, ..Self::default() }
    }

    /// Every key with its value as text, secrets hidden, empty values left out.
    pub(crate) fn shown(&self) -> Vec<(String, String)> {
        let Ok(Value::Object(all)) = serde_json::to_value(self.redacted()) else {
            return Vec::new();
        };
        all.into_iter()
            .filter_map(|(key, value)| match value {
                Value::String(text) if text.is_empty() => None,
                Value::String(text) => Some((key, text)),
                Value::Null | Value::Bool(false) => None,
                other => Some((key, other.to_string())),
            })
            .collect()
    }

    /// A copy whose secrets are replaced by stars.
    pub(crate) fn redacted(&self) -> Self {
        let mut copy = self.clone();
        let fields = [&mut copy.password, &mut copy.token, &mut copy.user_seed];
        debug_assert_eq!(fields.len(), SECRETS.len());
        for field in fields {
            if !field.is_empty() && !secret::is_reference(field) {
                "********".clone_into(field);
            }
        }
        for field in [&mut copy.creds, &mut copy.nkey, &mut copy.user_jwt] {
            if field.starts_with("data:") {
                "data:********".clone_into(field);
            }
        }
        copy.url = redact_url(&copy.url);
        copy
    }
}

/// A list of server URLs without the passwords in them.
pub(crate) fn redact_url(urls: &str) -> String {
    let one = |url: &str| {
        let (scheme, rest) = url.split_once("://").map_or(("", url), |(s, rest)| (s, rest));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
    };
    urls.split(',').map(|url| one(url.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;

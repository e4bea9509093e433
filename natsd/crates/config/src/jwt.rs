//! The shape of JWTs: three parts, the right header, claims of the right kind.
//!
//! Signatures are not checked here; who trusts a JWT checks it. Source: `nats-io/jwt` v2.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::options::Operator;

/// Base64 of `{"`, which every JWT starts with.
pub(crate) const PREFIX: &str = "eyJ";

/// The claims of a JWT of that kind (`operator`, `account`, `user`).
pub(crate) fn claims(jwt: &str, kind: &str) -> Option<Value> {
    let parts: Vec<&str> = jwt.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return None;
    };
    let header = decode(header)?;
    let is_header = header
        .get("typ")
        .and_then(Value::as_str)
        .is_some_and(|typ| typ.eq_ignore_ascii_case("jwt"))
        && header.get("alg").and_then(Value::as_str).is_some_and(|alg| {
            alg.eq_ignore_ascii_case("ed25519-nkey") || alg.eq_ignore_ascii_case("ed25519")
        });
    let claims = decode(payload)?;
    // The first version kept the kind beside the claims, the second one inside.
    let found = claims.pointer("/nats/type").or_else(|| claims.get("type"));
    let is_kind = found.and_then(Value::as_str) == Some(kind);
    let is_signed = BASE64URL_NOPAD.decode(signature.as_bytes()).is_ok_and(|raw| raw.len() == 64);
    (is_header && is_kind && is_signed).then_some(claims)
}

fn decode(part: &str) -> Option<Value> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The JWT in a text, which may have lines of dashes around it.
pub(crate) fn undecorate(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line.starts_with("---")
            && let Some(jwt) = lines.next()
        {
            return jwt;
        }
    }
    text.trim()
}

/// The operator of a JWT, as far as a configuration depends on it.
pub(crate) fn operator(jwt: &str) -> Option<Operator> {
    let claims = claims(jwt, "operator")?;
    let text =
        |path: &str| claims.pointer(path).and_then(Value::as_str).unwrap_or_default().to_string();
    let signing_keys = claims.pointer("/nats/signing_keys").and_then(Value::as_array);
    let signing_keys =
        signing_keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_string);
    Some(Operator {
        jwt: jwt.to_string(),
        subject: text("/sub"),
        signing_keys: signing_keys.collect(),
        system_account: text("/nats/system_account"),
        account_server_url: text("/nats/account_server_url"),
        assert_server_version: text("/nats/assert_server_version"),
        strict_signing_key_usage: claims
            .pointer("/nats/strict_signing_key_usage")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
    })
}

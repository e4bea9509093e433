//! The few claims of a JWT that decide whether it is kept. Nothing is verified.

use data_encoding::BASE64URL_NOPAD;
use natsd_base::Timestamp;
use serde::Deserialize;

/// Larger ones are refused. Go's own limit for a message is lower by default.
const SIZE_MAX: usize = 64 * 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Claims {
    #[serde(rename = "jti")]
    pub(super) id: String,
    #[serde(rename = "sub")]
    pub(super) subject: String,
    /// Seconds since 1970.
    #[serde(rename = "iat")]
    pub(super) issued_at: i64,
    /// Seconds since 1970; 0 means never.
    #[serde(rename = "exp")]
    expires: i64,
}

impl Claims {
    /// The claims in the second of the three parts.
    pub(super) fn decode(jwt: &str) -> Option<Self> {
        if jwt.len() > SIZE_MAX {
            return None;
        }
        let mut parts = jwt.trim_end().split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let json = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// When it expires, unless it does not.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        (self.expires > 0).then(|| Timestamp(self.expires.saturating_mul(1_000_000_000)))
    }
}

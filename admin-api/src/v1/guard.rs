//! Who may ask the management API, and how much.

use crate::error::AdminError;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a request's body.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Who may use the management API.
#[derive(Clone)]
pub struct AuthConfig {
    /// The bearer token, which gives every right.
    pub token: String,
    /// The address that the listener is bound to.
    pub bound: IpAddr,
    /// The host from the configuration, when it is a name.
    pub host: Option<String>,
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("bound", &self.bound)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl AuthConfig {
    /// Whether a request for `host` (with or without a port) is meant for this server. A page that
    /// rebinds its own name to our address sends that name; a number cannot be rebound.
    fn is_own_host(&self, host: &str) -> bool {
        let name = without_port(host);
        if name.eq_ignore_ascii_case("localhost")
            || self.host.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name))
        {
            return true;
        }
        let number = name.trim_start_matches('[').trim_end_matches(']');
        number.parse::<IpAddr>().is_ok_and(|ip| {
            let (ip, bound) = (ip.to_canonical(), self.bound.to_canonical());
            ip == bound || ip.is_loopback() || bound.is_unspecified()
        })
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return false };
        let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        scheme.eq_ignore_ascii_case("Bearer")
            && !self.token.is_empty()
            && equal_in_constant_time(token.trim().as_bytes(), self.token.as_bytes())
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // `::1` without brackets is an address, not a name with a port.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

/// Takes as long for a first byte that differs as for a last one. The length is no secret.
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |sum, (left, right)| sum | (left ^ right));
    std::hint::black_box(differing) == 0 && left.len() == right.len()
}

/// Turns away what is not meant for this server, is too large or takes too long.
pub(super) async fn admit(
    State(auth): State<Arc<AuthConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = if !host.is_some_and(|host| auth.is_own_host(host)) {
        let message = "the Host header does not name this server";
        AdminError::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", message).into_response()
    } else if declared_bytes(request.headers()) > BODY_BYTES_MAX as u64 {
        let message = format!("a request may have {BODY_BYTES_MAX} bytes");
        AdminError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).into_response()
    } else {
        match tokio::time::timeout(ANSWER_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                let message = "the server did not find the answer in time";
                AdminError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message).into_response()
            }
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn declared_bytes(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Turns away who does not have the token.
pub(super) async fn require_token(
    State(auth): State<Arc<AuthConfig>>,
    request: Request,
    next: Next,
) -> Response {
    if auth.has_token(request.headers()) {
        return next.run(request).await;
    }
    let message = "this needs the header Authorization: Bearer TOKEN";
    AdminError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).into_response()
}

#[cfg(test)]
mod tests;

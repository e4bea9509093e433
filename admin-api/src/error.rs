//! Errors of the management API.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use natsd_api::admin::AdminErrorBody;
use natsd_api::to_compact;
use tracing::error;

/// An answer that is an error. Who asked sees status, code and `external`; `internal` goes to the
/// log only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {external}")]
pub struct AdminError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub external: String,
    /// What only the operator may know.
    pub internal: Option<String>,
}

impl AdminError {
    /// An error without a secret part.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, external: impl Into<String>) -> AdminError {
        AdminError { status, code, external: external.into(), internal: None }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            error!(code = self.code, status = self.status.as_u16(), "admin request: {internal}");
        }
        let body = AdminErrorBody {
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            message: self.external,
        };
        let json = HeaderValue::from_static("application/json");
        let mut response =
            (self.status, [(header::CONTENT_TYPE, json)], to_compact(&body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

//! The management API below `/api/v1`, and the page that shows it.
//!
//! Closed: every request must name this server in its `Host` (a page of another site that rebinds
//! its name to our address does not), and every request to the API needs the token. Nothing here
//! allows other origins.

mod connections;
mod guard;

pub use guard::AuthConfig;

use crate::AdminBackend;
use crate::error::AdminError;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use natsd_api::monitor::HealthzOptions;
use natsd_api::to_pretty;
use serde::Serialize;
use std::sync::Arc;

/// What handlers are given.
type Backend = State<Arc<dyn AdminBackend>>;

/// What the page may do: its own style and script, and requests to this API.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The management API of `backend`, and `page` at its root.
pub fn router(backend: Arc<dyn AdminBackend>, auth: AuthConfig, page: &'static str) -> Router {
    let auth = Arc::new(auth);
    let api = Router::new()
        .route("/health", get(health))
        .route("/identity", get(identity))
        .route("/connections", get(connections::list))
        .route("/connections/{cid}", get(connections::show).delete(connections::close))
        .fallback(async || no_such_path())
        .method_not_allowed_fallback(async || method_not_allowed())
        .layer(DefaultBodyLimit::max(guard::BODY_BYTES_MAX))
        .layer(from_fn_with_state(auth.clone(), guard::require_token))
        .with_state(backend);
    Router::new()
        .route("/", get(async move || page_response(page)))
        .nest("/api/v1", api)
        .fallback(async || no_such_path())
        .method_not_allowed_fallback(async || method_not_allowed())
        .layer(from_fn_with_state(auth, guard::admit))
}

async fn health(State(backend): Backend) -> Response {
    let options = HealthzOptions { details: true, ..HealthzOptions::default() };
    let health = backend.healthz(&options).await;
    let status = StatusCode::from_u16(health.status_code);
    json(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &health)
}

async fn identity(State(backend): Backend) -> Response {
    json(StatusCode::OK, &backend.identity())
}

fn json(status: StatusCode, document: &impl Serialize) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], to_pretty(document, "  ")).into_response()
}

fn page_response(page: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, page).into_response()
}

fn no_such_path() -> AdminError {
    AdminError::new(StatusCode::NOT_FOUND, "no_such_path", "there is nothing at this path")
}

fn method_not_allowed() -> AdminError {
    let message = "this path does not know the method";
    AdminError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

#[cfg(test)]
mod tests;

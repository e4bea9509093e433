//! Go's monitoring endpoints: `/varz` and its family.
//!
//! Paths, parameters, texts and headers are Go's, and so is that any method will do. Open to
//! everybody who reaches the port, as with Go.
//!
//! Source: Go `server/server.go` (`startMonitoring`), `server/monitor.go` (`Handle*`), `net/http`
//! (`ServeMux`).

mod handlers;
mod path;
mod root;

use crate::AdminBackend;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;

/// The monitoring endpoints of `backend` below `base_path` (empty or a path such as `/nats`).
pub fn router(backend: Arc<dyn AdminBackend>, base_path: &str) -> Router {
    let base_path = path::normalize_base(base_path);
    Router::new().fallback(answer).with_state(Monitor { backend, base_path: base_path.into() })
}

#[derive(Clone)]
struct Monitor {
    backend: Arc<dyn AdminBackend>,
    /// `/`, or a path that starts with a slash and does not end with one.
    base_path: Arc<str>,
}

async fn answer(State(monitor): State<Monitor>, request: Request) -> Response {
    let uri = request.uri();
    let Some(decoded) = crate::query::percent_decode(uri.path()) else {
        return not_found();
    };
    let clean = path::clean(&decoded);
    if clean != decoded {
        return redirect(&clean, uri.query(), request.method());
    }
    match path::endpoint(&monitor.base_path, &decoded) {
        Some("/") => root::answer(&*monitor.backend, &monitor.base_path),
        Some(endpoint) => handlers::answer(&*monitor.backend, endpoint, uri.query()).await,
        None => not_found(),
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A plain text, as Go guesses its kind.
fn text(status: StatusCode, text: String) -> Response {
    respond(status, "text/plain; charset=utf-8", text)
}

/// A JSON document that pages of other origins may read.
fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = respond(status, "application/json", body);
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response
}

fn not_found() -> Response {
    let mut response = text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Sends the client to the same path in clean form.
fn redirect(path: &str, query: Option<&str>, method: &Method) -> Response {
    let location = path::escape(path) + &query.map(|query| format!("?{query}")).unwrap_or_default();
    let body = if method == Method::GET {
        let shown = location.replace('&', "&amp;").replace('"', "&#34;").replace('\'', "&#39;");
        format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n")
    } else {
        String::new()
    };
    let Ok(location) = HeaderValue::from_str(&location) else {
        return not_found();
    };
    let mut response = respond(StatusCode::TEMPORARY_REDIRECT, "text/html; charset=utf-8", body);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[cfg(test)]
mod tests;

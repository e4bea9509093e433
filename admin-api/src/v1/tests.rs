use super::{AuthConfig, router};
use crate::testing::{Fake, Reply, ask, fake};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, request};
use serde_json::{Value, json};
use std::sync::Arc;

fn guarded(backend: &Arc<Fake>) -> Router {
    let bound = "127.0.0.1".parse().expect("an address");
    let auth = AuthConfig { token: "secret".into(), bound, host: None };
    router(backend.clone(), auth, "<!DOCTYPE html>page")
}

fn request(method: &str, path: &str) -> request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost:8280")
}

async fn send(backend: &Arc<Fake>, builder: request::Builder) -> Reply {
    ask(&guarded(backend), builder.body(Body::empty()).expect("a request")).await
}

async fn with_token(backend: &Arc<Fake>, method: &str, path: &str) -> Reply {
    send(backend, request(method, path).header("authorization", "Bearer secret")).await
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).expect("JSON")
}

#[track_caller]
fn check_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let body = body(reply);
    assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)));
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()));
}

#[tokio::test]
async fn nothing_is_answered_without_the_token() {
    for path in ["/api/v1/health", "/api/v1/identity", "/api/v1/connections", "/api/v1/nothing"] {
        let reply = send(&fake(), request("GET", path)).await;
        check_error(&reply, 401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let backend = fake();
    let wrong = request("DELETE", "/api/v1/connections/1").header("authorization", "Bearer no");
    check_error(&send(&backend, wrong).await, 401, "unauthorized");
    assert!(backend.closed.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn other_hosts_are_turned_away_before_anything_else() {
    for path in ["/", "/api/v1/health"] {
        let rebound = Request::get(path)
            .header("host", "evil.example:8280")
            .header("authorization", "Bearer secret");
        check_error(&send(&fake(), rebound).await, 421, "wrong_host");
        check_error(&send(&fake(), Request::get(path)).await, 421, "wrong_host");
    }
}

#[tokio::test]
async fn no_other_origin_is_let_in() {
    let preflight = request("OPTIONS", "/api/v1/health")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "GET");
    let reply = send(&fake(), preflight).await;
    assert!(reply.status.is_client_error());
    let reply = with_token(&fake(), "GET", "/api/v1/health").await;
    assert_eq!(reply.header("access-control-allow-origin"), None);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn the_page_is_open_and_may_do_little() {
    let reply = send(&fake(), request("GET", "/")).await;
    assert_eq!((reply.status.as_u16(), &*reply.body), (200, "<!DOCTYPE html>page"));
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = reply.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn health_and_identity() {
    let reply = with_token(&fake(), "GET", "/api/v1/health").await;
    assert_eq!((reply.status.as_u16(), &body(&reply)["status"]), (200, &json!("ok")));
    let reply = with_token(&fake(), "GET", "/api/v1/identity").await;
    assert_eq!((reply.status.as_u16(), &body(&reply)["product"]), (200, &json!("natsd")));
}

#[tokio::test]
async fn connections_are_listed_shown_and_closed() {
    let backend = fake();
    let reply = with_token(&backend, "GET", "/api/v1/connections?sort=rtt&auth=1&limit=5").await;
    assert_eq!((reply.status.as_u16(), &body(&reply)["total"]), (200, &json!(2)));
    let asked = backend.asked.lock().expect("not poisoned").clone();
    assert!(asked.contains("sort: RoundTrip, auth: true") && asked.contains("limit: 5"), "{asked}");

    let reply = with_token(&backend, "GET", "/api/v1/connections/2").await;
    assert_eq!((reply.status.as_u16(), &body(&reply)["cid"]), (200, &json!(2)));
    let asked = backend.asked.lock().expect("not poisoned").clone();
    assert!(asked.contains("state: All"), "a closed connection is shown too: {asked}");

    let reply = with_token(&backend, "DELETE", "/api/v1/connections/1").await;
    assert_eq!((reply.status.as_u16(), &*reply.body), (204, ""));
    assert_eq!(*backend.closed.lock().expect("not poisoned"), [1]);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    for (method, path, status, code) in [
        ("GET", "/api/v1/connections?limit=x", 400, "bad_parameter"),
        ("GET", "/api/v1/connections?sort=x", 400, "bad_parameter"),
        ("GET", "/api/v1/connections?sort=stop", 400, "bad_parameter"),
        ("GET", "/api/v1/connections/x", 400, "bad_parameter"),
        ("GET", "/api/v1/connections/0", 400, "bad_parameter"),
        ("GET", "/api/v1/connections/3", 404, "connection_not_found"),
        ("DELETE", "/api/v1/connections/2", 404, "connection_not_found"),
        ("DELETE", "/api/v1/connections/-1", 400, "bad_parameter"),
        ("GET", "/api/v1/nothing", 404, "no_such_path"),
        ("GET", "/api/v2/health", 404, "no_such_path"),
        ("POST", "/api/v1/health", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/connections", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
    ] {
        let reply = with_token(&fake(), method, path).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.body);
        check_error(&reply, status, code);
    }
}

#[tokio::test]
async fn large_requests_are_refused() {
    let large = request("DELETE", "/api/v1/connections/1")
        .header("authorization", "Bearer secret")
        .header("content-length", "65537");
    check_error(&send(&fake(), large).await, 413, "too_large");
}

#[tokio::test]
async fn internal_reasons_stay_inside() {
    use crate::AdminError;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;
    let mut error = AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "it failed");
    error.internal = Some("disk /secret is full".into());
    let body = error.into_response().into_body().collect().await.expect("a body").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("UTF-8");
    assert_eq!(body, r#"{"status":500,"code":"failed","message":"it failed"}"#);
}

use super::{AuthConfig, equal_in_constant_time};
use axum::http::{HeaderMap, HeaderValue, header};

fn config(bound: &str, host: Option<&str>) -> AuthConfig {
    AuthConfig {
        token: "secret".into(),
        bound: bound.parse().expect("an address"),
        host: host.map(str::to_owned),
    }
}

#[test]
fn only_own_hosts_are_admitted() {
    for (bound, own, host, expected) in [
        ("127.0.0.1", None, "127.0.0.1:8280", true),
        ("127.0.0.1", None, "localhost:8280", true),
        ("127.0.0.1", None, "LOCALHOST", true),
        ("127.0.0.1", None, "[::1]:8280", true),
        ("127.0.0.1", None, "::1", true),
        ("127.0.0.1", None, "10.0.0.1:8280", false),
        ("127.0.0.1", None, "evil.example:8280", false),
        ("127.0.0.1", None, "127.0.0.1.evil.example", false),
        ("127.0.0.1", None, "", false),
        ("10.0.0.1", None, "10.0.0.1", true),
        ("10.0.0.1", Some("nats.lan"), "Nats.lan:1", true),
        ("10.0.0.1", None, "nats.lan", false),
        ("0.0.0.0", None, "10.9.8.7:8280", true),
        ("::", None, "[fe80::1]:8280", true),
        ("0.0.0.0", None, "evil.example", false),
    ] {
        assert_eq!(config(bound, own).is_own_host(host), expected, "{bound} {host}");
    }
}

#[test]
fn only_the_token_opens() {
    for (value, expected) in [
        (None, false),
        (Some("Bearer secret"), true),
        (Some("bearer  secret "), true),
        (Some("Bearer secrets"), false),
        (Some("Bearer secre"), false),
        (Some("Bearer "), false),
        (Some("Basic secret"), false),
        (Some("secret"), false),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert_eq!(config("127.0.0.1", None).has_token(&headers), expected, "{value:?}");
    }
    let open = AuthConfig { token: String::new(), ..config("127.0.0.1", None) };
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer "));
    assert!(!open.has_token(&headers), "an empty token opens nothing");
}

#[test]
fn secrets_are_not_in_debug_output() {
    assert!(!format!("{:?}", config("127.0.0.1", None)).contains("secret"));
    assert!(equal_in_constant_time(b"ab", b"ab") && !equal_in_constant_time(b"ab", b"abc"));
}

use super::path::{clean, endpoint, normalize_base};
use super::router;
use crate::testing::{Fake, Reply, ask, fake};
use axum::body::Body;
use axum::http::{Method, Request};
use std::sync::Arc;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

async fn get_of(backend: &Arc<Fake>, base_path: &str, path: &str) -> Reply {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    ask(&router(backend.clone(), base_path), request).await
}

async fn get(path: &str) -> Reply {
    get_of(&fake(), "", path).await
}

/// The reply has this status and kind; only JSON documents are for pages of other origins.
#[track_caller]
fn check(reply: &Reply, path: &str, status: u16, content_type: &str) {
    assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.body);
    assert_eq!(reply.header("content-type"), Some(content_type), "{path}");
    let open = (content_type == JSON).then_some("*");
    assert_eq!(reply.header("access-control-allow-origin"), open, "{path}");
}

#[tokio::test]
async fn every_endpoint_answers_json() {
    for path in [
        "/varz",
        "/connz",
        "/subsz",
        "/subscriptionsz",
        "/routez",
        "/gatewayz",
        "/leafz",
        "/accountz",
        "/accstatz",
        "/jsz",
        "/healthz",
        "/ipqueuesz",
    ] {
        let reply = get(path).await;
        check(&reply, path, 200, JSON);
        assert!(serde_json::from_str::<serde_json::Value>(&reply.body).is_ok(), "{path}");
        let posted = Request::post(path).body(Body::from("x=1")).expect("a request");
        let reply = ask(&router(fake(), ""), posted).await;
        check(&reply, path, 200, JSON);
    }
    assert!(get("/varz").await.body.starts_with("{\n  \"server_id\": \"N\\u003c1\\u003e\",\n"));
    assert_eq!(get("/healthz").await.body, "{\"status\":\"ok\"}");
    assert_eq!(get("/ipqueuesz").await.body, "{\n   \"q\": {\n      \"pending\": 1\n   }\n}");
}

/// Go: TestMonitorStacksz server/monitor_test.go:2254
#[tokio::test]
async fn monitor_stacksz() {
    let reply = get("/stacksz").await;
    check(&reply, "/stacksz", 200, JSON);
    assert!(reply.body.contains("natsd"));
}

#[tokio::test]
async fn process_variables_are_in_the_layout_of_expvar() {
    let reply = get("/debug/vars").await;
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(reply.header("access-control-allow-origin"), None);
    assert_eq!(reply.body, "{\n\"cmdline\": [\"natsd\",\"-m\"],\n\"memstats\": {\"Sys\":1}\n}\n");
}

/// Go: TestMonitorRoutezWithBadParams server/monitor_test.go:1604
#[tokio::test]
async fn bad_parameters_are_refused_with_gos_text() {
    let bool_of = |name: &str| {
        format!(
            "Error decoding boolean for '{name}': strconv.ParseBool: parsing \"xxx\": invalid syntax"
        )
    };
    let int_of = |name: &str| {
        format!("Error decoding int for '{name}': strconv.Atoi: parsing \"xxx\": invalid syntax")
    };
    for (path, expected) in [
        ("/routez?subs=xxx", bool_of("subs")),
        ("/connz?auth=xxx", bool_of("auth")),
        ("/connz?offset=xxx", int_of("offset")),
        ("/connz?limit=xxx", int_of("limit")),
        ("/connz?state=xxx", "Error decoding state for xxx".into()),
        ("/connz?sort=xxx", "invalid sorting option: xxx".into()),
        ("/connz?sort=stop", "not on open connections".into()),
        ("/connz?state=bad&auth=xxx", bool_of("auth")),
        ("/connz?sort=bad&state=xxx", "Error decoding state for xxx".into()),
        ("/subsz?subs=xxx", bool_of("subs")),
        ("/subsz?limit=xxx", int_of("limit")),
        ("/gatewayz?accs=xxx", bool_of("accs")),
        ("/leafz?subs=detail", bool_of("subs").replace("xxx", "detail")),
        ("/accountz?acc=none", "Account none does not exist".into()),
        ("/accstatz?unused=xxx", bool_of("unused")),
        ("/jsz?direct-consumers=xxx", bool_of("direct-consumers")),
        ("/jsz?offset=xxx", int_of("offset")),
        ("/healthz?js-meta-only=xxx", bool_of("js-meta-only")),
        ("/ipqueuesz?all=xxx", bool_of("all")),
    ] {
        let reply = get(path).await;
        check(&reply, path, 400, TEXT);
        assert_eq!(reply.body, expected, "{path}");
    }
}

#[tokio::test]
async fn parameters_reach_the_backend() {
    for (path, expected) in [
        ("/routez?subs=DETAIL", "subscriptions: false, subscriptions_detail: true"),
        ("/connz?subs=1&auth=t", "auth: true, subscriptions: true"),
        (
            "/connz?cid=7&state=any&user=u&acc=a",
            "cid: 7, mqtt_client: \"\", state: All, user: \"u\", account: \"a\"",
        ),
        ("/connz?sort=msgs_to", "sort: OutMsgs"),
        ("/connz?filter_subject=foo", "filter_subject: \"\""),
        (
            "/subsz?test=a.b&acc=A&offset=-1",
            "offset: -1, limit: 0, subscriptions: false, account: \"A\", test: \"a.b\"",
        ),
        ("/gatewayz?acc_name=A&gw_name=G", "name: \"G\", accounts: true, account_name: \"A\""),
        ("/accstatz?unused=1", "include_unused: true"),
        (
            "/jsz?acc=A&consumers=1&raft=1",
            "account: \"A\", accounts: false, streams: false, consumer: true",
        ),
        (
            "/healthz?account=A&stream=S&details=1",
            "account: \"A\", stream: \"S\", consumer: \"\", details: true",
        ),
        ("/ipqueuesz?queues=x", "filter: \"x\""),
        ("/raftz?acc=A&group=g", "account: \"A\", group: \"g\""),
    ] {
        let backend = fake();
        get_of(&backend, "", path).await;
        let asked = backend.asked.lock().expect("not poisoned").clone();
        assert!(asked.contains(expected), "{path}: {asked}");
    }
}

#[tokio::test]
async fn health_and_groups_have_statuses_of_their_own() {
    let reply = get("/healthz?js-enabled-only=1").await;
    check(&reply, "/healthz", 503, JSON);
    assert_eq!(reply.body, "{\"status\":\"unavailable\"}");
    let reply = get("/raftz").await;
    check(&reply, "/raftz", 404, TEXT);
    assert_eq!(reply.body, "No Raft nodes registered");
}

/// Go: TestMonitorHttpStatsNoUpdatedWhenUsingServerFuncs server/monitor_test.go:2554
#[tokio::test]
async fn only_requests_over_http_are_counted() {
    use crate::AdminBackend;
    let backend = fake();
    for _ in 0..10 {
        backend.varz();
    }
    assert!(backend.varz().http_req_stats.is_empty());
    for path in [
        "/",
        "/varz",
        "/connz",
        "/connz?auth=xxx",
        "/subscriptionsz",
        "/subsz?subs=xxx",
        "/raftz",
        "/ipqueuesz",
        "/stacksz",
        "/debug/vars",
        "/nothing",
    ] {
        get_of(&backend, "", path).await;
    }
    let expected = [("/", 1), ("/connz", 1), ("/subsz", 2), ("/varz", 1)];
    let expected = expected.map(|(path, count)| (path.to_owned(), count)).into();
    assert_eq!(backend.varz().http_req_stats, expected);
}

#[tokio::test]
async fn paths_are_matched_as_by_go() {
    for (base, path, status) in [
        ("", "/nothing", 404),
        ("", "/varz/", 404),
        ("", "/VARZ", 404),
        ("", "/%76arz", 200),
        ("", "/%zz", 404),
        ("", "//varz", 307),
        ("", "/a/../varz", 307),
        ("/nats", "/", 404),
        ("/nats", "/nats", 200),
        ("/nats", "/nats/", 404),
        ("/nats", "/nats/varz", 200),
        ("/nats", "/natsvarz", 404),
        ("/nats", "/varz", 404),
        ("nats/", "/nats/varz", 200),
        ("/", "/varz", 200),
    ] {
        let reply = get_of(&fake(), base, path).await;
        assert_eq!(reply.status.as_u16(), status, "{base} {path}");
        if status == 404 {
            assert_eq!(reply.body, "404 page not found\n");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        }
    }
    let reply = get("//varz?a=1&b=%22").await;
    assert_eq!(reply.header("location"), Some("/varz?a=1&b=%22"));
    assert_eq!(reply.body, "<a href=\"/varz?a=1&amp;b=%22\">Temporary Redirect</a>.\n\n");
    let post = Request::builder().method(Method::POST).uri("//varz").body(Body::empty());
    assert_eq!(ask(&router(fake(), ""), post.expect("a request")).await.body, "");
}

#[tokio::test]
async fn the_page_links_to_the_endpoints() {
    for (base, path, link) in
        [("", "/", "href=\"./varz\""), ("/a/b", "/a/b", "href=\"./a/b/debug/vars\"")]
    {
        let reply = get_of(&fake(), base, path).await;
        check(&reply, path, 200, "text/html; charset=utf-8");
        assert!(reply.body.contains(link), "{}", reply.body);
        assert!(reply.body.is_ascii());
        assert!(reply.body.contains("n&#228;me &#60;x&#62;") && !reply.body.contains("<x>"));
    }
}

#[test]
fn paths_are_cleaned() {
    for (path, expected) in [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("a", "/a"),
        ("/a//b/", "/a/b/"),
        ("/a/./b/..", "/a"),
        ("/../..", "/"),
    ] {
        assert_eq!(clean(path), expected, "{path}");
    }
    for (base, expected) in [("", "/"), ("/", "/"), ("a", "/a"), ("/a/", "/a"), ("/a/../b", "/b")] {
        assert_eq!(normalize_base(base), expected, "{base}");
    }
    assert_eq!(endpoint("/a", "/a/varz"), Some("/varz"));
    assert_eq!(endpoint("/a", "/ab"), None);
}

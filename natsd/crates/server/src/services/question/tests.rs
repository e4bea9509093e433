use super::{Question, parse};
use natsd_api::monitor::{ConnSort, ConnState, HealthzOptions, SubszOptions};
use natsd_api::system::{ConnzRequest, EventFilter};

#[track_caller]
fn check(kind: &str, body: &str, expected: Option<Question>) {
    let expected = expected.map(|question| (question, EventFilter::default()));
    assert_eq!(parse(kind, true, body.as_bytes()), Ok(expected), "{kind} {body}");
}

#[test]
fn options_are_read_as_go_reads_them() {
    let subsz = |limit| Some(Question::Subsz(SubszOptions { limit, ..SubszOptions::default() }));
    for (kind, body, expected) in [
        ("STATSZ", "", Some(Question::Statsz)),
        ("SUBSZ", "", subsz(0)),
        ("SUBSZ", "null", subsz(0)),
        ("SUBSZ", r#"{"limit":5}"#, subsz(5)),
        ("SUBSZ", r#"{"LIMIT":5,"account":null,"other":[1]}"#, subsz(5)),
        (
            "HEALTHZ",
            r#"{"js-server-only":true}"#,
            Some(Question::Healthz(HealthzOptions {
                js_server_only: true,
                ..HealthzOptions::default()
            })),
        ),
        ("KICK", r#"{"cid":7}"#, Some(Question::Kick(7))),
        ("LDM", r#"{"cid":7}"#, Some(Question::LameDuck(7))),
        ("RELOAD", "", Some(Question::Reload)),
        ("IDZ", "{bad", Some(Question::Identity)),
        ("KICK", "", None),
        ("KICK", r#"{"cid":"x"}"#, None),
        ("NONSENSE", "", None),
    ] {
        check(kind, body, expected);
    }
}

#[test]
fn what_concerns_one_server_must_name_it() {
    for kind in ["KICK", "LDM", "RELOAD"] {
        assert_eq!(parse(kind, false, br#"{"cid":1}"#), Ok(None), "{kind}");
    }
}

#[test]
fn wrong_types_are_errors_even_for_servers_that_are_not_meant() {
    for (kind, body) in [
        ("CONNZ", r#"{"limit":"x","server_name":"nobody"}"#),
        ("CONNZ", r#"{"state":"closed"}"#),
        ("CONNZ", r#"{"cid":-1}"#),
        ("CONNZ", "[]"),
        ("STATSZ", r#"{"server_name":1}"#),
        ("VARZ", "{MALFORMED"),
    ] {
        let error = parse(kind, true, body.as_bytes()).expect_err(body);
        assert!(error.starts_with("json: "), "{kind} {body}: {error}");
    }
}

#[test]
fn connections_are_asked_for_by_names_and_numbers() {
    let request = |sort: &str, state| ConnzRequest {
        sort: sort.to_owned(),
        state,
        acc: "A".to_owned(),
        limit: 3,
        ..ConnzRequest::default()
    };
    let options = request("subs", 1).options().expect("options");
    assert_eq!((options.sort, options.state), (ConnSort::Subscriptions, ConnState::Closed));
    assert_eq!((options.account.as_str(), options.limit), ("A", 3));
    for (request, expected) in [
        (request("nonsense", 0), "invalid sorting option: nonsense"),
        (request("", 7), "invalid connection state: 7"),
        (request("", -1), "invalid connection state: -1"),
    ] {
        assert_eq!(request.options().expect_err("refused"), expected);
    }
}

//! Messages as text and as JSON.

use std::time::UNIX_EPOCH;

use async_nats::HeaderMap;
use serde_json::json;

use super::*;

fn message(reply: Option<&str>, headers: &[(&str, &str)]) -> Message {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, *value);
    }
    Message {
        subject: "a.b".into(),
        reply: reply.map(Into::into),
        payload: "ignored".into(),
        headers: (!map.is_empty()).then_some(map),
        status: None,
        description: None,
        length: 0,
    }
}

#[track_caller]
fn check_text(message: &Message, body: &[u8], when: When, detail: Detail, expected: &str) {
    let output = text(message, body, 3, when, detail);
    assert_eq!(String::from_utf8(output).expect("text"), expected);
}

#[test]
fn messages_are_shown_as_text() {
    let plain = message(None, &[]);
    let none = When::default();
    check_text(&plain, b"x", none, Detail::All, "[#3] Received on \"a.b\"\nx\n\n");
    check_text(&plain, b"x\n", none, Detail::All, "[#3] Received on \"a.b\"\nx\n\n");
    check_text(&plain, b"x", none, Detail::SubjectOnly, "[#3] Received on \"a.b\"\n");
    let rich = message(Some("r"), &[("B", "2"), ("A", "1"), ("A", "3")]);
    let head = "[#3] Received on \"a.b\" with reply \"r\"\nA: 1\nA: 3\nB: 2\n\n";
    check_text(&rich, b"x", none, Detail::All, &format!("{head}x\n\n"));
    check_text(&rich, b"x", none, Detail::HeadersOnly, head);
    let when = When {
        timestamp: Some(UNIX_EPOCH + Duration::from_millis(1_500)),
        since_last: Some(Duration::from_millis(20)),
    };
    let line = "[#3] @ 1970-01-01T00:00:01.5Z +20.00ms Received on \"a.b\"\n";
    check_text(&plain, b"x", when, Detail::SubjectOnly, line);
}

#[test]
fn messages_are_shown_as_json() {
    let none = When::default();
    assert_eq!(
        json(&message(None, &[]), b"x", none, true),
        json!({"subject": "a.b", "size": 1, "data": "x", "encoding": "text"})
    );
    assert_eq!(
        json(&message(Some("r"), &[("A", "1"), ("A", "2")]), b"\xff", none, true),
        json!({"subject": "a.b", "reply": "r", "headers": {"A": ["1", "2"]}, "size": 1,
               "data": "/w==", "encoding": "base64"})
    );
    let when = When { timestamp: Some(UNIX_EPOCH), since_last: Some(Duration::from_millis(250)) };
    assert_eq!(
        json(&message(None, &[]), b"xyz", when, false),
        json!({"subject": "a.b", "size": 3, "timestamp": "1970-01-01T00:00:00Z",
               "since_last": 0.25})
    );
}

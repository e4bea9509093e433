//! URLs of servers: when two are the same, and what of them may be shown.

use super::Url;

/// Go: TestURLsAreEqual server/util_test.go:93
#[test]
fn urls_are_equal() {
    for (one, other, equal) in [
        ("nats://localhost:4222", "nats://localhost:4222", true),
        ("nats://ivan:pwd@localhost:4222", "nats://ivan:pwd@localhost:4222", true),
        ("nats://ivan@localhost:4222", "nats://ivan@localhost:4222", true),
        ("nats://ivan:@localhost:4222", "nats://ivan:@localhost:4222", true),
        ("nats://ivan:@localhost:4222", "nats://ivan@localhost:4222", false),
        ("nats://ivan:a@localhost:4222", "nats://ivan:b@localhost:4222", false),
        ("nats://host1:4222", "nats://host2:4222", false),
    ] {
        assert_eq!(Url::parse(one).unwrap() == Url::parse(other).unwrap(), equal, "{one} {other}");
    }
}

/// Go: TestURLRedaction server/util_test.go:164
#[test]
fn url_redaction() {
    for (url, safe) in [
        ("nats://foo:bar@example.org", "nats://foo:xxxxx@example.org"),
        ("nats://foo@example.org", "nats://foo@example.org"),
        ("nats://example.org", "nats://example.org"),
        ("nats://example.org/foo?bar=1", "nats://example.org/foo?bar=1"),
    ] {
        assert_eq!(Url::parse(url).unwrap().redacted(), safe);
    }
}

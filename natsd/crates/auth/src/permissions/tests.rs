use super::{Filters, Permissions, ReplyPermits};
use core::time::Duration;
use natsd_base::Timestamp;
use natsd_config::options;

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|one| (*one).to_owned()).collect()
}

fn rule(allow: Option<&[&str]>, deny: &[&str]) -> options::SubjectPermission {
    options::SubjectPermission { allow: allow.map(strings), deny: strings(deny) }
}

#[test]
fn deny_beats_allow_for_publishes() {
    type Case<'a> = (Option<&'a [&'a str]>, &'a [&'a str], &'a str, bool);
    let cases: [Case<'_>; 8] = [
        (None, &[], "a", true),
        (Some(&[]), &[], "a", false),
        (Some(&["a.*"]), &[], "a.b", true),
        (Some(&["a.*"]), &[], "a.b.c", false),
        (Some(&["a.>"]), &["a.b"], "a.b", false),
        (Some(&["a.>"]), &["a.b"], "a.c", true),
        (None, &["a.>"], "a.c", false),
        (None, &["a.>"], "b", true),
    ];
    for (allow, deny, subject, expected) in cases {
        let from = options::Permissions { publish: Some(rule(allow, deny)), ..Default::default() };
        let permissions = Permissions::compile(&from);
        assert_eq!(
            permissions.may_publish(subject.as_bytes()),
            expected,
            "{allow:?} {deny:?} {subject}"
        );
    }
}

#[test]
fn queues_have_their_own_entries() {
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a str, Option<&'a str>, bool);
    let cases: [Case<'_>; 14] = [
        (&["foo"], &[], "foo", None, true),
        (&["foo"], &[], "foo", Some("q"), true),
        (&["foo v1"], &[], "foo", None, false),
        (&["foo v1"], &[], "foo", Some("v1"), true),
        (&["foo v1"], &[], "foo", Some("v2"), false),
        (&["foo", "foo v1"], &[], "foo", Some("v2"), false),
        (&["foo", "foo v1"], &[], "foo", None, true),
        (&["foo *.dev"], &[], "foo", Some("v1.dev"), true),
        (&["foo *.dev"], &[], "foo", Some("v1.prod"), false),
        (&[">"], &["foo v1"], "foo", Some("v1"), false),
        (&[">"], &["foo v1"], "foo", Some("v2"), true),
        (&[">"], &["foo >"], "foo", Some("v2"), false),
        (&[">"], &["foo"], "foo", Some("v2"), false),
        (&[], &["foo"], "bar", None, true),
    ];
    for (allow, deny, subject, queue, expected) in cases {
        let from =
            options::Permissions { subscribe: Some(rule(Some(allow), deny)), ..Default::default() };
        let permissions = Permissions::compile(&from);
        let found = permissions.may_subscribe(subject.as_bytes(), queue.map(str::as_bytes));
        assert_eq!(found, expected, "{allow:?} {deny:?} {subject} {queue:?}");
    }
}

#[test]
fn a_wildcard_over_a_denied_subject_is_filtered_at_delivery() {
    let from =
        options::Permissions { subscribe: Some(rule(None, &["foo.bar"])), ..Default::default() };
    let permissions = Permissions::compile(&from);
    assert!(permissions.may_subscribe(b"foo.*", None));
    assert!(permissions.filters_delivery(b"foo.*", None));
    assert!(!permissions.filters_delivery(b"bar.*", None));
    assert!(!permissions.filters_delivery(b"foo.baz", None));
    assert!(permissions.denies_delivery(b"foo.bar", None));
    assert!(!permissions.denies_delivery(b"foo.baz", None));
}

#[test]
fn a_reply_may_be_used_as_often_and_as_long_as_the_rule_says() {
    let start = Timestamp(0);
    let rule = options::ResponsePermission { max_msgs: 2, expires: Some(Duration::from_secs(5)) };
    let mut permits = ReplyPermits::new(rule, start);
    assert!(!permits.spend(b"r", start));
    permits.grant(b"r", start);
    assert!(permits.spend(b"r", start) && permits.spend(b"r", start));
    assert!(!permits.spend(b"r", start));
    permits.grant(b"s", start);
    assert!(!permits.spend(b"s", start + Duration::from_secs(6)));
    for index in 0..10_000u32 {
        permits.grant(&index.to_be_bytes(), start + Duration::from_secs(u64::from(index) / 100));
    }
    assert!(permits.len() < 1_000, "old leaves are forgotten");
}

/// Go: TestSplitSubjectQueue server/client_test.go:812
#[test]
fn split_subject_queue() {
    type Case<'a> = (&'a str, Option<(&'a str, Option<&'a str>)>);
    let cases: [Case<'_>; 9] = [
        ("foo", Some(("foo", None))),
        ("foo bar", Some(("foo", Some("bar")))),
        (" foo bar ", Some(("foo", Some("bar")))),
        ("foo  bar", Some(("foo", Some("bar")))),
        ("foo  bar fizz", None),
        ("", None),
        ("\t", None),
        ("\n", None),
        (" \t\r\n", None),
    ];
    for (text, expected) in cases {
        let expected: Vec<_> = expected.into_iter().collect();
        let found = Filters::compile(&strings(&[text])).entries;
        let found: Vec<_> = found
            .iter()
            .map(|(subject, queue)| (subject.as_slice(), queue.as_deref()))
            .map(|(subject, queue)| {
                let text = |bytes| core::str::from_utf8(bytes).unwrap();
                (text(subject), queue.map(text))
            })
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

use std::time::Duration;

use jiff::tz::TimeZone;
use natsd_base::Timestamp;

use super::{InvalidSchedule, next_firing, next_of_pattern};

fn time(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp(i64::try_from(time.as_nanosecond()).unwrap())
}

/// When `pattern` fires after `after`, if nothing was missed: the text for headers, and whether it
/// repeats.
fn firing(pattern: &str, zone: Option<&str>, after: &str) -> Option<(String, bool)> {
    let zone = zone.map(|name| TimeZone::get(name).unwrap());
    let after = time(after);
    let firing = next_of_pattern(pattern, zone.as_ref(), after, after).ok()?;
    Some((firing.to_rfc3339(), firing.repeats))
}

/// Go: TestJetStreamScheduledMessageParse server/jetstream_test.go:23617
#[test]
fn jet_stream_scheduled_message_parse() {
    let cases = [
        (
            "@at 2026-03-01T10:00:00.123456789Z",
            None,
            "1970-01-01T00:00:00Z",
            "2026-03-01T10:00:00.123456789Z",
        ),
        ("@every 5s", None, "2026-03-01T10:00:00Z", "2026-03-01T10:00:05Z"),
        // The time before is rounded to the nearest second first.
        ("@every 1500ms", None, "2026-03-01T10:00:00.4Z", "2026-03-01T10:00:01.5Z"),
        ("@every 1500ms", None, "2026-03-01T10:00:01.5Z", "2026-03-01T10:00:03.5Z"),
        ("* * * * * *", None, "2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"),
        ("* * * * * *", None, "2026-03-01T10:00:00.999999999Z", "2026-03-01T10:00:01Z"),
        ("@yearly", None, "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"),
        ("@annually", None, "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"),
        ("@monthly", None, "2028-01-01T00:00:00Z", "2028-02-01T00:00:00Z"),
        ("@weekly", None, "2028-01-02T00:00:00Z", "2028-01-09T00:00:00Z"),
        ("@daily", None, "2028-01-01T00:00:00Z", "2028-01-02T00:00:00Z"),
        ("@midnight", None, "2028-01-01T00:00:00Z", "2028-01-02T00:00:00Z"),
        ("@hourly", None, "2028-01-01T00:00:00Z", "2028-01-01T01:00:00Z"),
        (
            "* * * * * *",
            Some("Europe/Amsterdam"),
            "2026-03-01T10:00:00Z",
            "2026-03-01T11:00:01+01:00",
        ),
    ];
    for (pattern, zone, after, expected) in cases {
        let repeats = !pattern.starts_with("@at");
        let expected = Some((expected.to_owned(), repeats));
        assert_eq!(firing(pattern, zone, after), expected, "{pattern} after {after}");
    }
    assert_eq!(firing("@every 999ms", None, "2026-03-01T10:00:00Z"), None);
    // What was missed is made up for once, not many times.
    let now = time("2026-03-01T10:00:00Z");
    for (pattern, wait) in [("@every 5s", 5), ("* * * * * *", 1)] {
        let firing = next_of_pattern(pattern, None, Timestamp(0), now).unwrap();
        assert_eq!(firing.time(), now + Duration::from_secs(wait), "{pattern}");
    }
}

#[test]
fn cron_patterns_name_times() {
    let cases = [
        ("30 15 10 * * *", None, "2026-03-01T10:15:30Z", "2026-03-02T10:15:30Z"),
        ("0 */20 * * * *", None, "2026-03-01T10:15:30Z", "2026-03-01T10:20:00Z"),
        ("0 5/20 * * * *", None, "2026-03-01T10:46:00Z", "2026-03-01T11:05:00Z"),
        ("0 0 9-17 * * Mon-Fri", None, "2026-03-06T17:00:00Z", "2026-03-09T09:00:00Z"),
        ("0 0 0 29 2 ?", None, "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 0 ? JAN,jul *", None, "2026-03-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        // Both days restricted: one is enough. With a star that has a step, too.
        ("0 0 0 13 * FRI", None, "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z"),
        ("0 0 0 */10 * FRI", None, "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z"),
        // The hour that summer time leaves out, and the one that comes twice.
        (
            "0 30 2 * * *",
            Some("Europe/Amsterdam"),
            "2026-03-28T12:00:00Z",
            "2026-03-30T02:30:00+02:00",
        ),
        (
            "0 30 2 * * *",
            Some("Europe/Amsterdam"),
            "2026-10-25T00:30:00Z",
            "2026-10-25T02:30:00+01:00",
        ),
    ];
    for (pattern, zone, after, expected) in cases {
        let expected = Some((expected.to_owned(), true));
        assert_eq!(firing(pattern, zone, after), expected, "{pattern} after {after}");
    }
}

#[test]
fn unusable_schedules_are_refused() {
    let patterns = [
        "",
        "@at",
        "@at tomorrow",
        "@at 2026-03-01",
        "@at 2026-03-01 10:00:00Z",
        "@at 2026-03-01T10:00:00",
        "@at 2026-03-01T10:00:00+01:00[Europe/Paris]",
        "@every",
        "@every x",
        "@every -5s",
        "@sometimes",
        "* * * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* 60 * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * 32 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "5-1 * * * * *",
        "1-2-3 * * * * *",
        "*/0 * * * * *",
        "1/2/3 * * * * *",
        "x * * * * *",
        "-1 * * * * *",
        ", * * * * *",
        "99999999999 * * * * *",
        // There is no such day.
        "0 0 0 30 2 ?",
    ];
    let after = "2026-03-01T10:00:00Z";
    for pattern in patterns {
        assert_eq!(firing(pattern, None, after), None, "{pattern}");
    }
    for pattern in ["@at 2026-03-01T10:00:00Z", "@every 5s"] {
        assert_eq!(firing(pattern, Some("Europe/Paris"), after), None, "{pattern}");
    }
}

#[test]
fn headers_hold_a_schedule() {
    let now = time("2026-03-01T10:00:00Z");
    let cases: [(&str, Result<Option<&str>, InvalidSchedule>); 6] = [
        ("", Ok(None)),
        ("Nats-Schedule: \r\n", Ok(None)),
        ("Nats-Schedule: @hourly\r\n", Ok(Some("2026-03-01T11:00:00Z"))),
        (
            "Nats-Schedule: 0 0 12 * * *\r\nNats-Schedule-Time-Zone: Asia/Tokyo\r\n",
            Ok(Some("2026-03-02T12:00:00+09:00")),
        ),
        (
            "Nats-Schedule: 0 0 12 * * *\r\nNats-Schedule-Time-Zone: Mars/Base\r\n",
            Err(InvalidSchedule),
        ),
        ("Nats-Schedule: 0 0 12 * * *\r\nNats-Schedule-Time-Zone: \r\n", Err(InvalidSchedule)),
    ];
    for (lines, expected) in cases {
        let headers = format!("NATS/1.0\r\n{lines}\r\n");
        let firing = next_firing(headers.as_bytes(), now, now);
        let text = firing.map(|firing| firing.map(|firing| firing.to_rfc3339()));
        assert_eq!(text, expected.map(|text| text.map(str::to_owned)), "{lines}");
    }
}

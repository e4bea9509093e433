//! Durations and sizes, read and written.

use super::*;

#[test]
fn durations_are_read_with_units() {
    for (text, millis) in [
        ("0", 0),
        ("300ms", 300),
        ("5s", 5_000),
        ("1m30s", 90_000),
        ("1.5s", 1_500),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
        ("2000us", 2),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    assert_eq!(parse("7ns"), Ok(Duration::from_nanos(7)));
}

#[test]
fn bad_durations_say_why() {
    for (text, part) in [
        ("5", "needs a unit, such as 5s"),
        ("", "is empty"),
        ("s", "is not a duration"),
        ("5y", "unknown unit \"y\""),
        ("-5s", "is not a duration"),
        ("1..2s", "is not a duration"),
        ("99999999999999999999w", "is too long"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn sizes_are_read() {
    for (text, size) in
        [("0", 0), ("128", 128), ("16B", 16), ("4KB", 4_096), ("4k", 4_096), ("1MiB", 1 << 20)]
    {
        assert_eq!(parse_size(text), Ok(size), "{text}");
    }
    for text in ["", "KB", "-1", "1.5K", "1XB", "99999999999999999999", "99999999999999G"] {
        assert!(parse_size(text).is_err(), "{text}");
    }
}

#[test]
fn durations_are_written_short() {
    for (nanos, text) in [
        (0, "0ns"),
        (850, "850ns"),
        (12_345, "12.3µs"),
        (4_560_000, "4.56ms"),
        (1_200_000_000, "1.20s"),
        (200_000_000_000, "3m20s"),
        (18_720_000_000_000, "5h12m"),
        (187_200_000_000_000, "2d4h"),
    ] {
        assert_eq!(render(Duration::from_nanos(nanos)), text);
    }
}

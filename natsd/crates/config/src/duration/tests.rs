//! Durations in and out.

use super::{Nanoseconds, format, parse};

#[test]
fn durations_are_read_and_printed_as_in_go() {
    let rows = [
        ("5s", 5_000_000_000, "5s"),
        ("2m", 120_000_000_000, "2m0s"),
        ("1h30m", 5_400_000_000_000, "1h30m0s"),
        ("1.5s", 1_500_000_000, "1.5s"),
        (".5s", 500_000_000, "500ms"),
        ("50ms", 50_000_000, "50ms"),
        ("1us", 1_000, "1µs"),
        ("0", 0, "0s"),
        ("-5s", -5_000_000_000, "-5s"),
        ("+1ns", 1, "1ns"),
        ("1h2m3.004s", 3_723_004_000_000, "1h2m3.004s"),
        ("9223372036854775807ns", i64::MAX, "2562047h47m16.854775807s"),
    ];
    for (text, nanos, printed) in rows {
        assert_eq!(parse(text), Ok(Nanoseconds(nanos)), "{text}");
        assert_eq!(format(Nanoseconds(nanos)), printed);
    }
}

#[test]
fn what_is_no_duration_gets_go_s_message() {
    let rows = [
        ("abc", "time: invalid duration \"abc\""),
        ("", "time: invalid duration \"\""),
        ("-", "time: invalid duration \"-\""),
        ("5", "time: missing unit in duration \"5\""),
        ("5x", "time: unknown unit \"x\" in duration \"5x\""),
        ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
        ("é", "time: invalid duration \"\\xc3\\xa9\""),
        ("5s99999999999999999999", "time: invalid duration \"5s99999999999999999999\""),
        ("99999999999999999999h", "time: invalid duration \"99999999999999999999h\""),
    ];
    for (text, message) in rows {
        assert_eq!(parse(text), Err(message.to_string()), "{text}");
    }
}

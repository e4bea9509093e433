use super::{Rfc3339, TimeError};
use natsd_base::Timestamp;

#[test]
fn times_are_printed_and_read() {
    for (nanos, text) in [
        (i64::MIN, "0001-01-01T00:00:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
        (1_709_251_199_500_000_000, "2024-02-29T23:59:59.5Z"),
        (1_709_251_200_000_000_001, "2024-03-01T00:00:00.000000001Z"),
        (4_107_542_399_120_000_000, "2100-02-28T23:59:59.12Z"),
    ] {
        assert_eq!(Rfc3339(Timestamp(nanos)).to_string(), text);
        assert_eq!(Rfc3339::parse(text), Ok(Rfc3339(Timestamp(nanos))), "{text}");
    }
}

#[test]
fn offsets_are_taken_off() {
    for (text, same) in [
        ("2024-01-01T01:30:00+01:30", "2024-01-01T00:00:00Z"),
        ("2023-12-31T23:00:00-01:00", "2024-01-01T00:00:00Z"),
        ("2024-01-01t00:00:00.1234567891z", "2024-01-01T00:00:00.123456789Z"),
    ] {
        assert_eq!(Rfc3339::parse(text), Rfc3339::parse(same), "{text}");
    }
}

#[test]
fn other_texts_are_no_times() {
    for text in [
        "",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
        "2024-01-0xT00:00:00Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00+1",
        "2024-01-01T00:00:0éZ",
    ] {
        assert_eq!(Rfc3339::parse(text), Err(TimeError), "{text}");
    }
}

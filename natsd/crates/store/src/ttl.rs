//! How long one message lives, as its header `Nats-TTL` says.
//!
//! Source: Go `server/stream.go` `getMessageTTL`, `parseMessageTTL`.

use std::time::Duration;

use crate::headers;

/// The header of a message's own time to live.
pub const TTL_HEADER: &[u8] = b"Nats-TTL";

/// How long one message lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// Not even the stream's age limit removes it.
    Never,
    /// Removed when this long has passed since it was stored. Whole seconds, at least one.
    After(Duration),
}

/// A `Nats-TTL` header that says nothing usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid per-message TTL")]
pub struct InvalidTtl;

impl Ttl {
    /// What the header block says; `None` without the header and for zero.
    pub fn from_headers(message_headers: &[u8]) -> Result<Option<Self>, InvalidTtl> {
        headers::value(message_headers, TTL_HEADER).map_or(Ok(None), Self::parse)
    }

    pub(crate) fn parse(value: &[u8]) -> Result<Option<Self>, InvalidTtl> {
        let text = std::str::from_utf8(value).map_err(|_| InvalidTtl)?;
        if text.is_empty() {
            return Ok(None);
        }
        if text.eq_ignore_ascii_case("never") {
            return Ok(Some(Self::Never));
        }
        let seconds = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds: i64 = text.parse().map_err(|_| InvalidTtl)?;
            u64::try_from(seconds).map_err(|_| InvalidTtl)?
        } else {
            let duration = parse_go_duration(text).ok_or(InvalidTtl)?;
            if duration < Duration::from_secs(1) {
                return Err(InvalidTtl);
            }
            duration.as_secs()
        };
        Ok((seconds > 0).then_some(Self::After(Duration::from_secs(seconds))))
    }
}

/// A positive duration as Go writes it: `1h2m`, `1.5s`, `300ms`. Parts of a nanosecond are cut.
pub(crate) fn parse_go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos = 0_u128;
    while !rest.is_empty() {
        let end = rest.find(|digit: char| !digit.is_ascii_digit() && digit != '.')?;
        let (number, unit) = rest.split_at(end);
        let unit_end = unit.find(|digit: char| digit.is_ascii_digit() || digit == '.');
        let (unit, next) = unit.split_at(unit_end.unwrap_or(unit.len()));
        let unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanos = nanos.checked_add(u128::from(whole).checked_mul(unit)?)?;
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            nanos += u128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?) * scale;
        }
        rest = next;
    }
    let nanos = i64::try_from(nanos).ok()?; // Go's durations end at 292 years.
    (!text.is_empty()).then(|| Duration::from_nanos(nanos.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::{InvalidTtl, Ttl};
    use std::time::Duration;

    #[test]
    fn headers_say_how_long_a_message_lives() {
        let after = |seconds| Ok(Some(Ttl::After(Duration::from_secs(seconds))));
        let cases = [
            ("never", Ok(Some(Ttl::Never))),
            ("NEVER", Ok(Some(Ttl::Never))),
            ("1", after(1)),
            ("0", Ok(None)),
            ("", Ok(None)),
            ("1h2m", after(3720)),
            ("1.5s", after(1)),
            ("2500ms", after(2)),
            ("999ms", Err(InvalidTtl)),
            ("-5", Err(InvalidTtl)),
            ("-5s", Err(InvalidTtl)),
            ("5x", Err(InvalidTtl)),
            ("s", Err(InvalidTtl)),
            (".s", Err(InvalidTtl)),
            ("1.2.3s", Err(InvalidTtl)),
            ("5 s", Err(InvalidTtl)),
            ("99999999999999999999", Err(InvalidTtl)),
            ("99999999999h", Err(InvalidTtl)),
        ];
        for (value, expected) in cases {
            let headers = format!("NATS/1.0\r\nX-Nats-TTL: 7\r\nNats-TTL: {value}\r\n\r\n");
            assert_eq!(Ttl::from_headers(headers.as_bytes()), expected, "{value}");
        }
        assert_eq!(Ttl::from_headers(b""), Ok(None));
        assert_eq!(Ttl::from_headers(b"NATS/1.0\r\nOther: 1\r\n\r\n"), Ok(None));
    }
}

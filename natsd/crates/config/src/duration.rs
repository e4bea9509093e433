//! Durations as Go reads and prints them.
//!
//! Source: Go's standard library, package `time` (`ParseDuration`, `Duration.String`).

use std::time::Duration;

/// A duration in nanoseconds, which may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanoseconds(pub(crate) i64);

impl Nanoseconds {
    /// The duration; none when it is negative.
    pub(crate) fn to_duration(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }

    pub(crate) fn from_duration(duration: Duration) -> Nanoseconds {
        Nanoseconds(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Whole seconds, at most what fits.
    pub(crate) fn from_seconds(seconds: i64) -> Nanoseconds {
        Nanoseconds(seconds.saturating_mul(1_000_000_000))
    }
}

/// Reads `1h2m3.5s`: signs, fractions and the units ns, us, ms, s, m, h.
///
/// # Errors
/// Go's message.
pub(crate) fn parse(text: &str) -> Result<Nanoseconds, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (is_negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Nanoseconds(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let whole = number(whole).ok_or_else(invalid)?;
        let unit_end = after
            .find(|character: char| character == '.' || character.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some(scale) = nanoseconds_of(unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        total += whole * scale + scaled_fraction(fraction, scale);
        if total > i128::from(i64::MAX) + 1 {
            return Err(invalid());
        }
        rest = after;
    }
    let total = if is_negative { -total } else { total };
    i64::try_from(total).map(Nanoseconds).map_err(|_| invalid())
}

/// The text between double quotes; package `time` escapes every byte that is not ASCII.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

fn number(digits: &str) -> Option<i128> {
    if digits.is_empty() {
        return Some(0);
    }
    // More digits than an i64 has cannot fit whatever the unit.
    let digits = digits.trim_start_matches('0');
    if digits.len() > 19 {
        return None;
    }
    Some(digits.parse().unwrap_or(0))
}

/// Digits after the point, times the unit; what is below a nanosecond is dropped.
fn scaled_fraction(digits: &str, scale: i128) -> i128 {
    let digits = &digits[..digits.len().min(18)];
    let power = u32::try_from(digits.len()).unwrap_or(18);
    number(digits).unwrap_or(0) * scale / 10_i128.pow(power)
}

fn nanoseconds_of(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The duration as Go prints it: `1.5s`, `2m0s`, `1h0m0s`, `50ms`, `0s`.
pub(crate) fn format(value: Nanoseconds) -> String {
    let sign = if value.0 < 0 { "-" } else { "" };
    let nanos = value.0.unsigned_abs();
    let text = match nanos {
        0 => "0s".to_string(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        (value / unit).to_string()
    } else {
        format!("{}.{fraction}", value / unit)
    }
}

#[cfg(test)]
mod tests;

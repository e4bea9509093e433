//! Points in time as Go's JSON has them: RFC 3339 in UTC, with as many digits of the nanoseconds as
//! it takes.
//!
//! Source: Go `time` (`RFC3339Nano`).

use natsd_base::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A point in time that is printed as `2026-11-24T21:06:45.47964221Z`.
///
/// `Rfc3339::ZERO` is Go's zero time, `0001-01-01T00:00:00Z`: a time that was never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rfc3339(pub Timestamp);

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeError;

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time in RFC 3339 format")
    }
}

impl std::error::Error for TimeError {}

impl Rfc3339 {
    /// Go's zero time. It lies before what nanoseconds in 64 bits reach, so the lowest stands for it.
    pub const ZERO: Rfc3339 = Rfc3339(Timestamp(i64::MIN));

    /// Reads `2026-11-24T21:06:45.5Z` or the same with an offset such as `+01:00`.
    ///
    /// # Errors
    /// When the text is no time. Times out of range are the nearest that there is.
    pub fn parse(text: &str) -> Result<Rfc3339, TimeError> {
        if text == "0001-01-01T00:00:00Z" {
            return Ok(Rfc3339::ZERO);
        }
        let number = |range: std::ops::Range<usize>| -> Result<i64, TimeError> {
            let digits = text.get(range).ok_or(TimeError)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(TimeError);
            }
            digits.parse().map_err(|_| TimeError)
        };
        let is = |at: usize, byte: u8| text.as_bytes().get(at) == Some(&byte);
        let separated = is(4, b'-') && is(7, b'-') && is(13, b':') && is(16, b':');
        if !separated || !(is(10, b'T') || is(10, b't')) {
            return Err(TimeError);
        }
        let days = days_from_civil(number(0..4)?, number(5..7)?, number(8..10)?);
        let clock = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
        let rest = text.get(19..).ok_or(TimeError)?;
        let (nanos, zone) = match rest.strip_prefix('.') {
            None => (0, rest),
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let kept = &rest[..digits.min(9)];
                let fraction: i64 = kept.parse().map_err(|_| TimeError)?;
                let scale = 9 - u32::try_from(kept.len()).unwrap_or(9);
                (fraction * 10_i64.pow(scale), &rest[digits..])
            }
        };
        let seconds = days * SECONDS_PER_DAY + clock - offset(zone)?;
        Ok(Rfc3339(Timestamp(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos))))
    }
}

fn offset(zone: &str) -> Result<i64, TimeError> {
    if matches!(zone, "Z" | "z") {
        return Ok(0);
    }
    let sign = match zone.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(TimeError),
    };
    let (hours, minutes) = zone.get(1..).and_then(|rest| rest.split_once(':')).ok_or(TimeError)?;
    let number = |digits: &str| digits.parse::<u16>().map(i64::from).map_err(|_| TimeError);
    Ok(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

/// Days from 1970-01-01 of a date of the Gregorian calendar. Source: Howard Hinnant's
/// `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The reverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Rfc3339::ZERO {
            return f.write_str("0001-01-01T00:00:00Z");
        }
        let Timestamp(total) = self.0;
        let (seconds, nanos) =
            (total.div_euclid(NANOS_PER_SECOND), total.rem_euclid(NANOS_PER_SECOND));
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let clock = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl Default for Rfc3339 {
    fn default() -> Rfc3339 {
        Rfc3339::ZERO
    }
}

impl From<Timestamp> for Rfc3339 {
    fn from(at: Timestamp) -> Rfc3339 {
        Rfc3339(at)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rfc3339 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rfc3339, D::Error> {
        Rfc3339::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;

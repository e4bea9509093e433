//! When a message schedule fires: once at a time, at an interval, or by a cron pattern.
//!
//! Source: Go `server/scheduler.go` `parseMsgSchedule`, `server/stream.go` `nextMessageSchedule`.

use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;
use natsd_base::Timestamp;

use super::cron::Cron;
use crate::headers;
use crate::ttl::parse_go_duration;

/// The header with the pattern.
pub(super) const PATTERN: &[u8] = b"Nats-Schedule";
const TIME_ZONE: &[u8] = b"Nats-Schedule-Time-Zone";
const SECOND: Duration = Duration::from_secs(1);

/// A schedule that says nothing usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message schedule is invalid")]
pub struct InvalidSchedule;

/// When a schedule fires next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The time, in the schedule's time zone.
    at: Zoned,
    /// Whether it fires again after that.
    pub repeats: bool,
}

impl Firing {
    /// When it fires.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        i64::try_from(self.at.timestamp().as_nanosecond()).map_or(Timestamp::NEVER, Timestamp)
    }

    /// The time as headers say it: RFC 3339, with as many digits as needed.
    pub(super) fn to_rfc3339(&self) -> String {
        let zone = if self.at.offset().is_zero() { "Z" } else { "%:z" };
        self.at.strftime(&format!("%Y-%m-%dT%H:%M:%S%.f{zone}")).to_string()
    }
}

/// When the schedule in a message's headers fires for the first time after `after`; `None` without
/// one. A time before `now` is skipped by a schedule that repeats: it fires once, not for each
/// time that was missed.
pub fn next_firing(
    message_headers: &[u8],
    after: Timestamp,
    now: Timestamp,
) -> Result<Option<Firing>, InvalidSchedule> {
    let zone = match headers::value(message_headers, TIME_ZONE) {
        None => None,
        Some(name) => Some(time_zone(name)?),
    };
    let Some(pattern) = headers::text(message_headers, PATTERN) else { return Ok(None) };
    let pattern = std::str::from_utf8(pattern).map_err(|_| InvalidSchedule)?;
    next_of_pattern(pattern, zone.as_ref(), after, now).map(Some)
}

fn next_of_pattern(
    pattern: &str,
    zone: Option<&TimeZone>,
    after: Timestamp,
    now: Timestamp,
) -> Result<Firing, InvalidSchedule> {
    let has_zone = zone.is_some();
    if let Some(time) = pattern.strip_prefix("@at ") {
        let at = if has_zone { None } else { parse_rfc3339(time) };
        return at.map(|at| Firing { at, repeats: false }).ok_or(InvalidSchedule);
    }
    if let Some(interval) = pattern.strip_prefix("@every ") {
        let interval = if has_zone { None } else { parse_go_duration(interval) };
        let interval = interval.filter(|&interval| interval >= SECOND).ok_or(InvalidSchedule)?;
        let mut next = round_to_second(after) + interval;
        if next < now {
            next = round_to_second(now) + interval;
        }
        return Ok(Firing { at: zoned(next, &TimeZone::UTC)?, repeats: true });
    }
    let cron = Cron::parse(match pattern {
        "@yearly" | "@annually" => "0 0 0 1 1 *",
        "@monthly" => "0 0 0 1 * *",
        "@weekly" => "0 0 0 * * 0",
        "@daily" | "@midnight" => "0 0 0 * * *",
        "@hourly" => "0 0 * * * *",
        other => other,
    })?;
    let zone = zone.cloned().unwrap_or(TimeZone::UTC);
    let zone = &zone;
    let mut at = cron.next(&zoned(after, zone)?)?;
    if at < zoned(now, zone)? {
        at = cron.next(&zoned(round_to_second(now), zone)?)?;
    }
    Ok(Firing { at, repeats: true })
}

fn time_zone(name: &[u8]) -> Result<TimeZone, InvalidSchedule> {
    let name = std::str::from_utf8(name).map_err(|_| InvalidSchedule)?;
    match name {
        "Local" => Ok(TimeZone::system()),
        _ => TimeZone::get(name).map_err(|_| InvalidSchedule),
    }
}

fn zoned(time: Timestamp, zone: &TimeZone) -> Result<Zoned, InvalidSchedule> {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).map_err(|_| InvalidSchedule)?;
    Ok(time.to_zoned(zone.clone()))
}

/// The nearest second; the later one from the middle.
fn round_to_second(time: Timestamp) -> Timestamp {
    const NANOS: i64 = 1_000_000_000;
    let up = time.0.saturating_add(NANOS / 2);
    Timestamp(up - up.rem_euclid(NANOS))
}

/// RFC 3339 in the form that Go takes: capital letters, seconds, and an offset that is kept.
pub(super) fn parse_rfc3339(text: &str) -> Option<Zoned> {
    let is_plain = text.as_bytes().get(10) == Some(&b'T')
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.+TZ".contains(&byte))
        && text.as_bytes().get(16) == Some(&b':');
    let time: jiff::Timestamp = is_plain.then(|| text.parse().ok()).flatten()?;
    i64::try_from(time.as_nanosecond()).ok()?;
    Some(time.to_zoned(TimeZone::UTC))
}

#[cfg(test)]
mod tests;

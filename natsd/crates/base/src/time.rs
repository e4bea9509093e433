//! Points in time as arguments, and Go's ways of writing durations.

use core::ops::{Add, Sub};
use core::time::Duration;

/// Nanoseconds since 1970-01-01 UTC, on a clock that never goes back within one run: the shell
/// reads the wall clock once at start and counts on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Later than everything that happens.
    pub const NEVER: Timestamp = Timestamp(i64::MAX);

    /// The time from `earlier` to here, zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Timestamp> for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Timestamp) -> Duration {
        self.since(earlier)
    }
}

/// Years, days, hours, minutes and seconds as `/varz` and `/connz` print them: `1y2d3h4m5s`.
/// Source: Go `server/monitor.go` `myUptime`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let years = days / 365;
    if years > 0 {
        format!("{years}y{}d{}h{}m{}s", days % 365, hours % 24, minutes % 60, seconds % 60)
    } else if days > 0 {
        format!("{days}d{}h{}m{}s", hours % 24, minutes % 60, seconds % 60)
    } else if hours > 0 {
        format!("{hours}h{}m{}s", minutes % 60, seconds % 60)
    } else if minutes > 0 {
        format!("{minutes}m{}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// A duration as Go prints it: `1h2m3.5s`, `1.25ms`, `700ns`, `0s`.
#[must_use]
pub fn format_go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fraction = |unit: u128, name: &str| {
        let (whole, rest) = (nanos / unit, nanos % unit);
        let width = unit.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() { format!("{whole}{name}") } else { format!("{whole}.{digits}{name}") }
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(1_000_000, "ms"),
        _ => {
            let seconds = duration.as_secs();
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = Duration::new(seconds % 60, duration.subsec_nanos()).as_nanos();
            let (whole, part) = (rest / 1_000_000_000, rest % 1_000_000_000);
            let part = format!("{part:09}");
            let part = part.trim_end_matches('0');
            let dot = if part.is_empty() { "" } else { "." };
            match (hours, minutes) {
                (0, 0) => format!("{whole}{dot}{part}s"),
                (0, _) => format!("{minutes}m{whole}{dot}{part}s"),
                _ => format!("{hours}h{minutes}m{whole}{dot}{part}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{format_duration, format_go_duration};
    use core::time::Duration;

    /// Go: TestMyUptime server/monitor_test.go:139
    #[test]
    fn my_uptime() {
        let cases = [
            (22, "22s"),
            (4 * 60 + 22, "4m22s"),
            (4 * 3600 + 4 * 60 + 22, "4h4m22s"),
            (32 * 86_400 + 4 * 3600 + 4 * 60 + 22, "32d4h4m22s"),
            (22 * 365 * 86_400 + 32 * 86_400 + 4 * 3600 + 4 * 60 + 22, "22y32d4h4m22s"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(format_duration(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn durations_are_written_as_go_does() {
        let cases = [
            (0, "0s"),
            (700, "700ns"),
            (1_500, "1.5µs"),
            (1_250_000, "1.25ms"),
            (2_000_000_000, "2s"),
            (62_500_000_000, "1m2.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(format_go_duration(Duration::from_nanos(nanos)), expected);
        }
    }
}

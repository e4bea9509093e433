//! The clock of the server: the wall clock, read once, and counted on by a monotonic one.

use natsd_base::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Gives the time to everything that takes it as an argument.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_wall: Timestamp,
}

impl Clock {
    /// Reads both clocks.
    #[must_use]
    pub fn start() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX);
        Clock { started: Instant::now(), started_wall: Timestamp(nanos) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.started_wall + self.started.elapsed()
    }

    /// The instant of a timestamp, for timers. Times before the start are the start.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        // Far times are as good as a year from now, and an instant has an end.
        let latest = self.started.elapsed() + Duration::from_secs(86_400 * 365);
        self.started + at.since(self.started_wall).min(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use natsd_base::Timestamp;
    use std::time::{Duration, Instant};

    #[test]
    fn timers_lie_in_the_future_after_years_too() {
        let year = Duration::from_secs(86_400 * 365);
        let mut clock = Clock::start();
        let Some(started) = clock.started.checked_sub(year.min(Duration::from_secs(3600))) else {
            return;
        };
        clock.started = started;
        let later = clock.now() + Duration::from_secs(60);
        assert!(clock.instant(later) > Instant::now());
        assert!(clock.instant(Timestamp::NEVER) > Instant::now() + year / 2);
        assert!(clock.instant(Timestamp(0)) <= Instant::now());
    }
}

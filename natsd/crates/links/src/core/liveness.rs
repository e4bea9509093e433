//! Whether the peer is still there: pings, round trip, stale connections.
//!
//! Source: Go `server/client.go` (`processPingTimer`, `setFirstPingTimer`).

use ::core::time::Duration;
use natsd_base::{Timestamp, limits};

/// Time between two measurements of the round trip. Go: `DEFAULT_RTT_MEASUREMENT_INTERVAL`.
const ROUND_TRIP_INTERVAL: Duration = Duration::from_secs(3600);

/// What the ping timer decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ping {
    /// Not yet due, or there was other input.
    No,
    /// Send a ping.
    Send,
    /// Too many stayed unanswered.
    Stale,
}

/// The ping state of one connection.
#[derive(Debug)]
pub(crate) struct Liveness {
    due: Timestamp,
    unanswered: u32,
    last_input: Timestamp,
    sent: Timestamp,
    round_trip: Option<Duration>,
}

impl Liveness {
    pub(crate) fn new(now: Timestamp, interval: Duration) -> Liveness {
        Liveness {
            due: now + interval,
            unanswered: 0,
            last_input: now,
            sent: Timestamp(0),
            round_trip: None,
        }
    }

    /// A CONNECT came: the first ping is due soon, up to a fifth later by `jitter` (0 to 1000).
    pub(crate) fn connected(
        &mut self,
        now: Timestamp,
        start: Timestamp,
        interval: Duration,
        early: bool,
        jitter: usize,
    ) {
        self.round_trip = Some(now.since(start).max(Duration::from_nanos(1)));
        let first = if early { interval.min(limits::PING_FIRST) } else { interval };
        let jitter = u32::try_from(jitter.min(1000)).unwrap_or(1000);
        self.due = now + first + first / 5 * jitter / 1000;
    }

    pub(crate) fn due(&self) -> Timestamp {
        self.due
    }

    pub(crate) fn input(&mut self, now: Timestamp) {
        self.last_input = now;
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(crate) fn pong(&mut self, now: Timestamp) {
        self.unanswered = 0;
        if self.sent != Timestamp(0) {
            self.round_trip = Some(now.since(self.sent).max(Duration::from_nanos(1)));
        }
    }

    pub(crate) fn handle_timeout(
        &mut self,
        now: Timestamp,
        interval: Duration,
        unanswered_max: u32,
    ) -> Ping {
        if now < self.due {
            return Ping::No;
        }
        self.due = now + interval;
        // The estimate of CONNECT counts as measured at the start of time, as in Go.
        let measure = self.round_trip.is_none() || now.since(self.sent) > ROUND_TRIP_INTERVAL;
        if now.since(self.last_input) < interval && !measure {
            return Ping::No;
        }
        if self.unanswered + 1 > unanswered_max {
            return Ping::Stale;
        }
        self.unanswered += 1;
        self.sent = now;
        Ping::Send
    }
}

#[cfg(test)]
mod tests {
    use super::{Liveness, Ping};
    use ::core::time::Duration;
    use natsd_base::Timestamp;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn a_silent_peer_is_pinged_and_then_stale() {
        let mut now = Timestamp(1);
        let mut liveness = Liveness::new(now, INTERVAL);
        let mut found = Vec::new();
        for _ in 0..3 {
            now = now + INTERVAL;
            found.push(liveness.handle_timeout(now, INTERVAL, 2));
        }
        assert_eq!(found, [Ping::Send, Ping::Send, Ping::Stale]);
    }

    #[test]
    fn input_delays_a_ping_once_the_round_trip_is_known() {
        let mut liveness = Liveness::new(Timestamp(1), INTERVAL);
        let mut now = Timestamp(1) + INTERVAL;
        assert_eq!(liveness.handle_timeout(now, INTERVAL, 2), Ping::Send);
        liveness.pong(now + Duration::from_millis(3));
        assert_eq!(liveness.round_trip(), Some(Duration::from_millis(3)));
        now = now + INTERVAL;
        liveness.input(now);
        assert_eq!(liveness.handle_timeout(now, INTERVAL, 2), Ping::No);
    }

    #[test]
    fn the_first_ping_comes_early() {
        let mut liveness = Liveness::new(Timestamp(1), INTERVAL);
        liveness.connected(Timestamp(5), Timestamp(1), INTERVAL, true, 500);
        assert_eq!(liveness.due(), Timestamp(5) + Duration::from_millis(2200));
    }
}

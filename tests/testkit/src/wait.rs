//! Waiting for a condition with a deadline.
//!
//! The only place of the test code that lets time pass.

use std::time::{Duration, Instant};

/// How long any condition may take before a test gives up, when it names no other deadline.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Calls `probe` until it returns `Some`, or panics with `what` once `deadline` has passed.
///
/// The probe is called at least once, then every few milliseconds.
#[track_caller]
pub fn wait_until<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < deadline, "gave up after {deadline:?} waiting for: {what}");
        pause();
    }
}

/// One short breath between two looks at the same condition.
pub fn pause() {
    std::thread::park_timeout(Duration::from_millis(3));
}

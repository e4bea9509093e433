//! Durations and sizes as people write them on the command line, and as we write them back.
//!
//! Pure. A number without a unit is refused for durations, because seconds and milliseconds are
//! both plausible.

use std::time::Duration;

/// Reads a duration such as `300ms`, `5s`, `1m30s`, `2h`, `1d`.
///
/// # Errors
/// A text for the user when the unit is missing or unknown, or the value does not fit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut nanos: f64 = 0.0;
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err("a duration is empty; write one such as 5s".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: f64 =
            number.parse().map_err(|_| format!("{text:?} is not a duration such as 5s"))?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        nanos += number * unit_nanos(unit).ok_or_else(|| unit_error(text, unit))?;
        rest = tail;
    }
    Duration::try_from_secs_f64(nanos / 1e9).map_err(|_| format!("{text:?} is too long"))
}

fn unit_error(text: &str, unit: &str) -> String {
    if unit.is_empty() {
        format!("{text:?} needs a unit, such as {text}s or {text}ms")
    } else {
        format!("{text:?} has the unknown unit {unit:?}; known are ns, us, ms, s, m, h, d, w")
    }
}

fn unit_nanos(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3_600e9,
        "d" => 86_400e9,
        "w" => 604_800e9,
        _ => return None,
    })
}

/// Reads a size in bytes such as `128`, `16B`, `4KB`, `1MiB`; every unit counts by 1024.
///
/// # Errors
/// A text for the user when it is no size or does not fit.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let bad = || format!("{text:?} is not a size such as 128, 4KB or 1MiB");
    let number: usize = number.parse().map_err(|_| bad())?;
    let factor: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(bad()),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

/// A short duration with three significant digits or so: `850ns`, `12.3µs`, `4.56ms`, `1.20s`.
pub(crate) fn render(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let seconds = duration.as_secs_f64();
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{:.1}µs", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.2}ms", seconds * 1e3),
        1_000_000_000..120_000_000_000 => format!("{seconds:.2}s"),
        _ => render_long(duration),
    }
}

/// A long duration in the two largest units that matter: `3m20s`, `5h12m`, `2d4h`.
fn render_long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days}d{}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{}m", minutes % 60)
    } else {
        format!("{minutes}m{}s", seconds % 60)
    }
}

#[cfg(test)]
mod tests;

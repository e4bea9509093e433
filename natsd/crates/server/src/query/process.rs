//! The process as the kernel sees it.
//!
//! Source: Go `server/pse/pse_linux.go`; proc(5).

use natsd_api::monitor::Expvarz;
use natsd_base::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

/// Two looks closer than this give the same answer, as with Go, which looks once a second.
const SAMPLE_MIN: Duration = Duration::from_secs(1);

/// The last look at what the process uses.
#[derive(Debug)]
pub(super) struct Usage {
    at: Timestamp,
    ticks: u64,
    percent: f64,
    sampled: bool,
}

/// Figures of `/proc/self/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stat {
    /// Processor time in user and kernel mode, in clock ticks.
    ticks: u64,
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Usage {
    /// Nothing was looked at yet; the first look covers the time since `started`.
    pub(super) fn new(started: Timestamp) -> Usage {
        Usage { at: started, ticks: 0, percent: 0.0, sampled: false }
    }

    /// Percent of one core since the last look, with one decimal, and resident bytes.
    pub(super) fn sample(&mut self, now: Timestamp) -> (f64, u64) {
        let stat = stat().unwrap_or_default();
        let resident = stat.resident_pages.saturating_mul(rustix::param::page_size() as u64);
        let elapsed = now - self.at;
        if elapsed >= SAMPLE_MIN || !self.sampled {
            let seconds = stat.ticks.saturating_sub(self.ticks) as f64
                / rustix::param::clock_ticks_per_second() as f64;
            let share = seconds / elapsed.as_secs_f64().max(SAMPLE_MIN.as_secs_f64());
            self.percent = (share * 1000.0).round() / 10.0;
            *self = Usage { at: now, ticks: stat.ticks, percent: self.percent, sampled: true };
        }
        (self.percent, resident)
    }
}

fn stat() -> Option<Stat> {
    parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Fields are counted behind the name, which may hold spaces and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        ticks: number(11)? + number(12)?,
        threads: number(17)?,
        virtual_bytes: number(20)?,
        resident_pages: number(21)?,
    })
}

/// Cores that the process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Threads that run connections.
pub(super) fn workers() -> usize {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.metrics().num_workers(),
        Err(_) => cores(),
    }
}

/// The command line and what is known of memory.
pub(super) fn expvarz() -> Expvarz {
    let stat = stat().unwrap_or_default();
    let page = rustix::param::page_size() as u64;
    let memstats = BTreeMap::from([
        ("Resident".to_owned(), stat.resident_pages.saturating_mul(page)),
        ("Sys".to_owned(), stat.virtual_bytes),
        ("Threads".to_owned(), stat.threads),
    ]);
    let args = std::env::args_os().map(|one| one.to_string_lossy().into_owned());
    let mut cmdline: Vec<String> = args.collect();
    natsd_config::flags::redact_args(&mut cmdline);
    Expvarz { cmdline, memstats }
}

/// One line for each thread: number, name, what it does now, and the time that it used.
pub(super) fn threads() -> String {
    let mut out = String::new();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut numbers: Vec<u32> =
        tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    for number in numbers {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/self/task/{number}/{file}")).unwrap_or_default()
        };
        let (name, wait) = (read("comm"), read("wchan"));
        let line = read("stat");
        let state = line.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        let ticks = parse_stat(&line).map_or(0, |stat| stat.ticks);
        let wait = if wait.is_empty() || wait == "0" { "nothing" } else { wait.trim() };
        writeln!(
            out,
            "thread {number} [{}]: {}, waits for {wait}, {ticks} ticks",
            name.trim(),
            describe(state),
        )
        .expect("writing to a string cannot fail");
    }
    out
}

fn describe(state: Option<char>) -> &'static str {
    match state {
        Some('R') => "running",
        Some('S') => "sleeping",
        Some('D') => "in the kernel",
        Some('T' | 't') => "stopped",
        _ => "ending",
    }
}

#[cfg(test)]
mod tests;

//! Where a long look has got to: one line on the terminal, written over and over.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use natsd_base::Timestamp;

use crate::assets::now;

/// Nanoseconds between two of them.
const INTERVAL: u64 = 100_000_000;
/// Longer lines would be wrapped, and then not be written over.
const WIDTH: usize = 79;
const CLEAR_REST: &str = "\x1b[K";

/// Says what is looked at.
pub(crate) struct Progress {
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    /// Nothing when nobody watches.
    out: Option<Box<dyn Write + Send>>,
    asset: String,
    written: Option<Timestamp>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Progress").finish_non_exhaustive()
    }
}

impl Progress {
    pub(crate) fn new(out: Option<Box<dyn Write + Send>>) -> Self {
        Self { line: Mutex::new(Line { out, ..Line::default() }) }
    }

    /// On the standard error output, when that is a terminal.
    pub(crate) fn on_terminal() -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self::new(is_terminal.then(|| Box::new(io::stderr()) as Box<dyn Write + Send>))
    }

    /// Another stream, RAFT group or journal.
    pub(crate) fn begin(&self, asset: String) {
        self.change(|line| {
            line.asset = asset;
            line.write("");
        });
    }

    /// A file of it was opened.
    pub(crate) fn open(&self, path: &Path) {
        if path.extension().is_some_and(|extension| extension == "blk")
            && let Some(number) = path.file_stem()
        {
            self.change(|line| line.write(&format!(", block {}", number.display())));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.change(|line| {
            if line.written.take().is_some() {
                line.put(&format!("\r{CLEAR_REST}"));
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        change(&mut self.line.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Line {
    fn write(&mut self, rest: &str) {
        if self.out.is_none() {
            return;
        }
        let now = now();
        if self.written.is_some_and(|before| now.0.abs_diff(before.0) < INTERVAL) {
            return;
        }
        self.written = Some(now);
        let room = WIDTH.saturating_sub(rest.chars().count());
        let asset: String =
            self.asset.chars().filter(|character| !character.is_control()).take(room).collect();
        self.put(&format!("\r{asset}{rest}{CLEAR_REST}"));
    }

    fn put(&mut self, text: &str) {
        if let Some(out) = &mut self.out
            && out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err()
        {
            self.out = None;
        }
    }
}

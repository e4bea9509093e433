//! Where log lines go and how they look: Go's line format or JSON, to standard error, a file that
//! is rotated by size, or syslog.
//!
//! Source: Go `server/log.go`, `logger/log.go`, `logger/syslog.go`.

mod file;
mod format;
mod syslog;

use file::LogFile;
use format::Line;
use natsd_base::{LeveledMutex, os_error};
use natsd_config::Options;
use natsd_config::options::LogFormat;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use syslog::Syslog;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Target of a message after which the process ends.
const FATAL: &str = "natsd::fatal";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log file cannot be opened.
    #[error("error opening file: open {path}: {}", os_error(source))]
    File {
        /// Path as configured.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The syslog cannot be reached.
    #[error("error connecting to syslog: {}", os_error(.0))]
    Syslog(io::Error),
    /// The URL of the remote syslog makes no sense.
    #[error("error invalid network type: {0}; use udp://, tcp:// or unix://")]
    SyslogUrl(String),
    /// Another part of the process logs already.
    #[error("the process has a log already")]
    Taken,
}

#[derive(Debug)]
enum Sink {
    Stderr { colored: bool },
    File(LogFile),
    Syslog(Syslog),
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verbosity {
    debug: bool,
    trace: bool,
}

impl Verbosity {
    fn bits(self) -> u8 {
        u8::from(self.debug) | u8::from(self.trace) << 1
    }

    fn admits(self, level: Level) -> bool {
        match level {
            Level::DEBUG => self.debug,
            Level::TRACE => self.trace,
            _ => true,
        }
    }
}

/// A log that is open and not yet in use.
#[derive(Debug)]
pub struct PreparedLog {
    sink: Sink,
    line: Line,
    verbosity: Verbosity,
}

/// The log of the process.
#[derive(Debug)]
pub struct Log {
    state: LeveledMutex<60, (Sink, Line)>,
    verbosity: AtomicU8,
}

impl PreparedLog {
    fn open(options: &Options) -> Result<PreparedLog, LogError> {
        let sink = if let Some(path) = &options.log_file {
            let size_max = u64::try_from(options.log_size_limit).unwrap_or(0);
            let kept_max = usize::try_from(options.log_max_files).unwrap_or(0);
            let file = LogFile::open(&PathBuf::from(path), size_max, kept_max)
                .map_err(|source| LogError::File { path: path.clone(), source })?;
            Sink::File(file)
        } else if let Some(url) = &options.remote_syslog {
            Sink::Syslog(Syslog::remote(url)?)
        } else if options.syslog {
            Sink::Syslog(Syslog::local().map_err(LogError::Syslog)?)
        } else {
            Sink::Stderr { colored: io::stderr().is_terminal() }
        };
        let verbosity = Verbosity { debug: options.debug, trace: options.trace };
        let line = Line {
            time: options.logtime,
            utc: options.logtime_utc,
            json: options.log_format == LogFormat::Json,
            pid: std::process::id(),
        };
        Ok(PreparedLog { sink, line, verbosity })
    }
}

impl Log {
    /// Opens the log that `options` ask for and makes it the one of the process.
    ///
    /// # Errors
    /// When the file or the syslog cannot be opened.
    pub fn install(options: &Options) -> Result<Arc<Log>, LogError> {
        let log = Arc::new(Log::open(options)?);
        let subscriber = tracing_subscriber::registry().with(LogLayer(log.clone()));
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
        Ok(log)
    }

    fn open(options: &Options) -> Result<Log, LogError> {
        let PreparedLog { sink, line, verbosity } = PreparedLog::open(options)?;
        Ok(Log {
            state: LeveledMutex::new((sink, line)),
            verbosity: AtomicU8::new(verbosity.bits()),
        })
    }

    /// Opens the log that other `options` ask for, without using it yet.
    ///
    /// # Errors
    /// When the file or the syslog cannot be opened.
    pub fn prepare(&self, options: &Options) -> Result<PreparedLog, LogError> {
        PreparedLog::open(options)
    }

    /// Uses `prepared` from now on.
    pub fn switch(&self, prepared: PreparedLog) {
        *self.state.lock() = (prepared.sink, prepared.line);
        self.verbosity.store(prepared.verbosity.bits(), Ordering::Relaxed);
        // Whether an event is wanted is remembered where it is made.
        tracing::callsite::rebuild_interest_cache();
    }

    fn verbosity(&self) -> Verbosity {
        let bits = self.verbosity.load(Ordering::Relaxed);
        Verbosity { debug: bits & 1 != 0, trace: bits & 2 != 0 }
    }

    /// Opens the log file anew, after it was moved away. Does nothing for other logs.
    pub fn reopen(&self) {
        let result = match &mut self.state.lock().0 {
            Sink::File(file) => Some(file.reopen()),
            Sink::Stderr { .. } | Sink::Syslog(_) => None,
        };
        match result {
            None => tracing::info!("File log re-open ignored, not a file logger"),
            Some(Ok(())) => tracing::info!("File log re-opened"),
            Some(Err(error)) => tracing::error!("cannot re-open the log file: {error}"),
        }
    }

    fn write(&self, level: Level, fatal: bool, text: &str) {
        let label = format::label(level, fatal);
        let (sink, line) = &mut *self.state.lock();
        match sink {
            Sink::Stderr { colored } => {
                let line = line.render(label, *colored, text);
                // Nobody is left to tell when standard error is gone.
                let _ = io::stderr().write_all(line.as_bytes());
            }
            Sink::File(file) => file.write(line, label, text),
            Sink::Syslog(syslog) => syslog.write(level, fatal, text),
        }
    }
}

struct LogLayer(Arc<Log>);

/// Puts the message first and the fields behind it, as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let result = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        result.expect("writing to a string cannot fail");
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("natsd") && self.0.verbosity().admits(*metadata.level())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        text.message.push_str(&text.fields);
        let metadata = event.metadata();
        self.0.write(*metadata.level(), metadata.target() == FATAL, &text.message);
    }
}

#[cfg(test)]
mod tests;

//! The process as an operator sees it: pid file, ports file, and signals to other servers.
//!
//! Source: Go `server/server.go` (`logPid`, `logPorts`), `server/signal.go` (`ProcessSignal`).

use natsd_base::os_error;
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name that is looked for when no pid is given.
const PROCESS_NAMES: [&str; 2] = ["nats-server", "natsd"];

/// A file that is removed when the value is dropped.
#[derive(Debug)]
pub struct OwnedFile {
    path: PathBuf,
}

impl OwnedFile {
    fn write(path: PathBuf, content: &str, mode: u32) -> io::Result<OwnedFile> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)?;
        file.write_all(content.as_bytes())?;
        Ok(OwnedFile { path })
    }
}

impl OwnedFile {
    /// Leaves the file where it is when the value is dropped.
    pub fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for OwnedFile {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // Removed by somebody else already is as good.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes the number of this process to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pid_file(path: &Path) -> io::Result<OwnedFile> {
    OwnedFile::write(path.to_owned(), &std::process::id().to_string(), 0o660)
}

/// Writes the URLs of the listeners to `<program>_<pid>.ports` in `dir`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_ports_file(
    dir: &Path,
    nats: &[String],
    monitoring: &[String],
) -> io::Result<OwnedFile> {
    let program = std::env::args().next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let mut ports = serde_json::Map::new();
    for (name, urls) in [("nats", nats), ("monitoring", monitoring)] {
        if !urls.is_empty() {
            ports.insert(name.into(), urls.into());
        }
    }
    let path = dir.join(format!("{program}_{}.ports", std::process::id()));
    OwnedFile::write(path, &serde_json::Value::Object(ports).to_string(), 0o644)
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The pid is no number.
    #[error("invalid pid: {0}")]
    InvalidPid(String),
    /// No server runs.
    #[error("no nats-server processes running")]
    NotRunning,
    /// Several run and none was named.
    #[error("multiple nats-server processes running:{}", list(.0))]
    Several(Vec<i32>),
    /// The list of processes cannot be had.
    #[error("unable to resolve pid, try providing one")]
    Unresolved,
    /// The system refused.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
}

fn list(pids: &[i32]) -> String {
    pids.iter().map(|pid| format!("\n{pid}")).collect()
}

/// Sends `signal`, called `name` in errors, to the server that `expression` names: a pid, the start
/// of pids with `*`, or nothing for the only one that runs.
///
/// # Errors
/// When there is no such process, more than one without `*`, or the system refuses.
pub fn send_signal(name: &str, signal: Signal, expression: &str) -> Result<(), SignalError> {
    send_signal_with(name, signal, expression, running_servers, |pid, signal| {
        kill_process(pid, signal).map_err(io::Error::from)
    })
}

fn send_signal_with(
    name: &str,
    signal: Signal,
    expression: &str,
    running: impl FnOnce() -> Result<Vec<i32>, SignalError>,
    send: impl Fn(Pid, Signal) -> io::Result<()>,
) -> Result<(), SignalError> {
    let wildcard = expression.ends_with('*');
    let prefix = expression.trim_end_matches('*');
    let invalid = || SignalError::InvalidPid(prefix.to_owned());
    let named = match prefix {
        "" => None,
        text => Some(text.parse::<i32>().ok().filter(|pid| *pid > 0).ok_or_else(invalid)?),
    };
    let pids = match named {
        Some(pid) if !wildcard => vec![pid],
        _ => running()?,
    };
    if pids.len() > 1 && !wildcard {
        return Err(SignalError::Several(pids));
    }
    if pids.is_empty() {
        return Err(SignalError::NotRunning);
    }
    let mut refused = Vec::new();
    for number in pids.into_iter().filter(|pid| pid.to_string().starts_with(prefix)) {
        let pid = Pid::from_raw(number).ok_or_else(invalid)?;
        if let Err(error) = send(pid, signal) {
            refused.push(format!("signal \"{name}\" {number}: {}", os_error(&error)));
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(SignalError::Refused(refused)) }
}

/// The pids of other servers on this machine.
fn running_servers() -> Result<Vec<i32>, SignalError> {
    let mut pids = Vec::new();
    for name in PROCESS_NAMES {
        let output = Command::new("pgrep").args(["-x", name]).output();
        let output = output.map_err(|_| SignalError::Unresolved)?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            pids.push(line.trim().parse().map_err(|_| SignalError::Unresolved)?);
        }
    }
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    pids.retain(|pid| *pid != own);
    Ok(pids)
}

#[cfg(test)]
mod tests;

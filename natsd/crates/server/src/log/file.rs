//! A log file that is renamed when it is large enough, and of whose old ones a number is kept.
//!
//! Source: Go `logger/log.go` (`fileLogger`).

use super::format::{Line, label};
use jiff::Zoned;
use jiff::fmt::strtime;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tracing::Level;

/// What follows the name of a rotated file. Go: the format of `bak`.
const STAMP: &str = "%Y.%m.%d.%H.%M.%S";

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    /// Size after which the file is rotated; 0 is never.
    size_max: u64,
    /// The limit in force: larger after a rotation that failed.
    size_max_now: u64,
    /// Files kept, the current one among them; 0 is all.
    kept_max: usize,
}

impl LogFile {
    pub(super) fn open(path: &Path, size_max: u64, kept_max: usize) -> io::Result<LogFile> {
        let (file, size) = open(path)?;
        let path = path.to_owned();
        Ok(LogFile { path, file, size, size_max, size_max_now: size_max, kept_max })
    }

    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.size) = open(&self.path)?;
        Ok(())
    }

    pub(super) fn write(&mut self, line: &Line, label: (&str, u8), text: &str) {
        self.append(&line.render(label, false, text));
        if self.size_max > 0 && self.size > self.size_max_now {
            self.rotate(line);
        }
    }

    /// A log that cannot be written must not stop the server, and there is nobody to tell.
    fn append(&mut self, line: &str) {
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.size += line.len() as u64;
        }
    }

    fn note(&mut self, line: &Line, level: Level, text: &str) {
        self.append(&line.render(label(level, false), false, text));
    }

    fn rotate(&mut self, line: &Line) {
        let now = Zoned::now();
        let backup = format!(
            "{}.{}.{:09}",
            self.path.display(),
            now.strftime(STAMP),
            now.subsec_nanosecond()
        );
        let renamed = std::fs::rename(&self.path, &backup).and_then(|()| open(&self.path));
        match renamed {
            Ok((file, size)) => {
                (self.file, self.size) = (file, size);
                self.size_max_now = self.size_max;
                self.note(line, Level::INFO, &format!("Rotated log, backup saved as {backup:?}"));
                if self.kept_max > 0 {
                    self.purge(line);
                }
            }
            Err(error) => {
                self.size_max_now = self.size_max_now.saturating_mul(2);
                let next = self.size_max_now;
                let text = format!(
                    "Unable to rotate the logfile ({error}), will attempt next rotation at size {next}"
                );
                self.note(line, Level::ERROR, &text);
            }
        }
    }

    fn purge(&mut self, line: &Line) {
        let backups = match self.backups() {
            Ok(backups) => backups,
            Err(error) => {
                let text = format!("Unable to read the log directory for purge ({error})");
                return self.note(line, Level::ERROR, &text);
            }
        };
        let surplus = (backups.len() + 1).saturating_sub(self.kept_max);
        for backup in &backups[..surplus.min(backups.len())] {
            match std::fs::remove_file(backup) {
                Ok(()) => {
                    let name = backup.file_name().unwrap_or_default();
                    self.note(line, Level::INFO, &format!("Purged log file {name:?}"));
                }
                Err(error) => {
                    let text = format!(
                        "Unable to remove backup log file {backup:?} ({error}), will attempt next rotation"
                    );
                    return self.note(line, Level::ERROR, &text);
                }
            }
        }
    }

    /// The rotated files, oldest first.
    fn backups(&self) -> io::Result<Vec<PathBuf>> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut backups = Vec::new();
        for entry in std::fs::read_dir(parent.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            let other = entry.file_name();
            let other = other.to_string_lossy();
            let stamp = other.strip_prefix(&*name).and_then(|rest| rest.strip_prefix('.'));
            if stamp.is_some_and(is_stamp) && !entry.file_type()?.is_dir() {
                backups.push(entry.path());
            }
        }
        backups.sort();
        Ok(backups)
    }
}

fn is_stamp(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(stamp, nanos)| {
        strtime::parse(STAMP, stamp).is_ok()
            && (1..=9).contains(&nanos.len())
            && nanos.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

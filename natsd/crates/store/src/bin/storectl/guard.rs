//! Keeps storectl and a running server out of each other's way.
//!
//! What writes holds the lock of the store directory. What only reads goes on beside a server, and
//! says so. A Go server takes no lock.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use natsd_store::StoreLock;
use natsd_store::journal::JOURNAL_DIR;
use natsd_store::stream_dir::STREAMS_DIR;

use crate::assets::{GROUPS_DIR, JETSTREAM_DIR};
use crate::batches::BATCHES_DIR;
use crate::explain;

/// The store directory that has `dir` in it: a stream, a RAFT group, a batch, or a folder above.
pub(crate) fn store_dir_of(dir: &Path) -> Option<PathBuf> {
    // As it was named and as it is: either may lead through a link.
    let paths = [std::path::absolute(dir).ok(), dir.canonicalize().ok()];
    paths.into_iter().flatten().find_map(|path| {
        let has = |name: &str| path.join(name).is_dir();
        let above = |up: usize| path.ancestors().nth(up);
        let is = |up: usize, name: &str| {
            above(up).and_then(Path::file_name).is_some_and(|part| part == name)
        };
        let up = if has(JETSTREAM_DIR) || has(JOURNAL_DIR) {
            0
        } else if is(0, JETSTREAM_DIR) {
            1
        } else if (is(1, STREAMS_DIR) || is(1, GROUPS_DIR)) && is(3, JETSTREAM_DIR) {
            4
        } else if is(1, BATCHES_DIR) && is(3, STREAMS_DIR) && is(5, JETSTREAM_DIR) {
            6
        } else {
            return None;
        };
        above(up).map(Path::to_owned)
    })
}

/// Locks the store directory that has `dir` in it; what lies elsewhere no server uses.
pub(crate) fn lock(dir: &Path) -> io::Result<Option<StoreLock>> {
    let lock = store_dir_of(dir).map(|dir| StoreLock::acquire(&dir)).transpose();
    lock.map_err(|error| io::Error::other(explain(&error)))
}

/// Says when somebody writes in the store directory that has `dir` in it.
pub(crate) struct Watch {
    store_dir: Option<PathBuf>,
    has_said: bool,
}

impl Watch {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { store_dir: store_dir_of(dir), has_said: false }
    }

    /// To be called before the first and after the last look. Says it once.
    pub(crate) fn look(&mut self, out: &mut dyn Write) {
        let Some(dir) = self.store_dir.as_ref().filter(|_| !self.has_said) else { return };
        let text = match StoreLock::holder(dir) {
            Ok(None) => return,
            Ok(Some(holder)) => format!(
                "{holder} uses this store directory: the result may be of the middle of a change"
            ),
            Err(error) => format!("nobody knows whether a server uses this store: {error}"),
        };
        self.has_said = true;
        let _ = writeln!(out, "storectl: {}: {text}", dir.display());
    }
}

//! Files and environment for tests.

use std::collections::BTreeMap;
use std::io;

use crate::source::{DirectoryState, Source};

/// Files and variables that exist only here.
#[derive(Clone, Debug, Default)]
pub(crate) struct MapSource {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) directories: BTreeMap<String, DirectoryState>,
}

impl MapSource {
    pub(crate) fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> MapSource {
        self.files.insert(path.to_string(), text.as_ref().to_vec());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> MapSource {
        self.variables.insert(name.to_string(), value.to_string());
        self
    }
}

impl Source for MapSource {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn directory(&self, path: &str) -> DirectoryState {
        self.directories.get(path).copied().unwrap_or(DirectoryState::Missing)
    }
}

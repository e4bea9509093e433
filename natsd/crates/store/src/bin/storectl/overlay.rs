//! A disk that takes changes in memory and leaves the one below as it is.
//!
//! A store repairs what it finds damaged before it gives the rest. To show the rest without
//! writing anything it gets this one.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use natsd_store::{DirEntry, Disk, DiskFile, MemDisk};

use crate::progress::Progress;

/// A disk over another one. Folders cannot be renamed or removed.
#[derive(Debug, Clone)]
pub(crate) struct OverlayDisk {
    below: Arc<dyn Disk>,
    /// What was changed.
    above: MemDisk,
    /// What is below and was removed.
    hidden: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// Is told of what is opened.
    progress: Option<Arc<Progress>>,
}

impl OverlayDisk {
    pub(crate) fn new(below: Arc<dyn Disk>) -> Self {
        Self { below, above: MemDisk::new(), hidden: Arc::default(), progress: None }
    }

    /// One that tells of what is opened.
    pub(crate) fn watched(below: Arc<dyn Disk>, progress: &Arc<Progress>) -> Self {
        Self { progress: Some(Arc::clone(progress)), ..Self::new(below) }
    }

    /// Takes a file that is below out of sight, or back.
    pub(crate) fn hide(&self, path: &Path, is_hidden: bool) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if is_hidden {
            hidden.insert(path.to_owned());
        } else {
            hidden.remove(path);
        }
    }

    fn is_hidden(&self, path: &Path) -> bool {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// The file in memory, with its content when it is below.
    fn copy_up(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match self.above.open(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        if self.is_hidden(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = self.below.open(path, false)?.read_all()?;
        self.create_above(path, &content)
    }

    fn create_above(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn DiskFile>> {
        if let Some(parent) = path.parent() {
            self.above.create_dir_all(parent)?;
        }
        let file = self.above.open(path, true)?;
        file.write_all_at(content, 0)?;
        self.hide(path, false);
        Ok(file)
    }
}

impl Disk for OverlayDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        if let Some(progress) = &self.progress {
            progress.open(path);
        }
        match self.above.open(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let below = if self.is_hidden(path) {
            Err(io::ErrorKind::NotFound.into())
        } else {
            self.below.open(path, false)
        };
        match below {
            Ok(below) => {
                Ok(Box::new(OverlayFile { disk: self.clone(), path: path.to_owned(), below }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                self.create_above(path, b"")
            }
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let content = self.copy_up(from)?.read_all()?;
        self.create_above(to, b"")?.set_len(0)?;
        self.create_above(to, &content)?;
        self.remove_file(from)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.copy_up(path)?;
        self.hide(path, true);
        self.above.remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.above.create_dir_all(path)
    }

    fn remove_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let (below, above) = (self.below.list(dir), self.above.list(dir));
        let mut entries = match (below, above) {
            (Ok(below), above) => {
                let mut entries = below;
                entries.retain(|entry| !self.is_hidden(&dir.join(&entry.name)));
                entries.extend(above.unwrap_or_default());
                entries
            }
            (Err(_), above) => above?,
        };
        entries.sort_unstable();
        entries.dedup();
        Ok(entries)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A file below, until it is changed.
#[derive(Debug)]
struct OverlayFile {
    disk: OverlayDisk,
    path: PathBuf,
    below: Box<dyn DiskFile>,
}

impl OverlayFile {
    /// The file in memory, if it was changed. One that was removed since is still the one below.
    fn above(&self) -> Option<Box<dyn DiskFile>> {
        self.disk.above.open(&self.path, false).ok()
    }
}

impl DiskFile for OverlayFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.above() {
            Some(file) => file.read_at(buf, offset),
            None => self.below.read_at(buf, offset),
        }
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.disk.copy_up(&self.path)?.write_all_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        match self.above() {
            Some(file) => file.len(),
            None => self.below.len(),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.copy_up(&self.path)?.set_len(len)
    }
}

//! A disk in memory that never fails and forgets everything with the process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DirEntry, Disk, DiskFile, not_found, read_from, resize, write_into};

/// What a file holds, shared by its name and whoever opened it.
type Content = Arc<Mutex<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Entry {
    File(Content),
    Dir,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemDisk {
    entries: Arc<Mutex<BTreeMap<PathBuf, Entry>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these, and bytes have no invariant.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.parent().is_none()
}

fn has_dir(entries: &BTreeMap<PathBuf, Entry>, path: &Path) -> bool {
    is_root(path) || matches!(entries.get(path), Some(Entry::Dir))
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut entries = lock(&self.entries);
        match entries.get(path) {
            Some(Entry::File(content)) => return Ok(Box::new(MemFile(Arc::clone(content)))),
            Some(Entry::Dir) => return Err(io::ErrorKind::IsADirectory.into()),
            None => {}
        }
        if !create || !path.parent().is_some_and(|dir| has_dir(&entries, dir)) {
            return Err(not_found(path));
        }
        let content = Content::default();
        entries.insert(path.to_owned(), Entry::File(Arc::clone(&content)));
        Ok(Box::new(MemFile(content)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut entries = lock(&self.entries);
        if !to.parent().is_some_and(|dir| has_dir(&entries, dir)) {
            return Err(not_found(to));
        }
        let moved: Vec<PathBuf> =
            entries.keys().filter(|path| path.starts_with(from)).cloned().collect();
        if moved.is_empty() {
            return Err(not_found(from));
        }
        for path in moved {
            let below = path.strip_prefix(from).expect("it starts with it").to_owned();
            let entry = entries.remove(&path).expect("it was listed");
            let name = if is_root(&below) { to.to_owned() } else { to.join(below) };
            entries.insert(name, entry);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut entries = lock(&self.entries);
        match entries.get(path) {
            Some(Entry::File(_)) => {
                entries.remove(path);
                Ok(())
            }
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found(path)),
        }
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut entries = lock(&self.entries);
        for dir in path.ancestors().filter(|dir| !is_root(dir)) {
            match entries.get(dir) {
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                Some(Entry::Dir) => {}
                None => {
                    entries.insert(dir.to_owned(), Entry::Dir);
                }
            }
        }
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut entries = lock(&self.entries);
        if !has_dir(&entries, path) {
            return Err(not_found(path));
        }
        entries.retain(|other, _| !other.starts_with(path));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let entries = lock(&self.entries);
        if !has_dir(&entries, dir) {
            return Err(not_found(dir));
        }
        let below = entries.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(below
            .filter_map(|(path, entry)| {
                let name = path.file_name()?.to_owned();
                Some(DirEntry { name, is_dir: matches!(entry, Entry::Dir) })
            })
            .collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if has_dir(&lock(&self.entries), dir) { Ok(()) } else { Err(not_found(dir)) }
    }
}

#[derive(Debug)]
struct MemFile(Content);

impl DiskFile for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(read_from(&lock(&self.0), buf, offset))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        write_into(&mut lock(&self.0), buf, offset);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        resize(&mut lock(&self.0), len);
        Ok(())
    }
}

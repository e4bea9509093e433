//! The disk of the machine, through the standard library.
//!
//! Folders get mode 0750 and files 0640, less the umask, as Go's. Interrupted calls are made
//! again. Must never be used from a thread that must not wait.
//!
//! Source: Go `server/filestore.go` (`defaultDirPerms`, `defaultFilePerms`).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use super::{DirEntry, Disk, DiskFile};

const DIR_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;

/// Files of the machine. Paths are taken as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk {
    is_read_only: bool,
}

impl RealDisk {
    /// Reads and writes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only reads: whatever would change something fails with
    /// [`io::ErrorKind::ReadOnlyFilesystem`], and files are opened for reading alone.
    #[must_use]
    pub fn read_only() -> Self {
        Self { is_read_only: true }
    }

    fn check_writable(self) -> io::Result<()> {
        if self.is_read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }
}

/// Calls again what a signal interrupted.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The system's offsets are signed.
fn check_range(offset: u64, size: usize) -> io::Result<()> {
    let end = u64::try_from(size).ok().and_then(|size| offset.checked_add(size));
    match end.map(i64::try_from) {
        Some(Ok(_)) => Ok(()),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(!self.is_read_only).mode(FILE_MODE);
        if create && !self.is_read_only {
            options.create(true).truncate(false);
        }
        let file = again(|| options.open(path))?;
        if self.is_read_only && file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Box::new(RealFile { file, is_read_only: self.is_read_only }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check_writable()?;
        again(|| std::fs::rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.check_writable()?;
        again(|| std::fs::remove_file(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.check_writable()?;
        again(|| DirBuilder::new().recursive(true).mode(DIR_MODE).create(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.check_writable()?;
        again(|| std::fs::remove_dir_all(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in again(|| std::fs::read_dir(dir))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            // A folder may lie on another volume behind a link; a dangling link is a file.
            let is_dir = kind.is_dir()
                || (kind.is_symlink()
                    && std::fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()));
            entries.push(DirEntry { name: entry.file_name(), is_dir });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.check_writable()?;
        let dir = again(|| File::open(dir))?;
        if !dir.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        dir.sync_all()
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    is_read_only: bool,
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        check_range(offset, buf.len())?;
        again(|| self.file.read_at(buf, offset))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        if self.is_read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        check_range(offset, buf.len())?;
        self.file.write_all_at(buf, offset) // Goes on by itself when it is interrupted.
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.is_read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        check_range(len, 0)?;
        again(|| self.file.set_len(len))
    }
}

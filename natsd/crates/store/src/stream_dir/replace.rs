//! Replacing files so that a crash leaves each as it was or as it shall be.
//!
//! All new content is written beside the old and made durable first; then each file gets its name,
//! one after the other. What a crash leaves between two names is for the reader to tell: it finds
//! the rest under the temporary names.
//!
//! Source: Go `server/filestore.go` `writeAtomically`, which uses the same temporary names.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile};

/// What a new file is called until it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Why files could not be replaced.
#[derive(Debug)]
pub(crate) struct ReplaceError {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
    /// Nobody knows what is on disk: whoever owns the files must not write them again.
    pub(crate) is_sync: bool,
}

impl ReplaceError {
    pub(crate) fn at(path: &Path, is_sync: bool) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, source, is_sync }
    }
}

/// Replaces `files` of the folder `dir`, in this order. When it fails, any of them may have been
/// replaced, and of the others the old content is there.
pub(crate) fn replace_files(
    disk: &dyn Disk,
    dir: &Path,
    files: &[(&str, &[u8])],
) -> Result<(), ReplaceError> {
    let mut written = Vec::new();
    for (name, content) in files {
        let path = temporary(&dir.join(name));
        match write(disk, &path, content) {
            Ok(file) => written.push((path, file)),
            Err(source) => {
                // They take room that may be missing. What cannot be removed does no harm.
                for (name, _) in files {
                    let _ = disk.remove_file(&temporary(&dir.join(name)));
                }
                return Err(ReplaceError { path, source, is_sync: false });
            }
        }
    }
    for (path, file) in written {
        file.sync_data().map_err(ReplaceError::at(&path, true))?;
    }
    if files.len() > 1 {
        disk.sync_dir(dir).map_err(ReplaceError::at(dir, true))?;
    }
    for (name, _) in files {
        let path = dir.join(name);
        let renamed = disk.rename(&temporary(&path), &path);
        renamed.map_err(ReplaceError::at(&path, false))?;
        disk.sync_dir(dir).map_err(ReplaceError::at(dir, true))?;
    }
    Ok(())
}

fn write(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<Box<dyn DiskFile>> {
    let file = disk.open(path, true)?;
    file.set_len(0)?;
    file.write_all_at(content, 0)?;
    Ok(file)
}

/// The content of a file of at most `size_max` bytes, or nothing when there is no such file.
pub(crate) fn read_file(
    disk: &dyn Disk,
    path: &Path,
    size_max: u64,
) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.len()?;
    if size > size_max {
        let text = format!("the file has {size} bytes, more than {size_max}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    file.read_all().map(Some)
}

/// Removes a file that may not be there.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

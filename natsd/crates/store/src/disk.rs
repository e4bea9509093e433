//! How the store reaches files: the traits, and the disks.
//!
//! Object-safe and synchronous, so that the store is compiled once whatever the disk: the
//! machine's, one in memory, or one that fails on demand.
//!
//! Contract: written data is durable after [`DiskFile::sync_data`], the name of a file after
//! [`Disk::sync_dir`] of its folder, in any order. After a failed sync nobody knows what is on
//! disk: the caller must stop, not try again.

mod memory;
mod real;
mod sim;

use std::io;
use std::path::Path;

pub use memory::MemDisk;
pub use real::RealDisk;
pub use sim::{Faults, SimDisk, Unsynced};

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The last part of the path.
    pub name: std::ffi::OsString,
    /// Whether it is a folder itself.
    pub is_dir: bool,
}

/// Folders and files by path.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Opens a file to read and write; makes an empty one when `create` says so and there is
    /// none. Its folder has to be there.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file or folder another name; a file of that name is replaced, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with everything below it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// What is in a folder, by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes the names in a folder durable, not what the files hold.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// One open file. It may be read and written after its name is gone.
pub trait DiskFile: Send + std::fmt::Debug {
    /// Reads at `offset`; how many bytes, which may be fewer than asked for before the end, and
    /// is 0 only at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `buf` at `offset`. A gap before it reads as zeros. When it fails, any part
    /// may have been written.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written, and the length, durable.
    fn sync_data(&self) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file, or fills it up with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Whether the file holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from `offset`, or fails with [`io::ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let count = self.read_at(&mut buf[done..], offset + done as u64)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            done += count;
        }
        Ok(())
    }

    /// The whole file.
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.len()?).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{}: no such file or folder", path.display()))
}

/// Copies what `bytes` holds from `offset` on; how much that was.
fn read_from(bytes: &[u8], buf: &mut [u8], offset: u64) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
    let rest = rest.unwrap_or_default();
    let count = rest.len().min(buf.len());
    buf[..count].copy_from_slice(&rest[..count]);
    count
}

/// Writes into `bytes` at `offset`, filling a gap with zeros.
fn write_into(bytes: &mut Vec<u8>, buf: &[u8], offset: u64) {
    let offset = usize::try_from(offset).expect("files of tests fit into memory");
    let end = offset + buf.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(buf);
}

fn resize(bytes: &mut Vec<u8>, len: u64) {
    bytes.resize(usize::try_from(len).expect("files of tests fit into memory"), 0);
}

#[cfg(test)]
mod tests;

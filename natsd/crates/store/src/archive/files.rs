//! Restores an old backup, of files, into a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ArchiveError;
use super::reader::ArchivedFile;
use crate::disk::{Disk, DiskFile};
use crate::stream_dir::{NameHash, read_file};

/// Larger descriptions were refused when they came.
const DESCRIPTION_SIZE_MAX: u64 = 16 << 20;

/// Writes the files of a backup into a folder of its own, from where the caller moves it to its
/// place, or removes it when something fails. They are plain: an encrypted server encrypts them when
/// it opens the stream.
#[derive(Debug)]
pub struct FilesRestore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    folders: BTreeSet<PathBuf>,
    consumers: BTreeSet<String>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    written: u64,
}

/// What was restored.
#[derive(Debug, PartialEq, Eq)]
pub struct RestoredFiles {
    /// The description of the stream, as JSON.
    pub description: Vec<u8>,
    /// In the order of their names.
    pub consumers: Vec<RestoredConsumer>,
}

/// A consumer that was restored.
#[derive(Debug, PartialEq, Eq)]
pub struct RestoredConsumer {
    /// Its name, which is that of its folder.
    pub name: String,
    /// Its description, as JSON.
    pub description: Vec<u8>,
}

impl FilesRestore {
    /// Restores into `dir`, which is made anew.
    pub fn begin(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, ArchiveError> {
        if disk.list(dir).is_ok() {
            disk.remove_dir_all(dir).map_err(at(dir))?;
        }
        let messages = dir.join("msgs");
        disk.create_dir_all(&messages).map_err(at(&messages))?;
        let folders = BTreeSet::from([dir.to_owned(), messages]);
        let (dir, consumers) = (dir.to_owned(), BTreeSet::new());
        Ok(Self { disk, dir, folders, consumers, current: None })
    }

    /// Begins a file.
    pub fn file(&mut self, file: &ArchivedFile) -> Result<(), ArchiveError> {
        self.close()?;
        match file {
            ArchivedFile::ConsumerMeta(name)
            | ArchivedFile::ConsumerMetaSum(name)
            | ArchivedFile::ConsumerState(name) => {
                self.consumers.insert(name.clone());
            }
            ArchivedFile::Meta
            | ArchivedFile::MetaSum
            | ArchivedFile::Block(_)
            | ArchivedFile::Index => {}
        }
        let path = self.dir.join(file.path());
        for folder in path.ancestors().skip(1).take_while(|above| above.starts_with(&self.dir)) {
            if self.folders.insert(folder.to_owned()) {
                self.disk.create_dir_all(folder).map_err(at(folder))?;
            }
        }
        let file = self.disk.open(&path, true).map_err(at(&path))?;
        self.current = Some(Current { path, file, written: 0 });
        Ok(())
    }

    /// Writes bytes of the file that began last.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let current = self.current.as_mut().expect("data comes after the file it belongs to");
        let written = current.file.write_all_at(bytes, current.written);
        written.map_err(at(&current.path))?;
        current.written += bytes.len() as u64;
        Ok(())
    }

    fn close(&mut self) -> Result<(), ArchiveError> {
        match self.current.take() {
            Some(current) => current.file.sync_data().map_err(at(&current.path)),
            None => Ok(()),
        }
    }

    /// Makes the files durable and checks the descriptions: that of the stream `name` has to be
    /// there and right, and one for each consumer.
    pub fn finish(mut self, name: &str) -> Result<RestoredFiles, ArchiveError> {
        self.close()?;
        for folder in self.folders.iter().rev() {
            self.disk.sync_dir(folder).map_err(at(folder))?;
        }
        let description = self.description(&self.dir, "", &NameHash::of_stream(name))?;
        let mut consumers = Vec::new();
        for consumer in &self.consumers {
            let folder = format!("obs/{consumer}");
            let hash = NameHash::of_consumer(name, consumer);
            let description = self.description(&self.dir.join(&folder), &folder, &hash)?;
            consumers.push(RestoredConsumer { name: consumer.clone(), description });
        }
        Ok(RestoredFiles { description, consumers })
    }

    fn description(
        &self,
        dir: &Path,
        folder: &str,
        hash: &NameHash,
    ) -> Result<Vec<u8>, ArchiveError> {
        let read = |name: &str| {
            let path = dir.join(name);
            read_file(self.disk.as_ref(), &path, DESCRIPTION_SIZE_MAX).map_err(at(&path))
        };
        let is_right = |meta: &[u8], sum: &[u8]| hash.hexadecimal(meta).as_bytes() == sum;
        match (read("meta.inf")?, read("meta.sum")?) {
            (Some(meta), Some(sum)) if is_right(&meta, &sum) => Ok(meta),
            _ => Err(ArchiveError::Checksum { name: format!("{folder}/meta.inf") }),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Disk { path, source }
}

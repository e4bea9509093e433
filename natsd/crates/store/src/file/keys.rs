//! Encryption of blocks and of `index.db`.
//!
//! A block with a file `N.key` beside it is encrypted, any other is plain. When the server's key
//! or cipher is another one than that of a block, or a block is plain and should not be, it is
//! written anew: first as `N.blk.tmp`, then its key file takes its name, then the block. A crash
//! between the two is seen by the block not fitting its key, and the new block fits.
//!
//! Source: Go `server/filestore.go` (`loadEncryptionForMsgBlock`, `genEncryptionKeysForBlock`,
//! `convertCipher`, `convertToEncrypted`).

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Compression, FileStore, FileStoreError, content};
use crate::block::Record;
use crate::crypt::{BlockKey, CryptError, StreamKeys};
use crate::disk::Disk;
use crate::stream_store::StoreError;

/// Fills a buffer with bytes that nobody can foresee. Has to be a cryptographic source.
pub type SharedRandom = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// How a stream is encrypted.
#[derive(Clone)]
pub struct FileStoreKeys {
    /// The keys of the stream, from its `meta.key`.
    pub keys: StreamKeys,
    /// For new keys.
    pub random: SharedRandom,
}

impl fmt::Debug for FileStoreKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileStoreKeys").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl FileStoreKeys {
    fn new_block_key(&self, number: u32) -> (BlockKey, Vec<u8>) {
        self.keys.new_block_key(number, &mut |buffer| (self.random)(buffer))
    }

    /// What goes to disk for the content of `index.db`.
    pub(super) fn seal(&self, content: &[u8]) -> Vec<u8> {
        self.keys.seal(content, &mut |buffer| (self.random)(buffer))
    }
}

/// What is known of a block's key.
pub(super) enum KeyState {
    /// The block is plain.
    None,
    Key(BlockKey),
    /// It does not open with any key of the server.
    Bad(CryptError),
}

fn read_if_there(disk: &dyn Disk, path: &std::path::Path) -> io::Result<Option<Vec<u8>>> {
    match disk.open(path, false).and_then(|file| file.read_all()) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl FileStore {
    pub(super) fn key_path(&self, number: u32) -> PathBuf {
        self.messages_dir.join(format!("{number}.key"))
    }

    /// The key of a block, as its key file says.
    pub(super) fn key_state(&self, number: u32) -> io::Result<KeyState> {
        let Some(keys) = &self.file_config.keys else { return Ok(KeyState::None) };
        let file = read_if_there(self.disk.as_ref(), &self.key_path(number))?;
        Ok(match file.map(|file| keys.keys.open_block_key(number, &file)) {
            None => KeyState::None,
            Some(Ok(key)) => KeyState::Key(key),
            Some(Err(error)) => KeyState::Bad(error),
        })
    }

    /// The key of a block, which is known to open.
    pub(super) fn block_key(&self, number: u32) -> Result<Option<BlockKey>, StoreError> {
        match self.key_state(number)? {
            KeyState::None => Ok(None),
            KeyState::Key(key) => Ok(Some(key)),
            KeyState::Bad(_) => Err(StoreError::Damaged),
        }
    }

    /// Makes a key for a new block, where the stream is encrypted, before the block's file.
    pub(super) fn create_block_key(&mut self, number: u32) -> Result<Option<BlockKey>, StoreError> {
        let Some(keys) = &self.file_config.keys else { return Ok(None) };
        let (key, file) = keys.new_block_key(number);
        let path = self.key_path(number);
        self.write_file(&path, &file)?;
        Ok(Some(key))
    }

    /// What goes to disk for the records of a block that is written whole.
    pub(super) fn encode_block(
        &self,
        records: &[u8],
        compression: Compression,
        key: Option<&BlockKey>,
    ) -> Vec<u8> {
        let mut bytes = match compression {
            Compression::S2 if records.len() > 8 => content::compress(records),
            Compression::S2 | Compression::None => records.to_vec(),
        };
        if let Some(key) = key {
            key.apply(0, &mut bytes);
        }
        bytes
    }

    /// Whether these are records, compressed or not, or nothing at all.
    fn fits(&self, number: u32, bytes: &[u8], key: Option<&BlockKey>) -> bool {
        let mut bytes = bytes.to_vec();
        if let Some(key) = key {
            key.apply(0, &mut bytes);
        }
        let hash = self.hash_of_block(number);
        let records = content::of(&hash, bytes).records;
        records.is_empty() || Record::decode(&hash, &records).is_ok()
    }

    /// Ends the conversions of blocks that a crash interrupted. `number` has an `N.blk.tmp`.
    pub(super) fn finish_conversion(&mut self, number: u32) -> Result<(), StoreError> {
        let KeyState::Key(key) = self.key_state(number)? else { return Ok(()) };
        let path = self.block_path(number);
        let temporary = path.with_extension("blk.tmp");
        let (Some(old), Some(new)) = (
            read_if_there(self.disk.as_ref(), &path)?,
            read_if_there(self.disk.as_ref(), &temporary)?,
        ) else {
            return Ok(());
        };
        if !self.fits(number, &old, Some(&key)) && self.fits(number, &new, Some(&key)) {
            self.disk.rename(&temporary, &path)?;
            self.needs_dir_sync = true;
            self.sync_names()?;
        }
        Ok(())
    }

    /// Writes the blocks anew that are not encrypted as the server encrypts now.
    pub(super) fn convert_blocks(&mut self) -> Result<(), StoreError> {
        if self.file_config.keys.is_none() {
            return Ok(());
        }
        for index in 0..self.blocks.len() {
            let number = self.blocks[index].number;
            let is_current = match self.key_state(number)? {
                KeyState::Key(key) => key.is_current(),
                KeyState::None => false,
                KeyState::Bad(_) => true, // Nothing to be done.
            };
            if !is_current {
                self.convert_block(index)?;
            }
        }
        Ok(())
    }

    fn convert_block(&mut self, index: usize) -> Result<(), StoreError> {
        let number = self.blocks[index].number;
        let Some(keys) = self.file_config.keys.clone() else { return Ok(()) };
        let path = self.block_path(number);
        let Some(mut bytes) = read_if_there(self.disk.as_ref(), &path)? else { return Ok(()) };
        if let Some(key) = self.block_key(number)? {
            key.apply(0, &mut bytes);
        }
        let (key, file) = keys.new_block_key(number);
        key.apply(0, &mut bytes);
        let temporary = path.with_extension("blk.tmp");
        self.write_durable(&temporary, &bytes)?;
        self.needs_dir_sync = true;
        self.sync_names()?;
        let key_path = self.key_path(number);
        self.write_file(&key_path, &file)?;
        self.disk.rename(&temporary, &path)?;
        self.needs_dir_sync = true;
        self.sync_names()?;
        if index + 1 == self.blocks.len() {
            (self.file, self.file_key) = (None, None);
        }
        Ok(())
    }

    /// Refuses a stream whose blocks cannot be decrypted at all: then the key is the wrong one,
    /// and the blocks are not damaged.
    pub(super) fn check_keys(&self, numbers: &[u32]) -> Result<(), FileStoreError> {
        let mut bad = None;
        for &number in numbers {
            let path = self.key_path(number);
            let has_keys = self.file_config.keys.is_some();
            if !has_keys && self.disk.open(&path, false).is_ok() {
                return Err(FileStoreError::Encrypted { block: number });
            }
            let state = self.key_state(number);
            match state.map_err(|source| FileStoreError::Read { path, source })? {
                KeyState::Key(_) => return Ok(()),
                KeyState::None => {}
                KeyState::Bad(source) => {
                    bad.get_or_insert(FileStoreError::Key { block: number, source });
                }
            }
        }
        bad.map_or(Ok(()), Err)
    }
}

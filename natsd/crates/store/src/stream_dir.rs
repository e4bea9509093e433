//! The folders of streams and consumers: which there are, and what describes them.
//!
//! A description is `meta.inf`, with its checksum in `meta.sum` and, when it is encrypted, its key
//! in `meta.key`. Its content is JSON that belongs to a higher layer and is bytes here. What
//! cannot be read is an error that names the file, never a stream that is not there.
//!
//! `meta.sum` is the HighwayHash-64 of `meta.inf` as it is on disk, in hexadecimal, with the
//! SHA-256 of `STREAM` or `STREAM/CONSUMER` for a key.
//!
//! Reading changes nothing on disk. The three files cannot be replaced at once, so after a crash
//! some may still have their temporary names; the reader puts together what belongs together and
//! asks for it to be written again. It also mends one flipped bit, in any of the three.
//!
//! Source: Go `server/filestore.go` (`writeStreamMeta`, `writeConsumerMeta`), `server/jetstream.go`
//! (`EnableJetStream`, `decryptMeta`).

mod replace;

use std::io;
use std::path::{Path, PathBuf};

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

use crate::crypt::{CryptError, Random, SealKey, StoreKeys, StreamKeys};
use crate::disk::Disk;

pub(crate) use replace::{ReplaceError, read_file, remove_if_there, replace_files, temporary};

/// The description.
pub const META_FILE: &str = "meta.inf";
/// Its checksum.
pub const META_SUM_FILE: &str = "meta.sum";
/// Its key.
pub const META_KEY_FILE: &str = "meta.key";
/// Where the consumers of a stream have their folders.
pub const CONSUMERS_DIR: &str = "obs";
/// Where the streams of an account have their folders.
pub const STREAMS_DIR: &str = "streams";

/// Larger descriptions are not read.
const META_SIZE_MAX: u64 = 16 << 20;
/// Larger files are not mended: every bit costs a look at all of them.
const MEND_SIZE_MAX: usize = 4096;

/// Why a description cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// `meta.inf` or `meta.sum` is not there.
    #[error("{}: file is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Content and checksum do not belong together: one of them is damaged.
    #[error("{}: checksum does not match", path.display())]
    Checksum {
        /// The description.
        path: PathBuf,
    },
    /// There is a key file, and the server has no key.
    #[error("{}: encrypted, and no key is configured", path.display())]
    Encrypted {
        /// The description.
        path: PathBuf,
    },
    /// The key file or the content does not open.
    #[error("{}", path.display())]
    Crypt {
        /// The key file or the description.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CryptError,
    },
    /// The disk refused.
    #[error("{}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
}

impl From<ReplaceError> for DescriptionError {
    fn from(error: ReplaceError) -> Self {
        Self::Disk { path: error.path, source: error.source }
    }
}

/// A description as it was on disk.
#[derive(Debug)]
pub struct Description<K> {
    /// JSON.
    pub content: Vec<u8>,
    /// The keys of what belongs to it, when it is encrypted.
    pub keys: Option<K>,
    /// It is to be written again: it is plain or has the key before, though the server has a key,
    /// or its files were mended or put together from what a crash left.
    pub is_outdated: bool,
    /// What was found damaged and mended.
    pub mended: Vec<PathBuf>,
}

/// Where a stream is.
#[derive(Debug, Clone, Copy)]
pub struct StreamDir<'a> {
    /// The disk.
    pub disk: &'a dyn Disk,
    /// The folder of the stream.
    pub dir: &'a Path,
    /// The account, or the RAFT group where that owns the stream.
    pub account: &'a str,
    /// The stream.
    pub name: &'a str,
}

impl StreamDir<'_> {
    /// Reads the description. `keys` are the server's.
    pub fn read(
        &self,
        keys: Option<&StoreKeys>,
    ) -> Result<Description<StreamKeys>, DescriptionError> {
        let open =
            keys.map(|keys| |file: &[u8]| StreamKeys::recover(keys, self.account, self.name, file));
        let hash = NameHash::of_stream(self.name);
        let reader = Reader { disk: self.disk, dir: self.dir, hash };
        reader.read(open.as_ref().map(|open| open as OpenKey<'_, StreamKeys>))
    }

    /// Writes the description into the folder, which has to be there. `keys` are those of the
    /// stream, where it has some already.
    pub fn write(
        &self,
        content: &[u8],
        keys: Option<&StreamKeys>,
        random: Random<'_>,
    ) -> Result<(), DescriptionError> {
        let hash = NameHash::of_stream(self.name);
        let files = description_files(&hash, content, keys.map(AsRef::as_ref), random);
        write(self.disk, self.dir, None, &files, None)?;
        Ok(())
    }

    /// Removes what a crash left and is not needed. To be called when the description was read,
    /// and written again if it was outdated.
    pub fn remove_leftovers(&self) -> Result<(), DescriptionError> {
        Ok(remove_leftovers(self.disk, self.dir)?)
    }

    /// As [`StreamDir::write`], with new keys, which it returns. For a new stream, a plain one, or
    /// one whose keys are not current. What the old keys sealed can no longer be opened once it
    /// is done: an `index.db` is lost, a cache; blocks have keys of their own.
    pub fn write_with_new_keys(
        &self,
        content: &[u8],
        keys: &StoreKeys,
        random: Random<'_>,
    ) -> Result<StreamKeys, DescriptionError> {
        let (keys, key_file) = StreamKeys::create(keys, self.account, self.name, random);
        let hash = NameHash::of_stream(self.name);
        let files = description_files(&hash, content, Some(keys.as_ref()), random);
        write(self.disk, self.dir, Some(&key_file), &files, None)?;
        Ok(keys)
    }
}

/// Where a consumer is.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerDir<'a> {
    /// The disk.
    pub disk: &'a dyn Disk,
    /// The folder of the consumer.
    pub dir: &'a Path,
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub name: &'a str,
}

impl ConsumerDir<'_> {
    /// Reads the description. `keys` are those of the stream. To write it is the
    /// [`FileConsumerStore`](crate::FileConsumerStore)'s, as its state has the same key.
    pub fn read(
        &self,
        keys: Option<&StreamKeys>,
    ) -> Result<Description<SealKey>, DescriptionError> {
        let open = keys.map(|keys| |file: &[u8]| keys.open_consumer_key(self.name, file));
        let hash = NameHash::of_consumer(self.stream, self.name);
        let reader = Reader { disk: self.disk, dir: self.dir, hash };
        reader.read(open.as_ref().map(|open| open as OpenKey<'_, SealKey>))
    }
}

/// `meta.inf` and `meta.sum` for a content.
pub(crate) fn description_files(
    hash: &NameHash,
    content: &[u8],
    key: Option<&SealKey>,
    random: Random<'_>,
) -> [Vec<u8>; 2] {
    let meta = key.map_or_else(|| content.to_vec(), |key| key.seal(content, random));
    let sum = hash.hexadecimal(&meta).into_bytes();
    [meta, sum]
}

/// Replaces the files of a description: a new key first, so that whoever finds an old description
/// that it does not open knows that the new one is there too. `state` is what else is sealed with
/// the key.
pub(crate) fn write(
    disk: &dyn Disk,
    dir: &Path,
    key_file: Option<&[u8]>,
    [meta, sum]: &[Vec<u8>; 2],
    state: Option<(&str, &[u8])>,
) -> Result<(), ReplaceError> {
    let mut files: Vec<(&str, &[u8])> = Vec::new();
    files.extend(key_file.map(|file| (META_KEY_FILE, file)));
    files.extend(state);
    files.extend([(META_FILE, meta.as_slice()), (META_SUM_FILE, sum.as_slice())]);
    replace_files(disk, dir, &files)
}

/// Removes what was not finished before a crash and is not needed: the files under their proper
/// names are whole.
pub(crate) fn remove_leftovers(disk: &dyn Disk, dir: &Path) -> Result<(), ReplaceError> {
    for name in [META_KEY_FILE, META_FILE, META_SUM_FILE] {
        let path = temporary(&dir.join(name));
        remove_if_there(disk, &path).map_err(ReplaceError::at(&path, false))?;
    }
    Ok(())
}

/// The hash that is keyed with the name of a stream or consumer.
#[derive(Clone)]
pub(crate) struct NameHash(HighwayHasher);

impl NameHash {
    pub(crate) fn of_stream(name: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(name).into();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        Self(HighwayHasher::new(Key(words)))
    }

    pub(crate) fn of_consumer(stream: &str, name: &str) -> Self {
        Self::of_stream(&format!("{stream}/{name}"))
    }

    pub(crate) fn sum(&self, bytes: &[u8]) -> [u8; 8] {
        let mut hasher = self.0.clone();
        hasher.append(bytes);
        hasher.finalize64().to_le_bytes()
    }

    pub(crate) fn hexadecimal(&self, bytes: &[u8]) -> String {
        self.sum(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

type OpenKey<'a, K> = &'a dyn Fn(&[u8]) -> Result<K, CryptError>;

struct Reader<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    hash: NameHash,
}

impl Reader<'_> {
    fn read<K: AsRef<SealKey>>(
        &self,
        open_key: Option<OpenKey<'_, K>>,
    ) -> Result<Description<K>, DescriptionError> {
        let mut mended = Vec::new();
        let keys = self.read_key(open_key, &mut mended)?;
        let path = |name: &str| self.dir.join(name);
        let [meta, sum] = [path(META_FILE), path(META_SUM_FILE)];
        let pairs = [
            (meta.clone(), sum.clone()),
            (temporary(&meta), temporary(&sum)),
            (meta.clone(), temporary(&sum)),
        ];
        let key = keys.as_ref().map(AsRef::as_ref);
        let is_current = key.map_or(open_key.is_none(), SealKey::is_current);
        let mut first_error = None;
        for mends in [false, true] {
            for (index, (meta, sum)) in pairs.iter().enumerate() {
                match self.content(meta, sum, key, mends) {
                    Ok((content, damaged)) => {
                        mended.extend(damaged);
                        let is_outdated = !is_current || index > 0 || !mended.is_empty();
                        return Ok(Description { content, keys, is_outdated, mended });
                    }
                    Err(error @ DescriptionError::Disk { .. }) => return Err(error),
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
        }
        Err(first_error.expect("there was a first pair"))
    }

    fn read_key<K: AsRef<SealKey>>(
        &self,
        open_key: Option<OpenKey<'_, K>>,
        mended: &mut Vec<PathBuf>,
    ) -> Result<Option<K>, DescriptionError> {
        let path = self.dir.join(META_KEY_FILE);
        let Some(file) = self.bytes(&path)? else { return Ok(None) };
        let Some(open) = open_key else {
            return Err(DescriptionError::Encrypted { path: self.dir.join(META_FILE) });
        };
        match open(&file) {
            Ok(keys) => {
                if keys.as_ref().was_mended() {
                    mended.push(path);
                }
                Ok(Some(keys))
            }
            Err(source) => Err(DescriptionError::Crypt { path, source }),
        }
    }

    /// The content of a pair of files when they belong together, and which of them was mended.
    fn content(
        &self,
        meta_path: &Path,
        sum_path: &Path,
        key: Option<&SealKey>,
        mends: bool,
    ) -> Result<(Vec<u8>, Option<PathBuf>), DescriptionError> {
        let missing = |path: &Path| DescriptionError::Missing { path: path.to_owned() };
        let meta = self.bytes(meta_path)?.ok_or_else(|| missing(meta_path))?;
        let sum = self.bytes(sum_path)?.ok_or_else(|| missing(sum_path))?;
        let wanted = parse_sum(&sum);
        let is_right = |meta: &[u8]| wanted == Some(self.hash.sum(meta));
        let crypt = |source| DescriptionError::Crypt { path: meta_path.to_owned(), source };
        let checksum = || DescriptionError::Checksum { path: meta_path.to_owned() };
        if is_right(&meta) {
            // Go replaces the key before the description, so it may leave a plain one with a key.
            let content = match key {
                Some(key) if !is_plain(&meta) => key.open(&meta).map_err(crypt)?,
                _ => meta,
            };
            return Ok((content, None));
        }
        if !mends {
            return Err(checksum());
        }
        let open = |meta: &[u8]| match key {
            Some(key) => key.open(meta).ok(),
            None => is_right(meta).then(|| meta.to_vec()),
        };
        // A seal proves the content without the checksum; else the checksum may be what is off.
        let has_right_content = match key {
            Some(key) => key.open(&meta).ok(),
            None => {
                is_one_bit_off(self.hash.hexadecimal(&meta).as_bytes(), &sum).then(|| meta.clone())
            }
        };
        match has_right_content {
            Some(content) => Ok((content, Some(sum_path.to_owned()))),
            None => mend(&meta, open)
                .map(|content| (content, Some(meta_path.to_owned())))
                .ok_or_else(checksum),
        }
    }

    fn bytes(&self, path: &Path) -> Result<Option<Vec<u8>>, DescriptionError> {
        read_file(self.disk, path, META_SIZE_MAX)
            .map_err(|source| DescriptionError::Disk { path: path.to_owned(), source })
    }
}

/// The hash that 16 hexadecimal digits stand for. Only small letters, as they are written.
fn parse_sum(text: &[u8]) -> Option<[u8; 8]> {
    let digits: &[u8; 16] = text.try_into().ok()?;
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut sum = [0; 8];
    for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(sum)
}

/// Whether this is JSON. Random bytes are not, but for luck.
fn is_plain(meta: &[u8]) -> bool {
    meta.starts_with(b"{") && meta.ends_with(b"}") && str::from_utf8(meta).is_ok()
}

/// What `open` makes of `bytes` with one bit flipped, if it makes something of it.
pub(crate) fn mend<T>(bytes: &[u8], open: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    if bytes.len() > MEND_SIZE_MAX {
        return None;
    }
    let mut tried = bytes.to_vec();
    for index in 0..tried.len() {
        for bit in 0..8 {
            flip(&mut tried, index, bit);
            if let Some(opened) = open(&tried) {
                return Some(opened);
            }
            flip(&mut tried, index, bit);
        }
    }
    None
}

fn flip(bytes: &mut [u8], index: usize, bit: u8) {
    if let Some(byte) = bytes.get_mut(index) {
        *byte ^= 1 << bit;
    }
}

pub(crate) fn is_one_bit_off(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>() == 1
}

/// In a folder that is being deleted. Without `meta.inf` Go does not take it for a consumer.
pub(crate) const DELETED_FILE: &str = "deleted";

/// Removes the folder of a consumer, so that a crash leaves it whole or marked as deleted.
pub(crate) fn delete_consumer(disk: &dyn Disk, dir: &Path) -> Result<(), ReplaceError> {
    let meta = dir.join(META_FILE);
    let marker = dir.join(DELETED_FILE);
    match disk.rename(&meta, &marker) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        renamed => renamed.map_err(ReplaceError::at(&meta, false))?,
    }
    disk.sync_dir(dir).map_err(ReplaceError::at(dir, true))?;
    remove_deleted(disk, dir)
}

/// Removes a folder that [`Listing::deleted`] names.
pub(crate) fn remove_deleted(disk: &dyn Disk, dir: &Path) -> Result<(), ReplaceError> {
    for entry in disk.list(dir).map_err(ReplaceError::at(dir, false))? {
        // The marker has to be the last.
        if !entry.is_dir && entry.name != DELETED_FILE {
            let path = dir.join(entry.name);
            remove_if_there(disk, &path).map_err(ReplaceError::at(&path, false))?;
        }
    }
    disk.sync_dir(dir).map_err(ReplaceError::at(dir, true))?;
    disk.remove_dir_all(dir).map_err(ReplaceError::at(dir, false))?;
    let above = dir.parent().unwrap_or(dir);
    disk.sync_dir(above).map_err(ReplaceError::at(above, true))
}

/// Finishes the deletion of what [`Listing::deleted`] names.
pub fn finish_deletion(disk: &dyn Disk, dir: &Path) -> Result<(), DescriptionError> {
    Ok(remove_deleted(disk, dir)?)
}

/// What is in a folder of folders.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The names of the folders, in order. Whether they can be read is not known yet.
    pub names: Vec<String>,
    /// Folders of something that was being deleted when the server stopped, to be removed.
    pub deleted: Vec<PathBuf>,
    /// What should not be there: files, and names that are not UTF-8.
    pub unknown: Vec<PathBuf>,
}

/// The accounts that have a folder in `dir`, the `jetstream` folder of a server.
pub fn list_accounts(disk: &dyn Disk, dir: &Path) -> io::Result<Listing> {
    list(disk, dir)
}

/// The streams of the account whose folder is `account_dir`.
pub fn list_streams(disk: &dyn Disk, account_dir: &Path) -> io::Result<Listing> {
    list(disk, &account_dir.join(STREAMS_DIR))
}

/// The consumers of the stream whose folder is `stream_dir`.
pub fn list_consumers(disk: &dyn Disk, stream_dir: &Path) -> io::Result<Listing> {
    let dir = stream_dir.join(CONSUMERS_DIR);
    let mut listing = list(disk, &dir)?;
    for name in std::mem::take(&mut listing.names) {
        let path = dir.join(&name);
        let entries = disk.list(&path)?;
        // Empty is what was marked and is removed but for the folder, or was never written.
        let is_deleted =
            entries.is_empty() || entries.iter().any(|entry| entry.name == DELETED_FILE);
        if is_deleted { listing.deleted.push(path) } else { listing.names.push(name) }
    }
    Ok(listing)
}

fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Listing> {
    let entries = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        entries => entries?,
    };
    let mut listing = Listing::default();
    for entry in entries {
        let path = dir.join(&entry.name);
        match entry.name.into_string() {
            Ok(name) if entry.is_dir && name.starts_with('.') => listing.deleted.push(path),
            Ok(name) if entry.is_dir => listing.names.push(name),
            Ok(_) | Err(_) => listing.unknown.push(path),
        }
    }
    listing.names.sort_unstable();
    Ok(listing)
}

#[cfg(test)]
mod tests;

//! Encryption at rest: the keys of a stream, its consumers and its blocks.
//!
//! Every file with secrets has a random key of its own, and beside it a *key file*: that key,
//! sealed with one that is derived from the server's key and the place of the file. So the
//! server's key can be changed without the data being written again, and no two files share a
//! stream of cipher bytes.
//!
//! | what | key file | context |
//! |---|---|---|
//! | `meta.inf`, `msgs/index.db` | `meta.key` | `STREAM` |
//! | `obs/NAME/meta.inf`, `obs/NAME/o.dat` | `obs/NAME/meta.key` | `STREAM.NAME` |
//! | `msgs/N.blk` | `msgs/N.key` | `STREAM:N` |
//!
//! The key that seals a key file is HMAC-SHA-256 with the server's key of account and context,
//! one behind the other. Sealed files are a nonce and what the AEAD makes of the content:
//! XChaCha20-Poly1305 with 24 bytes of nonce, or AES-256-GCM with 16. Blocks are not sealed but
//! XORed with the stream of XChaCha20 or AES-256 in counter mode, from the nonce of their key
//! file on: damage in a block is found by its records.
//!
//! Pure: random bytes are an argument. Keys are wiped when dropped and never printed.
//!
//! Source: Go `server/jetstream.go` (`jsKeyGen`, `decryptMeta`), `server/filestore.go`
//! (`genEncryptionKey`, `genEncryptionKeys`, `genBlockEncryptionKey`).

use std::fmt;
use std::sync::Arc;

use aes::Aes256;
use aes_gcm::AesGcm;
use aes_gcm::aead::array::typenum::U16;
use aes_gcm::aead::{Aead, KeyInit};
use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20poly1305::XChaCha20Poly1305;
use ctr::Ctr128BE;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::stream_dir::mend;

/// The nonce of AES-GCM is as long as a block of AES, as in Go, not the usual 12 bytes.
type Aes256Gcm = AesGcm<Aes256, U16>;
/// Wiped when dropped.
type Secret = Zeroizing<[u8; SEED_SIZE]>;
/// Fills a buffer with bytes that nobody can foresee. Has to be a cryptographic source.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A source of such bytes that a store keeps.
pub type RandomSource = Box<dyn FnMut(&mut [u8]) + Send>;

const SEED_SIZE: usize = 32;
const TAG_SIZE: usize = 16;

/// How the files of a store are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// XChaCha20-Poly1305, and XChaCha20 for blocks. Go's default.
    ChaCha,
    /// AES-256-GCM, and AES-256-CTR for blocks.
    Aes,
}

impl Cipher {
    /// Bytes of the nonce before everything that is sealed.
    #[must_use]
    pub fn nonce_size(self) -> usize {
        match self {
            Self::ChaCha => 24,
            Self::Aes => 16,
        }
    }

    /// Bytes by which sealing makes content longer.
    #[must_use]
    pub fn overhead(self) -> usize {
        self.nonce_size() + TAG_SIZE
    }

    fn other(self) -> Self {
        match self {
            Self::ChaCha => Self::Aes,
            Self::Aes => Self::ChaCha,
        }
    }
}

/// Why something encrypted cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptError {
    /// A key file is always longer.
    #[error("encryption key file has {size} bytes, too few")]
    KeySize {
        /// Its size in bytes.
        size: usize,
    },
    /// Neither the server's key nor the one before opens the key file, with neither cipher: it
    /// was made with another one, belongs to another file, or is damaged.
    #[error(
        "encryption key file does not open: the server has another key, or the file is damaged"
    )]
    WrongKey,
    /// The key is right, so the content was changed.
    #[error("encrypted content is damaged")]
    Damaged,
}

/// The keys that the server was configured with.
#[derive(Clone)]
pub struct StoreKeys {
    cipher: Cipher,
    key: Arc<Zeroizing<Vec<u8>>>,
    previous: Option<Arc<Zeroizing<Vec<u8>>>>,
}

impl fmt::Debug for StoreKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = formatter.debug_struct("StoreKeys");
        out.field("cipher", &self.cipher).field("has_previous", &self.previous.is_some());
        out.finish_non_exhaustive()
    }
}

impl StoreKeys {
    /// `key` seals what is written; `previous` opens what was written with the key before.
    /// Configuration: `jetstream { cipher, key, prev_key }`.
    #[must_use]
    pub fn new(cipher: Cipher, key: &[u8], previous: Option<&[u8]>) -> Self {
        let secret = |key: &[u8]| Arc::new(Zeroizing::new(key.to_vec()));
        Self { cipher, key: secret(key), previous: previous.map(secret) }
    }

    /// The cipher of what is written.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// A new key, and its key file.
    fn create(&self, account: &str, context: &str, random: Random<'_>) -> (FileKey, Vec<u8>) {
        let mut seed = Secret::default();
        random(&mut *seed);
        let sealed = seal(self.cipher, &derive(&self.key, account, context), &*seed, random);
        let nonce = sealed[..self.cipher.nonce_size()].to_vec();
        let key = FileKey { cipher: self.cipher, seed, nonce, is_current: true, was_mended: false };
        (key, sealed)
    }

    /// The key of a key file, made with either cipher and with this key or the one before. One
    /// flipped bit is mended.
    fn open(&self, account: &str, context: &str, sealed: &[u8]) -> Result<FileKey, CryptError> {
        if sealed.len() < Cipher::Aes.overhead() + SEED_SIZE {
            return Err(CryptError::KeySize { size: sealed.len() });
        }
        let keys = [(Some(&self.key), true), (self.previous.as_ref(), false)];
        let keys = keys.map(|(key, is_now)| key.map(|key| (derive(key, account, context), is_now)));
        let try_open = |sealed: &[u8]| {
            let keys = keys.iter().flatten();
            let ciphers = [self.cipher, self.cipher.other()];
            let ways = keys.flat_map(|key| ciphers.map(|cipher| (key, cipher)));
            ways.into_iter().find_map(|((derived, is_now), cipher)| {
                let opened = Zeroizing::new(open(cipher, derived, sealed).ok()?);
                let seed = Zeroizing::new(opened.as_slice().try_into().ok()?);
                let nonce = sealed.get(..cipher.nonce_size())?.to_vec();
                let is_current = *is_now && cipher == self.cipher;
                Some(FileKey { cipher, seed, nonce, is_current, was_mended: false })
            })
        };
        if let Some(key) = try_open(sealed) {
            return Ok(key);
        }
        if sealed.len() > Cipher::ChaCha.overhead() + SEED_SIZE {
            return Err(CryptError::WrongKey);
        }
        let mended = mend(sealed, try_open).ok_or(CryptError::WrongKey)?;
        Ok(FileKey { is_current: false, was_mended: true, ..mended })
    }
}

/// A random key as it comes out of a key file.
struct FileKey {
    cipher: Cipher,
    seed: Secret,
    nonce: Vec<u8>,
    is_current: bool,
    was_mended: bool,
}

/// Opens and seals whole files with their key.
#[derive(Clone)]
pub struct SealKey {
    cipher: Cipher,
    seed: Secret,
    is_current: bool,
    was_mended: bool,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = formatter.debug_struct("SealKey");
        out.field("cipher", &self.cipher).field("is_current", &self.is_current);
        out.finish_non_exhaustive()
    }
}

impl From<FileKey> for SealKey {
    fn from(key: FileKey) -> Self {
        let FileKey { cipher, seed, nonce: _, is_current, was_mended } = key;
        Self { cipher, seed, is_current, was_mended }
    }
}

impl SealKey {
    /// Whether its key file was sealed as the server seals now, and is whole. If not, the file and
    /// its key file are to be written again with a new key, which Go does too.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// Whether one bit of its key file was wrong.
    #[must_use]
    pub fn was_mended(&self) -> bool {
        self.was_mended
    }

    /// What goes to disk for `content`: a nonce and the sealed content.
    #[must_use]
    pub fn seal(&self, content: &[u8], random: Random<'_>) -> Vec<u8> {
        seal(self.cipher, &self.seed, content, random)
    }

    /// The content of what was sealed, or [`CryptError::Damaged`].
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, CryptError> {
        open(self.cipher, &self.seed, sealed)
    }
}

impl AsRef<SealKey> for SealKey {
    fn as_ref(&self) -> &SealKey {
        self
    }
}

impl AsRef<SealKey> for StreamKeys {
    fn as_ref(&self) -> &SealKey {
        &self.seal
    }
}

/// The keys of one stream: that of its description and index, and how to get at the others.
#[derive(Debug, Clone)]
pub struct StreamKeys {
    store: StoreKeys,
    account: String,
    stream: String,
    seal: SealKey,
}

impl StreamKeys {
    /// Keys for a new stream of `account`, and the content of its `meta.key`.
    #[must_use]
    pub fn create(
        store: &StoreKeys,
        account: &str,
        stream: &str,
        random: Random<'_>,
    ) -> (Self, Vec<u8>) {
        let (key, file) = store.create(account, stream, random);
        (Self::new(store, account, stream, key), file)
    }

    /// The keys of a stream on disk, from its `meta.key`.
    pub fn recover(
        store: &StoreKeys,
        account: &str,
        stream: &str,
        meta_key: &[u8],
    ) -> Result<Self, CryptError> {
        let key = store.open(account, stream, meta_key)?;
        Ok(Self::new(store, account, stream, key))
    }

    fn new(store: &StoreKeys, account: &str, stream: &str, key: FileKey) -> Self {
        Self {
            store: store.clone(),
            account: account.to_owned(),
            stream: stream.to_owned(),
            seal: key.into(),
        }
    }

    /// Whether `meta.key` was sealed as the server seals now; see [`SealKey::is_current`].
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.seal.is_current
    }

    /// What goes to disk for the content of `meta.inf` or `index.db` (without its hash).
    #[must_use]
    pub fn seal(&self, content: &[u8], random: Random<'_>) -> Vec<u8> {
        self.seal.seal(content, random)
    }

    /// The content of `meta.inf` or `index.db` (without its hash).
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, CryptError> {
        self.seal.open(sealed)
    }

    /// A key for a new consumer, and the content of its `meta.key`.
    #[must_use]
    pub fn new_consumer_key(&self, consumer: &str, random: Random<'_>) -> (SealKey, Vec<u8>) {
        let (key, file) =
            self.store.create(&self.account, &self.consumer_context(consumer), random);
        (key.into(), file)
    }

    /// The key of a consumer on disk, from its `meta.key`.
    pub fn open_consumer_key(
        &self,
        consumer: &str,
        meta_key: &[u8],
    ) -> Result<SealKey, CryptError> {
        let context = self.consumer_context(consumer);
        self.store.open(&self.account, &context, meta_key).map(SealKey::from)
    }

    /// A key for the block `number`, and the content of its `N.key`. A block that is written anew
    /// from its beginning under the same key gives its old and new content away to who has both.
    #[must_use]
    pub fn new_block_key(&self, number: u32, random: Random<'_>) -> (BlockKey, Vec<u8>) {
        let (key, file) = self.store.create(&self.account, &self.block_context(number), random);
        (BlockKey(key), file)
    }

    /// The key of the block `number` on disk, from its `N.key`.
    pub fn open_block_key(&self, number: u32, file: &[u8]) -> Result<BlockKey, CryptError> {
        self.store.open(&self.account, &self.block_context(number), file).map(BlockKey)
    }

    fn consumer_context(&self, consumer: &str) -> String {
        format!("{}.{consumer}", self.stream)
    }

    fn block_context(&self, number: u32) -> String {
        format!("{}:{number}", self.stream)
    }
}

/// The key of one block.
pub struct BlockKey(FileKey);

impl fmt::Debug for BlockKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = formatter.debug_struct("BlockKey");
        out.field("cipher", &self.0.cipher).field("is_current", &self.0.is_current);
        out.finish_non_exhaustive()
    }
}

impl BlockKey {
    /// Whether its key file was sealed as the server seals now, and is whole. If not, the block and
    /// its key file are to be written anew, which Go does too.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.0.is_current
    }

    /// Whether one bit of its key file was wrong.
    #[must_use]
    pub fn was_mended(&self) -> bool {
        self.0.was_mended
    }

    /// Encrypts or decrypts `bytes`, which stand at `offset` in the block's file.
    pub fn apply(&self, offset: u64, bytes: &mut [u8]) {
        match self.0.cipher {
            Cipher::ChaCha => self.apply_with::<XChaCha20>(offset, bytes),
            Cipher::Aes => self.apply_with::<Ctr128BE<Aes256>>(offset, bytes),
        }
    }

    fn apply_with<C: KeyIvInit + StreamCipher + StreamCipherSeek>(
        &self,
        offset: u64,
        bytes: &mut [u8],
    ) {
        let cipher = C::new_from_slices(&*self.0.seed, &self.0.nonce);
        let mut cipher = cipher.expect("a seed has 32 bytes, and the nonce is its cipher's");
        cipher.seek(offset);
        cipher.apply_keystream(bytes);
    }
}

/// The key that seals the key file of `context`.
fn derive(key: &[u8], account: &str, context: &str) -> Secret {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key);
    let mut mac = mac.expect("HMAC takes keys of any size");
    mac.update(account.as_bytes());
    mac.update(context.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn seal(cipher: Cipher, key: &Secret, content: &[u8], random: Random<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(cipher.overhead() + content.len());
    out.resize(cipher.nonce_size(), 0);
    random(&mut out);
    let sealed = match cipher {
        Cipher::ChaCha => seal_with::<XChaCha20Poly1305>(key, &out, content),
        Cipher::Aes => seal_with::<Aes256Gcm>(key, &out, content),
    };
    out.extend_from_slice(&sealed);
    out
}

fn seal_with<A: Aead + KeyInit>(key: &Secret, nonce: &[u8], content: &[u8]) -> Vec<u8> {
    let nonce = nonce.try_into().expect("the nonce has the size of its cipher");
    let sealed = aead::<A>(key).encrypt(nonce, content);
    sealed.expect("files are far below the 64 GiB that a cipher can take")
}

fn open(cipher: Cipher, key: &Secret, sealed: &[u8]) -> Result<Vec<u8>, CryptError> {
    let parts = sealed.split_at_checked(cipher.nonce_size());
    let (nonce, sealed) = parts.ok_or(CryptError::Damaged)?;
    match cipher {
        Cipher::ChaCha => open_with::<XChaCha20Poly1305>(key, nonce, sealed),
        Cipher::Aes => open_with::<Aes256Gcm>(key, nonce, sealed),
    }
}

fn open_with<A: Aead + KeyInit>(
    key: &Secret,
    nonce: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, CryptError> {
    let nonce = nonce.try_into().expect("the nonce has the size of its cipher");
    aead::<A>(key).decrypt(nonce, sealed).map_err(|_| CryptError::Damaged)
}

fn aead<A: KeyInit>(key: &Secret) -> A {
    A::new_from_slice(&**key).expect("keys have 32 bytes")
}

#[cfg(test)]
mod tests;

//! The keys of an encrypted store: from files or the environment, never from the command line,
//! which every user of the machine can see.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use natsd_store::{Cipher, StoreKeys};
use zeroize::Zeroizing;

const KEY_VARIABLE: &str = "NATSD_STORE_KEY";
const PREVIOUS_KEY_VARIABLE: &str = "NATSD_STORE_PREVIOUS_KEY";

#[derive(Debug, Args)]
pub(crate) struct KeyOptions {
    /// A file with the key of an encrypted store; line feeds at its end do not count. Without it
    /// the key is `NATSD_STORE_KEY` of the environment.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A file with the key before that one, the server's `prev_key`, for a store that has files
    /// of both. Without it the key is `NATSD_STORE_PREVIOUS_KEY` of the environment.
    #[arg(long, global = true, value_name = "FILE")]
    previous_key_file: Option<PathBuf>,
    /// The cipher of an encrypted store.
    #[arg(long, global = true, value_enum, default_value_t = CipherOption::Chacha)]
    cipher: CipherOption,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CipherOption {
    /// ChaCha20-Poly1305.
    Chacha,
    /// AES-GCM.
    Aes,
}

type Secret = Zeroizing<Vec<u8>>;

fn read_file(path: &Path) -> io::Result<Secret> {
    let of_file =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut key = Zeroizing::new(std::fs::read(path).map_err(of_file)?);
    while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        key.pop();
    }
    if key.is_empty() {
        return Err(of_file(io::Error::new(io::ErrorKind::InvalidData, "holds no key")));
    }
    Ok(key)
}

/// The key of the file, else that of the environment.
fn read(path: Option<&Path>, variable: &str) -> io::Result<Option<Secret>> {
    match path {
        Some(path) => read_file(path).map(Some),
        None => {
            let key = std::env::var_os(variable).map(OsString::into_vec).map(Zeroizing::new);
            Ok(key.filter(|key| !key.is_empty()))
        }
    }
}

impl KeyOptions {
    /// The keys of the store, if it has any.
    pub(crate) fn read(&self) -> io::Result<Option<StoreKeys>> {
        let key = read(self.key_file.as_deref(), KEY_VARIABLE)?;
        let previous = read(self.previous_key_file.as_deref(), PREVIOUS_KEY_VARIABLE)?;
        let cipher = match self.cipher {
            CipherOption::Chacha => Cipher::ChaCha,
            CipherOption::Aes => Cipher::Aes,
        };
        match (key, previous) {
            (Some(key), previous) => {
                Ok(Some(StoreKeys::new(cipher, &key, previous.as_ref().map(|key| key.as_slice()))))
            }
            (None, None) => Ok(None),
            (None, Some(_)) => {
                let text = "there is a previous key, and no key that came after it";
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
        }
    }
}

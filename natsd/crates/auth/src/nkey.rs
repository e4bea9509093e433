//! The keys of a server, as the public text that names it.
//!
//! Source: the nkeys specification of NATS: base32 of prefix, key and CRC-16.

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

const PREFIX_SERVER: u8 = 13 << 3;
const PREFIX_CURVE: u8 = 23 << 3;
const PREFIX_USER: u8 = 20 << 3;

/// The key pair of one server run.
#[derive(Debug)]
pub struct ServerKeys {
    signing: SigningKey,
}

impl ServerKeys {
    /// Keys from 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> ServerKeys {
        ServerKeys { signing: SigningKey::from_bytes(seed) }
    }

    /// The public key, `N…`, 56 letters: the id of the server.
    #[must_use]
    pub fn public(&self) -> String {
        encode(PREFIX_SERVER, &self.signing.verifying_key().to_bytes())
    }

    /// The public curve key, `X…`, of the same pair.
    #[must_use]
    pub fn public_curve(&self) -> String {
        encode(PREFIX_CURVE, &self.signing.verifying_key().to_montgomery().to_bytes())
    }
}

/// Whether `signature`, base64 of either alphabet, is the one of `nonce` by the owner of the public
/// user key `key` (`U…`).
#[must_use]
pub(crate) fn is_signed_by(key: &str, nonce: &[u8], signature: &str) -> bool {
    let signature = signature.as_bytes();
    let decoded = BASE64URL_NOPAD.decode(signature).or_else(|_| BASE64.decode(signature));
    let signature = decoded.ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    let key = decode(PREFIX_USER, key).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    match (key, signature) {
        (Some(key), Some(signature)) => key.verify_strict(nonce, &signature).is_ok(),
        _ => false,
    }
}

fn decode(prefix: u8, text: &str) -> Option<[u8; 32]> {
    let raw = BASE32_NOPAD.decode(text.as_bytes()).ok()?;
    let (body, sum) = raw.split_last_chunk::<2>()?;
    let (first, key) = body.split_first()?;
    let valid = *first == prefix && crc16(body) == u16::from_le_bytes(*sum);
    key.try_into().ok().filter(|_| valid)
}

fn encode(prefix: u8, key: &[u8; 32]) -> String {
    let mut raw = vec![prefix];
    raw.extend(key);
    raw.extend(crc16(&raw).to_le_bytes());
    BASE32_NOPAD.encode(&raw)
}

/// CRC-16 with the polynomial 0x1021 and no initial value (XMODEM).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{PREFIX_USER, ServerKeys, crc16, decode, encode, is_signed_by};
    use data_encoding::{BASE64, BASE64URL_NOPAD};
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn a_nonce_is_verified_in_both_alphabets() {
        let signing = SigningKey::from_bytes(&[3; 32]);
        let key = encode(PREFIX_USER, &signing.verifying_key().to_bytes());
        assert!(key.starts_with('U'));
        let signature = signing.sign(b"nonce").to_bytes();
        assert!(is_signed_by(&key, b"nonce", &BASE64URL_NOPAD.encode(&signature)));
        assert!(is_signed_by(&key, b"nonce", &BASE64.encode(&signature)));
        assert!(!is_signed_by(&key, b"other", &BASE64.encode(&signature)));
        assert!(!is_signed_by(&key, b"nonce", ""));
        assert!(decode(PREFIX_USER, &key.replace('U', "N")).is_none());
    }

    #[test]
    fn keys_are_named_as_nkeys() {
        let keys = ServerKeys::from_seed(&[7; 32]);
        assert!(keys.public().starts_with('N') && keys.public().len() == 56);
        assert!(keys.public_curve().starts_with('X') && keys.public_curve().len() == 56);
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }
}

//! The keys of a server, as the public text that names it.
//!
//! Source: the nkeys specification of NATS: base32 of prefix, key and CRC-16.

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::SigningKey;

const PREFIX_SERVER: u8 = 13 << 3;
const PREFIX_CURVE: u8 = 23 << 3;

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
    use super::{ServerKeys, crc16};

    #[test]
    fn keys_are_named_as_nkeys() {
        let keys = ServerKeys::from_seed(&[7; 32]);
        assert!(keys.public().starts_with('N') && keys.public().len() == 56);
        assert!(keys.public_curve().starts_with('X') && keys.public_curve().len() == 56);
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }
}

//! The shape of keys: prefix, length and checksum. No cryptography.
//!
//! Source: the nkeys format (`nats-io/nkeys`): base32 of prefix, 32 bytes of key and CRC-16.

use data_encoding::BASE32_NOPAD;

const SEED: u8 = 18 << 3;

/// What a public key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Operator,
    Account,
    User,
    Curve,
    /// Any of the above, a server or a cluster.
    Any,
}

impl KeyKind {
    fn prefixes(self) -> &'static [u8] {
        match self {
            KeyKind::Operator => &[14 << 3],
            KeyKind::Account => &[0],
            KeyKind::User => &[20 << 3],
            KeyKind::Curve => &[23 << 3],
            KeyKind::Any => &[14 << 3, 0, 20 << 3, 23 << 3, 13 << 3, 2 << 3],
        }
    }
}

/// Is the text a public key of that kind?
pub(crate) fn is_public_key(kind: KeyKind, text: &str) -> bool {
    match decode(text) {
        Some(raw) => raw.len() == 33 && kind.prefixes().contains(&raw[0]),
        None => false,
    }
}

/// Is the text the seed of a user key?
pub(crate) fn is_user_seed(text: &str) -> bool {
    let Some(raw) = decode(text) else {
        return false;
    };
    // The seed's own prefix takes five bits; the kind follows across the byte border.
    raw.len() == 34
        && raw[0] & 0b1111_1000 == SEED
        && ((raw[0] & 0b111) << 5 | raw[1] >> 3) == 20 << 3
}

/// The bytes before the checksum; none when the text is no key at all.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut raw = BASE32_NOPAD.decode(text.as_bytes()).ok()?;
    let checksum = raw.split_off(raw.len().checked_sub(2)?);
    (checksum == crc16(&raw).to_le_bytes() && !raw.is_empty()).then_some(raw)
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests;

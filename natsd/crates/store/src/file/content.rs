//! The records of a block file, decompressed.
//!
//! | offset | size | field of a compressed block |
//! |---|---|---|
//! | 0 | 3 | `cmp` |
//! | 3 | 1 | algorithm: 1 is S2 |
//! | 4 | v | size of the records (varint) |
//! | 4 + v | | the records but for the last 8 bytes, as an S2 stream |
//! | end - 8 | 8 | the last 8 bytes of the records: the last hash |
//!
//! A damaged stream gives the records before the damage, as each piece of it has a checksum.
//!
//! Source: Go `server/filestore.go` `UnmarshalMetadata`, `Compress`, `Decompress`.
#![warn(clippy::indexing_slicing)]

use std::io::Write;

use minlz::s2;

use crate::archive::s2::Decoder;
use crate::block::{BlockHash, Record};
use crate::varint::{put_unsigned, take_unsigned};

const MAGIC: &[u8] = b"cmp\x01";
const HASH_SIZE: usize = 8;
/// No block is larger; a size beyond it is damage and is not allocated.
const SIZE_MAX: u64 = 1 << 30;

/// The records of a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) records: Vec<u8>,
    /// Bytes that should follow and could not be decompressed.
    pub(super) missing: u64,
    /// Its key does not open.
    pub(super) is_closed: bool,
    pub(super) is_compressed: bool,
}

/// The records of the block file `bytes`.
pub(super) fn of(hash: &BlockHash, bytes: Vec<u8>) -> Content {
    // A plain block may begin like that too, as the size of its first record.
    if bytes.starts_with(MAGIC) && Record::decode(hash, &bytes).is_err() {
        return decompress(bytes.get(MAGIC.len()..).unwrap_or_default());
    }
    Content { records: bytes, ..Content::default() }
}

fn decompress(input: &[u8]) -> Content {
    let mut input = input;
    let claimed = take_unsigned(&mut input).filter(|&size| size <= SIZE_MAX);
    let parts = input.split_last_chunk::<HASH_SIZE>();
    let (Some(size), Some((stream, last_hash))) = (claimed, parts) else {
        let missing = claimed.unwrap_or(1).max(1);
        return Content { missing, is_compressed: true, ..Content::default() };
    };
    let mut records = Vec::new();
    let size_left = usize::try_from(size.saturating_sub(HASH_SIZE as u64)).unwrap_or(usize::MAX);
    let is_whole = read_some(stream, size_left, &mut records)
        && records.len() as u64 + HASH_SIZE as u64 == size;
    if is_whole {
        records.extend(last_hash);
    }
    let missing = if is_whole { 0 } else { size.saturating_sub(records.len() as u64).max(1) };
    Content { records, missing, is_closed: false, is_compressed: true }
}

/// Reads at most `size_max` bytes, to the end or to the first failure; whether it was the end.
fn read_some(stream: &[u8], size_max: usize, out: &mut Vec<u8>) -> bool {
    let mut decoder = Decoder::default();
    decoder.push(stream);
    loop {
        match decoder.next_block() {
            Ok(Some(block)) => {
                let room = size_max - out.len();
                out.extend(block.iter().take(room));
                if block.len() > room {
                    return false;
                }
            }
            Ok(None) => return !decoder.has_rest(),
            Err(_) => return false,
        }
    }
}

/// The block file of these records, which are at least 8 bytes.
pub(super) fn compress(records: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_unsigned(&mut out, records.len() as u64);
    let (body, last_hash) = records.split_at(records.len() - HASH_SIZE);
    let mut writer = s2::Writer::new(Vec::new());
    let written = writer.write_all(body).and_then(|()| writer.flush());
    written.expect("memory takes everything");
    out.append(writer.get_mut());
    out.extend(last_hash);
    out
}

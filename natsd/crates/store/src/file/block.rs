//! What is known of a block without reading it.

use natsd_base::Timestamp;

use super::cache::BlockCache;

/// A sequence and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) time: Timestamp,
}

/// One block of a stream.
#[derive(Debug)]
pub(super) struct Block {
    /// The N of `N.blk`.
    pub(super) number: u32,
    /// The first message; without one, one beyond the last. The time may be too early, but not
    /// in the first block.
    pub(super) first: Mark,
    /// The last sequence that was given away in this block.
    pub(super) last: Mark,
    /// How many messages there are.
    pub(super) count: u64,
    /// The size of their records.
    pub(super) bytes: u64,
    /// The size of all records, removed ones and tombstones too, in plain form. Known of the
    /// last block.
    pub(super) size: Option<usize>,
    /// How many records have a time to live.
    pub(super) ttls: u64,
    /// How many records have a schedule.
    pub(super) schedules: u64,
    /// The last 8 bytes of the records. Known of the last block.
    pub(super) last_hash: [u8; 8],
    /// The size of the messages and the stream's first sequence when there was nothing to take
    /// out of the block.
    pub(super) tidied: Option<(u64, u64)>,
    pub(super) cache: Option<Box<BlockCache>>,
}

impl Block {
    /// A block without records behind the sequence `last`.
    pub(super) fn new(number: u32, last: Mark) -> Self {
        Self {
            number,
            first: Mark { seq: last.seq + 1, time: Timestamp(0) },
            last,
            count: 0,
            bytes: 0,
            size: Some(0),
            ttls: 0,
            schedules: 0,
            last_hash: [0; 8],
            tidied: None,
            cache: None,
        }
    }
}

/// The number in a file name, as a server writes it.
pub(super) fn number_of(name: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_suffix(suffix)?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

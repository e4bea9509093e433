//! Messages by sequence, in chunks of 64, so that gaps of any size cost nothing.
//!
//! Every message knows its neighbours of the same subject; the links are kept by `MemStore`.

use std::collections::BTreeMap;

use natsd_base::Timestamp;

use crate::stream_store::StoredMessage;

const CHUNK_SIZE: u64 = CHUNK_ENTRIES as u64;
const CHUNK_ENTRIES: usize = 64;

/// One message.
#[derive(Debug)]
pub(super) struct Entry {
    /// Subject, headers, body.
    content: Box<[u8]>,
    pub(super) timestamp: Timestamp,
    /// The sequences before and after of the same subject, 0 for none.
    pub(super) previous: u64,
    pub(super) next: u64,
    headers_size: u32,
    subject_size: u32,
}

impl Entry {
    /// Parts of 4 GiB or more do not fit; the largest payload is far smaller.
    pub(super) fn new(parts: [&[u8]; 3], timestamp: Timestamp) -> Option<Self> {
        let [subject, headers, _] = parts;
        Some(Self {
            content: parts.concat().into_boxed_slice(),
            timestamp,
            previous: 0,
            next: 0,
            headers_size: u32::try_from(headers.len()).ok()?,
            subject_size: u32::try_from(subject.len()).ok()?,
        })
    }

    fn headers_start(&self) -> usize {
        self.subject_size as usize
    }

    fn body_start(&self) -> usize {
        self.subject_size as usize + self.headers_size as usize
    }

    pub(super) fn subject(&self) -> &[u8] {
        &self.content[..self.headers_start()]
    }

    pub(super) fn headers(&self) -> &[u8] {
        &self.content[self.headers_start()..self.body_start()]
    }

    /// Bytes of subject, headers and body.
    pub(super) fn content_size(&self) -> usize {
        self.content.len()
    }

    pub(super) fn message(&self, seq: u64) -> StoredMessage<'_> {
        StoredMessage {
            seq,
            timestamp: self.timestamp,
            subject: self.subject(),
            headers: self.headers(),
            body: &self.content[self.body_start()..],
        }
    }

    /// Overwrites the content, so that it does not stay in memory.
    pub(super) fn wipe(&mut self) {
        self.content.fill(0);
        std::hint::black_box(&self.content); // The write is not to be left out.
    }
}

#[derive(Debug)]
struct Chunk {
    /// A bit for each entry that is there.
    live: u64,
    entries: [Option<Entry>; CHUNK_ENTRIES],
}

/// Messages by sequence.
#[derive(Debug, Default)]
pub(super) struct MessageTable {
    /// By sequence divided by the size. Invariant: no chunk is empty.
    chunks: BTreeMap<u64, Box<Chunk>>,
}

fn place(seq: u64) -> (u64, usize) {
    (seq / CHUNK_SIZE, usize::try_from(seq % CHUNK_SIZE).expect("below the size"))
}

impl MessageTable {
    pub(super) fn get(&self, seq: u64) -> Option<&Entry> {
        let (chunk, index) = place(seq);
        self.chunks.get(&chunk)?.entries[index].as_ref()
    }

    pub(super) fn get_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        let (chunk, index) = place(seq);
        self.chunks.get_mut(&chunk)?.entries[index].as_mut()
    }

    pub(super) fn insert(&mut self, seq: u64, entry: Entry) {
        let (chunk, index) = place(seq);
        let empty = || Box::new(Chunk { live: 0, entries: [const { None }; CHUNK_ENTRIES] });
        let chunk = self.chunks.entry(chunk).or_insert_with(empty);
        chunk.live |= 1 << index;
        chunk.entries[index] = Some(entry);
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<Entry> {
        let (key, index) = place(seq);
        let chunk = self.chunks.get_mut(&key)?;
        let entry = chunk.entries[index].take()?;
        chunk.live &= !(1 << index);
        if chunk.live == 0 {
            self.chunks.remove(&key);
        }
        Some(entry)
    }

    pub(super) fn clear(&mut self) {
        self.chunks.clear();
    }

    /// The first message at or above `seq`.
    pub(super) fn next_live(&self, seq: u64) -> Option<(u64, &Entry)> {
        let (first, index) = place(seq);
        self.chunks.range(first..).find_map(|(&key, chunk)| {
            let mask = if key == first { u64::MAX << index } else { u64::MAX };
            let bits = chunk.live & mask;
            let index = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            Some((key * CHUNK_SIZE + index as u64, chunk.entries[index].as_ref()?))
        })
    }

    /// The last message at or below `seq`.
    pub(super) fn previous_live(&self, seq: u64) -> Option<(u64, &Entry)> {
        let (last, index) = place(seq);
        self.chunks.range(..=last).rev().find_map(|(&key, chunk)| {
            let mask = if key == last { u64::MAX >> (63 - index) } else { u64::MAX };
            let bits = chunk.live & mask;
            let index = (bits != 0).then(|| 63 - bits.leading_zeros() as usize)?;
            Some((key * CHUNK_SIZE + index as u64, chunk.entries[index].as_ref()?))
        })
    }
}

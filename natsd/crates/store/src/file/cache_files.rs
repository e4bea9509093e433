//! `thw.db`, `sched.db` and `sources.db`: what the headers of messages say, so that a start need
//! not read them.
//!
//! Behind Go's content, which Go takes for the whole, stands a trailer: Go's formats have no sums,
//! and one flipped bit would remove a message early. `thw.db` has the sequences of messages that
//! never expire in it.
//!
//! | field | size |
//! |---|---|
//! | Go's content | |
//! | sequences, varints | |
//! | size of those, little endian | 4 |
//! | `natsd.c1` | 8 |
//! | HighwayHash-64 of all before, as of `index.db` | 8 |
//!
//! The first two count only with an `index.db` that counts and with a trailer; else the blocks
//! that hold such messages are read. `sources.db` may be what is left of messages that are gone, so
//! a Go server's is taken too.
#![warn(clippy::indexing_slicing)]

use std::io;
use std::path::PathBuf;

use super::FileStore;
use super::index::checksum;
use super::ttl::MessageTtls;
use crate::schedule::Schedules;
use crate::sources::{decode_sources, encode_sources};
use crate::stream_store::StoreError;
use crate::varint::{put_unsigned, take_unsigned};
use crate::wheel::TimeHashWheel;

const MAGIC: &[u8; 8] = b"natsd.c1";

fn with_trailer(name: &str, content: Vec<u8>, seqs: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut out = content;
    let start = out.len();
    seqs.for_each(|seq| put_unsigned(&mut out, seq));
    let size = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out.extend(size.to_le_bytes());
    out.extend(MAGIC);
    out.extend(checksum(name, &out));
    out
}

/// Go's content and the sequences, when the trailer is right.
fn split_trailer<'a>(name: &str, bytes: &'a [u8]) -> Option<(&'a [u8], Vec<u64>)> {
    let (content, hash) = bytes.split_last_chunk::<8>()?;
    if checksum(name, content) != *hash {
        return None;
    }
    let (content, size) = content.strip_suffix(MAGIC)?.split_last_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let (content, mut seqs) = content.split_at_checked(content.len().checked_sub(size)?)?;
    let mut out = Vec::new();
    while !seqs.is_empty() {
        out.push(take_unsigned(&mut seqs)?);
    }
    Some((content, out))
}

impl FileStore {
    fn cache_path(&self, name: &str) -> PathBuf {
        self.messages_dir.join(name)
    }

    fn sources_path(&self) -> PathBuf {
        self.dir.join("sources.db")
    }

    /// Writes what there is of the three.
    pub(super) fn write_message_caches(&mut self) -> Result<(), StoreError> {
        let name = self.file_config.name.clone();
        let high_seq = self.state.last_seq + 1;
        if let Some(ttls) = &self.ttls {
            let content = ttls.wheel.encode(high_seq);
            let bytes = with_trailer(&name, content, ttls.kept.iter().copied());
            self.write_file(&self.cache_path("thw.db"), &bytes)?;
        }
        if let Some(schedules) = &self.schedules {
            let content = schedules.encode(high_seq);
            let bytes = with_trailer(&name, content, std::iter::empty());
            self.write_file(&self.cache_path("sched.db"), &bytes)?;
        }
        let known = self.sources.known();
        if known.is_empty() {
            // It would be what sources say that come back later.
            let _: io::Result<()> = self.disk.remove_file(&self.sources_path());
        } else {
            let content = encode_sources(&known, high_seq);
            let bytes = with_trailer(&name, content, std::iter::empty());
            self.write_file(&self.sources_path(), &bytes)?;
        }
        Ok(())
    }

    /// Takes over what stands beside an index that counts.
    pub(super) fn read_message_caches(&mut self) {
        let name = &self.file_config.name;
        let high_seq = self.state.last_seq + 1;
        let read = |file: &str| {
            let file = self.disk.open(&self.cache_path(file), false).ok()?;
            file.read_all().ok()
        };
        let ttls = read("thw.db").and_then(|bytes| {
            let (content, kept) = split_trailer(name, &bytes)?;
            let (wheel, high) = TimeHashWheel::decode(content).ok()?;
            let kept = kept.into_iter().collect();
            (high == high_seq).then_some(MessageTtls { wheel, kept })
        });
        let schedules = read("sched.db").and_then(|bytes| {
            let (content, _) = split_trailer(name, &bytes)?;
            let (schedules, high) = Schedules::decode(content).ok()?;
            (high == high_seq).then_some(schedules)
        });
        self.ttls = ttls.filter(|_| self.config.allow_message_ttl);
        self.schedules = schedules.filter(|_| self.config.allow_message_schedules);
    }

    /// Finds out how far the sources were read.
    pub(super) fn recover_all_sources(&mut self) -> Result<(), StoreError> {
        self.sources.configure(&self.config.sources);
        if self.config.sources.is_empty() {
            return Ok(());
        }
        let bytes = self.disk.open(&self.sources_path(), false).and_then(|file| file.read_all());
        let mut start = 0;
        if let Ok(bytes) = bytes {
            let has_trailer =
                bytes.split_last_chunk::<8>().is_some_and(|(rest, _)| rest.ends_with(MAGIC));
            let content = split_trailer(&self.file_config.name, &bytes).map(|(content, _)| content);
            let content = if has_trailer { content } else { Some(bytes.as_slice()) };
            if let Some(Ok((known, high_seq))) = content.map(decode_sources)
                && high_seq <= self.state.last_seq + 1
            {
                self.sources.apply(&known);
                self.sources.configure(&self.config.sources);
                start = high_seq;
            }
        }
        self.recover_sources(start)
    }
}

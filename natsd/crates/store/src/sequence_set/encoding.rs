//! The bytes of a sequence set, as they stand in stream snapshots and `index.db`.
//!
//! Little endian. Version 2 is written; version 1, with nodes of twice the size, is read too.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | magic 22 |
//! | 1 | 1 | version, 1 or 2 |
//! | 2 | 4 | number of nodes |
//! | 6 | 4 | number of sequences |
//! | 10 | | the nodes, each before its left and then its right side |
//!
//! A node is its base (8), 32 words (64 in version 1) of 8 bytes, and its height (2).
//! Bytes may come from a peer: any input gives a set with the sequences it names, or an error.
//!
//! Source: Go `server/avl/seqset.go` `Encode`, `Decode`.

use super::{NODE_SPAN, NONE, Node, SequenceSet, WORD_BITS, WORD_COUNT};

const MAGIC: u8 = 22;
const VERSION: u8 = 2;
const HEADER_SIZE: usize = 10;
/// Trees of ours stay far below; a higher one was made to be slow and is built anew.
const HEIGHT_MAX: u16 = 64;

const fn node_size(word_count: usize) -> usize {
    8 + word_count * 8 + 2
}

/// Why a set was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceSetError {
    /// The bytes are no sequence set, end early or contradict themselves.
    #[error("ss: bad encoding")]
    BadEncoding,
    /// A version that this server does not know.
    #[error("ss: bad version")]
    BadVersion,
    /// The set already holds sequences.
    #[error("ss: set not empty")]
    NotEmpty,
}

use SequenceSetError::{BadEncoding, BadVersion};

fn read_u64(input: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(u64::from_le_bytes(*bytes))
}

fn read_u32(input: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(u32::from_le_bytes(*bytes))
}

impl SequenceSet {
    /// Bytes that [`SequenceSet::encode`] appends.
    #[must_use]
    pub fn encoded_size(&self) -> usize {
        HEADER_SIZE + self.node_count() * node_size(WORD_COUNT)
    }

    /// Appends the set in version 2.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_size());
        out.extend([MAGIC, VERSION]);
        let node_count = u32::try_from(self.node_count()).expect("nodes are named by 32 bits");
        out.extend(node_count.to_le_bytes());
        // The field has 32 bits in Go too; a reader compares it modulo 2^32.
        let len = u32::try_from(self.len & u64::from(u32::MAX)).expect("masked");
        out.extend(len.to_le_bytes());
        let mut pending = vec![self.root];
        while let Some(at) = pending.pop() {
            if at == NONE {
                continue;
            }
            let node = self.node(at);
            out.extend(node.base.to_le_bytes());
            for word in node.words {
                out.extend(word.to_le_bytes());
            }
            out.extend(node.height.to_le_bytes());
            pending.extend([node.right, node.left]);
        }
    }

    /// Reads a set from the front of `input`, and how many bytes it took.
    pub fn decode(input: &[u8]) -> Result<(Self, usize), SequenceSetError> {
        let (&[magic, version], mut rest) = input.split_first_chunk().ok_or(BadEncoding)?;
        if input.len() < HEADER_SIZE || magic != MAGIC {
            return Err(BadEncoding);
        }
        let word_count = match version {
            1 => 2 * WORD_COUNT,
            2 => WORD_COUNT,
            _ => return Err(BadVersion),
        };
        let node_count = read_u32(&mut rest).ok_or(BadEncoding)?;
        let len = read_u32(&mut rest).ok_or(BadEncoding)?;
        let nodes_size = usize::try_from(node_count)
            .ok()
            .and_then(|count| count.checked_mul(node_size(word_count)))
            .ok_or(BadEncoding)?;
        let nodes = rest.get(..nodes_size).ok_or(BadEncoding)?;
        let shaped = if version == VERSION { decode_shaped(nodes) } else { None };
        let set = match shaped {
            Some(set) => set,
            None => decode_sequences(nodes, word_count)?,
        };
        if set.len & u64::from(u32::MAX) != u64::from(len) {
            return Err(BadEncoding);
        }
        Ok((set, HEADER_SIZE + nodes_size))
    }
}

/// Takes the nodes over as they are. `None` when they are not what we write: unaligned, empty,
/// overlapping, not in tree order, or far too high.
fn decode_shaped(input: &[u8]) -> Option<SequenceSet> {
    let mut set = SequenceSet::new();
    set.nodes.reserve_exact(input.len() / node_size(WORD_COUNT));
    let mut rest = input;
    // The nodes whose right side may still come, and the last node that was left behind.
    let mut open: Vec<u32> = Vec::new();
    let mut passed: Option<u64> = None;
    while !rest.is_empty() {
        let base = read_u64(&mut rest)?;
        if base % NODE_SPAN != 0 || passed.is_some_and(|passed| base <= passed) {
            return None;
        }
        let mut node = Node::new(base);
        for word in &mut node.words {
            *word = read_u64(&mut rest)?;
            set.len += u64::from(word.count_ones());
        }
        if node.is_empty() {
            return None;
        }
        rest = rest.get(2..)?; // The height, which is computed below.
        let at = u32::try_from(set.nodes.len()).ok()?;
        set.nodes.push(node);
        let mut parent = None;
        while let Some(&last) = open.last().filter(|&&last| set.node(last).base < base) {
            open.pop();
            passed = Some(set.node(last).base);
            parent = Some(last);
        }
        if open.last().is_some_and(|&last| set.node(last).base == base) {
            return None;
        }
        if let Some(parent) = parent {
            set.node_mut(parent).right = at;
        } else if let Some(&parent) = open.last() {
            set.node_mut(parent).left = at;
        } else {
            set.root = at;
        }
        open.push(at);
    }
    for index in (0..set.nodes.len()).rev() {
        let at = u32::try_from(index).ok()?;
        set.update_height(at); // Children stand behind their parents.
        if set.node(at).height > HEIGHT_MAX {
            return None;
        }
    }
    Some(set)
}

/// Puts every sequence in by itself. A sequence may not come twice, nor lie beyond 64 bits.
fn decode_sequences(input: &[u8], word_count: usize) -> Result<SequenceSet, SequenceSetError> {
    let mut set = SequenceSet::new();
    let mut rest = input;
    while !rest.is_empty() {
        let base = read_u64(&mut rest).ok_or(BadEncoding)?;
        for index in 0..word_count as u64 {
            let mut word = read_u64(&mut rest).ok_or(BadEncoding)?;
            while word != 0 {
                let offset = index * WORD_BITS + u64::from(word.trailing_zeros());
                let seq = base.checked_add(offset).ok_or(BadEncoding)?;
                if !set.insert(seq) {
                    return Err(BadEncoding);
                }
                word &= word - 1;
            }
        }
        rest = rest.get(2..).ok_or(BadEncoding)?;
    }
    Ok(set)
}

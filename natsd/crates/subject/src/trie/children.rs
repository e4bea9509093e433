//! The literal children of one trie node, found by the hash of their first token.
//!
//! Source: our own; Go has a map per level.

use hashbrown::HashTable;

/// Above this many children a node gets a hash table.
const FEW_MAX: usize = 8;

/// A child and the hash of the first token of its label.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) hash: u32,
    pub(crate) child: u32,
}

pub(crate) enum Children {
    Few(Vec<Edge>),
    Many(Box<HashTable<Edge>>),
}

impl Default for Children {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// Spreads the 32 stored bits over 64, because the table takes its tag from the top bits.
#[inline]
fn widen(hash: u32) -> u64 {
    u64::from(hash) | (u64::from(hash) << 32)
}

impl Children {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(edges) => edges.len(),
            Self::Many(table) => table.len(),
        }
    }

    /// The child with this hash for which `is_it` says yes.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        match self {
            Self::Few(edges) => {
                let found = edges.iter().find(|edge| edge.hash == hash && is_it(edge.child));
                found.map(|edge| edge.child)
            }
            Self::Many(table) => {
                let found = table.find(widen(hash), |edge| edge.hash == hash && is_it(edge.child));
                found.map(|edge| edge.child)
            }
        }
    }

    pub(crate) fn insert(&mut self, edge: Edge) {
        match self {
            Self::Few(edges) if edges.len() < FEW_MAX => {
                if edges.capacity() == 0 {
                    edges.reserve_exact(2);
                }
                edges.push(edge);
            }
            Self::Few(edges) => {
                let mut table = HashTable::with_capacity(2 * FEW_MAX);
                for &old in edges.iter().chain([&edge]) {
                    table.insert_unique(widen(old.hash), old, |entry: &Edge| widen(entry.hash));
                }
                *self = Self::Many(Box::new(table));
            }
            Self::Many(table) => {
                table.insert_unique(widen(edge.hash), edge, |entry| widen(entry.hash));
            }
        }
    }

    /// Replaces the index of a child; the hash stays.
    pub(crate) fn repoint(&mut self, hash: u32, from: u32, to: u32) {
        match self {
            Self::Few(edges) => {
                for edge in edges.iter_mut().filter(|edge| edge.child == from) {
                    edge.child = to;
                }
            }
            Self::Many(table) => {
                if let Some(edge) = table.find_mut(widen(hash), |edge| edge.child == from) {
                    edge.child = to;
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, hash: u32, child: u32) {
        match self {
            Self::Few(edges) => edges.retain(|edge| edge.child != child),
            Self::Many(table) => {
                if let Ok(entry) = table.find_entry(widen(hash), |edge| edge.child == child) {
                    entry.remove();
                }
                if table.len() <= FEW_MAX / 2 {
                    *self = Self::Few(table.iter().copied().collect());
                }
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (few, many) = match self {
            Self::Few(edges) => (Some(edges.iter()), None),
            Self::Many(table) => (None, Some(table.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).map(|edge| edge.child)
    }

    /// Heap bytes behind this value.
    pub(crate) fn heap_size(&self) -> usize {
        match self {
            Self::Few(edges) => edges.capacity() * size_of::<Edge>(),
            Self::Many(table) => size_of::<HashTable<Edge>>() + table.allocation_size(),
        }
    }
}

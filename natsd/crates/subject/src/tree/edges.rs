//! The children of an inner node by byte: a sorted vector, or a table when there are many.
//!
//! Source: the role of Go `server/stree/node4.go` to `node256.go`; the structure is our own.

use super::NodeRef;

/// Above this many children a table of 256 is used; it is left again at three quarters of that.
const SORTED_MAX: usize = 48;

#[derive(Clone, Copy)]
pub(super) struct Edge {
    byte: u8,
    node: NodeRef,
}

pub(super) enum Edges {
    /// In ascending order of bytes.
    Sorted(Vec<Edge>),
    Table(Box<Table>),
}

pub(super) struct Table {
    count: usize,
    nodes: [NodeRef; 256],
}

impl Edges {
    pub(super) fn new() -> Self {
        Self::Sorted(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Sorted(edges) => edges.len(),
            Self::Table(table) => table.count,
        }
    }

    /// The child for `byte`, or [`NodeRef::NONE`].
    #[inline]
    pub(super) fn get(&self, byte: u8) -> NodeRef {
        match self {
            Self::Sorted(edges) => match edges.iter().find(|edge| edge.byte >= byte) {
                Some(edge) if edge.byte == byte => edge.node,
                _ => NodeRef::NONE,
            },
            Self::Table(table) => table.nodes[usize::from(byte)],
        }
    }

    /// Adds or replaces the child for `byte`.
    pub(super) fn set(&mut self, byte: u8, node: NodeRef) {
        match self {
            Self::Sorted(edges) => match edges.binary_search_by_key(&byte, |edge| edge.byte) {
                Ok(position) => edges[position].node = node,
                Err(position) if edges.len() < SORTED_MAX => {
                    if edges.capacity() == edges.len() {
                        // 2, 4, 8, 16, 32, 48: most nodes stay small.
                        let room = edges.len().clamp(2, SORTED_MAX - edges.len());
                        edges.reserve_exact(room);
                    }
                    edges.insert(position, Edge { byte, node });
                }
                Err(_) => {
                    let mut table = Table { count: edges.len() + 1, nodes: [NodeRef::NONE; 256] };
                    for edge in &*edges {
                        table.nodes[usize::from(edge.byte)] = edge.node;
                    }
                    table.nodes[usize::from(byte)] = node;
                    *self = Self::Table(Box::new(table));
                }
            },
            Self::Table(table) => {
                let place = &mut table.nodes[usize::from(byte)];
                table.count += usize::from(!place.is_some());
                *place = node;
            }
        }
    }

    pub(super) fn remove(&mut self, byte: u8) {
        match self {
            Self::Sorted(edges) => {
                edges.retain(|edge| edge.byte != byte);
                if edges.len() * 4 <= edges.capacity() {
                    edges.shrink_to(2 * edges.len());
                }
            }
            Self::Table(table) => {
                let place = &mut table.nodes[usize::from(byte)];
                table.count -= usize::from(place.is_some());
                *place = NodeRef::NONE;
                if table.count <= SORTED_MAX / 4 * 3 {
                    let edges = (0..=u8::MAX).zip(table.nodes);
                    let kept = edges.filter(|(_, node)| node.is_some());
                    *self = Self::Sorted(kept.map(|(byte, node)| Edge { byte, node }).collect());
                }
            }
        }
    }

    /// The children in ascending order of bytes.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = NodeRef> + '_ {
        let (sorted, table): (&[Edge], &[NodeRef]) = match self {
            Self::Sorted(edges) => (edges, &[]),
            Self::Table(table) => (&[], &table.nodes),
        };
        let present = table.iter().copied().filter(|node| node.is_some());
        sorted.iter().map(|edge| edge.node).chain(present)
    }

    /// Heap bytes behind this value.
    pub(super) fn heap_size(&self) -> usize {
        match self {
            Self::Sorted(edges) => edges.capacity() * size_of::<Edge>(),
            Self::Table(_) => size_of::<Table>(),
        }
    }
}

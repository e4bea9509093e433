//! The edge text of one trie node: short text inside the node, long text on the heap.
//!
//! Source: our own.

/// Bytes that fit without an allocation; with them the label has the size of a `Vec`.
const INLINE_SIZE: usize = 22;

/// Immutable text, usually a few tokens.
#[derive(Clone)]
pub(crate) enum Label {
    /// Invariant: `size <= INLINE_SIZE`.
    Inline {
        size: u8,
        bytes: [u8; INLINE_SIZE],
    },
    Heap(Box<[u8]>),
}

impl Label {
    pub(crate) fn new(text: &[u8]) -> Self {
        match u8::try_from(text.len()) {
            Ok(size) if text.len() <= INLINE_SIZE => {
                let mut bytes = [0; INLINE_SIZE];
                bytes[..text.len()].copy_from_slice(text);
                Self::Inline { size, bytes }
            }
            _ => Self::Heap(text.into()),
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline { size, bytes } => &bytes[..usize::from(*size)],
            Self::Heap(text) => text,
        }
    }

    /// Heap bytes behind this label.
    pub(crate) fn heap_size(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(text) => text.len(),
        }
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::new(b"")
    }
}

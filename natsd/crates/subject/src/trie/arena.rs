//! Nodes in chunks, named by a 32-bit index, freed nodes used again.
//!
//! Chunks rather than one vector, so that growing never copies what is there and never doubles
//! the memory of a large table.

const CHUNK_BITS: u32 = 9;
const CHUNK: usize = 1 << CHUNK_BITS;

/// An index that names no node.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Default)]
pub(crate) struct Arena<N> {
    /// Invariant: every chunk but the last holds `CHUNK` nodes.
    chunks: Vec<Vec<N>>,
    free: Vec<u32>,
    /// Nodes in use.
    live: usize,
}

impl<N: Default> Arena<N> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), live: 0 }
    }

    pub(crate) fn live_count(&self) -> usize {
        self.live
    }

    /// Stores `node`. Panics beyond 2^32 - 1 nodes, which is beyond the memory of any machine.
    pub(crate) fn add(&mut self, node: N) -> u32 {
        self.live += 1;
        if let Some(index) = self.free.pop() {
            *self.get_mut(index) = node;
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first chunk grows on demand: most tables are small.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let full_chunks = self.chunks.len() - 1;
        let chunk = self.chunks.last_mut().expect("a chunk was pushed when there was none");
        let index = full_chunks * CHUNK + chunk.len();
        chunk.push(node);
        let index = u32::try_from(index).expect("fewer than 2^32 nodes fit into memory");
        assert!(index != NONE, "the arena is full");
        index
    }

    /// Takes a node out; its index may be given to another one.
    pub(crate) fn take(&mut self, index: u32) -> N {
        self.live -= 1;
        self.free.push(index);
        std::mem::take(self.get_mut(index))
    }

    /// Forgets all nodes and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &N {
        let index = index as usize;
        &self.chunks[index >> CHUNK_BITS][index & (CHUNK - 1)]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut N {
        let index = index as usize;
        &mut self.chunks[index >> CHUNK_BITS][index & (CHUNK - 1)]
    }

    /// Bytes held by the arena itself.
    pub(crate) fn allocated_size(&self) -> usize {
        let nodes: usize = self.chunks.iter().map(Vec::capacity).sum();
        nodes * size_of::<N>() + self.free.capacity() * size_of::<u32>()
    }
}

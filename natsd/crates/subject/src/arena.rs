//! Nodes in chunks, named by a 32-bit index, freed places used again.
//!
//! Chunks rather than one vector, so that growing never copies what is there and never doubles
//! the memory of a large structure.
//!
//! Source: our own; Go has a heap object per node.

const CHUNK_BITS: u32 = 9;
const CHUNK: usize = 1 << CHUNK_BITS;

/// An index that names no node.
pub(crate) const NONE: u32 = u32::MAX;

/// One place. With a [`crate::label::Label`] in the node the tag costs no byte.
enum Place<N> {
    Used(N),
    Free { next: u32 },
}

pub(crate) struct Arena<N> {
    /// Invariant: every chunk but the last holds `CHUNK` places.
    chunks: Vec<Vec<Place<N>>>,
    /// The place that was freed last, each naming the one before it.
    free: u32,
    /// Nodes in use.
    live: usize,
}

impl<N> Arena<N> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, live: 0 }
    }

    pub(crate) fn live_count(&self) -> usize {
        self.live
    }

    fn place_mut(&mut self, index: u32) -> &mut Place<N> {
        let index = index as usize;
        &mut self.chunks[index >> CHUNK_BITS][index & (CHUNK - 1)]
    }

    /// Stores `node`. Panics beyond 2^31 nodes, which is beyond the memory of any machine.
    pub(crate) fn add(&mut self, node: N) -> u32 {
        self.live += 1;
        if self.free != NONE {
            let index = self.free;
            let place = self.place_mut(index);
            let Place::Free { next } = *place else {
                unreachable!("the free list names a node in use")
            };
            *place = Place::Used(node);
            self.free = next;
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first chunk grows on demand: most structures are small.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let full_chunks = self.chunks.len() - 1;
        let chunk = self.chunks.last_mut().expect("a chunk was pushed when there was none");
        let index = full_chunks * CHUNK + chunk.len();
        chunk.push(Place::Used(node));
        let index = i32::try_from(index).expect("fewer than 2^31 nodes fit into memory");
        index.cast_unsigned()
    }

    /// Takes a node out; its index may be given to another one.
    pub(crate) fn take(&mut self, index: u32) -> N {
        let next = self.free;
        let place = std::mem::replace(self.place_mut(index), Place::Free { next });
        let Place::Used(node) = place else { unreachable!("a node is taken only once") };
        self.free = index;
        self.live -= 1;
        if self.live == 0 {
            *self = Self::new();
        }
        node
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &N {
        let index = index as usize;
        match &self.chunks[index >> CHUNK_BITS][index & (CHUNK - 1)] {
            Place::Used(node) => node,
            Place::Free { .. } => unreachable!("no link names a freed node"),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut N {
        match self.place_mut(index) {
            Place::Used(node) => node,
            Place::Free { .. } => unreachable!("no link names a freed node"),
        }
    }

    /// Bytes held by the arena itself.
    pub(crate) fn allocated_size(&self) -> usize {
        let places: usize = self.chunks.iter().map(Vec::capacity).sum();
        places * size_of::<Place<N>>() + self.chunks.capacity() * size_of::<Vec<Place<N>>>()
    }

    /// Bytes of one place.
    #[cfg(test)]
    pub(crate) fn place_size() -> usize {
        size_of::<Place<N>>()
    }
}

//! A set of sequences, small in memory and on disk: bit masks in a balanced tree.
//!
//! A node holds 2048 neighbours as bits, so dense ranges cost an eighth of a byte each. Nodes lie
//! in one arena and name each other by 32-bit index: a clone is one copy, an empty set allocates
//! nothing. The tree takes the same shape as Go's, because the encoding shows it.
//!
//! Source: Go `server/avl/seqset.go`.

mod encoding;

pub use encoding::SequenceSetError;

const WORD_BITS: u64 = 64;
const WORD_COUNT: usize = 32;
/// Sequences that one node covers.
const NODE_SPAN: u64 = WORD_BITS * WORD_COUNT as u64;
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node {
    /// The sequence of the first bit.
    base: u64,
    words: [u64; WORD_COUNT],
    left: u32,
    right: u32,
    /// 1 for a leaf.
    height: u16,
}

impl Node {
    fn new(base: u64) -> Self {
        Self { base, words: [0; WORD_COUNT], left: NONE, right: NONE, height: 1 }
    }

    fn place(&self, seq: u64) -> (usize, u64) {
        let offset = (seq - self.base) % NODE_SPAN;
        let word = usize::try_from(offset / WORD_BITS).expect("below the word count");
        (word, 1 << (offset % WORD_BITS))
    }

    fn contains(&self, seq: u64) -> bool {
        let (word, mask) = self.place(seq);
        self.words[word] & mask != 0
    }

    fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The bits of `word` that stand for `first..=last`.
    fn mask(&self, word: usize, first: u64, last: u64) -> u64 {
        let Some(word_first) = self.base.checked_add(word as u64 * WORD_BITS) else { return 0 };
        if last < word_first || first.saturating_sub(word_first) >= WORD_BITS {
            return 0;
        }
        let from = first.saturating_sub(word_first);
        let upto = (last - word_first).min(WORD_BITS - 1);
        if from > upto {
            return 0;
        }
        (u64::MAX << from) & (u64::MAX >> (WORD_BITS - 1 - upto))
    }
}

/// A set of sequences.
///
/// Source: Go `server/avl/seqset.go` `SequenceSet`.
#[derive(Clone)]
pub struct SequenceSet {
    nodes: Vec<Node>,
    /// Unused places in `nodes`.
    free: Vec<u32>,
    root: u32,
    len: u64,
    /// Every base is this modulo [`NODE_SPAN`], apart from a base of 0 for what lies below it.
    /// Invariant: phase < NODE_SPAN, so no two nodes cover the same sequence.
    phase: u64,
}

impl std::fmt::Debug for SequenceSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl Default for SequenceSet {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for SequenceSet {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for SequenceSet {}

impl Extend<u64> for SequenceSet {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, sequences: I) {
        for seq in sequences {
            self.insert(seq);
        }
    }
}

impl FromIterator<u64> for SequenceSet {
    fn from_iter<I: IntoIterator<Item = u64>>(sequences: I) -> Self {
        let mut set = Self::new();
        set.extend(sequences);
        set
    }
}

impl<'a> IntoIterator for &'a SequenceSet {
    type Item = u64;
    type IntoIter = Sequences<'a>;
    fn into_iter(self) -> Sequences<'a> {
        self.iter()
    }
}

impl SequenceSet {
    /// An empty set; it allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, len: 0, phase: 0 }
    }

    /// Lets the first node begin at `seq`, for a set that will begin there and should need no
    /// more nodes than necessary. Fails when the set holds something.
    pub fn set_initial_min(&mut self, seq: u64) -> Result<(), SequenceSetError> {
        if !self.is_empty() {
            return Err(SequenceSetError::NotEmpty);
        }
        self.clear();
        self.phase = seq % NODE_SPAN;
        self.root = self.add_node(seq);
        Ok(())
    }

    /// How many sequences are in the set.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many tree nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Heights of the tree to the left and to the right of the root.
    #[must_use]
    pub fn heights(&self) -> (u16, u16) {
        if self.root == NONE {
            return (0, 0);
        }
        let root = self.node(self.root);
        (self.height(root.left), self.height(root.right))
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn allocated_size(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * size_of::<u32>()
    }

    /// Takes everything out and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Whether `seq` is in the set.
    #[must_use]
    pub fn contains(&self, seq: u64) -> bool {
        self.find(seq).is_some_and(|at| self.node(at).contains(seq))
    }

    /// Puts `seq` in; whether it was not there before.
    pub fn insert(&mut self, seq: u64) -> bool {
        let at = self.find_or_add(seq);
        let node = self.node_mut(at);
        let (word, mask) = node.place(seq);
        let is_new = node.words[word] & mask == 0;
        node.words[word] |= mask;
        self.len += u64::from(is_new);
        is_new
    }

    /// Puts `first..=last` in, a word at a time.
    pub fn insert_range(&mut self, first: u64, last: u64) {
        let mut seq = first;
        while seq <= last {
            let at = self.find_or_add(seq);
            let span_last = self.node_last(self.node(at));
            let upto = last.min(span_last);
            let node = self.node_mut(at);
            let mut added = 0;
            for word in 0..WORD_COUNT {
                let mask = node.mask(word, seq, upto);
                added += (mask & !node.words[word]).count_ones();
                node.words[word] |= mask;
            }
            self.len += u64::from(added);
            let Some(next) = upto.checked_add(1) else { return };
            seq = next;
        }
    }

    /// Takes `seq` out; whether it was there. A node without sequences goes away.
    pub fn remove(&mut self, seq: u64) -> bool {
        let len = self.len;
        self.root = self.remove_below(self.root, seq);
        if self.len == 0 && len != 0 {
            self.clear();
        }
        self.len != len
    }

    /// Takes `first..=last` out and returns how many were there.
    pub fn remove_range(&mut self, first: u64, last: u64) -> u64 {
        let len = self.len;
        while let Some(seq) = self.iter_from(first).next().filter(|&seq| seq <= last) {
            self.remove(seq);
        }
        len - self.len
    }

    /// The lowest sequence.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        self.iter().next()
    }

    /// The highest sequence.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        let mut at = self.root;
        let mut best = None;
        while at != NONE {
            let node = self.node(at);
            let word = node.words.iter().rposition(|&word| word != 0);
            // Only the node of `set_initial_min` may be empty; what lies left of it then counts.
            let (Some(word), true) = (word, node.right == NONE) else {
                best = word.map(|word| node_max(node, word)).or(best);
                at = if node.right == NONE { node.left } else { node.right };
                continue;
            };
            return Some(node_max(node, word));
        }
        best
    }

    /// How many of `first..=last` are in the set. Costs one step per node in the range.
    #[must_use]
    pub fn count_between(&self, first: u64, last: u64) -> u64 {
        let mut count = 0;
        let mut next = self.node_from(first);
        while let Some(node) = next.filter(|node| node.base <= last) {
            for (word, bits) in node.words.iter().enumerate() {
                count += u64::from((bits & node.mask(word, first, last)).count_ones());
            }
            next = self.node_after(node);
        }
        count
    }

    /// The lowest sequence at or above `seq` that is *not* in the set, or `None` when every one
    /// up to the highest number is.
    #[must_use]
    pub fn next_absent(&self, seq: u64) -> Option<u64> {
        let mut seq = seq;
        while let Some(at) = self.find(seq) {
            let node = self.node(at);
            let (word, _) = node.place(seq);
            // Bits that are another node's are no gaps.
            let node_last = self.node_last(node);
            let bits = !node.words[word] & node.mask(word, seq, node_last);
            let word_first = node.base + word as u64 * WORD_BITS;
            if bits != 0 {
                return Some(word_first + u64::from(bits.trailing_zeros()));
            }
            seq = word_first.saturating_add(WORD_BITS - 1).min(node_last).checked_add(1)?;
        }
        Some(seq)
    }

    /// The highest sequence at or below `seq` that is *not* in the set, or `None` when every one
    /// down to 0 is.
    #[must_use]
    pub fn previous_absent(&self, seq: u64) -> Option<u64> {
        let mut seq = seq;
        while let Some(at) = self.find(seq) {
            let node = self.node(at);
            let (word, _) = node.place(seq);
            let bits = !node.words[word] & node.mask(word, 0, seq);
            let word_first = node.base + word as u64 * WORD_BITS;
            if bits != 0 {
                return Some(word_first + u64::from(63 - bits.leading_zeros()));
            }
            seq = word_first.checked_sub(1)?;
        }
        Some(seq)
    }

    /// The sequences in ascending order.
    #[must_use]
    pub fn iter(&self) -> Sequences<'_> {
        self.iter_from(0)
    }

    /// The sequences from `seq` on, in ascending order.
    #[must_use]
    pub fn iter_from(&self, seq: u64) -> Sequences<'_> {
        let node = self.node_from(seq);
        let (word, bits) = node.map_or((0, 0), |node| {
            let word = if seq > node.base { node.place(seq).0 } else { 0 };
            (word, node.words[word] & node.mask(word, seq, u64::MAX))
        });
        Sequences { set: self, node, word, bits }
    }

    /// Puts all sequences of `other` in.
    pub fn union_with(&mut self, other: &Self) {
        self.extend(other.iter());
    }

    /// All sequences of all sets. The largest is cloned, the others are put in.
    #[must_use]
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sets: Vec<&Self> = sets.into_iter().collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.len));
        let Some((largest, others)) = sets.split_first() else { return Self::new() };
        let mut union = (*largest).clone();
        for other in others {
            union.union_with(other);
        }
        union
    }

    fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: u32) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    fn add_node(&mut self, base: u64) -> u32 {
        if let Some(at) = self.free.pop() {
            *self.node_mut(at) = Node::new(base);
            return at;
        }
        let at = u32::try_from(self.nodes.len()).expect("4 billion nodes are 1 TB");
        assert!(at != NONE, "4 billion nodes are 1 TB");
        self.nodes.push(Node::new(base));
        at
    }

    /// The last sequence that `node` covers.
    fn node_last(&self, node: &Node) -> u64 {
        let is_below_phase = node.base < self.phase;
        if is_below_phase { self.phase - 1 } else { node.base.saturating_add(NODE_SPAN - 1) }
    }

    fn base_of(&self, seq: u64) -> u64 {
        seq.checked_sub(self.phase).map_or(0, |above| seq - above % NODE_SPAN)
    }

    fn find(&self, seq: u64) -> Option<u32> {
        let mut at = self.root;
        while at != NONE {
            let node = self.node(at);
            if seq < node.base {
                at = node.left;
            } else if seq > self.node_last(node) {
                at = node.right;
            } else {
                return Some(at);
            }
        }
        None
    }

    fn find_or_add(&mut self, seq: u64) -> u32 {
        // A node that is there keeps the shape of the tree: no descent with rebalancing.
        if let Some(at) = self.find(seq) {
            return at;
        }
        let added = self.add_node(self.base_of(seq));
        self.root = self.link_below(self.root, added);
        added
    }

    /// The node that covers `seq`, or else the first one above it.
    fn node_from(&self, seq: u64) -> Option<&Node> {
        let mut at = self.root;
        let mut above = None;
        while at != NONE {
            let node = self.node(at);
            if seq > self.node_last(node) {
                at = node.right;
            } else {
                above = Some(node);
                at = if seq < node.base { node.left } else { NONE };
            }
        }
        above
    }

    fn node_after(&self, node: &Node) -> Option<&Node> {
        self.node_from(self.node_last(node).checked_add(1)?)
    }

    fn height(&self, at: u32) -> u16 {
        if at == NONE { 0 } else { self.node(at).height }
    }

    /// Positive where the left side is higher.
    fn lean(&self, at: u32) -> i32 {
        if at == NONE {
            return 0;
        }
        let node = self.node(at);
        i32::from(self.height(node.left)) - i32::from(self.height(node.right))
    }

    fn update_height(&mut self, at: u32) {
        let node = self.node(at);
        let height = self.height(node.left).max(self.height(node.right)) + 1;
        self.node_mut(at).height = height;
    }

    /// Lifts the right child of `at` above it and returns the child.
    fn rotate_left(&mut self, at: u32) -> u32 {
        let lifted = self.node(at).right;
        self.node_mut(at).right = self.node(lifted).left;
        self.node_mut(lifted).left = at;
        self.update_height(at);
        self.update_height(lifted);
        lifted
    }

    /// Lifts the left child of `at` above it and returns the child.
    fn rotate_right(&mut self, at: u32) -> u32 {
        let lifted = self.node(at).left;
        self.node_mut(at).left = self.node(lifted).right;
        self.node_mut(lifted).right = at;
        self.update_height(at);
        self.update_height(lifted);
        lifted
    }

    /// Restores the height of `at` after a change below it, rotates once where it leans by more
    /// than one, and returns what stands in its place.
    fn rebalance(&mut self, at: u32) -> u32 {
        self.update_height(at);
        match self.lean(at) {
            2.. => {
                let left = self.node(at).left;
                if self.lean(left) < 0 {
                    self.node_mut(at).left = self.rotate_left(left);
                }
                self.rotate_right(at)
            }
            ..=-2 => {
                let right = self.node(at).right;
                if self.lean(right) > 0 {
                    self.node_mut(at).right = self.rotate_right(right);
                }
                self.rotate_left(at)
            }
            -1..=1 => at,
        }
    }

    /// Links the lone node or tree `added` below `at`, and returns what stands there then.
    /// Its sequences lie between those of two neighbours below `at`.
    fn link_below(&mut self, at: u32, added: u32) -> u32 {
        if at == NONE {
            return added;
        }
        let Node { base, left, right, .. } = *self.node(at);
        if self.node(added).base < base {
            self.node_mut(at).left = self.link_below(left, added);
        } else {
            self.node_mut(at).right = self.link_below(right, added);
        }
        self.rebalance(at)
    }

    fn remove_below(&mut self, at: u32, seq: u64) -> u32 {
        if at == NONE {
            return NONE;
        }
        let node = self.node(at);
        let (base, left, right, last) = (node.base, node.left, node.right, self.node_last(node));
        if seq < base {
            self.node_mut(at).left = self.remove_below(left, seq);
        } else if seq > last {
            self.node_mut(at).right = self.remove_below(right, seq);
        } else if self.remove_bit(at, seq) {
            self.free.push(at);
            // Go hangs the whole left side under the lowest node of the right side.
            let rest = match (left, right) {
                (NONE, other) | (other, NONE) => other,
                (left, right) => self.link_below(right, left),
            };
            return if rest == NONE { NONE } else { self.rebalance(rest) };
        }
        self.rebalance(at)
    }

    /// Whether the node is empty afterwards and was not before.
    fn remove_bit(&mut self, at: u32, seq: u64) -> bool {
        let node = self.node_mut(at);
        let (word, mask) = node.place(seq);
        if node.words[word] & mask == 0 {
            return false;
        }
        node.words[word] &= !mask;
        let is_empty = node.is_empty();
        self.len -= 1;
        is_empty
    }
}

fn node_max(node: &Node, word: usize) -> u64 {
    let highest = WORD_BITS - 1 - u64::from(node.words[word].leading_zeros());
    node.base + word as u64 * WORD_BITS + highest
}

/// The sequences of a set in ascending order.
#[derive(Clone, Debug)]
pub struct Sequences<'a> {
    set: &'a SequenceSet,
    node: Option<&'a Node>,
    word: usize,
    /// What is left of the word.
    bits: u64,
}

impl Iterator for Sequences<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let mut node = self.node?;
        while self.bits == 0 {
            self.word += 1;
            if self.word == WORD_COUNT {
                self.word = 0;
                self.node = self.set.node_after(node);
                node = self.node?;
            }
            self.bits = node.words[self.word];
        }
        let seq = node.base + self.word as u64 * WORD_BITS + u64::from(self.bits.trailing_zeros());
        self.bits &= self.bits - 1;
        Some(seq)
    }
}

#[cfg(test)]
mod tests;

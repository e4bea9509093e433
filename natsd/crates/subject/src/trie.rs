//! A trie over subject tokens that holds one payload per filter.
//!
//! A node's label is a run of tokens (path compression), so a filter that shares nothing with its
//! neighbours costs one node however many tokens it has. Nodes lie in an arena and name each other
//! by 32-bit index.
//! Invariants: a node without payload has at least two children, the root excepted; a label is
//! never empty, the root's excepted; a label that ends in `>` has no children.
//! Never checks validity: callers pass well-formed filters and subjects without empty tokens.
//!
//! Source: behaviour of Go `server/sublist.go` and `server/gsl/gsl.go`; the structure is our own.

mod children;
mod walk;

use std::hash::BuildHasher;

use foldhash::fast::{FixedState, RandomState};
use smallvec::SmallVec;

use children::{Children, Edge};

use crate::arena::{Arena, NONE};
use crate::label::Label;
use crate::subject::{ANY_TAIL, ANY_TOKEN, SEPARATOR, split_first_token};

const ROOT: u32 = 0;

/// What the trie keeps for one filter.
pub(crate) trait Payload: Default {
    /// An empty payload is not kept.
    fn is_empty(&self) -> bool;

    /// Bytes that the payload holds on the heap.
    fn heap_size(&self) -> usize;
}

struct Node<P> {
    label: Label,
    /// Children whose label begins with a literal token.
    literals: Children,
    /// The child whose label begins with `*`.
    any_token: u32,
    /// The child whose label is `>`.
    any_tail: u32,
    payload: P,
}

impl<P: Payload> Node<P> {
    fn new(label: Label) -> Self {
        Self {
            label,
            literals: Children::default(),
            any_token: NONE,
            any_tail: NONE,
            payload: P::default(),
        }
    }

    fn child_count(&self) -> usize {
        self.literals.len()
            + usize::from(self.any_token != NONE)
            + usize::from(self.any_tail != NONE)
    }

    /// All children, wildcards first.
    fn children(&self) -> impl Iterator<Item = u32> + '_ {
        let wildcards = [self.any_tail, self.any_token];
        wildcards.into_iter().filter(|&child| child != NONE).chain(self.literals.iter())
    }
}

pub(crate) struct Trie<P> {
    nodes: Arena<Node<P>>,
    hasher: FixedState,
}

impl<P: Payload> Trie<P> {
    /// Tokens are hashed with a seed of this process: who chooses subjects cannot choose collisions.
    pub(crate) fn new() -> Self {
        Self::with_seed(RandomState::default().hash_one(0_u8))
    }

    /// As `new`, with a given seed: the order of iteration then depends on the history alone.
    pub(crate) fn with_seed(seed: u64) -> Self {
        let mut trie = Self { nodes: Arena::new(), hasher: FixedState::with_seed(seed) };
        trie.nodes.add(Node::new(Label::default()));
        trie
    }

    #[inline]
    fn hash(&self, token: &[u8]) -> u32 {
        u32::try_from(self.hasher.hash_one(token) >> 32).expect("a shifted u64 fits into u32")
    }

    fn first_token(&self, index: u32) -> &[u8] {
        split_first_token(self.nodes.get(index).label.as_bytes()).0
    }

    #[inline]
    fn literal_child(&self, node: &Node<P>, token: &[u8]) -> Option<u32> {
        if node.literals.len() == 0 {
            return None;
        }
        let is_it = |child: u32| {
            let label = self.nodes.get(child).label.as_bytes();
            label.starts_with(token) && label.get(token.len()).is_none_or(|&b| b == SEPARATOR)
        };
        node.literals.find(self.hash(token), is_it)
    }

    /// The child of `parent` that begins with the filter token `token`.
    fn filter_child(&self, parent: u32, token: &[u8]) -> Option<u32> {
        let node = self.nodes.get(parent);
        let wildcard = match token {
            ANY_TOKEN => node.any_token,
            ANY_TAIL => node.any_tail,
            _ => return self.literal_child(node, token),
        };
        (wildcard != NONE).then_some(wildcard)
    }

    fn link(&mut self, parent: u32, child: u32) {
        let token = self.first_token(child);
        if token == ANY_TOKEN {
            self.nodes.get_mut(parent).any_token = child;
        } else if token == ANY_TAIL {
            self.nodes.get_mut(parent).any_tail = child;
        } else {
            let hash = self.hash(token);
            self.nodes.get_mut(parent).literals.insert(Edge { hash, child });
        }
    }

    /// Takes `child` from its parent; `replacement` begins with the same token and takes its place.
    fn unlink(&mut self, parent: u32, child: u32, replacement: u32) {
        let token = self.first_token(child);
        if token == ANY_TOKEN {
            self.nodes.get_mut(parent).any_token = replacement;
        } else if token == ANY_TAIL {
            self.nodes.get_mut(parent).any_tail = replacement;
        } else {
            let hash = self.hash(token);
            let literals = &mut self.nodes.get_mut(parent).literals;
            if replacement == NONE {
                literals.remove(hash, child);
            } else {
                literals.repoint(hash, child, replacement);
            }
        }
    }

    /// The payload of `filter`, made when it is not there. An empty payload must be filled.
    pub(crate) fn entry(&mut self, filter: &[u8]) -> &mut P {
        let mut at = ROOT;
        let mut rest = filter;
        loop {
            let Some(child) = self.filter_child(at, split_first_token(rest).0) else {
                let leaf = self.nodes.add(Node::new(Label::new(rest)));
                self.link(at, leaf);
                return &mut self.nodes.get_mut(leaf).payload;
            };
            let label = self.nodes.get(child).label.as_bytes();
            let common = common_tokens_size(label, rest);
            if common < label.len() {
                self.split(child, common);
            }
            if common == rest.len() {
                return &mut self.nodes.get_mut(child).payload;
            }
            at = child;
            rest = &rest[common + 1..];
        }
    }

    /// Cuts the label of `upper` after `size` bytes; everything below moves to a new node.
    fn split(&mut self, upper: u32, size: usize) {
        let node = self.nodes.get_mut(upper);
        let label = node.label.as_bytes();
        let upper_node = Node::new(Label::new(&label[..size]));
        let lower_label = Label::new(&label[size + 1..]);
        let mut lower_node = std::mem::replace(node, upper_node);
        lower_node.label = lower_label;
        let lower = self.nodes.add(lower_node);
        self.link(upper, lower);
    }

    fn locate(&self, filter: &[u8], path: &mut SmallVec<[u32; 16]>) -> bool {
        let mut at = ROOT;
        let mut rest = filter;
        loop {
            let Some(child) = self.filter_child(at, split_first_token(rest).0) else {
                return false;
            };
            let label = self.nodes.get(child).label.as_bytes();
            path.push(child);
            if rest == label {
                return true;
            }
            if !rest.starts_with(label) || rest[label.len()] != SEPARATOR {
                return false;
            }
            rest = &rest[label.len() + 1..];
            at = child;
        }
    }

    /// The payload of exactly this filter.
    pub(crate) fn get(&self, filter: &[u8]) -> Option<&P> {
        let mut path = SmallVec::new();
        if !self.locate(filter, &mut path) {
            return None;
        }
        path.last().map(|&index| &self.nodes.get(index).payload).filter(|found| !found.is_empty())
    }

    /// Lets `change` work on the payload of exactly this filter and drops it when it is empty
    /// afterwards. `None` when there is no such filter.
    pub(crate) fn update<R>(
        &mut self,
        filter: &[u8],
        change: impl FnOnce(&mut P) -> R,
    ) -> Option<R> {
        let mut path = SmallVec::new();
        if !self.locate(filter, &mut path) {
            return None;
        }
        let last = path.pop().expect("locate pushed the node it found");
        let payload = &mut self.nodes.get_mut(last).payload;
        if payload.is_empty() {
            return None;
        }
        let result = change(payload);
        if payload.is_empty() {
            let parent = path.pop().unwrap_or(ROOT);
            let grandparent = path.pop().unwrap_or(ROOT);
            self.prune(last, parent, grandparent);
        }
        Some(result)
    }

    /// Restores the invariant after the payload of `index` became empty.
    fn prune(&mut self, index: u32, parent: u32, grandparent: u32) {
        if self.nodes.get(index).child_count() > 0 {
            self.merge_with_only_child(index, parent);
            return;
        }
        self.unlink(parent, index, NONE);
        self.nodes.take(index);
        if self.nodes.live_count() == 1 {
            // Only the root is left: give the memory back.
            self.nodes.take(ROOT);
            self.nodes.add(Node::new(Label::default()));
        } else if parent != ROOT && self.nodes.get(parent).payload.is_empty() {
            self.merge_with_only_child(parent, grandparent);
        }
    }

    /// Joins an empty node with its child when it has just one.
    fn merge_with_only_child(&mut self, index: u32, parent: u32) {
        let node = self.nodes.get(index);
        if node.child_count() != 1 {
            return;
        }
        let child = node.children().next().expect("the node has one child");
        let lower = self.nodes.get(child).label.as_bytes();
        let mut label: SmallVec<[u8; 64]> = SmallVec::from_slice(node.label.as_bytes());
        label.push(SEPARATOR);
        label.extend_from_slice(lower);
        self.unlink(parent, index, child);
        self.nodes.take(index);
        self.nodes.get_mut(child).label = Label::new(&label);
    }

    /// Bytes held by the trie and its payloads. Walks everything.
    pub(crate) fn allocated_size(&self) -> usize {
        let mut size = self.nodes.allocated_size();
        let mut stack = vec![ROOT];
        while let Some(index) = stack.pop() {
            let node = self.nodes.get(index);
            size += node.label.heap_size() + node.literals.heap_size() + node.payload.heap_size();
            stack.extend(node.children());
        }
        size
    }
}

/// Size of the longest common run of whole tokens.
fn common_tokens_size(left: &[u8], right: &[u8]) -> usize {
    let same = left.iter().zip(right).take_while(|(one, other)| one == other).count();
    let ends_token = |text: &[u8]| text.get(same).is_none_or(|&byte| byte == SEPARATOR);
    if ends_token(left) && ends_token(right) {
        return same;
    }
    left[..same].iter().rposition(|&byte| byte == SEPARATOR).unwrap_or(0)
}

#[cfg(test)]
mod tests;

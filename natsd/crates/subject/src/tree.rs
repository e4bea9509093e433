//! Values by literal subject: a radix tree over bytes.
//!
//! Common beginnings are stored once, so a filter with wildcards finds its subjects without
//! looking at the others, and subjects come out in byte order.
//! Inner nodes hold a run of bytes and their children, leaves the rest of the subject and the
//! value; both lie in arenas and name each other by 32-bit index. Every byte may stand in a
//! subject.
//!
//! Source: behaviour of Go `server/stree`; the structure is our own.

mod edges;
mod filter;
mod walk;

use std::ops::ControlFlow;

use edges::Edges;
use filter::CompiledFilter;
use walk::Walk;

use crate::arena::Arena;
use crate::generic_list::GenericSubjectList;
use crate::label::Label;
use crate::subject::subjects_collide;
use crate::sublist::{Sublist, Subscriber};

/// Names a node. The top bit tells leaves from inner nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NodeRef(u32);

const LEAF_BIT: u32 = 1 << 31;

enum Kind {
    Leaf(u32),
    Inner(u32),
}

impl NodeRef {
    const NONE: Self = Self(u32::MAX);

    fn leaf(index: u32) -> Self {
        Self(index | LEAF_BIT)
    }

    fn kind(self) -> Kind {
        if self.0 & LEAF_BIT == 0 { Kind::Inner(self.0) } else { Kind::Leaf(self.0 & !LEAF_BIT) }
    }

    fn is_some(self) -> bool {
        self != Self::NONE
    }
}

struct Inner {
    /// Begins with the byte of the edge that leads here.
    prefix: Label,
    /// Children by the first byte of their label.
    edges: Edges,
    /// The leaf whose subject ends here, with an empty suffix.
    end: NodeRef,
}

struct Leaf<V> {
    suffix: Label,
    value: V,
}

/// Where a node is linked from.
#[derive(Clone, Copy)]
enum Link {
    Root,
    End(u32),
    Edge(u32, u8),
}

/// Values by literal subject, in byte order.
///
/// Source: Go `server/stree/stree.go` `SubjectTree`.
pub struct SubjectTree<V> {
    root: NodeRef,
    /// Invariant: every inner node has at least two children, the end included.
    inners: Arena<Inner>,
    leaves: Arena<Leaf<V>>,
}

impl<V> std::fmt::Debug for SubjectTree<V> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SubjectTree").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<V> Default for SubjectTree<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> SubjectTree<V> {
    /// An empty tree; it allocates nothing.
    pub const fn new() -> Self {
        Self { root: NodeRef::NONE, inners: Arena::new(), leaves: Arena::new() }
    }

    /// How many subjects there are.
    pub fn len(&self) -> usize {
        self.leaves.live_count()
    }

    /// Whether there is no subject.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes everything and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Sets the value of `subject` and returns the one it had.
    pub fn insert(&mut self, subject: &[u8], value: V) -> Option<V> {
        let mut value = Some(value);
        let leaf = self.leaf_or_insert(subject, || value.take().expect("a leaf is made once"));
        let replacement = value?; // Taken when the leaf is new.
        Some(std::mem::replace(&mut self.leaves.get_mut(leaf).value, replacement))
    }

    /// The value of `subject`; `make` gives it when there is none.
    pub fn get_or_insert_with(&mut self, subject: &[u8], make: impl FnOnce() -> V) -> &mut V {
        let leaf = self.leaf_or_insert(subject, make);
        &mut self.leaves.get_mut(leaf).value
    }

    /// The value of exactly this subject; wildcards are ordinary bytes.
    pub fn get(&self, subject: &[u8]) -> Option<&V> {
        self.find_leaf(subject).map(|leaf| &self.leaves.get(leaf).value)
    }

    /// As [`SubjectTree::get`], to change it.
    pub fn get_mut(&mut self, subject: &[u8]) -> Option<&mut V> {
        self.find_leaf(subject).map(|leaf| &mut self.leaves.get_mut(leaf).value)
    }

    /// Whether there is a value for exactly this subject.
    pub fn contains(&self, subject: &[u8]) -> bool {
        self.find_leaf(subject).is_some()
    }

    fn find_leaf(&self, subject: &[u8]) -> Option<u32> {
        let mut rest = subject;
        let mut at = self.root;
        while at.is_some() {
            match at.kind() {
                Kind::Leaf(index) => {
                    return (self.leaves.get(index).suffix.as_bytes() == rest).then_some(index);
                }
                Kind::Inner(index) => {
                    let inner = self.inners.get(index);
                    rest = rest.strip_prefix(inner.prefix.as_bytes())?;
                    at = rest.first().map_or(inner.end, |&byte| inner.edges.get(byte));
                }
            }
        }
        None
    }

    fn set_link(&mut self, link: Link, node: NodeRef) {
        match link {
            Link::Root => self.root = node,
            Link::End(inner) => self.inners.get_mut(inner).end = node,
            Link::Edge(inner, byte) => self.inners.get_mut(inner).edges.set(byte, node),
        }
    }

    /// Puts `node`, whose label is `label`, below `inner`.
    fn attach(inner: &mut Inner, label: &[u8], node: NodeRef) {
        match label.first() {
            None => inner.end = node,
            Some(&byte) => inner.edges.set(byte, node),
        }
    }

    fn add_leaf(&mut self, suffix: &[u8], make: impl FnOnce() -> V) -> u32 {
        self.leaves.add(Leaf { suffix: Label::new(suffix), value: make() })
    }

    fn leaf_or_insert(&mut self, subject: &[u8], make: impl FnOnce() -> V) -> u32 {
        let mut rest = subject;
        let mut at = self.root;
        let mut link = Link::Root;
        while at.is_some() {
            let (label, inner_index) = match at.kind() {
                Kind::Leaf(index) => {
                    let suffix = self.leaves.get(index).suffix.as_bytes();
                    if suffix == rest {
                        return index;
                    }
                    (suffix, None)
                }
                Kind::Inner(index) => (self.inners.get(index).prefix.as_bytes(), Some(index)),
            };
            let common = label.iter().zip(rest).take_while(|(one, other)| one == other).count();
            let Some(index) = inner_index.filter(|_| common == label.len()) else {
                return self.split(link, at, common, rest, make);
            };
            rest = &rest[common..];
            let inner = self.inners.get(index);
            (at, link) = match rest.first() {
                None => (inner.end, Link::End(index)),
                Some(&byte) => (inner.edges.get(byte), Link::Edge(index, byte)),
            };
        }
        let leaf = self.add_leaf(rest, make);
        self.set_link(link, NodeRef::leaf(leaf));
        leaf
    }

    /// Puts a new inner node of the first `common` bytes above `node`, with a new leaf for `rest`
    /// beside it.
    fn split(
        &mut self,
        link: Link,
        node: NodeRef,
        common: usize,
        rest: &[u8],
        make: impl FnOnce() -> V,
    ) -> u32 {
        let mut upper =
            Inner { prefix: Label::new(&rest[..common]), edges: Edges::new(), end: NodeRef::NONE };
        let label = match node.kind() {
            Kind::Leaf(index) => &mut self.leaves.get_mut(index).suffix,
            Kind::Inner(index) => &mut self.inners.get_mut(index).prefix,
        };
        let lower = Label::new(&label.as_bytes()[common..]);
        Self::attach(&mut upper, lower.as_bytes(), node);
        *label = lower;
        let leaf = self.add_leaf(&rest[common..], make);
        Self::attach(&mut upper, &rest[common..], NodeRef::leaf(leaf));
        let upper = self.inners.add(upper);
        self.set_link(link, NodeRef(upper));
        leaf
    }

    /// Takes `subject` out and returns its value.
    pub fn remove(&mut self, subject: &[u8]) -> Option<V> {
        let mut rest = subject;
        let mut at = self.root;
        let mut link = Link::Root;
        let mut parent = None;
        while at.is_some() {
            match at.kind() {
                Kind::Leaf(index) => {
                    if self.leaves.get(index).suffix.as_bytes() != rest {
                        return None;
                    }
                    match parent {
                        None => self.root = NodeRef::NONE,
                        Some((inner, inner_link)) => {
                            self.detach(inner, inner_link, rest.first().copied());
                        }
                    }
                    return Some(self.leaves.take(index).value);
                }
                Kind::Inner(index) => {
                    parent = Some((index, link));
                    let inner = self.inners.get(index);
                    rest = rest.strip_prefix(inner.prefix.as_bytes())?;
                    (at, link) = match rest.first() {
                        None => (inner.end, Link::End(index)),
                        Some(&byte) => (inner.edges.get(byte), Link::Edge(index, byte)),
                    };
                }
            }
        }
        None
    }

    /// Takes a child from an inner node; a node with one child left is joined with it.
    fn detach(&mut self, index: u32, link: Link, byte: Option<u8>) {
        let inner = self.inners.get_mut(index);
        match byte {
            None => inner.end = NodeRef::NONE,
            Some(byte) => inner.edges.remove(byte),
        }
        let only = match (inner.end.is_some(), inner.edges.len()) {
            (true, 0) => inner.end,
            (false, 1) => inner.edges.iter().next().expect("there is one edge"),
            _ => return,
        };
        let inner = self.inners.take(index);
        let label = match only.kind() {
            Kind::Leaf(child) => &mut self.leaves.get_mut(child).suffix,
            Kind::Inner(child) => &mut self.inners.get_mut(child).prefix,
        };
        *label = Label::new(&[inner.prefix.as_bytes(), label.as_bytes()].concat());
        self.set_link(link, only);
    }

    /// Visits every subject in byte order until `visit` breaks.
    ///
    /// Source: Go `server/stree/stree.go` `IterOrdered`, `IterFast`.
    pub fn visit<B>(&self, mut visit: impl FnMut(&[u8], &V) -> ControlFlow<B>) -> ControlFlow<B> {
        let mut walk = Walk::all(self.root);
        while let Some(leaf) = walk.next(self) {
            visit(walk.subject(), &self.leaves.get(leaf).value)?;
        }
        ControlFlow::Continue(())
    }

    /// Calls `visit` with every subject in byte order.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], &V)) {
        let _: ControlFlow<()> = self.visit(|subject, value| {
            visit(subject, value);
            ControlFlow::Continue(())
        });
    }

    /// Calls `visit` with every subject in byte order; the values may be changed.
    pub fn for_each_mut(&mut self, mut visit: impl FnMut(&[u8], &mut V)) {
        let mut walk = Walk::all(self.root);
        while let Some(leaf) = walk.next(self) {
            visit(walk.subject(), &mut self.leaves.get_mut(leaf).value);
        }
    }

    /// Visits the subjects that `filter` stands for, in byte order, until `visit` breaks.
    ///
    /// Source: Go `server/stree/stree.go` `Match`, `MatchUntil`.
    pub fn visit_matching<B>(
        &self,
        filter: &[u8],
        mut visit: impl FnMut(&[u8], &V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut walk = Walk::matching(self.root, CompiledFilter::new(filter));
        while let Some(leaf) = walk.next(self) {
            visit(walk.subject(), &self.leaves.get(leaf).value)?;
        }
        ControlFlow::Continue(())
    }

    /// Calls `visit` with the subjects that `filter` stands for, in byte order.
    pub fn for_each_matching(&self, filter: &[u8], mut visit: impl FnMut(&[u8], &V)) {
        let _: ControlFlow<()> = self.visit_matching(filter, |subject, value| {
            visit(subject, value);
            ControlFlow::Continue(())
        });
    }

    /// As [`SubjectTree::for_each_matching`]; the values may be changed.
    pub fn for_each_matching_mut(&mut self, filter: &[u8], mut visit: impl FnMut(&[u8], &mut V)) {
        let mut walk = Walk::matching(self.root, CompiledFilter::new(filter));
        while let Some(leaf) = walk.next(self) {
            visit(walk.subject(), &mut self.leaves.get_mut(leaf).value);
        }
    }

    /// Visits the subjects that some filter of `interest` stands for, each once, in no particular
    /// order, until `visit` breaks.
    ///
    /// Source: Go `server/stree/stree.go` `IntersectGSL`.
    pub fn visit_interesting<B>(
        &self,
        interest: &impl Interest,
        mut visit: impl FnMut(&[u8], &V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        // Filters without a common subject are searched one by one, which reads only what matches.
        if let Some(filters) = interest.few_filters(FEW_FILTERS).filter(|all| are_disjoint(all)) {
            for filter in filters {
                self.visit_matching(&filter, &mut visit)?;
            }
            return ControlFlow::Continue(());
        }
        let mut walk = Walk::all(self.root);
        while let Some(leaf) = walk.next_below(self, |prefix| interest.has_interest_below(prefix)) {
            if interest.has_interest(walk.subject()) {
                visit(walk.subject(), &self.leaves.get(leaf).value)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Keeps the subjects for which `keep` says yes.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &mut V) -> bool) {
        let mut dropped: Vec<Box<[u8]>> = Vec::new();
        self.for_each_mut(|subject, value| {
            if !keep(subject, value) {
                dropped.push(subject.into());
            }
        });
        for subject in dropped {
            self.remove(&subject);
        }
    }

    /// Bytes held by the tree, without what values hold on the heap. Walks everything.
    pub fn allocated_size(&self) -> usize {
        let mut size = self.inners.allocated_size() + self.leaves.allocated_size();
        let mut stack = vec![self.root];
        while let Some(node) = stack.pop() {
            if !node.is_some() {
                continue;
            }
            match node.kind() {
                Kind::Leaf(index) => size += self.leaves.get(index).suffix.heap_size(),
                Kind::Inner(index) => {
                    let inner = self.inners.get(index);
                    size += inner.prefix.heap_size() + inner.edges.heap_size();
                    stack.push(inner.end);
                    stack.extend(inner.edges.iter());
                }
            }
        }
        size
    }
}

/// Up to this many filters are compared with each other before a search.
const FEW_FILTERS: usize = 16;

fn are_disjoint(filters: &[Box<[u8]>]) -> bool {
    let mut rest = filters.iter();
    while let Some(filter) = rest.next() {
        if rest.as_slice().iter().any(|other| subjects_collide(filter, other)) {
            return false;
        }
    }
    true
}

/// A set of filters that a tree can be searched for.
pub trait Interest {
    /// Whether some filter stands for the literal `subject`.
    fn has_interest(&self, subject: &[u8]) -> bool;
    /// Whether some filter stands for a subject whose first tokens are those of `prefix`.
    fn has_interest_below(&self, prefix: &[u8]) -> bool;
    /// All filters, when there are at most `limit`.
    fn few_filters(&self, limit: usize) -> Option<Vec<Box<[u8]>>>;
}

impl<T: Clone + Eq + std::hash::Hash> Interest for GenericSubjectList<T> {
    fn has_interest(&self, subject: &[u8]) -> bool {
        Self::has_interest(self, subject)
    }

    fn has_interest_below(&self, prefix: &[u8]) -> bool {
        Self::has_interest_below(self, prefix)
    }

    fn few_filters(&self, limit: usize) -> Option<Vec<Box<[u8]>>> {
        Self::few_filters(self, limit)
    }
}

impl<T: Subscriber> Interest for Sublist<T> {
    fn has_interest(&self, subject: &[u8]) -> bool {
        Self::has_interest(self, subject)
    }

    fn has_interest_below(&self, prefix: &[u8]) -> bool {
        Self::has_interest_below(self, prefix)
    }

    fn few_filters(&self, limit: usize) -> Option<Vec<Box<[u8]>>> {
        Self::few_filters(self, limit)
    }
}

/// Calls `visit` with the subjects that stand in both trees, in byte order. Costs a lookup for
/// each subject of the smaller one.
///
/// Source: Go `server/stree/stree.go` `LazyIntersect`.
pub fn intersect<L, R>(
    left: &SubjectTree<L>,
    right: &SubjectTree<R>,
    mut visit: impl FnMut(&[u8], &L, &R),
) {
    if left.len() <= right.len() {
        left.for_each(|subject, one| {
            if let Some(other) = right.get(subject) {
                visit(subject, one, other);
            }
        });
    } else {
        right.for_each(|subject, other| {
            if let Some(one) = left.get(subject) {
                visit(subject, one, other);
            }
        });
    }
}

#[cfg(test)]
mod tests;

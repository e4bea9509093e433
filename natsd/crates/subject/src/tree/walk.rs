//! Depth-first walks over a subject tree, with or without a filter.
//!
//! A walk borrows the tree only while it steps, so that values can be changed in between. The
//! tree's structure must not change during a walk.
//!
//! Source: behaviour of Go `server/stree/stree.go` `match`, `iter`.

use super::filter::{CompiledFilter, Next, Progress};
use super::{Kind, NodeRef, SubjectTree};
use crate::subject::SEPARATOR;

struct Pending {
    node: NodeRef,
    /// Bytes of the subject above the node.
    depth: usize,
    progress: Progress,
}

pub(super) struct Walk<'a> {
    filter: Option<CompiledFilter<'a>>,
    /// The next node is last.
    stack: Vec<Pending>,
    subject: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(super) fn all(root: NodeRef) -> Self {
        Self::start(root, None, Progress::DECIDED)
    }

    pub(super) fn matching(root: NodeRef, filter: CompiledFilter<'a>) -> Self {
        Self::start(root, Some(filter), Progress::START)
    }

    fn start(root: NodeRef, filter: Option<CompiledFilter<'a>>, progress: Progress) -> Self {
        let stack = if root.is_some() {
            vec![Pending { node: root, depth: 0, progress }]
        } else {
            Vec::new()
        };
        Self { filter, stack, subject: Vec::new() }
    }

    /// The subject of the leaf that was returned last.
    pub(super) fn subject(&self) -> &[u8] {
        &self.subject
    }

    pub(super) fn next<V>(&mut self, tree: &SubjectTree<V>) -> Option<u32> {
        self.next_below(tree, |_| true)
    }

    /// The next leaf. Nodes below whole tokens that `enter` refuses are left out.
    pub(super) fn next_below<V>(
        &mut self,
        tree: &SubjectTree<V>,
        mut enter: impl FnMut(&[u8]) -> bool,
    ) -> Option<u32> {
        while let Some(Pending { node, depth, progress }) = self.stack.pop() {
            let label = match node.kind() {
                Kind::Leaf(index) => tree.leaves.get(index).suffix.as_bytes(),
                Kind::Inner(index) => tree.inners.get(index).prefix.as_bytes(),
            };
            let progress = match &self.filter {
                None => progress,
                Some(filter) => match filter.advance(progress, label) {
                    Some(progress) => progress,
                    None => continue,
                },
            };
            self.subject.truncate(depth);
            self.subject.extend_from_slice(label);
            match node.kind() {
                Kind::Leaf(index) => {
                    if self.filter.as_ref().is_none_or(|filter| filter.is_match(progress)) {
                        return Some(index);
                    }
                }
                Kind::Inner(index) => {
                    let separators = self.subject.iter().enumerate().skip(depth);
                    let may_enter = separators
                        .filter(|(_, byte)| **byte == SEPARATOR)
                        .all(|(at, _)| enter(&self.subject[..at]));
                    if may_enter {
                        self.push_children(tree, index, progress);
                    }
                }
            }
        }
        None
    }

    fn push_children<V>(&mut self, tree: &SubjectTree<V>, index: u32, progress: Progress) {
        let depth = self.subject.len();
        let inner = tree.inners.get(index);
        let mut push = |node: NodeRef| {
            if node.is_some() {
                self.stack.push(Pending { node, depth, progress });
            }
        };
        match self.filter.as_ref().map_or(Next::Any, |filter| filter.next(progress)) {
            Next::End => push(inner.end),
            Next::Byte(byte) => push(inner.edges.get(byte)),
            Next::Any => {
                inner.edges.iter().rev().for_each(&mut push);
                push(inner.end);
            }
        }
    }
}

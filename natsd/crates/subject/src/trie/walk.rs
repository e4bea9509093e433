//! The ways to visit a [`Trie`]: what matches a subject, what overlaps a filter, everything.
//!
//! Source: behaviour of Go `matchLevel`, `reverseMatchLevel`, `hasInterestStartingIn`.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::{Node, Payload, ROOT, Trie};
use crate::arena::NONE;
use crate::subject::{ANY_TAIL, ANY_TOKEN, SEPARATOR, split_first_token};

type Stack<'a> = SmallVec<[(u32, &'a [u8]); 16]>;

/// How a label compares with the rest of a subject.
enum Step<'a> {
    Mismatch,
    /// Label and subject end together, or the label ends in `>`.
    Here,
    /// The label is used up and this much of the subject is left.
    Below(&'a [u8]),
    /// The subject is used up (or is `>`) inside the label or at its end.
    Under,
}

/// Compares a label with a literal subject.
#[inline]
fn step_literal<'a>(label: &[u8], subject: &'a [u8]) -> Step<'a> {
    let mut label = label;
    let mut subject = subject;
    loop {
        let (wanted, label_rest) = split_first_token(label);
        if wanted == ANY_TAIL {
            return Step::Here;
        }
        let (token, subject_rest) = split_first_token(subject);
        if wanted != ANY_TOKEN && wanted != token {
            return Step::Mismatch;
        }
        match (label_rest, subject_rest) {
            (None, None) => return Step::Here,
            (None, Some(rest)) => return Step::Below(rest),
            (Some(_), None) => return Step::Under,
            (Some(more), Some(rest)) => {
                label = more;
                subject = rest;
            }
        }
    }
}

/// Compares a label with a filter: do they overlap?
fn step_filter<'a>(label: &[u8], filter: &'a [u8]) -> Step<'a> {
    let mut label = label;
    let mut filter = filter;
    loop {
        let (wanted, label_rest) = split_first_token(label);
        let (token, filter_rest) = split_first_token(filter);
        if wanted == ANY_TAIL {
            return Step::Here;
        }
        if token == ANY_TAIL {
            return Step::Under;
        }
        if wanted != ANY_TOKEN && token != ANY_TOKEN && wanted != token {
            return Step::Mismatch;
        }
        match (label_rest, filter_rest) {
            (None, None) => return Step::Here,
            (None, Some(rest)) => return Step::Below(rest),
            (Some(_), None) => return Step::Mismatch,
            (Some(more), Some(rest)) => {
                label = more;
                filter = rest;
            }
        }
    }
}

impl<P: Payload> Trie<P> {
    /// Visits the payload of every filter that stands for the literal `subject`, in Go's order: at
    /// each token `>` before `*` before the token itself, but a last token before a last `*`.
    #[inline]
    pub(crate) fn visit_matching<'a, B>(
        &'a self,
        subject: &[u8],
        mut visit: impl FnMut(&'a P) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        // Children that may match, the next one last.
        let mut stack: Stack<'_> = SmallVec::new();
        let mut expand = Some((ROOT, subject));
        loop {
            if let Some((index, rest)) = expand.take() {
                let node = self.nodes.get(index);
                if node.any_tail != NONE {
                    visit(&self.nodes.get(node.any_tail).payload)?;
                }
                let (token, more) = split_first_token(rest);
                let literal = self.literal_child(node, token).unwrap_or(NONE);
                let mut children = [literal, node.any_token];
                if more.is_none() {
                    children.swap(0, 1);
                }
                let children = children.into_iter().filter(|&child| child != NONE);
                stack.extend(children.map(|child| (child, rest)));
            }
            let Some((child, rest)) = stack.pop() else {
                return ControlFlow::Continue(());
            };
            let node = self.nodes.get(child);
            match step_literal(node.label.as_bytes(), rest) {
                Step::Here if !node.payload.is_empty() => visit(&node.payload)?,
                Step::Below(below) if node.child_count() > 0 => expand = Some((child, below)),
                Step::Here | Step::Below(_) | Step::Mismatch | Step::Under => {}
            }
        }
    }

    /// Visits the payload of every filter that stands for some subject that `filter` stands for.
    pub(crate) fn visit_colliding<'a>(&'a self, filter: &[u8], mut visit: impl FnMut(&'a P)) {
        let mut stack: Stack<'_> = SmallVec::new();
        stack.push((ROOT, filter));
        while let Some((index, rest)) = stack.pop() {
            self.for_each_candidate(self.nodes.get(index), rest, |child| {
                let child_node = self.nodes.get(child);
                match step_filter(child_node.label.as_bytes(), rest) {
                    Step::Here if !child_node.payload.is_empty() => visit(&child_node.payload),
                    Step::Below(below) => stack.push((child, below)),
                    Step::Under => self.visit_subtree(child, &mut visit),
                    Step::Here | Step::Mismatch => {}
                }
            });
        }
    }

    /// Calls `consider` with every child that the first token of `rest` does not rule out.
    fn for_each_candidate(&self, node: &Node<P>, rest: &[u8], mut consider: impl FnMut(u32)) {
        let token = split_first_token(rest).0;
        if token == ANY_TOKEN || token == ANY_TAIL {
            node.children().for_each(consider);
            return;
        }
        let literal = self.literal_child(node, token).unwrap_or(NONE);
        for child in [node.any_tail, node.any_token, literal] {
            if child != NONE {
                consider(child);
            }
        }
    }

    fn visit_subtree<'a>(&'a self, top: u32, visit: &mut impl FnMut(&'a P)) {
        let mut stack = vec![top];
        while let Some(index) = stack.pop() {
            let node = self.nodes.get(index);
            if !node.payload.is_empty() {
                visit(&node.payload);
            }
            stack.extend(node.children());
        }
    }

    /// Visits every filter with its payload.
    pub(crate) fn visit_all<'a>(&'a self, mut visit: impl FnMut(&[u8], &'a P)) {
        let mut path: Vec<u8> = Vec::new();
        let mut stack: Vec<(u32, usize)> =
            self.nodes.get(ROOT).children().map(|child| (child, 0)).collect();
        while let Some((index, parent_size)) = stack.pop() {
            let node = self.nodes.get(index);
            path.truncate(parent_size);
            if parent_size > 0 {
                path.push(SEPARATOR);
            }
            path.extend_from_slice(node.label.as_bytes());
            if !node.payload.is_empty() {
                visit(&path, &node.payload);
            }
            stack.extend(node.children().map(|child| (child, path.len())));
        }
    }

    /// Whether some filter stands for a subject that begins with the tokens of `prefix`.
    pub(crate) fn has_interest_below(&self, prefix: &[u8]) -> bool {
        let mut stack: Stack<'_> = SmallVec::new();
        stack.push((ROOT, prefix));
        while let Some((index, rest)) = stack.pop() {
            let node = self.nodes.get(index);
            if node.any_tail != NONE {
                return true;
            }
            let literal = self.literal_child(node, split_first_token(rest).0).unwrap_or(NONE);
            for child in [node.any_token, literal] {
                if child == NONE {
                    continue;
                }
                match step_literal(self.nodes.get(child).label.as_bytes(), rest) {
                    Step::Here | Step::Under => return true,
                    Step::Below(below) => stack.push((child, below)),
                    Step::Mismatch => {}
                }
            }
        }
        false
    }

    /// Whether the filter `>` is there.
    pub(crate) fn has_root_tail(&self) -> bool {
        self.nodes.get(ROOT).any_tail != NONE
    }

    /// The only filter, when there is exactly one.
    pub(crate) fn only_filter(&self) -> Option<&[u8]> {
        if self.nodes.live_count() != 2 {
            return None;
        }
        let child = self.nodes.get(ROOT).children().next()?;
        Some(self.nodes.get(child).label.as_bytes())
    }

    /// All filters, when there are at most `limit`.
    pub(crate) fn few_filters(&self, limit: usize) -> Option<Vec<Box<[u8]>>> {
        // A filter needs at most two nodes, beside the root.
        if self.nodes.live_count() > 2 * limit + 1 {
            return None;
        }
        let mut filters = Vec::new();
        self.visit_all(|filter, _| filters.push(filter.into()));
        (filters.len() <= limit).then_some(filters)
    }

    /// The number of tokens of the longest filter.
    pub(crate) fn depth(&self) -> usize {
        let mut deepest = 0;
        self.visit_all(|filter, _| deepest = deepest.max(crate::subject::token_count(filter)));
        deepest
    }
}

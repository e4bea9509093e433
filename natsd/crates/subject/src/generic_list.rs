//! Values by subject filter, without queues, cache or statistics.
//!
//! Answers which values' filters stand for a subject, and whether a subject tree needs to be
//! searched below some tokens at all. Holds no lock.
//!
//! Source: Go `server/gsl/gsl.go`.

use std::hash::Hash;
use std::ops::ControlFlow;

use crate::subject::{has_no_empty_token, is_well_formed};
use crate::trie::{Payload, Trie};
use crate::value_set::ValueSet;

/// Why a change was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenericSubjectListError {
    /// A token is empty, or `>` is not last.
    #[error("gsl: invalid subject")]
    InvalidSubject,
    /// There is no such value under this subject.
    #[error("gsl: no matches found")]
    NotFound,
}

#[derive(Default)]
enum Values<T> {
    #[default]
    None,
    One(T),
    Many(Box<ValueSet<T>>),
}

impl<T> Payload for Values<T> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    fn heap_size(&self) -> usize {
        match self {
            Self::None | Self::One(_) => 0,
            Self::Many(set) => size_of::<ValueSet<T>>() + set.heap_size(),
        }
    }
}

impl<T: Clone + Eq + Hash> Values<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(set) => set.values(),
        }
    }

    fn insert(&mut self, value: T) -> bool {
        match self {
            Self::None => {
                *self = Self::One(value);
                true
            }
            Self::One(only) if *only == value => false,
            Self::One(only) => {
                let mut set = ValueSet::default();
                set.insert(only.clone());
                set.insert(value);
                *self = Self::Many(Box::new(set));
                true
            }
            Self::Many(set) => set.insert(value),
        }
    }

    fn remove(&mut self, value: &T) -> bool {
        match self {
            Self::None => false,
            Self::One(only) => {
                let is_it = only == value;
                if is_it {
                    *self = Self::None;
                }
                is_it
            }
            Self::Many(set) => {
                let was_there = set.remove(value);
                if let [only] = set.values() {
                    *self = Self::One(only.clone());
                }
                was_there
            }
        }
    }
}

/// Values by subject filter.
///
/// Source: Go `server/gsl/gsl.go` `GenericSublist`.
pub struct GenericSubjectList<T> {
    trie: Trie<Values<T>>,
    count: u32,
}

/// Filters alone. Go: `SimpleSublist`.
pub type SubjectSet = GenericSubjectList<()>;

impl<T> std::fmt::Debug for GenericSubjectList<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GenericSubjectList")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<T: Clone + Eq + Hash> Default for GenericSubjectList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone + Eq + Hash> GenericSubjectList<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self { trie: Trie::new(), count: 0 }
    }

    /// An empty list with a hash seed of the caller's, so that a simulation repeats the order of
    /// callbacks. Not for subjects that strangers choose.
    pub fn with_seed(seed: u64) -> Self {
        Self { trie: Trie::with_seed(seed), count: 0 }
    }

    /// Adds `value` under the filter `subject`. The same value twice under one filter counts
    /// once, which differs from the count that Go keeps.
    pub fn insert(&mut self, subject: &[u8], value: T) -> Result<(), GenericSubjectListError> {
        if !is_well_formed(subject) {
            return Err(GenericSubjectListError::InvalidSubject);
        }
        if self.trie.entry(subject).insert(value) {
            self.count += 1;
        }
        Ok(())
    }

    /// Takes `value` out from under the filter `subject`.
    pub fn remove(&mut self, subject: &[u8], value: &T) -> Result<(), GenericSubjectListError> {
        if !is_well_formed(subject) {
            return Err(GenericSubjectListError::InvalidSubject);
        }
        if self.trie.update(subject, |values| values.remove(value)) != Some(true) {
            return Err(GenericSubjectListError::NotFound);
        }
        self.count -= 1;
        Ok(())
    }

    /// Calls `visit` with every value whose filter stands for the literal `subject`, once per
    /// filter, in no particular order.
    pub fn match_subject(&self, subject: &[u8], mut visit: impl FnMut(&T)) {
        if !has_no_empty_token(subject) {
            return;
        }
        let _: ControlFlow<()> = self.trie.visit_matching(subject, |values| {
            values.as_slice().iter().for_each(&mut visit);
            ControlFlow::Continue(())
        });
    }

    /// Whether some filter stands for `subject`.
    pub fn has_interest(&self, subject: &[u8]) -> bool {
        has_no_empty_token(subject)
            && self.trie.visit_matching(subject, |_| ControlFlow::Break(())).is_break()
    }

    /// How many values have a filter that stands for `subject`.
    ///
    /// Differs from Go: all are counted, not those of the first filter that is found.
    pub fn interest_count(&self, subject: &[u8]) -> usize {
        let mut count = 0;
        self.match_subject(subject, |_| count += 1);
        count
    }

    /// Whether the filter `>` is there.
    pub fn matches_everything(&self) -> bool {
        self.trie.has_root_tail()
    }

    /// The filter, when all values have the same one.
    ///
    /// Source: Go `server/gsl/gsl.go` `MatchesSingleFilter`.
    pub fn only_filter(&self) -> Option<&[u8]> {
        self.trie.only_filter()
    }

    /// All filters, when there are at most `limit`.
    pub fn few_filters(&self, limit: usize) -> Option<Vec<Box<[u8]>>> {
        self.trie.few_filters(limit)
    }

    /// Whether some filter stands for a subject whose first tokens are those of `prefix`.
    ///
    /// Source: Go `server/gsl/gsl.go` `HasInterestStartingIn`.
    pub fn has_interest_below(&self, prefix: &[u8]) -> bool {
        self.trie.has_interest_below(prefix)
    }

    /// Calls `visit` with every filter and value, in no particular order.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], &T)) {
        self.trie.visit_all(|filter, values| {
            values.as_slice().iter().for_each(|value| visit(filter, value));
        });
    }

    /// How many values there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes held by the list, without what values hold on the heap. Walks everything.
    pub fn allocated_size(&self) -> usize {
        self.trie.allocated_size()
    }

    /// The number of tokens of the longest filter.
    pub fn depth(&self) -> usize {
        self.trie.depth()
    }
}

#[cfg(test)]
mod tests;

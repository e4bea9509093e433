//! The subscribers of one filter, from a single one without overhead to many thousands.
//!
//! Source: Go `server/sublist.go` `node`, `addNodeToResults`, `removeFromNode`.

use std::sync::Arc;

use super::Subscriber;
use super::result::{InterestCount, MatchResult};
use crate::trie::Payload;
use crate::value_set::ValueSet;

/// All subscribers of one filter. Most filters have exactly one, without a queue.
#[derive(Default)]
pub(super) enum Subscribers<T> {
    #[default]
    None,
    One(T),
    Many(Box<Groups<T>>),
}

pub(super) struct Groups<T> {
    plain: ValueSet<T>,
    /// Invariant: no set is empty, no name stands twice.
    queues: Vec<(Arc<[u8]>, ValueSet<T>)>,
}

impl<T> Payload for Subscribers<T> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    fn heap_size(&self) -> usize {
        let Self::Many(groups) = self else { return 0 };
        let queues = groups.queues.iter().map(|(name, set)| {
            // An `Arc` keeps two counters before its bytes.
            name.len() + 2 * size_of::<usize>() + set.heap_size()
        });
        size_of::<Groups<T>>()
            + groups.plain.heap_size()
            + groups.queues.capacity() * size_of::<(Arc<[u8]>, ValueSet<T>)>()
            + queues.sum::<usize>()
    }
}

impl<T: Subscriber> Subscribers<T> {
    /// Adds `value`; says whether it is the first of its queue, or `None` when it was there.
    pub(super) fn insert(&mut self, queue: Option<&[u8]>, value: T) -> Option<bool> {
        if let (Self::None, None) = (&*self, queue) {
            *self = Self::One(value);
            return Some(true);
        }
        let set = self.groups_mut().set_mut(queue);
        set.insert(value).then(|| set.len() == 1)
    }

    fn groups_mut(&mut self) -> &mut Groups<T> {
        if !matches!(self, Self::Many(_)) {
            let mut plain = ValueSet::default();
            if let Self::One(value) = std::mem::take(self) {
                plain.insert(value);
            }
            *self = Self::Many(Box::new(Groups { plain, queues: Vec::new() }));
        }
        match self {
            Self::Many(groups) => groups,
            Self::None | Self::One(_) => unreachable!("made to hold groups just above"),
        }
    }

    /// Takes `value` out; says whether it was the last of its queue, or `None` when it was not
    /// there.
    pub(super) fn remove(&mut self, queue: Option<&[u8]>, value: &T) -> Option<bool> {
        let groups = match self {
            Self::None => return None,
            Self::One(only) => {
                if queue.is_some() || only != value {
                    return None;
                }
                *self = Self::None;
                return Some(true);
            }
            Self::Many(groups) => groups,
        };
        let was_last = groups.remove(queue, value)?;
        if groups.queues.is_empty() {
            if groups.plain.len() == 0 {
                *self = Self::None;
            } else if let [only] = groups.plain.values() {
                *self = Self::One(only.clone());
            }
        }
        Some(was_last)
    }

    /// Whether there is a subscriber of exactly this queue.
    pub(super) fn has(&self, queue: Option<&[u8]>) -> bool {
        match (self, queue) {
            (Self::None, _) | (Self::One(_), Some(_)) => false,
            (Self::One(_), None) => true,
            (Self::Many(groups), None) => groups.plain.len() > 0,
            (Self::Many(groups), Some(queue)) => groups.position(queue).is_some(),
        }
    }

    #[inline]
    pub(super) fn add_to(&self, result: &mut MatchResult<T>) {
        match self {
            Self::None => {}
            Self::One(value) => result.plain.push(value.clone()),
            Self::Many(groups) => {
                result.plain.extend_from_slice(groups.plain.values());
                for (queue, set) in &groups.queues {
                    let members = result.members_mut(queue);
                    for value in set.values() {
                        let weight = usize::try_from(value.weight()).unwrap_or(usize::MAX);
                        members.extend(std::iter::repeat_n(value, weight).cloned());
                    }
                }
                // A group whose members all have weight 0 is no receiver.
                result.queues.retain(|group| !group.members.is_empty());
            }
        }
    }

    pub(super) fn add_to_count(&self, count: &mut InterestCount) {
        match self {
            Self::None => {}
            Self::One(_) => count.plain += 1,
            Self::Many(groups) => {
                count.plain += groups.plain.len();
                count.queue += groups.queues.iter().map(|(_, set)| set.len()).sum::<usize>();
            }
        }
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(Option<&[u8]>, &T)) {
        match self {
            Self::None => {}
            Self::One(value) => visit(None, value),
            Self::Many(groups) => {
                groups.plain.values().iter().for_each(|value| visit(None, value));
                for (queue, set) in &groups.queues {
                    set.values().iter().for_each(|value| visit(Some(queue), value));
                }
            }
        }
    }
}

impl<T: Subscriber> Groups<T> {
    fn position(&self, queue: &[u8]) -> Option<usize> {
        self.queues.iter().position(|(name, _)| &**name == queue)
    }

    fn set_mut(&mut self, queue: Option<&[u8]>) -> &mut ValueSet<T> {
        let Some(queue) = queue else { return &mut self.plain };
        let index = self.position(queue).unwrap_or_else(|| {
            if self.queues.is_empty() {
                self.queues.reserve_exact(1); // Most often the only group.
            }
            self.queues.push((queue.into(), ValueSet::default()));
            self.queues.len() - 1
        });
        &mut self.queues[index].1
    }

    fn remove(&mut self, queue: Option<&[u8]>, value: &T) -> Option<bool> {
        let Some(queue) = queue else {
            return self.plain.remove(value).then(|| self.plain.len() == 0);
        };
        let index = self.position(queue)?;
        let set = &mut self.queues[index].1;
        if !set.remove(value) {
            return None;
        }
        let is_last = set.len() == 0;
        if is_last {
            self.queues.swap_remove(index);
        }
        Some(is_last)
    }
}

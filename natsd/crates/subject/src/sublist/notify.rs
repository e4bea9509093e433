//! Who wants to know when interest in an exact subject and queue begins or ends.
//!
//! Events are queued and handed out by the owner; nothing is called from here.
//!
//! Source: Go `server/sublist.go` `notifyMaps` and what uses it.

use hashbrown::HashMap;

use foldhash::fast::RandomState;

use super::SublistError;

/// The name that the caller gives to a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatcherId(pub u64);

/// Interest that somebody watches began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterestEvent {
    /// Who watches.
    pub watcher: WatcherId,
    /// Whether there is interest now.
    pub is_interested: bool,
}

/// Subject, and queue when one is watched.
type Key = (Box<[u8]>, Option<Box<[u8]>>);

#[derive(Default)]
struct Waiting {
    for_begin: Vec<WatcherId>,
    for_end: Vec<WatcherId>,
}

#[derive(Default)]
pub(super) struct Watchers {
    by_key: HashMap<Key, Waiting, RandomState>,
    events: Vec<InterestEvent>,
}

fn key(subject: &[u8], queue: Option<&[u8]>) -> Key {
    (subject.into(), queue.map(Box::from))
}

impl Watchers {
    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn add(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        watcher: WatcherId,
        is_interested: bool,
    ) -> Result<(), SublistError> {
        let waiting = self.by_key.entry(key(subject, queue)).or_default();
        let list = if is_interested { &mut waiting.for_end } else { &mut waiting.for_begin };
        if list.contains(&watcher) {
            return Err(SublistError::AlreadyRegistered);
        }
        list.push(watcher);
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        watcher: WatcherId,
    ) -> bool {
        let key = key(subject, queue);
        let Some(waiting) = self.by_key.get_mut(&key) else { return false };
        let mut was_there = false;
        for list in [&mut waiting.for_begin, &mut waiting.for_end] {
            if let Some(position) = list.iter().position(|&other| other == watcher) {
                list.swap_remove(position);
                was_there = true;
            }
        }
        if waiting.for_begin.is_empty() && waiting.for_end.is_empty() {
            self.by_key.remove(&key);
        }
        was_there
    }

    pub(super) fn interest_began(&mut self, subject: &[u8], queue: Option<&[u8]>) {
        let Some(waiting) = self.by_key.get_mut(&key(subject, queue)) else { return };
        for watcher in waiting.for_begin.drain(..) {
            self.events.push(InterestEvent { watcher, is_interested: true });
            waiting.for_end.push(watcher);
        }
    }

    pub(super) fn interest_ended(&mut self, subject: &[u8], queue: Option<&[u8]>) {
        let Some(waiting) = self.by_key.get_mut(&key(subject, queue)) else { return };
        for watcher in waiting.for_end.drain(..) {
            self.events.push(InterestEvent { watcher, is_interested: false });
            waiting.for_begin.push(watcher);
        }
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn take_events(&mut self) -> Vec<InterestEvent> {
        std::mem::take(&mut self.events)
    }
}

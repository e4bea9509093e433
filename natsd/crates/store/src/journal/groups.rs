//! The groups of a journal: who has changes in it, and how far they are elsewhere too.
//!
//! Invariant: the checkpointed position of a number never falls, not even when another group
//! gets the number.

use std::collections::HashMap;
use std::sync::Arc;

use super::change::RECORD_HEADER_SIZE;
use super::{JournalError, Lsn};

/// Longer names are refused.
const NAME_SIZE_MAX: usize = 4096;

/// A group, while its journal is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u32);

impl GroupId {
    pub(super) fn number(self) -> u32 {
        self.0
    }

    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Arc<str>,
    pub(super) incarnation: u64,
    /// The epoch of the segment in which it was named last.
    pub(super) named_epoch: u64,
    /// Its place in the list of that segment.
    pub(super) slot: usize,
    pub(super) last: Lsn,
    /// Everything up to here is durable in its own files.
    pub(super) checkpointed: Lsn,
    /// Nothing is taken before this is durable.
    pub(super) barrier: Lsn,
    /// The batch, by its first position, in which it had `batch_bytes`.
    pub(super) batch: u64,
    pub(super) batch_bytes: usize,
    /// It has changes that are not recorded, and is to be settled.
    pub(super) is_large: bool,
    is_registered: bool,
}

impl Group {
    /// Bytes of the record with its name.
    pub(super) fn name_size(&self) -> usize {
        RECORD_HEADER_SIZE + 8 + self.name.len()
    }
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    by_number: Vec<Group>,
    by_name: HashMap<Arc<str>, GroupId>,
    free: Vec<GroupId>,
}

impl Groups {
    pub(super) fn register(
        &mut self,
        name: &str,
        incarnation: u64,
    ) -> Result<GroupId, JournalError> {
        if name.len() > NAME_SIZE_MAX {
            return Err(JournalError::Invalid("name of a group"));
        }
        if let Some(&id) = self.by_name.get(name) {
            let known = self.get(id).is_some_and(|group| group.incarnation == incarnation);
            return if known { Ok(id) } else { Err(JournalError::Barrier) };
        }
        let name: Arc<str> = name.into();
        let mut group = Group {
            name: Arc::clone(&name),
            incarnation,
            named_epoch: 0,
            slot: 0,
            last: Lsn(0),
            checkpointed: Lsn(0),
            barrier: Lsn(0),
            batch: 0,
            batch_bytes: 0,
            is_large: false,
            is_registered: true,
        };
        let id = match self.free.pop() {
            Some(id) => {
                let place = &mut self.by_number[id.index()];
                group.checkpointed = place.checkpointed;
                *place = group;
                id
            }
            None => {
                let number = u32::try_from(self.by_number.len());
                let id = GroupId(number.map_err(|_| JournalError::Full)?);
                self.by_number.push(group);
                id
            }
        };
        self.by_name.insert(name, id);
        Ok(id)
    }

    pub(super) fn get(&self, id: GroupId) -> Option<&Group> {
        self.by_number.get(id.index())
    }

    pub(super) fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.by_number.get_mut(id.index()).filter(|group| group.is_registered)
    }

    pub(super) fn checkpointed(&mut self, id: GroupId, lsn: Lsn) {
        if let Some(group) = self.by_number.get_mut(id.index()) {
            group.checkpointed = group.checkpointed.max(lsn);
        }
    }

    /// The group is gone; its number may be used again.
    pub(super) fn free(&mut self, id: GroupId, lsn: Lsn) {
        self.checkpointed(id, lsn);
        if let Some(group) = self.by_number.get_mut(id.index()).filter(|group| group.is_registered)
        {
            group.is_registered = false;
            self.by_name.remove(&group.name);
            self.free.push(id);
        }
    }
}

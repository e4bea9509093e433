//! A small set of handles that may grow to many thousands: one vector, and an index when large.
//!
//! Source: the role of `psubs` and `plist` in Go `server/sublist.go`; the structure is our own.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Above this many values a set finds them by hash.
const SCAN_MAX: usize = 32;

/// A set in one vector; when it is large, with an index from hash to position.
pub(crate) struct ValueSet<T> {
    values: Vec<T>,
    /// Invariant: present if and only if there are more than `SCAN_MAX` values, except that it
    /// stays while a set shrinks to half of that.
    positions: Option<Box<HashTable<u32>>>,
}

impl<T> Default for ValueSet<T> {
    fn default() -> Self {
        Self { values: Vec::new(), positions: None }
    }
}

fn hash<T: Hash>(value: &T) -> u64 {
    // Values are handles of the server's own making, so no secret seed is needed.
    FixedState::default().hash_one(value)
}

impl<T> ValueSet<T> {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Bytes on the heap, without what values hold there.
    pub(crate) fn heap_size(&self) -> usize {
        let positions = self.positions.as_ref();
        self.values.capacity() * size_of::<T>()
            + positions.map_or(0, |table| size_of::<HashTable<u32>>() + table.allocation_size())
    }

    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }
}

impl<T: Clone + Eq + Hash> ValueSet<T> {
    fn position(&self, value: &T) -> Option<usize> {
        match &self.positions {
            None => self.values.iter().position(|other| other == value),
            Some(table) => table
                .find(hash(value), |&position| self.values[position as usize] == *value)
                .map(|&position| position as usize),
        }
    }

    /// Adds `value` and says whether it is new.
    pub(crate) fn insert(&mut self, value: T) -> bool {
        if self.position(&value).is_some() {
            return false;
        }
        if self.values.is_empty() {
            self.values.reserve_exact(1); // Many sets never grow.
        }
        self.values.push(value);
        let first_new = if self.positions.is_some() { self.values.len() - 1 } else { 0 };
        if self.positions.is_none() && self.values.len() > SCAN_MAX {
            self.positions = Some(Box::default());
        }
        if let Some(table) = &mut self.positions {
            let values = &self.values;
            for (position, value) in values.iter().enumerate().skip(first_new) {
                let position = u32::try_from(position).expect("fewer than 2^32 subscriptions");
                table.insert_unique(hash(value), position, |&at| hash(&values[at as usize]));
            }
        }
        true
    }

    /// Takes `value` out and says whether it was there. The last value takes its place.
    pub(crate) fn remove(&mut self, value: &T) -> bool {
        let Some(position) = self.position(value) else { return false };
        let last = self.values.len() - 1;
        if let Some(table) = &mut self.positions {
            if let Ok(entry) = table.find_entry(hash(value), |&at| at as usize == position) {
                entry.remove();
            }
            let moved = table.find_mut(hash(&self.values[last]), |&at| at as usize == last);
            if let (Some(moved), Ok(position)) = (moved, u32::try_from(position)) {
                *moved = position;
            }
        }
        self.values.swap_remove(position);
        if self.values.len() <= SCAN_MAX / 2 {
            self.positions = None;
        }
        if self.values.len() < self.values.capacity() / 4 {
            self.values.shrink_to(self.values.len() * 2);
        }
        true
    }
}

#[cfg(test)]
mod tests;

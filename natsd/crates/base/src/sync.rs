//! Locks with levels: a thread may take a lock only above every lock that it holds.
//!
//! The rule is checked in debug builds; a release build has a plain `parking_lot` mutex.

use core::ops::{Deref, DerefMut};
use parking_lot::{Mutex, MutexGuard};

#[cfg(debug_assertions)]
thread_local! {
    static HELD: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// A mutex of a fixed level (0 to 63). See the table in ARCHITECTURE.md.
#[derive(Debug, Default)]
pub struct LeveledMutex<const LEVEL: u8, T> {
    inner: Mutex<T>,
}

impl<const LEVEL: u8, T> LeveledMutex<LEVEL, T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        LeveledMutex { inner: Mutex::new(value) }
    }

    /// Locks. Panics in debug builds when this thread holds a lock of the same or a higher level.
    #[inline]
    pub fn lock(&self) -> LeveledGuard<'_, LEVEL, T> {
        enter(LEVEL);
        LeveledGuard { inner: self.inner.lock() }
    }
}

/// Access to the value of a [`LeveledMutex`], until dropped.
#[derive(Debug)]
pub struct LeveledGuard<'a, const LEVEL: u8, T> {
    inner: MutexGuard<'a, T>,
}

impl<const LEVEL: u8, T> Deref for LeveledGuard<'_, LEVEL, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<const LEVEL: u8, T> DerefMut for LeveledGuard<'_, LEVEL, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<const LEVEL: u8, T> Drop for LeveledGuard<'_, LEVEL, T> {
    #[inline]
    fn drop(&mut self) {
        leave(LEVEL);
    }
}

#[cfg(debug_assertions)]
fn enter(level: u8) {
    HELD.with(|held| {
        let bits = held.get();
        assert!(bits >> level == 0, "lock of level {level} taken while holding {bits:#x}");
        held.set(bits | 1 << level);
    });
}

#[cfg(debug_assertions)]
fn leave(level: u8) {
    HELD.with(|held| held.set(held.get() & !(1 << level)));
}

#[cfg(not(debug_assertions))]
#[inline(always)]
fn enter(_level: u8) {}

#[cfg(not(debug_assertions))]
#[inline(always)]
fn leave(_level: u8) {}

#[cfg(test)]
mod tests {
    use super::LeveledMutex;

    #[test]
    fn locks_are_taken_upwards() {
        let (low, high) = (LeveledMutex::<10, _>::new(1), LeveledMutex::<40, _>::new(2));
        let low = low.lock();
        assert_eq!(*low + *high.lock(), 3);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "lock of level 10 taken while holding")]
    fn a_reversal_is_caught() {
        let (low, high) = (LeveledMutex::<10, _>::new(1), LeveledMutex::<40, _>::new(2));
        let _high = high.lock();
        let _low = low.lock();
    }
}

//! Output buffers, shared by the connections that one thread serves.
//!
//! A connection with nothing to send owns no buffer; one that sends takes a warm one here and gives
//! it back when it is written. Bounded in count and size, so that a burst is not kept for ever.

use ::core::cell::RefCell;

/// Buffers kept per thread.
const KEPT_MAX: usize = 32;
/// A buffer larger than this is freed.
const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// A buffer smaller than this is not worth keeping.
const KEPT_BYTES_MIN: usize = 1024;
/// Size of a fresh buffer.
const FRESH_BYTES: usize = 4096;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(crate) fn take() -> Vec<u8> {
    KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(FRESH_BYTES))
}

/// Gives a buffer back.
pub(crate) fn recycle(mut buffer: Vec<u8>) {
    if (KEPT_BYTES_MIN..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
        buffer.clear();
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}

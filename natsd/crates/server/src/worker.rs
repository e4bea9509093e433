//! What each worker thread keeps for the connections that it drives.

use natsd_base::limits::READ_SCRATCH_BYTES;
use natsd_broker::Worker;
use natsd_links::Effect;
use std::cell::RefCell;

/// The state of one worker thread.
pub(crate) struct WorkerState {
    /// Input is read here first: large batches, and an idle connection owns no buffer.
    pub(crate) scratch: Vec<u8>,
    pub(crate) worker: Worker,
    pub(crate) effects: Vec<Effect>,
}

thread_local! {
    static STATE: RefCell<WorkerState> = RefCell::new(WorkerState {
        scratch: Vec::new(),
        worker: Worker::new(random_seed()),
        effects: Vec::new(),
    });
}

/// Runs `task` with the thread's state. Not to be nested.
pub(crate) fn with_state<R>(task: impl FnOnce(&mut WorkerState) -> R) -> R {
    STATE.with_borrow_mut(|state| {
        if state.scratch.capacity() == 0 {
            state.scratch = Vec::with_capacity(READ_SCRATCH_BYTES);
        }
        task(state)
    })
}

/// A seed from the operating system.
pub(crate) fn random_seed() -> u64 {
    getrandom::u64().expect("the operating system has random numbers")
}

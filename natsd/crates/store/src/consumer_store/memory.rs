//! The state of a consumer, gone with the server.

use natsd_base::Timestamp;

use super::tracker::Tracker;
use super::{ConsumerStore, ConsumerStoreConfig, ConsumerStoreError};
use crate::consumer_state::ConsumerState;

/// The state of a consumer in memory.
#[derive(Debug, Default)]
pub struct MemConsumerStore {
    tracker: Tracker,
    is_closed: bool,
}

impl MemConsumerStore {
    /// A consumer that has got nothing yet.
    #[must_use]
    pub fn new(config: ConsumerStoreConfig) -> Self {
        Self { tracker: Tracker { config, ..Tracker::default() }, is_closed: false }
    }

    fn open(&mut self) -> Result<&mut Tracker, ConsumerStoreError> {
        if self.is_closed { Err(ConsumerStoreError::Closed) } else { Ok(&mut self.tracker) }
    }
}

impl ConsumerStore for MemConsumerStore {
    fn state(&self) -> Result<&ConsumerState, ConsumerStoreError> {
        if self.is_closed { Err(ConsumerStoreError::Closed) } else { Ok(&self.tracker.state) }
    }

    fn has_state(&self) -> bool {
        self.tracker.has_state()
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn config(&self) -> ConsumerStoreConfig {
        self.tracker.config
    }

    fn update_config(
        &mut self,
        config: ConsumerStoreConfig,
        _description: &[u8],
    ) -> Result<(), ConsumerStoreError> {
        self.open()?.config = config;
        Ok(())
    }

    fn set_starting(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.open()?.set_starting(seq);
        Ok(())
    }

    fn update_starting(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.open()?.update_starting(seq);
        Ok(())
    }

    fn reset(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.open()?.state = ConsumerState::default();
        self.set_starting(seq)
    }

    fn update_delivered(
        &mut self,
        consumer_seq: u64,
        stream_seq: u64,
        deliveries: u64,
        time: Timestamp,
    ) -> Result<(), ConsumerStoreError> {
        self.open()?.update_delivered(consumer_seq, stream_seq, deliveries, time).map(drop)
    }

    fn update_acks(
        &mut self,
        consumer_seq: u64,
        stream_seq: u64,
    ) -> Result<(), ConsumerStoreError> {
        self.open()?.update_acks(consumer_seq, stream_seq).1
    }

    fn remove_redelivered_below(&mut self, seq: u64) -> Result<(), ConsumerStoreError> {
        self.open()?.remove_redelivered_below(seq);
        Ok(())
    }

    fn update(&mut self, state: ConsumerState) -> Result<(), ConsumerStoreError> {
        Tracker::check(&state)?;
        let tracker = self.open()?;
        if tracker.is_old(&state) {
            return Err(ConsumerStoreError::OldUpdate);
        }
        tracker.state = state;
        Ok(())
    }

    fn force_update(&mut self, state: ConsumerState) -> Result<(), ConsumerStoreError> {
        Tracker::check(&state)?;
        self.open()?.state = state;
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        false
    }

    fn flush(&mut self, _now: Timestamp) -> Result<(), ConsumerStoreError> {
        self.open().map(drop)
    }

    fn stop(&mut self, _now: Timestamp) -> Result<(), ConsumerStoreError> {
        self.is_closed = true;
        Ok(())
    }

    fn delete(&mut self) -> Result<(), ConsumerStoreError> {
        self.is_closed = true;
        self.tracker.state = ConsumerState::default();
        Ok(())
    }
}

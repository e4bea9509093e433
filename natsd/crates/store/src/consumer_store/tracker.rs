//! How deliveries and acknowledgements change the state of a consumer.
//!
//! Pure. Both stores follow these rules.
//!
//! Source: Go `server/filestore.go` `consumerFileStore` (`UpdateDelivered`, `UpdateAcks`,
//! `Update`).

use std::ops::Bound;

use natsd_base::Timestamp;

use super::{AckPolicy, ConsumerStoreConfig, ConsumerStoreError};
use crate::consumer_state::{ConsumerState, PendingMessage};

/// The state and what decides over it. Methods say whether it changed.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    pub(super) config: ConsumerStoreConfig,
    pub(super) state: ConsumerState,
}

impl Tracker {
    pub(super) fn has_state(&self) -> bool {
        self.state.delivered.consumer != 0 || self.state.delivered.stream != 0
    }

    pub(super) fn set_starting(&mut self, seq: u64) {
        self.state.delivered.stream = seq;
        self.state.ack_floor.stream = seq;
    }

    pub(super) fn update_starting(&mut self, seq: u64) {
        if seq > self.state.delivered.stream {
            self.state.delivered.stream = seq;
            if self.config.ack == AckPolicy::None {
                self.state.ack_floor.stream = seq;
            }
        }
    }

    pub(super) fn update_delivered(
        &mut self,
        consumer_seq: u64,
        stream_seq: u64,
        deliveries: u64,
        time: Timestamp,
    ) -> Result<bool, ConsumerStoreError> {
        let state = &mut self.state;
        let wants_acks = self.config.ack != AckPolicy::None;
        if deliveries != 1 && !wants_acks {
            return Err(ConsumerStoreError::NoAckPolicy);
        }
        if consumer_seq <= state.ack_floor.consumer {
            return Ok(false); // An old entry of the log, applied once more after a restart.
        }
        if wants_acks {
            if stream_seq > state.delivered.stream {
                let pending = PendingMessage { consumer_seq, delivered: time };
                state.pending.insert(stream_seq, pending);
            } else if let Some(pending) = state.pending.get_mut(&stream_seq) {
                pending.delivered = time; // The consumer sequence stays that of the first time.
            }
        }
        if consumer_seq > state.delivered.consumer {
            state.delivered.consumer = consumer_seq;
            if !wants_acks {
                state.ack_floor.consumer = consumer_seq;
            }
        }
        if stream_seq > state.delivered.stream {
            state.delivered.stream = stream_seq;
            if !wants_acks {
                state.ack_floor.stream = stream_seq;
            }
        }
        if deliveries > 1 {
            if self.config.deliveries_max.is_some_and(|most| deliveries > most) {
                state.pending.remove(&stream_seq);
            }
            let again = state.redelivered.entry(stream_seq).or_default();
            *again = (*again).max(deliveries - 1);
        }
        Ok(true)
    }

    /// The error, and whether the state changed, which it may with an error too.
    pub(super) fn update_acks(
        &mut self,
        consumer_seq: u64,
        stream_seq: u64,
    ) -> (bool, Result<(), ConsumerStoreError>) {
        let policy = self.config.ack;
        if policy == AckPolicy::None {
            return (false, Err(ConsumerStoreError::NoAckPolicy));
        }
        // Whatever else it is, it is not delivered again.
        let was_redelivered = self.state.redelivered.remove(&stream_seq).is_some();
        if consumer_seq <= self.state.ack_floor.consumer {
            return (was_redelivered, Ok(())); // An old entry of the log, see above.
        }
        if !self.state.pending.contains_key(&stream_seq) {
            return (was_redelivered, Err(ConsumerStoreError::NotFound));
        }
        match policy {
            AckPolicy::All | AckPolicy::FlowControl => {
                self.acknowledge_all(consumer_seq, stream_seq);
            }
            AckPolicy::Explicit | AckPolicy::None => {
                self.acknowledge_one(consumer_seq, stream_seq);
            }
        }
        (true, Ok(()))
    }

    /// Differs from Go: the floor never moves back, and of messages that were given up below it
    /// the number of deliveries is always forgotten; Go does so if there are few of them.
    fn acknowledge_all(&mut self, consumer_seq: u64, stream_seq: u64) {
        let state = &mut self.state;
        let floor = state.ack_floor.stream;
        state.ack_floor.consumer = consumer_seq;
        state.ack_floor.stream = floor.max(stream_seq);
        let above = stream_seq.checked_add(1).map(|next| state.pending.split_off(&next));
        for seq in std::mem::replace(&mut state.pending, above.unwrap_or_default()).keys() {
            state.redelivered.remove(seq);
        }
        let given_up = state.redelivered.range((Bound::Excluded(floor), Bound::Unbounded));
        let given_up = given_up.map(|(&seq, _)| seq).take_while(|&seq| seq <= stream_seq);
        let given_up: Vec<u64> = given_up.collect();
        for seq in given_up {
            state.redelivered.remove(&seq);
        }
    }

    fn acknowledge_one(&mut self, consumer_seq: u64, stream_seq: u64) {
        let state = &mut self.state;
        let mut consumer_seq = consumer_seq;
        if let Some(pending) = state.pending.remove(&stream_seq)
            && pending.consumer_seq > 0
        {
            // That of the first delivery, when this is an answer to a later one.
            consumer_seq = consumer_seq.min(pending.consumer_seq);
        }
        if state.pending.is_empty() {
            state.ack_floor = state.delivered;
        } else if Some(consumer_seq) == state.ack_floor.consumer.checked_add(1) {
            state.ack_floor.consumer = consumer_seq;
            state.ack_floor.stream = stream_seq;
            // Everything before the next pending message is done.
            let mut pending = state.pending.range((Bound::Excluded(stream_seq), Bound::Unbounded));
            if state.delivered.consumer > consumer_seq
                && let Some((&seq, pending)) = pending.next()
                && pending.consumer_seq > 0
            {
                state.ack_floor.consumer = pending.consumer_seq - 1;
                state.ack_floor.stream = seq - 1;
            }
        }
    }

    pub(super) fn remove_redelivered_below(&mut self, seq: u64) -> bool {
        let above = self.state.redelivered.split_off(&seq);
        !std::mem::replace(&mut self.state.redelivered, above).is_empty()
    }

    /// Whether `state` contradicts itself.
    pub(super) fn check(state: &ConsumerState) -> Result<(), ConsumerStoreError> {
        if state.ack_floor.consumer > state.delivered.consumer {
            return Err(ConsumerStoreError::BadConsumerFloor);
        }
        if state.ack_floor.stream > state.delivered.stream {
            return Err(ConsumerStoreError::BadStreamFloor);
        }
        let is_off = |seq: u64| seq <= state.ack_floor.stream || seq > state.delivered.stream;
        let ends = [state.pending.first_key_value(), state.pending.last_key_value()];
        match ends.into_iter().flatten().find(|(seq, _)| is_off(**seq)) {
            Some((&seq, _)) => Err(ConsumerStoreError::BadPending { seq }),
            None => Ok(()),
        }
    }

    /// Whether `state` is older than this one.
    pub(super) fn is_old(&self, state: &ConsumerState) -> bool {
        state.delivered.consumer < self.state.delivered.consumer
            || state.ack_floor.stream < self.state.ack_floor.stream
    }
}

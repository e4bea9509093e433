//! Records to and from bytes.

use std::borrow::Cow;

use natsd_base::{Prng, Timestamp};

use super::super::change::{Entry, encode, take};
use crate::consumer_state::{ConsumerState, PendingMessage, SequencePair};
use crate::journal::{Change, ConsumerDelta};
use crate::memory::MemStore;
use crate::stream_store::StoreConfig;

fn entries() -> Vec<Entry<'static>> {
    let pending = PendingMessage { consumer_seq: 9, delivered: Timestamp(-5) };
    let delta = ConsumerDelta {
        delivered: SequencePair { consumer: 10, stream: 300 },
        ack_floor: SequencePair { consumer: 4, stream: u64::MAX },
        messages: Cow::Owned(vec![(5, Some(pending)), (6, None)]),
        redelivered: Cow::Owned(vec![(5, 2)]),
    };
    let change = |change| Entry::Change(change);
    vec![
        Entry::Group { incarnation: u64::MAX, name: "A/streams/S" },
        Entry::Settled,
        Entry::Removed,
        change(Change::Append {
            seq: 7,
            timestamp: Timestamp(i64::MIN),
            subject: b"a.b",
            headers: b"NATS/1.0\r\n\r\n",
            body: b"body",
        }),
        change(Change::Append {
            seq: 8,
            timestamp: Timestamp(0),
            subject: b"",
            headers: b"",
            body: b"",
        }),
        change(Change::Skip { last: 9, count: 2, timestamp: Timestamp(1), moves_time: true }),
        change(Change::Remove { seq: 1 }),
        change(Change::Erase { seq: 2 }),
        change(Change::Compact { seq: 3 }),
        change(Change::Purge { filter: b"a.*", below: 4 }),
        change(Change::HardState { term: 5, vote: *b"S1b2c3d4" }),
        change(Change::Consumer(delta)),
        change(Change::Consumer(ConsumerDelta::default())),
    ]
}

#[test]
fn records_come_back_and_cut_ones_are_refused() {
    let mut all = Vec::new();
    for entry in entries() {
        let mut bytes = Vec::new();
        encode(77, &entry, &mut bytes);
        if let Entry::Change(change) = &entry {
            assert!(bytes.len() <= change.size(), "{change:?}");
        }
        for size in 0..bytes.len() {
            assert_eq!(take(&mut &bytes[..size]), None, "{entry:?} cut at {size}");
        }
        // A size that is one less or more is another record, or none.
        for size in [bytes.len() - 1, bytes.len() + 1] {
            let mut wrong = [&bytes[..], &[0]].concat();
            wrong[..4].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
            assert_ne!(take(&mut &wrong[..]), Some((77, entry.clone())));
        }
        all.extend(bytes);
    }
    let mut input = &all[..];
    for entry in entries() {
        assert_eq!(take(&mut input), Some((77, entry)));
    }
    assert!(input.is_empty());
}

#[test]
fn any_bytes_are_a_record_or_none() {
    let mut prng = Prng::from_seed(1);
    let mut taken = 0;
    for _ in 0..20_000 {
        let all = entries();
        let mut bytes = Vec::new();
        encode(1, &all[prng.below(all.len())], &mut bytes);
        for _ in 0..1 + prng.below(3) {
            let at = prng.below(bytes.len());
            bytes[at] = prng.next_u64().to_le_bytes()[0];
        }
        let Some((_, Entry::Change(change))) = take(&mut &bytes[..]) else { continue };
        taken += 1;
        let mut store = MemStore::new(StoreConfig::default());
        let _ = change.apply(&mut store);
    }
    assert!(taken > 1000);
}

#[test]
fn a_delta_that_names_a_message_twice_is_none() {
    let pending = PendingMessage { consumer_seq: 1, delivered: Timestamp(1) };
    let delta = |messages: Vec<(u64, Option<PendingMessage>)>| ConsumerDelta {
        delivered: SequencePair { consumer: 9, stream: 9 },
        messages: messages.into(),
        ..ConsumerDelta::default()
    };
    let mut bytes = Vec::new();
    let entry = Entry::Change(Change::Consumer(delta(vec![(4, None), (5, Some(pending))])));
    encode(1, &entry, &mut bytes);
    assert!(take(&mut &bytes[..]).is_some());
    let at = bytes.iter().position(|&byte| byte == 4).unwrap();
    for seq in [5, 6] {
        bytes[at] = seq;
        assert_eq!(take(&mut &bytes[..]), None);
    }
    // Beyond what was delivered nothing is pending.
    let mut state = ConsumerState::default();
    assert!(delta(vec![(116, Some(pending))]).apply(&mut state));
    assert!(state.pending.is_empty());
    assert!(!delta(vec![(116, Some(pending))]).apply(&mut state));
}

/// Deltas as a consumer makes them: deliveries, redeliveries and acknowledgements.
fn deltas(seed: u64, count: usize) -> Vec<ConsumerDelta<'static>> {
    let mut prng = Prng::from_seed(seed);
    let mut state = ConsumerState::default();
    let mut deltas = Vec::new();
    for step in 1..=count {
        let mut messages = Vec::new();
        let mut redelivered = Vec::new();
        let delivered = Timestamp(i64::try_from(step).unwrap());
        let known: Vec<u64> = state.pending.keys().copied().collect();
        match prng.below(3) {
            1 if !known.is_empty() => {
                let seq = known[prng.below(known.len())];
                messages.push((seq, None));
                state.pending.remove(&seq);
                state.redelivered.remove(&seq);
            }
            2 if !known.is_empty() => {
                let seq = known[prng.below(known.len())];
                let pending = state.pending.get_mut(&seq).unwrap();
                pending.delivered = delivered;
                messages.push((seq, Some(*pending)));
                let times = state.redelivered.entry(seq).or_insert(0);
                *times += 1;
                redelivered.push((seq, *times));
                state.delivered.consumer += 1;
            }
            _ => {
                state.delivered.consumer += 1;
                state.delivered.stream += 1 + prng.below(2) as u64;
                let consumer_seq = state.delivered.consumer;
                let pending = PendingMessage { consumer_seq, delivered };
                state.pending.insert(state.delivered.stream, pending);
                messages.push((state.delivered.stream, Some(pending)));
            }
        }
        let first = state.pending.keys().next().map_or(state.delivered.stream, |seq| seq - 1);
        state.ack_floor.stream = state.ack_floor.stream.max(first);
        deltas.push(ConsumerDelta {
            delivered: state.delivered,
            ack_floor: state.ack_floor,
            messages: messages.into(),
            redelivered: redelivered.into(),
        });
    }
    deltas
}

#[test]
fn deltas_of_a_consumer_made_again_over_any_later_state_change_nothing() {
    for seed in 0..40 {
        let deltas = deltas(seed, 60);
        let state_after = |count: usize| {
            let mut state = ConsumerState::default();
            deltas[..count].iter().for_each(|delta| {
                assert!(delta.apply(&mut state), "{delta:?}");
            });
            state
        };
        let mut prng = Prng::from_seed(seed);
        for _ in 0..40 {
            let from = prng.below(deltas.len());
            let in_file = from + prng.below(deltas.len() - from + 1);
            let to = from + prng.below(deltas.len() - from + 1);
            let mut state = state_after(in_file);
            for delta in &deltas[from..to] {
                delta.apply(&mut state);
            }
            assert_eq!(state, state_after(in_file.max(to)), "{seed}: {in_file}, {from}..{to}");
        }
    }
}

use std::collections::BTreeMap;

use natsd_base::Timestamp;
use proptest::prelude::*;

use super::{ConsumerState, CorruptConsumerState, NANOS, PendingMessage, SequencePair};

/// In the middle of a second.
const NOW: Timestamp = Timestamp(1_700_000_000_500_000_000);

fn pair(consumer: u64, stream: u64) -> SequencePair {
    SequencePair { consumer, stream }
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp(seconds * NANOS)
}

/// Go: TestFileStoreConsumerEncodeDecodeRedelivered server/filestore_test.go:2341
/// Go: TestFileStoreConsumerEncodeDecodePendingBelowStreamAckFloor server/filestore_test.go:2361
#[test]
fn file_store_consumer_encode_decode() {
    let pending = |consumer_seq, at| PendingMessage { consumer_seq, delivered: seconds(at) };
    let states = [
        ConsumerState::default(),
        ConsumerState {
            delivered: pair(100, 100),
            ack_floor: pair(50, 50),
            redelivered: BTreeMap::from([(122, 3), (144, 8)]),
            ..ConsumerState::default()
        },
        ConsumerState {
            delivered: pair(1192, 10185),
            ack_floor: pair(1189, 10815),
            pending: BTreeMap::from([
                (10782, pending(1190, 1_699_999_990)),
                (10810, pending(1191, 1_699_999_991)),
                (10815, pending(1192, 1_699_999_992)),
            ]),
            ..ConsumerState::default()
        },
    ];
    for state in states {
        assert_eq!(ConsumerState::decode(&state.encode(NOW)), Ok(state));
    }
}

/// Go: TestNoRaceEncodeConsumerStateBug server/norace_1_test.go:5972
#[test]
fn no_race_encode_consumer_state_bug() {
    // A delivery in the future, by a second more or less than a second.
    for step in 0..400 {
        let now = Timestamp(NOW.0 + step * 10_000_000);
        let pending = PendingMessage { consumer_seq: 1, delivered: Timestamp(now.0 + NANOS) };
        let state = ConsumerState {
            delivered: pair(1, 1),
            pending: BTreeMap::from([(1, pending)]),
            ..ConsumerState::default()
        };
        let decoded = ConsumerState::decode(&state.encode(now)).unwrap();
        assert_eq!(decoded.pending[&1].delivered.0, (now.0 + NANOS) / NANOS * NANOS);
    }
}

/// Go: TestFileStoreBadConsumerState server/filestore_test.go:3283
#[test]
fn file_store_bad_consumer_state() {
    // Sequences beyond what was delivered, and a redelivery of sequence 0.
    let bytes = b"\x16\x02\x01\x01\x03\x02\x01\x98\xf4\x8a\x8a\x0c\x01\x03\x86\xfa\x0a\x01\x00\x01";
    let state = ConsumerState::decode(bytes).unwrap();
    assert_eq!((state.ack_floor, state.delivered), (pair(1, 1), pair(3, 2)));
    assert_eq!((state.pending.len(), state.redelivered.len()), (1, 0));
}

#[test]
fn the_encoding_is_byte_for_byte_that_of_go() {
    let state = ConsumerState {
        delivered: pair(9, 12),
        ack_floor: pair(5, 8),
        pending: BTreeMap::from([(
            10,
            PendingMessage { consumer_seq: 7, delivered: seconds(1_699_999_999) },
        )]),
        redelivered: BTreeMap::from([(10, 3)]),
    };
    // Half a second rounds up, so the base is 1 700 000 001.
    let expected = [22, 2, 5, 8, 9, 12, 1, 0x82, 0xc4, 0x9f, 0xd5, 0x0c, 2, 2, 4, 1, 2, 3];
    assert_eq!(state.encode(NOW), expected);
}

/// Written by a Go server, see testdata/make_go_stream.py.
const GO_STATE: &[u8] = include_bytes!("../../testdata/go-consumer.dat");
const GO_ANSWER: &str = include_str!("../../testdata/go-consumer.txt");

#[test]
fn the_state_of_a_go_server_is_what_the_server_said() {
    let state = ConsumerState::decode(GO_STATE).unwrap();
    let numbers = [
        state.ack_floor.consumer,
        state.ack_floor.stream,
        state.delivered.consumer,
        state.delivered.stream,
        state.pending.len() as u64,
        state.redelivered.len() as u64,
    ];
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    assert_eq!(GO_ANSWER.trim_end(), format!("consumer {}", numbers.join(" ")));
    assert!(
        state
            .pending
            .keys()
            .all(|&seq| { (state.ack_floor.stream + 1..=state.delivered.stream).contains(&seq) })
    );
    assert!(state.redelivered.keys().all(|seq| state.pending.contains_key(seq)));
    // Go writes entries in the order of a hash, so the bytes are the same but for that.
    let latest = state.pending.values().map(|pending| pending.delivered).max().unwrap();
    let again = state.encode(latest);
    assert_eq!(again.len(), GO_STATE.len());
    assert_eq!(ConsumerState::decode(&again), Ok(state));
}

#[test]
fn version_1_is_read() {
    // Delivered is what comes next, less the floor; times are added to the base.
    let bytes = [22, 1, 5, 8, 4, 4, 1, 20, 2, 6, 1, 2, 3];
    let state = ConsumerState {
        delivered: pair(8, 11),
        ack_floor: pair(5, 8),
        pending: BTreeMap::from([(10, PendingMessage { consumer_seq: 0, delivered: seconds(13) })]),
        redelivered: BTreeMap::from([(10, 3)]),
    };
    assert_eq!(ConsumerState::decode(&bytes), Ok(state));
}

#[test]
fn damaged_states_are_refused() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let cases: [Vec<u8>; 8] = [
        vec![],
        vec![22],
        vec![21, 2, 0, 0, 0, 0, 0, 0],
        vec![22, 3, 0, 0, 0, 0, 0, 0],
        vec![22, 2, 0, 0, 0],
        [&[22, 2, 0][..], &huge, &[0, 0, 0, 0]].concat(),
        [&[22, 2, 0, 0, 0, 0][..], &huge, &[1, 1, 1, 1]].concat(),
        vec![22, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    ];
    for bytes in cases {
        assert_eq!(ConsumerState::decode(&bytes), Err(CorruptConsumerState), "{bytes:?}");
    }
}

fn pairs() -> impl Strategy<Value = SequencePair> {
    (any::<u64>(), 0..1_u64 << 63).prop_map(|(consumer, stream)| pair(consumer, stream))
}

proptest! {
    #[test]
    fn any_state_comes_back(
        delivered in pairs(),
        ack_floor in pairs(),
        pending in prop::collection::btree_map(
            1..u64::MAX, (any::<u64>(), -4_000_000_000..4_000_000_000_i64), 0..20),
        redelivered in prop::collection::btree_map(any::<u64>(), 1..u64::MAX, 0..20),
        now in any::<i64>(),
    ) {
        let message = |(consumer_seq, at)| PendingMessage { consumer_seq, delivered: seconds(at) };
        let mut state = ConsumerState {
            delivered,
            ack_floor,
            pending: pending.into_iter().map(|(seq, rest)| (seq, message(rest))).collect(),
            redelivered,
        };
        state.redelivered.remove(&ack_floor.stream); // Difference 0 means nothing, as in Go.
        prop_assert_eq!(ConsumerState::decode(&state.encode(Timestamp(now))), Ok(state));
    }

    #[test]
    fn any_bytes_give_a_state_or_an_error(
        version in 1..=2_u8,
        bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..60),
    ) {
        let bytes = [&[22, version], bytes.as_slice()].concat();
        if let Ok(state) = ConsumerState::decode(&bytes) {
            prop_assert!(state.pending.len() + state.redelivered.len() <= bytes.len());
        }
    }
}

use std::collections::BTreeMap;

use natsd_base::Timestamp;
use proptest::prelude::*;

use super::{SLOT_MASK, TICK_NANOS, TimeHashWheel, WheelError};

/// A time of day at which the tests happen, with a part of a second.
const NOW: Timestamp = Timestamp(1_700_000_000_123_456_789);

fn after(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * TICK_NANOS)
}

fn expire_all(wheel: &mut TimeHashWheel, now: Timestamp) -> Vec<u64> {
    let mut expired = Vec::new();
    wheel.expire(now, |seq, expires| {
        assert!(expires <= now);
        expired.push(seq);
        true
    });
    expired
}

/// Go: TestHashWheelBasics server/thw/thw_test.go:24
#[test]
fn hash_wheel_basics() {
    let mut wheel = TimeHashWheel::new();
    assert!(!wheel.remove(1, after(5)));
    wheel.insert(1, after(5));
    assert_eq!(wheel.len(), 1);
    assert!(!wheel.remove(999, after(5)));
    assert_eq!(wheel.len(), 1);
    assert!(wheel.remove(1, after(5)));
    assert_eq!(wheel.len(), 0);
    assert!(!wheel.remove(1, after(5)));
    assert!(wheel.is_empty());
}

/// Go: TestHashWheelUpdate server/thw/thw_test.go:46
#[test]
fn hash_wheel_update() {
    let mut wheel = TimeHashWheel::new();
    wheel.insert(1, after(5));
    assert!(wheel.update(1, after(5), after(10)));
    assert_eq!(wheel.len(), 1);
    assert!(!wheel.remove(1, after(5)));
    assert!(!wheel.update(1, after(5), after(20)));
    assert_eq!(wheel.len(), 1);
    assert!(wheel.remove(1, after(10)));
    assert_eq!(wheel.len(), 0);
}

/// Go: TestHashWheelExpiration server/thw/thw_test.go:69
#[test]
fn hash_wheel_expiration() {
    let mut wheel = TimeHashWheel::new();
    for (seq, seconds) in [(1, -1), (2, 1), (3, 10), (4, 60)] {
        wheel.insert(seq, after(seconds));
    }
    assert_eq!(expire_all(&mut wheel, NOW), [1]);
    assert_eq!(wheel.len(), 3);
    assert_eq!(wheel.next_expiration(Timestamp::NEVER), Some(after(1)));
    assert_eq!(expire_all(&mut wheel, after(60)), [2, 3, 4]);
}

/// Go: TestHashWheelManualExpiration server/thw/thw_test.go:99
#[test]
fn hash_wheel_manual_expiration() {
    let mut wheel = TimeHashWheel::new();
    (1..=4).for_each(|seq| wheel.insert(seq, NOW));
    for _ in 0..2 {
        let mut asked = Vec::new();
        wheel.expire(NOW, |seq, _| {
            asked.push(seq);
            false
        });
        assert_eq!((asked.as_slice(), wheel.len()), ([1, 2, 3, 4].as_slice(), 4));
    }
    for expected in [[1, 2, 3, 4].as_slice(), &[1, 3]] {
        let mut asked = Vec::new();
        wheel.expire(NOW, |seq, _| {
            asked.push(seq);
            seq % 2 == 0
        });
        assert_eq!((asked.as_slice(), wheel.len()), (expected, 2));
    }
    assert!(wheel.remove(1, NOW) && wheel.remove(3, NOW));
    assert_eq!(wheel.len(), 0);
}

/// Go: TestHashWheelExpirationLargerThanWheel server/thw/thw_test.go:145
#[test]
fn hash_wheel_expiration_larger_than_wheel() {
    let mut wheel = TimeHashWheel::new();
    wheel.insert(1, Timestamp(0));
    wheel.insert(2, Timestamp(TICK_NANOS));
    // One turn later, in the slot of the first.
    wheel.insert(3, Timestamp(TICK_NANOS * (SLOT_MASK + 1)));
    assert_eq!(expire_all(&mut wheel, Timestamp(TICK_NANOS * SLOT_MASK)), [1, 2]);
    assert_eq!(wheel.len(), 1);
    assert_eq!(expire_all(&mut wheel, Timestamp(TICK_NANOS * (SLOT_MASK + 1))), [3]);
}

/// Go: TestHashWheelNextExpiration server/thw/thw_test.go:173
#[test]
fn hash_wheel_next_expiration() {
    let mut wheel = TimeHashWheel::new();
    for (seq, seconds) in [(1, 5), (2, 3), (3, 10)] {
        wheel.insert(seq, after(seconds));
    }
    assert_eq!(wheel.len(), 3);
    assert_eq!(wheel.next_expiration(after(6)), Some(after(3)));
    assert_eq!(wheel.next_expiration(after(3)), None);
    assert_eq!(TimeHashWheel::new().next_expiration(after(1)), None);
}

/// Go: TestHashWheelStress server/thw/thw_test.go:199
#[test]
fn hash_wheel_stress() {
    const COUNT: i64 = 100_000;
    let mut wheel = TimeHashWheel::new();
    (0..COUNT).for_each(|seq| wheel.insert(seq.cast_unsigned(), after(seq)));
    for seq in (0..COUNT).step_by(2) {
        assert!(wheel.update(seq.cast_unsigned(), after(seq), after(seq + COUNT)));
    }
    for seq in (1..COUNT).step_by(2) {
        assert!(wheel.remove(seq.cast_unsigned(), after(seq)));
    }
    assert_eq!(wheel.len(), 50_000);
}

/// Go: TestHashWheelEncodeDecode server/thw/thw_test.go:224
#[test]
fn hash_wheel_encode_decode() {
    let mut wheel = TimeHashWheel::new();
    (0..100_000).for_each(|seq: i64| wheel.insert(seq.cast_unsigned(), after(seq)));
    let bytes = wheel.encode(12345);
    let (decoded, high_seq) = TimeHashWheel::decode(&bytes).unwrap();
    assert_eq!((high_seq, decoded.len()), (12345, wheel.len()));
    let never = Timestamp::NEVER;
    assert_eq!(decoded.next_expiration(never), wheel.next_expiration(never));
    for (slot, other) in wheel.slots.iter().zip(&decoded.slots) {
        let (slot, other) = (slot.as_ref().unwrap(), other.as_ref().unwrap());
        assert_eq!((slot.lowest, &slot.entries), (other.lowest, &other.entries));
    }
    assert_eq!(decoded.encode(12345), bytes);
}

/// Go: TestHashWheelDecodeRejectsMalformed server/thw/thw_test.go:256
#[test]
fn hash_wheel_decode_rejects_malformed() {
    let header = |version: u8, count: u64| {
        let mut bytes = vec![version];
        bytes.extend(count.to_le_bytes());
        bytes.extend([0; 8]);
        bytes
    };
    let cases = [
        (vec![], WheelError::ShortBuffer),
        (vec![0; 16], WheelError::ShortBuffer),
        (header(2, 0), WheelError::BadVersion),
        (header(1, 1), WheelError::UnexpectedEnd),
        ([header(1, 1), vec![0xf2, 0xc0, 0x01]].concat(), WheelError::UnexpectedEnd),
        ([header(1, u64::MAX), vec![2, 7]].concat(), WheelError::UnexpectedEnd),
        ([header(1, 1), vec![0xff; 20]].concat(), WheelError::UnexpectedEnd),
    ];
    for (bytes, expected) in cases {
        assert_eq!(TimeHashWheel::decode(&bytes).unwrap_err(), expected, "{bytes:?}");
    }
}

#[test]
fn the_encoding_is_byte_for_byte_that_of_go() {
    let mut wheel = TimeHashWheel::new();
    wheel.insert(300, Timestamp(5));
    let bytes = wheel.encode(0x0102);
    let expected = [1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 10, 0b1010_1100, 0b10];
    assert_eq!(bytes, expected);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64, i64),
    Remove(usize),
    Update(usize, i64),
    Expire(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let time = || -5_000_000_000..9_000_000_000_000_i64;
    prop_oneof![
        4 => (0..50_u64, time()).prop_map(|(seq, at)| Step::Insert(seq, at)),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => (any::<usize>(), time()).prop_map(|(index, at)| Step::Update(index, at)),
        1 => time().prop_map(Step::Expire),
    ]
}

proptest! {
    #[test]
    fn a_wheel_does_what_a_sorted_map_does(steps in prop::collection::vec(step(), 0..80)) {
        let mut wheel = TimeHashWheel::new();
        let mut model: BTreeMap<u64, Timestamp> = BTreeMap::new();
        let pick = |model: &BTreeMap<u64, Timestamp>, index: usize| {
            let index = index % model.len().max(1);
            model.iter().nth(index).map(|(&seq, &at)| (seq, at))
        };
        for step in steps {
            match step {
                Step::Insert(seq, at) => {
                    model.entry(seq).or_insert_with(|| {
                        wheel.insert(seq, Timestamp(at));
                        Timestamp(at)
                    });
                }
                Step::Remove(index) => {
                    if let Some((seq, at)) = pick(&model, index) {
                        prop_assert!(wheel.remove(seq, at));
                        model.remove(&seq);
                    }
                }
                Step::Update(index, new) => {
                    if let Some((seq, at)) = pick(&model, index) {
                        prop_assert!(wheel.update(seq, at, Timestamp(new)));
                        model.insert(seq, Timestamp(new));
                    }
                }
                Step::Expire(now) => {
                    let mut due: Vec<_> = model
                        .iter()
                        .filter(|&(_, &at)| at <= Timestamp(now))
                        .map(|(&seq, &at)| (at, seq))
                        .collect();
                    due.sort_unstable();
                    let due: Vec<u64> = due.into_iter().map(|(_, seq)| seq).collect();
                    prop_assert_eq!(expire_all(&mut wheel, Timestamp(now)), due);
                    model.retain(|_, at| *at > Timestamp(now));
                }
            }
            prop_assert_eq!(wheel.len(), model.len() as u64);
            let next = wheel.next_expiration(Timestamp::NEVER);
            prop_assert_eq!(next.is_some(), !model.is_empty());
            prop_assert!(model.values().all(|&at| next.is_some_and(|next| next <= at)));
        }
        let (decoded, _) = TimeHashWheel::decode(&wheel.encode(1)).unwrap();
        prop_assert_eq!(decoded.len(), wheel.len());
        prop_assert_eq!(decoded.next_expiration(Timestamp::NEVER), model.values().min().copied());
    }

    #[test]
    fn any_bytes_give_a_wheel_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        if let Ok((wheel, _)) = TimeHashWheel::decode(&bytes) {
            prop_assert!(wheel.len() <= 80);
        }
    }
}

use std::sync::Arc;

use natsd_base::Prng;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::block::{BlockHash, BlockScan, RecordKind, Scanned};
use crate::consumer_state::{ConsumerState, SequencePair};

mod go;

/// An encrypted stream of a Go server, see testdata/make_go_stream.py.
struct Fixture {
    cipher: Cipher,
    key: &'static [u8],
    meta_key: &'static [u8],
    meta: &'static [u8],
    index: &'static [u8],
    consumer_key: &'static [u8],
    consumer_meta: &'static [u8],
    consumer: &'static [u8],
    blocks: [(&'static [u8], &'static [u8]); 2],
    answers: &'static str,
}

macro_rules! go_file {
    ($name:literal, $path:literal) => {
        include_bytes!(concat!("../../testdata/go-", $name, "/", $path))
    };
}
macro_rules! fixture {
    ($name:literal, $cipher:expr, $key:expr) => {
        Fixture {
            cipher: $cipher,
            key: $key,
            meta_key: go_file!($name, "meta.key"),
            meta: go_file!($name, "meta.inf"),
            index: go_file!($name, "msgs/index.db"),
            consumer_key: go_file!($name, "obs/C/meta.key"),
            consumer_meta: go_file!($name, "obs/C/meta.inf"),
            consumer: go_file!($name, "obs/C/o.dat"),
            blocks: [
                (go_file!($name, "msgs/1.key"), go_file!($name, "msgs/1.blk")),
                (go_file!($name, "msgs/2.key"), go_file!($name, "msgs/2.blk")),
            ],
            answers: include_str!(concat!("../../testdata/go-", $name, ".txt")),
        }
    };
}
const FIXTURES: [Fixture; 2] = [
    fixture!("chacha", Cipher::ChaCha, b"key of chacha"),
    fixture!("aes", Cipher::Aes, b"key of aes"),
];

fn random(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut prng = Prng::from_seed(seed);
    move |bytes: &mut [u8]| {
        bytes.iter_mut().for_each(|byte| *byte = prng.next_u64().to_le_bytes()[0])
    }
}

fn keys(fixture: &Fixture) -> StreamKeys {
    let store = StoreKeys::new(fixture.cipher, fixture.key, None);
    StreamKeys::recover(&store, "$G", "SECRET", fixture.meta_key).unwrap()
}

#[test]
fn descriptions_and_indexes_of_a_go_server_open() {
    for fixture in &FIXTURES {
        let keys = keys(fixture);
        assert!(keys.is_current());
        let meta = String::from_utf8(keys.open(fixture.meta).unwrap()).unwrap();
        assert!(meta.contains(r#""name":"SECRET""#), "{meta}");
        let (index, _hash) = fixture.index.split_at(fixture.index.len() - 8);
        assert_eq!(keys.open(index).unwrap()[..3], [11, 4, 21], "magic, version, messages");

        let consumer = keys.open_consumer_key("C", fixture.consumer_key).unwrap();
        let meta = String::from_utf8(consumer.open(fixture.consumer_meta).unwrap()).unwrap();
        assert!(meta.contains(r#""durable_name":"C""#), "{meta}");
        let state = ConsumerState::decode(&consumer.open(fixture.consumer).unwrap()).unwrap();
        assert_eq!(state.delivered, SequencePair { consumer: 4, stream: 6 });
        assert_eq!(state.ack_floor, SequencePair { consumer: 1, stream: 2 });
        assert_eq!(state.pending.keys().collect::<Vec<_>>(), [&3, &6]);
    }
}

#[test]
fn blocks_of_a_go_server_hold_what_the_server_said() {
    for fixture in &FIXTURES {
        let mut messages = Vec::new();
        let mut tombstones = Vec::new();
        for (number, (key, block)) in (1..).zip(fixture.blocks) {
            let key = keys(fixture).open_block_key(number, key).unwrap();
            let mut block = block.to_vec();
            key.apply(0, &mut block);
            for scanned in BlockScan::new(&BlockHash::new("SECRET", number), &block) {
                let Scanned::Record { record, .. } = scanned else { panic!("{scanned:?}") };
                match record.kind {
                    RecordKind::Message => {
                        messages.push((record.seq, hex(&Sha256::digest(record.body))));
                    }
                    RecordKind::Erased => {}
                    RecordKind::Tombstone => tombstones.push(record.seq),
                }
            }
        }
        assert_eq!(tombstones, [2, 5]);
        messages.retain(|(seq, _)| !tombstones.contains(seq));
        let expected = fixture.answers.lines().filter_map(|line| {
            let (start, digest) = line.split_once("sha256:")?;
            Some((start.split(' ').nth(1)?.parse().unwrap(), digest.to_owned()))
        });
        assert_eq!(messages, expected.collect::<Vec<(u64, String)>>());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_key_file_opens_with_its_own_key_and_place_only() {
    for fixture in &FIXTURES {
        let recover = |key: &[u8], account, stream| {
            let store = StoreKeys::new(fixture.cipher, key, None);
            StreamKeys::recover(&store, account, stream, fixture.meta_key).map(drop)
        };
        let wrong = Err(CryptError::WrongKey);
        assert_eq!(recover(fixture.key, "$G", "SECRET"), Ok(()));
        assert_eq!(recover(b"key of", "$G", "SECRET"), wrong);
        assert_eq!(recover(b"", "$G", "SECRET"), wrong);
        assert_eq!(recover(fixture.key, "A", "SECRET"), wrong);
        assert_eq!(recover(fixture.key, "$G", "SECRET.C"), wrong);
        let keys = keys(fixture);
        let [(first, _), (second, _)] = fixture.blocks;
        assert_eq!(keys.open_block_key(1, second).map(drop), wrong);
        assert_eq!(keys.open_block_key(2, first).map(drop), wrong);
        assert_eq!(keys.open_consumer_key("D", fixture.consumer_key).map(drop), wrong);
    }
}

#[test]
fn the_other_cipher_and_the_key_before_open_and_are_not_current() {
    for fixture in &FIXTURES {
        for (cipher, key, previous, is_current) in [
            (fixture.cipher, fixture.key, None, true),
            (fixture.cipher.other(), fixture.key, None, false),
            (fixture.cipher, &b"new"[..], Some(fixture.key), false),
            (fixture.cipher.other(), &b"new"[..], Some(fixture.key), false),
            (fixture.cipher, fixture.key, Some(&b"old"[..]), true),
        ] {
            let store = StoreKeys::new(cipher, key, previous);
            let keys = StreamKeys::recover(&store, "$G", "SECRET", fixture.meta_key).unwrap();
            assert_eq!(keys.is_current(), is_current);
            assert!(keys.open(fixture.meta).is_ok());
            let consumer = keys.open_consumer_key("C", fixture.consumer_key).unwrap();
            assert_eq!(consumer.is_current(), is_current);
            assert!(consumer.open(fixture.consumer).is_ok());
            let block = keys.open_block_key(1, fixture.blocks[0].0).unwrap();
            assert_eq!(block.is_current(), is_current);
        }
    }
}

#[test]
fn damage_is_told_from_a_wrong_key() {
    for fixture in &FIXTURES {
        let keys = keys(fixture);
        for bit in 0..fixture.meta.len() * 8 {
            let mut damaged = fixture.meta.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open(&damaged), Err(CryptError::Damaged), "bit {bit}");
        }
        for size in 0..fixture.meta.len() {
            assert_eq!(keys.open(&fixture.meta[..size]), Err(CryptError::Damaged), "{size} bytes");
        }
        let (file, _) = fixture.blocks[0];
        let twice = |one: usize, other: usize| {
            let mut damaged = file.to_vec();
            damaged[one / 8] ^= 1 << (one % 8);
            damaged[other / 8] ^= 1 << (other % 8);
            keys.open_block_key(1, &damaged).map(drop)
        };
        for bit in (1..file.len() * 8).step_by(61) {
            assert_eq!(twice(bit, bit - 1), Err(CryptError::WrongKey), "bit {bit}");
        }
        let longer = [file, &[0; 10]].concat();
        assert_eq!(keys.open_block_key(1, &longer).map(drop), Err(CryptError::WrongKey));
        for size in 0..64 {
            let opened = keys.open_block_key(1, &file[..size]).map(drop);
            assert_eq!(opened, Err(CryptError::KeySize { size }));
        }
    }
}

#[test]
fn one_flipped_bit_of_a_key_file_is_mended_and_said() {
    for fixture in &FIXTURES {
        let keys = keys(fixture);
        let (file, block) = fixture.blocks[0];
        let mut whole = block.to_vec();
        keys.open_block_key(1, file).unwrap().apply(0, &mut whole);
        // 7 comes to every place within a byte.
        for bit in (0..file.len() * 8).step_by(7) {
            let mut damaged = file.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let key = keys.open_block_key(1, &damaged).unwrap();
            assert!(key.was_mended() && !key.is_current(), "bit {bit}");
            let mut opened = block.to_vec();
            key.apply(0, &mut opened);
            assert!(opened == whole, "bit {bit}");
        }
        assert!(!keys.open_block_key(1, file).unwrap().was_mended());
    }
}

#[test]
fn new_keys_differ_and_their_files_bring_them_back() {
    for cipher in [Cipher::ChaCha, Cipher::Aes] {
        let store = StoreKeys::new(cipher, b"secret", None);
        let mut random = random(1);
        let (keys, file) = StreamKeys::create(&store, "A", "S", &mut random);
        assert_eq!(file.len(), cipher.overhead() + SEED_SIZE);
        let sealed = keys.seal(b"content", &mut random);
        assert_eq!(sealed.len(), cipher.overhead() + 7);
        assert_ne!(sealed, keys.seal(b"content", &mut random), "another nonce");
        let again = StreamKeys::recover(&store, "A", "S", &file).unwrap();
        assert_eq!(again.open(&sealed).unwrap(), b"content");
        assert_eq!(again.open(&keys.seal(b"", &mut random)).unwrap(), b"");

        let (consumer, file) = keys.new_consumer_key("C", &mut random);
        let sealed = consumer.seal(b"content", &mut random);
        assert_eq!(keys.open(&sealed), Err(CryptError::Damaged), "not the stream's key");
        let again = again.open_consumer_key("C", &file).unwrap();
        assert_eq!(again.open(&sealed).unwrap(), b"content");

        let mut streams = Vec::new();
        for number in [1, 2, 2, u32::MAX] {
            let (block, file) = keys.new_block_key(number, &mut random);
            let (mut zeros, mut again) = ([0; 100], [0; 100]);
            block.apply(0, &mut zeros);
            keys.open_block_key(number, &file).unwrap().apply(0, &mut again);
            assert_eq!(zeros, again);
            assert!(!streams.contains(&zeros));
            streams.push(zeros);
        }
    }
}

#[test]
fn keys_are_not_printed() {
    let store = StoreKeys::new(Cipher::Aes, b"hunter2", Some(b"swordfish"));
    let (keys, _) = StreamKeys::create(&store, "A", "S", &mut |bytes| bytes.fill(123));
    let (block, _) = keys.new_block_key(1, &mut |bytes| bytes.fill(123));
    let printed = format!("{:?}", (Arc::new(&store), &keys, &block));
    assert!(printed.contains("Aes") && printed.contains("has_previous: true"), "{printed}");
    for secret in ["hunter2", "swordfish", "123", "104, 117"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

proptest! {
    #[test]
    fn pieces_of_a_block_are_encrypted_as_the_whole(
        cipher in prop_oneof![Just(Cipher::ChaCha), Just(Cipher::Aes)],
        content in prop::collection::vec(any::<u8>(), 0..700),
        start in 0..3_000_000_u64,
        cuts in prop::collection::vec(0..700_usize, 0..6),
    ) {
        let store = StoreKeys::new(cipher, b"secret", None);
        let (keys, _) = StreamKeys::create(&store, "A", "S", &mut random(start));
        let (block, _) = keys.new_block_key(7, &mut random(start));
        let mut whole = content.clone();
        block.apply(start, &mut whole);
        let mut pieces = content.clone();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(content.len())).collect();
        cuts.extend([0, content.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            block.apply(start + pair[0] as u64, &mut pieces[pair[0]..pair[1]]);
        }
        prop_assert_eq!(&whole, &pieces);
        block.apply(start, &mut whole);
        prop_assert_eq!(&whole, &content);
    }

    #[test]
    fn any_key_file_is_a_key_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let store = StoreKeys::new(Cipher::Aes, b"secret", Some(b"before"));
        prop_assert!(StreamKeys::recover(&store, "A", "S", &bytes).is_err());
    }
}

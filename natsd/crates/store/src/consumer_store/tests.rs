use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::{Prng, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::consumer_state::{PendingMessage, SequencePair};
use crate::crypt::{Cipher, RandomSource, StoreKeys, StreamKeys};
use crate::disk::{Disk, Faults, MemDisk, SimDisk, Unsynced};
use crate::stream_dir::{ConsumerDir, list_consumers};

const SECOND: i64 = 1_000_000_000;
const NOW: Timestamp = Timestamp(1_800_000_000 * SECOND);
const DIR: &str = "/a/streams/zzz/obs/o22";
const META: &[u8] = br#"{"name":"o22"}"#;
const EXPLICIT: ConsumerStoreConfig =
    ConsumerStoreConfig { ack: AckPolicy::Explicit, deliveries_max: None };
const NO_ACKS: ConsumerStoreConfig =
    ConsumerStoreConfig { ack: AckPolicy::None, deliveries_max: None };

fn random() -> RandomSource {
    let mut prng = Prng::from_seed(1);
    Box::new(move |bytes| bytes.fill_with(|| prng.next_u64().to_le_bytes()[0]))
}

fn stream_keys(cipher: Cipher, key: &[u8], previous: Option<&[u8]>) -> StreamKeys {
    let store = StoreKeys::new(cipher, key, previous);
    StreamKeys::create(&store, "A", "zzz", &mut *random()).0
}

/// A plain stream and one of each cipher.
fn permutations() -> [Option<StreamKeys>; 3] {
    let keys = |cipher| Some(stream_keys(cipher, b"key", None));
    [None, keys(Cipher::ChaCha), keys(Cipher::Aes)]
}

fn files(disk: &Arc<dyn Disk>, keys: Option<&StreamKeys>) -> ConsumerFiles {
    ConsumerFiles {
        disk: disk.clone(),
        dir: PathBuf::from(DIR),
        stream: "zzz".into(),
        name: "o22".into(),
        keys: keys.cloned(),
        random: random(),
    }
}

/// The folder of the stream, durable.
fn make_stream_dir(disk: &dyn Disk) {
    let dir = Path::new(DIR).parent().and_then(Path::parent).unwrap();
    disk.create_dir_all(dir).unwrap();
    for above in dir.ancestors() {
        disk.sync_dir(above).unwrap();
    }
}

fn create(
    disk: &Arc<dyn Disk>,
    keys: Option<&StreamKeys>,
    config: ConsumerStoreConfig,
) -> FileConsumerStore {
    make_stream_dir(disk.as_ref());
    files(disk, keys).create(config, META).unwrap()
}

fn try_open(
    disk: &Arc<dyn Disk>,
    keys: Option<&StreamKeys>,
    config: ConsumerStoreConfig,
) -> Result<FileConsumerStore, ConsumerStoreError> {
    let place =
        ConsumerDir { disk: disk.as_ref(), dir: Path::new(DIR), stream: "zzz", name: "o22" };
    let description = place.read(keys).unwrap();
    assert_eq!(description.content, META);
    files(disk, keys).open(config, &description, NOW)
}

fn open(
    disk: &Arc<dyn Disk>,
    keys: Option<&StreamKeys>,
    config: ConsumerStoreConfig,
) -> FileConsumerStore {
    try_open(disk, keys, config).unwrap()
}

fn memory_disk() -> Arc<dyn Disk> {
    Arc::new(MemDisk::new())
}

fn state_path() -> PathBuf {
    Path::new(DIR).join("o.dat")
}

fn read(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    disk.open(path, false).unwrap().read_all().unwrap()
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, true).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// Runs `check` with a store in memory and with those of every way to encrypt, the file stores
/// with a way to open them anew.
fn for_each_store(
    config: ConsumerStoreConfig,
    check: impl Fn(&mut Box<dyn ConsumerStore>, &dyn Fn(&mut Box<dyn ConsumerStore>)),
) {
    let mut store: Box<dyn ConsumerStore> = Box::new(MemConsumerStore::new(config));
    check(&mut store, &|_| {});
    for keys in permutations() {
        let disk = memory_disk();
        let mut store: Box<dyn ConsumerStore> = Box::new(create(&disk, keys.as_ref(), config));
        check(&mut store, &|store| {
            store.stop(NOW).unwrap();
            *store = Box::new(open(&disk, keys.as_ref(), config));
        });
        store.stop(NOW).unwrap();
        assert!(matches!(store.state(), Err(ConsumerStoreError::Closed)));
    }
}

fn pair(consumer: u64, stream: u64) -> SequencePair {
    SequencePair { consumer, stream }
}

fn state(delivered: (u64, u64), floor: (u64, u64)) -> ConsumerState {
    ConsumerState {
        delivered: pair(delivered.0, delivered.1),
        ack_floor: pair(floor.0, floor.1),
        ..ConsumerState::default()
    }
}

/// Pending messages a second apart, as times are stored in seconds.
fn pending(seqs: impl IntoIterator<Item = u64>) -> BTreeMap<u64, PendingMessage> {
    let times = (0..).map(|n| Timestamp(NOW.0 - 30 * SECOND + n * SECOND));
    let messages = times.map(|delivered| PendingMessage { consumer_seq: 0, delivered });
    seqs.into_iter().zip(messages).collect()
}

/// Go: TestFileStoreConsumer server/filestore_test.go:2230
#[test]
fn file_store_consumer() {
    for_each_store(NO_ACKS, |store, _| {
        assert_eq!(store.state().unwrap().delivered.consumer, 0);
        let accepts = |store: &mut Box<dyn ConsumerStore>, state: &ConsumerState| {
            store.update(state.clone()).unwrap();
            assert_eq!(store.state().unwrap(), state);
        };
        accepts(store, &state((1, 22), (0, 0)));
        let refused = store.update(state((100, 122), (50, 123)));
        assert!(matches!(refused, Err(ConsumerStoreError::BadStreamFloor)));
        let refused = store.update(state((100, 122), (200, 100)));
        assert!(matches!(refused, Err(ConsumerStoreError::BadConsumerFloor)));
        let mut next = state((100, 122), (50, 72));
        accepts(store, &next);
        for bad in [70, 140, 72] {
            next.pending = pending([bad]);
            let refused = store.update(next.clone());
            assert!(matches!(refused, Err(ConsumerStoreError::BadPending { seq }) if seq == bad));
        }
        next.pending = pending([75, 80, 83, 90, 111]);
        accepts(store, &next);
        next.pending.clear();
        next.redelivered = BTreeMap::from([(22, 3), (44, 8)]);
        accepts(store, &next);
        next.pending = pending([75, 80, 83, 90, 111]);
        accepts(store, &next);

        let mut large = state((10_000, 10_000), (100, 100));
        let mut prng = Prng::from_seed(7);
        while large.pending.len() < 8192 {
            large.pending.extend(pending([101 + prng.below(9890) as u64]));
        }
        accepts(store, &large);
        accepts(store, &state((10_000, 10_000), (10_000, 10_000)));
    });
}

/// Go: TestFileStoreConsumerRedeliveredLost server/filestore_test.go:2756
#[test]
fn file_store_consumer_redelivered_lost() {
    for_each_store(EXPLICIT, |store, reopen| {
        let deliver = |store: &mut Box<dyn ConsumerStore>, rows: &[(u64, u64, u64)]| {
            for &(consumer, stream, times) in rows {
                store.update_delivered(consumer, stream, times, NOW).unwrap();
            }
            reopen(store);
            assert!(!store.state().unwrap().redelivered.is_empty());
        };
        deliver(store, &[(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 1, 4), (5, 2, 1)]);
        deliver(store, &[(6, 2, 2), (7, 3, 1)]);
        assert_eq!(store.state().unwrap().pending.len(), 3);
        store.update_acks(7, 3).unwrap();
        store.update_acks(6, 2).unwrap();
        reopen(store);
        assert!(!store.state().unwrap().redelivered.is_empty());
        store.update_acks(4, 1).unwrap();
        assert!(store.state().unwrap().pending.is_empty());
        assert!(store.state().unwrap().redelivered.is_empty());
    });
}

/// Go: TestFileStoreConsumerUpdateAcksFlushesRedelivered server/filestore_test.go:2822
#[test]
fn file_store_consumer_update_acks_flushes_redelivered() {
    let config = ConsumerStoreConfig { deliveries_max: Some(1), ..EXPLICIT };
    for_each_store(config, |store, reopen| {
        store.update_delivered(1, 1, 1, NOW).unwrap();
        store.update_delivered(2, 1, 2, NOW).unwrap();
        reopen(store);
        assert_eq!(store.state().unwrap().pending.len(), 0);
        assert_eq!(store.state().unwrap().redelivered.len(), 1);
        assert!(matches!(store.update_acks(2, 1), Err(ConsumerStoreError::NotFound)));
        reopen(store);
        assert_eq!(store.state().unwrap().redelivered.len(), 0);
    });
}

/// There is no task that flushes; what is left to check is that a change asks for it.
/// Go: TestFileStoreConsumerFlusher server/filestore_test.go:2868
#[test]
fn file_store_consumer_flusher() {
    for keys in permutations() {
        let disk = memory_disk();
        let mut store = create(&disk, keys.as_ref(), EXPLICIT);
        assert!(!store.is_dirty() && !store.has_state());
        store.update_delivered(1, 1, 1, NOW).unwrap();
        assert!(store.is_dirty());
        store.flush(NOW).unwrap();
        assert!(!store.is_dirty());
        let written = read(disk.as_ref(), &state_path());
        store.flush(NOW).unwrap();
        assert_eq!(read(disk.as_ref(), &state_path()), written, "nothing had changed");
        store.stop(NOW).unwrap();
        assert!(matches!(store.flush(NOW), Err(ConsumerStoreError::Closed)));
    }
}

/// Go: TestFileStoreConsumerDeliveredUpdates server/filestore_test.go:2899
#[test]
fn file_store_consumer_delivered_updates() {
    for_each_store(NO_ACKS, |store, _| {
        for (consumer, stream) in [(1, 100), (2, 110), (5, 130)] {
            store.update_delivered(consumer, stream, 1, NOW).unwrap();
            let expected = state((consumer, stream), (consumer, stream));
            assert_eq!(*store.state().unwrap(), expected);
        }
        assert!(matches!(store.update_acks(1, 100), Err(ConsumerStoreError::NoAckPolicy)));
        let again = store.update_delivered(5, 130, 2, NOW);
        assert!(matches!(again, Err(ConsumerStoreError::NoAckPolicy)));
    });
}

/// Go: TestFileStoreConsumerDeliveredAndAckUpdates server/filestore_test.go:2953
#[test]
fn file_store_consumer_delivered_and_ack_updates() {
    for_each_store(EXPLICIT, |store, reopen| {
        let deliver = |store: &mut Box<dyn ConsumerStore>, rows: &[(u64, u64)]| {
            for &(consumer, stream) in rows {
                let count = store.state().unwrap().pending.len();
                store.update_delivered(consumer, stream, 1, NOW).unwrap();
                assert_eq!(store.state().unwrap().delivered, pair(consumer, stream));
                assert_eq!(store.state().unwrap().pending.len(), count + 1);
            }
        };
        let acknowledge = |store: &mut Box<dyn ConsumerStore>, rows: &[(u64, u64, u64, u64)]| {
            for &(consumer, stream, floor_consumer, floor_stream) in rows {
                let count = store.state().unwrap().pending.len();
                store.update_acks(consumer, stream).unwrap();
                assert_eq!(store.state().unwrap().pending.len(), count - 1);
                assert_eq!(store.state().unwrap().ack_floor, pair(floor_consumer, floor_stream));
            }
        };
        deliver(store, &[(1, 100), (2, 110), (3, 130), (4, 150), (5, 165)]);
        for (consumer, stream) in [(3, 101), (1, 1)] {
            assert!(store.update_acks(consumer, stream).is_err());
        }
        acknowledge(
            store,
            &[
                (1, 100, 1, 109),
                (3, 130, 1, 109),
                (2, 110, 3, 149),
                (5, 165, 3, 149),
                (4, 150, 5, 165),
            ],
        );
        deliver(store, &[(6, 170), (7, 171), (8, 172), (9, 173), (10, 200)]);
        acknowledge(store, &[(7, 171, 5, 165), (8, 172, 5, 165)]);
        let before = store.state().unwrap().clone();
        reopen(store);
        assert_eq!(*store.state().unwrap(), before);
    });
}

/// Go: TestFileStoreConsumerStoreEncodeAfterRestart server/filestore_test.go:5320
#[test]
fn file_store_consumer_store_encode_after_restart() {
    for_each_store(EXPLICIT, |store, reopen| {
        let before = state((22, 22), (11, 11));
        store.update(before.clone()).unwrap();
        reopen(store);
        assert_eq!(*store.state().unwrap(), before);
        let encoded = store.encoded_state(NOW).unwrap();
        assert_eq!(ConsumerState::decode(&encoded), Ok(before));
    });
}

/// The stream is above the store of a consumer; its part here is which updates are taken.
/// Go: TestFileStoreResetConsumerToStreamState server/filestore_test.go:9170
#[test]
fn file_store_reset_consumer_to_stream_state() {
    for_each_store(NO_ACKS, |store, reopen| {
        let five = state((5, 5), (5, 5));
        store.update(five.clone()).unwrap();
        assert_eq!(*store.state().unwrap(), five);
        let earlier = state((1, 4), (1, 3));
        assert!(matches!(store.update(earlier.clone()), Err(ConsumerStoreError::OldUpdate)));
        store.force_update(earlier.clone()).unwrap();
        assert_eq!(*store.state().unwrap(), earlier);
        reopen(store);
        assert_eq!(*store.state().unwrap(), earlier);
    });
}

/// Go: TestFileStoreConsumerPerf server/filestore_test.go:3143
#[test]
fn file_store_consumer_perf() {
    for_each_store(EXPLICIT, |store, reopen| {
        let count = 20_000;
        for seq in 1..=count {
            store.update_delivered(seq, seq, 1, NOW).unwrap();
        }
        store.flush(NOW).unwrap();
        let mut order: Vec<u64> = (1..=count).collect();
        let mut prng = Prng::from_seed(3);
        for last in (1..order.len()).rev() {
            order.swap(last, prng.below(last + 1));
        }
        for seq in order {
            store.update_acks(seq, seq).unwrap();
        }
        reopen(store);
        assert_eq!(*store.state().unwrap(), state((count, count), (count, count)));
    });
}

#[test]
fn the_start_is_set_moved_and_reset() {
    for config in [NO_ACKS, EXPLICIT] {
        for_each_store(config, |store, reopen| {
            let wants_acks = config.ack != AckPolicy::None;
            assert!(!store.has_state());
            store.set_starting(10).unwrap();
            reopen(store);
            assert!(store.has_state());
            assert_eq!(*store.state().unwrap(), state((0, 10), (0, 10)));
            store.update_delivered(1, 11, 1, NOW).unwrap();
            store.update_starting(5).unwrap();
            assert_eq!(store.state().unwrap().delivered, pair(1, 11));
            store.update_starting(20).unwrap();
            reopen(store);
            let floor = if wants_acks { pair(0, 10) } else { pair(1, 20) };
            assert_eq!(store.state().unwrap().ack_floor, floor);
            assert_eq!(store.state().unwrap().delivered, pair(1, 20));
            store.reset(3).unwrap();
            reopen(store);
            assert_eq!(*store.state().unwrap(), state((0, 3), (0, 3)));
        });
    }
}

#[test]
fn one_acknowledgement_covers_what_is_before_it() {
    for ack in [AckPolicy::All, AckPolicy::FlowControl] {
        let config = ConsumerStoreConfig { ack, deliveries_max: Some(2) };
        for_each_store(config, |store, _| {
            for (consumer, stream) in [(1, 1), (2, 5), (3, 6), (4, 900), (5, 1000)] {
                store.update_delivered(consumer, stream, 1, NOW).unwrap();
            }
            store.update_delivered(6, 5, 2, NOW).unwrap();
            store.update_delivered(7, 6, 3, NOW).unwrap();
            assert_eq!(store.state().unwrap().redelivered, BTreeMap::from([(5, 1), (6, 2)]));
            let keys = |store: &dyn ConsumerStore| {
                store.state().unwrap().pending.keys().copied().collect::<Vec<_>>()
            };
            assert_eq!(keys(store.as_ref()), Vec::from([1, 5, 900, 1000]), "6 is given up");
            store.update_acks(4, 900).unwrap();
            assert_eq!(keys(store.as_ref()), Vec::from([1000]));
            assert_eq!(store.state().unwrap().ack_floor, pair(4, 900));
            assert!(store.state().unwrap().redelivered.is_empty());
            store.update_acks(4, 900).unwrap();
            assert!(matches!(store.update_acks(9, 901), Err(ConsumerStoreError::NotFound)));
            store.update_acks(5, 1000).unwrap();
            assert_eq!(store.state().unwrap().ack_floor, pair(5, 1000));
        });
    }
}

#[test]
fn old_redeliveries_are_forgotten() {
    for_each_store(EXPLICIT, |store, reopen| {
        for (consumer, stream) in [(1, 1), (2, 2), (3, 3)] {
            store.update_delivered(consumer, stream, 1, NOW).unwrap();
            store.update_delivered(consumer + 3, stream, 2, NOW).unwrap();
        }
        store.flush(NOW).unwrap();
        store.remove_redelivered_below(0).unwrap();
        assert!(!store.is_dirty());
        store.remove_redelivered_below(3).unwrap();
        reopen(store);
        assert_eq!(store.state().unwrap().redelivered, BTreeMap::from([(3, 1)]));
    });
}

#[test]
fn a_new_configuration_counts_at_once_and_after_a_restart() {
    for keys in permutations() {
        let disk = memory_disk();
        let mut store = create(&disk, keys.as_ref(), NO_ACKS);
        let description = br#"{"name":"o22","ack_policy":"explicit"}"#;
        store.update_config(EXPLICIT, description).unwrap();
        assert_eq!(store.config(), EXPLICIT);
        store.update_delivered(1, 1, 2, NOW).unwrap();
        assert_eq!(store.state().unwrap().pending.len(), 1);
        let (disk, dir) = (disk.as_ref(), Path::new(DIR));
        let place = ConsumerDir { disk, dir, stream: "zzz", name: "o22" };
        assert_eq!(place.read(keys.as_ref()).unwrap().content, description);
    }
}

#[test]
fn a_deleted_consumer_is_gone() {
    for keys in permutations() {
        let disk = memory_disk();
        let mut store = create(&disk, keys.as_ref(), EXPLICIT);
        store.set_starting(7).unwrap();
        store.flush(NOW).unwrap();
        store.delete().unwrap();
        store.stop(NOW).unwrap();
        assert!(!store.has_state());
        assert!(disk.list(Path::new(DIR)).is_err());
        assert!(
            list_consumers(disk.as_ref(), Path::new("/a/streams/zzz")).unwrap().names.is_empty()
        );
    }
}

#[test]
fn a_new_consumer_has_nothing_of_an_earlier_one() {
    for keys in permutations() {
        for leaves in [
            &["o.dat", "o.dat.tmp", "o.dat.damaged-1", "meta.key", "meta.inf.tmp", "meta.sum"][..],
            &["deleted", "o.dat", "meta.key"],
            &["o.dat", "o.dat.stale-1"],
        ] {
            let disk = memory_disk();
            disk.create_dir_all(Path::new(DIR)).unwrap();
            for name in leaves {
                let content = if *name == "o.dat" { some_state().encode(NOW) } else { vec![7; 72] };
                write(disk.as_ref(), &Path::new(DIR).join(name), &content);
            }
            drop(create(&disk, keys.as_ref(), EXPLICIT));
            let store = open(&disk, keys.as_ref(), EXPLICIT);
            assert!(!store.has_state() && store.lost().is_none(), "{leaves:?}");
            assert_eq!(*store.state().unwrap(), ConsumerState::default());
            let entries = disk.list(Path::new(DIR)).unwrap();
            let is_stale = |name: &&str| name.starts_with("o.dat.stale-");
            let stale = entries.iter().filter_map(|entry| entry.name.to_str()).filter(is_stale);
            assert_eq!(stale.count(), if leaves.contains(&"deleted") { 0 } else { 2 });
            drop(store);
            let again = files(&disk, keys.as_ref()).create(EXPLICIT, META);
            assert!(matches!(again, Err(ConsumerStoreError::Disk { .. })), "it is there");
        }
    }
}

fn some_state() -> ConsumerState {
    let mut some = state((100, 122), (50, 72));
    some.pending = pending([75, 80, 111]);
    some.redelivered = BTreeMap::from([(75, 3), (80, 1)]);
    some
}

/// A store with `some_state`, stopped.
fn stored(keys: Option<&StreamKeys>) -> Arc<dyn Disk> {
    let disk = memory_disk();
    let mut store = create(&disk, keys, EXPLICIT);
    store.update(some_state()).unwrap();
    store.stop(NOW).unwrap();
    disk
}

#[test]
fn any_flipped_bit_of_the_state_is_mended() {
    for keys in permutations() {
        let disk = stored(keys.as_ref());
        let whole = read(disk.as_ref(), &state_path());
        // With keys every bit takes long; 7 comes to every place within a byte.
        let step = if keys.is_none() { 1 } else { 7 };
        for bit in (0..whole.len() * 8).step_by(step) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            write(disk.as_ref(), &state_path(), &damaged);
            let store = open(&disk, keys.as_ref(), EXPLICIT);
            assert_eq!(*store.state().unwrap(), some_state(), "bit {bit}");
            let magic = whole.len() - 16..whole.len() - 8;
            let is_unseen = keys.is_none() && magic.contains(&(bit / 8));
            assert_eq!(store.was_mended(), !is_unseen, "bit {bit}");
            let again = open(&disk, keys.as_ref(), EXPLICIT);
            assert!(!again.was_mended() || is_unseen, "bit {bit}");
        }
    }
}

#[test]
fn a_damaged_state_is_put_aside_and_not_taken_for_an_empty_one() {
    for keys in permutations() {
        let disk = stored(keys.as_ref());
        let whole = read(disk.as_ref(), &state_path());
        for (number, size) in (1..).zip([0, 1, 5, whole.len() - 1]) {
            let damaged = &whole[..size];
            write(disk.as_ref(), &state_path(), damaged);
            for _ in 0..2 {
                let mut store = open(&disk, keys.as_ref(), EXPLICIT);
                let aside = Path::new(DIR).join(format!("o.dat.damaged-{number}"));
                assert_eq!(store.lost(), Some(aside.as_path()));
                assert_eq!(read(disk.as_ref(), &aside), damaged);
                assert!(matches!(store.state(), Err(ConsumerStoreError::Lost { .. })));
                let delivered = store.update_delivered(1, 1, 1, NOW);
                assert!(matches!(delivered, Err(ConsumerStoreError::Lost { .. })));
                assert!(store.update(some_state()).is_err());
                store.stop(NOW).unwrap();
            }
            let mut store = open(&disk, keys.as_ref(), EXPLICIT);
            store.force_update(some_state()).unwrap();
            store.stop(NOW).unwrap();
            let store = open(&disk, keys.as_ref(), EXPLICIT);
            assert_eq!(*store.state().unwrap(), some_state());
        }
    }
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    for keys in permutations() {
        let disk = stored(keys.as_ref());
        let dir = Path::new(DIR);
        let newer = match &keys {
            None => vec![22, 3, 1, 1, 1],
            Some(keys) => {
                let file = read(disk.as_ref(), &dir.join("meta.key"));
                let key = keys.open_consumer_key("o22", &file).unwrap();
                key.seal(&[22, 3, 1, 1, 1], &mut *random())
            }
        };
        write(disk.as_ref(), &state_path(), &newer);
        let before = disk.list(dir).unwrap();
        let refused = try_open(&disk, keys.as_ref(), EXPLICIT).unwrap_err();
        assert!(matches!(refused, ConsumerStoreError::Version { version: 3, .. }), "{refused}");
        assert_eq!(disk.list(dir).unwrap(), before);
        assert_eq!(read(disk.as_ref(), &state_path()), newer);
    }
}

#[test]
fn a_state_of_go_has_no_sum_and_is_taken() {
    let disk = stored(None);
    let plain = some_state().encode(NOW);
    assert!(read(disk.as_ref(), &state_path()).starts_with(&plain), "Go reads the beginning");
    write(disk.as_ref(), &state_path(), &plain);
    assert_eq!(*open(&disk, None, EXPLICIT).state().unwrap(), some_state());
    assert_eq!(read(disk.as_ref(), &state_path()), plain, "nothing to write");
    let go = include_bytes!("../../testdata/go-consumer.dat");
    write(disk.as_ref(), &state_path(), go);
    let expected = ConsumerState::decode(go).unwrap();
    assert_eq!(*open(&disk, None, EXPLICIT).state().unwrap(), expected);
}

#[test]
fn keys_and_ciphers_are_changed_when_a_consumer_is_opened() {
    let first = |cipher| Some(stream_keys(cipher, b"key", None));
    let both = |cipher| Some(stream_keys(cipher, b"new", Some(b"key")));
    let second = |cipher| Some(stream_keys(cipher, b"new", None));
    let [chacha, aes] = [Cipher::ChaCha, Cipher::Aes];
    for (old, new, only_new) in [
        (None, first(chacha), first(chacha)),
        (None, first(aes), first(aes)),
        (first(chacha), first(aes), first(aes)),
        (first(aes), first(chacha), first(chacha)),
        (first(aes), both(aes), second(aes)),
        (first(aes), both(chacha), second(chacha)),
        (first(chacha), both(chacha), second(chacha)),
    ] {
        let disk = stored(old.as_ref());
        let store = open(&disk, new.as_ref(), EXPLICIT);
        assert_eq!(*store.state().unwrap(), some_state());
        drop(store);
        let (dir, name) = (Path::new(DIR), "o22");
        let place = ConsumerDir { disk: disk.as_ref(), dir, stream: "zzz", name };
        let description = place.read(only_new.as_ref()).unwrap();
        assert!(!description.is_outdated && description.keys.unwrap().is_current());
        assert_eq!(*open(&disk, only_new.as_ref(), EXPLICIT).state().unwrap(), some_state());
    }
}

/// What happens to a store in the tests with a failing disk.
fn script(disk: &Arc<dyn Disk>, keys: Option<&StreamKeys>) -> (Vec<ConsumerState>, usize) {
    let mut states = vec![ConsumerState::default()];
    let mut durable = 0;
    let mut run = || -> Result<(), ConsumerStoreError> {
        let mut store = files(disk, keys).create(EXPLICIT, META)?;
        for seq in 1..5 {
            store.update_delivered(seq, seq, 1, NOW)?;
            states.push(store.state()?.clone());
            if seq % 2 == 0 {
                store.update_acks(seq, seq)?;
                states.push(store.state()?.clone());
                store.flush(NOW)?;
                durable = states.len() - 1;
            }
        }
        Ok(())
    };
    let _ = run();
    (states, durable)
}

#[test]
fn a_crash_leaves_a_state_from_the_last_flush_on() {
    for keys in permutations() {
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random] {
            for operation in 1.. {
                let sim = SimDisk::new(operation, Faults::default());
                make_stream_dir(&sim);
                let crash_at = Some(sim.operation_count() + operation);
                sim.set_faults(Faults { crash_at, unsynced, ..Faults::default() });
                let disk: Arc<dyn Disk> = Arc::new(sim.clone());
                let (states, durable) = script(&disk, keys.as_ref());
                if !sim.is_down() {
                    break;
                }
                sim.restart();
                let (dir, name) = (Path::new(DIR), "o22");
                let place = ConsumerDir { disk: disk.as_ref(), dir, stream: "zzz", name };
                let Ok(description) = place.read(keys.as_ref()) else {
                    assert_eq!(states.len(), 1, "the consumer was there");
                    continue;
                };
                let store = files(&disk, keys.as_ref()).open(EXPLICIT, &description, NOW).unwrap();
                assert_eq!(store.lost(), None);
                let found = states.iter().position(|state| state == store.state().unwrap());
                assert!(found >= Some(durable), "operation {operation}: {found:?} {durable}");
            }
        }
    }
}

#[test]
fn a_crash_while_keys_change_leaves_the_state() {
    let new_keys = || Some(stream_keys(Cipher::ChaCha, b"new", Some(b"key")));
    for old in permutations() {
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random] {
            for operation in 1.. {
                let sim = SimDisk::new(operation, Faults { unsynced, ..Faults::default() });
                let disk: Arc<dyn Disk> = Arc::new(sim.clone());
                let mut store = create(&disk, old.as_ref(), EXPLICIT);
                store.update(some_state()).unwrap();
                store.stop(NOW).unwrap();
                let crash_at = Some(sim.operation_count() + operation);
                sim.set_faults(Faults { crash_at, unsynced, ..Faults::default() });
                let (dir, name) = (Path::new(DIR), "o22");
                let place = ConsumerDir { disk: disk.as_ref(), dir, stream: "zzz", name };
                if let Ok(description) = place.read(new_keys().as_ref()) {
                    let _ = files(&disk, new_keys().as_ref()).open(EXPLICIT, &description, NOW);
                }
                if !sim.is_down() {
                    break;
                }
                sim.restart();
                for _ in 0..2 {
                    let store = open(&disk, new_keys().as_ref(), EXPLICIT);
                    assert_eq!(*store.state().unwrap(), some_state(), "operation {operation}");
                }
            }
        }
    }
}

#[test]
fn a_crash_while_a_consumer_is_deleted_leaves_all_or_a_mark() {
    for operation in 1.. {
        let sim = SimDisk::new(operation, Faults::default());
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let mut store = create(&disk, None, EXPLICIT);
        store.update(some_state()).unwrap();
        store.flush(NOW).unwrap();
        let crash_at = Some(sim.operation_count() + operation);
        sim.set_faults(Faults { crash_at, unsynced: Unsynced::Random, ..Faults::default() });
        let _ = store.delete();
        if !sim.is_down() {
            break;
        }
        sim.restart();
        let stream = Path::new("/a/streams/zzz");
        let listing = list_consumers(disk.as_ref(), stream).unwrap();
        if listing.names.is_empty() {
            for dir in listing.deleted {
                crate::stream_dir::finish_deletion(disk.as_ref(), &dir).unwrap();
            }
            assert!(disk.list(Path::new(DIR)).is_err());
        } else {
            assert_eq!(*open(&disk, None, EXPLICIT).state().unwrap(), some_state());
        }
    }
}

#[test]
fn a_full_disk_changes_nothing_and_room_helps() {
    for keys in permutations() {
        let sim = SimDisk::new(1, Faults::default());
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let mut store = create(&disk, keys.as_ref(), EXPLICIT);
        store.set_starting(5).unwrap();
        store.flush(NOW).unwrap();
        store.update(some_state()).unwrap();
        sim.set_faults(Faults { capacity: Some(0), ..Faults::default() });
        assert!(matches!(store.flush(NOW), Err(ConsumerStoreError::Disk { .. })));
        assert!(matches!(
            store.update_config(NO_ACKS, b"{}"),
            Err(ConsumerStoreError::Disk { .. })
        ));
        assert_eq!(*store.state().unwrap(), some_state());
        assert_eq!(store.config(), EXPLICIT);
        let starting = open(&disk, keys.as_ref(), EXPLICIT);
        assert_eq!(*starting.state().unwrap(), state((0, 5), (0, 5)));
        sim.set_faults(Faults::default());
        store.flush(NOW).unwrap();
        assert_eq!(*open(&disk, keys.as_ref(), EXPLICIT).state().unwrap(), some_state());
    }
}

#[test]
fn a_failed_sync_stops_writing_for_ever() {
    let sim = SimDisk::new(1, Faults::default());
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut store = create(&disk, None, EXPLICIT);
    store.update(some_state()).unwrap();
    sim.set_faults(Faults { sync_errors_per_mille: 1000, ..Faults::default() });
    assert!(matches!(store.flush(NOW), Err(ConsumerStoreError::Stopped { .. })));
    sim.set_faults(Faults::default());
    assert!(matches!(store.flush(NOW), Err(ConsumerStoreError::Stopped { .. })));
    assert!(matches!(store.update_config(NO_ACKS, b"{}"), Err(ConsumerStoreError::Stopped { .. })));
    assert_eq!(*store.state().unwrap(), some_state(), "it can be read");
    assert!(matches!(store.stop(NOW), Err(ConsumerStoreError::Stopped { .. })));
}

/// The rules of acknowledging one by one, as plainly as they can be said.
#[derive(Debug, Default)]
struct Model {
    pending: BTreeMap<u64, u64>,
    delivered: (u64, u64),
    floor: (u64, u64),
}

impl Model {
    fn acknowledge(&mut self, consumer: u64, stream: u64) -> bool {
        if consumer <= self.floor.0 {
            return true;
        }
        let Some(first) = self.pending.remove(&stream) else { return false };
        let consumer = consumer.min(first);
        if self.pending.is_empty() {
            self.floor = self.delivered;
        } else if consumer == self.floor.0 + 1 {
            self.floor = (consumer, stream);
            for seq in stream + 1..=self.delivered.1 {
                if let Some(first) = self.pending.get(&seq)
                    && self.delivered.0 > consumer
                {
                    self.floor = (first - 1, seq - 1);
                    break;
                }
            }
        }
        true
    }
}

proptest! {
    #[test]
    fn acknowledgements_move_the_floor_as_the_model_says(
        steps in prop::collection::vec((any::<bool>(), 1..20_u64), 1..120),
    ) {
        let mut model = Model::default();
        let mut store = MemConsumerStore::new(EXPLICIT);
        for (is_delivery, number) in steps {
            if is_delivery {
                let (consumer, stream) = (model.delivered.0 + 1, model.delivered.1 + number % 3 + 1);
                store.update_delivered(consumer, stream, 1, NOW).unwrap();
                model.delivered = (consumer, stream);
                model.pending.insert(stream, consumer);
            } else {
                let Some((&stream, &consumer)) = model.pending.iter().nth((number % 7) as usize)
                else { continue };
                let consumer = if number > 15 { model.delivered.0 } else { consumer };
                let done = model.acknowledge(consumer, stream);
                prop_assert_eq!(store.update_acks(consumer, stream).is_ok(), done);
            }
            let state = store.state().unwrap();
            prop_assert_eq!(state.ack_floor, pair(model.floor.0, model.floor.1));
            prop_assert_eq!(state.delivered, pair(model.delivered.0, model.delivered.1));
            prop_assert!(state.pending.keys().eq(model.pending.keys()));
        }
    }

    #[test]
    fn any_bytes_are_a_state_or_damage(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for keys in permutations() {
            let disk = memory_disk();
            create(&disk, keys.as_ref(), EXPLICIT);
            write(disk.as_ref(), &state_path(), &bytes);
            match try_open(&disk, keys.as_ref(), EXPLICIT) {
                Ok(store) => prop_assert_eq!(store.state().is_err(), store.lost().is_some()),
                Err(error) => {
                    let is_newer = matches!(error, ConsumerStoreError::Version { .. });
                    prop_assert!(is_newer && keys.is_none(), "{}", error);
                }
            }
        }
    }
}

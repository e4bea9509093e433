//! What the journal takes, when it syncs, and how large it gets.

use std::path::Path;
use std::time::Duration;

use natsd_base::Timestamp;

use super::model::{DIR, Op, Shard, config, open};
use crate::disk::{Disk, Faults, SimDisk};
use crate::journal::{
    Change, GroupId, Journal, JournalConfig, JournalError, Lsn, ReplayError, SyncPolicy,
};
use crate::memory::MemStore;
use crate::stream_store::StoreConfig;

fn new(config: JournalConfig) -> (SimDisk, Journal) {
    let disk = SimDisk::new(1, Faults::default());
    disk.create_dir_all(Path::new("/j")).unwrap();
    let journal = open(&disk, config).unwrap();
    (disk, journal)
}

fn append(journal: &mut Journal, group: GroupId, size: usize) -> Result<Lsn, JournalError> {
    let (seq, timestamp) = (journal.last().0 + 1, Timestamp(1));
    let body = vec![7; size];
    let (subject, headers) = (&b"s"[..], &b""[..]);
    journal.append(group, &Change::Append { seq, timestamp, subject, headers, body: &body })
}

#[test]
fn while_a_batch_is_under_way_the_next_one_gathers() {
    let (disk, mut journal) = new(config());
    let group = journal.register("a", 1).unwrap();
    assert!(journal.take_batch().is_none());
    let first = append(&mut journal, group, 10).unwrap();
    let mut batch = journal.take_batch().unwrap();
    assert_eq!(batch.last_lsn(), first);
    let second = append(&mut journal, group, 10).unwrap();
    assert!(journal.take_batch().is_none());
    assert!(matches!(journal.sync(), Err(JournalError::UnderWay)));
    assert_eq!(journal.durable(), Lsn(0));
    // On another thread, as it is meant.
    let batch = std::thread::scope(|scope| {
        let run = scope.spawn(move || {
            batch.run();
            batch
        });
        run.join().unwrap()
    });
    assert_eq!(journal.synced(batch).unwrap(), first);
    let before = disk.operation_count();
    let mut batch = journal.take_batch().unwrap();
    batch.run();
    // One write and one sync.
    assert_eq!(disk.operation_count() - before, 2);
    assert_eq!(journal.synced(batch).unwrap(), second);
    assert_eq!((journal.durable(), journal.last_of(group)), (second, second));
}

#[test]
fn a_batch_that_was_not_run_is_taken_again() {
    let (_, mut journal) = new(config());
    let group = journal.register("a", 1).unwrap();
    let lsn = append(&mut journal, group, 10).unwrap();
    let batch = journal.take_batch().unwrap();
    assert_eq!(journal.synced(batch).unwrap(), Lsn(0));
    assert_eq!(journal.sync().unwrap(), lsn);
}

#[test]
fn full_is_said_and_ends_with_a_sync_or_a_checkpoint() {
    let (disk, mut journal) = new(config());
    let groups: Vec<_> = (0..20).map(|n| journal.register(&format!("g{n}"), 1).unwrap()).collect();
    let mut turns = 0;
    let full = 'full: loop {
        for &group in &groups {
            let room = journal.room();
            match append(&mut journal, group, 900) {
                Ok(_) => assert!(room >= 900),
                Err(JournalError::Full) if journal.take_batch().is_none() => break 'full room,
                Err(JournalError::Full) => panic!("the batch was not given back"),
                Err(error) => panic!("{error}"),
            }
            if journal.room() < 2000 {
                break;
            }
        }
        if journal.room() < 2000 {
            journal.sync().unwrap();
        }
        turns += 1;
        assert!(turns < 1000);
    };
    assert_eq!(full, 0);
    let due = journal.checkpoint_due(Timestamp(0));
    assert!(!due.is_empty());
    for (group, lsn) in due {
        journal.checkpointed(group, lsn);
    }
    // A batch without records says that segments are free.
    assert!(append(&mut journal, groups[0], 900).is_err());
    let durable = journal.durable();
    assert_eq!(journal.sync().unwrap(), durable);
    append(&mut journal, groups[0], 900).unwrap();
    journal.sync().unwrap();
    assert_eq!(disk.list(Path::new(DIR)).unwrap().len(), config().segments);
}

#[test]
fn segments_are_used_again_and_never_grow() {
    let mut shard = Shard::new(1, Faults::default(), config());
    shard.create("a").unwrap();
    for seq in 1..2000 {
        shard.change(0, Op::Append { seq, subject: 1, size: 700 }).unwrap();
        if seq % 3 == 0 {
            shard.sync_batch().unwrap();
        }
        if seq % 10 == 0 {
            shard.checkpoint(0);
        }
    }
    let files = shard.disk.list(Path::new(DIR)).unwrap();
    assert_eq!(files.len(), 2);
    for file in files {
        let file = shard.disk.open(&Path::new(DIR).join(file.name), false).unwrap();
        assert!(file.len().unwrap() <= config().segment_size);
    }
}

#[test]
fn segments_are_written_before_they_are_needed() {
    let (disk, mut journal) = new(config());
    let group = journal.register("a", 1).unwrap();
    let mut prepared = 0;
    while let Some(mut segment) = journal.prepare() {
        assert!(journal.prepare().is_none());
        segment.run();
        journal.prepared(segment).unwrap();
        prepared += 1;
    }
    assert_eq!(prepared, config().segments);
    append(&mut journal, group, 10).unwrap();
    let before = disk.operation_count();
    journal.sync().unwrap();
    // No name and no length: one write, one sync.
    assert_eq!(disk.operation_count() - before, 2);
    let files = disk.list(Path::new(DIR)).unwrap();
    for file in &files {
        let file = disk.open(&Path::new(DIR).join(&file.name), false).unwrap();
        assert_eq!(file.len().unwrap(), config().segment_size);
    }
    assert_eq!(files.len(), prepared);
    // Without room it is as if nobody had tried.
    let (disk, mut journal) = new(config());
    disk.set_faults(Faults { capacity: Some(20_000), ..Faults::default() });
    let mut segment = journal.prepare().unwrap();
    segment.run();
    assert!(matches!(journal.prepared(segment), Err(JournalError::Write { .. })));
    assert!(disk.list(Path::new(DIR)).unwrap().is_empty());
    disk.set_faults(Faults::default());
    let group = journal.register("a", 1).unwrap();
    append(&mut journal, group, 10).unwrap();
    journal.sync().unwrap();
}

#[test]
fn a_group_with_much_data_is_settled_by_its_files() {
    let (disk, mut journal) = new(config());
    let (large, small) = (journal.register("l", 1).unwrap(), journal.register("s", 1).unwrap());
    append(&mut journal, large, 2000).unwrap();
    assert!(matches!(append(&mut journal, large, 2000), Err(JournalError::Large)));
    // Recorded behind what is not recorded it would be a gap.
    assert!(matches!(append(&mut journal, large, 1), Err(JournalError::Large)));
    append(&mut journal, small, 2000).unwrap();
    let durable = journal.sync().unwrap();
    assert!(matches!(append(&mut journal, large, 1), Err(JournalError::Large)));
    let file = disk.open(Path::new("/j/block"), true).unwrap();
    file.write_all_at(b"all", 0).unwrap();
    let lsn = journal.settle(large, vec![file]).unwrap();
    let next = append(&mut journal, large, 10).unwrap();
    assert!(durable < lsn && lsn < next);
    assert_eq!(journal.sync().unwrap(), next);
    disk.sync_dir(Path::new("/j")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.set_faults(Faults { unsynced: crate::disk::Unsynced::Lost, ..Faults::default() });
    disk.crash();
    disk.restart();
    let file = disk.open(Path::new("/j/block"), false).unwrap();
    assert_eq!(file.read_all().unwrap(), b"all");
}

#[test]
fn with_always_turns_do_not_share_a_sync() {
    let (_, mut journal) = new(JournalConfig { policy: SyncPolicy::Always, ..config() });
    let group = journal.register("a", 1).unwrap();
    journal.end_turn();
    append(&mut journal, group, 10).unwrap();
    append(&mut journal, group, 10).unwrap();
    journal.end_turn();
    assert_eq!(journal.room(), 0);
    assert!(matches!(append(&mut journal, group, 10), Err(JournalError::Full)));
    assert!(matches!(journal.settle(group, Vec::new()), Err(JournalError::Full)));
    let batch = journal.take_batch().unwrap();
    append(&mut journal, group, 10).unwrap();
    journal.synced(batch).unwrap();
    journal.sync().unwrap();
}

#[test]
fn with_an_interval_nothing_is_recorded() {
    let (disk, mut journal) = new(JournalConfig { policy: SyncPolicy::Interval, ..config() });
    let group = journal.register("a", 1).unwrap();
    for size in [10, 1_000_000] {
        let lsn = append(&mut journal, group, size).unwrap();
        assert_eq!(journal.durable(), lsn);
    }
    journal.barrier(group, Vec::new()).unwrap();
    append(&mut journal, group, 1).unwrap();
    journal.remove(group).unwrap();
    assert!(journal.take_batch().is_none());
    journal.close().unwrap();
    assert!(disk.list(Path::new(DIR)).unwrap().is_empty());
}

#[test]
fn old_changes_are_due_for_a_checkpoint() {
    let (_, mut journal) = new(config());
    let group = journal.register("a", 1).unwrap();
    let lsn = append(&mut journal, group, 10).unwrap();
    let start = Timestamp(5_000_000_000);
    assert_eq!(journal.checkpoint_due(start), []);
    assert_eq!(journal.checkpoint_due(start + Duration::from_millis(999)), []);
    let later = start + Duration::from_secs(1);
    assert_eq!(journal.checkpoint_due(later), [(group, lsn)]);
    journal.checkpointed(group, lsn);
    assert_eq!(journal.checkpoint_due(later), []);
}

#[test]
fn a_name_is_one_group_until_it_is_removed() {
    let (_, mut journal) = new(config());
    let group = journal.register("a", 1).unwrap();
    assert_eq!(journal.register("a", 1).unwrap(), group);
    assert!(matches!(journal.register("a", 2), Err(JournalError::Barrier)));
    assert!(matches!(journal.register(&"x".repeat(5000), 2), Err(JournalError::Invalid(_))));
    append(&mut journal, group, 10).unwrap();
    journal.remove(group).unwrap();
    assert!(matches!(append(&mut journal, group, 10), Err(JournalError::Barrier)));
    let again = journal.register("a", 2).unwrap();
    append(&mut journal, again, 10).unwrap();
}

#[test]
fn sizes_that_cannot_work_are_refused() {
    let fine = config();
    let cases = [
        JournalConfig { segments: 1, ..fine },
        JournalConfig { segment_size: 3 * 8192, ..fine },
        JournalConfig { batch_size_max: 100, ..fine },
        JournalConfig { batch_size_max: 1 << 30, segment_size: 1 << 40, ..fine },
        JournalConfig { settle_size: 8000, ..fine },
    ];
    for case in cases {
        let disk = SimDisk::new(1, Faults::default());
        let outcome = open(&disk, case);
        assert!(matches!(outcome, Err(JournalError::Invalid(_))), "{case:?}");
        assert_eq!(disk.operation_count(), 0);
    }
    let disk = SimDisk::new(1, Faults::default());
    open(&disk, JournalConfig::default()).unwrap();
}

#[test]
fn changes_that_do_not_fit_the_store_are_refused() {
    let mut store = MemStore::new(StoreConfig::default());
    let check = |store: &mut MemStore, change: &Change<'_>, expected| {
        assert_eq!(change.apply(store), expected, "{change:?}");
    };
    let append = |seq| Change::Append {
        seq,
        timestamp: Timestamp(1),
        subject: b"s",
        headers: b"NATS/1.0\r\nNats-TTL: nonsense\r\n\r\n",
        body: b"",
    };
    let skip =
        |last, count| Change::Skip { last, count, timestamp: Timestamp(1), moves_time: false };
    let gap = |found, last| Err(ReplayError::Gap { found, last });
    check(&mut store, &append(2), gap(2, 0));
    check(&mut store, &append(1), Ok(true));
    check(&mut store, &append(1), Ok(false));
    check(&mut store, &append(u64::MAX), gap(u64::MAX, 1));
    let other = Change::Append {
        seq: 1,
        timestamp: Timestamp(1),
        subject: b"s",
        headers: b"",
        body: b"another",
    };
    assert!(other.conflicts(&mut store) && !append(1).conflicts(&mut store));
    assert!(!append(2).conflicts(&mut store) && !skip(5, 3).conflicts(&mut store));
    check(&mut store, &skip(5, 3), gap(3, 1));
    check(&mut store, &skip(5, 4), Ok(true));
    check(&mut store, &skip(5, 4), Ok(false));
    check(&mut store, &skip(7, 4), Ok(true));
    check(&mut store, &skip(9, 0), Ok(false));
    assert_eq!(store_last(&store), 7);
    check(&mut store, &Change::Purge { filter: b"s", below: 0 }, Ok(false));
    check(&mut store, &Change::Remove { seq: 3 }, Ok(false));
    check(&mut store, &Change::Remove { seq: 1 }, Ok(true));
    check(&mut store, &Change::Erase { seq: 1 }, Ok(false));
    let hard_state = Change::HardState { term: 1, vote: [0; 8] };
    check(&mut store, &hard_state, Err(ReplayError::NotOfStream));
}

fn store_last(store: &MemStore) -> u64 {
    crate::stream_store::StreamStore::state(store).last_seq
}

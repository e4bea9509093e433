//! Crashes at any operation of the disk.

use super::model::{DIR, Op, Shard, config};
use crate::disk::{Faults, Unsynced};
use crate::journal::{Journal, JournalConfig, JournalError};

const UNSYNCED: [Unsynced; 3] = [Unsynced::Lost, Unsynced::Kept, Unsynced::Random];

fn shard(seed: u64, faults: Faults, config: JournalConfig) -> Shard {
    let mut shard = Shard::new(seed, faults, config);
    for name in ["a", "b", "c"] {
        shard.create(name).unwrap();
    }
    shard
}

/// Some hundred random steps, a crash, a recovery, and again. Returns how many crashes came.
fn check_random(seed: u64) -> usize {
    let unsynced = UNSYNCED[usize::try_from(seed % 3).unwrap()];
    let small = JournalConfig { segments: 2 + usize::try_from(seed % 2).unwrap(), ..config() };
    let mut shard = shard(seed, Faults { unsynced, ..Faults::default() }, small);
    let mut crashes = 0;
    for round in 0..4 {
        let crash_at = shard.disk.operation_count() + 1 + (seed * 31 + round * 17) % 120;
        shard.disk.set_faults(Faults { crash_at: Some(crash_at), unsynced, ..Faults::default() });
        let crashed = (0..400).any(|_| shard.random_step().is_err());
        if crashed {
            assert!(shard.disk.is_down(), "seed {seed}");
            crashes += 1;
        }
        shard.recover();
        for name in ["a", "b", "c"] {
            if !shard.streams.iter().any(|stream| stream.name == name) {
                shard.create(name).unwrap();
            }
        }
    }
    crashes
}

#[test]
fn after_any_crash_everything_synced_is_there_and_nothing_between() {
    // More by the environment, as for a soak.
    let seeds = std::env::var("NATSD_JOURNAL_SEEDS").ok().and_then(|text| text.parse().ok());
    let seeds = seeds.unwrap_or(20);
    let crashes: usize = (0..seeds).map(check_random).sum();
    assert!(crashes * 2 > usize::try_from(seeds).unwrap(), "only {crashes} crashes");
}

fn scripts() -> Vec<Vec<Op>> {
    let append = |seq, size| Op::Append { seq, subject: 1, size };
    let many = |from: u64, count: u64, size| {
        (from..from + count).map(|seq| append(seq, size)).collect::<Vec<_>>()
    };
    vec![
        many(1, 3, 10),
        many(1, 40, 700),
        [many(1, 5, 100), vec![Op::Truncate(2)], many(3, 4, 100)].concat(),
        [many(1, 3, 2500), vec![Op::Remove(2), append(4, 2500), Op::Truncate(1)]].concat(),
        [many(1, 6, 10), vec![Op::Purge { subject: 1, below: 5 }, append(7, 10)]].concat(),
        [many(1, 6, 10), vec![Op::Compact(9), append(9, 10), Op::Remove(9)]].concat(),
        [vec![append(1, 10), Op::Skip { last: 5, count: 4 }], many(6, 2, 10)].concat(),
        [many(1, 12, 2000), vec![Op::Truncate(6)], many(7, 30, 900), vec![Op::Compact(30)]]
            .concat(),
    ]
}

/// Runs a script, syncing after each change but every `gather`-th.
fn run(shard: &mut Shard, script: &[Op], gather: usize) -> Result<(), JournalError> {
    for (index, op) in script.iter().enumerate() {
        shard.change(0, op.clone())?;
        shard.change(1, Op::Append { seq: index as u64 + 1, subject: 2, size: 50 })?;
        if index % gather == 0 {
            shard.sync_batch()?;
        }
        if index % 9 == 8 {
            shard.checkpoint(0);
        }
    }
    shard.sync_batch()
}

#[test]
fn a_crash_at_every_operation_of_short_scripts_loses_nothing() {
    let mut crashes = 0;
    for (number, script) in scripts().iter().enumerate() {
        for gather in [1, 3, 1000] {
            for unsynced in UNSYNCED {
                for operation in 1.. {
                    let faults = Faults { unsynced, ..Faults::default() };
                    let mut shard = shard(number as u64, faults, config());
                    let crash_at = Some(shard.disk.operation_count() + operation);
                    shard.disk.set_faults(Faults { crash_at, unsynced, ..faults });
                    let outcome = run(&mut shard, script, gather);
                    shard.recover();
                    // A second crash, in the recovery itself, changes nothing more.
                    shard.recover();
                    if outcome.is_ok() {
                        break;
                    }
                    crashes += 1;
                }
            }
        }
    }
    assert!(crashes > 500, "only {crashes}");
}

#[test]
fn a_crash_at_every_operation_of_a_start_loses_nothing() {
    for unsynced in UNSYNCED {
        for operation in 1.. {
            let mut shard = shard(1, Faults { unsynced, ..Faults::default() }, config());
            run(&mut shard, &scripts()[1], 2).unwrap();
            shard.disk.crash();
            shard.disk.restart();
            let crash_at = Some(shard.disk.operation_count() + operation);
            shard.disk.set_faults(Faults { crash_at, unsynced, ..Faults::default() });
            // The host did not replay: nothing is durable but for the journal. Starting empties
            // it, so only a start that failed may be followed by a recovery.
            let disk = std::sync::Arc::new(shard.disk.clone());
            let recovery = crate::journal::Recovery::scan(disk, DIR.as_ref()).unwrap();
            let changes = recovery.groups().iter().map(|group| group.changes).sum::<u64>();
            assert!(changes > 0);
            if recovery.start(config()).is_ok() {
                break;
            }
            shard.disk.restart();
            let disk = std::sync::Arc::new(shard.disk.clone());
            let again = crate::journal::Recovery::scan(disk, DIR.as_ref()).unwrap();
            let left = again.groups().iter().map(|group| group.changes).sum::<u64>();
            // Before or after.
            assert!(left == changes || left == 0, "{left} of {changes} {again:?}");
            assert_eq!(again.damaged(), None);
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_no_loss_and_goes_on_when_there_is_room() {
    for capacity in [0, 1000, 5000, 20_000, 60_000, 100_000] {
        let mut shard = shard(3, Faults::default(), config());
        shard.disk.set_faults(Faults { capacity: Some(capacity), ..Faults::default() });
        let script = &scripts()[1];
        let mut done = 0;
        let failed = script.iter().find_map(|op| {
            done += 1;
            shard.change(0, op.clone()).err().or_else(|| shard.sync_batch().err())
        });
        if capacity < 60_000 {
            assert!(matches!(failed, Some(JournalError::Write { .. })), "{capacity}: {failed:?}");
        }
        let before = shard.journal.durable();
        assert!(failed.is_none() || shard.sync_batch().is_err());
        assert_eq!(shard.journal.durable(), before);
        shard.disk.set_faults(Faults::default());
        for op in &script[shard.streams[0].ops.len()..] {
            shard.change(0, op.clone()).unwrap();
        }
        shard.sync_batch().unwrap();
        shard.sync_batch().unwrap();
        assert_eq!(shard.journal.durable(), shard.journal.last());
        shard.disk.crash();
        shard.recover();
        assert_eq!(shard.streams[0].ops, *script);
    }
}

#[test]
fn after_a_failed_sync_the_journal_is_stopped_and_says_so() {
    let mut shard = shard(5, Faults::default(), config());
    let append = |seq| Op::Append { seq, subject: 1, size: 10 };
    shard.change(0, append(1)).unwrap();
    shard.sync_batch().unwrap();
    let durable = shard.journal.durable();
    shard.disk.set_faults(Faults { sync_errors_per_mille: 1000, ..Faults::default() });
    shard.change(0, append(2)).unwrap();
    let failed = shard.sync_batch();
    shard.disk.set_faults(Faults::default());
    // The next sync would succeed. It must not be believed.
    for outcome in [failed, shard.change(0, append(3)), shard.journal.sync().map(|_| ())] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, JournalError::Stopped { .. }), "{error}");
        assert_eq!(error.to_string(), "journal is stopped: simulated sync error");
    }
    assert!(shard.journal.take_batch().is_none());
    assert_eq!((shard.journal.durable(), shard.journal.room()), (durable, 0));
    assert_eq!(shard.journal.failure(), Some("simulated sync error"));
    shard.disk.crash();
    shard.recover();
    assert!(!shard.streams[0].ops.is_empty());
    assert_eq!(shard.journal.failure(), None);
}

#[test]
fn a_failed_sync_of_a_settled_file_stops_the_journal_too() {
    let mut shard = shard(5, Faults::default(), config());
    for seq in 1..=3 {
        shard.change(0, Op::Append { seq, subject: 1, size: 2500 }).unwrap();
    }
    shard.disk.set_faults(Faults { sync_errors_per_mille: 1000, ..Faults::default() });
    assert!(matches!(shard.sync_batch(), Err(JournalError::Stopped { .. })));
}

#[test]
fn a_journal_that_is_closed_is_empty() {
    let mut shard = shard(6, Faults::default(), config());
    for (index, op) in scripts()[1].iter().enumerate() {
        shard.change(0, op.clone()).unwrap();
        if index == 20 {
            shard.sync_batch().unwrap();
        }
    }
    let journal = |shard: &mut Shard| {
        let other = super::model::open(&crate::disk::SimDisk::new(1, Faults::default()), config());
        let other: Journal = other.unwrap_or_else(|error| panic!("{error}"));
        std::mem::replace(&mut shard.journal, other)
    };
    shard.checkpoint(0);
    journal(&mut shard).close().unwrap();
    shard.disk.crash();
    shard.disk.restart();
    let disk = std::sync::Arc::new(shard.disk.clone());
    let recovery = crate::journal::Recovery::scan(disk, DIR.as_ref()).unwrap();
    assert!(recovery.is_empty() && recovery.groups().is_empty(), "{recovery:?}");
    // Changes that are only in the journal keep it from closing.
    shard.journal = recovery.start(config()).unwrap();
    shard.streams.clear();
    shard.create("d").unwrap();
    shard.change(0, Op::Append { seq: 1, subject: 1, size: 1 }).unwrap();
    assert!(matches!(journal(&mut shard).close(), Err(JournalError::NotCheckpointed)));
}

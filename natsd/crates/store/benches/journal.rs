//! Durable appends through the journal on the real disk: messages of 128 bytes, 1,000 in flight,
//! on one stream and spread over 1,000, with what one sync takes beside it.
//!
//! Not by criterion: what counts is how a thread that changes and one that syncs work together.
//! `cargo bench -p natsd-store --bench journal [-- DIR]`; DIR decides on which disk.
#![expect(clippy::print_stdout, reason = "the report is the product")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use natsd_base::Timestamp;
use natsd_store::block::{BlockHash, Record, RecordKind};
use natsd_store::journal::{
    Change, GroupId, Journal, JournalConfig, JournalError, Lsn, Recovery, SyncBatch,
};
use natsd_store::{Disk, DiskFile, RealDisk};

const IN_FLIGHT: u64 = 1000;
/// Threads that sync files for checkpoints; the file system joins their syncs.
const POOL: usize = 4;
const RUN: Duration = Duration::from_secs(1);

/// What a stream's store does with a message, without its index: a record into the last block,
/// handed to the page cache at the end of a turn, or when it is long.
struct Stream {
    group: GroupId,
    seq: u64,
    hash: BlockHash,
    file: Box<dyn DiskFile>,
    offset: u64,
    buffer: Vec<u8>,
}

/// When blocks are handed to the page cache.
#[derive(Clone, Copy, PartialEq)]
enum Flush {
    /// There are no blocks: the journal alone.
    NoBlocks,
    /// Before the acknowledgement.
    EachTurn,
    /// When 16 KiB have come together, as in Go.
    Lazily,
}

impl Stream {
    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.file.write_all_at(&self.buffer, self.offset).expect("disk");
            self.offset += self.buffer.len() as u64;
            if self.offset > 8 * 1024 * 1024 {
                self.offset = 0; // The next block, for the price of one.
            }
            self.buffer.clear();
        }
    }

    /// Whether the journal had room for a message.
    fn append(&mut self, journal: &mut Journal, body: &[u8], flush: Flush) -> bool {
        let (seq, timestamp, subject) = (self.seq + 1, Timestamp(1), &b"orders.new"[..]);
        let change = Change::Append { seq, timestamp, subject, headers: b"", body };
        match journal.append(self.group, &change) {
            Ok(_) => {}
            Err(JournalError::Full) => return false,
            Err(error) => panic!("{error}"),
        }
        self.seq = seq;
        if flush != Flush::NoBlocks {
            let kind = RecordKind::Message;
            let record = Record { seq, timestamp, kind, subject, headers: b"", body };
            record.encode(&self.hash, &mut self.buffer).expect("it is small");
            if self.buffer.len() > 16 * 1024 {
                self.flush();
            }
        }
        true
    }
}

/// What the other threads have done.
enum Done {
    Batch(SyncBatch),
    Checkpoint(GroupId, Lsn),
}

fn block_path(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("{number}.blk"))
}

fn streams(dir: &Path, journal: &mut Journal, count: usize) -> Vec<Stream> {
    let disk = RealDisk::new();
    let stream = |number: usize| Stream {
        group: journal.register(&format!("A/streams/S{number}"), 1).expect("a name"),
        seq: 0,
        hash: BlockHash::new(&format!("S{number}"), 1),
        file: disk.open(&block_path(dir, number), true).expect("disk"),
        offset: 0,
        buffer: Vec::new(),
    };
    (0..count).map(stream).collect()
}

/// Appends for a while; how many were acknowledged, how long the batches took and how many there
/// were.
fn measure(dir: &Path, stream_count: usize, flush: Flush, body_size: usize) {
    let (median, slow) = sync_latency(dir);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let config = JournalConfig { salt: [1, 2], ..JournalConfig::default() };
    let recovery = Recovery::scan(disk, &dir.join("journal")).expect("disk");
    let mut journal = recovery.start(config).expect("disk");
    let mut streams = streams(dir, &mut journal, stream_count);
    let body = vec![7; body_size];
    let (to_disk, batches) = mpsc::channel::<SyncBatch>();
    let (to_pool, due) = mpsc::channel::<(GroupId, Lsn, PathBuf)>();
    let (to_shard, done) = mpsc::channel::<Done>();
    std::thread::scope(|scope| {
        let batch_done = to_shard.clone();
        scope.spawn(move || {
            for mut batch in batches {
                batch.run();
                if batch_done.send(Done::Batch(batch)).is_err() {
                    return;
                }
            }
        });
        // A checkpoint of a thousand files takes some time, which the turns do not wait for.
        let due = Arc::new(Mutex::new(due));
        for _ in 0..POOL {
            let (due, to_shard) = (Arc::clone(&due), to_shard.clone());
            scope.spawn(move || {
                let next = || due.lock().expect("nobody panics").recv();
                while let Ok((group, lsn, path)) = next() {
                    let file = RealDisk::new().open(&path, false).expect("disk");
                    file.sync_data().expect("disk");
                    if to_shard.send(Done::Checkpoint(group, lsn)).is_err() {
                        return;
                    }
                }
            });
        }
        let (mut sent, mut acknowledged, mut syncs, mut full) = (0_u64, 0_u64, 0_u64, 0_u64);
        let (mut checkpoints, mut is_under_way) = (0, false);
        let mut waiting = VecDeque::new();
        let mut next = 0;
        // Half of them first, so that one half gathers while the other is under way.
        let mut limit = IN_FLIGHT / 2;
        let start = Instant::now();
        let mut warm = None;
        while start.elapsed() < RUN * 2 {
            if warm.is_none() && start.elapsed() > RUN {
                warm = Some((Instant::now(), acknowledged, syncs));
            }
            let first = sent;
            while sent - acknowledged < limit {
                let stream = next % streams.len();
                if !streams[stream].append(&mut journal, &body, flush) {
                    full += 1;
                    break;
                }
                next += 1;
                sent += 1;
            }
            limit = IN_FLIGHT;
            if flush == Flush::EachTurn {
                let turn = usize::try_from(sent - first).expect("a thousand").min(streams.len());
                for back in 1..=turn {
                    let stream = (next - back) % streams.len();
                    streams[stream].flush();
                }
            }
            if let Some(batch) = journal.take_batch() {
                waiting.push_back((journal.last(), sent));
                to_disk.send(batch).expect("the thread waits");
                is_under_way = true;
                continue;
            }
            if checkpoints == 0 {
                for (group, _) in journal.checkpoint_due(Timestamp(0)) {
                    let lsn = journal.last_of(group); // Later changes go with it.
                    let stream = streams.iter_mut().position(|stream| stream.group == group);
                    let stream = stream.expect("all are there");
                    streams[stream].flush();
                    to_pool.send((group, lsn, block_path(dir, stream))).expect("it waits");
                    checkpoints += 1;
                }
            }
            let mut event = is_under_way.then(|| done.recv().expect("one is under way"));
            while let Some(done_now) = event.take().or_else(|| done.try_recv().ok()) {
                match done_now {
                    Done::Checkpoint(group, lsn) => {
                        journal.checkpointed(group, lsn);
                        checkpoints -= 1;
                    }
                    Done::Batch(batch) => {
                        let durable = journal.synced(batch).expect("disk");
                        syncs += 1;
                        is_under_way = false;
                        while let Some((_, sent)) = waiting.pop_front_if(|(lsn, _)| *lsn <= durable)
                        {
                            acknowledged = sent;
                        }
                    }
                }
            }
        }
        drop((to_disk, to_pool));
        let (since, acknowledged_before, syncs_before) = warm.expect("it ran long enough");
        let seconds = since.elapsed().as_secs_f64();
        let count = (acknowledged - acknowledged_before) as f64;
        let syncs = (syncs - syncs_before) as f64;
        let kind = match flush {
            Flush::NoBlocks => "journal alone",
            Flush::EachTurn => "and blocks, flushed each turn",
            Flush::Lazily => "and blocks, flushed lazily",
        };
        println!(
            "{stream_count:5} streams, {body_size:5} B, {kind:30} {:6.2} M/s, {:5.0} a sync, {:4.0} µs; one sync before: p50 {median} µs, p99 {slow} µs; \
             full {full} times",
            count / seconds / 1e6,
            count / syncs,
            seconds / syncs * 1e6,
        );
    });
    std::fs::remove_dir_all(dir).expect("disk");
}

/// What one sync takes after writing a page over an old one: the median and the slowest but one
/// in a hundred. Volumes with a budget get slower when it is used up, so it is measured each time.
fn sync_latency(dir: &Path) -> (u128, u128) {
    std::fs::create_dir_all(dir).expect("disk");
    let file = RealDisk::new().open(&dir.join("latency"), true).expect("disk");
    file.write_all_at(&vec![0; 4 * 1024 * 1024], 0).expect("disk");
    file.sync_data().expect("disk");
    let mut times: Vec<Duration> = (0..500_u64)
        .map(|index| {
            file.write_all_at(&[1; 4096], index * 4096).expect("disk");
            let start = Instant::now();
            file.sync_data().expect("disk");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[times.len() / 2].as_micros(), times[times.len() * 99 / 100].as_micros())
}

fn main() {
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let root = dir.map_or_else(std::env::temp_dir, Into::into);
    let dir = root.join(format!("natsd-journal-bench-{}", std::process::id()));
    for flush in [Flush::NoBlocks, Flush::EachTurn, Flush::Lazily] {
        for stream_count in [1, 1000] {
            measure(&dir, stream_count, flush, 128);
        }
    }
}

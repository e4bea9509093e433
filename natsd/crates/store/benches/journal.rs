//! Durable appends through the journal on the real disk: messages of 128 bytes, 1,000 in flight,
//! on one stream and spread over 1,000, with what one sync takes beside it.
//!
//! Not by criterion: what counts is how a thread that changes and one that syncs work together.
//! `cargo bench -p natsd-store --bench journal [-- DIR [SECONDS]]`; DIR decides on which disk,
//! SECONDS is a pause before each.
#![expect(clippy::print_stdout, reason = "the report is the product")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use natsd_base::Timestamp;
use natsd_store::journal::{
    Change, GroupId, Journal, JournalConfig, JournalError, Lsn, Recovery, SyncBatch,
};
use natsd_store::{
    Disk, DiskFile, FileStore, FileStoreConfig, NewMessage, RealDisk, StoreConfig, StreamStore,
};

const IN_FLIGHT: u64 = 1000;
/// Threads that sync files for checkpoints; the file system joins their syncs.
const POOL: usize = 4;
const RUN: Duration = Duration::from_secs(1);

struct Stream {
    group: GroupId,
    seq: u64,
    /// Has changes that the journal did not take.
    is_large: bool,
    /// None for the journal alone.
    store: Option<FileStore>,
}

/// When blocks are handed to the page cache.
#[derive(Clone, Copy, PartialEq)]
enum Flush {
    /// There are no blocks: the journal alone.
    NoBlocks,
    /// Before the acknowledgement.
    EachTurn,
    /// When 16 KiB have come together, as Go does with replicated streams.
    Lazily,
}

impl Stream {
    fn flush(&mut self) {
        if let Some(store) = &mut self.store {
            store.flush().expect("disk");
        }
    }

    /// Whether the journal had room for a message.
    fn append(&mut self, journal: &mut Journal, body: &[u8]) -> bool {
        let (seq, timestamp, subject) = (self.seq + 1, Timestamp(1), &b"orders.new"[..]);
        let change = Change::Append { seq, timestamp, subject, headers: b"", body };
        match journal.append(self.group, &change) {
            Ok(_) => {}
            Err(JournalError::Full) => return false,
            Err(JournalError::Large) => self.is_large = true,
            Err(error) => panic!("{error}"),
        }
        self.seq = seq;
        if let Some(store) = &mut self.store {
            let message = NewMessage {
                subject,
                headers: b"",
                body,
                seq: Some(seq),
                timestamp,
                ttl: None,
                may_refuse: false,
            };
            store.store(message).expect("disk");
        }
        true
    }
}

/// What the other threads have done.
enum Done {
    Batch(Box<SyncBatch>),
    Checkpoint(GroupId, Lsn),
}

fn streams(dir: &Path, journal: &mut Journal, count: usize, flush: Flush) -> Vec<Stream> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let open = |number: usize| {
        let write_buffer_max = if flush == Flush::Lazily { 16 * 1024 } else { 1024 * 1024 };
        let config =
            FileStoreConfig { write_buffer_max, ..FileStoreConfig::new(&format!("S{number}")) };
        let dir = dir.join(format!("S{number}"));
        let limits = StoreConfig { messages_max: Some(1_000_000), ..StoreConfig::default() };
        FileStore::open(Arc::clone(&disk), &dir, config, limits, Timestamp(1)).expect("disk")
    };
    let stream = |number: usize| Stream {
        group: journal.register(&format!("A/streams/S{number}"), 1).expect("a name"),
        seq: 0,
        is_large: false,
        store: (flush != Flush::NoBlocks).then(|| open(number)),
    };
    (0..count).map(stream).collect()
}

/// The thread that changes things, as a shard is.
struct Shard<'a> {
    journal: Journal,
    streams: Vec<Stream>,
    flush: Flush,
    body: &'a [u8],
    /// The stream that is next.
    next: usize,
    sent: u64,
    acknowledged: u64,
    syncs: u64,
    full: u64,
    /// Batches under way: their last position, and how many messages were sent by then.
    waiting: VecDeque<(Lsn, u64)>,
    checkpoints: u64,
}

impl Shard<'_> {
    fn turn(&mut self, in_flight_max: u64) {
        let first = self.sent;
        while self.sent - self.acknowledged < in_flight_max {
            let stream = self.next % self.streams.len();
            if !self.streams[stream].append(&mut self.journal, self.body) {
                self.full += 1;
                break;
            }
            self.next += 1;
            self.sent += 1;
        }
        for stream in self.streams.iter_mut().filter(|stream| stream.is_large) {
            let file = stream.store.as_mut().and_then(|store| store.unsynced_file().expect("disk"));
            // When it is full, the next turn does it.
            stream.is_large =
                self.journal.settle(stream.group, file.into_iter().collect()).is_err();
        }
        if self.flush == Flush::EachTurn {
            let turn = usize::try_from(self.sent - first).expect("a thousand");
            for back in 1..=turn.min(self.streams.len()) {
                let stream = (self.next - back) % self.streams.len();
                self.streams[stream].flush();
            }
        }
    }

    fn checkpoint(&mut self, to_pool: &mpsc::Sender<(GroupId, Lsn, Box<dyn DiskFile>)>) {
        if self.checkpoints > 0 {
            return;
        }
        for (group, _) in self.journal.checkpoint_due(Timestamp(0)) {
            let lsn = self.journal.last_of(group); // Later changes go with it.
            let stream = self.streams.iter().position(|stream| stream.group == group);
            let stream = stream.expect("all are there");
            let store = self.streams[stream].store.as_mut();
            match store.and_then(|store| store.unsynced_file().expect("disk")) {
                Some(file) => {
                    to_pool.send((group, lsn, file)).expect("it waits");
                    self.checkpoints += 1;
                }
                None => self.journal.checkpointed(group, lsn),
            }
        }
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Checkpoint(group, lsn) => {
                self.journal.checkpointed(group, lsn);
                self.checkpoints -= 1;
            }
            Done::Batch(batch) => {
                let durable = self.journal.synced(*batch).expect("disk");
                self.syncs += 1;
                while let Some((_, sent)) = self.waiting.pop_front_if(|(lsn, _)| *lsn <= durable) {
                    self.acknowledged = sent;
                }
            }
        }
    }
}

/// Runs batches, and syncs files for checkpoints: a thousand of them take some time, which the
/// turns do not wait for.
fn start_threads<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    batches: mpsc::Receiver<Box<SyncBatch>>,
    due: mpsc::Receiver<(GroupId, Lsn, Box<dyn DiskFile>)>,
) -> mpsc::Receiver<Done> {
    let (to_shard, done) = mpsc::channel::<Done>();
    let batch_done = to_shard.clone();
    scope.spawn(move || {
        for mut batch in batches {
            batch.run();
            if batch_done.send(Done::Batch(batch)).is_err() {
                return;
            }
        }
    });
    let due = Arc::new(Mutex::new(due));
    for _ in 0..POOL {
        let (due, to_shard) = (Arc::clone(&due), to_shard.clone());
        scope.spawn(move || {
            let next = || due.lock().expect("nobody panics").recv();
            while let Ok((group, lsn, file)) = next() {
                file.sync_data().expect("disk");
                if to_shard.send(Done::Checkpoint(group, lsn)).is_err() {
                    return;
                }
            }
        });
    }
    done
}

/// Appends for a while, and says how fast that was.
fn measure(root: &Path, pause: Duration, stream_count: usize, flush: Flush, body_size: usize) {
    let (dir, journal_dir) = (&root.join("streams"), &root.join("journal"));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let config = JournalConfig { salt: [1, 2], ..JournalConfig::default() };
    let recovery = Recovery::scan(disk, journal_dir).expect("disk");
    let mut journal = recovery.start(config).expect("disk");
    while let Some(mut segment) = journal.prepare() {
        segment.run();
        journal.prepared(segment).expect("disk");
    }
    // A volume with a budget for writing gets some of it back.
    std::thread::sleep(pause);
    let (median, slow) = sync_latency(dir);
    let streams = streams(dir, &mut journal, stream_count, flush);
    let mut shard = Shard {
        journal,
        streams,
        flush,
        body: &vec![7; body_size],
        next: 0,
        sent: 0,
        acknowledged: 0,
        syncs: 0,
        full: 0,
        waiting: VecDeque::new(),
        checkpoints: 0,
    };
    let (to_disk, batches) = mpsc::channel();
    let (to_pool, due) = mpsc::channel();
    let (seconds, count, syncs, cpu) = std::thread::scope(|scope| {
        let done = start_threads(scope, batches, due);
        // Half of them first, so that one half gathers while the other is under way.
        shard.turn(IN_FLIGHT / 2);
        let start = Instant::now();
        let mut warm = None;
        while warm.is_none() || start.elapsed() < RUN * 2 {
            if warm.is_none() && start.elapsed() > RUN {
                warm = Some((Instant::now(), shard.acknowledged, shard.syncs, cpu_time()));
            }
            if let Some(batch) = shard.journal.take_batch() {
                shard.waiting.push_back((shard.journal.last(), shard.sent));
                to_disk.send(Box::new(batch)).expect("the thread waits");
            } else {
                shard.checkpoint(&to_pool);
                if !shard.waiting.is_empty() {
                    shard.finish(done.recv().expect("a batch is under way"));
                }
                done.try_iter().for_each(|done| shard.finish(done));
            }
            shard.turn(IN_FLIGHT);
        }
        let (since, acknowledged, syncs, cpu) = warm.expect("it runs longer");
        let (seconds, cpu) = (since.elapsed().as_secs_f64(), cpu_time() - cpu);
        drop((to_disk, to_pool));
        let count = (shard.acknowledged - acknowledged) as f64;
        (seconds, count, (shard.syncs - syncs) as f64, cpu as f64 / 1e3 / count)
    });
    let kind = match flush {
        Flush::NoBlocks => "journal alone",
        Flush::EachTurn => "file store, flushed each turn",
        Flush::Lazily => "file store, flushed lazily",
    };
    println!(
        "{stream_count:5} streams, {body_size:5} B, {kind:30} {:6.2} M/s, {cpu:5.2} µs CPU each, \
         {:5.0} a sync, {:4.0} µs; one sync before: p50 {median} µs, p99 {slow} µs; full {} times",
        count / seconds / 1e6,
        count / syncs,
        seconds / syncs * 1e6,
        shard.full,
    );
    std::fs::remove_dir_all(dir).expect("disk");
}

/// Nanoseconds that all threads of the process have run: steadier than the rate where others use
/// the machine too. Zero where the system does not say.
fn cpu_time() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    times.sum()
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
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let root = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let pause = arguments.next().and_then(|seconds| seconds.parse().ok());
    let pause = Duration::from_secs(pause.unwrap_or(0));
    let dir = root.join(format!("natsd-journal-bench-{}", std::process::id()));
    for flush in [Flush::NoBlocks, Flush::EachTurn, Flush::Lazily] {
        for stream_count in [1, 1000] {
            measure(&dir, pause, stream_count, flush, 128);
        }
    }
    measure(&dir, pause, 1, Flush::EachTurn, 1024);
    std::fs::remove_dir_all(dir).expect("disk");
}

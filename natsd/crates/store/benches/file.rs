//! Speed of the store on disk: appending, reading, recovery; and its memory.
//!
//! The disk is the machine's, in the folder for temporary files, without syncs but those at the
//! end of a block; or one in memory, which shows what the store costs without it. Memory is what
//! the process has more than before, printed when `NATSD_BENCH_MEMORY` is set.

use std::cell::LazyCell;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_base::{Prng, Timestamp};
use natsd_store::{
    Compression, FileStore, FileStoreConfig, Filter, MemDisk, NewMessage, RealDisk, StoreConfig,
    StreamStore,
};

const COUNT: u64 = 500_000;

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("natsd-bench-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn open(&self, file_config: &FileStoreConfig) -> FileStore {
        let (disk, config) = (Arc::new(RealDisk::new()), StoreConfig::default());
        let opened = FileStore::open(disk, &self.0, file_config.clone(), config, Timestamp(1));
        opened.expect("it can be opened")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn fill(store: &mut FileStore, count: u64, subject_count: u64) {
    let subjects: Vec<String> = (0..subject_count).map(|index| format!("orders.{index}")).collect();
    let body = [7; 128];
    for index in 0..count {
        let subject = &subjects[usize::try_from(index % subject_count).expect("small")];
        let message = NewMessage {
            subject: subject.as_bytes(),
            headers: &[],
            body: &body,
            seq: None,
            timestamp: Timestamp(i64::try_from(index).expect("small") + 1),
            ttl: None,
            may_refuse: true,
        };
        store.store(message).expect("there is no limit");
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("file store");
    group.sample_size(10).throughput(Throughput::Elements(COUNT));
    for (name, subject_count) in [("one subject", 1), ("1000 subjects", 1000)] {
        group.bench_function(format!("append 128 B, {name}, disk in memory"), |bencher| {
            bencher.iter_with_large_drop(|| {
                let (disk, config) = (Arc::new(MemDisk::new()), StoreConfig::default());
                let file_config = FileStoreConfig::new("B");
                let dir = Path::new("/s");
                let store = FileStore::open(disk, dir, file_config, config, Timestamp(1));
                let mut store = store.expect("it can be opened");
                fill(&mut store, COUNT, subject_count);
                store
            });
        });
    }
    for (name, subject_count, compression) in [
        ("append 128 B, one subject", 1, Compression::None),
        ("append 128 B, 1000 subjects", 1000, Compression::None),
        ("append 128 B, 1000 subjects, compressed", 1000, Compression::S2),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_with_large_drop(|| {
                let folder = Folder::new("append");
                let file_config = FileStoreConfig { compression, ..FileStoreConfig::new("B") };
                let mut store = folder.open(&file_config);
                fill(&mut store, COUNT, subject_count);
                (store, folder)
            });
        });
    }
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let folder = Folder::new("read");
    let file_config =
        FileStoreConfig { cache_size_max: 256 * 1024 * 1024, ..FileStoreConfig::new("B") };
    let mut store = LazyCell::new(|| {
        let mut store = folder.open(&file_config);
        fill(&mut store, COUNT, 1000);
        store
    });
    let mut group = criterion.benchmark_group("file store");
    group.sample_size(10).throughput(Throughput::Elements(COUNT));
    group.bench_function("read on, cached", |bencher| {
        let store = &mut *store;
        bencher.iter(|| {
            let mut start = 0;
            while let Some(message) = store.load_next(Filter::All, start).expect("it is there") {
                start = black_box(message).seq + 1;
            }
        });
    });
    group.bench_function("read on, from the disk's cache", |bencher| {
        let store = &mut *store;
        bencher.iter(|| {
            store.release_caches();
            let mut start = 0;
            while let Some(message) = store.load_next(Filter::All, start).expect("it is there") {
                start = black_box(message).seq + 1;
            }
        });
    });
    group.throughput(Throughput::Elements(1000));
    let mut prng = Prng::from_seed(1);
    let seqs: Vec<u64> =
        (0..1000).map(|_| 1 + prng.below(usize::try_from(COUNT).expect("small")) as u64).collect();
    group.bench_function("load at random, cached", |bencher| {
        let store = &mut *store;
        bencher.iter(|| {
            for &seq in &seqs {
                black_box(store.load(seq).expect("it is there"));
            }
        });
    });
    group.bench_function("next of a subject", |bencher| {
        let store = &mut *store;
        bencher.iter(|| {
            for &seq in &seqs {
                black_box(store.load_next(Filter::One(b"orders.7"), seq).expect("it works"));
            }
        });
    });
    group.finish();
}

fn recover(criterion: &mut Criterion) {
    const MANY: u64 = 10_000_000;
    let file_config = FileStoreConfig::new("B");
    let folder = LazyCell::new(|| {
        let folder = Folder::new("recover");
        let mut store = folder.open(&file_config);
        fill(&mut store, MANY, 10_000);
        store.stop(Timestamp(1)).expect("it stops");
        folder
    });
    // A subject of eleven bytes at most, the body, and what is around them.
    let bytes = MANY * (11 + 128 + 30);
    let mut group = criterion.benchmark_group("file store");
    group.sample_size(10);
    group.bench_function("recover 10 million messages by the index", |bencher| {
        bencher.iter_with_large_drop(|| folder.open(&file_config));
    });
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("recover by a scan", |bencher| {
        bencher.iter_with_large_drop(|| {
            let index = folder.0.join("msgs").join("index.db");
            drop(std::fs::remove_file(index));
            folder.open(&file_config)
        });
    });
    group.finish();
}

/// Bytes that the process has in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string(Path::new("/proc/self/statm")).unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

#[expect(clippy::print_stdout, reason = "this is what the measurement is for")]
fn memory(_: &mut Criterion) {
    if std::env::var("NATSD_BENCH_MEMORY").is_err() {
        return;
    }
    let folder = Folder::new("memory");
    let before = resident();
    let mut store = folder.open(&FileStoreConfig::new("B"));
    fill(&mut store, 3_000_000, 1);
    store.sync().expect("it works");
    store.release_caches();
    let used = store.memory_size();
    println!(
        "3 million messages, one subject: {used} bytes by count, {} more resident",
        resident().saturating_sub(before)
    );
    drop(store);
    let before = resident();
    let folder = Folder::new("subjects");
    let mut store = folder.open(&FileStoreConfig::new("B"));
    fill(&mut store, 1_000_000, 1_000_000);
    store.sync().expect("it works");
    store.release_caches();
    println!(
        "1 million subjects: {} bytes each by count, {} more resident",
        store.memory_size() / 1_000_000,
        resident().saturating_sub(before) / 1_000_000
    );
    drop(store);
    let before = resident();
    let folder = Folder::new("idle");
    let stores: Vec<FileStore> = (0..2000)
        .map(|index| {
            let dir = folder.0.join(index.to_string());
            let (disk, config) = (Arc::new(RealDisk::new()), StoreConfig::default());
            let file_config = FileStoreConfig::new("B");
            let store = FileStore::open(disk, &dir, file_config, config, Timestamp(1));
            let mut store = store.expect("it can be opened");
            fill(&mut store, 20, 3);
            store.sync().expect("it works");
            store.release_caches();
            store
        })
        .collect();
    let used: usize = stores.iter().map(FileStore::memory_size).sum();
    println!(
        "2000 idle streams: {} bytes each by count, {} more resident",
        used / 2000 + size_of::<FileStore>(),
        resident().saturating_sub(before) / 2000
    );
}

criterion_group!(benches, append, read, recover, memory);
criterion_main!(benches);

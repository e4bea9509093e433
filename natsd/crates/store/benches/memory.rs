//! Speed of the store in memory: appending, loading, reading on, counting.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_base::Timestamp;
use natsd_store::{Filter, MemStore, NewMessage, StoreConfig, StreamStore};

const COUNT: u64 = 100_000;
const SUBJECT_COUNT: u64 = 1000;

fn filled(subjects: &[String]) -> MemStore {
    let mut store = MemStore::new(StoreConfig::default());
    let body = [7; 128];
    for index in 0..COUNT {
        let subject = &subjects[usize::try_from(index % SUBJECT_COUNT).expect("small")];
        let message = NewMessage {
            subject: subject.as_bytes(),
            headers: &[],
            body: &body,
            seq: None,
            timestamp: Timestamp(1),
            ttl: None,
            may_refuse: true,
        };
        store.store(message).expect("there is no limit");
    }
    store
}

fn memory(criterion: &mut Criterion) {
    let subjects: Vec<String> = (0..SUBJECT_COUNT).map(|index| format!("orders.{index}")).collect();
    let mut group = criterion.benchmark_group("memory store");
    group.sample_size(10).throughput(Throughput::Elements(COUNT));
    group.bench_function("append 128 B", |bencher| {
        bencher.iter_with_large_drop(|| filled(&subjects));
    });
    let mut store = filled(&subjects);
    group.bench_function("load one after the other", |bencher| {
        bencher.iter(|| {
            (1..=COUNT).map(|seq| store.load(seq).expect("it is there").body.len()).sum::<usize>()
        });
    });
    group.throughput(Throughput::Elements(COUNT / SUBJECT_COUNT));
    group.bench_function("read on in one subject of a thousand", |bencher| {
        bencher.iter(|| {
            let (mut start, mut size) = (0, 0);
            let filter = Filter::One(b"orders.500");
            while let Some(message) = store.load_next(filter, start).expect("no failure") {
                start = message.seq + 1;
                size += message.body.len();
            }
            size
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("count pending of a thousand subjects from the middle", |bencher| {
        bencher.iter(|| store.pending(black_box(COUNT / 2), Filter::One(b"orders.*"), false));
    });
    group.bench_function("count pending of everything", |bencher| {
        bencher.iter(|| store.pending(black_box(COUNT / 2), Filter::All, false));
    });
    group.finish();
}

criterion_group!(benches, memory);
criterion_main!(benches);

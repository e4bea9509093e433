//! Speed of the time hash wheel beside a binary heap, which can neither move nor remove.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_base::Timestamp;
use natsd_store::TimeHashWheel;

const COUNT: i64 = 100_000;

fn expiry(seq: i64) -> Timestamp {
    Timestamp(1_700_000_000_000_000_000 + seq * 7919 % 3600 * 1_000_000_000)
}

fn wheel_and_heap(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("expirations");
    group.sample_size(10).throughput(Throughput::Elements(COUNT.cast_unsigned()));
    let filled = || {
        let mut wheel = TimeHashWheel::new();
        (0..COUNT).for_each(|seq| wheel.insert(seq.cast_unsigned(), expiry(seq)));
        wheel
    };
    group.bench_function("wheel, insert", |bencher| bencher.iter(filled));
    group.bench_function("heap, insert", |bencher| {
        bencher.iter(|| {
            let mut heap = BinaryHeap::new();
            (0..COUNT).for_each(|seq| heap.push(Reverse((expiry(seq), seq))));
            heap
        });
    });
    group.bench_function("wheel, insert and update", |bencher| {
        bencher.iter(|| {
            let mut wheel = filled();
            for seq in 0..COUNT {
                wheel.update(seq.cast_unsigned(), expiry(seq), expiry(seq + 1));
            }
            wheel
        });
    });
    group.bench_function("wheel, insert and expire all", |bencher| {
        bencher.iter(|| {
            let mut wheel = filled();
            let mut sum = 0;
            wheel.expire(Timestamp::NEVER, |seq, _| {
                sum += seq;
                true
            });
            sum
        });
    });
    group.bench_function("heap, insert and expire all", |bencher| {
        bencher.iter(|| {
            let pairs = (0..COUNT).map(|seq| Reverse((expiry(seq), seq)));
            let mut heap: BinaryHeap<_> = pairs.collect();
            let mut sum = 0;
            while let Some(Reverse((_, seq))) = heap.pop() {
                sum += seq;
            }
            sum
        });
    });
    group.finish();
}

criterion_group!(benches, wheel_and_heap);
criterion_main!(benches);

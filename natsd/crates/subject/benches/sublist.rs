//! Speed of the interest table and the generic subject list on wildcard filters.
//!
//! Prints the structure's bytes per subscription too: memory is what limits a large server.
#![expect(clippy::print_stdout, reason = "the sizes are part of the result")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use natsd_subject::{GenericSubjectList, Sublist};

const COUNT: u64 = 100_000;

/// Distinct filters with four shapes, mostly sharing only their first tokens.
fn filters() -> Vec<Vec<u8>> {
    let shape = |number: u64| match number % 4 {
        0 => format!("a.{number}.*.x.>"),
        1 => format!("orders.{}.{number}.*", number % 50),
        2 => format!("*.{number}.events.created"),
        _ => format!("devices.{number}.status.*.>"),
    };
    (0..COUNT).map(|number| shape(number).into_bytes()).collect()
}

/// A subject that the filter of the same number stands for.
fn subjects() -> Vec<Vec<u8>> {
    let shape = |number: u64| match number % 4 {
        0 => format!("a.{number}.b.x.y.z"),
        1 => format!("orders.{}.{number}.new", number % 50),
        2 => format!("eu.{number}.events.created"),
        _ => format!("devices.{number}.status.cpu.load"),
    };
    (0..COUNT).map(|number| shape(number * 7919 % COUNT).into_bytes()).collect()
}

fn filled(filters: &[Vec<u8>], cached: bool) -> Sublist<u64> {
    let mut list = Sublist::with_cache(cached);
    for (filter, value) in filters.iter().zip(0..) {
        list.insert(filter, None, value).expect("the filters are valid");
    }
    list
}

fn sublist(criterion: &mut Criterion) {
    let (filters, subjects) = (filters(), subjects());
    let list = filled(&filters, false);
    let size = list.allocated_size() as u64;
    println!("sublist: {} bytes per subscription at {COUNT}", size / COUNT);

    let mut group = criterion.benchmark_group("sublist");
    group.sample_size(10).throughput(Throughput::Elements(COUNT));
    group.bench_function("insert 100k", |bencher| {
        bencher.iter_with_large_drop(|| filled(&filters, false));
    });
    group.bench_function("remove 100k", |bencher| {
        let remove = |mut list: Sublist<u64>| {
            for (filter, value) in filters.iter().zip(0..) {
                list.remove(filter, None, &value).expect("it was inserted");
            }
            list
        };
        bencher.iter_batched(|| filled(&filters, false), remove, BatchSize::LargeInput);
    });
    group.throughput(Throughput::Elements(1));
    group.sample_size(20);
    let mut next = subjects.iter().cycle();
    group.bench_function("match uncached", |bencher| {
        bencher.iter(|| black_box(list.match_subject(next.next().expect("endless"))));
    });
    let mut result = natsd_subject::MatchResult::default();
    group.bench_function("match into", |bencher| {
        bencher.iter(|| list.match_into(next.next().expect("endless"), black_box(&mut result)));
    });
    group.bench_function("has interest", |bencher| {
        bencher.iter(|| black_box(list.has_interest(next.next().expect("endless"))));
    });
    let cached = filled(&filters, true);
    let mut popular = subjects[..512].iter().cycle();
    group.bench_function("match cached", |bencher| {
        bencher.iter(|| black_box(cached.match_subject(popular.next().expect("endless"))));
    });
    group.finish();
}

fn one_subject(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one subject");
    group.sample_size(10).throughput(Throughput::Elements(10_000));
    group.bench_function("insert and remove 10k", |bencher| {
        bencher.iter(|| {
            let mut list = Sublist::new();
            for value in 0..10_000_u64 {
                list.insert(b"updates", None, value).expect("the subject is valid");
            }
            for value in 0..10_000_u64 {
                list.remove(b"updates", None, &value).expect("it was inserted");
            }
        });
    });
    group.finish();
}

fn generic_list(criterion: &mut Criterion) {
    let (filters, subjects) = (filters(), subjects());
    let mut list = GenericSubjectList::new();
    for (filter, value) in filters.iter().zip(0_u64..) {
        list.insert(filter, value).expect("the filters are valid");
    }
    let mut group = criterion.benchmark_group("generic subject list");
    group.sample_size(20).throughput(Throughput::Elements(1));
    let mut next = subjects.iter().cycle();
    group.bench_function("match", |bencher| {
        bencher.iter(|| {
            list.match_subject(next.next().expect("endless"), |value| {
                black_box(value);
            });
        });
    });
    group.finish();
}

criterion_group!(benches, sublist, one_subject, generic_list);
criterion_main!(benches);

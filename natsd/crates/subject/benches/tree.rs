//! Speed and size of the subject tree beside the standard maps.
#![expect(clippy::print_stdout, reason = "the sizes are part of the result")]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_subject::{GenericSubjectList, SubjectTree};

const COUNT: u64 = 100_000;

/// What a stream keeps per subject.
type State = [u64; 4];

fn subjects() -> Vec<Vec<u8>> {
    let subject = |number: u64| {
        let mixed = number * 7919 % COUNT;
        format!("account.{}.stream.{mixed}", mixed % 1000).into_bytes()
    };
    (0..COUNT).map(subject).collect()
}

fn filled(subjects: &[Vec<u8>]) -> SubjectTree<State> {
    let mut tree = SubjectTree::new();
    for subject in subjects {
        tree.insert(subject, [0; 4]);
    }
    tree
}

fn build_and_find(criterion: &mut Criterion) {
    let subjects = subjects();
    let tree = filled(&subjects);
    println!("subject tree: {} bytes per subject", tree.allocated_size() as u64 / COUNT);

    let mut group = criterion.benchmark_group("build 100k");
    group.sample_size(10).throughput(Throughput::Elements(COUNT));
    group.bench_function("tree", |bencher| {
        bencher.iter_with_large_drop(|| filled(&subjects));
    });
    let pairs = || subjects.iter().map(|subject| (subject.clone(), [0; 4]));
    group.bench_function("btree map", |bencher| {
        bencher.iter_with_large_drop(|| pairs().collect::<BTreeMap<Vec<u8>, State>>());
    });
    group.bench_function("hash map", |bencher| {
        bencher.iter_with_large_drop(|| pairs().collect::<HashMap<Vec<u8>, State>>());
    });
    group.finish();

    let btree: BTreeMap<Vec<u8>, State> = pairs().collect();
    let hash: HashMap<Vec<u8>, State> = pairs().collect();
    let mut group = criterion.benchmark_group("find in 100k");
    group.sample_size(20).throughput(Throughput::Elements(1));
    let mut next = subjects.iter().cycle();
    let mut next = || next.next().expect("endless");
    group.bench_function("tree", |bencher| bencher.iter(|| black_box(tree.get(next()))));
    group.bench_function("btree map", |bencher| bencher.iter(|| black_box(btree.get(next()))));
    group.bench_function("hash map", |bencher| bencher.iter(|| black_box(hash.get(next()))));
    group.finish();
}

fn search(criterion: &mut Criterion) {
    let tree = filled(&subjects());
    let mut group = criterion.benchmark_group("search 100k");
    group.sample_size(10);
    for (filter, found) in [
        (">", COUNT),
        ("account.*.stream.>", COUNT),
        ("account.7.>", COUNT / 1000),
        ("account.*.stream.77777", 1),
    ] {
        group.throughput(Throughput::Elements(found));
        group.bench_function(filter, |bencher| {
            bencher.iter(|| {
                let mut count = 0;
                tree.for_each_matching(filter.as_bytes(), |_, _| count += 1);
                assert_eq!(count, found);
            });
        });
    }
    let mut list = GenericSubjectList::new();
    for account in [7, 77, 777] {
        let filter = format!("account.{account}.stream.*");
        list.insert(filter.as_bytes(), account).expect("the filter is valid");
    }
    group.throughput(Throughput::Elements(3 * COUNT / 1000));
    group.bench_function("three filters", |bencher| {
        bencher.iter(|| {
            tree.visit_interesting(&list, |subject, _| {
                black_box(subject);
                std::ops::ControlFlow::<()>::Continue(())
            })
        });
    });
    group.finish();
}

criterion_group!(benches, build_and_find, search);
criterion_main!(benches);

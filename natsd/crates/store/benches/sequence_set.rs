//! Speed of the sequence set beside the standard ordered set and a flat bit map.

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_base::Prng;
use natsd_store::SequenceSet;

const COUNT: usize = 200_000;

/// The least that a set of sequences can do; it cannot leave gaps out.
#[derive(Default)]
struct BitMap(Vec<u64>);

impl BitMap {
    fn insert(&mut self, seq: u64) {
        let word = usize::try_from(seq / 64).expect("small");
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (seq % 64);
    }
}

fn build(criterion: &mut Criterion) {
    let mut prng = Prng::from_seed(1);
    let random: Vec<u64> = (0..COUNT).map(|_| prng.below(600_000) as u64).collect();
    let dense: Vec<u64> = (0..COUNT as u64).collect();
    for (name, sequences) in [("dense", dense), ("random", random)] {
        let mut group = criterion.benchmark_group(format!("insert {name}"));
        group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
        group.bench_function("sequence set", |bencher| {
            bencher.iter(|| sequences.iter().copied().collect::<SequenceSet>());
        });
        group.bench_function("btree set", |bencher| {
            bencher.iter(|| sequences.iter().copied().collect::<BTreeSet<u64>>());
        });
        group.bench_function("bit map", |bencher| {
            bencher.iter(|| {
                let mut map = BitMap::default();
                sequences.iter().for_each(|&seq| map.insert(seq));
                map
            });
        });
        group.finish();

        let set: SequenceSet = sequences.iter().copied().collect();
        let model: BTreeSet<u64> = sequences.iter().copied().collect();
        let mut group = criterion.benchmark_group(format!("use {name}"));
        group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
        group.bench_function("sequence set, contains", |bencher| {
            bencher.iter(|| sequences.iter().filter(|&&seq| set.contains(seq)).count());
        });
        group.bench_function("btree set, contains", |bencher| {
            bencher.iter(|| sequences.iter().filter(|&seq| model.contains(seq)).count());
        });
        group.bench_function("sequence set, iterate", |bencher| {
            bencher.iter(|| black_box(&set).iter().sum::<u64>());
        });
        group.bench_function("btree set, iterate", |bencher| {
            bencher.iter(|| black_box(&model).iter().sum::<u64>());
        });
        let mut bytes = Vec::new();
        group.bench_function("sequence set, encode and decode", |bencher| {
            bencher.iter(|| {
                bytes.clear();
                set.encode(&mut bytes);
                SequenceSet::decode(&bytes).expect("our own").0.len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, build);
criterion_main!(benches);

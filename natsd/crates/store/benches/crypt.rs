//! How fast blocks and whole files are encrypted, and what one small append costs.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_store::{Cipher, StoreKeys, StreamKeys};

const BLOCK_SIZE: usize = 2 << 20;

fn crypt(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("crypt");
    for (name, cipher) in [("chacha", Cipher::ChaCha), ("aes", Cipher::Aes)] {
        let store = StoreKeys::new(cipher, b"key", None);
        let (keys, _) = StreamKeys::create(&store, "A", "S", &mut |bytes| bytes.fill(1));
        let (block, _) = keys.new_block_key(1, &mut |bytes| bytes.fill(2));
        let mut bytes = vec![0; BLOCK_SIZE];
        group.throughput(Throughput::Bytes(BLOCK_SIZE as u64));
        group.bench_function(format!("block_2MiB_{name}"), |bencher| {
            bencher.iter(|| block.apply(0, black_box(&mut bytes)));
        });
        let sealed = keys.seal(&bytes, &mut |bytes| bytes.fill(3));
        group.bench_function(format!("open_2MiB_{name}"), |bencher| {
            bencher.iter(|| keys.open(black_box(&sealed)).expect("sealed with this key"));
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("append_128B_{name}"), |bencher| {
            bencher.iter(|| block.apply(1_000_003, black_box(&mut bytes[..128])));
        });
    }
    group.finish();
}

criterion_group!(benches, crypt);
criterion_main!(benches);

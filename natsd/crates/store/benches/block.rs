//! Speed of writing and scanning the records of a block.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_base::Timestamp;
use natsd_store::block::{BlockHash, BlockScan, Record, RecordKind};

const BLOCK_SIZE: usize = 8 * 1024 * 1024;

fn block(hash: &BlockHash, body_size: usize) -> (Vec<u8>, u64) {
    let body = vec![7; body_size];
    let mut out = Vec::with_capacity(BLOCK_SIZE + body_size);
    let mut seq = 0;
    while out.len() < BLOCK_SIZE {
        seq += 1;
        let record = Record {
            seq,
            timestamp: Timestamp(1),
            kind: RecordKind::Message,
            subject: b"orders.new",
            headers: &[],
            body: &body,
        };
        record.encode(hash, &mut out).expect("it is small");
    }
    (out, seq)
}

fn records(criterion: &mut Criterion) {
    let hash = BlockHash::new("S", 1);
    for body_size in [128, 4096] {
        let mut group = criterion.benchmark_group(format!("records of {body_size} B"));
        let (bytes, count) = block(&hash, body_size);
        group.sample_size(10).throughput(Throughput::Elements(count));
        group.bench_function("write", |bencher| bencher.iter(|| block(&hash, body_size)));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("scan", |bencher| {
            bencher.iter(|| BlockScan::new(&hash, &bytes).count());
        });
        group.finish();
    }
}

criterion_group!(benches, records);
criterion_main!(benches);

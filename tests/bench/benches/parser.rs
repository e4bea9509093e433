//! The client protocol parser: operations and bytes per second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use natsd_bench::inputs::{header_publishes, publishes, subscriptions};
use natsd_wire::nats::{Parsed, Parser, ParserLimits};

const LIMITS: ParserLimits =
    ParserLimits { control_line_max: 4096, payload_max: Some(1 << 20), headers: true };

/// Parses all of `input` and returns how many operations it held.
fn parse_all(input: &[u8]) -> usize {
    let mut parser = Parser::new();
    let (mut rest, mut operations) = (input, 0);
    while let Ok(Parsed::Complete { op, consumed }) = parser.parse(rest, &LIMITS) {
        black_box(op);
        operations += 1;
        rest = &rest[consumed..];
        if rest.is_empty() {
            break;
        }
    }
    operations
}

fn parser(criterion: &mut Criterion) {
    let inputs = [
        ("pub 16 bytes", publishes(1000, 16), 1000),
        ("pub 1 KiB", publishes(1000, 1024), 1000),
        ("hpub 16 bytes", header_publishes(1000, 16), 1000),
        ("sub and unsub", subscriptions(500), 1000),
    ];
    for (name, input, operations) in inputs {
        assert_eq!(parse_all(&input), operations, "{name} is read to its end");
        let mut group = criterion.benchmark_group("parser");
        group.throughput(Throughput::Elements(operations as u64));
        group.bench_function(name, |bencher| bencher.iter(|| parse_all(black_box(&input))));
        group.finish();
    }
}

criterion_group!(benches, parser);
criterion_main!(benches);

//! Rates, spreads and percentiles.

use super::*;

fn client(origin: Instant, messages: u64, from: u64, to: u64, latencies: &[u64]) -> ClientResult {
    ClientResult {
        messages,
        start: origin + Duration::from_millis(from),
        end: origin + Duration::from_millis(to),
        latencies: latencies.iter().copied().map(Duration::from_millis).collect(),
    }
}

fn report(latencies: &[u64]) -> Report {
    let origin = Instant::now();
    let mut report = Report::new("pub", "s", 10);
    report.add(client(origin, 1_000, 0, 1_000, latencies));
    report.add(client(origin, 1_000, 0, 2_000, &[]));
    report
}

#[test]
fn rates_divide_by_the_whole_time() {
    let document = report(&[]).json();
    assert_eq!(document["messages"], 2_000);
    assert_eq!(document["seconds"], 2.0);
    assert_eq!(document["msgs_per_sec"], 1_000.0);
    assert_eq!(document["bytes_per_sec"], 10_000.0);
    assert_eq!(document["per_client_msgs_per_sec"]["min"], 500.0);
    assert_eq!(document["per_client_msgs_per_sec"]["avg"], 750.0);
    assert_eq!(document["per_client_msgs_per_sec"]["max"], 1_000.0);
    assert_eq!(document["per_client_msgs_per_sec"]["stddev"], 250.0);
    assert_eq!(document["latency"], Value::Null);
}

#[test]
fn reports_are_shown_in_every_form() {
    let text = report(&[4, 2]).text();
    for part in [
        "pub: 2,000 messages in 2.00s, 1,000 msgs/s, 9.8 KiB/s\n",
        "│      2 ┆    1,000 ┆    500 ┆ 2.00s │",
        "per client: min 500, avg 750, max 1,000 msgs/s, deviation 250\n",
        "latency: min 2.00ms, p50 2.00ms, p90 4.00ms, p99 4.00ms, p99.9 4.00ms, max 4.00ms",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let csv = report(&[]).csv();
    let expected = "Bench,Client,MsgCount,MsgBytes,MsgsPerSec,BytesPerSec,DurationSecs\n\
                    pub,1,1000,10,1000,10000,1.000000\npub,2,1000,10,500,5000,2.000000\n";
    assert_eq!(csv, expected);
}

#[test]
fn a_report_of_nothing_divides_by_nothing() {
    let report = Report::new("sub", "s", 0);
    assert_eq!(report.text(), "sub: 0 messages in 0ns, 0 msgs/s, 0 B/s");
    assert_eq!(report.json()["msgs_per_sec"], 0.0);
    assert_eq!(spread(&[]), Spread::default());
}

#[test]
fn percentiles_are_values_that_occurred() {
    let values: Vec<Duration> = (1..=1_000).map(Duration::from_millis).collect();
    for (thousandths, millis) in [(0, 1), (500, 500), (990, 990), (999, 999), (1_000, 1_000)] {
        assert_eq!(percentile(&values, thousandths), Duration::from_millis(millis));
    }
    let one = [Duration::from_millis(7)];
    assert_eq!(percentile(&one, 500), one[0]);
    assert_eq!(percentile(&one, 999), one[0]);
    assert_eq!(percentile(&[], 500), Duration::ZERO);
}

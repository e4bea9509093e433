//! What a load came to: rates, spread among the clients, latencies. Pure.
//!
//! Rates divide by the time from the first client's start to the last one's end, not by an
//! average of the clients, which would flatter clients that did not run together.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::duration;
use crate::output;

/// The percentiles that are shown, in thousandths.
const PERCENTILES: [(&str, usize); 4] = [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999)];

/// What one client did.
#[derive(Debug)]
pub(super) struct ClientResult {
    /// Messages sent, received or answered.
    pub(super) messages: u64,
    /// Before the first message.
    pub(super) start: Instant,
    /// After the last message.
    pub(super) end: Instant,
    /// Time of each exchange, where there is one.
    pub(super) latencies: Vec<Duration>,
}

impl ClientResult {
    fn seconds(&self) -> f64 {
        self.end.saturating_duration_since(self.start).as_secs_f64()
    }

    fn rate(&self) -> f64 {
        rate(self.messages, self.seconds())
    }
}

/// What all clients did.
#[derive(Debug)]
pub(super) struct Report {
    role: &'static str,
    subject: String,
    size: usize,
    clients: Vec<ClientResult>,
}

/// Smallest, average and largest, and the standard deviation.
#[derive(Debug, Default, PartialEq)]
struct Spread {
    min: f64,
    avg: f64,
    max: f64,
    deviation: f64,
}

impl Report {
    /// A report without results yet.
    pub(super) fn new(role: &'static str, subject: &str, size: usize) -> Self {
        Self { role, subject: subject.to_owned(), size, clients: Vec::new() }
    }

    /// Adds a client's result.
    pub(super) fn add(&mut self, client: ClientResult) {
        self.clients.push(client);
    }

    fn messages(&self) -> u64 {
        self.clients.iter().map(|client| client.messages).sum()
    }

    /// From the first start to the last end of the clients that did something, in seconds.
    fn seconds(&self) -> f64 {
        let active = || self.clients.iter().filter(|client| client.messages > 0);
        let start = active().map(|client| client.start).min();
        let end = active().map(|client| client.end).max();
        match (start, end) {
            (Some(start), Some(end)) => end.saturating_duration_since(start).as_secs_f64(),
            _ => 0.0,
        }
    }

    fn bytes_of(&self, rate: f64) -> f64 {
        rate * as_f64(u64::try_from(self.size).unwrap_or(u64::MAX))
    }

    fn spread(&self) -> Spread {
        spread(&self.clients.iter().map(ClientResult::rate).collect::<Vec<_>>())
    }

    /// All latencies in order.
    fn latencies(&self) -> Vec<Duration> {
        let mut all: Vec<Duration> =
            self.clients.iter().flat_map(|client| client.latencies.iter().copied()).collect();
        all.sort_unstable();
        all
    }

    /// The report for people.
    pub(super) fn text(&self) -> String {
        let seconds = self.seconds();
        let total = rate(self.messages(), seconds);
        let mut text = format!(
            "{}: {} messages in {}, {} msgs/s, {}/s",
            self.role,
            output::thousands(self.messages()),
            duration::render(Duration::from_secs_f64(seconds)),
            whole(total),
            output::bytes(self.bytes_of(total)),
        );
        if self.clients.len() > 1 {
            text.push_str(&self.client_table());
        }
        let latencies = self.latencies();
        if let (Some(first), Some(last)) = (latencies.first(), latencies.last()) {
            let mut pairs = vec![("min", duration::render(*first))];
            for (name, thousandths) in PERCENTILES {
                pairs.push((name, duration::render(percentile(&latencies, thousandths))));
            }
            pairs.push(("max", duration::render(*last)));
            let parts: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{name} {value}")).collect();
            text.push_str(&format!("\nlatency: {}", parts.join(", ")));
        }
        text
    }

    fn client_table(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .clients
            .iter()
            .enumerate()
            .map(|(index, client)| {
                vec![
                    (index + 1).to_string(),
                    output::thousands(client.messages),
                    whole(client.rate()),
                    duration::render(Duration::from_secs_f64(client.seconds())),
                ]
            })
            .collect();
        let header = ["Client", "Messages", "Msgs/s", "Time"];
        let spread = self.spread();
        format!(
            "\n{}\nper client: min {}, avg {}, max {} msgs/s, deviation {}",
            output::table(&header, &rows, &header),
            whole(spread.min),
            whole(spread.avg),
            whole(spread.max),
            whole(spread.deviation)
        )
    }

    /// The report as JSON; times in seconds, rates per second.
    pub(super) fn json(&self) -> Value {
        let seconds = self.seconds();
        let total = rate(self.messages(), seconds);
        let spread = self.spread();
        let mut document = json!({
            "bench": self.role,
            "subject": self.subject,
            "size": self.size,
            "messages": self.messages(),
            "seconds": seconds,
            "msgs_per_sec": total,
            "bytes_per_sec": self.bytes_of(total),
            "per_client_msgs_per_sec": {
                "min": spread.min, "avg": spread.avg, "max": spread.max,
                "stddev": spread.deviation,
            },
            "clients": self.clients.iter().map(|client| json!({
                "messages": client.messages,
                "seconds": client.seconds(),
                "msgs_per_sec": client.rate(),
            })).collect::<Vec<_>>(),
        });
        let latencies = self.latencies();
        if let (Some(first), Some(last)) = (latencies.first(), latencies.last()) {
            let mut latency = json!({"min": first.as_secs_f64(), "max": last.as_secs_f64()});
            for (name, thousandths) in PERCENTILES {
                latency[name] = percentile(&latencies, thousandths).as_secs_f64().into();
            }
            document["latency"] = latency;
        }
        document
    }

    /// A header line and a line per client, with the columns of the nats tool.
    pub(super) fn csv(&self) -> String {
        let mut text =
            "Bench,Client,MsgCount,MsgBytes,MsgsPerSec,BytesPerSec,DurationSecs\n".to_owned();
        for (index, client) in self.clients.iter().enumerate() {
            let rate = client.rate();
            text.push_str(&format!(
                "{},{},{},{},{:.0},{:.0},{:.6}\n",
                self.role,
                index + 1,
                client.messages,
                self.size,
                rate,
                self.bytes_of(rate),
                client.seconds()
            ));
        }
        text
    }
}

/// A count as a floating point number; beyond 2^53 it loses digits that nobody reads.
#[expect(clippy::cast_precision_loss, reason = "a rate is shown with few digits")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

fn rate(messages: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { as_f64(messages) / seconds } else { 0.0 }
}

/// A rate as a whole number with commas.
fn whole(rate: f64) -> String {
    output::thousands(format!("{rate:.0}").parse().unwrap_or(0))
}

fn spread(rates: &[f64]) -> Spread {
    if rates.is_empty() {
        return Spread::default();
    }
    let count = as_f64(u64::try_from(rates.len()).unwrap_or(u64::MAX));
    let avg = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - avg).powi(2)).sum::<f64>() / count;
    Spread {
        min: rates.iter().copied().fold(f64::INFINITY, f64::min),
        avg,
        max: rates.iter().copied().fold(0.0, f64::max),
        deviation: variance.sqrt(),
    }
}

/// The smallest value that at least `thousandths` of a thousand values do not exceed.
fn percentile(sorted: &[Duration], thousandths: usize) -> Duration {
    let rank = (sorted.len() * thousandths).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! `natsctl rtt`: measures round trips to the server by PING and PONG.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::cli::{ConnectionArgs, Format, FormatArgs};
use crate::connect::{Session, connect};
use crate::duration;
use crate::output;

/// Round trips before the ones that count: the first ones warm up the connection.
const WARM_UP: u32 = 2;

/// Options of `rtt`.
#[derive(Debug, Args)]
pub(crate) struct RttArgs {
    /// How many round trips
    #[arg(default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    iterations: u32,

    #[command(flatten)]
    format: FormatArgs,
}

/// Measures and shows.
///
/// # Errors
/// When the server cannot be reached or does not answer.
pub(crate) async fn run(connection: &ConnectionArgs, arguments: &RttArgs) -> Result<()> {
    let session = connect(connection).await?;
    for _ in 0..WARM_UP {
        trip(&session).await?;
    }
    let mut trips = Vec::new();
    for _ in 0..arguments.iterations {
        trips.push(trip(&session).await?);
    }
    let info = session.client.server_info();
    // A complaint about a probe would have been taken for a PONG: no result is better than that.
    session.close().await?;
    let server = if info.server_name.is_empty() { info.server_id } else { info.server_name };
    let (shortest, average, longest) = statistics(&trips);
    match arguments.format.format() {
        Format::Json => output::print_json(&json!({
            "server": server,
            "iterations": trips.len(),
            "min": shortest.as_secs_f64(),
            "avg": average.as_secs_f64(),
            "max": longest.as_secs_f64(),
            "trips": trips.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
        }))?,
        Format::Table => output::print_line(&output::facts(&[
            ("Server", server),
            ("Round trips", trips.len().to_string()),
            ("Minimum", duration::render(shortest)),
            ("Average", duration::render(average)),
            ("Maximum", duration::render(longest)),
        ]))?,
    }
    Ok(())
}

async fn trip(session: &Session) -> Result<Duration> {
    let probe = session.client.subscribe(session.client.new_inbox()).await?;
    session.client.flush().await?;
    session.round_trip(probe).await
}

/// Shortest, average and longest; zero when there are none.
fn statistics(trips: &[Duration]) -> (Duration, Duration, Duration) {
    let count = u32::try_from(trips.len()).unwrap_or(u32::MAX).max(1);
    let total: Duration = trips.iter().sum();
    let shortest = trips.iter().min().copied().unwrap_or_default();
    let longest = trips.iter().max().copied().unwrap_or_default();
    (shortest, total / count, longest)
}

#[cfg(test)]
mod tests;

//! `natsctl bench`: measures throughput and latency.
//!
//! What is measured is what the server has done: publishers stop the clock when a last message
//! to themselves has come back, subscribers count what arrived. Clients connect before the clock
//! starts.

mod load;
mod report;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::ProgressBar;

use crate::cli::ConnectionArgs;
use crate::connect::Settings;
use crate::duration;
use crate::failure::note;
use crate::output;
use load::{Load, Role};
use report::Report;

/// The kinds of load.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Publish as fast as possible
    #[command(name = "pub")]
    Publish(PublishArgs),

    /// Count what arrives; start it before the publishers
    #[command(name = "sub")]
    Subscribe(SubscribeArgs),

    /// Send requests one after the other and measure how long answers take
    Request(RequestArgs),

    /// Answer requests for bench request
    #[command(visible_alias = "serve")]
    Reply(ReplyArgs),

    /// The same as bench request and bench reply, under their names in the nats tool
    #[command(subcommand, hide = true)]
    Service(ServiceCommand),
}

/// Names of the nats tool.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Send requests one after the other
    Request(RequestArgs),
    /// Answer requests
    Serve(ReplyArgs),
}

/// Options of every load.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Subject of the messages
    subject: String,

    /// How many connections
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: u32,

    /// Size of a body in bytes, such as 128, 4KB or 1MiB
    #[arg(long, default_value = "128", value_name = "BYTES", value_parser = duration::parse_size)]
    size: usize,

    /// Pause after each message
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,

    /// Show no progress bar
    #[arg(long)]
    no_progress: bool,

    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORM")]
    output: Form,
}

/// Options of `bench pub`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// How many messages, shared among the clients
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    msgs: u64,
}

/// Options of `bench sub`.
#[derive(Debug, Args)]
pub(crate) struct SubscribeArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// How many messages each client waits for; in a queue group, all together
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    msgs: u64,

    /// Queue group to share the messages in
    #[arg(long, value_name = "GROUP")]
    queue: Option<String>,

    /// End when no message came for so long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,
}

/// Options of `bench request`.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// How many requests, shared among the clients
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    msgs: u64,
}

/// Options of `bench reply`.
#[derive(Debug, Args)]
pub(crate) struct ReplyArgs {
    #[command(flatten)]
    common: CommonArgs,

    /// End after that many requests, all clients together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    msgs: Option<u64>,
}

/// Form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// One JSON document, times in seconds
    Json,
    /// A header line and a line per client
    Csv,
}

/// Runs a load and reports.
///
/// # Errors
/// When the server cannot be reached, refuses messages, or nobody answers requests.
pub(crate) async fn run(connection: &ConnectionArgs, command: BenchCommand) -> Result<()> {
    let (common, role) = match command {
        BenchCommand::Publish(arguments) => {
            (arguments.common, Role::Publish { messages: arguments.msgs })
        }
        BenchCommand::Subscribe(SubscribeArgs { common, msgs, queue, wait }) => {
            (common, Role::Subscribe { messages: msgs, queue, wait })
        }
        BenchCommand::Request(RequestArgs { common, msgs })
        | BenchCommand::Service(ServiceCommand::Request(RequestArgs { common, msgs })) => {
            (common, Role::Request { messages: msgs })
        }
        BenchCommand::Reply(ReplyArgs { common, msgs })
        | BenchCommand::Service(ServiceCommand::Serve(ReplyArgs { common, msgs })) => {
            (common, Role::Reply { messages: msgs })
        }
    };
    let bar = progress(&common, &role);
    if common.output == Form::Table {
        note(&format!(
            "Running {} on \"{}\" with {} clients and bodies of {} bytes",
            role.name(),
            common.subject,
            common.clients,
            common.size
        ));
    }
    let load = Load {
        settings: Settings::resolve(connection)?,
        role,
        subject: common.subject.clone(),
        size: common.size,
        sleep: common.sleep,
        bar: bar.clone(),
    };
    let (report, interrupted) = load.run(common.clients).await?;
    bar.finish_and_clear();
    if interrupted {
        note("interrupted; this is what was done so far");
    }
    print(&common, &report)
}

fn print(common: &CommonArgs, report: &Report) -> Result<()> {
    match common.output {
        Form::Table => output::print_line(&report.text())?,
        Form::Json => output::print_json(&report.json())?,
        Form::Csv => output::print(report.csv().as_bytes())?,
    }
    Ok(())
}

fn progress(common: &CommonArgs, role: &Role) -> ProgressBar {
    let total = role.total(common.clients);
    if common.no_progress || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match total {
        Some(total) => super::publish::bar(total),
        None => ProgressBar::new_spinner(),
    }
}

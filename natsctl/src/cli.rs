//! The command line: every command and the options that all of them share.
//!
//! Declarations only; the options of a command lie beside the command. Names follow natscli, so
//! that habits and scripts carry over.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cmd;
use crate::duration;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "natsctl",
    version,
    about = "Drives a NATS server from the command line",
    after_help = "Examples:\n  \
        natsctl sub 'orders.>'\n  \
        natsctl pub orders.new '{\"id\": 1}'\n  \
        natsctl request time.now\n  \
        natsctl bench pub test --msgs 1000000 --size 16",
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// How to reach the server.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command that talks to a server. Each wins over the context.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Server URLs, separated by commas
    #[arg(
        short,
        long,
        env = "NATS_URL",
        value_name = "URL",
        global = true,
        hide_env_values = true
    )]
    pub(crate) server: Option<String>,

    /// User name; without a password it is taken as a token
    #[arg(long, env = "NATS_USER", value_name = "NAME", global = true, hide_env_values = true)]
    pub(crate) user: Option<String>,

    /// Password
    #[arg(long, env = "NATS_PASSWORD", value_name = "TEXT", global = true, hide_env_values = true)]
    pub(crate) password: Option<String>,

    /// Token
    #[arg(long, env = "NATS_TOKEN", value_name = "TEXT", global = true, hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// Credentials file with a user JWT and its seed
    #[arg(long, env = "NATS_CREDS", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) creds: Option<String>,

    /// File with the seed of a user nkey
    #[arg(long, env = "NATS_NKEY", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) nkey: Option<String>,

    /// Client certificate, PEM
    #[arg(long, env = "NATS_CERT", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) tlscert: Option<String>,

    /// Private key of the client certificate, PEM
    #[arg(long, env = "NATS_KEY", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) tlskey: Option<String>,

    /// Certificate authority that signed the server's certificate, PEM
    #[arg(long, env = "NATS_CA", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) tlsca: Option<String>,

    /// Start TLS before the server has said anything
    #[arg(long, visible_alias = "tls-first", global = true)]
    pub(crate) tlsfirst: bool,

    /// How long to wait for the server and for answers [default: 5s]
    #[arg(long, env = "NATS_TIMEOUT", value_name = "DURATION", value_parser = duration::parse,
          global = true, hide_env_values = true)]
    pub(crate) timeout: Option<Duration>,

    /// Context to take settings from, instead of the selected one
    #[arg(long, env = "NATS_CONTEXT", value_name = "NAME", global = true, hide_env_values = true)]
    pub(crate) context: Option<String>,

    /// Use no context, whatever is selected or named
    #[arg(long, global = true)]
    pub(crate) no_context: bool,

    /// First tokens of the subjects on which answers arrive [default: _INBOX]
    #[arg(long, value_name = "PREFIX", global = true)]
    pub(crate) inbox_prefix: Option<String>,

    /// Name of the connection, shown by the server's monitoring
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) connection_name: Option<String>,

    /// Show on standard error what happens on the connection
    #[arg(long, global = true)]
    pub(crate) trace: bool,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish messages
    #[command(name = "pub", visible_alias = "publish")]
    Publish(cmd::publish::PublishArgs),

    /// Show messages as they arrive
    #[command(name = "sub", visible_alias = "subscribe")]
    Subscribe(cmd::subscribe::SubscribeArgs),

    /// Send requests and show the answers
    #[command(visible_alias = "req")]
    Request(cmd::request::RequestArgs),

    /// Answer requests
    Reply(cmd::reply::ReplyArgs),

    /// Measure the round trip time to the server
    Rtt(cmd::rtt::RttArgs),

    /// Measure throughput and latency
    #[command(subcommand)]
    Bench(cmd::bench::BenchCommand),

    /// Ask servers about themselves; needs a user of the system account
    #[command(subcommand, visible_aliases = ["srv", "sys"])]
    Server(cmd::server::ServerCommand),

    /// Manage contexts: named connection settings, shared with the nats tool
    #[command(subcommand, visible_alias = "ctx")]
    Context(cmd::context::ContextCommand),

    /// Print the completion script for a shell
    Completion(cmd::completion::CompletionArgs),
}

/// Form of the output of a command that shows facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
}

/// The choice of form, for commands where natscli has `--json`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FormatArgs {
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORM")]
    output: Format,

    /// The same as --output json
    #[arg(short, long, conflicts_with = "output")]
    json: bool,
}

impl FormatArgs {
    /// The form that was asked for.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.output }
    }
}

#[cfg(test)]
mod tests;

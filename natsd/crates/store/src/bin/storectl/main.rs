//! Looks at a store directory while no server uses it: verifies, lists, dumps and recovers.
//!
//! Only `recover` writes: everything else opens the disk for reading alone.

mod assets;
mod batches;
mod dump;
mod guard;
mod keys;
mod list;
mod overlay;
mod progress;
mod recover;
mod verify;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use natsd_store::StoreKeys;

use guard::Watch;
use keys::KeyOptions;
use progress::Progress;

/// Looks at a store directory of natsd or nats-server while no server uses it.
///
/// Whoever writes in a store directory holds its lock: while another process has it, `recover` is
/// refused, and the other verbs say that what they see may be of the middle of a change. A
/// nats-server takes no lock: nobody but you can know that it does not run.
#[derive(Debug, Parser)]
#[command(name = "storectl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Writes JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    key: KeyOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads everything; fails and lists what is damaged.
    Verify {
        /// The store directory, its `jetstream` folder, or the folder of one stream.
        dir: PathBuf,
        /// Says nothing but what is damaged: neither how far it is nor what it has seen.
        #[arg(long, short)]
        quiet: bool,
    },
    /// Lists accounts, streams, consumers and RAFT groups with their states.
    List {
        /// The store directory, its `jetstream` folder, or the folder of one stream.
        dir: PathBuf,
    },
    /// Writes the messages of a stream.
    Dump {
        /// The folder of the stream.
        stream_dir: PathBuf,
        /// Sequences: `A..B` with both, `A..`, `..B` or `A`.
        #[arg(long, value_parser = dump::parse_range)]
        seq: Option<(u64, u64)>,
    },
    /// Makes the changes of the journal again, cuts torn ends, puts aside what is damaged and
    /// writes the indexes. Afterwards a nats-server may use the directory.
    ///
    /// No server may use it meanwhile: it is refused while another process has the lock, but cannot
    /// see a nats-server.
    Recover {
        /// The store directory.
        dir: PathBuf,
    },
}

impl Command {
    fn dir(&self) -> &Path {
        match self {
            Self::Verify { dir, .. } | Self::List { dir } | Self::Recover { dir } => dir,
            Self::Dump { stream_dir, .. } => stream_dir,
        }
    }
}

/// What every command needs.
struct Context {
    json: bool,
    /// Says nothing but what is damaged.
    quiet: bool,
    keys: Option<StoreKeys>,
    progress: Arc<Progress>,
}

fn run(cli: &Cli, out: &mut dyn Write) -> io::Result<bool> {
    let keys = cli.key.read()?;
    let (quiet, progress) = match cli.command {
        Command::Verify { quiet, .. } => (quiet, !quiet),
        Command::List { .. } | Command::Dump { .. } | Command::Recover { .. } => (false, false),
    };
    let progress = if progress { Progress::on_terminal() } else { Progress::new(None) };
    let context = Context { json: cli.json, quiet, keys, progress: Arc::new(progress) };
    let dir = cli.command.dir();
    match &cli.command {
        Command::Verify { .. } => watched(dir, || verify::run(&context, dir, out)),
        Command::List { .. } => watched(dir, || list::run(&context, dir, out)),
        Command::Dump { seq, .. } => watched(dir, || dump::run(&context, dir, *seq, out)),
        Command::Recover { .. } => {
            let _lock = guard::lock(dir)?;
            recover::run(&context, dir, out)
        }
    }
}

/// Looks at a store that a server may use, and says when one does.
fn watched(dir: &Path, look: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
    let mut watch = Watch::new(dir);
    watch.look(&mut io::stderr());
    let outcome = look();
    watch.look(&mut io::stderr());
    outcome
}

/// An error and what caused it, in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match run(&cli, &mut out).and_then(|is_fine| out.flush().map(|()| is_fine)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            drop(out);
            let _ = writeln!(io::stderr(), "storectl: {}", explain(&error));
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests;

//! Looks at a store directory while no server uses it: verifies, lists, dumps and recovers.
//!
//! Only `recover` writes: everything else opens the disk for reading alone.

mod assets;
mod dump;
mod list;
mod overlay;
mod recover;
mod verify;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use natsd_store::{Cipher, StoreKeys};

/// Looks at a store directory of natsd or nats-server while no server uses it.
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

#[derive(Debug, Args)]
struct KeyOptions {
    /// A file with the key of an encrypted store; a line feed at its end does not count.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The key itself. Better in the environment than here, where others see it.
    #[arg(long, global = true, env = "NATSD_STORE_KEY", hide_env_values = true, hide = true)]
    key: Option<String>,
    /// The cipher of an encrypted store.
    #[arg(long, global = true, value_enum, default_value_t = CipherOption::Chacha)]
    cipher: CipherOption,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CipherOption {
    /// ChaCha20-Poly1305.
    Chacha,
    /// AES-GCM.
    Aes,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads everything; fails and lists what is damaged.
    Verify {
        /// The store directory, its `jetstream` folder, or the folder of one stream.
        dir: PathBuf,
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
    Recover {
        /// The store directory.
        dir: PathBuf,
    },
}

/// What every command needs.
struct Context {
    json: bool,
    keys: Option<StoreKeys>,
}

impl KeyOptions {
    fn read(&self) -> io::Result<Option<StoreKeys>> {
        let key = match (&self.key_file, &self.key) {
            (Some(path), _) => {
                let mut key = std::fs::read(path)?;
                while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                    key.pop();
                }
                key
            }
            (None, Some(key)) => key.clone().into_bytes(),
            (None, None) => return Ok(None),
        };
        let cipher = match self.cipher {
            CipherOption::Chacha => Cipher::ChaCha,
            CipherOption::Aes => Cipher::Aes,
        };
        Ok(Some(StoreKeys::new(cipher, &key, None)))
    }
}

fn run(cli: &Cli, out: &mut dyn Write) -> io::Result<bool> {
    let context = Context { json: cli.json, keys: cli.key.read()? };
    match &cli.command {
        Command::Verify { dir } => verify::run(&context, dir, out),
        Command::List { dir } => list::run(&context, dir, out),
        Command::Dump { stream_dir, seq } => dump::run(&context, stream_dir, *seq, out),
        Command::Recover { dir } => recover::run(&context, dir, out),
    }
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

//! Repository chores: `tidy`, `parity`, `ci`, `fuzz`.
//!
//! Reads the working tree and runs other programs; knows nothing of the product's code. A check
//! prints every violation it finds, one per line, before it fails.

mod ci;
mod fuzz;
mod parity;
mod tidy;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Repository chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Checks the rules that no compiler knows: sizes, layers, orphans, comments
    Tidy,
    /// Joins the ported tests with the list of Go tests
    Parity {
        /// Lists the pending tests of one Go file, such as server/client_test.go
        #[arg(long, value_name = "FILE")]
        pending: Option<String>,
    },
    /// Runs everything that must pass before a merge
    Ci {
        /// Runs only the steps with these names
        steps: Vec<String>,
    },
    /// Runs one fuzz target for a number of runs
    Fuzz {
        /// Name of the target, see tests/fuzz/fuzz_targets
        target: String,
        /// How many inputs to try
        #[arg(long, default_value_t = 1_000_000)]
        runs: u64,
    },
}

#[expect(clippy::print_stderr, reason = "a command line tool reports here")]
fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Tidy => tidy::run(),
        Verb::Parity { pending } => parity::run(pending.as_deref()),
        Verb::Ci { steps } => ci::run(&steps),
        Verb::Fuzz { target, runs } => fuzz::run(&target, runs),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

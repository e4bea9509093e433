//! The `natsctl` command: reads the command line, runs one command, says how it ended.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. A reader that closes the pipe early is not a
//! failure. Nothing here knows what a command does.

mod cli;
mod cmd;
mod connect;
mod context;
mod duration;
mod failure;
mod headers;
mod output;
mod program;
mod random;
mod template;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

fn main() -> ExitCode {
    // A variable that stands for an option counts as an argument for clap, a bare name does not.
    let bare = std::env::args_os().nth(1).is_none();
    let parsed = if bare { Cli::try_parse_from(["natsctl", "--help"]) } else { Cli::try_parse() };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let code = if bare { 2 } else { u8::try_from(error.exit_code()).unwrap_or(2) };
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&error.into()),
    };
    let result = runtime.block_on(cmd::run(cli));
    // A read of standard input that is still waiting must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

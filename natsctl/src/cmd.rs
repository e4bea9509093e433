//! The commands: one file each, with its options, its run, and its rendering.

pub(crate) mod bench;
mod body;
pub(crate) mod completion;
pub(crate) mod context;
pub(crate) mod publish;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod rtt;
pub(crate) mod server;
pub(crate) mod subscribe;

use anyhow::Result;

use crate::cli::{Cli, Command};

/// Runs what the command line says, until done or interrupted.
///
/// # Errors
/// Whatever the command reports.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    let connection = cli.connection;
    match cli.command {
        Command::Publish(arguments) => publish::run(&connection, arguments).await,
        Command::Subscribe(arguments) => subscribe::run(&connection, arguments).await,
        Command::Request(arguments) => request::run(&connection, arguments).await,
        Command::Reply(arguments) => reply::run(&connection, arguments).await,
        Command::Rtt(arguments) => rtt::run(&connection, &arguments).await,
        Command::Bench(command) => bench::run(&connection, command).await,
        Command::Server(command) => server::run(&connection, command).await,
        Command::Context(command) => context::run(&connection, command),
        Command::Completion(arguments) => completion::run(&arguments),
    }
}

/// Ends when the user or the system asks the command to end. Cancel safe.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process by itself.
        std::future::pending::<()>().await;
    }
}

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

use std::pin::Pin;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// Runs what the command line says, until done or interrupted.
///
/// # Errors
/// Whatever the command reports.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    let connection = cli.connection;
    match cli.command {
        Command::Publish(arguments) => {
            insistent(Box::pin(publish::run(&connection, arguments))).await
        }
        Command::Subscribe(arguments) => {
            insistent(Box::pin(subscribe::run(&connection, arguments))).await
        }
        Command::Request(arguments) => {
            insistent(Box::pin(request::run(&connection, arguments))).await
        }
        Command::Reply(arguments) => insistent(Box::pin(reply::run(&connection, arguments))).await,
        Command::Rtt(arguments) => rtt::run(&connection, &arguments).await,
        Command::Bench(command) => insistent(Box::pin(bench::run(&connection, command))).await,
        Command::Server(command) => server::run(&connection, command).await,
        Command::Context(command) => context::run(&connection, command),
        Command::Completion(arguments) => completion::run(&arguments),
    }
}

/// Runs a command that ends by itself at the first signal, and ends it at the second one, when
/// the server does not let it end well.
async fn insistent(command: Pin<Box<impl Future<Output = Result<()>>>>) -> Result<()> {
    let twice = async {
        interrupted().await;
        interrupted().await;
    };
    tokio::select! {
        result = command => result,
        () = twice => Err(Failure::new("interrupted").into()),
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

//! `natsctl pub`: publishes one message or many.
//!
//! Success means that the server has taken every message: the connection is closed only after the
//! server answered everything, and its complaints are failures.

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use async_nats::header::{HeaderName, HeaderValue};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::body;
use crate::cli::ConnectionArgs;
use crate::connect::{Session, connect};
use crate::duration;
use crate::failure::{Failure, note};
use crate::headers;
use crate::random::Random;
use crate::template::{Template, Values};

/// From this many messages on a terminal gets a progress bar instead of a line per message.
const PROGRESS_FROM: u64 = 20;

/// From this many bytes on, a message to ourselves confirms what was sent. Less fits into the
/// socket's buffer, so that the PING at the end is enough and needs no permission.
const SETTLE_FROM: usize = 64 << 10;

/// Options of `pub`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    natsctl pub greet.joe hello\n  \
    natsctl pub greet.joe hello -H Trace:1 --reply answers\n  \
    tar c . | natsctl pub backup -\n  \
    natsctl pub load 'message {{Count}} at {{TimeStamp}}' --templates --count 100")]
pub(crate) struct PublishArgs {
    /// Subject to publish to
    subject: String,

    /// Body; - or a pipe reads it from standard input
    body: Option<String>,

    /// Subject for answers
    #[arg(long, value_name = "SUBJECT")]
    reply: Option<String>,

    /// Header as Name:Value; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = headers::parse)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// How many messages
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,

    /// Pause between messages
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,

    /// Fill in {{Count}} {{TimeStamp}} {{Time}} {{Unix}} {{UnixNano}} {{ID}} {{Random MIN MAX}}
    #[arg(long)]
    templates: bool,

    /// Read the body from standard input, whatever it is
    #[arg(long)]
    force_stdin: bool,

    /// Say nothing about what was published
    #[arg(short, long)]
    quiet: bool,
}

/// Publishes.
///
/// # Errors
/// When the body cannot be had, or the server cannot be reached or refuses a message.
pub(crate) async fn run(connection: &ConnectionArgs, arguments: PublishArgs) -> Result<()> {
    let body = body::read(arguments.body.as_deref(), arguments.force_stdin, arguments.templates)?;
    let subject = if arguments.templates {
        Template::parse(&arguments.subject).map_err(Failure::usage)?
    } else {
        Template::literal(&arguments.subject)
    };
    let mut session = connect(connection).await?;
    let progress = progress(&arguments);
    let headers = headers::collect(&arguments.headers);
    let mut random = Random::new();
    let mut sent: usize = 0;
    let mut last: Option<String> = None;
    let interrupted = super::interrupted();
    tokio::pin!(interrupted);
    for count in 1..=arguments.count {
        let values = Values { count, now: SystemTime::now(), subject: "", request: b"" };
        let name = subject_text(&subject, &values, &mut random)?;
        let payload = body.render(&values, &mut random);
        let size = payload.len();
        let message = async_nats::message::OutboundMessage {
            subject: name.as_str().into(),
            reply: arguments.reply.as_deref().map(Into::into),
            headers: headers.clone(),
            payload,
        };
        tokio::select! {
            result = publish(&session, message) => result?,
            () = &mut interrupted => return finish(session, sent, Some(count - 1)).await,
        }
        sent = sent.saturating_add(size);
        match &progress {
            Some(bar) => bar.inc(1),
            None => {
                let line = format!("Published {size} bytes to \"{name}\"");
                // A single message is reported when the server has it.
                match arguments.count {
                    1 => last = Some(line),
                    _ if arguments.quiet => {}
                    _ => note(&line),
                }
            }
        }
        if let Some(pause) = arguments.sleep.filter(|_| count < arguments.count) {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut interrupted => return finish(session, sent, Some(count)).await,
                complaint = session.complaint() => {
                    return Err(crate::connect::complaint_failure(&complaint).into());
                }
            }
        }
    }
    if let Some(bar) = &progress {
        bar.finish();
    }
    finish(session, sent, None).await?;
    if let Some(line) = last.filter(|_| arguments.count == 1 && !arguments.quiet) {
        note(&line);
    }
    Ok(())
}

fn subject_text(subject: &Template, values: &Values<'_>, random: &mut Random) -> Result<String> {
    let bytes = subject.render(values, random);
    Ok(String::from_utf8(bytes).map_err(|_| Failure::usage("the subject is not UTF-8"))?)
}

async fn publish(session: &Session, message: async_nats::message::OutboundMessage) -> Result<()> {
    let subject = message.subject.clone();
    let client = &session.client;
    let result = match (message.reply, message.headers) {
        (None, None) => client.publish(subject.clone(), message.payload).await,
        (None, Some(headers)) => {
            client.publish_with_headers(subject.clone(), headers, message.payload).await
        }
        (Some(reply), None) => {
            client.publish_with_reply(subject.clone(), reply, message.payload).await
        }
        (Some(reply), Some(headers)) => {
            client
                .publish_with_reply_and_headers(subject.clone(), reply, headers, message.payload)
                .await
        }
    };
    Ok(result.map_err(|error| Failure::new(format!("cannot publish to \"{subject}\": {error}")))?)
}

/// Waits until the server has taken everything.
async fn finish(mut session: Session, sent: usize, stopped_at: Option<u64>) -> Result<()> {
    if sent >= SETTLE_FROM {
        session.settle().await?;
    }
    session.check_unbroken()?;
    session.close().await?;
    match stopped_at {
        Some(count) => Err(Failure::new(format!("interrupted after {count} messages")).into()),
        None => Ok(()),
    }
}

/// A bar for many messages on a terminal.
fn progress(arguments: &PublishArgs) -> Option<ProgressBar> {
    let wanted =
        arguments.count >= PROGRESS_FROM && !arguments.quiet && std::io::stderr().is_terminal();
    wanted.then(|| bar(arguments.count))
}

/// A progress bar over a number of messages, on standard error.
pub(super) fn bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:30} {human_pos}/{human_len} messages, {per_sec}, {eta} left",
    );
    let bar = ProgressBar::new(total);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

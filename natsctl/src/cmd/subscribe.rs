//! `natsctl sub`: shows messages as they arrive.
//!
//! Ends after `--count` messages, after `--wait` without any, or when interrupted, all of which
//! are success.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use async_nats::{Message, Subscriber};
use clap::{Args, ValueEnum};
use futures_util::StreamExt;
use futures_util::stream::select_all;

use natsd_subject::subject;

use crate::cli::ConnectionArgs;
use crate::connect::{Session, complaint_failure, connect};
use crate::duration;
use crate::failure::{Failure, note, warn};
use crate::output::message::{Detail, When};
use crate::output::{self, message};
use crate::program::{self, CommandLine};

/// Options of `sub`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    natsctl sub 'orders.>'\n  \
    natsctl sub orders.new --queue workers --count 10\n  \
    natsctl sub '>' -o json | jq .subject\n  \
    natsctl sub orders.new --translate 'jq .'")]
pub(crate) struct SubscribeArgs {
    /// Subjects to listen to; * and > are wildcards
    #[arg(required = true, value_name = "SUBJECT")]
    subjects: Vec<String>,

    /// Share the messages with the other members of this queue group
    #[arg(long, value_name = "GROUP")]
    queue: Option<String>,

    /// End after that many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End when no message came for so long
    #[arg(long, visible_alias = "max-wait", value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,

    /// Show bodies only, each with a line end
    #[arg(short, long, conflicts_with_all = ["output", "headers_only", "subjects_only"])]
    raw: bool,

    /// Show no bodies
    #[arg(long)]
    headers_only: bool,

    /// Show one line with the subject per message
    #[arg(long, conflicts_with_all = ["headers_only", "output"])]
    subjects_only: bool,

    /// Leave out messages whose subject matches; may be repeated
    #[arg(short = 'I', long = "ignore-subject", value_name = "SUBJECT")]
    ignore: Vec<String>,

    /// Show when each message came
    #[arg(short, long, conflicts_with = "raw")]
    timestamp: bool,

    /// Show the time since the message before
    #[arg(short, long, conflicts_with = "raw")]
    delta_time: bool,

    /// Run each body through a program before it is shown
    #[arg(long, value_name = "COMMAND", value_parser = program::parse)]
    translate: Option<CommandLine>,

    /// Write each message as a JSON file into this folder instead of showing it
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["raw", "output", "subjects_only"])]
    dump: Option<PathBuf>,

    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORM")]
    output: Form,
}

/// How messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Listens and shows.
///
/// # Errors
/// When the server cannot be reached or refuses a subscription, or the output cannot be written.
pub(crate) async fn run(connection: &ConnectionArgs, arguments: SubscribeArgs) -> Result<()> {
    if let Some(folder) = &arguments.dump {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("make folder {}", folder.display()))?;
    }
    let mut session = connect(connection).await?;
    let mut subscribers = Vec::new();
    for subject in &arguments.subjects {
        subscribers.push(subscribe(&session, subject, arguments.queue.as_deref()).await?);
    }
    session.settle().await?;
    note(&format!("Subscribing on {}", arguments.subjects.join(", ")));
    let mut messages = select_all(subscribers);
    let mut viewer = Viewer { arguments: &arguments, shown: 0, last: None };
    let interrupted = super::interrupted();
    tokio::pin!(interrupted);
    loop {
        let quiet = async {
            match arguments.wait {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        // Every branch is cancel safe: streams and channels keep what was not taken.
        let message = tokio::select! {
            message = messages.next() => message,
            complaint = session.complaint() => {
                if complaint.contains("Permissions Violation") {
                    return Err(complaint_failure(&complaint).into());
                }
                warn(&format!("the server says: {complaint}"));
                continue;
            }
            () = quiet => return Ok(()),
            () = &mut interrupted => return Ok(()),
        };
        let Some(message) = message else {
            return Err(Failure::new("the connection has ended").into());
        };
        viewer.show(&message).await?;
        if arguments.count.is_some_and(|count| viewer.shown >= count) {
            return Ok(());
        }
    }
}

/// Subscribes, alone or as a member of a queue group.
pub(super) async fn subscribe(
    session: &Session,
    subject: &str,
    queue: Option<&str>,
) -> Result<Subscriber> {
    let result = match queue {
        Some(queue) => session.client.queue_subscribe(subject.to_owned(), queue.to_owned()).await,
        None => session.client.subscribe(subject.to_owned()).await,
    };
    Ok(result.map_err(|error| Failure::new(format!("cannot subscribe to {subject:?}: {error}")))?)
}

struct Viewer<'a> {
    arguments: &'a SubscribeArgs,
    shown: u64,
    last: Option<Instant>,
}

impl Viewer<'_> {
    async fn show(&mut self, message: &Message) -> Result<()> {
        if self
            .arguments
            .ignore
            .iter()
            .any(|filter| subject::matches(message.subject.as_bytes(), filter.as_bytes()))
        {
            return Ok(());
        }
        self.shown += 1;
        let when = self.when();
        let body = match &self.arguments.translate {
            Some(CommandLine(words)) => {
                let environment = [("NATS_SUBJECT", message.subject.as_str())];
                program::run(words, &message.payload, &environment).await?.into()
            }
            None => message.payload.clone(),
        };
        let arguments = self.arguments;
        if let Some(folder) = &arguments.dump {
            return dump(folder, self.shown, message, &body, when, !arguments.headers_only);
        }
        let bytes = if arguments.raw {
            [&body[..], b"\n"].concat()
        } else if arguments.output == Form::Json {
            let object = message::json(message, &body, when, !arguments.headers_only);
            format!("{object}\n").into_bytes()
        } else {
            let detail = match (arguments.subjects_only, arguments.headers_only) {
                (true, _) => Detail::SubjectOnly,
                (false, true) => Detail::HeadersOnly,
                (false, false) => Detail::All,
            };
            message::text(message, &body, self.shown, when, detail)
        };
        Ok(output::print(&bytes)?)
    }

    fn when(&mut self) -> When {
        let now = Instant::now();
        let before = self.last.replace(now);
        let since_last = before.map_or(Duration::ZERO, |before| now - before);
        When {
            timestamp: self.arguments.timestamp.then(SystemTime::now),
            since_last: self.arguments.delta_time.then_some(since_last),
        }
    }
}

fn dump(
    folder: &Path,
    index: u64,
    message: &Message,
    body: &[u8],
    when: When,
    with_body: bool,
) -> Result<()> {
    let path = folder.join(format!("{index}.json"));
    let object = message::json(message, body, when, with_body);
    std::fs::write(&path, format!("{object:#}\n"))
        .with_context(|| format!("write {}", path.display()))
}

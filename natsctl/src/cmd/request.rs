//! `natsctl request`: sends requests and shows the answers.
//!
//! Facts about the exchange go to standard error, answers to standard output. That nobody listens
//! is a failure; that an expected number of answers did not come is one too.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use async_nats::header::{HeaderName, HeaderValue};
use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use clap::{Args, ValueEnum};

use super::body;
use crate::cli::ConnectionArgs;
use crate::connect::{Session, connect};
use crate::duration;
use crate::failure::{Failure, note};
use crate::headers;
use crate::output::message::{When, header_lines};
use crate::output::{self, message};
use crate::program::{self, CommandLine};
use crate::random::Random;
use crate::template::Values;

/// Options of `request`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    natsctl request time.now\n  \
    natsctl request service.info --replies 0 --timeout 2s\n  \
    natsctl request orders.get '{\"id\": 7}' --raw | jq .")]
pub(crate) struct RequestArgs {
    /// Subject to ask
    subject: String,

    /// Body; - or a pipe reads it from standard input
    body: Option<String>,

    /// Header as Name:Value; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = headers::parse)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// How many requests
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,

    /// How many answers to wait for; 0 takes what comes within the timeout
    #[arg(long, default_value_t = 1, value_name = "N")]
    replies: u64,

    /// End when no further answer came for so long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    reply_timeout: Option<Duration>,

    /// Take answers until one is empty
    #[arg(long, conflicts_with = "replies")]
    wait_for_empty: bool,

    /// Show the bodies of answers only
    #[arg(short, long, conflicts_with = "output")]
    raw: bool,

    /// Fill in {{Count}} {{TimeStamp}} {{Time}} {{Unix}} {{UnixNano}} {{ID}} {{Random MIN MAX}}
    #[arg(long)]
    templates: bool,

    /// Read the body from standard input, whatever it is
    #[arg(long)]
    force_stdin: bool,

    /// Run each answer through a program before it is shown
    #[arg(long, value_name = "COMMAND", value_parser = program::parse)]
    translate: Option<CommandLine>,

    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORM")]
    output: Form,
}

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// Asks and shows.
///
/// # Errors
/// When the server cannot be reached, nobody listens, or answers are missing.
pub(crate) async fn run(connection: &ConnectionArgs, arguments: RequestArgs) -> Result<()> {
    let body = body::read(arguments.body.as_deref(), arguments.force_stdin, arguments.templates)?;
    let mut session = connect(connection).await?;
    let mut random = Random::new();
    let interrupted = super::interrupted();
    tokio::pin!(interrupted);
    for count in 1..=arguments.count {
        let values = Values { count, now: SystemTime::now(), subject: "", request: b"" };
        let payload = body.render(&values, &mut random);
        tokio::select! {
            result = exchange(&mut session, &arguments, payload) => result?,
            () = &mut interrupted => return Err(Failure::new("interrupted").into()),
        }
    }
    Ok(())
}

/// One request with its answers.
async fn exchange(session: &mut Session, arguments: &RequestArgs, payload: Bytes) -> Result<()> {
    let subject = &arguments.subject;
    if !arguments.raw && arguments.output == Form::Text {
        note(&format!("Sending request on \"{subject}\""));
    }
    let headers = headers::collect(&arguments.headers);
    let mut question = ask(session, subject, headers, payload).await?;
    let mut received: u64 = 0;
    loop {
        let wait = match arguments.reply_timeout {
            Some(gap) if received > 0 => gap.min(question.left(session.timeout)),
            _ => question.left(session.timeout),
        };
        let answer = tokio::time::timeout(wait, session.next(&mut question.answers)).await;
        let Ok(answer) = answer else {
            return missing(arguments, received, session.timeout);
        };
        let Some(answer) = answer? else {
            return Err(Failure::new("the connection has ended").into());
        };
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(nobody(subject).into());
        }
        received += 1;
        let is_last = (arguments.wait_for_empty && answer.payload.is_empty())
            || (!arguments.wait_for_empty && received == arguments.replies);
        show(arguments, &answer, question.start.elapsed()).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// A request that was sent.
pub(super) struct Question {
    /// Where answers arrive.
    pub(super) answers: Subscriber,
    /// When it was sent.
    pub(super) start: Instant,
}

impl Question {
    /// How much of `limit` is left.
    pub(super) fn left(&self, limit: Duration) -> Duration {
        limit.saturating_sub(self.start.elapsed())
    }
}

/// Sends a request whose answers arrive on an inbox of its own.
pub(super) async fn ask(
    session: &Session,
    subject: &str,
    headers: Option<HeaderMap>,
    payload: Bytes,
) -> Result<Question> {
    let client = &session.client;
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await?;
    let start = Instant::now();
    let name = subject.to_owned();
    let sent = match headers {
        None => client.publish_with_reply(name, inbox, payload).await,
        Some(headers) => client.publish_with_reply_and_headers(name, inbox, headers, payload).await,
    };
    sent.map_err(|error| Failure::new(format!("cannot publish to \"{subject}\": {error}")))?;
    Ok(Question { answers, start })
}

/// That nobody listens, as a failure.
pub(super) fn nobody(subject: &str) -> Failure {
    Failure::new(format!("nobody answers on \"{subject}\": no responders are available"))
        .hint("is the service running, and in the same account?")
}

/// What the end of waiting means, when `received` answers have come.
fn missing(arguments: &RequestArgs, received: u64, timeout: Duration) -> Result<()> {
    let subject = &arguments.subject;
    match received {
        0 => Err(Failure::new(format!(
            "no answer on \"{subject}\" within {}",
            duration::render(timeout)
        ))
        .hint("somebody listens there but did not answer; --timeout waits longer")
        .into()),
        _ if arguments.wait_for_empty => {
            Err(Failure::new(format!("{received} answers, but no empty one to end them")).into())
        }
        _ if received < arguments.replies => Err(Failure::new(format!(
            "{received} of {} answers came on \"{subject}\"",
            arguments.replies
        ))
        .into()),
        _ => Ok(()),
    }
}

async fn show(arguments: &RequestArgs, answer: &Message, elapsed: Duration) -> Result<()> {
    let body = match &arguments.translate {
        Some(CommandLine(words)) => {
            let environment = [("NATS_SUBJECT", answer.subject.as_str())];
            program::run(words, &answer.payload, &environment).await?.into()
        }
        None => answer.payload.clone(),
    };
    if arguments.output == Form::Json {
        let mut object = message::json(answer, &body, When::default(), true);
        if let Some(object) = object.as_object_mut() {
            object.insert("rtt".to_owned(), elapsed.as_secs_f64().into());
        }
        return Ok(output::print_line(&object.to_string())?);
    }
    let mut bytes = Vec::new();
    if !arguments.raw {
        note(&format!("Received with rtt {}", duration::render(elapsed)));
        let lines = header_lines(answer);
        bytes.extend_from_slice(lines.as_bytes());
        if !lines.is_empty() {
            bytes.push(b'\n');
        }
    }
    bytes.extend_from_slice(&body);
    bytes.push(b'\n');
    Ok(output::print(&bytes)?)
}

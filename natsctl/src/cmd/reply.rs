//! `natsctl reply`: answers requests, for tests and small services.
//!
//! The answer is a fixed text with places to fill in, the request itself, or what a program
//! prints. Never runs a shell: a request cannot become a command.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use async_nats::header::{HeaderName, HeaderValue};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use clap::Args;
use futures_util::StreamExt;

use super::subscribe::subscribe;
use crate::cli::ConnectionArgs;
use crate::connect::{Session, complaint_failure, connect};
use crate::duration;
use crate::failure::{Failure, note, warn};
use crate::headers;
use crate::program::{self, CommandLine};
use crate::random::Random;
use crate::template::{Template, Values};

/// Options of `reply`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    natsctl reply greet 'hello number {{Count}}'\n  \
    natsctl reply 'echo.*' --echo\n  \
    natsctl reply 'weather.*' --command 'curl -s wttr.in/{{1}}?format=3'\n\n\
    The body and the command may hold {{Count}} {{TimeStamp}} {{ID}} {{Request}} {{Subject}},\n\
    and {{0}} {{1}} … for the tokens of the subject. A command has the request as its standard\n\
    input and the subject in NATS_REQUEST_SUBJECT.")]
pub(crate) struct ReplyArgs {
    /// Subject to answer; * and > are wildcards
    subject: String,

    /// Body of the answers
    #[arg(required_unless_present_any = ["echo", "command"])]
    body: Option<String>,

    /// Answer with the request's own body and headers
    #[arg(long, conflicts_with_all = ["body", "command"])]
    echo: bool,

    /// Answer with what this program prints
    #[arg(long, value_name = "COMMAND", value_parser = program::parse, conflicts_with = "body")]
    command: Option<CommandLine>,

    /// Share the requests with the other members of this queue group
    #[arg(short, long, default_value = "NATS-RPLY-22", value_name = "GROUP")]
    queue: String,

    /// End after that many requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Wait before each answer
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,

    /// Header of the answers as Name:Value; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = headers::parse)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the answers are made from.
enum Answer {
    Echo,
    Text(Template),
    Program(Vec<Template>),
}

/// Listens and answers.
///
/// # Errors
/// When a template is wrong, or the server cannot be reached or refuses the subscription.
pub(crate) async fn run(connection: &ConnectionArgs, arguments: ReplyArgs) -> Result<()> {
    let answer = answer(&arguments).map_err(Failure::usage)?;
    let mut session = connect(connection).await?;
    let mut requests = subscribe(&session, &arguments.subject, Some(&arguments.queue)).await?;
    session.settle().await?;
    note(&format!("Listening on \"{}\" in group \"{}\"", arguments.subject, arguments.queue));
    let mut random = Random::new();
    let mut answered: u64 = 0;
    let interrupted = super::interrupted();
    tokio::pin!(interrupted);
    while arguments.count.is_none_or(|count| answered < count) {
        let request = tokio::select! {
            request = requests.next() => request,
            complaint = session.complaint() => {
                if complaint.contains("Permissions Violation for Subscription") {
                    return Err(complaint_failure(&complaint).into());
                }
                warn(&format!("the server says: {complaint}"));
                continue;
            }
            () = &mut interrupted => break,
        };
        let Some(request) = request else {
            return Err(Failure::new("the connection has ended").into());
        };
        let size = request.payload.len();
        note(&format!("Request {} on \"{}\" with {size} bytes", answered + 1, request.subject));
        let Some(reply) = request.reply.clone() else {
            warn("it asks for no answer");
            continue;
        };
        if let Some(pause) = arguments.sleep {
            tokio::time::sleep(pause).await;
        }
        answered += 1;
        match make(&answer, &request, answered, &mut random).await {
            Ok(body) => send(&session, &arguments, &request, reply, body).await?,
            // The service goes on; whoever asked sees no answer in time.
            Err(error) => warn(&format!("no answer given: {error:#}")),
        }
    }
    session.close().await
}

fn answer(arguments: &ReplyArgs) -> Result<Answer, String> {
    if let Some(CommandLine(words)) = &arguments.command {
        let words: Result<Vec<Template>, String> =
            words.iter().map(|word| Template::parse(word)).collect();
        return Ok(Answer::Program(words?));
    }
    match &arguments.body {
        Some(body) => Ok(Answer::Text(Template::parse(body)?)),
        None => Ok(Answer::Echo),
    }
}

async fn make(
    answer: &Answer,
    request: &Message,
    count: u64,
    random: &mut Random,
) -> Result<Bytes> {
    let subject = request.subject.as_str();
    let values = Values { count, now: SystemTime::now(), subject, request: &request.payload };
    match answer {
        Answer::Echo => Ok(request.payload.clone()),
        Answer::Text(template) => Ok(template.render(&values, random).into()),
        Answer::Program(words) => {
            let mut line = Vec::new();
            for word in words {
                let word = String::from_utf8(word.render(&values, random));
                line.push(word.map_err(|_| Failure::new("the request is not text"))?);
            }
            let environment = [("NATS_REQUEST_SUBJECT", subject)];
            Ok(program::run(&line, &request.payload, &environment).await?.into())
        }
    }
}

async fn send(
    session: &Session,
    arguments: &ReplyArgs,
    request: &Message,
    reply: async_nats::Subject,
    body: Bytes,
) -> Result<()> {
    let mut headers = match (&arguments.echo, &request.headers) {
        (true, Some(headers)) => headers.clone(),
        _ => HeaderMap::new(),
    };
    for (name, value) in &arguments.headers {
        headers.append(name.clone(), value.clone());
    }
    let client = &session.client;
    let sent = if headers.is_empty() {
        client.publish(reply, body).await
    } else {
        client.publish_with_headers(reply, headers, body).await
    };
    if let Err(error) = sent {
        warn(&format!("cannot answer: {error}"));
    }
    Ok(())
}

//! `natsctl server`: asks servers about themselves over the system account.
//!
//! Source: the requests `$SYS.REQ.SERVER.PING` and `$SYS.REQ.SERVER.PING.VARZ` of Go
//! `server/events.go`. Every server of the cluster answers; nobody says how many there are, so
//! the end is a silence.

use std::time::Duration;

use anyhow::Result;
use async_nats::StatusCode;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::request::ask;
use crate::cli::{ConnectionArgs, Format, FormatArgs};
use crate::connect::{Session, connect};
use crate::duration;
use crate::failure::{Failure, note};
use crate::output;

/// How long to wait for a further server once one has answered.
const SILENCE: Duration = Duration::from_millis(300);

/// Commands on servers.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Find the servers and measure how long they take to answer
    #[command(visible_alias = "ls", alias = "list")]
    Ping(PingArgs),

    /// Show what servers are and what they carry
    #[command(visible_alias = "varz", alias = "i")]
    Info(InfoArgs),

    /// Print the monitoring documents of servers, one JSON document each
    #[command(visible_alias = "req")]
    Request(RequestArgs),
}

/// Options of `server request`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    natsctl server request varz\n  \
    natsctl server request connz '{\"sort\": \"bytes_to\", \"limit\": 10}' --name n1")]
pub(crate) struct RequestArgs {
    /// Which document
    #[arg(value_enum)]
    kind: Kind,

    /// Options of the document as a JSON object
    options: Option<String>,

    /// Name or ID of one server; without, all servers
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// The monitoring documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    #[value(alias = "variables")]
    Varz,
    #[value(alias = "connections")]
    Connz,
    #[value(alias = "routes")]
    Routez,
    #[value(alias = "gateways")]
    Gatewayz,
    #[value(aliases = ["leafnodes", "leafnodez"])]
    Leafz,
    #[value(aliases = ["subscriptions", "subs"])]
    Subsz,
    #[value(alias = "jetstream")]
    Jsz,
    #[value(alias = "health")]
    Healthz,
    #[value(aliases = ["accounts", "acct"])]
    Accountz,
    #[value(alias = "stats")]
    Statsz,
}

/// Options of `server ping`.
#[derive(Debug, Args)]
#[command(after_help = "Waits up to --timeout for the first answer, then until no further one \
    came for 300 ms.")]
pub(crate) struct PingArgs {
    /// How many servers must answer; without, those that do
    expect: Option<usize>,

    #[command(flatten)]
    format: FormatArgs,
}

/// Options of `server info`.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// Name or ID of one server; without, all servers
    name: Option<String>,

    #[command(flatten)]
    format: FormatArgs,
}

/// One server's answer.
#[derive(Debug, Clone)]
struct Answer {
    document: Value,
    rtt: Duration,
}

/// Asks and shows.
///
/// # Errors
/// When the server cannot be reached, the user may not ask, or servers are missing.
pub(crate) async fn run(connection: &ConnectionArgs, command: ServerCommand) -> Result<()> {
    let mut session = connect(connection).await?;
    let trace = connection.trace;
    match command {
        ServerCommand::Ping(arguments) => {
            let subject = "$SYS.REQ.SERVER.PING";
            let expect = arguments.expect;
            let answers = gather(&mut session, subject, "", expect, trace).await?;
            match arguments.format.format() {
                Format::Json => output::print_json(&ping_json(&answers))?,
                Format::Table => output::print_line(&ping_table(&answers))?,
            }
            match arguments.expect {
                Some(expected) if answers.len() < expected => {
                    Err(Failure::new(format!("{} of {expected} servers answered", answers.len()))
                        .into())
                }
                _ => Ok(()),
            }
        }
        ServerCommand::Info(arguments) => {
            let subject = "$SYS.REQ.SERVER.PING.VARZ";
            let answers = gather(&mut session, subject, "", None, trace).await?;
            let answers = only(answers, arguments.name.as_deref())?;
            match arguments.format.format() {
                Format::Json => {
                    let all: Vec<Value> = answers.into_iter().map(|a| a.document).collect();
                    output::print_json(&all.into())?;
                }
                Format::Table => {
                    let blocks: Vec<String> =
                        answers.iter().map(|answer| info_text(&answer.document)).collect();
                    output::print_line(&blocks.join("\n\n"))?;
                }
            }
            Ok(())
        }
        ServerCommand::Request(arguments) => {
            let subject = format!("$SYS.REQ.SERVER.PING.{}", arguments.kind.token());
            let options = arguments.options.as_deref().unwrap_or_default();
            check_options(options).map_err(Failure::usage)?;
            let answers = gather(&mut session, &subject, options, None, trace).await?;
            for answer in only(answers, arguments.name.as_deref())? {
                if let Some(failure) = refusal(&answer.document) {
                    return Err(failure.into());
                }
                output::print_json(&answer.document)?;
            }
            Ok(())
        }
    }
}

impl Kind {
    /// The last token of the subject.
    fn token(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_ascii_uppercase())
            .expect("no kind is hidden from the command line")
    }
}

/// Options must be a JSON object, or nothing.
fn check_options(options: &str) -> Result<(), String> {
    if options.is_empty() {
        return Ok(());
    }
    match serde_json::from_str::<Value>(options) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(format!("options {options:?} are not a JSON object")),
        Err(error) => Err(format!("options {options:?} are not JSON: {error}")),
    }
}

/// The answers of the server of that name or ID, or all of them.
fn only(mut answers: Vec<Answer>, name: Option<&str>) -> Result<Vec<Answer>, Failure> {
    if let Some(name) = name {
        answers.retain(|answer| is_named(&answer.document, name));
        if answers.is_empty() {
            return Err(Failure::new(format!("no server is named {name:?}"))
                .hint("natsctl server ping lists them"));
        }
    }
    Ok(answers)
}

/// The error in an answer, where the server refused the request.
fn refusal(document: &Value) -> Option<Failure> {
    let error = document.get("error").filter(|error| !error.is_null())?;
    let said = error["description"].as_str().unwrap_or("no reason given");
    Some(Failure::new(format!("server {} says: {said}", text(document, "name"))))
}

/// Asks every server and collects answers, by server name.
async fn gather(
    session: &mut Session,
    subject: &str,
    options: &str,
    expect: Option<usize>,
    trace: bool,
) -> Result<Vec<Answer>> {
    if trace {
        note(&format!("trace: >>> {subject} {options}"));
    }
    let mut question = ask(session, subject, None, options.to_owned().into()).await?;
    let mut answers: Vec<Answer> = Vec::new();
    while expect.is_none_or(|expect| answers.len() < expect) {
        let left = question.left(session.timeout);
        let wait = if answers.is_empty() || expect.is_some() { left } else { SILENCE.min(left) };
        let Ok(message) = tokio::time::timeout(wait, session.next(&mut question.answers)).await
        else {
            break;
        };
        let Some(message) = message.map_err(|error| error.context(hint_failure()))? else {
            return Err(Failure::new("the connection has ended").into());
        };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(hint_failure().into());
        }
        if trace {
            let body = String::from_utf8_lossy(&message.payload);
            note(&format!("trace: <<< {} {body}", message.subject));
        }
        let document = serde_json::from_slice(&message.payload)
            .map_err(|error| Failure::new(format!("a server's answer is not JSON: {error}")))?;
        answers.push(Answer { document, rtt: question.start.elapsed() });
    }
    if answers.is_empty() {
        let limit = duration::render(session.timeout);
        return Err(Failure::new(format!("no server answered within {limit}")).hint(HINT).into());
    }
    answers.sort_by_key(|answer| text(&answer.document, "name"));
    Ok(answers)
}

const HINT: &str = "use a user of the system account (in the configuration: system_account, or \
    accounts { $SYS { users: [...] } })";

fn hint_failure() -> Failure {
    Failure::new(
        "no server answers: this user is not in the system account, or the server does \
         not offer system services",
    )
    .hint(HINT)
}

/// A member of the answer's `server` object as text; empty when it is not there.
fn text(document: &Value, key: &str) -> String {
    match &document["server"][key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn is_named(document: &Value, name: &str) -> bool {
    text(document, "name") == name || text(document, "id") == name
}

fn ping_table(answers: &[Answer]) -> String {
    let rows: Vec<Vec<String>> = answers
        .iter()
        .map(|answer| {
            let mut row: Vec<String> = ["name", "id", "ver", "cluster", "host"]
                .iter()
                .map(|key| text(&answer.document, key))
                .collect();
            row.push(duration::render(answer.rtt));
            row
        })
        .collect();
    let header = ["Name", "ID", "Version", "Cluster", "Host", "RTT"];
    let count = answers.len();
    let plural = if count == 1 { "server" } else { "servers" };
    format!("{}\n{count} {plural}", output::table(&header, &rows, &["RTT"]))
}

/// Per server its `server` object and the `rtt` in seconds.
fn ping_json(answers: &[Answer]) -> Value {
    answers
        .iter()
        .map(|answer| json!({"server": answer.document["server"], "rtt": answer.rtt.as_secs_f64()}))
        .collect()
}

fn info_text(document: &Value) -> String {
    let data = &document["data"];
    let number = |key: &str| data[key].as_u64().map(output::thousands).unwrap_or_default();
    let size = |key: &str| data[key].as_f64().map(output::bytes).unwrap_or_default();
    let word = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    let address = match data["port"].as_u64() {
        Some(port) => format!("{}:{port}", word("host")),
        None => word("host"),
    };
    let pairs = [
        ("Name", text(document, "name")),
        ("ID", text(document, "id")),
        ("Version", text(document, "ver")),
        ("Cluster", text(document, "cluster")),
        ("Address", address),
        ("Started", word("start")),
        ("Uptime", word("uptime")),
        ("Connections", number("connections")),
        ("Connections so far", number("total_connections")),
        ("Subscriptions", number("subscriptions")),
        ("Messages in", format!("{} ({})", number("in_msgs"), size("in_bytes"))),
        ("Messages out", format!("{} ({})", number("out_msgs"), size("out_bytes"))),
        ("Slow consumers", number("slow_consumers")),
        ("Memory", size("mem")),
        ("CPU", data["cpu"].as_f64().map(|cpu| format!("{cpu:.1}%")).unwrap_or_default()),
        ("Cores", number("cores")),
        ("Largest payload", size("max_payload")),
    ];
    let shown: Vec<(&str, String)> =
        pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    output::facts(&shown)
}

#[cfg(test)]
mod tests;

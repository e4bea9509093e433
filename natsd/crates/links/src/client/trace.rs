//! The protocol in the log, as Go writes it. Nothing here runs unless tracing is on.
//!
//! Source: Go `server/client.go` (`traceOp`, `traceMsgInternal`, `removeSecretsFromTrace`).

use super::super::context::Snapshot;
use natsd_base::quote;
use natsd_broker::Msg;
use natsd_wire::nats::{Op, Publish};
use tracing::trace;

/// Target of the events, so that protocol traces can be switched apart from the rest.
pub(super) const TARGET: &str = "natsd::protocol";

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Logs an operation of the client.
pub(super) fn input(label: &str, op: &Op<'_>, snapshot: &Snapshot) {
    let line = match op {
        Op::Connect(json) => format!("CONNECT {}", without_secrets(json)),
        Op::Publish(publish) => return published(label, publish, snapshot),
        Op::Subscribe { subject, queue: None, sid } => {
            format!("SUB {} {}", text(subject), text(sid))
        }
        Op::Subscribe { subject, queue: Some(queue), sid } => {
            format!("SUB {} {} {}", text(subject), text(queue), text(sid))
        }
        Op::Unsubscribe { sid, max } if *max >= 0 => format!("UNSUB {} {max}", text(sid)),
        Op::Unsubscribe { sid, .. } => format!("UNSUB {}", text(sid)),
        Op::Ping => "PING".into(),
        Op::Pong => "PONG".into(),
        Op::Ok | Op::Info(_) | Op::Err(_) => return,
    };
    trace!(target: TARGET, "{label} - <<- [{line}]");
}

fn published(label: &str, publish: &Publish<'_>, snapshot: &Snapshot) {
    let verb = if publish.header_size.is_some() { "HPUB" } else { "PUB" };
    let parts = [publish.subject, publish.reply, publish.header_size_text, publish.size_text];
    let line: Vec<_> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| text(part)).collect();
    trace!(target: TARGET, "{label} - <<- [{verb} {}]", line.join(" "));
    payload(label, "<<-", publish.payload(), publish.header_size.unwrap_or(0), snapshot.shown());
}

/// How much of a message traces show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Bytes; 0 is all.
    pub(crate) bytes_max: usize,
    pub(crate) only_headers: bool,
}

fn payload(label: &str, arrow: &str, payload: &[u8], header_size: usize, shown: Shown) {
    // Headers end in a line end and an empty line, which is not shown.
    let text = match (shown.only_headers, header_size.checked_sub(4)) {
        (true, Some(size)) => &payload[..size],
        (true, None) => return,
        (false, _) => payload,
    };
    if text.is_empty() {
        return;
    }
    if shown.bytes_max > 0 && text.len() > shown.bytes_max {
        let text = quote(&text[..shown.bytes_max]);
        let text = text.strip_suffix('"').unwrap_or(&text);
        trace!(target: TARGET, "{label} - {arrow} MSG_PAYLOAD: [{text}...\"]");
    } else {
        trace!(target: TARGET, "{label} - {arrow} MSG_PAYLOAD: [{}]", quote(text));
    }
}

/// Logs a line that goes to the client.
pub(super) fn output(label: &str, line: &str) {
    trace!(target: TARGET, "{label} - ->> [{line}]");
}

/// Logs the delivery of a message.
pub(super) fn delivery(label: &str, msg: &Msg<'_>, sid: &[u8], headers: bool, shown: Shown) {
    let with_headers = msg.header_size > 0 && headers;
    let verb: &[u8] = if with_headers { b"HMSG" } else { b"MSG" };
    let stripped = (msg.payload_crlf.len() - 2 - msg.header_size).to_string();
    let size =
        if with_headers || msg.header_size == 0 { msg.size_text } else { stripped.as_bytes() };
    let header_size = if with_headers { msg.header_size_text } else { &[] };
    let parts = [verb, msg.subject, sid, msg.reply, header_size, size];
    let line: Vec<_> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| text(part)).collect();
    trace!(target: TARGET, "{label} - ->> [{}]", line.join(" "));
    let skipped = if with_headers { 0 } else { msg.header_size };
    let size = msg.payload_crlf.len() - 2;
    let header_size = if with_headers { msg.header_size } else { 0 };
    payload(label, "->>", &msg.payload_crlf[skipped..size], header_size, shown);
}

/// Keys of secrets, and whether the key may go on: `passwd` is one too.
const SECRETS: [(&str, bool); 6] = [
    ("auth_token", true),
    ("pass", true),
    ("proxy_sig", false),
    ("sig", false),
    ("nkey", false),
    ("jwt", false),
];

/// The CONNECT with its secrets replaced, also where it is no JSON.
fn without_secrets(arguments: &[u8]) -> String {
    let text = String::from_utf8_lossy(arguments);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    let mut in_word = false;
    while let Some(letter) = rest.chars().next() {
        let value = if in_word { None } else { secret_value(rest) };
        if let Some((before, after)) = value {
            shown.push_str(&rest[..before]);
            shown.push_str("[REDACTED]");
            rest = &rest[after..];
            in_word = false;
        } else {
            shown.push(letter);
            rest = &rest[letter.len_utf8()..];
            in_word = letter.is_alphanumeric() || letter == '_';
        }
    }
    shown
}

/// Where the value of the secret at the start of `text` begins and ends, if one is there.
fn secret_value(text: &str) -> Option<(usize, usize)> {
    let is_key = |(key, _): &&(&str, bool)| {
        text.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key))
    };
    let (key, goes_on) = SECRETS.iter().find(is_key)?;
    let mut at = key.len();
    let skip = |at: usize, skipped: fn(char) -> bool| {
        text[at..].find(|letter| !skipped(letter)).map_or(text.len(), |count| at + count)
    };
    if *goes_on {
        at = skip(at, |letter| !letter.is_whitespace() && !matches!(letter, '"' | ':' | '='));
    }
    at += usize::from(text[at..].starts_with('"'));
    at = skip(at, char::is_whitespace);
    if !text[at..].starts_with([':', '=']) {
        return None;
    }
    at = skip(at + 1, char::is_whitespace);
    let quoted = text[at..].starts_with('"');
    at += usize::from(quoted);
    let mut escaped = false;
    let end = text[at..].find(|letter| {
        let ends = match letter {
            '"' => !escaped,
            ',' | '\r' | '\n' | '}' => !quoted,
            _ => false,
        };
        escaped = quoted && letter == '\\' && !escaped;
        ends
    });
    Some((at, end.map_or(text.len(), |count| at + count)))
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    /// Go: TestRemovePassFromTrace server/log_test.go:224
    /// Go: TestRemoveAuthTokenFromTrace server/log_test.go:352
    /// Go: TestRemoveAdditionalAuthFieldsFromTrace server/log_test.go:480
    #[test]
    fn secrets_do_not_reach_the_log() {
        let cases = [
            (r#"{"user":"me","pass":"s3cret"}"#, r#"{"user":"me","pass":"[REDACTED]"}"#),
            (r#"{"pass" : "s3,c\"}ret","a":1}"#, r#"{"pass" : "[REDACTED]","a":1}"#),
            ("{pass:s3cret,   password =  s3cret}", "{pass:[REDACTED],   password =  [REDACTED]}"),
            ("{auth_token:s3cret", "{auth_token:[REDACTED]"),
            (
                r#"{"SIG":"s3cret","proxy_sig":"s"}"#,
                r#"{"SIG":"[REDACTED]","proxy_sig":"[REDACTED]"}"#,
            ),
            (r#"{"nkey":"","jwt":"x.y"}"#, r#"{"nkey":"[REDACTED]","jwt":"[REDACTED]"}"#),
            (r#"{"signal":"x","compass":"n"}"#, r#"{"signal":"x","compass":"n"}"#),
            ("pass", "pass"),
            ("{\"pass\":\"s3cret", "{\"pass\":\"[REDACTED]"),
        ];
        for (given, expected) in cases {
            assert_eq!(without_secrets(given.as_bytes()), expected);
        }
    }
}

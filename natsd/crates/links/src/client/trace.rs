//! The protocol in the log, as Go writes it. Nothing here runs unless tracing is on.
//!
//! Source: Go `server/client.go` (`traceOp`, `traceMsgInternal`, `removeSecretsFromTrace`).

use super::super::context::Snapshot;
use natsd_base::quote;
use natsd_broker::Msg;
use natsd_wire::nats::{Op, Publish};
use serde_json::Value;
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
    let payload = publish.payload();
    let shown =
        if snapshot.trace_headers { &payload[..publish.header_size.unwrap_or(0)] } else { payload };
    let limit = snapshot.traced_bytes_max;
    if limit > 0 && shown.len() > limit {
        let shown = quote(&shown[..limit]);
        let shown = shown.strip_suffix('"').unwrap_or(&shown);
        trace!(target: TARGET, "{label} - <<- MSG_PAYLOAD: [{shown}...\"]");
    } else {
        trace!(target: TARGET, "{label} - <<- MSG_PAYLOAD: [{}]", quote(shown));
    }
}

/// Logs a line that goes to the client.
pub(super) fn output(label: &str, line: &str) {
    trace!(target: TARGET, "{label} - ->> [{line}]");
}

/// Logs the delivery of a message.
pub(super) fn delivery(label: &str, msg: &Msg<'_>, sid: &[u8], headers: bool) {
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
}

/// The CONNECT as JSON with its secrets replaced. What is no JSON is not shown at all, because
/// secrets could not be told from the rest.
fn without_secrets(json: &[u8]) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(json) else {
        return "[UNREADABLE]".into();
    };
    for (key, value) in &mut fields {
        let key = key.to_ascii_lowercase();
        let secret = key.starts_with("pass")
            || key.starts_with("auth_token")
            || matches!(key.as_str(), "sig" | "proxy_sig" | "nkey" | "jwt");
        if secret {
            *value = Value::String("[REDACTED]".into());
        }
    }
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn secrets_do_not_reach_the_log() {
        let shown = without_secrets(br#"{"user":"me","pass":"s3cret","auth_token":"s3cret","nkey":"s3cret","SIG":"s3cret","proxy_sig":"s3cret"}"#);
        assert!(shown.contains("me") && !shown.contains("s3cret"), "{shown}");
        assert_eq!(without_secrets(b"{\"pass\":\"s3cret\""), "[UNREADABLE]");
    }
}

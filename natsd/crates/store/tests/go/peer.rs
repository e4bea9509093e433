//! A Go server with JetStream, and a client that asks it.

use std::collections::VecDeque;
use std::time::Duration;

use natsd_testkit::{Launch, RawClient, RawMessage, Server};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(20);

/// A Go server with JetStream in its own folder. `jetstream` is configuration inside its block.
pub(crate) fn start(jetstream: &str) -> Server {
    let binary = natsd_testkit::oracle().expect("a Go server to compare with");
    Launch::new(&binary)
        .config(&format!("jetstream {{ store_dir: \"$DIR/js\" {jetstream} }}"))
        .start()
}

/// A client of the server.
pub(crate) struct Peer {
    client: RawClient,
    requests: u64,
    /// Came before the answer to a request.
    early: VecDeque<RawMessage>,
}

impl Peer {
    pub(crate) fn new(server: &Server) -> Self {
        let connect = r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}"#;
        let mut client = server.client_with(connect);
        client.send("SUB _INBOX.test.* 1\r\n");
        Self { client, requests: 0, early: VecDeque::new() }
    }

    /// Sends a request and takes its answer. What comes before it is for [`Peer::next`].
    pub(crate) fn request(&mut self, subject: &str, headers: &[u8], body: &[u8]) -> RawMessage {
        self.requests += 1;
        let reply = format!("_INBOX.test.{}", self.requests);
        self.publish(subject, &reply, headers, body);
        loop {
            let message = self.receive();
            if message.subject == reply {
                return message;
            }
            self.early.push_back(message);
        }
    }

    /// As [`Peer::request`]; nothing when nobody answers for two seconds.
    pub(crate) fn try_request(&mut self, subject: &str, body: &[u8]) -> Option<RawMessage> {
        self.requests += 1;
        let reply = format!("_INBOX.test.{}", self.requests);
        self.publish(subject, &reply, b"", body);
        let mut waited = Duration::ZERO;
        while waited < Duration::from_secs(2) {
            let step = Duration::from_millis(500);
            if self.client.wait_for(step, |bytes| bytes.len() >= b"PING\r\n".len()) {
                if !self.client.starts_with(b"PING\r\n") {
                    return Some(self.client.message());
                }
                self.client.line();
                self.client.send("PONG\r\n");
            }
            waited += step;
        }
        None
    }

    pub(crate) fn publish(&mut self, subject: &str, reply: &str, headers: &[u8], body: &[u8]) {
        let total = headers.len() + body.len();
        let line = if headers.is_empty() {
            format!("PUB {subject} {reply} {total}\r\n")
        } else {
            format!("HPUB {subject} {reply} {} {total}\r\n", headers.len())
        };
        self.client.send([line.as_bytes(), headers, body, b"\r\n"].concat());
    }

    /// Subscribes; the messages are for [`Peer::next`].
    pub(crate) fn subscribe(&mut self, subject: &str) {
        // Go does not look at a second subscription with the same number.
        self.requests += 1;
        self.client.send(format!("SUB {subject} sub{}\r\n", self.requests));
    }

    /// The next message that is no answer to a request.
    pub(crate) fn next(&mut self) -> RawMessage {
        self.early.pop_front().unwrap_or_else(|| self.receive())
    }

    /// The next message, whatever it is. Answers the server's first PING, after two seconds.
    fn receive(&mut self) -> RawMessage {
        const PING: &[u8] = b"PING\r\n";
        loop {
            self.client.wait_for(DEADLINE, |bytes| bytes.len() >= PING.len());
            if !self.client.starts_with(PING) {
                return self.client.message();
            }
            self.client.line();
            self.client.send("PONG\r\n");
        }
    }

    /// A request to the API that succeeds; null is a request without a body.
    #[track_caller]
    pub(crate) fn api(&mut self, name: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.request(&format!("$JS.API.{name}"), b"", body.as_bytes());
        let answer: Value = serde_json::from_slice(&answer.payload).expect("the API answers JSON");
        assert!(answer.get("error").is_none(), "{name}: {answer}");
        answer
    }

    /// Publishes into a stream.
    #[track_caller]
    pub(crate) fn store(&mut self, subject: &str, headers: &[u8], body: &[u8]) {
        let answer = self.request(subject, headers, body);
        let answer: Value = serde_json::from_slice(&answer.payload).expect("an acknowledgement");
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
    }

    /// The next messages of a pull consumer.
    pub(crate) fn pull(&mut self, stream: &str, consumer: &str, batch: u64) -> Vec<RawMessage> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let body = json!({ "batch": batch, "no_wait": true }).to_string();
        self.requests += 1;
        let reply = format!("_INBOX.test.{}", self.requests);
        self.publish(&subject, &reply, b"", body.as_bytes());
        (0..batch).map(|_| self.next()).collect()
    }

    /// What the stream holds, without times of the server's own.
    pub(crate) fn state(&mut self, stream: &str) -> Value {
        let info = self.api(&format!("STREAM.INFO.{stream}"), &json!({ "deleted_details": true }));
        info["state"].clone()
    }

    /// A message as the API gives it: subject, time, headers and body in base64.
    pub(crate) fn message(&mut self, stream: &str, seq: u64) -> Value {
        self.api(&format!("STREAM.MSG.GET.{stream}"), &json!({ "seq": seq }))["message"].clone()
    }

    /// Where a consumer is: delivered, floor, pending, delivered again.
    pub(crate) fn consumer(&mut self, stream: &str, consumer: &str) -> [u64; 6] {
        let info = self.api(&format!("CONSUMER.INFO.{stream}.{consumer}"), &Value::Null);
        [
            &info["delivered"]["consumer_seq"],
            &info["delivered"]["stream_seq"],
            &info["ack_floor"]["consumer_seq"],
            &info["ack_floor"]["stream_seq"],
            &info["num_ack_pending"],
            &info["num_redelivered"],
        ]
        .map(|number| number.as_u64().expect("a number"))
    }
}

//! PUB and HPUB: checks, then delivery.
//!
//! Source: Go `server/client.go` (`processInboundClientMsg`, `isReservedReply`).

use super::link::ClientLink;
use crate::LinkCx;
use natsd_base::quote;
use natsd_broker::{Msg, Origin};
use natsd_subject::subject::is_valid_literal_subject;
use natsd_wire::nats::Publish;
use tracing::error;

/// Replies through gateways. Go: `gwReplyPrefix`.
const GATEWAY_REPLY: &[u8] = b"_GR_.";
/// The same, in versions before 2.2. Go: `oldGWReplyPrefix`.
const GATEWAY_REPLY_OLD: &[u8] = b"$GR.";
/// Replies through service imports. Go: `replyPrefix`.
const SERVICE_REPLY: &[u8] = b"_R_.";
/// Acknowledgements of JetStream. Go: `jsAckPre`.
const JETSTREAM_ACK: &[u8] = b"$JS.ACK.";
/// Traffic between RAFT nodes. Go: `clientNRGPrefix`.
const RAFT: &[u8] = b"$NRG.";

fn has_more_than(subject: &[u8], prefix: &[u8]) -> bool {
    subject.len() > prefix.len() && subject.starts_with(prefix)
}

fn is_reserved_reply(reply: &[u8]) -> bool {
    reply.starts_with(SERVICE_REPLY)
        || has_more_than(reply, JETSTREAM_ACK)
        || has_more_than(reply, GATEWAY_REPLY)
}

impl ClientLink {
    #[inline]
    pub(super) fn publish(&mut self, cx: &mut LinkCx<'_>, publish: &Publish<'_>) {
        self.in_msgs += 1;
        self.in_bytes += publish.size() as u64;
        // Only an HMSG has no subject, and Go does not look at that.
        if self.connect.pedantic
            && !publish.subject.is_empty()
            && !is_valid_literal_subject(publish.subject)
        {
            self.send_error("Invalid Publish Subject");
        }
        let mapped = cx.worker.map_subject(&self.account, publish.subject);
        let subject = mapped.as_deref().unwrap_or(publish.subject);
        if let Some(b'$' | b'_') = subject.first()
            && (has_more_than(subject, GATEWAY_REPLY)
                || has_more_than(subject, GATEWAY_REPLY_OLD)
                || (subject.starts_with(RAFT) && !cx.snapshot.accounts.is_system(&self.account)))
        {
            return self.publish_violation(subject);
        }
        if self.permissions.is_some() && !self.may_publish(cx, subject) {
            return self.publish_violation(subject);
        }
        if let Some(b'$' | b'_') = publish.reply.first()
            && is_reserved_reply(publish.reply)
        {
            let reply = quote(publish.reply);
            error!("{} - Publish Violation - Reply {reply}", self.label);
            return self
                .send_error(&format!("Permissions Violation for Publish with Reply of {reply}"));
        }
        self.send_ok();
        let msg = Msg {
            publisher: self.sink.id(),
            subject,
            reply: publish.reply,
            header_size: publish.header_size.unwrap_or(0),
            header_size_text: publish.header_size_text,
            size_text: publish.size_text,
            payload_crlf: publish.payload_crlf,
        };
        let origin = Origin { connection: self.sink.id(), echo: self.connect.echo };
        let taken = cx.worker.publish(&self.account, origin, &msg, cx.now);
        if !taken && !publish.reply.is_empty() && self.connect.no_responders {
            self.no_responders(cx, subject, publish.reply);
        }
    }

    fn may_publish(&self, cx: &LinkCx<'_>, subject: &[u8]) -> bool {
        let Some(permissions) = &self.permissions else { return true };
        !permissions.restricts_publish()
            || permissions.may_publish(subject)
            || self.sink.with_output(|output| {
                let replies = output.replies.as_mut();
                replies.is_some_and(|(_, replies)| replies.spend(subject, cx.now))
            })
    }

    fn publish_violation(&self, subject: &[u8]) {
        let subject = quote(subject);
        error!("{} - Publish Violation - Subject {subject}", self.label);
        self.send_error(&format!("Permissions Violation for Publish to {subject}"));
    }

    /// Tells the requester that nobody is there, if it listens for the reply.
    fn no_responders(&self, cx: &mut LinkCx<'_>, subject: &[u8], reply: &[u8]) {
        let own = self.sink.id();
        let subscription =
            cx.worker.find_plain(&self.account, reply, |one| one.connection() == own);
        let Some(subscription) = subscription else { return };
        let mut header = b"NATS/1.0 503\r\nNats-Subject: ".to_vec();
        header.extend_from_slice(subject);
        header.extend_from_slice(b"\r\n\r\n");
        let size = header.len().to_string();
        let size = size.as_bytes();
        let parts: [&[u8]; 11] = [
            b"HMSG ",
            reply,
            b" ",
            subscription.sid(),
            b" ",
            size,
            b" ",
            size,
            b"\r\n",
            &header,
            b"\r\n",
        ];
        self.sink.send(&parts.concat());
    }
}

//! Finds the operations in a stream of bytes.
//!
//! The parser keeps no input. It is asked for one operation at a time and answers with how much of
//! the input that took; the caller offers the unconsumed rest again, with more behind it. What the
//! caller has to keep is bounded by `max_control_line` and `max_payload`: blanks and the tails of
//! `PING`, `PONG` and `+OK` are consumed as they come.
//!
//! Source: Go `server/parser.go` (`parse`), whose quirks are kept and named where they show.

use super::args::{SIZE_DIGITS_MAX, is_blank, is_blank_or_line_end, parse_size, split};
use super::op::{Op, Publish};
use memchr::memchr;

/// Bounds that end the parse of an operation before all of it is there.
#[derive(Clone, Copy, Debug)]
pub struct ParserLimits {
    /// Bytes of arguments on one line. Go: `max_control_line`.
    pub control_line_max: usize,
    /// Bytes of headers and body; `None` is unlimited. Go: `max_payload`.
    pub payload_max: Option<usize>,
    /// Whether `HPUB` was negotiated.
    pub headers: bool,
}

/// What the start of the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// An operation that took `consumed` bytes.
    Complete {
        /// The operation.
        op: Op<'a>,
        /// Bytes of input that it took.
        consumed: usize,
    },
    /// More input is needed. The first `consumed` bytes are done with.
    Incomplete {
        /// Bytes that need not be offered again.
        consumed: usize,
        /// Bytes that the operation has in all, counted behind `consumed`; 0 when not yet known.
        needed: usize,
    },
}

/// Why the connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A byte that no operation has at its place. The peer is told.
    #[error("Unknown Protocol Operation")]
    UnknownOperation,
    /// A line of arguments longer than allowed. The peer is told.
    #[error("maximum control line exceeded")]
    ControlLine,
    /// A payload larger than allowed. The peer is told.
    #[error("maximum payload exceeded: {size} vs {max}")]
    Payload {
        /// Bytes announced.
        size: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Arguments that make no sense. The peer is not told, as in Go.
    #[error("{0} Parse Error")]
    Arguments(&'static str),
    /// `HPUB` on a connection that did not negotiate headers. The peer is not told.
    #[error("message headers not supported")]
    HeadersNotSupported,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Publish,
    HeaderPublish,
    HeaderMessage,
    Subscribe,
    Unsubscribe,
    Ping,
    Pong,
    Connect,
    Info,
    Ok,
    Err,
}

/// Every verb in lower case. No verb is the start of another.
const VERBS: [(&[u8], Verb); 11] = [
    (b"pub", Verb::Publish),
    (b"hpub", Verb::HeaderPublish),
    (b"hmsg", Verb::HeaderMessage),
    (b"sub", Verb::Subscribe),
    (b"unsub", Verb::Unsubscribe),
    (b"ping", Verb::Ping),
    (b"pong", Verb::Pong),
    (b"connect", Verb::Connect),
    (b"info", Verb::Info),
    (b"+ok", Verb::Ok),
    (b"-err", Verb::Err),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first byte of an operation.
    #[default]
    Start,
    /// Behind the blanks after a verb, which are consumed already.
    Arguments(Verb),
    /// Behind a verb whose line's rest means nothing.
    LineEnd(Verb),
}

/// The parser of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    state: State,
}

impl Parser {
    /// A parser before its first byte.
    #[must_use]
    pub fn new() -> Parser {
        Parser::default()
    }

    /// Whether the next byte is the first of an operation.
    #[must_use]
    pub fn at_start(&self) -> bool {
        self.state == State::Start
    }

    /// A complete `PUB` at the start of `input`, in the form that every client sends, and its size.
    /// `None` says nothing: [`Parser::parse`] knows the rest.
    #[inline]
    #[must_use]
    pub fn parse_common<'a>(
        &self,
        input: &'a [u8],
        limits: &ParserLimits,
    ) -> Option<(Publish<'a>, usize)> {
        if self.state != State::Start {
            return None;
        }
        let line = input.strip_prefix(b"PUB ")?;
        let (subject, mut rest) = split_at_blank(line)?;
        let mut reply: &[u8] = &[];
        let (mut size, mut digits) = leading_number(rest);
        if rest.get(digits) != Some(&b'\r') {
            (reply, rest) = split_at_blank(rest)?;
            (size, digits) = leading_number(rest);
        }
        let (size_text, rest) = rest.split_at_checked(digits)?;
        let body = rest.strip_prefix(b"\r\n")?;
        let line_length = line.len() - rest.len();
        let fits = line_length <= limits.control_line_max
            && limits.payload_max.is_none_or(|max| size <= max)
            && (1..=SIZE_DIGITS_MAX).contains(&digits);
        let payload_crlf = body.get(..size + 2).filter(|_| fits)?;
        if !payload_crlf.ends_with(b"\r\n") {
            return None;
        }
        let publish = Publish { subject, reply, size_text, payload_crlf, ..NO_MESSAGE };
        Some((publish, 4 + line_length + 2 + payload_crlf.len()))
    }

    /// Finds the first operation of `input`.
    ///
    /// # Errors
    /// As soon as the input cannot become a valid operation within `limits`.
    pub fn parse<'a>(
        &mut self,
        input: &'a [u8],
        limits: &ParserLimits,
    ) -> Result<Parsed<'a>, ParseError> {
        let mut consumed = 0;
        if self.state == State::Start {
            let Some((verb, length)) = find_verb(input)? else {
                return Ok(Parsed::Incomplete { consumed: 0, needed: 0 });
            };
            let after = input.get(length);
            match verb {
                Verb::Ping | Verb::Pong | Verb::Ok => self.state = State::LineEnd(verb),
                // These two take their argument without a blank, as in Go.
                Verb::Connect | Verb::Info => self.state = State::Arguments(verb),
                _ => match after {
                    None => return Ok(Parsed::Incomplete { consumed: 0, needed: 0 }),
                    Some(byte) if is_blank(*byte) => self.state = State::Arguments(verb),
                    Some(_) => return Err(ParseError::UnknownOperation),
                },
            }
            consumed = length;
        }
        let rest = input.get(consumed..).unwrap_or_default();
        match self.state {
            State::Start => unreachable!("a verb was found"),
            State::LineEnd(verb) => Ok(match memchr(b'\n', rest) {
                None => Parsed::Incomplete { consumed: input.len(), needed: 0 },
                Some(at) => {
                    self.state = State::Start;
                    let op = match verb {
                        Verb::Ping => Op::Ping,
                        Verb::Pong => Op::Pong,
                        _ => Op::Ok,
                    };
                    Parsed::Complete { op, consumed: consumed + at + 1 }
                }
            }),
            State::Arguments(verb) => {
                let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
                consumed += blanks;
                let rest = rest.get(blanks..).unwrap_or_default();
                self.parse_arguments(verb, rest, consumed, limits)
            }
        }
    }

    /// Parses a line of arguments behind its leading blanks. `before` bytes of input came first.
    fn parse_arguments<'a>(
        &mut self,
        verb: Verb,
        rest: &'a [u8],
        before: usize,
        limits: &ParserLimits,
    ) -> Result<Parsed<'a>, ParseError> {
        // Go does not look at the first byte of an argument: a line end there belongs to it.
        let tail = rest.get(1..).unwrap_or_default();
        let Some(end) = memchr(b'\n', tail).map(|at| at + 1) else {
            if line_length(rest) > limits.control_line_max {
                return Err(ParseError::ControlLine);
            }
            return Ok(Parsed::Incomplete { consumed: before, needed: 0 });
        };
        let line = rest.get(..end).unwrap_or_default();
        let body = rest.get(end + 1..).unwrap_or_default();
        let line = line.get(..line_length(line)).unwrap_or_default();
        if line.len() > limits.control_line_max {
            return Err(ParseError::ControlLine);
        }
        let line_end = before + end + 1;
        let op = match verb {
            Verb::Publish | Verb::HeaderPublish | Verb::HeaderMessage => {
                let publish = match verb {
                    Verb::Publish => publish(line)?,
                    Verb::HeaderPublish if !limits.headers => {
                        return Err(ParseError::HeadersNotSupported);
                    }
                    Verb::HeaderPublish => header_publish(line)?,
                    // Go lets a client's HMSG line pass as an empty message to no subject.
                    _ => (Publish { header_size: Some(0), ..NO_MESSAGE }, 0),
                };
                let parsed = finish_publish(publish, body, line_end - before, limits)?;
                return Ok(match parsed {
                    Parsed::Complete { op, consumed } => {
                        self.state = State::Start;
                        Parsed::Complete { op, consumed: before + consumed }
                    }
                    Parsed::Incomplete { needed, .. } => {
                        Parsed::Incomplete { consumed: before, needed }
                    }
                });
            }
            Verb::Subscribe => subscribe(line)?,
            Verb::Unsubscribe => unsubscribe(line)?,
            Verb::Connect => Op::Connect(line),
            Verb::Info => Op::Info(line),
            Verb::Err => Op::Err(line),
            Verb::Ping | Verb::Pong | Verb::Ok => unreachable!("these have no arguments"),
        };
        self.state = State::Start;
        Ok(Parsed::Complete { op, consumed: line_end })
    }
}

/// Length of a line of arguments: Go drops the last byte of one that has a CR anywhere behind its
/// first byte. Never shrinks as the line grows.
fn line_length(line: &[u8]) -> usize {
    line.len() - usize::from(line.iter().skip(1).any(|byte| *byte == b'\r'))
}

/// Splits at the first blank, which must be a single one behind at least one other byte.
#[inline]
fn split_at_blank(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte <= b' ')?;
    let (token, rest) = text.split_at_checked(end)?;
    match rest {
        [b' ', rest @ ..] if !token.is_empty() && rest.first().is_some_and(|byte| *byte > b' ') => {
            Some((token, rest))
        }
        _ => None,
    }
}

/// The number at the start of `text` and its digits; more of them than a size may have count, but
/// not their value.
#[inline]
fn leading_number(text: &[u8]) -> (usize, usize) {
    let (mut number, mut count) = (0usize, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || count > SIZE_DIGITS_MAX {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(usize::from(digit));
        count += 1;
    }
    (number, count)
}

/// Finds the verb at the start of `input` and its length; `None` when it may still become one.
fn find_verb(input: &[u8]) -> Result<Option<(Verb, usize)>, ParseError> {
    for (text, verb) in VERBS {
        let length = input.len().min(text.len());
        let (start, wanted) = (input.get(..length), text.get(..length));
        if let (Some(start), Some(wanted)) = (start, wanted)
            && start.eq_ignore_ascii_case(wanted)
        {
            return Ok((length == text.len()).then_some((verb, length)));
        }
    }
    Err(ParseError::UnknownOperation)
}

const NO_MESSAGE: Publish<'static> = Publish {
    subject: &[],
    reply: &[],
    header_size: None,
    header_size_text: &[],
    size_text: &[],
    payload_crlf: &[],
};

#[inline]
fn publish(line: &[u8]) -> Result<(Publish<'_>, usize), ParseError> {
    let (count, args) = split::<3>(line, is_blank);
    let [subject, reply, size_text] = match (count, args) {
        (2, [subject, size, _]) => [subject, &[], size],
        (3, args) => args,
        _ => return Err(ParseError::Arguments("processPub")),
    };
    let size = parse_size(size_text).ok_or(ParseError::Arguments("processPub"))?;
    Ok((Publish { subject, reply, size_text, ..NO_MESSAGE }, size))
}

fn header_publish(line: &[u8]) -> Result<(Publish<'_>, usize), ParseError> {
    let error = ParseError::Arguments("processHeaderPub");
    let (count, args) = split::<4>(line, is_blank);
    let [subject, reply, header_size_text, size_text] = match (count, args) {
        (3, [subject, header, size, _]) => [subject, &[], header, size],
        (4, args) => args,
        _ => return Err(error),
    };
    let header_size = parse_size(header_size_text).ok_or(error)?;
    let size = parse_size(size_text).ok_or(error)?;
    if header_size > size {
        return Err(error);
    }
    let header_size = Some(header_size);
    Ok((Publish { subject, reply, header_size, header_size_text, size_text, ..NO_MESSAGE }, size))
}

/// Adds the payload to a parsed line. `line_length` is what the line took of the input.
#[inline]
fn finish_publish<'a>(
    (publish, size): (Publish<'a>, usize),
    body: &'a [u8],
    line_length: usize,
    limits: &ParserLimits,
) -> Result<Parsed<'a>, ParseError> {
    if let Some(max) = limits.payload_max
        && size > max
    {
        return Err(ParseError::Payload { size, max });
    }
    match body.get(..size + 2) {
        Some(payload_crlf) if payload_crlf.ends_with(b"\r\n") => Ok(Parsed::Complete {
            op: Op::Publish(Publish { payload_crlf, ..publish }),
            consumed: line_length + size + 2,
        }),
        Some(_) => Err(ParseError::UnknownOperation),
        None => match body.get(size) {
            Some(byte) if *byte != b'\r' => Err(ParseError::UnknownOperation),
            _ => Ok(Parsed::Incomplete { consumed: 0, needed: line_length + size + 2 }),
        },
    }
}

fn subscribe(line: &[u8]) -> Result<Op<'_>, ParseError> {
    match split::<3>(line, is_blank_or_line_end) {
        (2, [subject, sid, _]) => Ok(Op::Subscribe { subject, queue: None, sid }),
        (3, [subject, queue, sid]) => Ok(Op::Subscribe { subject, queue: Some(queue), sid }),
        _ => Err(ParseError::Arguments("processSub")),
    }
}

fn unsubscribe(line: &[u8]) -> Result<Op<'_>, ParseError> {
    let max = |text| parse_size(text).map_or(-1, |max| i64::try_from(max).unwrap_or(-1));
    match split::<2>(line, is_blank_or_line_end) {
        (1, [sid, _]) => Ok(Op::Unsubscribe { sid, max: -1 }),
        (2, [sid, text]) => Ok(Op::Unsubscribe { sid, max: max(text) }),
        _ => Err(ParseError::Arguments("processUnsub")),
    }
}

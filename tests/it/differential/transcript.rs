//! The transcript format.
//!
//! ```text
//! # comment
//! config                     extra server configuration, first in the file, until `end`
//! end
//! open A                     opens a connection; the first use of a name opens it too
//! A> PUB foo 2\r\nhi\r\n     one write; escapes \r \n \t \0 \\ \xNN \{3*text}
//! A< quiet                   everything until it is silent
//! A< pong                    everything until a line PONG and a short silence after it
//! A< eof                     everything until the server closes
//! close A
//! ```

use std::path::Path;

/// One transcript.
#[derive(Debug)]
pub(super) struct Transcript {
    /// File name without its extension.
    pub(super) name: String,
    /// Configuration of the server beside its listener.
    pub(super) config: String,
    /// What happens, in order.
    pub(super) steps: Vec<Step>,
}

/// One line of a transcript.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// Name of the connection.
    pub(super) connection: String,
    pub(super) action: Action,
}

#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Open,
    Send(Vec<u8>),
    Quiet,
    Pong,
    Eof,
    Close,
}

impl Transcript {
    /// Reads a file.
    ///
    /// # Panics
    /// When the file is not in the format; the text names the line.
    pub(super) fn load(path: &Path) -> Self {
        let name = path.file_stem().expect("file has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("transcript is text");
        match Self::parse(&name, &text) {
            Ok(transcript) => transcript,
            Err(error) => panic!("{name}.txt:{error}"),
        }
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut transcript =
            Self { name: name.to_owned(), config: String::new(), steps: Vec::new() };
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line == "config" {
                loop {
                    match lines.next() {
                        Some((_, "end")) => break,
                        Some((_, line)) => {
                            transcript.config.push_str(line);
                            transcript.config.push('\n');
                        }
                        None => return Err(format!("{}: config without end", index + 1)),
                    }
                }
                continue;
            }
            let step = Step::parse(index + 1, line).ok_or(format!("{}: {line:?}", index + 1))?;
            transcript.steps.push(step);
        }
        Ok(transcript)
    }
}

impl Step {
    fn parse(line_number: usize, line: &str) -> Option<Self> {
        let (connection, action) = if let Some(name) = line.strip_prefix("open ") {
            (name, Action::Open)
        } else if let Some(name) = line.strip_prefix("close ") {
            (name, Action::Close)
        } else {
            let at = line.find(['<', '>'])?;
            let rest = line[at + 1..].strip_prefix(' ').unwrap_or(&line[at + 1..]);
            let action = match (&line[at..=at], rest) {
                (">", text) => Action::Send(unescape(text)?),
                (_, "quiet") => Action::Quiet,
                (_, "pong") => Action::Pong,
                (_, "eof") => Action::Eof,
                _ => return None,
            };
            (&line[..at], action)
        };
        Some(Self { line: line_number, connection: connection.to_owned(), action })
    }
}

/// Text with escapes as bytes; nothing when an escape is not known.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next()?;
        let mut used = at + 2;
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(rest.get(at + 2..at + 4)?, 16).ok()?);
                used += 2;
            }
            '{' => {
                let end = at + rest[at..].find('}')?;
                let (count, body) = rest[at + 2..end].split_once('*')?;
                bytes.extend(unescape(body)?.repeat(count.parse().ok()?));
                used = end + 1;
            }
            _ => return None,
        }
        rest = &rest[used..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[test]
fn escapes_stand_for_bytes() {
    let cases: [(&str, Option<&[u8]>); 7] = [
        ("PING\\r\\n", Some(b"PING\r\n")),
        ("\\t\\0\\\\\\x41\\xff", Some(b"\t\0\\A\xff")),
        ("a\\{3*bc}d", Some(b"abcbcbcd")),
        ("\\{2*\\r\\n}", Some(b"\r\n\r\n")),
        ("\\q", None),
        ("\\x4", None),
        ("\\{x*a}", None),
    ];
    for (text, expected) in cases {
        assert_eq!(unescape(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn transcripts_are_read_line_by_line() {
    let text = "# note\nconfig\nmax_payload: 5\nend\nopen B\nA> PING\\r\\n\nA< pong\nclose B\n";
    let transcript = Transcript::parse("x", text).unwrap();
    assert_eq!(transcript.config, "max_payload: 5\n");
    let step =
        |line, connection: &str, action| Step { line, connection: connection.into(), action };
    assert_eq!(
        transcript.steps,
        [
            step(5, "B", Action::Open),
            step(6, "A", Action::Send(b"PING\r\n".to_vec())),
            step(7, "A", Action::Pong),
            step(8, "B", Action::Close),
        ]
    );
    assert!(Transcript::parse("x", "A< soon\n").is_err());
    assert!(Transcript::parse("x", "config\n").is_err());
}

//! The text of a script: cutting it into cases and putting it together again.

const SEPARATOR: &str = "----";

/// One case of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The first word of the header.
    pub command: String,
    /// The other words.
    pub arguments: Vec<String>,
    /// The lines between header and separator, each with its line end.
    pub input: String,
    /// The line of the header, counted from 1.
    pub line: usize,
    /// The header as written.
    pub(crate) header: String,
}

impl Case {
    /// The value of the argument `key=value`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.arguments.iter().find_map(|argument| argument.strip_prefix(key)?.strip_prefix('='))
    }

    /// Whether the argument `word` is there.
    pub fn has(&self, word: &str) -> bool {
        self.arguments.iter().any(|argument| argument == word)
    }

    /// The input lines without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.input.lines()
    }
}

pub(crate) enum Part {
    /// A comment or a blank line, as it is.
    Other(String),
    Case {
        case: Case,
        expected: String,
    },
}

/// Cuts a script into its parts. An error begins with the line.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, header)) = lines.next() {
        if header.trim().is_empty() || header.starts_with('#') {
            parts.push(Part::Other(header.to_owned()));
            continue;
        }
        let line = index + 1;
        let mut input = String::new();
        loop {
            match lines.next() {
                Some((_, SEPARATOR)) => break,
                Some((_, text)) => push_line(&mut input, text),
                None => return Err(format!("{line}: no {SEPARATOR} after {header}")),
            }
        }
        let mut expected = String::new();
        if lines.next_if(|(_, text)| *text == SEPARATOR).is_some() {
            loop {
                match lines.next() {
                    Some((_, SEPARATOR))
                        if lines.next_if(|(_, text)| *text == SEPARATOR).is_some() =>
                    {
                        break;
                    }
                    Some((_, text)) => push_line(&mut expected, text),
                    None => return Err(format!("{line}: the output of {header} has no end")),
                }
            }
        } else {
            while let Some((_, text)) = lines.next_if(|(_, text)| !text.is_empty()) {
                push_line(&mut expected, text);
            }
        }
        let mut words = header.split_whitespace().map(str::to_owned);
        let case = Case {
            command: words.next().unwrap_or_default(),
            arguments: words.collect(),
            input,
            line,
            header: header.to_owned(),
        };
        parts.push(Part::Case { case, expected });
    }
    Ok(parts)
}

/// The text of a script. Cases that follow each other without a blank line stay like that.
pub(crate) fn render(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Other(line) => push_line(&mut text, line),
            Part::Case { case, expected } => {
                push_line(&mut text, &case.header);
                text.push_str(&case.input);
                push_line(&mut text, SEPARATOR);
                let is_fenced =
                    expected.starts_with(SEPARATOR) || expected.lines().any(str::is_empty);
                if is_fenced {
                    push_line(&mut text, SEPARATOR);
                }
                text.push_str(expected);
                if is_fenced {
                    push_line(&mut text, SEPARATOR);
                    push_line(&mut text, SEPARATOR);
                }
            }
        }
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

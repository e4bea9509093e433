//! Bodies given on the command line, or by standard input.

use std::io::{IsTerminal, Read};

use anyhow::{Context, Result};

use crate::failure::{Failure, note};
use crate::template::Template;

/// Where a body comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// The words of the command line.
    Argument(&'a str),
    /// Standard input, to its end.
    Input,
    /// Nowhere: an empty body.
    Nothing,
}

/// Chooses the source. `-` is standard input; without an argument a pipe or file is read, and
/// nothing else, so that a job without standard input does not wait for ever.
pub(super) fn source(argument: Option<&str>, force_stdin: bool, input_is_data: bool) -> Source<'_> {
    match argument {
        _ if force_stdin => Source::Input,
        Some("-") => Source::Input,
        Some(text) => Source::Argument(text),
        None if input_is_data => Source::Input,
        None => Source::Nothing,
    }
}

/// Reads the body, as a template when asked to.
///
/// # Errors
/// When standard input cannot be read or the template is wrong.
pub(super) fn read(argument: Option<&str>, force_stdin: bool, templates: bool) -> Result<Body> {
    let bytes = match source(argument, force_stdin, input_is_data()) {
        Source::Argument(text) => text.as_bytes().to_vec(),
        Source::Nothing => Vec::new(),
        Source::Input => {
            let mut stdin = std::io::stdin().lock();
            if stdin.is_terminal() {
                note("reading the body from standard input, Ctrl-D ends it");
            }
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).context("read standard input")?;
            bytes
        }
    };
    if !templates {
        return Ok(Body::Bytes(bytes.into()));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage("a template must be text, and this body is not UTF-8"))?;
    Ok(Body::Template(Template::parse(&text).map_err(Failure::usage)?))
}

/// A body, the same for every message or made anew for each.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// These bytes.
    Bytes(bytes::Bytes),
    /// Made per message.
    Template(Template),
}

impl Body {
    /// The bytes of one message.
    pub(super) fn render(
        &self,
        values: &crate::template::Values<'_>,
        random: &mut crate::random::Random,
    ) -> bytes::Bytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Template(template) => template.render(values, random).into(),
        }
    }
}

/// Whether standard input is a pipe or a file.
#[cfg(unix)]
fn input_is_data() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;

    let Ok(copy) = std::io::stdin().as_fd().try_clone_to_owned() else { return false };
    std::fs::File::from(copy).metadata().is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_file()
    })
}

/// Whether standard input is a pipe or a file.
#[cfg(not(unix))]
fn input_is_data() -> bool {
    !std::io::stdin().is_terminal()
}

#[cfg(test)]
mod tests;

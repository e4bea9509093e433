//! Failures as the user sees them: one `error:` line, a `hint:` line when there is a way out.
//!
//! Must never write to standard output, and never prints secrets: texts are made by the callers.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// A failure with advice. Any other error is shown without.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    hint: Option<String>,
    usage: bool,
}

impl Failure {
    /// A failure that ends with exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, usage: false }
    }

    /// A wrong use of the command line, which ends with exit code 2.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, usage: true }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// Prints the error to standard error and returns the exit code for it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let (text, code) = render(error, use_color(&io::stderr()));
    // Nobody is left to tell when standard error is closed.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}

/// Prints a remark on standard error that does not end the command.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {text}");
}

/// Prints a line about the progress of the command on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The text for an error and its exit code.
fn render(error: &anyhow::Error, color: bool) -> (String, u8) {
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let (red, cyan, reset) =
        if color { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
    let mut text = format!("{red}error:{reset} {error:#}\n");
    if let Some(hint) = failure.and_then(|failure| failure.hint.as_ref()) {
        text.push_str(&format!("{cyan}hint:{reset} {hint}\n"));
    }
    (text, if failure.is_some_and(|failure| failure.usage) { 2 } else { 1 })
}

/// Whether whoever read our output has gone away.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Whether colour may be written there: a terminal, and nobody said no.
pub(crate) fn use_color(stream: &impl IsTerminal) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    stream.is_terminal() && !no_color && !dumb
}

#[cfg(test)]
mod tests;

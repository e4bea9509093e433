//! Runs the user's own programs on message bodies (`--translate`, `--command`).
//!
//! A command line is split into words here and never given to a shell, so that nothing in a
//! message can become a command.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::failure::Failure;

/// A command line of the user, split into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine(pub(crate) Vec<String>);

/// Reads a command line for clap.
///
/// # Errors
/// As [`split`].
pub(crate) fn parse(line: &str) -> Result<CommandLine, String> {
    split(line).map(CommandLine)
}

/// Splits a command line into words; quotes and backslashes work as in a shell.
///
/// # Errors
/// A text for the user when it is empty or a quote is not closed.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        None => return Err(format!("a quote is not closed in {line:?}")),
                        Some(next) if next == character => break,
                        Some('\\') if character == '"' => text.extend(characters.next()),
                        Some(next) => text.push(next),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    if words.is_empty() { Err("the command is empty".to_owned()) } else { Ok(words) }
}

/// Runs a program with `input` as its standard input and returns its standard output.
///
/// # Errors
/// When it cannot be started or exits with another code than 0; its standard error is shown.
pub(crate) async fn run(
    words: &[String],
    input: &[u8],
    environment: &[(&str, &str)],
) -> Result<Vec<u8>> {
    let Some((program, arguments)) = words.split_first() else { bail!("the command is empty") };
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::new(format!("cannot start {program:?}: {error}")))?;
    let mut stdin = child.stdin.take().context("standard input was piped")?;
    let write = async move {
        // A program that does not read all of its input has had enough of it.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.with_context(|| format!("run {program:?}"))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{program:?} failed with {}", output.status)).into());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests;

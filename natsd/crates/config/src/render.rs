//! Errors of a configuration for people at a terminal: with the line they are about.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::error::{ConfigError, ConfigErrors};
use crate::source::Source;

/// All warnings and errors, each with the line it is about. The file is read again for that; where
/// it cannot be, the plain message stands alone.
#[must_use]
pub fn render(errors: &ConfigErrors, source: &dyn Source) -> String {
    let mut text = String::new();
    let warnings = errors.warnings.iter().map(|error| (error, Level::WARNING));
    for (error, level) in warnings.chain(errors.errors.iter().map(|error| (error, Level::ERROR))) {
        let shown = render_one(error, level, source);
        writeln!(text, "{shown}").expect("writing to a string cannot fail");
    }
    text
}

fn render_one(error: &ConfigError, level: Level<'_>, source: &dyn Source) -> String {
    let renderer = Renderer::plain();
    let Some(position) = error.position.as_ref().filter(|position| !position.file.is_empty())
    else {
        return renderer.render(&[Group::with_title(level.primary_title(&error.message))]);
    };
    let file = source.read(&position.file).unwrap_or_default();
    let file = String::from_utf8_lossy(&file);
    let Some(line) = file.lines().nth(position.line.saturating_sub(1)) else {
        return renderer.render(&[Group::with_title(level.primary_title(error.to_string()))]);
    };
    // From the second line on Go's columns count the line break too.
    let column = usize::try_from(position.column).unwrap_or_default();
    let start = if position.line > 1 { column.saturating_sub(1) } else { column };
    let start = floor_boundary(line, start);
    let end = word_end(line, start);
    let snippet = Snippet::source(line)
        .line_start(position.line)
        .path(&*position.file)
        .annotation(AnnotationKind::Primary.span(start..end));
    renderer.render(&[level.primary_title(&error.message).element(snippet)])
}

/// The start of the character at that byte, inside the line.
fn floor_boundary(line: &str, byte: usize) -> usize {
    let mut byte = byte.min(line.len());
    while !line.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// The end of the word that starts there; at least one character, if there is one.
fn word_end(line: &str, start: usize) -> usize {
    let rest = &line[start..];
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let word = rest
        .find(|character: char| !(character.is_alphanumeric() || "_-.$".contains(character)))
        .unwrap_or(rest.len());
    start + word.max(first)
}

#[cfg(test)]
mod tests;

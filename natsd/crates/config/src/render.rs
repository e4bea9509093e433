//! Errors of a configuration for people at a terminal: with the line they are about.

use std::borrow::Cow;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::error::{ConfigError, ConfigErrors};
use crate::source::Source;

/// All warnings and errors, each with the line it is about, and in plain words where Go's message
/// has Go's types. The file is read again for that; where
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
    let message = in_plain_words(&error.message);
    let Some(position) = error.position.as_ref().filter(|position| !position.file.is_empty())
    else {
        return renderer.render(&[Group::with_title(level.primary_title(&*message))]);
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
    let line = without_secrets(line);
    let snippet = Snippet::source(&line)
        .line_start(position.line)
        .path(&*position.file)
        .annotation(AnnotationKind::Primary.span(start..end));
    renderer.render(&[level.primary_title(&*message).element(snippet)])
}

/// Go's message about a value of the wrong type, without Go's types.
fn in_plain_words(message: &str) -> Cow<'_, str> {
    let types = message
        .strip_prefix("interface conversion: interface {} is ")
        .and_then(|types| types.split_once(", not "));
    match types {
        Some((found, wanted)) => {
            Cow::Owned(format!("expected {}, found {}", type_words(wanted), type_words(found)))
        }
        None => Cow::Borrowed(message),
    }
}

fn type_words(name: &str) -> &str {
    match name {
        "string" => "text",
        "int64" => "a whole number",
        "float64" => "a number with a fraction",
        "bool" => "true or false",
        "time.Time" => "a date",
        "[]interface {}" => "a list",
        "map[string]interface {}" => "a block",
        other => other,
    }
}

/// The line with secrets starred out: values of keys that hold some, and passwords of URLs. Every
/// byte stays where it is.
fn without_secrets(line: &str) -> String {
    let mut masked = line.as_bytes().to_vec();
    let mut from = 0;
    for (start, end) in words(line) {
        let is_secret = SECRET_KEYS.iter().any(|key| line[start..end].eq_ignore_ascii_case(key));
        if is_secret && start >= from {
            from = mask_value(&mut masked, end);
        }
    }
    for (scheme, _) in line.match_indices("://") {
        let rest = &line[scheme + 3..];
        let authority = rest.split(['/', ' ', '"', '\'', ',', ']']).next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@')
            && let Some(colon) = user.find(':')
        {
            masked[scheme + 3 + colon + 1..scheme + 3 + user.len()].fill(b'*');
        }
    }
    String::from_utf8(masked).unwrap_or_default()
}

const SECRET_KEYS: &[&str] = &[
    "pass",
    "password",
    "token",
    "nkey",
    "seed",
    "key",
    "ek",
    "encryption_key",
    "prev_key",
    "prev_ek",
    "prev_encryption_key",
    "encryption_password",
    "srk_password",
];

/// Where the words of a line start and end.
fn words(line: &str) -> Vec<(usize, usize)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut words = Vec::new();
    let mut start = None;
    for (index, character) in line.char_indices() {
        match (start, is_word(character)) {
            (None, true) => start = Some(index),
            (Some(first), false) => {
                words.push((first, index));
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|first| (first, line.len())));
    words
}

/// Stars out the value after a key that ends there, and returns where the value ends.
fn mask_value(line: &mut [u8], key_end: usize) -> usize {
    let skip = |from: usize, line: &[u8], bytes: &[u8]| {
        from + line[from..].iter().take_while(|byte| bytes.contains(byte)).count()
    };
    let start = skip(key_end, line, b"\"' \t=:");
    let quote = line[key_end..start].iter().rev().find(|byte| !b" \t".contains(byte)).copied();
    let end_bytes: &[u8] = match quote {
        Some(b'"') => b"\"",
        Some(b'\'') => b"'",
        _ => b" \t,;}]",
    };
    let length = line[start..].iter().take_while(|byte| !end_bytes.contains(byte)).count();
    line[start..start + length].fill(b'*');
    start + length
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

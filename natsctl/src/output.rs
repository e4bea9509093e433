//! How results reach standard output: tables, JSON, numbers for people.
//!
//! Rendering is pure and returns text; only [`print`] writes. Must never write to standard error.

pub(crate) mod message;

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Writes bytes to standard output at once, so that a reader in a pipe sees them now.
///
/// # Errors
/// When nobody reads any more, which ends the command quietly, or the disk is full.
pub(crate) fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Writes one line to standard output.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    print(format!("{text}\n").as_bytes())
}

/// Writes a JSON document, indented, to standard output.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &serde_json::Value) -> io::Result<()> {
    print_line(&format!("{value:#}"))
}

/// A table with a header line; columns named in `numbers` are aligned to the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], numbers: &[&str]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for (index, name) in header.iter().enumerate() {
        if let Some(column) = table.column_mut(index).filter(|_| numbers.contains(name)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Lines of `name: value` with the names aligned.
pub(crate) fn facts(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name:>width$}: {value}")).collect();
    lines.join("\n")
}

/// A number with commas between thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes in the unit that leaves few digits: `512 B`, `1.5 KiB`, `20.3 MiB`.
pub(crate) fn bytes(size: f64) -> String {
    let mut value = size;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{value:.0} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests;

//! Runs table scripts from testdata files and rewrites them on request.
//!
//! A script is a list of cases, separated by blank lines:
//!
//! ```text
//! # A comment.
//! command word key=value
//! input line
//! ----
//! expected output
//! ```
//!
//! Output with blank lines stands between `----` `----` and `----` `----`. With `UPDATE_EXPECT=1`
//! the expected output is replaced by what the test found, everything else stays as it is.
//! Must never pass without comparing anything: a script without cases is an error.

mod script;

use std::path::{Path, PathBuf};

pub use script::Case;
use script::{Part, parse, render};

/// Runs every case of the script at `path` through `handle`, which returns the output.
///
/// A relative path starts at the folder of the package under test. Panics with all cases that
/// differ, each with its line.
#[track_caller]
pub fn run(path: impl AsRef<Path>, handle: impl FnMut(&Case) -> String) {
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    if let Err(report) = check(path.as_ref(), is_update, handle) {
        panic!("{report}");
    }
}

/// Calls `test` with every `.txt` file in `folder`, in order of names. Panics when there is none.
#[track_caller]
pub fn for_each_script(folder: impl AsRef<Path>, mut test: impl FnMut(&Path)) {
    let folder = folder.as_ref();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => panic!("{}: {error}", folder.display()),
    };
    let mut scripts: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "{}: no scripts", folder.display());
    for script in scripts {
        test(&script);
    }
}

/// The bytes that `text` writes with `\t \n \r \f \0 \\ \s` (a space) and `\xNN`.
///
/// An unknown or unfinished escape is an error that names it.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let mut after = rest[at + 1..].chars();
        let byte = match after.next() {
            Some('t') => b'\t',
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('f') => 0x0c,
            Some('0') => 0,
            Some('s') => b' ',
            Some('\\') => b'\\',
            Some('x') => {
                let digits = after.as_str().get(..2).unwrap_or_default();
                let byte = u8::from_str_radix(digits, 16);
                after = after.as_str().get(2..).unwrap_or_default().chars();
                byte.map_err(|_| format!("bad escape \\x{digits}"))?
            }
            other => {
                return Err(format!("bad escape \\{}", other.map_or(String::new(), String::from)));
            }
        };
        bytes.push(byte);
        rest = after.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

fn check(
    path: &Path,
    is_update: bool,
    mut handle: impl FnMut(&Case) -> String,
) -> Result<(), String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let mut parts = parse(&text).map_err(|error| format!("{name}:{error}"))?;
    let mut report = String::new();
    let mut case_count = 0;
    for part in &mut parts {
        let Part::Case { case, expected } = part else { continue };
        case_count += 1;
        let mut found = handle(case);
        if !found.is_empty() && !found.ends_with('\n') {
            found.push('\n');
        }
        if found != *expected && !is_update {
            let header = format!("{name}:{}: {}", case.line, case.header);
            report.push_str(&format!("{header}\nexpected:\n{expected}found:\n{found}\n"));
        }
        *expected = found;
    }
    if case_count == 0 {
        return Err(format!("{name}: no cases"));
    }
    if !report.is_empty() {
        return Err(format!("{report}run with UPDATE_EXPECT=1 to accept what was found"));
    }
    let rendered = render(&parts);
    if is_update && rendered != text {
        std::fs::write(path, rendered).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

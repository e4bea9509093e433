//! Which Go tests have a counterpart here, which are left out on purpose, which are missing.
//!
//! A counterpart is a test function with a line `/// Go: TestName file:line` in its doc comment.
//! One that calls `awaits(` does not run on natsd yet: it counts as awaiting, also when another
//! function covers the rest of the same Go test.
//! What is left out stands in `tests/xtask/absent/*.tsv`, with the reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::tree::{self, Source};

/// One Go test: its name and its file.
type Key = (String, String);

/// What is known about every Go test.
#[derive(Debug, Default)]
struct Parity {
    /// Line of every Go test in its file.
    line: BTreeMap<Key, u32>,
    /// Files that have a test of this name.
    files: HashMap<String, Vec<String>>,
    ported: BTreeSet<Key>,
    /// Ported, at least in part to a function that waits for a feature.
    awaiting: BTreeSet<Key>,
    absent: BTreeSet<Key>,
    errors: Vec<String>,
}

/// Prints the table, or the pending tests of one Go file.
///
/// # Errors
/// When a name, file or line is wrong, or a test is both ported and absent.
#[expect(clippy::print_stdout, reason = "the report is the product")]
pub(crate) fn run(pending: Option<&str>) -> Result<()> {
    let parity = load(&tree::root())?;
    match pending {
        Some(file) => {
            let pending = parity.pending(file)?;
            for (name, line) in pending {
                println!("{name}\t{file}:{line}");
            }
        }
        None => print!("{}", parity.table()),
    }
    if parity.errors.is_empty() {
        return Ok(());
    }
    for error in &parity.errors {
        println!("{error}");
    }
    bail!("{} wrong references to Go tests", parity.errors.len());
}

fn load(root: &Path) -> Result<Parity> {
    let list = fs::read_to_string(root.join("tests/xtask/go-tests.tsv")).context("go-tests.tsv")?;
    let mut parity = Parity::new(&list)?;
    for source in tree::files(root, &["rs"])? {
        parity.take_ported(&source);
    }
    for source in tree::files(&root.join("tests/xtask/absent"), &["tsv"])? {
        parity.take_absent(&source);
    }
    parity.check_both();
    Ok(parity)
}

impl Parity {
    /// Reads the list of Go tests: `subsystem<TAB>file<TAB>line<TAB>name`, first line a header.
    fn new(list: &str) -> Result<Self> {
        let mut parity = Self::default();
        for row in list.lines().skip(1) {
            let fields: Vec<&str> = row.split('\t').collect();
            let [_, file, line, name] = fields.as_slice() else {
                bail!("go-tests.tsv: bad row {row:?}");
            };
            let line = line.parse().with_context(|| format!("go-tests.tsv: {row:?}"))?;
            parity.line.insert(((*name).to_owned(), (*file).to_owned()), line);
            parity.files.entry((*name).to_owned()).or_default().push((*file).to_owned());
        }
        Ok(parity)
    }

    fn take_ported(&mut self, source: &Source) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(reference) = line.trim_start().strip_prefix("/// Go: Test") else { continue };
            let place = format!("{}:{}", source.path, index + 1);
            match (self.resolve(reference.trim_end()), documented_test(&lines[index + 1..])) {
                (Ok(key), Some(function)) => {
                    if awaits_feature(function) {
                        self.awaiting.insert(key.clone());
                    }
                    self.ported.insert(key);
                }
                (Ok(_), None) => {
                    self.errors.push(format!("{place}: not the doc comment of a #[test] fn"));
                }
                (Err(error), _) => self.errors.push(format!("{place}: {error}")),
            }
        }
    }

    /// `reference` is what follows `/// Go: Test`: `Name file:line`.
    fn resolve(&self, reference: &str) -> Result<Key, String> {
        let form = || "want `/// Go: TestName file:line`".to_owned();
        let (name, place) = reference.split_once(' ').ok_or_else(form)?;
        let (file, line) = place.rsplit_once(':').ok_or_else(form)?;
        let line: u32 = line.parse().map_err(|_| form())?;
        let key = (format!("Test{name}"), file.to_owned());
        match self.line.get(&key) {
            Some(known) if *known == line => Ok(key),
            Some(known) => Err(format!("{} is at {file}:{known}, not {line}", key.0)),
            None => Err(format!("there is no {} in {file}", key.0)),
        }
    }

    fn take_absent(&mut self, source: &Source) {
        for (index, row) in source.text.lines().enumerate() {
            if row.is_empty() || row.starts_with('#') {
                continue;
            }
            let place = format!("tests/xtask/absent/{}:{}", source.path, index + 1);
            let fields: Vec<&str> = row.split('\t').collect();
            let (name, file, reason) = match fields.as_slice() {
                [name, reason] => (*name, None, *reason),
                [name, file, reason] => (*name, Some(*file), *reason),
                _ => {
                    self.errors.push(format!("{place}: want TestName<TAB>[file<TAB>]reason"));
                    continue;
                }
            };
            if reason.trim().is_empty() {
                self.errors.push(format!("{place}: no reason"));
            }
            let files = self.files.get(name).map(Vec::as_slice).unwrap_or_default();
            let file = match (file, files) {
                (Some(file), files) if files.iter().any(|known| known == file) => file.to_owned(),
                (None, [only]) => only.clone(),
                (None, [_, _, ..]) => {
                    self.errors.push(format!("{place}: {name} is in several files, name one"));
                    continue;
                }
                _ => {
                    self.errors.push(format!("{place}: there is no such test: {name}"));
                    continue;
                }
            };
            self.absent.insert((name.to_owned(), file));
        }
    }

    fn check_both(&mut self) {
        for (name, file) in self.ported.intersection(&self.absent) {
            self.errors.push(format!("{name} in {file} is ported and listed as absent"));
        }
    }

    fn pending(&self, file: &str) -> Result<Vec<(&str, u32)>> {
        let mut pending: Vec<(&str, u32)> = self
            .line
            .iter()
            .filter(|(key, _)| key.1 == file)
            .filter(|(key, _)| !self.ported.contains(*key) && !self.absent.contains(*key))
            .map(|(key, line)| (key.0.as_str(), *line))
            .collect();
        if pending.is_empty() && !self.line.keys().any(|key| key.1 == file) {
            bail!("no Go test file is called {file}");
        }
        pending.sort_by_key(|(_, line)| *line);
        Ok(pending)
    }

    /// One line per Go file: ported, awaiting, absent, pending; the totals last.
    fn table(&self) -> String {
        let mut rows: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        let mut totals = [0; 4];
        for key in self.line.keys() {
            let column = match (self.ported.contains(key), self.absent.contains(key)) {
                (true, _) if self.awaiting.contains(key) => 1,
                (true, _) => 0,
                (false, true) => 2,
                (false, false) => 3,
            };
            rows.entry(&key.1).or_default()[column] += 1;
            totals[column] += 1;
        }
        let mut text = format!(
            "{:<45} {:>8} {:>8} {:>8} {:>8}\n",
            "Go file", "ported", "awaiting", "absent", "pending"
        );
        for (file, counts) in rows.iter().map(|(file, counts)| (*file, counts)) {
            text.push_str(&row(file, counts));
        }
        text.push_str(&row("total", &totals));
        text
    }
}

fn row(name: &str, counts: &[usize; 4]) -> String {
    let [ported, awaiting, absent, pending] = counts;
    format!("{name:<45} {ported:>8} {awaiting:>8} {absent:>8} {pending:>8}\n")
}

/// The test function that the lines after a doc line lead to, from its `fn` on.
fn documented_test<'a, 'b>(following: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let mut test = false;
    for (index, line) in following.iter().enumerate() {
        let line = line.trim_start();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            test = true;
        } else if line.starts_with("fn ") || line.starts_with("async fn ") {
            return test.then(|| &following[index..]);
        } else if !line.starts_with("///") && !line.starts_with("#[") {
            return None;
        }
    }
    None
}

/// Whether a function, given from its `fn` on and formatted as rustfmt does, calls `awaits`.
fn awaits_feature(lines: &[&str]) -> bool {
    let Some(head) = lines.first() else { return false };
    let indent = head.len() - head.trim_start().len();
    let last = format!("{}}}", " ".repeat(indent));
    let is_body = |line: &&&str| !head.ends_with('}') && **line != last;
    let mut body = lines.iter().take_while(is_body).map(|line| line.trim_start());
    body.any(|line| !line.starts_with("//") && line.contains("awaits("))
}

#[cfg(test)]
mod tests;

//! Rules about single files: length, opening comment, marks without an owner, orphans.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::tree::{self, Source};

/// Lines a file may have; tests and generated code are free.
const FILE_LINES_MAX: usize = 800;
/// Lines the crate `base` may have in all.
const BASE_LINES_MAX: usize = 2000;
/// Calls that let time pass without looking at anything.
const SLEEPS: [&str; 2] = ["thread::sleep(", "park_timeout("];
/// Beginnings of paths that exist on one machine only. Split so that this file passes.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(super) fn check(sources: &[Source], ratchet: &str) -> Vec<String> {
    let mut violations = lengths(sources, ratchet);
    violations.extend(orphans(sources));
    violations.extend(decision_records(sources));
    for source in sources {
        violations.extend(marks(source));
        if source.path.ends_with(".rs") && !tree::is_test(&source.path) || is_harness(&source.path)
        {
            violations.extend(opening(source));
        }
    }
    violations
}

/// Test code that others build on is held to the rules of a library.
fn is_harness(path: &str) -> bool {
    path.ends_with(".rs") && path.starts_with("tests/") && !path.ends_with("/tests.rs")
}

fn opening(source: &Source) -> Option<String> {
    let first =
        source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    match first {
        Some(line) if line.starts_with("//!") => None,
        _ => Some(format!("{}: does not open with //! saying what it is for", source.path)),
    }
}

/// Lengths against the limit or against the ratchet: `path<TAB>lines<TAB>reason`.
fn lengths(sources: &[Source], ratchet: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let mut allowed: BTreeMap<&str, usize> = BTreeMap::new();
    for row in ratchet.lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let fields: Vec<&str> = row.split('\t').collect();
        match fields.as_slice() {
            [path, lines, reason] if !reason.is_empty() => match lines.parse() {
                Ok(lines) => {
                    allowed.insert(*path, lines);
                }
                Err(_) => violations.push(format!("ratchet.tsv: bad number in {row:?}")),
            },
            _ => violations.push(format!("ratchet.tsv: want path<TAB>lines<TAB>reason: {row:?}")),
        }
    }
    let mut base_lines = 0;
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let (path, count) = (source.path.as_str(), source.text.lines().count());
        if tree::is_test(path) || path.contains("/generated/") || path.ends_with("/generated.rs") {
            continue;
        }
        if path.starts_with("natsd/crates/base/") {
            base_lines += count;
        }
        match allowed.remove(path) {
            Some(_) if count <= FILE_LINES_MAX => {
                violations.push(format!("{path}: fits now, take it out of ratchet.tsv"));
            }
            Some(limit) if count > limit => {
                violations.push(format!("{path}: {count} lines, and may only shrink from {limit}"));
            }
            None if count > FILE_LINES_MAX => {
                violations.push(format!("{path}: {count} lines, at most {FILE_LINES_MAX}"));
            }
            _ => {}
        }
    }
    for path in allowed.keys() {
        violations.push(format!("ratchet.tsv: there is no {path}"));
    }
    if base_lines > BASE_LINES_MAX {
        violations.push(format!("natsd/crates/base: {base_lines} lines, at most {BASE_LINES_MAX}"));
    }
    violations
}

/// Marks for later work without a name, sleeps in integration tests, and paths of one machine.
fn marks(source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let place = format!("{}:{}", source.path, index + 1);
        if source.path.ends_with(".rs") {
            for mark in [concat!("TO", "DO"), concat!("FIX", "ME")] {
                let comment = line.find("//").map(|at| &line[at..]).unwrap_or_default();
                if let Some(at) = comment.find(mark)
                    && !comment[at + mark.len()..].starts_with('(')
                {
                    violations.push(format!("{place}: {mark} without a name"));
                }
            }
        }
        if source.path.starts_with("tests/it/") && SLEEPS.iter().any(|call| line.contains(call)) {
            violations.push(format!("{place}: sleeps; wait for a condition instead"));
        }
        for needle in MACHINE_PATHS {
            if line.contains(needle) {
                violations.push(format!("{place}: a path of one machine ({needle})"));
            }
        }
    }
    violations
}

/// Rust files that no `mod` reaches: they look like code and tests, and are neither.
fn orphans(sources: &[Source]) -> Vec<String> {
    let texts: HashMap<&str, &str> = sources
        .iter()
        .filter(|source| source.path.ends_with(".rs"))
        .map(|source| (source.path.as_str(), source.text.as_str()))
        .collect();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut waiting: Vec<String> =
        texts.keys().filter(|path| is_root(path)).map(|path| (*path).to_owned()).collect();
    while let Some(path) = waiting.pop() {
        let Some(text) = texts.get(path.as_str()) else { continue };
        if !reached.insert(path.clone()) {
            continue;
        }
        for name in text.lines().filter_map(module_name) {
            let folder = module_folder(&path);
            waiting.push(format!("{folder}/{name}.rs"));
            waiting.push(format!("{folder}/{name}/mod.rs"));
        }
    }
    let mut orphans: Vec<String> = texts
        .keys()
        .filter(|path| !reached.contains(**path))
        .map(|path| format!("{path}: no mod leads here, so it is never compiled"))
        .collect();
    orphans.sort();
    orphans
}

/// Files that cargo compiles without a `mod`.
fn is_root(path: &str) -> bool {
    let crate_root = ["/src/lib.rs", "/src/main.rs", "/build.rs"];
    let auto = ["/src/bin/", "/benches/", "/examples/", "/fuzz_targets/"];
    // Programs and integration tests in several files: `crate/src/bin/name/main.rs`.
    let is_grouped = ["/tests/", "/src/bin/"].iter().any(|part| {
        path.rsplit_once(part)
            .and_then(|(_, rest)| rest.split_once('/'))
            .is_some_and(|(_, file)| file == "main.rs")
    });
    path == "tests/it/main.rs"
        || path == "build.rs"
        || is_grouped
        || crate_root.iter().any(|end| path.ends_with(end))
        || auto.iter().any(|part| {
            path.split_once(part).is_some_and(|(_, rest)| !rest.contains('/'))
        })
        // Integration tests of a crate: `crate/tests/name.rs`.
        || path.rsplit_once('/').is_some_and(|(folder, _)| {
            folder.ends_with("/tests") && !folder.contains("/src/")
        })
}

/// The folder where the modules that `path` declares live.
fn module_folder(path: &str) -> &str {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder,
        _ if is_root(path) => folder,
        _ => path.strip_suffix(".rs").unwrap_or(path),
    }
}

fn module_name(line: &str) -> Option<&str> {
    let declared = line.trim().strip_suffix(';')?;
    let name = declared
        .split_once("mod ")
        .filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?;
    Some(name.1.trim())
}

/// Architecture decision records carry a number of their own.
fn decision_records(sources: &[Source]) -> Vec<String> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut violations = Vec::new();
    for source in sources {
        let Some(name) = source.path.strip_prefix("natsd/docs/adr/") else { continue };
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            if name != "README.md" {
                violations.push(format!("{}: name it NNNN-title.md", source.path));
            }
        } else if let Some(other) = seen.insert(number, &source.path) {
            violations.push(format!("{}: has the number of {other}", source.path));
        }
    }
    violations
}

//! Runs one fuzz target of `tests/fuzz`.

use anyhow::{Context, Result, bail};

use crate::{ci, tree};

/// Tries `runs` inputs on `target`.
///
/// # Errors
/// When there is no such target, or an input makes it fail.
pub(crate) fn run(target: &str, runs: u64) -> Result<()> {
    let folder = tree::root().join("tests/fuzz");
    let targets = folder.join("fuzz_targets");
    if !targets.join(format!("{target}.rs")).is_file() {
        let mut known: Vec<String> = std::fs::read_dir(&targets)
            .with_context(|| format!("read {}", targets.display()))?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
            .collect();
        known.sort();
        bail!("no fuzz target {target:?}; there are {}", known.join(", "));
    }
    let runs = format!("-runs={runs}");
    ci::command(&folder, "cargo", &["run", "--release", "--bin", target, "--", &runs])
}

//! Builds and runs one fuzz target of `tests/fuzz` with the stable toolchain.
//!
//! cargo-fuzz would want a nightly compiler for its sanitizers. libFuzzer itself needs only the
//! coverage counters, and those are flags of the stable compiler.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tree;

/// What makes the compiler count which branches an input takes.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 --cfg fuzzing";

/// Tries `runs` inputs on `target`, starting from the seeds and what earlier runs found.
///
/// # Errors
/// When there is no such target, it does not build, or an input makes it fail; that input is kept
/// in `tests/fuzz/artifacts`.
pub(crate) fn run(target: &str, runs: u64) -> Result<()> {
    let folder = tree::root().join("tests/fuzz");
    check_target(&folder, target)?;
    let host = host()?;
    let status = Command::new("cargo")
        .args(["build", "--release", "--target", &host, "--bin", target])
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(&folder)
        .status()
        .context("build the fuzz target")?;
    if !status.success() {
        bail!("the fuzz target {target} does not build");
    }
    let (corpus, artifacts) = (format!("corpus/{target}"), format!("artifacts/{target}/"));
    for path in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder.join(path)).with_context(|| format!("create {path}"))?;
    }
    let status = Command::new(folder.join("target").join(&host).join("release").join(target))
        .args([&corpus, &format!("seeds/{target}"), &format!("-runs={runs}")])
        .arg(format!("-artifact_prefix={artifacts}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"])
        .current_dir(&folder)
        .status()
        .context("run the fuzz target")?;
    if !status.success() {
        bail!("{target} failed ({status}); the input is in tests/fuzz/{artifacts}");
    }
    Ok(())
}

fn check_target(folder: &Path, target: &str) -> Result<()> {
    let targets = folder.join("fuzz_targets");
    if targets.join(format!("{target}.rs")).is_file() {
        return Ok(());
    }
    let mut known: Vec<String> = std::fs::read_dir(&targets)
        .with_context(|| format!("read {}", targets.display()))?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    known.sort();
    bail!("no fuzz target {target:?}; there are {}", known.join(", "));
}

/// The triple that this machine compiles for: naming it keeps the flags from build scripts.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("run rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("host triple")?;
    Ok(host.to_owned())
}

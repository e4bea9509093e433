//! What must pass before a merge, in the order of cost.
//!
//! One package selection (`--workspace`) for every cargo call, so that features are resolved once
//! and nothing is built twice. Stops at the first step that fails.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{parity, tidy, tree};

/// One step: its name and what it does.
struct Step {
    name: &'static str,
    run: fn(&Path) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "tools", run: tools },
    Step { name: "fmt", run: |root| cargo(root, &["fmt", "--all", "--check"]) },
    Step { name: "tidy", run: |_| tidy::run() },
    Step { name: "parity", run: |_| parity::run(None) },
    Step {
        name: "clippy",
        run: |root| {
            cargo(
                root,
                &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
            )
        },
    },
    Step {
        name: "build",
        run: |root| cargo(root, &["test", "--workspace", "--no-run", "--quiet"]),
    },
    Step {
        name: "crates",
        run: |root| cargo(root, &["test", "--workspace", "--lib", "--bins", "--quiet"]),
    },
    Step {
        name: "it",
        run: |root| cargo(root, &["test", "--workspace", "--test", "it", "--quiet"]),
    },
    Step { name: "cli", run: |root| with_server(root, "cli") },
    Step { name: "interop", run: |root| with_server(root, "interop") },
    Step { name: "web", run: web },
    Step { name: "deny", run: deny },
];

/// Runs the steps named, or all of them.
///
/// # Errors
/// When a step fails, or there is no step of that name.
#[expect(clippy::print_stdout, reason = "progress is for whoever waits")]
pub(crate) fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step {unknown:?}; there are {}", known.join(", "));
    }
    let root = tree::root();
    let start = Instant::now();
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    for step in STEPS.iter().filter(wanted) {
        println!("==> {}", step.name);
        let begun = Instant::now();
        (step.run)(&root).with_context(|| format!("step {}", step.name))?;
        println!("    {} ok, {:.1} s", step.name, begun.elapsed().as_secs_f64());
    }
    println!("all ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Adds the parts of the toolchain that a minimal installation lacks.
fn tools(root: &Path) -> Result<()> {
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !answers("cargo", &[probe, "--version"]) {
            command(root, "rustup", &["component", "add", component])?;
        }
    }
    Ok(())
}

/// Runs a test that starts the natsd of the target directory, which cargo does not know of.
fn with_server(root: &Path, test: &str) -> Result<()> {
    // That test has natsd as its binary: built so, natsd is fresh, with the features of `build`.
    cargo(root, &["test", "--workspace", "--test", "it", "--no-run", "--quiet"])?;
    cargo(root, &["test", "--workspace", "--test", test, "--quiet"])
}

/// The dashboard's own tests, where there is a dashboard and npm to run them with.
#[expect(clippy::print_stdout, reason = "says what was not checked")]
fn web(root: &Path) -> Result<()> {
    let folder = root.join("web");
    if !folder.join("package.json").is_file() {
        println!("    no web/package.json, nothing to check");
        return Ok(());
    }
    if !answers("npm", &["--version"]) {
        bail!("npm is needed for the dashboard's tests");
    }
    if !folder.join("node_modules").is_dir() {
        command(&folder, "npm", &["ci", "--no-audit", "--no-fund"])?;
    }
    command(&folder, "npm", &["test"])
}

/// Licences, bans and advisories, where cargo-deny is installed.
#[expect(clippy::print_stdout, reason = "says what was not checked")]
fn deny(root: &Path) -> Result<()> {
    if !answers("cargo", &["deny", "--version"]) {
        println!("    cargo-deny is not installed: licences and bans are not checked");
        return Ok(());
    }
    cargo(root, &["deny", "--config", ".deny.toml", "check", "bans", "licenses", "sources"])
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    command(root, "cargo", arguments)
}

pub(crate) fn command(folder: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .status()
        .with_context(|| format!("start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(())
}

/// Whether a program is there and exits well.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

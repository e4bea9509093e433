//! Finds the commit that INFO and `/varz` name.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=NATSD_GIT_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var("NATSD_GIT_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(commit_of_checkout).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=NATSD_GIT_COMMIT={commit}");
}

fn commit_of_checkout() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=7", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

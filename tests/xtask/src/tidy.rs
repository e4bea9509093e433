//! Rules of the house that no compiler checks.
//!
//! Every check is a function from the tree to violations, so that one run reports all of them.

mod files;
mod layers;

use std::path::Path;

use anyhow::{Result, bail};

use crate::tree;

/// Checks the working tree.
///
/// # Errors
/// When a rule is broken; every violation is printed first.
#[expect(clippy::print_stdout, reason = "the report is the product")]
pub(crate) fn run() -> Result<()> {
    let violations = check(&tree::root())?;
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        return Ok(());
    }
    bail!("{} violations", violations.len());
}

/// All violations in the tree, as `place: what is wrong`.
fn check(root: &Path) -> Result<Vec<String>> {
    let sources = tree::files(root, &["rs", "toml", "md"])?;
    let ratchet = std::fs::read_to_string(root.join("tests/xtask/ratchet.tsv"))?;
    let mut violations = files::check(&sources, &ratchet);
    violations.extend(layers::check(&sources));
    Ok(violations)
}

#[cfg(test)]
mod tests;

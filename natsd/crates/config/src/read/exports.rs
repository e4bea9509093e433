//! Imports and exports of an account.
//!
//! Source: Go `server/opts.go` (`parseExportStreamOrService`, `parseServiceLatency`,
//! `parseImportStreamOrService`, `parseAccountImports`).

use std::time::Duration;

use super::{Field, Outcome, Reader};
use crate::duration;
use crate::language::{Token, Value};
use crate::options::{
    Account, ServiceExport, ServiceImport, ServiceLatency, ServiceResponse, StreamExport,
    StreamImport,
};
use crate::quote::quote;

/// What an entry is for; the first of `stream` and `service` decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream,
    Service,
}

#[derive(Default)]
struct ExportEntry {
    kind: Option<Kind>,
    subject: String,
    accounts: Option<Vec<String>>,
    position: u64,
    response: Option<ServiceResponse>,
    threshold: Option<Duration>,
    latency: Option<ServiceLatency>,
    allow_trace: bool,
    /// Keys that only a service may have, with what Go calls them.
    service_only: Vec<(Token, &'static str)>,
}

#[derive(Default)]
struct ImportEntry {
    kind: Option<Kind>,
    account: String,
    subject: String,
    prefix: Option<String>,
    to: Option<(Token, String)>,
    share: bool,
    allow_trace: Option<(Token, bool)>,
}

impl Reader<'_> {
    pub(crate) fn exports(&mut self, token: &Token, account: &mut Account) -> Outcome {
        let items = token.array_or(|kind| format!("Exports should be an array, got {kind}"))?;
        for item in items {
            let result = self.export(item, account);
            self.keep(result);
        }
        Ok(())
    }

    fn export(&mut self, token: &Token, account: &mut Account) -> Outcome {
        let map = token
            .map_or(|kind| format!("Export Items should be a map with type entry, got {kind}"))?;
        let errors = self.errors.len();
        let mut entry = ExportEntry::default();
        self.fields(&map, |reader, field| reader.export_field(&field, &mut entry));
        if entry.kind == Some(Kind::Stream) {
            for (token, directive) in &entry.service_only {
                self.errors
                    .push(token.fail(format!("Detected {directive} directive on non-service")));
            }
        }
        if self.errors.len() > errors {
            return Ok(());
        }
        match entry.kind {
            Some(Kind::Stream) => account.stream_exports.push(StreamExport {
                subject: entry.subject,
                accounts: entry.accounts,
                account_token_position: entry.position,
            }),
            Some(Kind::Service) => account.service_exports.push(ServiceExport {
                subject: entry.subject,
                accounts: entry.accounts,
                account_token_position: entry.position,
                response: entry.response.unwrap_or_default(),
                response_threshold: entry.threshold.filter(|threshold| !threshold.is_zero()),
                latency: entry.latency,
                allow_trace: entry.allow_trace,
            }),
            // An entry with neither exports nothing, as in Go.
            None => {}
        }
        Ok(())
    }

    fn export_field(&mut self, field: &Field<'_>, entry: &mut ExportEntry) -> Outcome {
        let token = field.token;
        match field.name {
            "stream" => return export_subject(field, entry, Kind::Stream),
            "service" => return export_subject(field, entry, Kind::Service),
            "response" | "response_type" => {
                if entry.response.is_some() {
                    return field.fail("Duplicate response type definition");
                }
                entry.service_only.push((token.clone(), "response"));
                entry.response = Some(response(field)?);
            }
            "threshold" | "response_threshold" | "response_max_time" | "response_time" => {
                if entry.threshold.is_some() {
                    return field.fail("Duplicate response threshold detected");
                }
                entry.service_only.push((token.clone(), "response"));
                entry.threshold = Some(threshold(field)?);
            }
            "accounts" => {
                let names: Outcome<Vec<String>> =
                    token.array()?.iter().map(Token::string).collect();
                // An empty list means all accounts, as in Go.
                entry.accounts = Some(names?).filter(|names| !names.is_empty());
            }
            "latency" => {
                entry.service_only.push((token.clone(), "latency"));
                entry.latency = Some(latency(token)?);
            }
            "account_token_position" => {
                entry.position = u64::try_from(token.integer()?)
                    .or_else(|_| field.fail("account_token_position can not be negative"))?;
            }
            "allow_trace" => {
                entry.service_only.push((token.clone(), "allow_trace"));
                entry.allow_trace = token.boolean()?;
            }
            _ => return field.unknown(),
        }
        Ok(())
    }

    pub(crate) fn imports(&mut self, token: &Token, account: &mut Account) -> Outcome {
        let items = token.array_or(|kind| format!("Imports should be an array, got {kind}"))?;
        for item in items {
            let result = self.import(item, account);
            self.keep(result);
        }
        Ok(())
    }

    fn import(&mut self, token: &Token, account: &mut Account) -> Outcome {
        let map = token
            .map_or(|kind| format!("Import Items should be a map with type entry, got {kind}"))?;
        let errors = self.errors.len();
        let mut entry = ImportEntry::default();
        self.fields(&map, |reader, field| reader.import_field(&field, &mut entry));
        if self.errors.len() > errors {
            return Ok(());
        }
        match entry.kind {
            Some(Kind::Stream) => {
                if let (Some(_), Some((to, _))) = (&entry.prefix, &entry.to) {
                    return Err(
                        to.fail("Stream import can not have a 'prefix' and a 'to' property")
                    );
                }
                account.stream_imports.push(StreamImport {
                    account: entry.account,
                    subject: entry.subject,
                    prefix: entry.prefix,
                    to: entry.to.map(|(_, to)| to),
                    allow_trace: entry.allow_trace.is_some_and(|(_, allow)| allow),
                });
            }
            Some(Kind::Service) => {
                if let Some((trace, _)) = &entry.allow_trace {
                    return Err(trace.fail("Detected allow_trace directive on a non-stream"));
                }
                let to = entry.to.map_or_else(|| entry.subject.clone(), |(_, to)| to);
                let twin = account
                    .service_imports
                    .iter()
                    .find(|import| import.to == to && import.account == entry.account);
                if let Some(twin) = twin {
                    return Err(token.fail(format!(
                        "Duplicate service import subject {}, previously used in import for \
                         account {}, subject {}",
                        quote(&to),
                        quote(&twin.account),
                        quote(&twin.subject)
                    )));
                }
                account.service_imports.push(ServiceImport {
                    account: entry.account,
                    subject: entry.subject,
                    to,
                    share: entry.share,
                });
            }
            None => {}
        }
        Ok(())
    }

    fn import_field(&mut self, field: &Field<'_>, entry: &mut ImportEntry) -> Outcome {
        let token = field.token;
        match field.name {
            "stream" => {
                if entry.kind == Some(Kind::Service) {
                    return field.fail("Detected stream but already saw a service");
                }
                entry.kind = Some(Kind::Stream);
                return self.import_source(field, entry, "Stream");
            }
            "service" => {
                if entry.kind == Some(Kind::Stream) {
                    return field.fail("Detected service but already saw a stream");
                }
                entry.kind = Some(Kind::Service);
                return self.import_source(field, entry, "Service");
            }
            "prefix" => entry.prefix = token.text()?,
            "to" => entry.to = token.text()?.map(|to| (token.clone(), to)),
            "share" => entry.share = token.boolean()?,
            "allow_trace" => entry.allow_trace = Some((token.clone(), token.boolean()?)),
            _ => return field.unknown(),
        }
        Ok(())
    }

    /// `{account: …, subject: …}`.
    fn import_source(&mut self, field: &Field<'_>, entry: &mut ImportEntry, kind: &str) -> Outcome {
        let map = field
            .token
            .map_or(|found| format!("{kind} entry should be an account map, got {found}"))?;
        self.fields(&map, |_, field| {
            match field.name {
                "account" => entry.account = field.token.string()?,
                "subject" => entry.subject = field.token.string()?,
                _ => return field.unknown(),
            }
            Ok(())
        });
        if entry.account.is_empty() || entry.subject.is_empty() {
            return field.fail("Expect an account name and a subject");
        }
        Ok(())
    }
}

fn export_subject(field: &Field<'_>, entry: &mut ExportEntry, kind: Kind) -> Outcome {
    let (name, other) = match kind {
        Kind::Stream => ("stream", "service"),
        Kind::Service => ("service", "stream"),
    };
    if entry.kind.is_some_and(|seen| seen != kind) {
        return field.fail(format!(
            "Detected {name} {} but already saw a {other}",
            quote(&field.token.value.to_string())
        ));
    }
    let Value::String(subject) = &field.token.value else {
        return field
            .fail(format!("Expected {name} name to be string, got {}", field.token.type_name()));
    };
    entry.kind = Some(kind);
    entry.subject = subject.to_string();
    Ok(())
}

fn response(field: &Field<'_>) -> Outcome<ServiceResponse> {
    let Value::String(text) = &field.token.value else {
        return field
            .fail(format!("Expected response type to be string, got {}", field.token.type_name()));
    };
    match text.to_lowercase().as_str() {
        "single" | "singleton" => Ok(ServiceResponse::Singleton),
        "stream" => Ok(ServiceResponse::Stream),
        "chunk" | "chunked" => Ok(ServiceResponse::Chunked),
        _ => field.fail(format!("Unknown response type: {}", quote(text))),
    }
}

fn threshold(field: &Field<'_>) -> Outcome<Duration> {
    let expected = "Expected response threshold to be a parseable time duration, got";
    let Value::String(text) = &field.token.value else {
        return field.fail(format!("{expected} {}", field.token.type_name()));
    };
    match duration::parse(text).ok().and_then(duration::Nanoseconds::to_duration) {
        Some(threshold) => Ok(threshold),
        None => field.fail(format!("{expected} {}", quote(text))),
    }
}

/// A subject alone, or `{sampling: …, subject: …}`.
pub(crate) fn latency(token: &Token) -> Outcome<ServiceLatency> {
    let map = match &token.value {
        Value::String(subject) => {
            return Ok(ServiceLatency { sampling: 100, subject: subject.to_string() });
        }
        Value::Map(map) => map,
        other => {
            return Err(token.fail(format!(
                "Expected latency entry to be a map/struct or string, got {}",
                other.type_name()
            )));
        }
    };
    let sampling = map.get("sampling").map_or(Ok(100), latency_sampling)?;
    let Some(subject) = map.get("subject") else {
        return Err(token.fail("Latency subject required, but missing"));
    };
    let subject = subject
        .string()
        .map_err(|_| subject.fail("Expected latency subject to be a string, got string"))?;
    Ok(ServiceLatency { sampling, subject })
}

fn latency_sampling(token: &Token) -> Outcome<u8> {
    let number = match &token.value {
        Value::Integer(number) => *number,
        Value::String(text) if text.trim().eq_ignore_ascii_case("headers") => return Ok(0),
        Value::String(text) => {
            let digits = text.strip_suffix('%').unwrap_or(text);
            digits.parse::<i64>().map_err(|_| {
                token.fail(format!(
                    "Failed to parse latency sample: strconv.Atoi: parsing {}: invalid syntax",
                    quote(digits)
                ))
            })?
        }
        other => {
            return Err(token.fail(format!(
                "Expected latency sample to be a string or map/struct, got {}",
                other.type_name()
            )));
        }
    };
    match u8::try_from(number) {
        Ok(sampling @ 1..=100) => Ok(sampling),
        _ => Err(token.fail("bad sampling percentage, should be 1-100")),
    }
}

//! Do the imports of all accounts fit the exports?
//!
//! An import needs an export that covers it and lets the account in, must not be there twice, and
//! must not lead back to where it comes from.
//!
//! Source: Go `server/opts.go` (`parseAccounts`, second half), `server/accounts.go`
//! (`checkStreamImportAuthorized`, `checkServiceImportAuthorized`, `checkStreamImportsForCycles`,
//! `checkServiceImportsForCycles`, `TrackServiceExportWithSampling`).

use std::collections::{BTreeMap, BTreeSet};

use natsd_subject::transform::{self, SubjectTransform, TransformError};

use crate::options::{Account, ServiceExport, ServiceImport, ServiceResponse, StreamImport};
use crate::quote::quote;
use crate::subjects;

/// Go: `MaxAccountCycleSearchDepth`.
const CYCLE_DEPTH_MAX: usize = 1024;
/// Go: `ErrInvalidSubject`.
const INVALID_SUBJECT: &str = "sublist: invalid subject";

type ByName<'a> = BTreeMap<&'a str, &'a Account>;

/// The imports that were accepted so far. One is only checked against those before it, as in Go,
/// so that an account may import from itself.
#[derive(Default)]
struct Accepted<'a> {
    streams: BTreeMap<&'a str, Vec<&'a StreamImport>>,
    services: BTreeMap<&'a str, Vec<&'a ServiceImport>>,
}

/// Everything that does not fit, in the order of the accounts: exports first, then imports.
pub(crate) fn check(accounts: &[Account], no_system_account: bool) -> Vec<String> {
    let by_name: ByName<'_> =
        accounts.iter().map(|account| (account.name.as_str(), account)).collect();
    let mut errors = Vec::new();
    for account in accounts {
        check_exports(account, &by_name, no_system_account, &mut errors);
    }
    let mut accepted = Accepted::default();
    for account in accounts {
        for import in &account.stream_imports {
            match check_stream_import(account, import, &by_name, &accepted) {
                Ok(()) => accepted.streams.entry(&account.name).or_default().push(import),
                Err(error) => errors.push(error),
            }
        }
    }
    for account in accounts {
        for import in &account.service_imports {
            match check_service_import(account, import, &by_name, &accepted) {
                Ok(()) => accepted.services.entry(&account.name).or_default().push(import),
                Err(error) => errors.push(error),
            }
        }
    }
    errors
}

fn check_exports(
    account: &Account,
    by_name: &ByName<'_>,
    no_system_account: bool,
    errors: &mut Vec<String>,
) {
    let mut check_accounts = |kind: &str, names: &Option<Vec<String>>| {
        for name in names.iter().flatten() {
            if !by_name.contains_key(name.as_str()) {
                errors.push(format!("{} account not defined for {kind} export", quote(name)));
            }
        }
    };
    for export in &account.stream_exports {
        check_accounts("stream", &export.accounts);
    }
    for export in &account.service_exports {
        check_accounts("service", &export.accounts);
    }
    for export in &account.stream_exports {
        if let Err(reason) = check_position(&export.subject, export.account_token_position) {
            errors.push(format!("Error adding stream export {}: {reason}", quote(&export.subject)));
        }
    }
    for export in &account.service_exports {
        let result = check_position(&export.subject, export.account_token_position)
            .map_err(|reason| {
                format!("Error adding service export {}: {reason}", quote(&export.subject))
            })
            .and_then(|()| check_latency(account, export, no_system_account));
        if let Err(error) = result {
            errors.push(error);
        }
    }
}

fn check_position(subject: &str, position: u64) -> Result<(), &'static str> {
    let Some(index) = position.checked_sub(1) else {
        return Ok(());
    };
    let token = usize::try_from(index).ok().and_then(|index| subject.split('.').nth(index));
    if token == Some("*") { Ok(()) } else { Err(INVALID_SUBJECT) }
}

fn check_latency(
    account: &Account,
    export: &ServiceExport,
    no_system_account: bool,
) -> Result<(), String> {
    let Some(latency) = &export.latency else {
        return Ok(());
    };
    let subject = quote(&export.subject);
    if no_system_account {
        return Err(format!(
            "Error adding service latency sampling for {subject}: system account not setup"
        ));
    }
    let is_own = account.service_exports.iter().any(|own| {
        own.subject == latency.subject || subjects::is_subset(&latency.subject, &own.subject)
    });
    let reason = if !subjects::is_valid_literal(&latency.subject) || is_own {
        "invalid publish subject"
    } else if export.response != ServiceResponse::Singleton {
        "bad service response type"
    } else {
        return Ok(());
    };
    Err(format!(
        "Error adding service latency sampling for {subject} on subject {}: {reason}",
        quote(&latency.subject)
    ))
}

/// An export as seen by an importer.
struct Export<'a> {
    subject: &'a str,
    accounts: Option<&'a [String]>,
    position: u64,
}

impl Export<'_> {
    fn lets_in(&self, importer: &str, tokens: Option<&str>) -> bool {
        if let Some(index) = self.position.checked_sub(1) {
            let token = tokens
                .zip(usize::try_from(index).ok())
                .and_then(|(subject, index)| subject.split('.').nth(index));
            return token == Some(importer);
        }
        self.accounts.is_none_or(|names| names.iter().any(|name| name == importer))
    }
}

/// The export of exactly this subject decides; otherwise the first one that covers it.
fn is_authorized<'a>(
    exports: impl Iterator<Item = Export<'a>> + Clone,
    importer: &str,
    subject: &str,
) -> bool {
    if let Some(export) = exports.clone().filter(|export| export.subject == subject).last() {
        return export.lets_in(importer, None);
    }
    exports
        .clone()
        .find(|export| subjects::is_subset(subject, export.subject))
        .is_some_and(|export| export.lets_in(importer, Some(subject)))
}

fn stream_exports(account: &Account) -> impl Iterator<Item = Export<'_>> + Clone {
    account.stream_exports.iter().map(|export| Export {
        subject: &export.subject,
        accounts: export.accounts.as_deref(),
        position: export.account_token_position,
    })
}

fn service_exports(account: &Account) -> impl Iterator<Item = Export<'_>> + Clone {
    account.service_exports.iter().map(|export| Export {
        subject: &export.subject,
        accounts: export.accounts.as_deref(),
        position: export.account_token_position,
    })
}

fn check_stream_import(
    account: &Account,
    import: &StreamImport,
    by_name: &ByName<'_>,
    accepted: &Accepted<'_>,
) -> Result<(), String> {
    let Some(exporter) = by_name.get(import.account.as_str()) else {
        return Err(format!("{} account not defined for stream import", quote(&import.account)));
    };
    let fail = |reason: &str| {
        Err(format!("Error adding stream import {}: {reason}", quote(&import.subject)))
    };
    if !subjects::is_valid(&import.subject)
        || !is_authorized(stream_exports(exporter), &account.name, &import.subject)
    {
        return fail("stream import not authorized");
    }
    if import.prefix.as_deref().is_some_and(subjects::has_wildcard) {
        return fail("stream import prefix can not contain wildcard tokens");
    }
    let mut visited = BTreeSet::from([account.name.as_str()]);
    for subject in [local_subject(import), import.subject.clone()] {
        if let Err(reason) = stream_cycle(exporter, &subject, &mut visited, by_name, accepted) {
            return fail(reason);
        }
        visited = BTreeSet::from([account.name.as_str()]);
    }
    let to = local_subject(import);
    if subjects::has_wildcard(&import.subject)
        && to != import.subject
        && let Err(error) = check_transform(&import.subject, &to)
    {
        return fail(&format!(
            "failed to create mapping transform for stream import subject from {} to {}: {error}",
            quote(&import.subject),
            quote(&to)
        ));
    }
    let is_twin = accepted
        .streams
        .get(account.name.as_str())
        .into_iter()
        .flatten()
        .any(|other| other.account == import.account && other.subject == import.subject);
    if is_twin {
        return fail("stream import already exists");
    }
    Ok(())
}

/// The subject with its placeholders (`$1`, `{{wildcard(1)}}`) back as wildcards, where the other
/// side has wildcards to fill them.
fn untokenized(subject: &str, other: &str) -> String {
    if !subjects::has_wildcard(other) {
        return subject.to_string();
    }
    text(&transform::untokenize(subject.as_bytes()).0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Can subjects that match `source` be renamed to `destination`, and back?
fn check_transform(source: &str, destination: &str) -> Result<(), TransformError> {
    let destination = transform::tokenize(destination.as_bytes());
    SubjectTransform::new_strict(source.as_bytes(), &destination).map(|_| ())
}

/// The subject under which a stream import arrives.
fn local_subject(import: &StreamImport) -> String {
    match (&import.prefix, &import.to) {
        (Some(prefix), _) => format!("{}.{}", prefix.trim_end_matches('.'), import.subject),
        (None, Some(to)) => to.clone(),
        (None, None) => import.subject.clone(),
    }
}

fn stream_cycle<'a>(
    account: &'a Account,
    subject: &str,
    visited: &mut BTreeSet<&'a str>,
    by_name: &ByName<'a>,
    accepted: &Accepted<'_>,
) -> Result<(), &'static str> {
    if visited.len() >= CYCLE_DEPTH_MAX {
        return Err("search cycle depth exhausted");
    }
    let is_exported =
        account.stream_exports.iter().any(|export| subjects::is_subset(subject, &export.subject));
    if !is_exported {
        return Ok(());
    }
    for import in accepted.streams.get(account.name.as_str()).into_iter().flatten() {
        let to = untokenized(&local_subject(import), &import.subject);
        if !subjects::collide(subject, &to) {
            continue;
        }
        if visited.contains(import.account.as_str()) {
            return Err("import forms a cycle");
        }
        visited.insert(&account.name);
        let next = if subjects::is_subset(&to, subject) { to.as_str() } else { subject };
        if let Some(exporter) = by_name.get(import.account.as_str()) {
            stream_cycle(exporter, next, visited, by_name, accepted)?;
        }
    }
    Ok(())
}

fn check_service_import(
    account: &Account,
    import: &ServiceImport,
    by_name: &ByName<'_>,
    accepted: &Accepted<'_>,
) -> Result<(), String> {
    let Some(exporter) = by_name.get(import.account.as_str()) else {
        return Err(format!("{} account not defined for service import", quote(&import.account)));
    };
    let fail = |reason: &str| {
        Err(format!("Error adding service import {}: {reason}", quote(&import.subject)))
    };
    if !subjects::is_valid(&import.to) || !subjects::is_valid(&import.subject) {
        return fail(INVALID_SUBJECT);
    }
    if !is_authorized(service_exports(exporter), &account.name, &import.subject) {
        return fail("service import not authorized");
    }
    let mut visited = BTreeSet::from([account.name.as_str()]);
    let from = untokenized(&import.to, &import.subject);
    if let Err(reason) = service_cycle(exporter, &from, &mut visited, by_name, accepted) {
        return fail(reason);
    }
    let source = text(&transform::untokenize(import.subject.as_bytes()).0);
    if subjects::has_wildcard(&import.subject)
        && import.to != import.subject
        && let Err(error) = check_transform(&source, &import.to)
    {
        return fail(&format!(
            "failed to create mapping transform for service import subject from {} to {}: {error}",
            quote(&import.to),
            quote(&source)
        ));
    }
    Ok(())
}

fn service_cycle<'a>(
    account: &'a Account,
    from: &str,
    visited: &mut BTreeSet<&'a str>,
    by_name: &ByName<'a>,
    accepted: &Accepted<'_>,
) -> Result<(), &'static str> {
    if visited.len() >= CYCLE_DEPTH_MAX {
        return Err("search cycle depth exhausted");
    }
    for import in accepted.services.get(account.name.as_str()).into_iter().flatten() {
        if !subjects::collide(from, &import.subject) {
            continue;
        }
        if visited.contains(import.account.as_str()) {
            return Err("import forms a cycle");
        }
        visited.insert(&account.name);
        let to = untokenized(&import.to, &import.subject);
        let next = if subjects::is_subset(&to, from) { to.as_str() } else { from };
        if let Some(exporter) = by_name.get(import.account.as_str()) {
            service_cycle(exporter, next, visited, by_name, accepted)?;
        }
    }
    Ok(())
}

/// Can subjects that match `source` be mapped to `destination`?
pub(crate) fn check_mapping(source: &str, destination: &str) -> Result<(), String> {
    transform::validate_mapping(source.as_bytes(), destination.as_bytes())
        .map_err(|error| error.to_string())
}

//! `/accountz` and `/accstatz`
//!
//! Source: Go `server/monitor.go` (`Accountz`, `accountInfo`, `AccountStatz`), `server/accounts.go`
//! (`AddWeightedMappings`).

use super::{figures, signed};
use crate::server::Server;
use natsd_admin_api::QueryError;
use natsd_api::Rfc3339;
use natsd_api::monitor::{
    AccountInfo, AccountStat, AccountStatz, AccountStatzOptions, Accountz, AccountzOptions,
    DataStats, ExtExport, ExtImport, Latency, MapDest, MsgBytes, Sampling,
};
use natsd_broker::Account;
use natsd_config::options::{self, MapDestination, ServiceResponse, SubjectMapping};
use natsd_subject::subject::is_subset_match;
use natsd_subject::transform::tokenize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn accountz(server: &Server, options: &AccountzOptions) -> Result<Accountz, QueryError> {
    let mut accountz = Accountz {
        server_id: server.id().to_owned(),
        now: Rfc3339(server.clock.now()),
        system_account: system_account(server),
        ..Accountz::default()
    };
    if options.account.is_empty() {
        let accounts = server.accounts();
        accountz.accounts = accounts.iter().map(|account| account.name().to_string()).collect();
        return Ok(accountz);
    }
    let accounts = server.accounts();
    let account = accounts.get(&options.account).ok_or_else(|| {
        QueryError::BadRequest(format!("Account {} does not exist", options.account))
    })?;
    accountz.account_detail = Some(Box::new(info(server, account)));
    Ok(accountz)
}

/// Name of the system account, empty when there is none.
pub(super) fn system_account(server: &Server) -> String {
    server.accounts().system().map(|account| account.name().to_string()).unwrap_or_default()
}

fn info(server: &Server, account: &Account) -> AccountInfo {
    let options = server.options();
    let configured = options.accounts.iter().find(|one| one.name == **account.name());
    AccountInfo {
        account_name: account.name().to_string(),
        update_time: Rfc3339(server.started),
        is_system: server.accounts().is_system(account),
        complete: true,
        client_connections: signed(account.connections()),
        subscriptions: subscriptions(account),
        mappings: configured.map(mappings).unwrap_or_default(),
        exports: configured.map(exports).unwrap_or_default(),
        imports: configured.map(|one| imports(&options, one)).unwrap_or_default(),
        name_tag: account.name().to_string(),
        sublist_stats: Some(figures(&account.with_interest(|interest| interest.stats()))),
        ..AccountInfo::default()
    }
}

fn subscriptions(account: &Account) -> u32 {
    u32::try_from(account.subscriptions()).unwrap_or(u32::MAX)
}

fn mappings(account: &options::Account) -> BTreeMap<String, Vec<MapDest>> {
    account.mappings.iter().map(|one| (one.source.clone(), destinations(one))).collect()
}

/// Destinations without a cluster, then those of each cluster.
fn destinations(mapping: &SubjectMapping) -> Vec<MapDest> {
    let clusters: BTreeSet<Option<&String>> =
        mapping.destinations.iter().map(|one| one.cluster.as_ref()).chain([None]).collect();
    let of = |cluster: Option<&String>| {
        let all = mapping.destinations.iter();
        let own: Vec<&MapDestination> = all.filter(|one| one.cluster.as_ref() == cluster).collect();
        weighted(mapping, &own, cluster)
    };
    clusters.into_iter().flat_map(of).collect()
}

/// Weights as Go keeps them: what is missing to 100 goes to the subject itself, then each adds up
/// those before it.
fn weighted(
    mapping: &SubjectMapping,
    destinations: &[&MapDestination],
    cluster: Option<&String>,
) -> Vec<MapDest> {
    let cluster = cluster.cloned().unwrap_or_default();
    let entry = |subject: &str, weight: u8| MapDest {
        subject: subject.to_owned(),
        weight,
        cluster: cluster.clone(),
    };
    let mut list: Vec<MapDest> =
        destinations.iter().map(|one| entry(&one.subject, one.weight)).collect();
    let sum = list.iter().fold(0_u8, |sum, one| sum.saturating_add(one.weight));
    let keeps_source = mapping.destinations.iter().any(|one| one.subject == mapping.source);
    if sum < 100 && !keeps_source {
        let own = tokenize(mapping.source.as_bytes());
        list.push(entry(&String::from_utf8_lossy(&own), 100 - sum));
    }
    list.sort_by_key(|one| one.weight);
    let mut total = 0_u8;
    for one in &mut list {
        total = total.saturating_add(one.weight);
        one.weight = total;
    }
    list
}

fn latency(latency: &options::ServiceLatency) -> Latency {
    let sampling = match latency.sampling {
        0 => Sampling::Headers,
        percent => Sampling::Percent(percent),
    };
    Latency { sampling, results: latency.subject.clone() }
}

fn exports(account: &options::Account) -> Vec<ExtExport> {
    let services = account.service_exports.iter().map(|one| ExtExport {
        subject: one.subject.clone(),
        kind: "service".to_owned(),
        response_type: match one.response {
            ServiceResponse::Singleton => "Singleton",
            ServiceResponse::Stream => "Streamed",
            ServiceResponse::Chunked => "Chunked",
        }
        .to_owned(),
        service_latency: one.latency.as_ref().map(latency),
        approved_accounts: one.accounts.clone().unwrap_or_default(),
        ..ExtExport::default()
    });
    let streams = account.stream_exports.iter().map(|one| ExtExport {
        subject: one.subject.clone(),
        kind: "stream".to_owned(),
        approved_accounts: one.accounts.clone().unwrap_or_default(),
        ..ExtExport::default()
    });
    services.chain(streams).collect()
}

fn imports(options: &options::Options, account: &options::Account) -> Vec<ExtImport> {
    let streams = account.stream_imports.iter().map(|one| ExtImport {
        subject: one.subject.clone(),
        account: one.account.clone(),
        local_subject: match (&one.to, &one.prefix) {
            (Some(to), _) => to.clone(),
            (None, Some(prefix)) => {
                format!("{}.{}", prefix.trim_end_matches('.'), one.subject)
            }
            (None, None) => one.subject.clone(),
        },
        kind: "stream".to_owned(),
        ..ExtImport::default()
    });
    let services = account.service_imports.iter().map(|one| ExtImport {
        subject: one.subject.clone(),
        account: one.account.clone(),
        to: one.to.clone(),
        local_subject: one.to.clone(),
        kind: "service".to_owned(),
        share: one.share,
        latency: measured(options, one),
        ..ExtImport::default()
    });
    streams.chain(services).collect()
}

/// How the service behind an import is measured.
fn measured(options: &options::Options, import: &options::ServiceImport) -> Option<Latency> {
    let exporter = options.accounts.iter().find(|one| one.name == import.account)?;
    let export = exporter
        .service_exports
        .iter()
        .find(|one| is_subset_match(import.subject.as_bytes(), one.subject.as_bytes()))?;
    export.latency.as_ref().map(latency)
}

pub(super) fn accstatz(server: &Server, options: &AccountStatzOptions) -> AccountStatz {
    let wanted = |account: &&std::sync::Arc<Account>| {
        let named = options.accounts.is_empty()
            || options.accounts.iter().any(|name| **name == **account.name());
        named && (options.include_unused || account.connections() > 0)
    };
    AccountStatz {
        server_id: server.id().to_owned(),
        now: Rfc3339(server.clock.now()),
        account_statz: server.accounts().iter().filter(wanted).map(|one| figures_of(one)).collect(),
    }
}

/// What Go tells of an account in events and in `/accstatz`.
pub(crate) fn figures_of(account: &Account) -> AccountStat {
    let load = |counter: &AtomicU64| signed(counter.load(Ordering::Relaxed));
    let traffic = &account.traffic;
    let data = |msgs: &AtomicU64, bytes: &AtomicU64| DataStats {
        total: MsgBytes { msgs: load(msgs), bytes: load(bytes) },
        gateways: Some(MsgBytes::default()),
        routes: Some(MsgBytes::default()),
        leafs: Some(MsgBytes::default()),
    };
    AccountStat {
        acc: account.name().to_string(),
        name: account.name().to_string(),
        conns: signed(account.connections()),
        leafnodes: 0,
        total_conns: signed(account.connections()),
        num_subscriptions: subscriptions(account),
        sent: data(&traffic.out_msgs, &traffic.out_bytes),
        received: data(&traffic.in_msgs, &traffic.in_bytes),
        slow_consumers: signed(account.slow_consumers()),
    }
}

#[cfg(test)]
mod tests;

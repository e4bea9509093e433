//! What the services say: one function per kind of question.

use super::{PING, Request, USER_INFO};
use crate::query::feature_flags;
use crate::server::Server;
use crate::snapshot::VERSION;
use natsd_admin_api::{AdminBackend, QueryError};
use natsd_api::monitor::{
    AccountStatzOptions, AccountzOptions, ConnzOptions, GatewayzOptions, HealthzOptions,
    IpqueueszOptions, LeafzOptions, RoutezOptions, SubszOptions,
};
use natsd_api::system::{
    EventFilter, MsgBytes, ServerId, ServerInfo, ServerStats, ServerStatsMsg, ServiceAnswer,
    ServiceError, ShownResponses, ShownSubjects, UserInfo, UserPermissions,
};
use natsd_api::{Rfc3339, to_compact};
use natsd_config::Options;
use natsd_config::options::SubjectPermission;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// The answer to `request`, the `number`th. `None` is silence: the question is for another server,
/// or for nobody.
pub(super) async fn answer(server: &Server, request: &Request, number: u64) -> Option<Vec<u8>> {
    if request.subject == USER_INFO {
        return user_info(server, request, number);
    }
    let kind = if request.subject == PING {
        "STATSZ"
    } else {
        request.subject.rsplit('.').next().unwrap_or_default()
    };
    let filter = match parse_filter(&request.body) {
        Ok(filter) => filter,
        Err(error) => return Some(failure(server, number, 400, error)),
    };
    if !concerns(server, &filter) {
        return None;
    }
    let ok = |document: Vec<u8>| Some(document);
    match kind {
        "STATSZ" => ok(to_compact(&ServerStatsMsg {
            server: info(server, number),
            statsz: statistics(server),
        })),
        "IDZ" => ok(to_compact(&ServerId {
            name: server.name(),
            host: server.options().host.clone(),
            id: server.id().to_owned(),
        })),
        "VARZ" => ok(data(server, number, server.varz())),
        "CONNZ" => ok(query(server, number, server.connz(&ConnzOptions::default()))),
        "SUBSZ" => ok(query(server, number, server.subsz(&SubszOptions::default()))),
        "ROUTEZ" => ok(data(server, number, server.routez(&RoutezOptions::default()))),
        "GATEWAYZ" => ok(data(server, number, server.gatewayz(&GatewayzOptions::default()))),
        "LEAFZ" => ok(data(server, number, server.leafz(&LeafzOptions::default()))),
        "ACCOUNTZ" => ok(query(server, number, server.accountz(&AccountzOptions::default()))),
        "ACCSTATZ" => ok(data(server, number, server.accstatz(&AccountStatzOptions::default()))),
        "IPQUEUESZ" => ok(data(server, number, server.ipqueuesz(&IpqueueszOptions::default()))),
        "EXPVARZ" => ok(data(server, number, server.expvarz())),
        "HEALTHZ" => {
            let health = server.healthz(&HealthzOptions::default()).await;
            ok(data(server, number, health))
        }
        _ => None,
    }
}

fn parse_filter(body: &[u8]) -> Result<EventFilter, String> {
    if body.is_empty() {
        return Ok(EventFilter::default());
    }
    serde_json::from_slice(body).map_err(|error| format!("json: {error}"))
}

fn concerns(server: &Server, filter: &EventFilter) -> bool {
    let fits = |wanted: &str, own: &str| {
        wanted.is_empty() || if filter.exact_match { own == wanted } else { own.contains(wanted) }
    };
    let options = server.options();
    fits(&filter.server_name, &server.name())
        && fits(&filter.host, &options.host)
        && fits(&filter.cluster, options.cluster.name.as_deref().unwrap_or_default())
        && filter.domain.is_empty()
        && filter.tags.iter().all(|tag| options.server_tags.contains(tag))
}

fn info(server: &Server, seq: u64) -> ServerInfo {
    let options = server.options();
    ServerInfo {
        name: server.name(),
        host: options.host.clone(),
        id: server.id().to_owned(),
        ver: VERSION.to_owned(),
        tags: options.server_tags.clone(),
        metadata: options.server_metadata.clone(),
        feature_flags: feature_flags(&options),
        jetstream: false,
        flags: 0,
        seq,
        time: Rfc3339(server.clock.now()),
    }
}

fn data<T: Serialize>(server: &Server, seq: u64, data: T) -> Vec<u8> {
    to_compact(&ServiceAnswer { server: info(server, seq), data: Some(data), error: None })
}

fn query<T: Serialize>(server: &Server, seq: u64, result: Result<T, QueryError>) -> Vec<u8> {
    match result {
        Ok(document) => data(server, seq, document),
        Err(error) => failure(server, seq, 400, error.to_string()),
    }
}

fn failure(server: &Server, seq: u64, code: u16, description: String) -> Vec<u8> {
    let error = Some(ServiceError { code, description });
    to_compact(&ServiceAnswer::<()> { server: info(server, seq), data: None, error })
}

fn statistics(server: &Server) -> ServerStats {
    let varz = server.varz();
    let count =
        |counter: &AtomicU64| i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
    let traffic = &server.stats.traffic;
    let sent = MsgBytes { msgs: count(&traffic.out_msgs), bytes: count(&traffic.out_bytes) };
    let received = MsgBytes { msgs: count(&traffic.in_msgs), bytes: count(&traffic.in_bytes) };
    let active = server.accounts().iter().filter(|account| account.connections() > 0).count();
    ServerStats {
        start: varz.start,
        mem: varz.mem,
        cores: varz.cores,
        cpu: varz.cpu,
        connections: varz.connections,
        total_connections: varz.total_connections,
        active_accounts: i64::try_from(active).unwrap_or(i64::MAX),
        subscriptions: varz.subscriptions,
        sent,
        sent_to_clients: sent,
        received,
        received_from_clients: received,
        slow_consumers: varz.slow_consumers,
        slow_consumer_stats: (varz.slow_consumers > 0).then_some(varz.slow_consumer_stats),
        stale_connections: varz.stale_connections,
        stalled_clients: varz.stalled_clients,
        active_servers: 1,
        gomaxprocs: varz.gomaxprocs,
    }
}

fn user_info(server: &Server, request: &Request, number: u64) -> Option<Vec<u8>> {
    let details = server.registry.get(request.publisher)?.status.details();
    let account = details.account.as_ref().map(|account| account.name().to_string());
    let account = account.unwrap_or_default();
    let answer = UserInfo {
        permissions: user_permissions(&server.options(), &details.user),
        user: details.user,
        account_name: account.clone(),
        account,
    };
    Some(data(server, number, answer))
}

/// What a configured user may do; `None` is everything.
fn user_permissions(options: &Options, user: &str) -> Option<UserPermissions> {
    let by_name = options.users.iter().find(|one| one.username == user);
    let by_nkey = options.nkeys.iter().find(|one| one.nkey == user);
    let permissions =
        by_name.map(|one| &one.permissions).or(by_nkey.map(|one| &one.permissions))?.as_ref()?;
    let subjects = |from: &SubjectPermission| {
        let mut allow = from.allow.clone().unwrap_or_default();
        let mut deny = from.deny.clone();
        allow.sort();
        deny.sort();
        ShownSubjects { allow, deny }
    };
    Some(UserPermissions {
        publish: permissions.publish.as_ref().map(subjects),
        subscribe: permissions.subscribe.as_ref().map(subjects),
        responses: permissions.responses.map(|rule| ShownResponses {
            max: rule.max_msgs,
            ttl: rule.expires.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)),
        }),
    })
}

//! What the services say: one function per kind of question.

use super::question::{self, Question};
use super::{PING, Request, USER_INFO};
use crate::query::feature_flags;
use crate::server::Server;
use crate::snapshot::VERSION;
use natsd_admin_api::{AdminBackend, QueryError};
use natsd_api::system::{
    EventFilter, MsgBytes, ServerId, ServerInfo, ServerStats, ServerStatsMsg, ServiceAnswer,
    ServiceError, ShownResponses, ShownSubjects, UserInfo, UserPermissions,
};
use natsd_api::{Rfc3339, to_compact};
use natsd_base::ConnectionId;
use natsd_config::Options;
use natsd_config::options::SubjectPermission;
use natsd_links::Control;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// The answer to `request`. `None` is silence: the question is for another server, or for nobody.
pub(super) async fn answer(server: &Server, request: &Request) -> Option<Vec<u8>> {
    if request.subject == USER_INFO {
        return user_info(server, request);
    }
    let kind = if request.subject == PING {
        "STATSZ"
    } else {
        request.subject.rsplit('.').next().unwrap_or_default()
    };
    let is_direct = !request.subject.starts_with(PING);
    match question::parse(kind, is_direct, &request.body) {
        Ok(Some((question, filter))) if concerns(server, &filter) => {
            to_question(server, question).await
        }
        Ok(_) => None,
        Err(error) => Some(failure(server, None, 400, error)),
    }
}

async fn to_question(server: &Server, question: Question) -> Option<Vec<u8>> {
    Some(match question {
        Question::Statsz => statsz(server),
        Question::Identity => to_compact(&ServerId {
            name: server.name(),
            host: server.options().host.clone(),
            id: server.id().to_owned(),
        }),
        Question::Varz => data(server, server.varz()),
        Question::Connz(request) => {
            let options = request.options().map_err(QueryError::BadRequest);
            query(server, options.and_then(|options| server.connz(&options)))
        }
        Question::Subsz(options) => query(server, server.subsz(&options)),
        Question::Routez(options) => data(server, server.routez(&options)),
        Question::Gatewayz(options) => data(server, server.gatewayz(&options)),
        Question::Leafz(options) => data(server, server.leafz(&options)),
        Question::Accountz(options) => query(server, server.accountz(&options)),
        // As Go: who asks for leaders hears from leaders only.
        Question::Jsz(options) if options.leader_only => return None,
        Question::Jsz(options) => query(server, server.jsz(&options).await),
        Question::Healthz(options) => data(server, server.healthz(&options).await),
        Question::Ipqueuesz(options) => data(server, server.ipqueuesz(&options)),
        // Without groups Go answers an empty list here, other than over HTTP.
        Question::Raftz(options) => data(server, server.raftz(&options).await.unwrap_or_default()),
        Question::Expvarz => data(server, server.expvarz()),
        Question::Kick(cid) => done(server, kick(server, cid)),
        Question::LameDuck(cid) => done(server, send_elsewhere(server, cid)),
        Question::Reload => done(server, server.request_reload().await),
    })
}

fn kick(server: &Server, cid: u64) -> Result<(), String> {
    if server.close_connection(cid) {
        return Ok(());
    }
    Err("no such client or leafnode id".to_owned())
}

/// Tells one client that the server is going to stop.
fn send_elsewhere(server: &Server, cid: u64) -> Result<(), String> {
    let Some(client) = server.registry.get(ConnectionId(cid)) else {
        return Err("no such client id".to_owned());
    };
    if !client.status.takes_info() {
        let text = "client does not support Lame Duck Mode or is not ready to receive the \
                    notification";
        return Err(text.to_owned());
    }
    server.registry.tell(client.id(), Control::LameDuck);
    Ok(())
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

/// Which server speaks. Each one is a message of its own.
pub(super) fn info(server: &Server) -> ServerInfo {
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
        seq: server.next_message(),
        time: Rfc3339(server.clock.now()),
    }
}

fn data<T: Serialize>(server: &Server, data: T) -> Vec<u8> {
    to_compact(&ServiceAnswer { server: info(server), data: Some(data), error: None })
}

fn query<T: Serialize>(server: &Server, result: Result<T, QueryError>) -> Vec<u8> {
    match result {
        Ok(document) => data(server, document),
        // Go shows that there is no document.
        Err(error) => failure(server, Some(()), 500, error.to_string()),
    }
}

/// The answer to who wanted something done.
fn done(server: &Server, result: Result<(), String>) -> Vec<u8> {
    match result {
        Ok(()) => {
            to_compact(&ServiceAnswer::<()> { server: info(server), data: None, error: None })
        }
        Err(error) => failure(server, None, 500, error),
    }
}

fn failure(server: &Server, data: Option<()>, code: u16, description: String) -> Vec<u8> {
    let error = Some(ServiceError { code, description });
    to_compact(&ServiceAnswer { server: info(server), data, error })
}

/// Figures of this server, as an answer and as an event.
pub(super) fn statsz(server: &Server) -> Vec<u8> {
    to_compact(&ServerStatsMsg { server: info(server), statsz: statistics(server) })
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

fn user_info(server: &Server, request: &Request) -> Option<Vec<u8>> {
    let details = server.registry.get(request.publisher)?.status.details();
    let account = details.account.as_ref().map(|account| account.name().to_string());
    let account = account.unwrap_or_default();
    let answer = UserInfo {
        permissions: user_permissions(&server.options(), &details.user),
        user: details.user,
        account_name: account.clone(),
        account,
    };
    Some(data(server, answer))
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

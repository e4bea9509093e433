//! One function per monitoring endpoint: parameters in, document out.
//!
//! Source: Go `server/monitor.go` (`Handle*`). As there, some endpoints count a request before they
//! look at its parameters, one does so afterwards, and some never.

use super::{json, not_found, respond, text};
use crate::query::{ParameterError, Query};
use crate::{AdminBackend, QueryError};
use axum::http::StatusCode;
use axum::response::Response;
use natsd_api::monitor::{
    AccountStatzOptions, AccountzOptions, GatewayzOptions, HealthzOptions, IpqueueszOptions,
    JszOptions, LeafzOptions, RaftzOptions, RoutezOptions, SubszOptions,
};
use natsd_api::{to_compact, to_pretty};
use serde::Serialize;
use tracing::warn;

/// What an endpoint answers instead of its document.
struct Refusal(StatusCode, String);

impl From<ParameterError> for Refusal {
    fn from(error: ParameterError) -> Refusal {
        Refusal(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Refusal {
        Refusal(error.status(), error.to_string())
    }
}

/// Answers a request to `endpoint`, a path without base path.
pub(super) async fn answer(
    backend: &dyn AdminBackend,
    endpoint: &str,
    query: Option<&str>,
) -> Response {
    let query = Query::new(query);
    let answered = match endpoint {
        "/varz" => {
            backend.count_request("/varz");
            Ok(document(&backend.varz()))
        }
        "/connz" => connz(backend, &query),
        "/subsz" | "/subscriptionsz" => subsz(backend, &query),
        "/routez" => routez(backend, &query),
        "/gatewayz" => gatewayz(backend, &query),
        "/leafz" => leafz(backend, &query),
        "/accountz" => accountz(backend, &query),
        "/accstatz" => accstatz(backend, &query),
        "/jsz" => jsz(backend, &query).await,
        "/healthz" => healthz(backend, &query).await,
        "/ipqueuesz" => ipqueuesz(backend, &query),
        "/raftz" => raftz(backend, &query).await,
        "/debug/vars" => Ok(expvarz(backend)),
        "/stacksz" => Ok(json(StatusCode::OK, backend.stacksz().into_bytes())),
        _ => return not_found(),
    };
    answered.unwrap_or_else(|Refusal(status, reason)| text(status, reason))
}

fn document(document: &impl Serialize) -> Response {
    json(StatusCode::OK, to_pretty(document, "  "))
}

/// With Go's wider indentation of the younger endpoints.
fn wide_document(document: &impl Serialize) -> Response {
    json(StatusCode::OK, to_pretty(document, "   "))
}

fn connz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    let mut options = query.connz()?;
    backend.count_request("/connz");
    options.sort = query.sort()?;
    Ok(document(&backend.connz(&options)?))
}

fn subsz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    backend.count_request("/subsz");
    let options = SubszOptions {
        subscriptions: query.bool("subs")?,
        offset: query.int("offset")?,
        limit: query.int("limit")?,
        account: query.text("acc").into_owned(),
        test: query.text("test").into_owned(),
    };
    Ok(document(&backend.subsz(&options)?))
}

fn routez(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    let (subscriptions, subscriptions_detail) = query.subs()?;
    backend.count_request("/routez");
    Ok(document(&backend.routez(&RoutezOptions { subscriptions, subscriptions_detail })))
}

fn gatewayz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    backend.count_request("/gatewayz");
    let (subscriptions, subscriptions_detail) = query.subs()?;
    let accounts = query.bool("accs")?;
    let account_name = query.text("acc_name").into_owned();
    let options = GatewayzOptions {
        name: query.text("gw_name").into_owned(),
        accounts: accounts || !account_name.is_empty(),
        account_name,
        subscriptions,
        subscriptions_detail,
    };
    Ok(document(&backend.gatewayz(&options)))
}

fn leafz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    backend.count_request("/leafz");
    let options = LeafzOptions {
        subscriptions: query.bool("subs")?,
        account: query.text("acc").into_owned(),
    };
    Ok(document(&backend.leafz(&options)))
}

fn accountz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    backend.count_request("/accountz");
    let options = AccountzOptions { account: query.text("acc").into_owned() };
    Ok(document(&backend.accountz(&options)?))
}

fn accstatz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    backend.count_request("/accstatz");
    let include_unused = query.bool("unused")?;
    let options = AccountStatzOptions { accounts: Vec::new(), include_unused };
    Ok(document(&backend.accstatz(&options)))
}

async fn jsz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    backend.count_request("/jsz");
    let options = JszOptions {
        accounts: query.bool("accounts")?,
        streams: query.bool("streams")?,
        consumer: query.bool("consumers")?,
        direct_consumer: query.bool("direct-consumers")?,
        config: query.bool("config")?,
        offset: query.int("offset")?,
        limit: query.int("limit")?,
        leader_only: query.bool("leader-only")?,
        raft: query.bool("raft")?,
        stream_leader_only: query.bool("stream-leader-only")?,
        account: query.text("acc").into_owned(),
    };
    Ok(document(&backend.jsz(&options).await?))
}

async fn healthz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    backend.count_request("/healthz");
    let js_enabled = query.bool("js-enabled")?;
    if js_enabled {
        warn!("Healthcheck: js-enabled deprecated, use js-enabled-only instead");
    }
    let options = HealthzOptions {
        js_enabled,
        js_enabled_only: query.bool("js-enabled-only")?,
        js_server_only: query.bool("js-server-only")?,
        js_meta_only: query.bool("js-meta-only")?,
        details: query.bool("details")?,
        account: query.text("account").into_owned(),
        stream: query.text("stream").into_owned(),
        consumer: query.text("consumer").into_owned(),
    };
    let mut health = backend.healthz(&options).await;
    if !health.error.is_empty() {
        warn!("Healthcheck failed: {:?}", health.error);
    } else if !health.errors.is_empty() {
        warn!("Healthcheck failed: {} errors", health.errors.len());
    }
    // The answer has it in its first line already.
    let status = std::mem::take(&mut health.status_code);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(json(status, to_compact(&health)))
}

fn ipqueuesz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    let all = query.bool("all")?;
    let options = IpqueueszOptions { all, filter: query.text("queues").into_owned() };
    Ok(wide_document(&backend.ipqueuesz(&options)))
}

async fn raftz(backend: &dyn AdminBackend, query: &Query<'_>) -> Result<Response, Refusal> {
    let options = RaftzOptions {
        account: query.text("acc").into_owned(),
        group: query.text("group").into_owned(),
    };
    Ok(wide_document(&backend.raftz(&options).await?))
}

/// In the layout of Go's package `expvar`: one variable a line.
fn expvarz(backend: &dyn AdminBackend) -> Response {
    let vars = backend.expvarz();
    let mut body = b"{\n\"cmdline\": ".to_vec();
    body.extend_from_slice(&to_compact(&vars.cmdline));
    body.extend_from_slice(b",\n\"memstats\": ");
    body.extend_from_slice(&to_compact(&vars.memstats));
    body.extend_from_slice(b"\n}\n");
    respond(StatusCode::OK, "application/json; charset=utf-8", body)
}

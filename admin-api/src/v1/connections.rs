//! `/api/v1/connections`.

use super::{Backend, json};
use crate::error::AdminError;
use crate::query::Query;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use natsd_api::monitor::{ConnInfo, ConnState, ConnzOptions};

/// Lists connections. Parameters are those of `/connz`.
pub(super) async fn list(State(backend): Backend, RawQuery(query): RawQuery) -> Response {
    let query = Query::new(query.as_deref());
    let options = query.connz().and_then(|options| Ok((options, query.sort()?)));
    let (options, sort) = match options {
        Ok(options) => options,
        Err(error) => return bad_parameter(&error).into_response(),
    };
    match backend.connz(&ConnzOptions { sort, ..options }) {
        Ok(connz) => json(StatusCode::OK, &connz),
        Err(error) => bad_parameter(&error).into_response(),
    }
}

/// Shows one connection, open or closed, with everything that is known of it.
pub(super) async fn show(
    State(backend): Backend,
    Path(cid): Path<String>,
) -> Result<Response, AdminError> {
    let cid = number(&cid)?;
    let options = ConnzOptions {
        cid,
        auth: true,
        subscriptions_detail: true,
        state: ConnState::All,
        ..ConnzOptions::default()
    };
    let connz = backend.connz(&options).map_err(|error| bad_parameter(&error))?;
    let found: Option<ConnInfo> = connz.connections.and_then(|list| list.into_iter().next());
    found.map(|info| json(StatusCode::OK, &info)).ok_or_else(|| not_found(cid))
}

/// Closes one connection.
pub(super) async fn close(
    State(backend): Backend,
    Path(cid): Path<String>,
) -> Result<StatusCode, AdminError> {
    let cid = number(&cid)?;
    if backend.close_connection(cid) { Ok(StatusCode::NO_CONTENT) } else { Err(not_found(cid)) }
}

fn number(cid: &str) -> Result<u64, AdminError> {
    let parsed = cid.parse().ok().filter(|cid| *cid > 0);
    parsed.ok_or_else(|| bad_parameter(&"a connection is named by its number"))
}

fn bad_parameter(reason: &dyn std::fmt::Display) -> AdminError {
    AdminError::new(StatusCode::BAD_REQUEST, "bad_parameter", reason.to_string())
}

fn not_found(cid: u64) -> AdminError {
    let message = format!("there is no connection {cid}");
    AdminError::new(StatusCode::NOT_FOUND, "connection_not_found", message)
}

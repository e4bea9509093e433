//! From the options of a configuration to what links need of it.

use crate::server::StartError;
use natsd_auth::{AuthSnapshot, ServerKeys};
use natsd_broker::{
    AccountLimits, AccountSettings, Accounts, Destination, Mappings, SYSTEM_ACCOUNT,
};
use natsd_config::Options;
use natsd_config::options::WriteTimeout;
use natsd_links::Snapshot;
use natsd_wire::nats::Info;
use std::net::SocketAddr;
use std::sync::Arc;

/// Version of the Go server whose behaviour this server has. Clients decide by it what they may use.
pub const VERSION: &str = "2.15.1";
/// Level of the JetStream API of that version.
pub(crate) const API_LEVEL: u64 = 5;

/// The accounts of `options`.
/// Those that were there `before` stay themselves.
///
/// # Errors
/// When a subject mapping of an account is none. Nothing has changed then.
pub(crate) fn accounts(
    options: &Options,
    before: Option<&Accounts>,
) -> Result<Accounts, StartError> {
    let limit = |value: i32| u64::try_from(value).ok();
    let mut configured = Vec::new();
    for account in &options.accounts {
        let limits = AccountLimits {
            connections_max: limit(account.limits.max_connections),
            subscriptions_max: limit(account.limits.max_subscriptions),
            payload_bytes_max: usize::try_from(account.limits.max_payload).ok(),
            leafnodes_max: limit(account.limits.max_leafnodes),
        };
        let mut mappings = Mappings::default();
        for mapping in &account.mappings {
            // Those of a cluster are for its members; this server is in none.
            let everywhere = mapping.destinations.iter().filter(|one| one.cluster.is_none());
            let destinations: Vec<_> = everywhere
                .map(|one| Destination { subject: &one.subject, weight: one.weight })
                .collect();
            mappings.add(&mapping.source, &destinations).map_err(|error| StartError::Mapping {
                account: account.name.clone(),
                subject: mapping.source.clone(),
                reason: error.to_string(),
            })?;
        }
        configured.push((account.name.as_str(), AccountSettings { limits, mappings }));
    }
    let system = match (&options.system_account, options.no_system_account) {
        (Some(name), _) => Some(name.as_str()),
        (None, false) => Some(SYSTEM_ACCOUNT),
        (None, true) => None,
    };
    Ok(match before {
        Some(before) => before.reconfigured(configured, system),
        None => Accounts::new(configured, system),
    })
}

/// What links need of `options`.
pub(crate) fn compile(
    options: &Options,
    keys: &ServerKeys,
    accounts: &Arc<Accounts>,
    advertised: Option<(String, Option<u16>)>,
    listening: SocketAddr,
) -> Snapshot {
    let auth = Arc::new(AuthSnapshot::from_options(options));
    let positive = |value: i64| usize::try_from(value).ok().filter(|value| *value > 0);
    let (host, port) = advertised.unwrap_or_else(|| (options.host.clone(), None));
    let port = port.unwrap_or(listening.port());
    let id = keys.public();
    let info = Info {
        server_name: options.server_name.clone().unwrap_or_else(|| id.clone()),
        server_id: id,
        version: VERSION.to_owned(),
        proto: 1,
        git_commit: env!("NATSD_GIT_COMMIT").to_owned(),
        go: concat!("rust", env!("CARGO_PKG_RUST_VERSION")).to_owned(),
        host,
        port,
        headers: !options.no_header_support,
        auth_required: auth.is_announced(),
        tls_required: options.tls.is_some() && !options.allow_non_tls,
        tls_available: options.tls.is_some() && options.allow_non_tls,
        tls_verify: options.tls.as_ref().is_some_and(|tls| tls.verify),
        api_lvl: API_LEVEL,
        xkey: keys.public_curve(),
        ..Info::default()
    };
    Snapshot {
        info,
        accounts: accounts.clone(),
        auth,
        control_line_max: usize::try_from(options.max_control_line).unwrap_or(usize::MAX),
        payload_max: positive(i64::from(options.max_payload)),
        pending_max: positive(options.max_pending).unwrap_or(usize::MAX),
        subscriptions_max: positive(options.max_subscriptions),
        subscription_tokens_max: positive(i64::from(options.max_subscription_tokens)),
        ping_interval: options.ping_interval,
        pings_out_max: u32::try_from(options.ping_max).unwrap_or(u32::MAX),
        ping_first_early: !options.disable_short_first_ping,
        write_deadline: options.write_deadline,
        write_retry: options.write_timeout == WriteTimeout::Retry,
        auth_timeout: options.auth_timeout,
        drop_when_crowded: options.no_fast_producer_stall,
        traced_bytes_max: usize::try_from(options.max_traced_msg_len).unwrap_or(usize::MAX),
        trace_headers: options.trace_headers,
    }
}

/// Host and port that clients are told, where they are configured; no port means the listener's.
///
/// # Errors
/// When the text is no address.
pub(crate) fn advertised(options: &Options) -> Result<Option<(String, Option<u16>)>, StartError> {
    let Some(text) = &options.client_advertise else { return Ok(None) };
    let refuse = |why: &str| StartError::Advertise(text.clone(), why.to_owned());
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if host.starts_with('[') || !host.contains(':') => (host, Some(port)),
        None => (text.as_str(), None),
        Some(_) => return Err(refuse("too many colons in address")),
    };
    let port = match port {
        None => None,
        Some(port) => Some(port.trim().parse::<i32>().map_err(|_| refuse("invalid port"))?),
    };
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    Ok(Some((host.to_owned(), port)))
}

//! Do the options fit each other?
//!
//! Runs over options from file, flags or code, after the defaults were applied. The first problem
//! is the answer, as in Go.
//!
//! Source: Go `server/server.go` (`validateOptions`, `validateCluster`,
//! `validateAndNormalizeCompressionOption`), `auth.go`, `jwt.go`, `leafnode.go`, `gateway.go`,
//! `mqtt.go`, `jetstream.go`, `websocket.go` for the validators it calls.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::duration::{self, Nanoseconds};
use crate::error::ConfigError;
use crate::jwt;
use crate::nkey::{KeyKind, is_public_key};
use crate::options::{
    AccountResolver, Compression, GLOBAL_ACCOUNT, Options, Permissions, RTT_THRESHOLDS,
    SYSTEM_ACCOUNT,
};
use crate::quote::quote;
use crate::read::{
    check_leaf_proxy, check_leaf_users, check_permission_subjects, check_route_permissions,
    is_sha256, is_websocket, split_host_port,
};
use crate::subjects;
use crate::url::Url;
use crate::version::{check_leaf_min_version, components};

/// The version whose operators' demands we meet.
const SERVER_VERSION: (u64, u64, u64) = (2, 15, 1);
type Check = Result<(), String>;

/// Applies the defaults, puts names into their usual form and validates.
///
/// # Errors
/// The first thing that does not fit.
pub fn prepare(options: &mut Options) -> Result<(), ConfigError> {
    options.apply_defaults();
    validate(options)?;
    normalize(options).map_err(ConfigError::plain)
}

/// Do the options fit each other?
///
/// # Errors
/// The first thing that does not fit.
pub fn validate(options: &Options) -> Result<(), ConfigError> {
    check(options).map_err(ConfigError::plain)
}

fn check(options: &Options) -> Check {
    check_limits(options)?;
    check_operators(options)?;
    check_leafnode(options)?;
    check_authorization(options)?;
    for key in options.proxies.iter().flatten() {
        if !is_public_key(KeyKind::Any, key) {
            return Err(format!("proxy trusted key {} is invalid", quote(key)));
        }
    }
    check_gateway(options)?;
    check_cluster(options)?;
    check_mqtt(options)?;
    check_jetstream(options)?;
    check_websocket(options)
}

fn check_limits(options: &Options) -> Check {
    let (grace, duration) = (options.lame_duck_grace_period, options.lame_duck_duration);
    if !duration.is_zero() && grace >= duration {
        let show = |value| duration::format(Nanoseconds::from_duration(value));
        return Err(format!(
            "lame duck grace period ({}) should be strictly lower than lame duck duration ({})",
            show(grace),
            show(duration)
        ));
    }
    if i64::from(options.max_payload) > options.max_pending {
        return Err(format!(
            "max_payload ({}) cannot be higher than max_pending ({})",
            options.max_payload, options.max_pending
        ));
    }
    if options.server_name.as_deref().is_some_and(|name| name.contains(' ')) {
        return Err("server name cannot contain spaces".to_string());
    }
    Ok(())
}

fn check_operators(options: &Options) -> Check {
    let fail = |message: &str| Err(message.to_string());
    let Some(first) = options.operators.first() else {
        if options.default_sentinel.is_some() {
            return fail("default sentinel requires operators and accounts");
        }
        return Ok(());
    };
    check_sentinel(options)?;
    let Some(resolver) = &options.account_resolver else {
        return fail("operators require an account resolver to be configured");
    };
    if !options.accounts.is_empty() {
        return fail("operators do not allow Accounts to be configured directly");
    }
    if !options.users.is_empty() || !options.nkeys.is_empty() {
        return fail("operators do not allow users to be configured directly");
    }
    // The operators' own keys are added once everything is valid.
    if options.trusted_keys.iter().any(|key| !signers(options).any(|signer| signer == key)) {
        return fail("conflicting options for 'TrustedKeys' and 'TrustedOperators'");
    }
    match &options.system_account {
        Some(name) => {
            let named = options.operators.iter().map(|operator| &operator.system_account);
            let named: Vec<_> = named.filter(|account| !account.is_empty()).collect();
            if !named.is_empty() && !named.contains(&name) {
                return fail("system_account in config and operator JWT must be identical");
            }
        }
        None if first.system_account.is_empty() => {
            if matches!(resolver, AccountResolver::Full { .. } | AccountResolver::Cache { .. }) {
                return fail(
                    "using nats based account resolver - the system account needs to be specified \
                     in configuration or the operator jwt",
                );
            }
        }
        None => {}
    }
    check_operator_versions(options)?;
    for key in signers(options) {
        if !is_public_key(KeyKind::Operator, key) {
            return Err(format!(
                "trusted Keys {} are required to be a valid public operator nkey",
                quote(key)
            ));
        }
    }
    for key in &options.resolver_pinned_accounts {
        if !is_public_key(KeyKind::Account, key) {
            return Err(format!(
                "pinned account key {} is not a valid public account nkey",
                quote(key)
            ));
        }
    }
    if options.auth_callout.is_some() {
        return fail("operators do not allow authorization callouts to be configured directly");
    }
    Ok(())
}

/// The keys that may sign in the operators' names.
fn signers(options: &Options) -> impl Iterator<Item = &String> {
    options.operators.iter().flat_map(|operator| {
        let own = (!operator.strict_signing_key_usage).then_some(&operator.subject);
        own.into_iter().chain(&operator.signing_keys)
    })
}

fn check_sentinel(options: &Options) -> Check {
    let Some(sentinel) = &options.default_sentinel else {
        return Ok(());
    };
    let Some(claims) = jwt::claims(sentinel, "user") else {
        return Err("default sentinel JWT not valid".to_string());
    };
    let get = |path: &str| claims.pointer(path).cloned().unwrap_or_default();
    let is_bearer = get("/nats/bearer_token").as_bool().unwrap_or_default();
    // A user of a scoped signing key has no permissions of its own; the account decides later.
    let has_issuer = get("/nats/issuer_account").as_str().is_some_and(|key| !key.is_empty());
    let has_permissions = ["pub", "sub", "resp"]
        .iter()
        .any(|name| get(&format!("/nats/{name}")).as_object().is_some_and(|map| !map.is_empty()));
    if is_bearer || (has_issuer && !has_permissions) {
        return Ok(());
    }
    Err("default sentinel must be a bearer token".to_string())
}

fn check_operator_versions(options: &Options) -> Check {
    for operator in &options.operators {
        let wanted = &operator.assert_server_version;
        if wanted.is_empty() {
            continue;
        }
        let version = components(wanted).map_err(|error| {
            format!(
                "operator {} expects version {wanted} got error instead: {error}",
                operator.subject
            )
        })?;
        let (major, minor, update) = version;
        let (part, wanted, ours) = if major != SERVER_VERSION.0 {
            ("major", major, SERVER_VERSION.0)
        } else if minor != SERVER_VERSION.1 {
            ("minor", minor, SERVER_VERSION.1)
        } else {
            ("update", update, SERVER_VERSION.2)
        };
        if wanted > ours {
            return Err(format!(
                "operator {} expected {part} version {wanted} > server {part} version {ours}",
                operator.subject
            ));
        }
    }
    Ok(())
}

fn check_leafnode(options: &Options) -> Check {
    let leaf = &options.leafnode;
    check_leaf_users(leaf)?;
    let mut names = BTreeSet::new();
    for remote in &leaf.remotes {
        check_permission_subjects(&remote.deny_imports, false).map_err(|error| {
            format!("invalid deny_imports for remote {}: {error}", remote.safe_name())
        })?;
        check_permission_subjects(&remote.deny_exports, false).map_err(|error| {
            format!("invalid deny_exports for remote {}: {error}", remote.safe_name())
        })?;
        if !names.insert(remote.name()) {
            return Err(format!("duplicate remote {}", remote.safe_name()));
        }
    }
    check_leaf_accounts(options)?;
    compression_of(&leaf.compression, "s2_auto")?;
    for remote in &leaf.remotes {
        check_leaf_proxy(remote)?;
        let websockets = remote.urls.iter().filter(|url| is_websocket(url)).count();
        if websockets != 0 && websockets != remote.urls.len() {
            let urls: Vec<String> = remote.urls.iter().map(|url| quote(&url.redacted())).collect();
            return Err(format!(
                "remote leaf node configuration cannot have a mix of websocket and non-websocket \
                 urls: [{}]",
                urls.join(" ")
            ));
        }
        compression_of(&remote.compression, "s2_auto")?;
    }
    if !leaf.port.is_set() {
        return Ok(());
    }
    if let Some(version) = &leaf.min_version {
        check_leaf_min_version(version)?;
    }
    // Differs from Go, which looks at these only when there are gateways.
    check_pinned(leaf.tls.as_ref().map(|tls| &tls.pinned_certs))
        .map_err(|error| format!("leafnode: {error}"))?;
    let has_gateway = options.gateway.name.is_some() || options.gateway.port.is_set();
    if has_gateway && options.system_account.is_none() {
        return Err(
            "leaf nodes and gateways (both being defined) require a system account to also be \
             configured"
                .to_string(),
        );
    }
    Ok(())
}

fn check_leaf_accounts(options: &Options) -> Check {
    let leaf = &options.leafnode;
    if options.operators.is_empty() {
        let mut known: BTreeSet<&str> =
            options.accounts.iter().map(|account| account.name.as_str()).collect();
        known.insert(GLOBAL_ACCOUNT);
        if options.system_account.is_none() && !options.no_system_account {
            known.insert(SYSTEM_ACCOUNT);
        }
        let users = leaf.users.iter().filter_map(|user| user.account.as_deref());
        let listed = leaf.account.as_deref().into_iter().chain(users);
        let remotes = leaf.remotes.iter().filter_map(|remote| remote.account.as_deref());
        let named =
            listed.map(|name| (name, "authorization")).chain(remotes.map(|name| (name, "remote")));
        for (name, place) in named {
            if !known.contains(name) {
                return Err(format!(
                    "cannot find local account {} specified in leafnode {place}",
                    quote(name)
                ));
            }
        }
        return Ok(());
    }
    if !leaf.users.is_empty() {
        return Err("operator mode does not allow specifying users in leafnode config".to_string());
    }
    let is_account = |name: &Option<String>| {
        name.as_deref().is_some_and(|name| is_public_key(KeyKind::Account, name))
    };
    if !leaf.remotes.iter().all(|remote| is_account(&remote.account)) {
        return Err(
            "operator mode requires account nkeys in remotes. Please add an `account` key to each \
             remote in your `leafnodes` section, to assign it to an account. Each account value \
             should be a 56 character public key, starting with the letter 'A'"
                .to_string(),
        );
    }
    if leaf.port.is_set() && leaf.account.is_some() && !is_account(&leaf.account) {
        return Err("operator mode and non account nkeys are incompatible".to_string());
    }
    Ok(())
}

fn check_authorization(options: &Options) -> Check {
    check_pinned(options.tls.as_ref().map(|tls| &tls.pinned_certs))?;
    for user in &options.users {
        check_permissions(user.permissions.as_ref()).map_err(|error| {
            format!("invalid permissions for user {}: {error}", quote(&user.username))
        })?;
    }
    for user in &options.nkeys {
        check_permissions(user.permissions.as_ref()).map_err(|error| {
            format!("invalid permissions for nkey {}: {error}", quote(&user.nkey))
        })?;
    }
    check_no_auth_user(options, options.no_auth_user.as_deref())
}

fn check_permissions(permissions: Option<&Permissions>) -> Check {
    let Some(permissions) = permissions else {
        return Ok(());
    };
    let lists =
        [("publish", &permissions.publish, false), ("subscribe", &permissions.subscribe, true)];
    for (direction, permission, with_queue) in lists {
        let Some(permission) = permission else { continue };
        let allow = permission.allow.as_deref().unwrap_or_default();
        for (name, subjects) in [("allow", allow), ("deny", permission.deny.as_slice())] {
            check_permission_subjects(subjects, with_queue)
                .map_err(|error| format!("{direction} {name}: {error}"))?;
        }
    }
    Ok(())
}

fn check_no_auth_user(options: &Options, name: Option<&str>) -> Check {
    let Some(name) = name else {
        return Ok(());
    };
    if !options.operators.is_empty() {
        return Err("no_auth_user not compatible with Trusted Operator".to_string());
    }
    if options.users.is_empty() && options.nkeys.is_empty() {
        return Err(format!("no_auth_user: \"{name}\" present, but users/nkeys are not defined"));
    }
    let is_known = options.users.iter().any(|user| user.username == name)
        || options.nkeys.iter().any(|user| user.nkey == name);
    if is_known {
        return Ok(());
    }
    Err(format!(
        "no_auth_user: \"{name}\" not present as user or nkey in authorization block or account \
         configuration"
    ))
}

fn check_gateway(options: &Options) -> Check {
    let gateway = &options.gateway;
    let Some(name) = &gateway.name else {
        if gateway.port.is_set() {
            return Err("gateway has no name".to_string());
        }
        return Ok(());
    };
    if name.contains(' ') {
        return Err("gateway name cannot contain spaces".to_string());
    }
    if !gateway.port.is_set() {
        return Err(format!(
            "gateway {} has no port specified (select -1 for random port)",
            quote(name)
        ));
    }
    for (index, remote) in gateway.gateways.iter().enumerate() {
        if remote.name.is_empty() {
            return Err(format!("gateway in the list {index} has no name"));
        }
        if remote.urls.is_empty() {
            return Err(format!("gateway {} has no URL", quote(&remote.name)));
        }
    }
    check_pinned(gateway.tls.as_ref().map(|tls| &tls.pinned_certs))
        .map_err(|error| format!("gateway {}: {error}", quote(name)))
}

fn check_cluster(options: &Options) -> Check {
    let cluster = &options.cluster;
    if cluster.name.as_deref().is_some_and(|name| name.contains(' ')) {
        return Err("cluster name cannot contain spaces".to_string());
    }
    if let Some(permissions) = &cluster.permissions {
        check_route_permissions(permissions)?;
    }
    compression_of(&cluster.compression, "s2_fast")?;
    check_pinned(cluster.tls.as_ref().map(|tls| &tls.pinned_certs))
        .map_err(|error| format!("cluster: {error}"))?;
    if let (Some(gateway), Some(name)) = (&options.gateway.name, &cluster.name)
        && gateway != name
    {
        return Err("cluster name conflicts between cluster and gateway definitions".to_string());
    }
    if cluster.accounts.is_empty() {
        return Ok(());
    }
    if cluster.pool_size < 0 {
        return Err("pool_size cannot be negative if pinned accounts are specified".to_string());
    }
    let mut seen = BTreeSet::new();
    for name in &cluster.accounts {
        if !seen.insert(name) {
            let all: Vec<String> = cluster.accounts.iter().map(|name| quote(name)).collect();
            return Err(format!(
                "found duplicate account name {} in pinned accounts list [{}]",
                quote(name),
                all.join(" ")
            ));
        }
    }
    Ok(())
}

fn check_mqtt(options: &Options) -> Check {
    let mqtt = &options.mqtt;
    if !mqtt.port.is_set() {
        return Ok(());
    }
    let is_alone = !options.cluster.port.is_set() && !options.gateway.port.is_set();
    if options.server_name.is_none() && !is_alone {
        return Err("mqtt requires server name to be explicitly set".to_string());
    }
    check_no_auth_user(options, mqtt.no_auth_user.as_deref())?;
    if !options.users.is_empty() || !options.nkeys.is_empty() {
        let what = match (&mqtt.username, &mqtt.token) {
            (Some(_), _) => Some("username"),
            (None, Some(_)) => Some("token"),
            (None, None) => None,
        };
        if let Some(what) = what {
            return Err(format!(
                "mqtt authentication {what} not compatible with presence of users/nkeys"
            ));
        }
    }
    // A leaf node may find JetStream on the other side.
    let leaf = &options.leafnode;
    if !options.jetstream.enabled && is_alone && !leaf.port.is_set() && leaf.remotes.is_empty() {
        return Err(
            "mqtt requires JetStream to be enabled if running in standalone mode".to_string()
        );
    }
    check_pinned(mqtt.tls.as_ref().map(|tls| &tls.pinned_certs))
        .map_err(|error| format!("mqtt: {error}"))
}

fn check_jetstream(options: &Options) -> Check {
    check_default_domains(options)?;
    let jetstream = &options.jetstream;
    if let Some(domain) = &jetstream.domain {
        let subject = domain_subject(domain);
        if !subjects::is_valid(&subject) {
            return Err(format!(
                "invalid domain name: derived {} is not a valid subject",
                quote(&subject)
            ));
        }
        if !subjects::is_valid_name(domain) {
            return Err("invalid domain name: may not contain ., * or >".to_string());
        }
    }
    if !jetstream.enabled || !options.cluster.port.is_set() {
        return Ok(());
    }
    if options.server_name.is_none() {
        return Err("jetstream cluster requires `server_name` to be set".to_string());
    }
    // A gateway's name is the cluster's name too.
    if options.cluster.name.is_none() && options.gateway.name.is_none() {
        return Err("jetstream cluster requires `cluster.name` to be set".to_string());
    }
    let hint = jetstream.extension_hint.as_deref().unwrap_or_default().to_lowercase();
    if !["", "will_extend", "no_extend"].contains(&hint.as_str()) {
        return Err(format!("expected 'no_extend' for string value, got '{hint}'"));
    }
    if jetstream.max_outstanding_catchup < 0 {
        return Err("jetstream max catchup cannot be negative".to_string());
    }
    Ok(())
}

/// The subjects of a domain's API. Go: `jsDomainAPI`.
fn domain_subject(domain: &str) -> String {
    format!("$JS.{domain}.API.>")
}

fn check_default_domains(options: &Options) -> Check {
    let has_operators = !options.operators.is_empty();
    for (name, domain) in &options.default_js_domain {
        if has_operators {
            if !is_public_key(KeyKind::Account, name) {
                return Err(format!(
                    "default_js_domain contains account name {}, which is not a valid public \
                     account nkey",
                    quote(name)
                ));
            }
        } else if name != GLOBAL_ACCOUNT {
            let Some(account) = options.accounts.iter().find(|account| account.name == *name)
            else {
                return Err(format!(
                    "in non operator mode, `default_js_domain` references non existing account {}",
                    quote(name)
                ));
            };
            if account.jetstream.is_some() && !domain.is_empty() {
                return Err(format!(
                    "default_js_domain contains account name {} with enabled JetStream",
                    quote(name)
                ));
            }
        }
    }
    let system_account = options.system_account.as_deref().unwrap_or(SYSTEM_ACCOUNT);
    for (name, domain) in &options.default_js_domain {
        if name == system_account {
            return Err(format!("system account {} can not be in default_js_domain", quote(name)));
        }
        if !domain.is_empty() && !subjects::is_valid(&domain_subject(domain)) {
            return Err(format!(
                "default_js_domain contains account {} with invalid domain name {}",
                quote(name),
                quote(domain)
            ));
        }
    }
    Ok(())
}

fn check_websocket(options: &Options) -> Check {
    let websocket = &options.websocket;
    if !websocket.port.is_set() {
        return Ok(());
    }
    if websocket.tls.is_none() && !websocket.no_tls {
        return Err("websocket requires TLS configuration".to_string());
    }
    for origin in &websocket.allowed_origins {
        check_origin(origin)?;
    }
    check_no_auth_user(options, websocket.no_auth_user.as_deref())?;
    if !options.users.is_empty() || !options.nkeys.is_empty() {
        let what = match (&websocket.username, &websocket.token) {
            (Some(_), _) => Some("username"),
            (None, Some(_)) => Some("token"),
            (None, None) => None,
        };
        if let Some(what) = what {
            return Err(format!(
                "websocket authentication {what} not compatible with presence of users/nkeys"
            ));
        }
    }
    if let Some(cookie) = &websocket.jwt_cookie
        && options.operators.is_empty()
        && options.trusted_keys.is_empty()
    {
        return Err(format!(
            "trusted operators or trusted keys configuration is required for JWT authentication \
             via cookie {}",
            quote(cookie)
        ));
    }
    check_pinned(websocket.tls.as_ref().map(|tls| &tls.pinned_certs))
        .map_err(|error| format!("websocket: {error}"))?;
    for key in websocket.headers.keys() {
        let name = key.to_lowercase();
        let reserved = ["host", "content-length", "connection", "upgrade", "nats-no-masking"];
        if reserved.contains(&name.as_str()) {
            return Err(format!("websocket: invalid header {} not allowed", quote(key)));
        }
        if name.starts_with("sec-websocket-") {
            return Err(format!(
                "websocket: invalid header {}, \"Sec-WebSocket-\" prefix not allowed",
                quote(key)
            ));
        }
    }
    Ok(())
}

fn check_origin(origin: &str) -> Check {
    // A request URI starts with a slash or a scheme.
    let url = match Url::parse(origin) {
        Ok(url) if origin.starts_with('/') || (!url.scheme.is_empty() && url.opaque.is_empty()) => {
            url
        }
        Ok(_) => {
            return Err(format!(
                "unable to parse allowed origin: parse {}: invalid URI for request",
                quote(origin)
            ));
        }
        Err(error) => return Err(format!("unable to parse allowed origin: {error}")),
    };
    if url.scheme != "http" && url.scheme != "https" {
        return Err(format!(
            "unable to parse allowed origin {}: allowed origins must be absolute URLs with http or \
             https scheme",
            quote(origin)
        ));
    }
    if url.host.is_empty() {
        return Err(format!("unable to parse allowed origin {}: host is required", quote(origin)));
    }
    match split_host_port(&url.host) {
        Ok(_) | Err("missing port in address") => Ok(()),
        Err(reason) => {
            Err(format!("unable to parse allowed origin: address {}: {reason}", url.host))
        }
    }
}

fn check_pinned(pinned: Option<&BTreeSet<String>>) -> Check {
    for entry in pinned.into_iter().flatten() {
        if !is_sha256(entry) {
            return Err(format!(
                "error parsing 'pinned_certs' key {entry} does not look like lower case \
                 hex-encoded sha256 of DER encoded SubjectPublicKeyInfo"
            ));
        }
    }
    Ok(())
}

/// The compression in its usual form; what is not set stays so.
///
/// Source: Go `validateAndNormalizeCompressionOption`.
fn compression_of(compression: &Compression, mode_for_on: &str) -> Result<Compression, String> {
    let written = compression.mode.to_lowercase();
    let mode = match written.as_str() {
        "on" | "enabled" | "true" => mode_for_on,
        other => other,
    };
    let mode = match mode {
        "" => "",
        "not supported" | "not_supported" => "not supported",
        "disabled" | "off" | "false" => "off",
        "accept" => "accept",
        "auto" | "s2_auto" => "s2_auto",
        "fast" | "s2_fast" => "s2_fast",
        "better" | "s2_better" => "s2_better",
        "best" | "s2_best" => "s2_best",
        _ => return Err(format!("unsupported compression mode {}", quote(&compression.mode))),
    };
    let rtt_thresholds = match mode {
        "s2_auto" => thresholds_of(compression)?,
        _ => compression.rtt_thresholds.clone(),
    };
    Ok(Compression { mode: mode.to_string(), rtt_thresholds })
}

/// Ascending, but for zeros, which leave a level out; none at the end, and one to four of them.
fn thresholds_of(compression: &Compression) -> Result<Vec<Duration>, String> {
    let given = &compression.rtt_thresholds;
    if given.is_empty() {
        return Ok(RTT_THRESHOLDS.to_vec());
    }
    let shown = || {
        let shown: Vec<String> = given
            .iter()
            .map(|value| duration::format(Nanoseconds::from_duration(*value)))
            .collect();
        format!("[{}]", shown.join(" "))
    };
    let mut highest = Duration::ZERO;
    for value in given.iter().filter(|value| !value.is_zero()) {
        if *value < highest {
            return Err(format!("RTT threshold values {} should be in ascending order", shown()));
        }
        highest = *value;
    }
    let mut thresholds = given.clone();
    while thresholds.last().is_some_and(Duration::is_zero) {
        thresholds.pop();
    }
    let mode = quote(&compression.mode);
    match thresholds.len() {
        0 => Err(format!("compression mode {mode} requires at least one RTT threshold")),
        1..=4 => Ok(thresholds),
        _ => Err(format!(
            "compression mode {mode} should have no more than 4 RTT thresholds: {}",
            shown()
        )),
    }
}

/// Puts into their usual form what validation understands in several.
fn normalize(options: &mut Options) -> Check {
    options.cluster.compression = compression_of(&options.cluster.compression, "s2_fast")?;
    options.leafnode.compression = compression_of(&options.leafnode.compression, "s2_auto")?;
    for remote in &mut options.leafnode.remotes {
        remote.compression = compression_of(&remote.compression, "s2_auto")?;
        remote.account.get_or_insert_with(|| GLOBAL_ACCOUNT.to_string());
    }
    if options.cluster.name.is_none() {
        options.cluster.name = options.gateway.name.clone();
    }
    if let Some(hint) = &mut options.jetstream.extension_hint {
        *hint = hint.to_lowercase();
    }
    let keys: Vec<String> = signers(options).cloned().collect();
    for key in keys {
        if !options.trusted_keys.contains(&key) {
            options.trusted_keys.push(key);
        }
    }
    if !options.operators.is_empty()
        && !options.resolver_pinned_accounts.is_empty()
        && let Some(name) = &options.system_account
    {
        options.resolver_pinned_accounts.insert(name.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests;

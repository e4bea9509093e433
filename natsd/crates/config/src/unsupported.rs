//! What can be configured but not done yet.
//!
//! A row here is a promise to refuse, instead of ignoring what an operator asked for. Whoever
//! builds a feature deletes its row.

use crate::options::{Account, Options, Positions};
use crate::position::Position;

/// A key whose feature this server does not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The key, with the blocks around it: `accounts.A.imports`.
    pub key: String,
    /// Where it was written; none when it came from a flag or code.
    pub position: Option<Position>,
    /// What an operator can do about it.
    pub remedy: &'static str,
    /// The server must not start. Otherwise it logs an error and runs without the feature.
    pub fatal: bool,
}

/// One feature that is missing.
struct Feature {
    /// Path of the key and its aliases, the first one for messages.
    keys: &'static [&'static str],
    is_used: fn(&Options) -> bool,
    remedy: &'static str,
    fatal: bool,
}

/// One feature that is missing inside accounts.
struct AccountFeature {
    keys: &'static [&'static str],
    is_used: fn(&Account) -> bool,
    remedy: &'static str,
    fatal: bool,
}

const REMOVE: &str = "remove it, or run this server with nats-server";
const WITHOUT_JETSTREAM: &str = "the server runs without JetStream";

const fn fatal(keys: &'static [&'static str], is_used: fn(&Options) -> bool) -> Feature {
    Feature { keys, is_used, remedy: REMOVE, fatal: true }
}

const fn account(keys: &'static [&'static str], is_used: fn(&Account) -> bool) -> AccountFeature {
    AccountFeature { keys, is_used, remedy: REMOVE, fatal: true }
}

const FEATURES: &[Feature] = &[
    Feature {
        keys: &["jetstream"],
        is_used: |options| options.jetstream.enabled,
        remedy: WITHOUT_JETSTREAM,
        fatal: false,
    },
    fatal(&["cluster"], |options| {
        let cluster = &options.cluster;
        cluster.port.is_set() || cluster.listen_flag.is_some() || !options.routes.is_empty()
    }),
    fatal(&["gateway"], |options| options.gateway.port.is_set() || options.gateway.name.is_some()),
    fatal(&["leafnodes", "leaf"], |options| {
        options.leafnode.port.is_set()
            || options.leafnode.remotes.iter().any(|remote| !remote.disabled)
    }),
    fatal(&["websocket", "ws"], |options| options.websocket.port.is_set()),
    fatal(&["mqtt"], |options| options.mqtt.port.is_set()),
    fatal(
        &["operator", "operators", "roots", "root", "root_operators", "root_operator"],
        |options| !options.operators.is_empty(),
    ),
    fatal(&["resolver", "account_resolver", "accounts_resolver"], |options| {
        options.account_resolver.is_some()
    }),
    fatal(&["resolver_tls"], |options| options.resolver_tls.is_some()),
    fatal(&["resolver_preload"], |options| !options.resolver_preload.is_empty()),
    fatal(&["resolver_pinned_accounts"], |options| !options.resolver_pinned_accounts.is_empty()),
    fatal(&["default_sentinel"], |options| options.default_sentinel.is_some()),
    fatal(&["trusted_keys", "trusted"], |options| !options.trusted_keys.is_empty()),
    fatal(&["authorization.auth_callout", "authorization.auth_hook"], |options| {
        options.auth_callout.is_some()
    }),
    fatal(&["authorization.proxy_required"], |options| options.proxy_required),
    fatal(&["authorization.users"], |options| options.users.iter().any(|user| user.proxy_required)),
    fatal(&["proxies"], |options| options.proxies.as_ref().is_some_and(|keys| !keys.is_empty())),
    fatal(&["ocsp"], |options| options.ocsp.is_some()),
    fatal(&["ocsp_cache"], |options| options.ocsp_cache.is_some()),
    fatal(&["tls.ocsp_peer"], |options| {
        options.tls.as_ref().is_some_and(|tls| tls.ocsp_peer.is_some())
    }),
    fatal(&["prof_port"], |options| options.prof_port.is_set()),
    fatal(&["prof_block_rate"], |options| options.prof_block_rate != 0),
    fatal(&["default_js_domain"], |options| !options.default_js_domain.is_empty()),
];

const ACCOUNT_FEATURES: &[AccountFeature] = &[
    account(&["imports"], |account| {
        !account.stream_imports.is_empty() || !account.service_imports.is_empty()
    }),
    account(&["exports"], |account| {
        !account.stream_exports.is_empty() || !account.service_exports.is_empty()
    }),
    account(&["nkey"], |account| account.nkey.is_some()),
    AccountFeature {
        keys: &["jetstream"],
        is_used: |account| account.jetstream.is_some(),
        remedy: WITHOUT_JETSTREAM,
        fatal: false,
    },
    account(&["msg_trace", "trace_dest"], |account| account.msg_trace.destination.is_some()),
];

/// Everything that the options ask for and the server cannot do yet. Empty blocks and disabled
/// ones ask for nothing.
#[must_use]
pub fn unsupported(options: &Options) -> Vec<Unsupported> {
    let mut found: Vec<Unsupported> = Vec::new();
    for feature in FEATURES.iter().filter(|feature| (feature.is_used)(options)) {
        let paths = feature.keys.iter().map(|key| (*key).to_string());
        found.push(entry(paths, &options.positions, feature.remedy, feature.fatal));
    }
    for account in &options.accounts {
        for feature in ACCOUNT_FEATURES.iter().filter(|feature| (feature.is_used)(account)) {
            let paths = feature
                .keys
                .iter()
                .map(|key| format!("accounts.{}.{key}", account.name.to_lowercase()));
            let mut entry = entry(paths, &options.positions, feature.remedy, feature.fatal);
            entry.key = format!("accounts.{}.{}", account.name, feature.keys[0]);
            found.push(entry);
        }
    }
    found.dedup_by(|next, first| next.key == first.key);
    found
}

fn entry(
    paths: impl Iterator<Item = String>,
    positions: &Positions,
    remedy: &'static str,
    fatal: bool,
) -> Unsupported {
    let paths: Vec<String> = paths.collect();
    let position = paths.iter().find_map(|path| positions.get(path)).cloned();
    let key = paths.into_iter().next().unwrap_or_default();
    Unsupported { key, position, remedy, fatal }
}

#[cfg(test)]
mod tests;

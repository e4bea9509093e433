//! The `leafnodes` block and its remotes.
//!
//! Source: Go `server/opts.go` (`parseLeafNodes`, `parseLeafAuthorization`, `parseLeafUsers`,
//! `parseRemoteLeafNodes`), `server/leafnode.go` (`validateLeafNodeProxyOptions`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::auth::permission_subjects;
use super::links::url;
use super::tls::TlsUse;
use super::{Field, Outcome, Reader, listen, write_timeout};
use crate::language::{Token, Value};
use crate::nkey::{KeyKind, is_public_key, is_user_seed};
use crate::options::{LeafNode, LeafUser, Options, RemoteLeaf, RemoteLeafProxy};
use crate::quote::quote;
use crate::source::{Source, clean};
use crate::url::Url;
use crate::version::check_leaf_min_version;

/// Go: `DEFAULT_LEAF_TLS_TIMEOUT`.
const REMOTE_TLS_TIMEOUT: Duration = Duration::from_secs(2);

impl Reader<'_> {
    pub(crate) fn leafnode(&mut self, token: &Token, options: &mut Options) -> Outcome {
        let map = token.map_or(|kind| format!("Expected map to define a leafnode, got {kind}"))?;
        self.fields(&map, |reader, field| reader.leafnode_field(&field, &mut options.leafnode));
        Ok(())
    }

    fn leafnode_field(&mut self, field: &Field<'_>, leaf: &mut LeafNode) -> Outcome {
        let token = field.token;
        match field.name {
            "listen" => {
                let listen = listen(token)?;
                (leaf.host, leaf.port) = (listen.host, listen.port);
            }
            "port" => leaf.port = token.port()?,
            "host" | "net" => leaf.host = token.string()?,
            "authorization" => {
                let map = token.map()?;
                self.fields(&map, |reader, field| reader.leaf_authorization(&field, leaf));
                check_leaf_users(leaf).map_err(|message| token.fail(message))?;
            }
            "remotes" => leaf.remotes = self.remote_leafs(token)?,
            "reconnect" | "reconnect_delay" | "reconnect_interval" => {
                leaf.reconnect_interval = self.duration("reconnect", field)?;
            }
            "dial_timeout" => leaf.dial_timeout = self.optional_duration("dial_timeout", field)?,
            "tls" => {
                if let Some(tls) = self.tls(token, TlsUse::Other)? {
                    leaf.tls_timeout = tls.timeout;
                    leaf.tls = Some(tls);
                }
            }
            "leafnode_advertise" | "advertise" => leaf.advertise = token.text()?,
            "no_advertise" => leaf.no_advertise = token.boolean()?,
            "min_version" | "minimum_version" => {
                let version = token.string()?;
                check_leaf_min_version(&version).map_err(|message| token.fail(message))?;
                leaf.min_version = Some(version);
            }
            "compression" => leaf.compression = self.compression(field, "s2_auto")?,
            "isolate_leafnode_interest" | "isolate" => {
                leaf.isolate_leafnode_interest = token.boolean()?;
            }
            "write_deadline" => leaf.write_deadline = self.duration("write_deadline", field)?,
            "write_timeout" => leaf.write_timeout = write_timeout(field)?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn leaf_authorization(&mut self, field: &Field<'_>, leaf: &mut LeafNode) -> Outcome {
        let token = field.token;
        match field.name {
            "user" | "username" => leaf.username = token.text()?,
            "pass" | "password" => leaf.password = token.text()?,
            "nkey" => {
                leaf.nkey = token.text()?;
                if !is_public_key(KeyKind::User, leaf.nkey.as_deref().unwrap_or_default()) {
                    return field.fail("Not a valid public nkey for leafnode authorization");
                }
            }
            "timeout" => leaf.auth_timeout = self.auth_timeout(field, "leafnode authorization")?,
            "users" => leaf.users = self.leaf_users(token)?,
            "account" => leaf.account = token.text()?,
            "proxy_required" => leaf.proxy_required = token.boolean()?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn leaf_users(&mut self, token: &Token) -> Outcome<Vec<LeafUser>> {
        let items = token
            .array_or(|_| format!("Expected users field to be an array, got {}", token.value))?;
        let mut users = Vec::new();
        for item in items {
            let map = item
                .map_or(|_| format!("Expected user entry to be a map/struct, got {}", item.value));
            let Some(map) = self.keep(map) else { continue };
            let mut user = LeafUser::default();
            self.fields(&map, |_, field| {
                match field.name {
                    "user" | "username" => user.username = field.token.string()?,
                    "pass" | "password" => user.password = field.token.string()?,
                    "account" => user.account = field.token.text()?,
                    "proxy_required" => user.proxy_required = field.token.boolean()?,
                    _ => return field.unknown(),
                }
                Ok(())
            });
            users.push(user);
        }
        Ok(users)
    }

    fn remote_leafs(&mut self, token: &Token) -> Outcome<Vec<RemoteLeaf>> {
        let items =
            token.array_or(|kind| format!("Expected remotes field to be an array, got {kind}"))?;
        let mut names = BTreeSet::new();
        let mut remotes = Vec::new();
        for item in items {
            let map = item.map_or(|_| {
                format!("Expected remote leafnode entry to be a map/struct, got {}", item.value)
            });
            let Some(map) = self.keep(map) else { continue };
            let mut remote = RemoteLeaf::default();
            self.fields(&map, |reader, field| reader.remote_leaf_field(&field, &mut remote));
            let proxy = map.iter().find(|(key, _)| key.eq_ignore_ascii_case("proxy"));
            if let Some((_, proxy)) = proxy {
                match check_leaf_proxy(&remote) {
                    Ok(Some(warning)) => self.warn(proxy, warning),
                    Ok(None) => {}
                    Err(message) => {
                        self.errors.push(proxy.fail(message));
                        continue;
                    }
                }
            }
            if !names.insert(remote.name()) {
                let last = map.iter().last().map_or(item, |(_, last)| last);
                self.errors.push(last.fail(format!("duplicate remote {}", remote.safe_name())));
                continue;
            }
            remotes.push(remote);
        }
        Ok(remotes)
    }

    fn remote_leaf_field(&mut self, field: &Field<'_>, remote: &mut RemoteLeaf) -> Outcome {
        let token = field.token;
        match field.name {
            "no_randomize" | "dont_randomize" => remote.no_randomize = token.boolean()?,
            "url" | "urls" => match &token.value {
                Value::Array(array) => remote.urls = self.urls(array.items(), "leafnode"),
                Value::String(text) => remote.urls.push(url(token, text, "leafnode")?),
                other => {
                    return field.fail(format!(
                        "Expected remote leafnode url to be an array or string, got {other}"
                    ));
                }
            },
            "account" | "local" => remote.account = token.text()?,
            "creds" | "credentials" => {
                let path = expand_path(&token.string()?, self.source)
                    .map_err(|message| token.fail(message))?;
                remote.credentials = Some(path);
                return both_credentials(field, remote);
            }
            "nkey" | "seed" => {
                let seed = token.string()?;
                if !is_user_seed(&seed) {
                    // Differs from Go, which prints the text: it may be most of a secret.
                    return field.fail("Remote leafnode nkey is not a valid seed");
                }
                remote.nkey = Some(seed);
                return both_credentials(field, remote);
            }
            "tls" => {
                if let Some(tls) = self.tls(token, TlsUse::Other)? {
                    remote.tls_timeout =
                        if tls.timeout.is_zero() { REMOTE_TLS_TIMEOUT } else { tls.timeout };
                    remote.tls = Some(tls);
                }
            }
            "hub" => remote.hub = token.boolean()?,
            "deny_imports" | "deny_import" => {
                remote.deny_imports = permission_subjects(token, false)?;
            }
            "deny_exports" | "deny_export" => {
                remote.deny_exports = permission_subjects(token, false)?;
            }
            "ws_compress" | "ws_compression" | "websocket_compress" | "websocket_compression" => {
                remote.websocket_compression = token.boolean()?;
            }
            "ws_no_masking" | "websocket_no_masking" => {
                remote.websocket_no_masking = token.boolean()?;
            }
            "jetstream_cluster_migrate" | "js_cluster_migrate" => {
                return self.cluster_migrate(field, remote);
            }
            "isolate_leafnode_interest" | "isolate" => remote.isolate = token.boolean()?,
            "request_isolation" => remote.request_isolation = token.boolean()?,
            "compression" => remote.compression = self.compression(field, "s2_auto")?,
            "first_info_timeout" => {
                remote.first_info_timeout = self.optional_duration(field.key, field)?;
            }
            "dial_timeout" => remote.dial_timeout = self.optional_duration(field.key, field)?,
            "disabled" => remote.disabled = token.boolean()?,
            "proxy" => {
                let map = token.map_or(|kind| format!("Expected proxy to be a map, got {kind}"))?;
                self.fields(&map, |reader, field| {
                    reader.remote_leaf_proxy(&field, &mut remote.proxy)
                });
            }
            "ignore_discovered_servers" => remote.ignore_discovered_servers = token.boolean()?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn cluster_migrate(&mut self, field: &Field<'_>, remote: &mut RemoteLeaf) -> Outcome {
        match &field.token.value {
            Value::Bool(migrate) => remote.jetstream_cluster_migrate = *migrate,
            Value::Map(map) => {
                remote.jetstream_cluster_migrate = true;
                let map = map.clone();
                self.fields(&map, |reader, field| {
                    match field.key {
                        "leader_migrate_delay" => {
                            remote.jetstream_cluster_migrate_delay =
                                reader.duration("leader_migrate_delay", &field)?;
                        }
                        // Differs from Go, which ignores what it does not know here.
                        _ => return field.unknown(),
                    }
                    Ok(())
                });
            }
            other => {
                return field.fail(format!(
                    "Expected boolean or map for jetstream_cluster_migrate, got {}",
                    other.type_name()
                ));
            }
        }
        Ok(())
    }

    fn remote_leaf_proxy(&mut self, field: &Field<'_>, proxy: &mut RemoteLeafProxy) -> Outcome {
        match field.name {
            "url" => proxy.url = field.token.text()?,
            "username" => proxy.username = field.token.text()?,
            "password" => proxy.password = field.token.text()?,
            "timeout" => match self.signed_duration("proxy timeout", field)?.to_duration() {
                Some(timeout) => proxy.timeout = timeout,
                None => return field.fail("proxy timeout must be >= 0"),
            },
            _ => return field.unknown(),
        }
        Ok(())
    }
}

fn both_credentials(field: &Field<'_>, remote: &RemoteLeaf) -> Outcome {
    if remote.credentials.is_some() && remote.nkey.is_some() {
        return field.fail("Remote leafnode can not have both creds and nkey defined");
    }
    Ok(())
}

/// Source: Go `validateLeafNodeAuthOptions`.
pub(crate) fn check_leaf_users(leaf: &LeafNode) -> Result<(), String> {
    if leaf.users.is_empty() {
        return Ok(());
    }
    if leaf.username.is_some() {
        return Err("can not have a single user/pass and a users array".to_string());
    }
    if leaf.nkey.is_some() {
        return Err("can not have a single nkey and a users array".to_string());
    }
    let mut names = BTreeSet::new();
    for user in &leaf.users {
        if !names.insert(&user.username) {
            return Err(format!(
                "duplicate user {} detected in leafnode authorization",
                quote(&user.username)
            ));
        }
    }
    Ok(())
}

/// Checks the HTTP proxy of a remote; the value is a warning.
///
/// Source: Go `validateLeafNodeProxyOptions`.
pub(crate) fn check_leaf_proxy(remote: &RemoteLeaf) -> Result<Option<&'static str>, String> {
    let Some(text) = &remote.proxy.url else {
        if remote.proxy == RemoteLeafProxy::default() {
            return Ok(None);
        }
        return Err("proxy URL must be specified when other proxy options are set".to_string());
    };
    let url = Url::parse(text).map_err(|error| format!("invalid proxy URL: {error}"))?;
    if url.scheme != "http" && url.scheme != "https" {
        return Err(format!("proxy URL scheme must be http or https, got: {}", url.scheme));
    }
    if url.host.is_empty() {
        return Err("proxy URL must specify a host".to_string());
    }
    if remote.proxy.username.is_some() != remote.proxy.password.is_some() {
        return Err(
            "proxy username and password must both be specified or both be empty".to_string()
        );
    }
    if let Some(url) = remote.urls.iter().find(|url| url.scheme == "wss" && remote.tls.is_none()) {
        return Err(format!(
            "proxy is configured but remote URL {} requires TLS and no TLS configuration is \
             provided. When using proxy with TLS endpoints, ensure TLS is properly configured for \
             the leafnode remote",
            url.redacted()
        ));
    }
    let websockets = remote.urls.iter().filter(|url| is_websocket(url)).count();
    Ok(match websockets {
        _ if remote.urls.is_empty() || websockets == remote.urls.len() => None,
        0 => Some(
            "proxy configuration will be ignored: proxy settings only apply to WebSocket \
             connections (ws:// or wss://), but all configured URLs use TCP connections (nats://)",
        ),
        _ => Some(
            "proxy configuration will only be used for WebSocket URLs: proxy settings do not apply \
             to TCP connections (nats://)",
        ),
    })
}

pub(crate) fn is_websocket(url: &Url) -> bool {
    url.scheme == "ws" || url.scheme == "wss"
}

/// Puts environment variables and the home directory into a path.
///
/// Source: Go `expandPath`, `os.ExpandEnv`.
pub(crate) fn expand_path(path: &str, source: &dyn Source) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = path;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        let (name, after) = variable_name(&rest[dollar + 1..]);
        match name {
            Some(name) => expanded.push_str(&source.variable(name).unwrap_or_default()),
            None => expanded.push('$'),
        }
        rest = after;
    }
    expanded.push_str(rest);
    let Some(below_home) = expanded.strip_prefix('~') else {
        return Ok(expanded);
    };
    match source.variable("HOME") {
        Some(home) if !home.is_empty() => Ok(clean(&format!("{home}/{below_home}"))),
        _ => Err("failed to get home dir, require $HOME".to_string()),
    }
}

/// The name after a dollar sign, in braces or bare, and what follows it.
fn variable_name(text: &str) -> (Option<&str>, &str) {
    if let Some(inner) = text.strip_prefix('{')
        && let Some((name, after)) = inner.split_once('}')
    {
        return (Some(name), after);
    }
    let end = text
        .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    ((!name.is_empty()).then_some(name), after)
}

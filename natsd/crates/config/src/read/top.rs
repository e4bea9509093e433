//! The keys of the top level.
//!
//! Source: Go `server/opts.go` (`processConfigFileLine`, `configureSystemAccount`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::jetstream::store_dir;
use super::operator::apply_operator;
use super::tls::TlsUse;
use super::{Field, Outcome, Reader, listen, write_timeout};
use crate::duration::{self, Nanoseconds};
use crate::error::ConfigError;
use crate::language::{Map, Token, Value};
use crate::options::{Account, GLOBAL_ACCOUNT, Options};
use crate::quote::quote;

impl Reader<'_> {
    pub(crate) fn system_account(&mut self, map: &Map, options: &mut Options) {
        let Some(token) = map.get("system_account").or_else(|| map.get("system")) else {
            return;
        };
        let name = token.text().map_err(|_| token.fail("system account name must be a string"));
        if let Some(name) = self.keep(name) {
            options.system_account = name;
        }
    }

    /// What can only be checked when all keys were read.
    pub(crate) fn finish(&mut self, options: &mut Options) {
        apply_operator(options);
        let Some(callout) = &options.auth_callout else {
            return;
        };
        let known: BTreeSet<&str> =
            options.accounts.iter().map(|account| account.name.as_str()).collect();
        for account in &callout.allowed_accounts {
            if !known.contains(account.as_str()) {
                self.errors.push(ConfigError::plain(format!(
                    "auth_callout allowed account {} not found in configured accounts",
                    quote(account)
                )));
            }
        }
    }

    pub(crate) fn top_level(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let token = field.token;
        match field.name {
            "authorization" => self.client_authorization(field, options),
            "accounts" => self.accounts(field, options),
            "mappings" | "maps" => {
                let mappings = self.mappings(token)?;
                options.accounts.push(Account {
                    name: GLOBAL_ACCOUNT.to_string(),
                    mappings,
                    ..Account::default()
                });
                Ok(())
            }
            "cluster" => self.cluster(token, options),
            "gateway" => self.gateway(token, options),
            "leaf" | "leafnodes" => self.leafnode(token, options),
            "jetstream" => self.jetstream(field, options),
            "store_dir" | "storedir" => store_dir(field, options),
            "websocket" | "ws" => self.websocket(token, &mut options.websocket),
            "mqtt" => self.mqtt(token, &mut options.mqtt),
            // Ours, but `ADMIN` and `admin` are popular names of variables.
            "admin" if field.key == "admin" && !token.is_used_variable => {
                self.admin(token, &mut options.admin)
            }
            "operator" | "operators" | "roots" | "root" | "root_operators" | "root_operator" => {
                self.operators(field, options)
            }
            "resolver" | "account_resolver" | "accounts_resolver" => self.resolver(field, options),
            "resolver_preload" => self.resolver_preload(field, options),
            "trusted" | "trusted_keys" => self.trusted_keys(field, options),
            // Read before everything else.
            "system_account" | "system" => Ok(()),
            _ => self.identity_field(field, options),
        }
    }

    /// Names, addresses and the client listener.
    fn identity_field(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let token = field.token;
        match field.name {
            "listen" => {
                let listen = listen(token)?;
                (options.host, options.port) = (listen.host, listen.port);
            }
            "client_advertise" => options.client_advertise = token.text()?,
            "port" => options.port = token.port()?,
            "host" | "net" => options.host = token.string()?,
            "server_name" => {
                let name = token.text()?;
                if name.as_deref().is_some_and(|name| name.contains(' ')) {
                    return field.fail("server name cannot contain spaces");
                }
                options.server_name = name;
            }
            "proxy_protocol" => options.proxy_protocol = token.boolean()?,
            "server_tags" => return server_tags(field, options),
            "server_metadata" => {
                let map = token
                    .map_or(|kind| format!("error parsing metadata: unsupported type {kind}"))?;
                for (key, value) in map.iter() {
                    if let Some(text) = self.keep(value.string()) {
                        options.server_metadata.insert(key.to_string(), text);
                    }
                }
            }
            "feature_flags" => return self.feature_flags(token, options),
            "http" => {
                let listen = listen(token)?;
                (options.http_host, options.http_port) = (listen.host, listen.port);
            }
            "https" => {
                let listen = listen(token)?;
                (options.http_host, options.https_port) = (listen.host, listen.port);
            }
            "http_port" | "monitor_port" => options.http_port = token.port()?,
            "https_port" => options.https_port = token.port()?,
            "http_base_path" => options.http_base_path = token.text()?,
            _ => return self.logging_field(field, options),
        }
        Ok(())
    }

    fn feature_flags(&mut self, token: &Token, options: &mut Options) -> Outcome {
        let map =
            token.map_or(|kind| format!("error parsing feature flags: unsupported type {kind}"))?;
        for (key, value) in map.iter() {
            let flag = value.boolean().map_err(|_| {
                value.fail(format!(
                    "error parsing feature flag {}: expected bool, got {}",
                    quote(key),
                    value.type_name()
                ))
            });
            if let Some(flag) = self.keep(flag) {
                options.feature_flags.insert(key.to_string(), flag);
            }
        }
        Ok(())
    }

    fn logging_field(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let token = field.token;
        match field.name {
            "debug" => options.debug = token.boolean()?,
            "trace" => options.trace = token.boolean()?,
            "trace_verbose" => {
                options.trace_verbose = token.boolean()?;
                options.trace = options.trace_verbose;
            }
            "trace_headers" => {
                options.trace_headers = token.boolean()?;
                options.trace = options.trace_headers;
            }
            "logtime" => options.logtime = token.boolean()?,
            "logtime_utc" => options.logtime_utc = token.boolean()?,
            "logfile" | "log_file" => options.log_file = token.text()?,
            "logfile_size_limit" | "log_size_limit" => options.log_size_limit = token.integer()?,
            "logfile_max_num" | "log_max_num" => options.log_max_files = token.integer()?,
            "syslog" => options.syslog = token.boolean()?,
            "remote_syslog" => options.remote_syslog = token.text()?,
            "pidfile" | "pid_file" => options.pid_file = token.text()?,
            "ports_file_dir" => options.ports_file_dir = token.text()?,
            "prof_port" => options.prof_port = token.port()?,
            "prof_block_rate" => options.prof_block_rate = token.integer()?,
            "max_traced_msg_len" => {
                options.max_traced_msg_len = u64::try_from(token.integer()?).unwrap_or_default();
            }
            "connect_error_reports" => options.connect_error_reports = token.integer()?,
            "reconnect_error_reports" => options.reconnect_error_reports = token.integer()?,
            _ => return self.limit_field(field, options),
        }
        Ok(())
    }

    fn limit_field(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let token = field.token;
        match field.name {
            "max_control_line" => options.max_control_line = size32(field)?,
            "max_payload" => options.max_payload = size32(field)?,
            "max_pending" => options.max_pending = token.integer()?,
            "max_connections" | "max_conn" => {
                // Zero is no limit here, although it stands for "not set" elsewhere.
                options.max_connections = match token.integer()? {
                    0 => -1,
                    number => number,
                };
            }
            "max_subscriptions" | "max_subs" => options.max_subscriptions = token.integer()?,
            "max_sub_tokens" | "max_subscription_tokens" => {
                let number = token.integer()?;
                if number <= 0 {
                    return field.fail(format!("{} value can not be negative", field.key));
                }
                options.max_subscription_tokens = u8::try_from(number)
                    .or_else(|_| field.fail(format!("{} value is too big", field.key)))?;
            }
            "max_closed_clients" => options.max_closed_clients = token.integer()?,
            "ping_interval" => options.ping_interval = self.duration("ping_interval", field)?,
            "ping_max" => options.ping_max = token.integer()?,
            "write_deadline" => options.write_deadline = self.duration("write_deadline", field)?,
            "write_timeout" => options.write_timeout = write_timeout(field)?,
            "lame_duck_duration" => {
                let value = lame_duck_time(field)?;
                match value.to_duration() {
                    Some(value) if value >= Duration::from_secs(30) => {
                        options.lame_duck_duration = value;
                    }
                    _ => {
                        return field.fail(format!(
                            "invalid lame_duck_duration of {}, minimum is 30 seconds",
                            duration::format(value)
                        ));
                    }
                }
            }
            "lame_duck_grace_period" => match lame_duck_time(field)?.to_duration() {
                Some(value) => options.lame_duck_grace_period = value,
                None => {
                    return field.fail("invalid lame_duck_grace_period, needs to be positive");
                }
            },
            "no_fast_producer_stall" => options.no_fast_producer_stall = token.boolean()?,
            "no_header_support" => options.no_header_support = token.boolean()?,
            "disable_sublist_cache" | "no_sublist_cache" => {
                options.no_sublist_cache = token.boolean()?;
            }
            _ => return self.security_field(field, options),
        }
        Ok(())
    }

    fn security_field(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let token = field.token;
        match field.name {
            "tls" => {
                if let Some(tls) = self.tls(token, TlsUse::Other)? {
                    options.tls_timeout = tls.timeout;
                    options.tls = Some(tls);
                }
            }
            "allow_non_tls" => options.allow_non_tls = token.boolean()?,
            "ocsp" => options.ocsp = Some(self.ocsp(field)?),
            "ocsp_cache" => options.ocsp_cache = Some(self.ocsp_cache(field)?),
            "no_auth_user" => options.no_auth_user = token.text()?,
            "no_system_account" | "no_system" | "no_sys_acc" => {
                options.no_system_account = token.boolean()?;
            }
            "default_sentinel" => options.default_sentinel = token.text()?,
            "resolver_tls" => options.resolver_tls = self.tls(token, TlsUse::Other)?,
            "resolver_pinned_accounts" => {
                let accounts = self.string_array("resolver_pinned_accounts", token)?;
                options.resolver_pinned_accounts = accounts.into_iter().collect();
            }
            "default_js_domain" => {
                let map = token.map_or(|kind| {
                    format!("error default_js_domain config: unsupported type {kind}")
                })?;
                options.default_js_domain.clear();
                for (key, value) in map.iter() {
                    if let Some(domain) = self.keep(value.string()) {
                        options.default_js_domain.insert(key.to_string(), domain);
                    }
                }
            }
            "proxies" => options.proxies = Some(self.proxies(token)?),
            _ if options.allow_unknown_keys => {}
            _ => return field.unknown(),
        }
        Ok(())
    }
}

fn size32(field: &Field<'_>) -> Outcome<i32> {
    // Differs from Go, which takes numbers far below zero for others.
    i32::try_from(field.token.integer()?)
        .or_else(|_| field.fail(format!("{} value is too big", field.key)))
}

fn lame_duck_time(field: &Field<'_>) -> Outcome<Nanoseconds> {
    duration::parse(&field.token.string()?)
        .or_else(|message| field.fail(format!("error parsing {}: {message}", field.name)))
}

/// Tags are kept in lower case, without white space around them, each once.
fn server_tags(field: &Field<'_>, options: &mut Options) -> Outcome {
    let tags = match &field.token.value {
        Value::String(tag) => vec![tag.to_string()],
        Value::Array(array) => {
            array.items().iter().map(Token::string).collect::<Outcome<_>>().or_else(|_| {
                field.fail(
                    "error parsing tags: unsupported type *conf.token where string is expected",
                )
            })?
        }
        other => {
            return field
                .fail(format!("error parsing tags: unsupported type {}", other.type_name()));
        }
    };
    for tag in tags {
        let tag = tag.trim().to_lowercase();
        if !tag.is_empty() && !options.server_tags.contains(&tag) {
            options.server_tags.push(tag);
        }
    }
    Ok(())
}

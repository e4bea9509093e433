//! The `accounts` block: users, limits, mappings, message traces.
//!
//! Source: Go `server/opts.go` (`parseAccounts`, `parseAccountLimits`, `parseAccountMappings`,
//! `parseAccountMsgTrace`, `parseJetStreamForAccount`), `server/accounts.go`
//! (`AddWeightedMappings`).

use std::collections::{BTreeMap, BTreeSet};

use super::auth::{apply_default_permissions, user_names};
use super::{Field, Outcome, Reader};
use crate::imports;
use crate::language::{Map, Token, Value};
use crate::nkey::{KeyKind, is_public_key};
use crate::options::{
    Account, AccountJetStream, AccountLimits, GLOBAL_ACCOUNT, MapDestination, MsgTrace, NkeyUser,
    Options, SubjectMapping, User,
};
use crate::quote::quote;
use crate::subjects;

/// The users of an account while it is read, and where they were written.
#[derive(Default)]
struct AccountUsers {
    users: Vec<User>,
    nkeys: Vec<NkeyUser>,
    token: Option<Token>,
}

impl Reader<'_> {
    pub(crate) fn accounts(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        match &field.token.value {
            Value::Array(array) => self.account_names(array.items(), options),
            Value::Map(map) => {
                let map = map.clone();
                let mut names = user_names(options);
                self.fields(&map, |reader, field| reader.account(&field, options, &mut names));
            }
            other => {
                // Differs from Go, which ignores a value of another type.
                return field.fail(format!(
                    "Expected accounts to be an array or a map, got {}",
                    other.type_name()
                ));
            }
        }
        if !self.errors.is_empty() {
            return Ok(());
        }
        // All accounts are known now, so that imports can be checked against exports.
        for message in imports::check(&options.accounts, options.no_system_account) {
            self.errors.push(field.token.fail(message));
        }
        Ok(())
    }

    fn account_names(&mut self, items: &[Token], options: &mut Options) {
        let mut seen = BTreeSet::new();
        for item in items {
            let name = item.string().and_then(|name| {
                check_reserved(item, &name)?;
                if !seen.insert(name.clone()) {
                    return Err(item.fail(format!("Duplicate Account Entry: {name}")));
                }
                Ok(name)
            });
            if let Some(name) = self.keep(name) {
                options.accounts.push(Account { name, ..Account::default() });
            }
        }
    }

    fn account(
        &mut self,
        field: &Field<'_>,
        options: &mut Options,
        names: &mut BTreeSet<String>,
    ) -> Outcome {
        // A key that only serves as a variable is no account.
        if field.token.is_used_variable {
            return Ok(());
        }
        let map = field.token.map_or(|_| "Expected map entries for accounts".to_string())?;
        check_reserved(field.token, field.key)?;
        let mut account = Account { name: field.key.to_string(), ..Account::default() };
        let mut found = AccountUsers::default();
        self.fields(&map, |reader, field| reader.account_field(&field, &mut account, &mut found));
        let result = add_users(options, &account, found, names);
        options.accounts.push(account);
        result
    }

    fn account_field(
        &mut self,
        field: &Field<'_>,
        account: &mut Account,
        found: &mut AccountUsers,
    ) -> Outcome {
        let token = field.token;
        match field.name {
            "nkey" => {
                let key = token.value.to_string();
                if !is_public_key(KeyKind::Account, &key) {
                    return field
                        .fail(format!("Not a valid public nkey for an account: {}", quote(&key)));
                }
                account.nkey = Some(key);
            }
            "imports" => return self.imports(token, account),
            "exports" => return self.exports(token, account),
            "jetstream" => return self.account_jetstream(field, account),
            "users" => {
                found.token = Some(token.clone());
                (found.users, found.nkeys) = self.users(token)?;
            }
            "default_permissions" => account.default_permissions = Some(self.permissions(token)?),
            "mappings" | "maps" => account.mappings = self.mappings(token)?,
            "limits" => {
                let map = token.map_or(|_| {
                    format!("Expected account limits to be a map/struct, got {}", token.value)
                })?;
                self.fields(&map, |_, field| limit_field(&field, &mut account.limits));
            }
            "msg_trace" | "trace_dest" => account.msg_trace = self.msg_trace(field)?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    /// The key `mappings` of an account, or of the top level for `$G`.
    pub(crate) fn mappings(&mut self, token: &Token) -> Outcome<Vec<SubjectMapping>> {
        let map = token.map()?;
        let mut mappings = Vec::new();
        for (source, entry) in map.iter() {
            let mapping = self.mapping(token, source, entry);
            if let Some(mapping) = self.keep(mapping) {
                mappings.push(mapping);
            }
        }
        Ok(mappings)
    }

    fn mapping(&mut self, parent: &Token, source: &str, entry: &Token) -> Outcome<SubjectMapping> {
        if !subjects::is_valid(source) {
            return Err(parent.fail(format!("Subject {} is not a valid subject", quote(source))));
        }
        let destinations = match &entry.value {
            Value::String(subject) => {
                vec![MapDestination { subject: subject.to_string(), weight: 100, cluster: None }]
            }
            Value::Array(array) => {
                let items: Vec<_> = array.items().iter().map(map_destination).collect();
                items.into_iter().filter_map(|item| self.keep(item)).collect()
            }
            _ => vec![map_destination(entry)?],
        };
        check_destinations(source, &destinations).map_err(|reason| {
            entry.fail(match &entry.value {
                Value::String(subject) => {
                    format!(
                        "Error adding mapping for {} to {} : {reason}",
                        quote(source),
                        quote(subject)
                    )
                }
                _ => format!("Error adding mapping for {} : {reason}", quote(source)),
            })
        })?;
        Ok(SubjectMapping { source: source.to_string(), destinations })
    }

    fn msg_trace(&mut self, field: &Field<'_>) -> Outcome<MsgTrace> {
        let mut trace = MsgTrace::default();
        match &field.token.value {
            Value::String(_) => {
                trace.destination = Some(trace_destination(field.token, field.key)?)
            }
            Value::Map(map) => {
                let map = map.clone();
                let top_key = field.key;
                self.fields(&map, |_, field| {
                    match field.name {
                        "dest" => {
                            trace.destination = Some(trace_destination(field.token, field.key)?);
                        }
                        "sampling" => trace.sampling = trace_sampling(&field)?,
                        _ => {
                            return field.unknown_with(|key| {
                                format!(
                                    "Unknown field {key} parsing account message trace map/struct \
                                     {}",
                                    quote(top_key)
                                )
                            });
                        }
                    }
                    Ok(())
                });
            }
            other => {
                return field.fail(format!(
                    "Expected account message trace {} to be a string or a map/struct, got {}",
                    quote(field.key),
                    other.type_name()
                ));
            }
        }
        if trace.destination.is_some() && trace.sampling == 0 {
            trace.sampling = 100;
        } else if trace.destination.is_none() && trace.sampling > 0 {
            self.warn(
                field.token,
                "Trace destination sampling ignored since no destination was set",
            );
            trace.sampling = 0;
        }
        Ok(trace)
    }

    fn account_jetstream(&mut self, field: &Field<'_>, account: &mut Account) -> Outcome {
        match &field.token.value {
            Value::Bool(enabled) => {
                account.jetstream = enabled.then(AccountJetStream::default);
            }
            Value::String(text) => {
                account.jetstream = match text.to_lowercase().as_str() {
                    "enabled" | "enable" => Some(AccountJetStream::default()),
                    "disabled" | "disable" => None,
                    _ => {
                        return field.fail(format!(
                            "Expected 'enabled' or 'disabled' for string value, got '{text}'"
                        ));
                    }
                };
            }
            Value::Map(map) => self.account_jetstream_map(&map.clone(), account),
            other => {
                return field.fail(format!(
                    "Expected map, bool or string to define JetStream, got {}",
                    other.type_name()
                ));
            }
        }
        Ok(())
    }

    fn account_jetstream_map(&mut self, map: &Map, account: &mut Account) {
        let mut limits = AccountJetStream::default();
        let mut is_owner = false;
        self.fields(map, |_, field| {
            let size = || {
                field.token.integer().or_else(|_| {
                    field.fail(format!(
                        "Expected a parseable size for {}, got {}",
                        quote(field.key),
                        field.token.value
                    ))
                })
            };
            match field.name {
                "max_memory" | "max_mem" | "mem" | "memory" => limits.max_memory = size()?,
                "max_store" | "max_file" | "max_disk" | "store" | "disk" => {
                    limits.max_store = size()?;
                }
                "max_streams" | "streams" => limits.max_streams = size()?,
                "max_consumers" | "consumers" => limits.max_consumers = size()?,
                "max_bytes_required" | "max_stream_bytes" | "max_bytes" => {
                    limits.max_bytes_required = field.token.boolean().or_else(|_| {
                        field.fail(format!(
                            "Expected a parseable bool for {}, got {}",
                            quote(field.key),
                            field.token.value
                        ))
                    })?;
                }
                "mem_max_stream_bytes" | "memory_max_stream_bytes" => {
                    limits.memory_max_stream_bytes = size()?;
                }
                "disk_max_stream_bytes" | "store_max_stream_bytes" => {
                    limits.store_max_stream_bytes = size()?;
                }
                "max_ack_pending" => limits.max_ack_pending = size()?,
                "cluster_traffic" => is_owner = cluster_traffic(&field)?,
                _ => return field.unknown(),
            }
            Ok(())
        });
        account.cluster_traffic_owner = is_owner;
        account.jetstream = Some(limits);
    }
}

fn check_reserved(token: &Token, name: &str) -> Outcome {
    if name == GLOBAL_ACCOUNT {
        return Err(token.fail(format!("{} is a Reserved Account", quote(name))));
    }
    Ok(())
}

/// Puts an account's users among the others; their names must differ from all.
fn add_users(
    options: &mut Options,
    account: &Account,
    found: AccountUsers,
    names: &mut BTreeSet<String>,
) -> Outcome {
    let AccountUsers { mut users, mut nkeys, token: Some(token) } = found else {
        return Ok(());
    };
    if !users.is_empty() || !nkeys.is_empty() {
        if options.username.is_some() {
            return Err(token.fail("Can not have a single user/pass and accounts"));
        }
        if options.token.is_some() {
            return Err(token.fail("Can not have a token and accounts"));
        }
    }
    if let Some(permissions) = &account.default_permissions {
        apply_default_permissions(&mut users, &mut nkeys, permissions);
    }
    for user in &mut nkeys {
        if !names.insert(user.nkey.clone()) {
            return Err(token.fail(format!("Duplicate nkey {} detected", quote(&user.nkey))));
        }
        user.account = Some(account.name.clone());
    }
    for user in &mut users {
        if !names.insert(user.username.clone()) {
            return Err(token.fail(format!("Duplicate user {} detected", quote(&user.username))));
        }
        user.account = Some(account.name.clone());
    }
    options.nkeys.extend(nkeys);
    options.users.extend(users);
    Ok(())
}

fn limit_field(field: &Field<'_>, limits: &mut AccountLimits) -> Outcome {
    let limit = match field.name {
        "max_connections" | "max_conn" => &mut limits.max_connections,
        "max_subscriptions" | "max_subs" => &mut limits.max_subscriptions,
        "max_payload" | "max_pay" => &mut limits.max_payload,
        "max_leafnodes" | "max_leafs" => &mut limits.max_leafnodes,
        _ => {
            return field.unknown_with(|key| format!("Unknown field {key} parsing account limits"));
        }
    };
    // Differs from Go, which cuts off what does not fit.
    *limit = i32::try_from(field.token.integer()?)
        .or_else(|_| field.fail(format!("{} value is too big", field.key)))?;
    Ok(())
}

fn map_destination(token: &Token) -> Outcome<MapDestination> {
    let map = token.map_or(|_| "Expected an entry for the mapping destination".to_string())?;
    let mut destination = MapDestination::default();
    let mut weight = None;
    for (key, token) in map.iter() {
        match key.to_lowercase().as_str() {
            "dest" | "destination" => destination.subject = token.string()?,
            "weight" => weight = Some(percentage(token)?),
            "cluster" => destination.cluster = token.text()?,
            _ => {
                return Err(
                    token.fail(format!("Unknown field {} for mapping destination", quote(key)))
                );
            }
        }
    }
    let Some(weight) = weight else {
        return Err(token.fail(format!(
            "Missing weight for mapping destination {}",
            quote(&destination.subject)
        )));
    };
    destination.weight = weight;
    Ok(destination)
}

fn percentage(token: &Token) -> Outcome<u8> {
    let number = match &token.value {
        Value::String(text) => {
            let digits = text.strip_suffix('%').unwrap_or(text);
            digits.parse::<i64>().map_err(|_| {
                token.fail(format!("Invalid weight {} for mapping destination", quote(digits)))
            })?
        }
        Value::Integer(number) => *number,
        other => {
            return Err(token.fail(format!("Unknown entry type for weight of {other}\n")));
        }
    };
    match u8::try_from(number) {
        Ok(weight) if weight <= 100 => Ok(weight),
        _ => Err(token.fail(format!("Invalid weight {number} for mapping destination"))),
    }
}

/// Source: Go `AddWeightedMappings`. The placeholders of the destinations are for the server.
fn check_destinations(source: &str, destinations: &[MapDestination]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut totals: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    for destination in destinations {
        if !seen.insert(destination.subject.as_str()) {
            return Err(format!("duplicate entry for {}", quote(&destination.subject)));
        }
        let total = totals.entry(destination.cluster.as_deref()).or_default();
        *total += u32::from(destination.weight);
        if *total > 100 {
            return Err("total weight needs to be <= 100".to_string());
        }
        imports::check_mapping(source, &destination.subject)?;
    }
    Ok(())
}

fn trace_destination(token: &Token, key: &str) -> Outcome<String> {
    let Value::String(subject) = &token.value else {
        return Err(token.fail(format!(
            "Field {} should be a string, got {}",
            quote(key),
            token.type_name()
        )));
    };
    if !subjects::is_valid_literal(subject) {
        return Err(token.fail(format!("Trace destination {} is not valid", quote(subject))));
    }
    Ok(subject.to_string())
}

fn trace_sampling(field: &Field<'_>) -> Outcome<u8> {
    let number = match &field.token.value {
        Value::Integer(number) => *number,
        Value::String(text) => {
            text.strip_suffix('%').unwrap_or(text).parse::<i64>().or_else(|_| {
                field.fail(format!("Invalid trace destination sampling value {}", quote(text)))
            })?
        }
        other => {
            return field.fail(format!(
                "Trace destination sampling field {} should be an integer or a percentage, got {}",
                quote(field.key),
                other.type_name()
            ));
        }
    };
    match u8::try_from(number) {
        Ok(sampling @ 1..=100) => Ok(sampling),
        _ => field.fail(format!(
            "Ttrace destination sampling value {number} is invalid, needs to be [1..100]"
        )),
    }
}

/// True for `owner`: cluster traffic runs in the account itself.
fn cluster_traffic(field: &Field<'_>) -> Outcome<bool> {
    let got = |wanted: &str| {
        format!("Expected {wanted} for {}, got {}", quote(field.key), field.token.value)
    };
    let Value::String(text) = &field.token.value else {
        return field.fail(got("either 'system' or 'owner' string value"));
    };
    match &**text {
        "system" | "" => Ok(false),
        "owner" => Ok(true),
        _ => field.fail(got("'system' or 'owner' string value")),
    }
}

//! Operators, trusted keys and the resolver of account JWTs.
//!
//! Source: Go `server/opts.go` (`processConfigFileLine`), `server/jwt.go` (`readOperatorJWT`).

use std::time::Duration;

use super::{Field, Outcome, Reader};
use crate::duration;
use crate::error::describe_read;
use crate::jwt;
use crate::language::{Map, Token, Value};
use crate::nkey::{KeyKind, is_public_key};
use crate::options::{AccountResolver, Operator, Options, ResolverDelete};
use crate::quote::quote;
use crate::source::DirectoryState;
use crate::url::Url;

impl Reader<'_> {
    /// Operator JWTs, in files or inline.
    pub(crate) fn operators(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let names = match &field.token.value {
            Value::String(name) => vec![name.to_string()],
            Value::Array(array) => {
                array.items().iter().map(Token::string).collect::<Outcome<_>>().or_else(|_| {
                    field.fail(
                        "error parsing operators: unsupported type *conf.token where string is \
                         expected",
                    )
                })?
            }
            other => {
                return field.fail(format!(
                    "error parsing operators: unsupported type {}",
                    other.type_name()
                ));
            }
        };
        options.operators.clear();
        for name in names {
            let operator = self
                .read_operator(&name)
                .or_else(|reason| field.fail(format!("error parsing operator JWT: {reason}")));
            if let Some(operator) = self.keep(operator) {
                options.operators.push(operator);
            }
        }
        Ok(())
    }

    fn read_operator(&self, name: &str) -> Result<Operator, String> {
        let text = match self.source.read(name) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // It may be the JWT itself.
            Err(_) if name.starts_with(jwt::PREFIX) => name.to_string(),
            Err(error) => return Err(describe_read(name, &error)),
        };
        jwt::operator(jwt::undecorate(&text)).ok_or_else(|| "not a valid operator JWT".to_string())
    }

    pub(crate) fn resolver(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        options.account_resolver = match &field.token.value {
            Value::String(text) => resolver_by_name(field, text)?,
            Value::Map(map) => self.directory_resolver(field, map)?,
            other => {
                return field.fail(format!(
                    "error parsing operator resolver, wrong type {}",
                    other.type_name()
                ));
            }
        };
        if options.account_resolver.is_none() {
            return field.fail(
                "error parsing account resolver, should be MEM or  URL(\"url\") or a map \
                 containing dir and type state=[FULL|CACHE])",
            );
        }
        Ok(())
    }

    fn directory_resolver(
        &mut self,
        field: &Field<'_>,
        map: &Map,
    ) -> Outcome<Option<AccountResolver>> {
        let fail = |message: &str| field.token.fail(message);
        let text = |key: &str| map.get(key).map_or(Ok(String::new()), Token::string);
        let flag = |key: &str| map.get(key).map(Token::boolean).transpose();
        let time = |key: &str| match map.get(key) {
            Some(token) => match duration::parse(&token.string()?) {
                Ok(value) => Ok(value.to_duration().unwrap_or_default()),
                Err(message) => field.fail(message),
            },
            None => Ok(Duration::ZERO),
        };
        let known =
            ["dir", "type", "allow_delete", "hard_delete", "limit", "ttl", "interval", "timeout"];
        for (key, token) in map.iter() {
            // Differs from Go, which ignores what it does not know here.
            let name = key.to_lowercase();
            if !known.contains(&key) {
                let unknown = Field { key, name: &name, token }.unknown();
                self.keep(unknown);
            }
        }
        let dir = text("dir")?;
        let kind = text("type")?.to_uppercase();
        let allow_delete = flag("allow_delete")?.unwrap_or_default();
        let hard_delete = flag("hard_delete")?;
        let limit = map.get("limit").map_or(Ok(0), Token::integer)?;
        let (ttl, interval, timeout) = (time("ttl")?, time("interval")?, time("timeout")?);
        let is_directory = kind == "CACHE" || kind == "FULL";
        if let Some(token) = map.get("timeout").filter(|_| is_directory && timeout.is_zero()) {
            let value = duration::parse(&token.string()?).unwrap_or(duration::Nanoseconds(0));
            return field.fail(format!("Fetch timeout {} is too small", duration::format(value)));
        }
        match kind.as_str() {
            "CACHE" => {
                self.check_resolver_directory(field, &dir)?;
                if !interval.is_zero() {
                    return Err(fail("CACHE does not accept sync"));
                }
                if allow_delete {
                    return Err(fail("CACHE does not accept allow_delete"));
                }
                if hard_delete.is_some() {
                    return Err(fail("CACHE does not accept hard_delete"));
                }
                Ok(Some(AccountResolver::Cache { dir, limit, ttl, fetch_timeout: timeout }))
            }
            "FULL" => {
                self.check_resolver_directory(field, &dir)?;
                if !ttl.is_zero() {
                    return Err(fail("FULL does not accept ttl"));
                }
                if hard_delete.is_some() && !allow_delete {
                    return Err(fail("hard_delete has no effect without delete"));
                }
                let delete = match (allow_delete, hard_delete) {
                    (false, _) => ResolverDelete::Refuse,
                    (true, Some(true)) => ResolverDelete::Hard,
                    (true, _) => ResolverDelete::Rename,
                };
                Ok(Some(AccountResolver::Full {
                    dir,
                    limit,
                    sync_interval: interval,
                    delete,
                    fetch_timeout: timeout,
                }))
            }
            "MEM" | "MEMORY" => Ok(Some(AccountResolver::Memory)),
            _ => Ok(None),
        }
    }

    fn check_resolver_directory(&self, field: &Field<'_>, dir: &str) -> Outcome {
        if dir.is_empty() {
            return field.fail("dir has no value and needs to point to a directory");
        }
        match self.source.directory(dir) {
            DirectoryState::Missing | DirectoryState::Writable => Ok(()),
            DirectoryState::Unusable => field.fail("dir needs to point to an accessible directory"),
        }
    }

    pub(crate) fn resolver_preload(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let map = field
            .token
            .map_or(|_| "preload should be a map of account_public_key:account_jwt".to_string())?;
        options.resolver_preload.clear();
        for (key, token) in map.iter() {
            let text = token
                .string()
                .map_err(|_| token.fail("preload map value should be a string JWT"))
                .and_then(|text| match jwt::claims(&text, "account") {
                    Some(_) => Ok(text),
                    None => Err(token.fail("invalid account JWT")),
                });
            if let Some(text) = self.keep(text) {
                options.resolver_preload.insert(key.to_string(), text);
            }
        }
        Ok(())
    }

    pub(crate) fn trusted_keys(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        options.trusted_keys = self.string_array("trusted", field.token)?;
        for key in &options.trusted_keys {
            if !is_public_key(KeyKind::Operator, key) {
                self.errors.push(field.token.fail(format!(
                    "trust key {} required to be a valid public operator nkey",
                    quote(key)
                )));
            }
        }
        Ok(())
    }
}

/// What an operator's JWT says where the configuration says nothing.
///
/// Done after all keys were read, so that their order does not matter.
pub(crate) fn apply_operator(options: &mut Options) {
    let [operator] = options.operators.as_slice() else {
        return;
    };
    if options.account_resolver.is_none()
        && !operator.account_server_url.is_empty()
        && let Ok(url) = Url::parse(&operator.account_server_url)
    {
        options.account_resolver = Some(AccountResolver::Url(format!("{url}/accounts/")));
    }
    if options.system_account.is_none() && !operator.system_account.is_empty() {
        options.system_account = Some(operator.system_account.clone());
    }
}

/// `MEM`, `MEMORY` or `URL("…")`, anywhere in the text and in any case, as Go's patterns have it.
fn resolver_by_name(field: &Field<'_>, text: &str) -> Outcome<Option<AccountResolver>> {
    let lower = text.to_ascii_lowercase();
    if lower.contains("mem") {
        return Ok(Some(AccountResolver::Memory));
    }
    let Some(start) = lower.find("url") else {
        return Ok(None);
    };
    let inner = text[start + 3..]
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map_or("", |(inner, _)| inner.trim().trim_matches('"'));
    match Url::parse(inner) {
        Ok(_) => {
            Ok(Some(AccountResolver::Url(format!("{}/", inner.strip_suffix('/').unwrap_or(inner)))))
        }
        Err(_) => field.fail(format!("error parsing account resolver url [{}]", quote(inner))),
    }
}

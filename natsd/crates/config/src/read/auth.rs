//! `authorization` blocks, users and permissions.
//!
//! Source: Go `server/opts.go` (`parseAuthorization`, `parseUsers`, `parseUserPermissions`,
//! `parseAuthCallout`, `parseProxies`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::tls::timeout;
use super::{Field, Outcome, Reader};
use crate::duration;
use crate::language::{Token, Value};
use crate::nkey::{KeyKind, is_public_key};
use crate::options::{
    AuthCallout, ConnectionType, GLOBAL_ACCOUNT, NkeyUser, Options, Permissions,
    ResponsePermission, SubjectPermission, User,
};
use crate::quote::quote;
use crate::subjects;

/// An `authorization` block of clients, routes or gateways.
#[derive(Default)]
pub(crate) struct Authorization {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) proxy_required: bool,
    /// A list of users was given, even an empty one.
    pub(crate) has_users: bool,
    pub(crate) users: Vec<User>,
    pub(crate) nkeys: Vec<NkeyUser>,
    pub(crate) default_permissions: Option<Permissions>,
    pub(crate) callout: Option<AuthCallout>,
}

impl Reader<'_> {
    pub(crate) fn authorization(&mut self, token: &Token) -> Outcome<Authorization> {
        let map = token.map()?;
        let mut authorization = Authorization::default();
        self.fields(&map, |reader, field| reader.authorization_field(&field, &mut authorization));
        if let Some(permissions) = &authorization.default_permissions {
            apply_default_permissions(
                &mut authorization.users,
                &mut authorization.nkeys,
                permissions,
            );
        }
        Ok(authorization)
    }

    fn authorization_field(
        &mut self,
        field: &Field<'_>,
        authorization: &mut Authorization,
    ) -> Outcome {
        match field.name {
            "user" | "username" => authorization.username = field.token.text()?,
            "pass" | "password" => authorization.password = field.token.text()?,
            "token" => authorization.token = field.token.text()?,
            "timeout" => authorization.timeout = self.auth_timeout(field, "authorization")?,
            "users" => {
                authorization.has_users = true;
                (authorization.users, authorization.nkeys) = self.users(field.token)?;
            }
            "default_permission" | "default_permissions" | "permissions" => {
                authorization.default_permissions = Some(self.permissions(field.token)?);
            }
            "auth_callout" | "auth_hook" => {
                authorization.callout = Some(self.auth_callout(field.token)?);
            }
            "proxy_required" => authorization.proxy_required = field.token.boolean()?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    /// The `timeout` of an authorization block; a long one is probably a missing unit.
    pub(crate) fn auth_timeout(&mut self, field: &Field<'_>, block: &str) -> Outcome<Duration> {
        let value = timeout(field.token).map_err(|reason| {
            field.token.fail(format!("error parsing {block} config, 'timeout' {reason}"))
        })?;
        if value > Duration::from_secs(60) {
            let reason = format!(
                "timeout of {} ({:.6} seconds) is high, consider keeping it under 60 seconds. \
                 possibly caused by unquoted duration; use '1m' instead of 1m, for example",
                field.token.value,
                value.as_secs_f64()
            );
            self.warn_use(field, field.key, &reason);
        }
        Ok(value)
    }

    /// The top level `authorization` block.
    pub(crate) fn client_authorization(
        &mut self,
        field: &Field<'_>,
        options: &mut Options,
    ) -> Outcome {
        let authorization = self.authorization(field.token)?;
        options.authorization_defined = true;
        let has_user = authorization.username.is_some();
        let has_token = authorization.token.is_some();
        let has_password = authorization.password.is_some();
        options.username = authorization.username;
        options.password = authorization.password;
        options.token = authorization.token;
        options.proxy_required = authorization.proxy_required;
        options.auth_timeout = authorization.timeout;
        options.auth_callout = authorization.callout;
        if (has_user || has_password) && has_token {
            return field.fail("Cannot have a user/pass and token");
        }
        // Users of accounts that were read before count too.
        let mut names = user_names(options);
        if authorization.has_users || !names.is_empty() {
            if has_user {
                return field.fail("Can not have a single user/pass and a users array");
            }
            if has_token {
                return field.fail("Can not have a token and a users array");
            }
        }
        for user in &authorization.users {
            if !names.insert(user.username.clone()) {
                return field.fail(format!("Duplicate user {} detected", quote(&user.username)));
            }
        }
        options.users.extend(authorization.users);
        for user in &authorization.nkeys {
            if !names.insert(user.nkey.clone()) {
                return field.fail(format!("Duplicate nkey {} detected", quote(&user.nkey)));
            }
        }
        options.nkeys.extend(authorization.nkeys);
        Ok(())
    }

    /// A list of users.
    pub(crate) fn users(&mut self, token: &Token) -> Outcome<(Vec<User>, Vec<NkeyUser>)> {
        let (mut users, mut nkeys) = (Vec::new(), Vec::new());
        let Value::Array(items) = &token.value else {
            return Err(
                token.fail(format!("Expected users field to be an array, got {}", token.value))
            );
        };
        for item in items.items() {
            match self.user(item) {
                Ok(UserEntry::Name(user)) => users.push(user),
                Ok(UserEntry::Nkey(user)) => nkeys.push(user),
                Err(error) => self.errors.push(error),
            }
        }
        Ok((users, nkeys))
    }

    fn user(&mut self, token: &Token) -> Outcome<UserEntry> {
        let Value::Map(map) = &token.value else {
            return Err(
                token.fail(format!("Expected user entry to be a map/struct, got {}", token.value))
            );
        };
        let mut user = User::default();
        let mut nkey = None;
        let map = map.clone();
        self.fields(&map, |reader, field| reader.user_field(&field, &mut user, &mut nkey));
        // Go reports what is missing at the last field it saw; ours is the last of the text.
        let last = map.iter().last().map_or(token, |(_, last)| last);
        let Some(nkey) = nkey else {
            if user.username.is_empty() {
                return Err(last.fail("User entry requires a user"));
            }
            return Ok(UserEntry::Name(user));
        };
        if !is_public_key(KeyKind::User, &nkey) {
            return Err(last.fail("Not a valid public nkey for a user"));
        }
        if !user.username.is_empty() || !user.password.is_empty() {
            return Err(last.fail("Nkey users do not take usernames or passwords"));
        }
        Ok(UserEntry::Nkey(NkeyUser {
            nkey,
            account: None,
            permissions: user.permissions,
            allowed_connection_types: user.allowed_connection_types,
            proxy_required: user.proxy_required,
        }))
    }

    fn user_field(
        &mut self,
        field: &Field<'_>,
        user: &mut User,
        nkey: &mut Option<String>,
    ) -> Outcome {
        match field.name {
            "nkey" => *nkey = field.token.text()?,
            "user" | "username" => user.username = field.token.string()?,
            "pass" | "password" => user.password = field.token.string()?,
            "permission" | "permissions" | "authorization" => {
                user.permissions = Some(self.permissions(field.token)?);
            }
            "allowed_connection_types" | "connection_types" | "clients" => {
                user.allowed_connection_types = self.connection_types(field)?;
            }
            "proxy_required" => user.proxy_required = field.token.boolean()?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn connection_types(&mut self, field: &Field<'_>) -> Outcome<Option<BTreeSet<ConnectionType>>> {
        let names = self.string_array("allowed connection types", field.token)?;
        let mut types = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in names {
            match ConnectionType::by_name(&name) {
                Some(connection_type) => {
                    types.insert(connection_type);
                }
                None => unknown.push(quote(&name.to_uppercase())),
            }
        }
        if !unknown.is_empty() {
            return field.fail(format!("invalid connection types [{}]", unknown.join(" ")));
        }
        Ok((!types.is_empty()).then_some(types))
    }

    fn auth_callout(&mut self, token: &Token) -> Outcome<AuthCallout> {
        let Value::Map(map) = &token.value else {
            return Err(token.fail(format!(
                "Expected authorization callout to be a map/struct, got {}",
                token.value
            )));
        };
        let map = map.clone();
        let mut callout = AuthCallout::default();
        self.fields(&map, |reader, field| reader.auth_callout_field(&field, &mut callout));
        if callout.account.is_empty() {
            callout.account = GLOBAL_ACCOUNT.to_string();
        }
        let last = map.iter().last().map_or(token, |(_, last)| last);
        if callout.issuer.is_empty() {
            return Err(last.fail("Authorization callouts require an issuer to be specified"));
        }
        if callout.auth_users.is_empty() {
            return Err(
                last.fail("Authorization callouts require authorized users to be specified")
            );
        }
        Ok(callout)
    }

    fn auth_callout_field(&mut self, field: &Field<'_>, callout: &mut AuthCallout) -> Outcome {
        let token = field.token;
        let strings = |what: &str| -> Outcome<Vec<String>> {
            token
                .array_or(|_| format!("Expected {what} field to be an array, got *conf.token"))?
                .iter()
                .map(Token::string)
                .collect()
        };
        match field.name {
            "issuer" => {
                callout.issuer = token.string()?;
                if !is_public_key(KeyKind::Account, &callout.issuer) {
                    return field.fail(format!(
                        "Expected callout user to be a valid public account nkey, got {}",
                        quote(&callout.issuer)
                    ));
                }
            }
            "account" | "acc" => callout.account = token.string()?,
            "auth_users" | "users" => callout.auth_users = strings("auth_users")?,
            "xkey" | "key" => {
                let key = token.string()?;
                if !is_public_key(KeyKind::Curve, &key) {
                    return field.fail(format!(
                        "Expected callout xkey to be a valid public xkey, got {}",
                        quote(&key)
                    ));
                }
                callout.xkey = Some(key);
            }
            "allowed_accounts" => callout.allowed_accounts = strings("allowed accounts")?,
            _ => {
                return field.unknown_with(|key| {
                    format!("Unknown field {key} parsing authorization callout")
                });
            }
        }
        Ok(())
    }

    /// Permissions of a user, or of routes (`import` is `publish`, `export` is `subscribe`).
    pub(crate) fn permissions(&mut self, token: &Token) -> Outcome<Permissions> {
        let Value::Map(map) = &token.value else {
            return Err(
                token.fail(format!("Expected permissions to be a map/struct, got {}", token.value))
            );
        };
        let map = map.clone();
        let mut permissions = Permissions::default();
        self.fields(&map, |reader, field| reader.permission_field(&field, &mut permissions));
        // Leave to respond takes the leave to publish everything, whichever was read first.
        if permissions.responses.is_some() {
            let publish = permissions.publish.get_or_insert_default();
            publish.allow.get_or_insert_default();
        }
        Ok(permissions)
    }

    fn permission_field(&mut self, field: &Field<'_>, permissions: &mut Permissions) -> Outcome {
        match field.name {
            "pub" | "publish" | "import" => {
                permissions.publish = self.subject_permission(field.token, false)?;
            }
            "sub" | "subscribe" | "export" => {
                permissions.subscribe = self.subject_permission(field.token, true)?;
            }
            "publish_allow_responses" | "allow_responses" => {
                permissions.responses = match &field.token.value {
                    Value::Bool(allow) => allow.then(ResponsePermission::default),
                    _ => Some(self.allow_responses(field.token)?),
                };
            }
            _ => {
                return field
                    .unknown_with(|key| format!("Unknown field {key} parsing permissions"));
            }
        }
        Ok(())
    }

    /// Subjects alone are allowed ones; a map says `allow` and `deny`. None for an empty map.
    fn subject_permission(
        &mut self,
        token: &Token,
        with_queue: bool,
    ) -> Outcome<Option<SubjectPermission>> {
        let Value::Map(map) = &token.value else {
            let allow = some_subjects(token, with_queue)?;
            return Ok(Some(SubjectPermission { allow, deny: Vec::new() }));
        };
        if map.is_empty() {
            return Ok(None);
        }
        let map = map.clone();
        let mut permission = SubjectPermission::default();
        self.fields(&map, |_, field| {
            match field.name {
                "allow" => permission.allow = some_subjects(field.token, with_queue)?,
                "deny" => permission.deny = permission_subjects(field.token, with_queue)?,
                _ => {
                    return field.unknown_with(|key| {
                        format!(
                            "Unknown field name {key} parsing subject permissions, only 'allow' \
                             or 'deny' are permitted"
                        )
                    });
                }
            }
            Ok(())
        });
        Ok(Some(permission))
    }

    fn allow_responses(&mut self, token: &Token) -> Outcome<ResponsePermission> {
        let map = token.map_or(|_| {
            "error parsing response permissions, expected a boolean or a map".to_string()
        })?;
        let mut responses = ResponsePermission::default();
        self.fields(&map, |_, field| {
            match field.name {
                // Zero means the default, less means without end.
                "max" | "max_msgs" | "max_messages" | "max_responses" => {
                    let max = field.token.integer()?;
                    if max != 0 {
                        responses.max_msgs = max;
                    }
                }
                "expires" | "expiration" | "ttl" => {
                    let Value::String(text) = &field.token.value else {
                        return field.fail("error parsing expires, not a duration string");
                    };
                    match duration::parse(text) {
                        Ok(value) if value.0 == 0 => {}
                        Ok(value) => responses.expires = value.to_duration(),
                        Err(message) => {
                            return field.fail(format!("error parsing expires: {message}"));
                        }
                    }
                }
                _ => {
                    return field
                        .unknown_with(|key| format!("Unknown field {key} parsing permissions"));
                }
            }
            Ok(())
        });
        Ok(responses)
    }

    /// The `proxies` block: public keys of trusted proxies.
    pub(crate) fn proxies(&mut self, token: &Token) -> Outcome<Vec<String>> {
        let map =
            token.map_or(|kind| format!("expected proxies to be a map/struct, got {kind}"))?;
        let mut keys = Vec::new();
        self.fields(&map, |reader, field| match field.name {
            "trusted" => reader.trusted_proxies(field.token, &mut keys),
            _ => field.unknown(),
        });
        Ok(keys)
    }

    fn trusted_proxies(&mut self, token: &Token, keys: &mut Vec<String>) -> Outcome {
        let items = token.array_or(|kind| {
            format!("expected proxies' trusted field to be an array, got {kind}")
        })?;
        for item in items {
            let map = item.map_or(|kind| {
                format!("expected proxies' trusted entry to be a map/struct, got {kind}")
            });
            let Some(map) = self.keep(map) else { continue };
            // Without a key it stays empty, which validation refuses.
            let mut key = String::new();
            self.fields(&map, |_, field| match field.name {
                "key" | "public_key" => {
                    key = field.token.string()?;
                    if !is_public_key(KeyKind::Any, &key) {
                        return field.fail(format!("invalid proxy key {}", quote(&key)));
                    }
                    Ok(())
                }
                _ => field.unknown(),
            });
            keys.push(key);
        }
        Ok(())
    }
}

enum UserEntry {
    Name(User),
    Nkey(NkeyUser),
}

/// Names and nkeys of all users so far; they must differ.
pub(crate) fn user_names(options: &Options) -> BTreeSet<String> {
    let names = options.users.iter().map(|user| user.username.clone());
    names.chain(options.nkeys.iter().map(|user| user.nkey.clone())).collect()
}

pub(crate) fn apply_default_permissions(
    users: &mut [User],
    nkeys: &mut [NkeyUser],
    permissions: &Permissions,
) {
    let slots = users.iter_mut().map(|user| &mut user.permissions);
    for slot in slots.chain(nkeys.iter_mut().map(|user| &mut user.permissions)) {
        slot.get_or_insert_with(|| permissions.clone());
    }
}

/// Subjects to allow. An empty list allows everything, as in Go.
fn some_subjects(token: &Token, with_queue: bool) -> Outcome<Option<Vec<String>>> {
    let subjects = permission_subjects(token, with_queue)?;
    Ok((!subjects.is_empty()).then_some(subjects))
}

/// One subject or a list of them, checked.
pub(crate) fn permission_subjects(token: &Token, with_queue: bool) -> Outcome<Vec<String>> {
    let mut list = Vec::new();
    match &token.value {
        Value::String(text) => list.push(text.to_string()),
        Value::Array(array) => {
            for item in array.items() {
                let subject = item.string().map_err(|_| {
                    item.fail("Subject in permissions array cannot be cast to string")
                })?;
                list.push(subject);
            }
        }
        other => {
            return Err(token.fail(format!(
                "Expected subject permissions to be a subject, or array of subjects, got {}",
                other.type_name()
            )));
        }
    }
    check_permission_subjects(&list, with_queue).map_err(|message| token.fail(message))?;
    Ok(list)
}

/// Are these subjects, or with `with_queue` perhaps a subject and a queue with a space between?
///
/// Source: Go `checkPermSubjectArray`.
pub(crate) fn check_permission_subjects(list: &[String], with_queue: bool) -> Result<(), String> {
    let invalid = |subject: &str| format!("subject {} is not a valid subject", quote(subject));
    for subject in list {
        if subjects::is_valid(subject) {
            continue;
        }
        let words: Vec<&str> = subject.split_whitespace().collect();
        match words.as_slice() {
            [name, queue] if with_queue => {
                if !subjects::is_valid(name) {
                    return Err(invalid(name));
                }
                if !subjects::is_valid(queue) {
                    return Err(format!("queue {} is not a valid queue", quote(queue)));
                }
            }
            _ => return Err(invalid(subject)),
        }
    }
    Ok(())
}

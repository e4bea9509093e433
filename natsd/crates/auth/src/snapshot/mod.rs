//! Who may connect: the users of a configuration, fixed between two reloads.
//!
//! Source: Go `server/auth.go` (`configureAuthorization`, `processClientOrLeafAuthentication`).

use crate::certificate::CertificateNames;
use crate::nkey::is_signed_by;
use crate::password::{PasswordCheck, equal, is_bcrypt};
use crate::permissions::Permissions;
use natsd_config::Options;
use natsd_config::options::{ConnectionType, GLOBAL_ACCOUNT, SYSTEM_ACCOUNT};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a client showed of itself.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// User name, empty when none was given.
    pub user: &'a str,
    /// Password, empty when none was given.
    pub pass: &'a str,
    /// Token, empty when none was given.
    pub token: &'a str,
    /// Public nkey, empty when none was given.
    pub nkey: &'a str,
    /// Signature of the nonce, empty when none was given.
    pub sig: &'a str,
    /// The nonce that this client was sent.
    pub nonce: &'a str,
    /// The names in its certificate, where it showed one.
    pub certificate: Option<&'a CertificateNames>,
}

/// Who a connection is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Name of the user; empty without one.
    pub user: String,
    /// Name of the account; `None` is the global account.
    pub account: Option<String>,
    /// What the user may do; `None` is everything.
    pub permissions: Option<Arc<Permissions>>,
}

/// The answer to credentials.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The connection is this user's.
    Granted(Identity),
    /// The credentials are wrong.
    Refused,
    /// The connection is this user's if the check succeeds.
    Check(PasswordCheck, Identity),
}

struct User {
    password: String,
    identity: Identity,
    connection_types: Option<BTreeSet<ConnectionType>>,
    proxy_required: bool,
}

enum Mode {
    Open,
    Token(String),
    Single { user: String, pass: String },
    Users(Users),
}

struct Users {
    users: HashMap<String, User>,
    nkeys: HashMap<String, User>,
    no_auth_user: Option<String>,
    /// Users are found by their certificates.
    maps_certificates: bool,
    /// Only the system account has users: everybody else is let in without being asked.
    only_system: bool,
}

/// The users of one configuration.
pub struct AuthSnapshot {
    mode: Mode,
}

/// Passwords and tokens are left out.
impl core::fmt::Debug for AuthSnapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AuthSnapshot")
            .field("required", &self.is_required())
            .finish_non_exhaustive()
    }
}

/// Secrets are left out.
impl core::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl AuthSnapshot {
    /// Compiles the users and their permissions.
    #[must_use]
    pub fn from_options(options: &Options) -> AuthSnapshot {
        let mode = if !options.users.is_empty() || !options.nkeys.is_empty() {
            let users = options.users.iter().map(|user| {
                let permissions = user.permissions.as_ref().map(Permissions::compile).map(Arc::new);
                let identity = Identity {
                    user: user.username.clone(),
                    account: user.account.clone(),
                    permissions,
                };
                let compiled = User {
                    password: user.password.clone(),
                    identity,
                    connection_types: user.allowed_connection_types.clone(),
                    proxy_required: user.proxy_required,
                };
                (user.username.clone(), compiled)
            });
            let nkeys = options.nkeys.iter().map(|user| {
                let permissions = user.permissions.as_ref().map(Permissions::compile).map(Arc::new);
                let identity = Identity {
                    user: user.nkey.clone(),
                    account: user.account.clone(),
                    permissions,
                };
                let compiled = User {
                    password: String::new(),
                    identity,
                    connection_types: user.allowed_connection_types.clone(),
                    proxy_required: user.proxy_required,
                };
                (user.nkey.clone(), compiled)
            });
            Mode::Users(Users {
                users: users.collect(),
                nkeys: nkeys.collect(),
                no_auth_user: options.no_auth_user.clone(),
                maps_certificates: options.tls.as_ref().is_some_and(|tls| tls.verify_and_map),
                only_system: is_only_system(options),
            })
        } else if let Some(token) = &options.token {
            Mode::Token(token.clone())
        } else if let Some(user) = &options.username {
            Mode::Single { user: user.clone(), pass: options.password.clone().unwrap_or_default() }
        } else {
            Mode::Open
        };
        AuthSnapshot { mode }
    }

    /// Whether a client has to authenticate.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !matches!(self.mode, Mode::Open)
    }

    /// Whether clients have to be sent a nonce.
    #[must_use]
    pub fn needs_nonce(&self) -> bool {
        matches!(&self.mode, Mode::Users(users) if !users.nkeys.is_empty())
    }

    /// Whether users are found by the certificates of clients.
    #[must_use]
    pub fn maps_certificates(&self) -> bool {
        matches!(&self.mode, Mode::Users(users) if users.maps_certificates)
    }

    /// Whether INFO says so: not when a client that brings nothing is let in as somebody.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        self.is_required()
            && !matches!(&self.mode, Mode::Users(users) if users.no_auth_user.is_some())
    }

    /// The user of a client that sends an operation before any CONNECT, if that is allowed.
    #[must_use]
    pub fn implicit_user(&self, connection: ConnectionType) -> Option<Identity> {
        let Mode::Users(Users { users, nkeys, no_auth_user, only_system, .. }) = &self.mode else {
            return None;
        };
        let Some(name) = no_auth_user else {
            return only_system.then(Identity::default);
        };
        let user = users.get(name).or_else(|| nkeys.get(name))?;
        let allowed = user.allows(connection) && !user.proxy_required;
        allowed.then(|| user.identity.clone())
    }

    /// Decides on `credentials`.
    #[must_use]
    pub fn authenticate(
        &self,
        credentials: Credentials<'_>,
        connection: ConnectionType,
    ) -> Decision {
        match &self.mode {
            // Nobody is asked, so what a client calls itself is only shown.
            Mode::Open => Decision::Granted(Identity {
                user: credentials.user.to_owned(),
                ..Identity::default()
            }),
            Mode::Token(token) => compare(token, credentials.token, Identity::default()),
            Mode::Single { user, pass } if user == credentials.user => {
                let identity = Identity { user: user.clone(), ..Identity::default() };
                compare(pass, credentials.pass, identity)
            }
            Mode::Single { .. } => Decision::Refused,
            Mode::Users(users) => users.authenticate(credentials, connection),
        }
    }
}

impl Users {
    /// The user that the certificate names: by an alternative name, else by the subject.
    fn find_by_certificate(
        &self,
        names: &CertificateNames,
        connection: ConnectionType,
    ) -> Option<&User> {
        let allowed = |user: &&User| user.allows(connection);
        let by_name = |name: &String| self.users.get(name).filter(allowed);
        let by_subject =
            || self.users.iter().find(|(name, user)| names.is_named(name) && allowed(user));
        names
            .alternatives
            .iter()
            .find_map(by_name)
            .or_else(|| by_subject().map(|(_, user)| user))
            .or_else(|| by_name(&names.subject))
    }

    fn authenticate(&self, credentials: Credentials<'_>, connection: ConnectionType) -> Decision {
        let Credentials { user, pass, token, nkey, sig, nonce, certificate } = credentials;
        let anonymous = [user, pass, token, nkey].iter().all(|text| text.is_empty());
        if anonymous && self.only_system {
            return Decision::Granted(Identity::default());
        }
        let implicit = self.no_auth_user.as_deref().filter(|_| anonymous);
        let by_nkey = implicit.filter(|name| self.nkeys.contains_key(*name)).unwrap_or(nkey);
        let is_by_nkey = !self.nkeys.is_empty() && !by_nkey.is_empty();
        let found = if is_by_nkey {
            self.nkeys.get(by_nkey)
        } else if self.maps_certificates {
            certificate.and_then(|names| self.find_by_certificate(names, connection))
        } else {
            self.users.get(implicit.unwrap_or(user))
        };
        let Some(found) = found.filter(|one| one.allows(connection) && !one.proxy_required) else {
            return Decision::Refused;
        };
        let identity = found.identity.clone();
        if implicit.is_some() {
            Decision::Granted(identity)
        } else if is_by_nkey {
            let signed = is_signed_by(nkey, nonce.as_bytes(), sig);
            if signed { Decision::Granted(identity) } else { Decision::Refused }
        } else {
            compare(&found.password, pass, identity)
        }
    }
}

/// Whether nobody but the system account has users, so that those without a name are meant to be
/// let into the global account. Source: Go `server/server.go` (`configureAccounts`).
fn is_only_system(options: &Options) -> bool {
    let system = options.system_account.as_deref().unwrap_or(SYSTEM_ACCOUNT);
    let mut accounts = options.accounts.iter().map(|account| account.name.as_str());
    let is_configured = accounts.clone().any(|name| name == system);
    is_configured
        && !options.authorization_defined
        && options.no_auth_user.is_none()
        && options.operators.is_empty()
        && accounts.all(|name| name == system || name == GLOBAL_ACCOUNT)
}

impl User {
    fn allows(&self, connection: ConnectionType) -> bool {
        self.connection_types.as_ref().is_none_or(|types| types.contains(&connection))
    }
}

fn compare(expected: &str, given: &str, identity: Identity) -> Decision {
    if is_bcrypt(expected) {
        let check = PasswordCheck { hash: expected.to_owned(), given: given.to_owned() };
        Decision::Check(check, identity)
    } else if equal(expected, given) {
        Decision::Granted(identity)
    } else {
        Decision::Refused
    }
}

#[cfg(test)]
mod tests;

//! CONNECT: who the client is.
//!
//! Source: Go `server/client.go` (`processConnect`, `RegisterUser`, `authViolation`).

use super::link::{ClientLink, Phase};
use crate::{CloseReason, Effect, LinkCx};
use natsd_auth::{AuthSnapshot, Credentials, Decision, Identity, PasswordCheck, ReplyPermits};
use natsd_broker::GLOBAL_ACCOUNT;
use std::sync::Arc;
use tracing::error;

/// A password that is being checked.
#[derive(Debug)]
pub(super) struct Checking {
    identity: Identity,
    /// The users that were in force.
    auth: Arc<AuthSnapshot>,
    hash: Box<str>,
}

impl Checking {
    fn new(cx: &LinkCx<'_>, identity: Identity, check: &PasswordCheck) -> Checking {
        Checking { identity, auth: cx.snapshot.auth.clone(), hash: check.hash().into() }
    }
}

impl ClientLink {
    pub(super) fn connect(&mut self, cx: &mut LinkCx<'_>, json: &[u8]) -> Result<(), CloseReason> {
        self.liveness.connected(
            cx.now,
            self.sink.started(),
            cx.snapshot.ping_interval,
            cx.snapshot.ping_first_early,
            cx.worker.random(1000),
        );
        self.sink.status.set_round_trip(self.liveness.round_trip());
        if self.connect.apply(json).is_err() {
            error!("{} - invalid CONNECT", self.label);
            return Err(CloseReason::ProtocolViolation);
        }
        // Only operators' servers know what to do with a JWT.
        self.connect.jwt.clear();
        self.show_details();
        let headers = cx.snapshot.info.headers && self.connect.headers;
        self.parser_limits.headers = headers;
        self.sink.with_output(|output| output.headers = headers);
        if self.connected {
            self.drop_subscriptions();
        }
        self.decide(cx)
    }

    /// Asks who the client is, for the first time or after another CONNECT.
    fn decide(&mut self, cx: &mut LinkCx<'_>) -> Result<(), CloseReason> {
        match self.authenticate(cx) {
            Decision::Granted(identity) => self.granted(cx, identity),
            Decision::Refused => Err(self.auth_violation()),
            Decision::Check(check, identity) => {
                let deadline = cx.now + cx.snapshot.auth_timeout;
                self.phase =
                    Phase::Checking(Box::new(Checking::new(cx, identity, &check)), deadline);
                cx.effects.push(Effect::CheckPassword(check));
                Ok(())
            }
        }
    }

    fn authenticate(&self, cx: &LinkCx<'_>) -> Decision {
        let credentials = Credentials {
            user: &self.connect.user,
            pass: &self.connect.pass,
            token: &self.connect.auth_token,
            nkey: &self.connect.nkey,
            sig: &self.connect.sig,
            nonce: &self.nonce,
            certificate: self.certificate.as_deref(),
        };
        cx.snapshot.auth.authenticate(credentials, ClientLink::connection_type())
    }

    /// A new configuration: takes over its limits, and asks again who the client is when users or
    /// accounts changed.
    pub(super) fn reconfigured(
        &mut self,
        cx: &mut LinkCx<'_>,
        authorization: bool,
    ) -> Result<(), CloseReason> {
        self.parser_limits.control_line_max = cx.snapshot.control_line_max;
        self.apply_account_limits(cx.snapshot);
        let is_undecided = matches!(self.phase, Phase::Checking(..) | Phase::Rechecking(_));
        if !authorization || is_undecided {
            return Ok(());
        }
        if !self.connected {
            // Who has not said anything yet is asked as a newcomer would be.
            if cx.snapshot.auth.is_required() && matches!(self.phase, Phase::Ready) {
                return Err(self.auth_violation());
            }
            return Ok(());
        }
        match self.authenticate(cx) {
            Decision::Granted(identity) => self.stays(cx, identity),
            Decision::Refused => Err(self.auth_violation()),
            // Its password is still the one that it showed.
            Decision::Check(check, identity)
                if Some(check.hash()) == self.shown_hash.as_deref() =>
            {
                self.stays(cx, identity)
            }
            // Another password was set: what it showed cannot be right, unless it was set anew.
            Decision::Check(check, identity) => {
                self.phase = Phase::Rechecking(Box::new(Checking::new(cx, identity, &check)));
                cx.effects.push(Effect::CheckPassword(check));
                Ok(())
            }
        }
    }

    /// The client is still welcome. Its permissions may be others now, but not its account.
    fn stays(&mut self, cx: &mut LinkCx<'_>, identity: Identity) -> Result<(), CloseReason> {
        let name = identity.account.as_deref().unwrap_or(GLOBAL_ACCOUNT);
        let moved = cx.snapshot.accounts.get(name).is_none_or(|one| one.id() != self.account.id());
        if moved {
            return Err(CloseReason::ClientClosed);
        }
        self.become_user(cx, identity)?;
        self.drop_forbidden_subscriptions();
        Ok(())
    }

    pub(super) fn password_checked(
        &mut self,
        cx: &mut LinkCx<'_>,
        equal: bool,
    ) -> Result<(), CloseReason> {
        match ::core::mem::replace(&mut self.phase, Phase::Ready) {
            // A reload came in between: the answer is about users that are no longer in force.
            Phase::Checking(checking, _) | Phase::Rechecking(checking)
                if !Arc::ptr_eq(&checking.auth, &cx.snapshot.auth) =>
            {
                if self.connected {
                    self.reconfigured(cx, true)
                } else {
                    self.decide(cx)
                }
            }
            Phase::Checking(checking, _) if equal => {
                self.shown_hash = Some(checking.hash);
                self.granted(cx, checking.identity)
            }
            Phase::Rechecking(checking) if equal => {
                self.shown_hash = Some(checking.hash);
                self.stays(cx, checking.identity)
            }
            Phase::Checking(..) | Phase::Rechecking(_) => Err(self.auth_violation()),
            other => {
                self.phase = other;
                Ok(())
            }
        }
    }

    fn granted(&mut self, cx: &mut LinkCx<'_>, identity: Identity) -> Result<(), CloseReason> {
        self.become_user(cx, identity)?;
        cx.effects.push(Effect::Connected);
        let first = !::core::mem::replace(&mut self.connected, true);
        if self.connect.new_account || !self.connect.account.is_empty() {
            return Err(self.auth_violation());
        }
        if first {
            self.introduce();
        }
        if !(0..=1).contains(&self.connect.protocol) {
            self.send_error("invalid client protocol");
            return Err(CloseReason::BadClientProtocolVersion);
        }
        if self.connect.no_responders && !self.parser_limits.headers {
            self.send_error("no responders requires headers support");
            return Err(CloseReason::NoRespondersRequiresHeaders);
        }
        self.send_ok();
        Ok(())
    }

    /// Shows in monitoring what the client says of itself, also when it is not let in. A token is a
    /// secret.
    fn show_details(&self) {
        let connect = &self.connect;
        let user = match () {
            () if !connect.nkey.is_empty() => &connect.nkey,
            () if !connect.user.is_empty() => &connect.user,
            () if !connect.auth_token.is_empty() => "[REDACTED]",
            () => "",
        };
        self.sink.status.update_details(|details| {
            details.name.clone_from(&connect.name);
            details.lang.clone_from(&connect.lang);
            details.version.clone_from(&connect.version);
            user.clone_into(&mut details.user);
        });
    }

    /// Takes over the account and the permissions of a user.
    fn become_user(&mut self, cx: &mut LinkCx<'_>, identity: Identity) -> Result<(), CloseReason> {
        let accounts = &cx.snapshot.accounts;
        let account = match &identity.account {
            None => accounts.global(),
            Some(name) => match accounts.get(name) {
                Some(account) => account,
                None => return Err(self.auth_violation()),
            },
        };
        let from = self.account.clone();
        if !self.register(cx.snapshot, &account.clone()) {
            self.send_error("maximum account active connections exceeded");
            return Err(CloseReason::MaxAccountConnectionsExceeded);
        }
        if from.id() != self.account.id() {
            cx.effects.push(Effect::Moved { from, to: self.account.clone() });
        }
        self.phase = Phase::Ready;
        self.user = identity.user;
        self.permissions = identity.permissions;
        let replies = self.permissions.as_ref().and_then(|permissions| {
            let rule = permissions.responses()?;
            let permits = Box::new(ReplyPermits::new(rule, cx.now));
            Some((Arc::clone(permissions), permits))
        });
        let filter = if self.needs_filter() { self.permissions.clone() } else { None };
        self.sink.with_output(|output| {
            output.replies = replies;
            output.filter = filter;
        });
        self.sink.status.update_details(|details| {
            details.account = Some(self.account.clone());
            if !self.user.is_empty() {
                details.user.clone_from(&self.user);
            }
        });
        Ok(())
    }

    /// An operation came before any CONNECT: lets the client in as the configured user, if there is
    /// one.
    pub(super) fn log_in_implicitly(&mut self, cx: &mut LinkCx<'_>) -> Result<(), CloseReason> {
        match cx.snapshot.auth.implicit_user(ClientLink::connection_type()) {
            Some(identity) => {
                self.connected = true;
                self.become_user(cx, identity)
            }
            None => Err(self.auth_violation()),
        }
    }

    fn auth_violation(&self) -> CloseReason {
        if self.connect.user.is_empty() {
            error!("{} - authentication error", self.label);
        } else {
            error!("{} - authentication error - User {:?}", self.label, self.connect.user);
        }
        self.send_error("Authorization Violation");
        CloseReason::AuthenticationViolation
    }

    /// Adds to the label what the client said of itself, as Go does.
    fn introduce(&mut self) {
        let connect = &self.connect;
        let mut parts = Vec::new();
        if !connect.version.is_empty() {
            parts.push(format!("v{}", connect.version));
        }
        parts.extend(
            [&connect.lang, &connect.name].into_iter().filter(|one| !one.is_empty()).cloned(),
        );
        let mut label = self.sink.label().to_owned();
        if !parts.is_empty() {
            label = format!("{label} - {:?}", parts.join(":"));
        }
        let user = match () {
            () if !connect.nkey.is_empty() => format!("nkey:{}", connect.nkey),
            () if !self.user.is_empty() => format!("user:{}", self.user),
            () if !connect.auth_token.is_empty() => "token".to_owned(),
            () => String::new(),
        };
        if !user.is_empty() {
            label = format!("{label} - {:?}", format!("{}/{user}", self.account.name()));
        }
        self.label = label.into();
    }
}

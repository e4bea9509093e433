//! What a changed configuration means for a running server: the steps to take, or why not.
//!
//! Pure: two sets of options in, a plan out. Every option that can be changed has a row here; what
//! has none must not differ.
//!
//! Source: Go `server/reload.go` (`diffOptions`, the `Apply` functions and their messages).

use crate::options::Options;
use std::fmt::Debug;

/// The parts of a server that a change touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Log levels, files and formats.
    Log,
    /// Certificates and what else new TLS connections use.
    Tls,
    /// Limits and times of client connections.
    Limits,
    /// Users, accounts, permissions.
    Authorization,
    /// How many clients there may be.
    MaxConnections,
    /// Host and port that clients are told.
    ClientAdvertise,
    /// The pid file.
    PidFile,
    /// The directory of the ports file.
    PortsFile,
    /// Nothing but what is shown.
    Shown,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it touches.
    pub part: Part,
    /// What the log says behind `Reloaded: `.
    pub text: String,
}

/// A change that needs a restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReloadable {
    /// An option that is fixed while the server runs.
    #[error("config reload not supported for {name}: old={old}, new={new}")]
    Fixed {
        /// Go's name of the option.
        name: &'static str,
        /// Its value in the running server.
        old: String,
        /// Its value in the new configuration.
        new: String,
    },
    /// Something else of the configuration differs that is fixed while the server runs.
    #[error("config reload not supported for {0}; restart the server to change it")]
    Other(&'static str),
}

/// Compares the options of a running server with new ones.
///
/// # Errors
/// The first difference that needs a restart.
pub fn plan(old: &Options, new: &Options) -> Result<Vec<Change>, NotReloadable> {
    refuse_fixed(old, new)?;
    let mut plan = Plan { changes: Vec::new() };
    plan.log(old, new);
    plan.tls(old, new);
    plan.limits(old, new);
    plan.authorization(old, new);
    plan.process(old, new);
    // Whatever has no row above must be equal.
    let mut same = new.clone();
    take_over(&mut same, old);
    if same != *old {
        return Err(NotReloadable::Other("another option"));
    }
    Ok(plan.changes)
}

/// Every reloadable option of `into` becomes that of `from`.
fn take_over(into: &mut Options, from: &Options) {
    macro_rules! take {
        ($($field:ident),* $(,)?) => { $(into.$field.clone_from(&from.$field);)* };
    }
    take!(
        config_digest,
        positions,
        debug,
        trace,
        trace_verbose,
        trace_headers,
        logtime,
        logtime_utc,
        log_file,
        log_size_limit,
        log_max_files,
        log_format,
        syslog,
        remote_syslog,
        max_traced_msg_len,
        tls,
        tls_timeout,
        allow_non_tls,
        max_connections,
        max_control_line,
        max_payload,
        ping_interval,
        ping_max,
        write_deadline,
        authorization_defined,
        username,
        password,
        token,
        auth_timeout,
        users,
        nkeys,
        no_auth_user,
        accounts,
        client_advertise,
        pid_file,
        ports_file_dir,
        server_tags,
        server_metadata,
        connect_error_reports,
        reconnect_error_reports,
        no_fast_producer_stall,
    );
}

fn refuse_fixed(old: &Options, new: &Options) -> Result<(), NotReloadable> {
    fn check<T: PartialEq + Debug>(
        name: &'static str,
        old: &T,
        new: &T,
    ) -> Result<(), NotReloadable> {
        if old == new {
            return Ok(());
        }
        Err(NotReloadable::Fixed { name, old: format!("{old:?}"), new: format!("{new:?}") })
    }
    check("Host", &old.host, &new.host)?;
    check("Port", &old.port, &new.port)?;
    check("ServerName", &old.server_name, &new.server_name)?;
    check("HTTPHost", &old.http_host, &new.http_host)?;
    check("HTTPPort", &old.http_port, &new.http_port)?;
    check("HTTPSPort", &old.https_port, &new.https_port)?;
    check("HTTPBasePath", &old.http_base_path, &new.http_base_path)?;
    check("ProfPort", &old.prof_port, &new.prof_port)?;
    check("MaxPending", &old.max_pending, &new.max_pending)?;
    check("MaxSubs", &old.max_subscriptions, &new.max_subscriptions)?;
    check("MaxSubTokens", &old.max_subscription_tokens, &new.max_subscription_tokens)?;
    check("MaxClosedClients", &old.max_closed_clients, &new.max_closed_clients)?;
    check("WriteTimeout", &old.write_timeout, &new.write_timeout)?;
    check("NoHeaderSupport", &old.no_header_support, &new.no_header_support)?;
    check("ProxyProtocol", &old.proxy_protocol, &new.proxy_protocol)?;
    check("LameDuckDuration", &old.lame_duck_duration, &new.lame_duck_duration)?;
    check("LameDuckGracePeriod", &old.lame_duck_grace_period, &new.lame_duck_grace_period)?;
    check("StoreDir", &old.store_dir, &new.store_dir)?;
    check("FeatureFlags", &old.feature_flags, &new.feature_flags)?;
    check("SystemAccount", &old.system_account, &new.system_account)?;
    check("NoSystemAccount", &old.no_system_account, &new.no_system_account)?;
    // It may go, together with its user, but not come or become another.
    if new.no_auth_user.is_some() {
        check("NoAuthUser", &old.no_auth_user, &new.no_auth_user)?;
    }
    for (name, is_same) in [
        ("jetstream", old.jetstream == new.jetstream),
        ("cluster", old.cluster == new.cluster && old.routes == new.routes),
        ("gateway", old.gateway == new.gateway),
        ("leafnodes", old.leafnode == new.leafnode),
        ("websocket", old.websocket == new.websocket),
        ("mqtt", old.mqtt == new.mqtt),
        ("admin", old.admin == new.admin),
    ] {
        if !is_same {
            return Err(NotReloadable::Other(name));
        }
    }
    Ok(())
}

struct Plan {
    changes: Vec<Change>,
}

impl Plan {
    fn push(&mut self, part: Part, text: impl Into<String>) {
        self.changes.push(Change { part, text: text.into() });
    }

    /// Notes a change that shows its new value.
    fn value<T: PartialEq + Debug>(&mut self, part: Part, name: &str, old: &T, new: &T) {
        if old != new {
            self.push(part, format!("{name} = {new:?}"));
        }
    }

    /// Notes a change whose value is nobody's business.
    fn secret<T: PartialEq>(&mut self, part: Part, name: &str, old: &T, new: &T) {
        if old != new {
            self.push(part, name);
        }
    }

    fn log(&mut self, old: &Options, new: &Options) {
        let part = Part::Log;
        self.value(part, "trace", &old.trace, &new.trace);
        self.value(part, "trace_verbose", &old.trace_verbose, &new.trace_verbose);
        self.value(part, "debug", &old.debug, &new.debug);
        self.value(part, "logtime", &old.logtime, &new.logtime);
        self.value(part, "logtime_utc", &old.logtime_utc, &new.logtime_utc);
        self.value(part, "log_file", &old.log_file, &new.log_file);
        self.value(part, "log_size_limit", &old.log_size_limit, &new.log_size_limit);
        self.value(part, "log_max_num", &old.log_max_files, &new.log_max_files);
        self.value(part, "log_format", &old.log_format, &new.log_format);
        self.value(part, "syslog", &old.syslog, &new.syslog);
        self.value(part, "remote_syslog", &old.remote_syslog, &new.remote_syslog);
    }

    fn tls(&mut self, old: &Options, new: &Options) {
        // The files may have changed behind the same names.
        if old.tls.is_some() || new.tls.is_some() {
            self.push(
                Part::Tls,
                format!("tls = {}", if new.tls.is_some() { "enabled" } else { "disabled" }),
            );
        }
        self.value(Part::Tls, "tls timeout", &old.tls_timeout, &new.tls_timeout);
        self.value(Part::Tls, "allow_non_tls", &old.allow_non_tls, &new.allow_non_tls);
    }

    fn limits(&mut self, old: &Options, new: &Options) {
        let part = Part::Limits;
        self.value(part, "max_control_line", &old.max_control_line, &new.max_control_line);
        self.value(part, "max_payload", &old.max_payload, &new.max_payload);
        self.value(part, "ping_interval", &old.ping_interval, &new.ping_interval);
        self.value(part, "ping_max", &old.ping_max, &new.ping_max);
        self.value(part, "write_deadline", &old.write_deadline, &new.write_deadline);
        self.value(part, "max_traced_msg_len", &old.max_traced_msg_len, &new.max_traced_msg_len);
        self.value(part, "trace_headers", &old.trace_headers, &new.trace_headers);
        self.value(
            part,
            "no_fast_producer_stall",
            &old.no_fast_producer_stall,
            &new.no_fast_producer_stall,
        );
        self.value(
            Part::MaxConnections,
            "max_connections",
            &old.max_connections,
            &new.max_connections,
        );
    }

    fn authorization(&mut self, old: &Options, new: &Options) {
        let part = Part::Authorization;
        self.secret(part, "authorization username", &old.username, &new.username);
        self.secret(part, "authorization password", &old.password, &new.password);
        self.secret(part, "authorization token", &old.token, &new.token);
        self.value(part, "authorization timeout", &old.auth_timeout, &new.auth_timeout);
        self.secret(part, "authorization users", &old.users, &new.users);
        self.secret(part, "authorization nkey users", &old.nkeys, &new.nkeys);
        self.secret(part, "authorization no_auth_user", &old.no_auth_user, &new.no_auth_user);
        self.secret(part, "accounts", &old.accounts, &new.accounts);
    }

    fn process(&mut self, old: &Options, new: &Options) {
        let advertise = (&old.client_advertise, &new.client_advertise);
        self.value(Part::ClientAdvertise, "client_advertise", advertise.0, advertise.1);
        self.value(Part::PidFile, "pid_file", &old.pid_file, &new.pid_file);
        self.value(Part::PortsFile, "ports_file_dir", &old.ports_file_dir, &new.ports_file_dir);
        self.secret(Part::Shown, "tags", &old.server_tags, &new.server_tags);
        self.secret(Part::Shown, "metadata", &old.server_metadata, &new.server_metadata);
        self.value(
            Part::Shown,
            "connect_error_reports",
            &old.connect_error_reports,
            &new.connect_error_reports,
        );
        self.value(
            Part::Shown,
            "reconnect_error_reports",
            &old.reconnect_error_reports,
            &new.reconnect_error_reports,
        );
    }
}

#[cfg(test)]
mod tests;

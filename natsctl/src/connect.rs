//! From flags and contexts to a connection, and what is heard on it.
//!
//! [`Settings`] is resolved first and without the network, so that what wins over what can be
//! tested. A [`Session`] keeps what the server complains about, because the client library only
//! tells its event callback. Must never show a password, token or seed.

mod session;
mod settings;

use std::time::Duration;

use anyhow::Result;
use async_nats::{ConnectErrorKind, ConnectOptions};

use crate::cli::ConnectionArgs;
use crate::context::{expand, read_secret, redact_url};
use crate::failure::Failure;

pub(crate) use session::{Session, complaint_failure};
pub(crate) use settings::Settings;

/// Messages that may wait for the command on one subscription before the library drops some.
const SUBSCRIPTION_CAPACITY: usize = 1 << 18;

/// Connects as the flags and the context say.
///
/// # Errors
/// When settings are wrong, or no server can be reached or lets us in.
pub(crate) async fn connect(arguments: &ConnectionArgs) -> Result<Session> {
    let settings = Settings::resolve(arguments)?;
    connect_with(&settings).await
}

/// Connects with settings that are already resolved.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn connect_with(settings: &Settings) -> Result<Session> {
    let urls: Vec<String> = settings.urls();
    if urls.iter().any(|url| url.starts_with("ws://") || url.starts_with("wss://")) {
        return Err(Failure::new("websocket URLs are not supported").into());
    }
    let options = options(settings)?;
    let shown = redact_url(&settings.url);
    let (options, listener) = session::listen(options, settings.trace);
    let client = options.connect(urls).await.map_err(|error| connect_failure(&error, &shown))?;
    let session = Session::new(client, listener, settings.timeout);
    if settings.trace {
        let info = session.client.server_info();
        crate::failure::note(&format!(
            "trace: connected to {} ({}, version {}) as client {}",
            shown, info.server_name, info.version, info.client_id
        ));
    }
    Ok(session)
}

/// The library's options for the settings.
fn options(settings: &Settings) -> Result<ConnectOptions> {
    let mut options = ConnectOptions::new()
        .name(&settings.connection_name)
        .connection_timeout(settings.timeout)
        .request_timeout(Some(settings.timeout))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .retain_servers_order();
    if !settings.inbox_prefix.is_empty() {
        options = options.custom_inbox_prefix(&settings.inbox_prefix);
    }
    options = authenticate(options, settings)?;
    if !settings.ca.is_empty() {
        options = options.add_root_certificates(readable("--tlsca", &settings.ca)?.into());
    }
    match (settings.cert.is_empty(), settings.key.is_empty()) {
        (true, true) => {}
        (false, false) => {
            let cert = readable("--tlscert", &settings.cert)?;
            let key = readable("--tlskey", &settings.key)?;
            options = options.add_client_certificate(cert.into(), key.into());
        }
        _ => return Err(Failure::usage("--tlscert and --tlskey must be given together").into()),
    }
    if settings.tls_first {
        options = options.tls_first();
    }
    Ok(options)
}

/// Adds the first credentials that are set, in the order of the `nats` tool.
fn authenticate(mut options: ConnectOptions, settings: &Settings) -> Result<ConnectOptions> {
    if !settings.token.is_empty() {
        options = options.token(read_secret("token", &settings.token, false)?);
    }
    if !settings.user.is_empty() {
        if settings.password.is_empty() {
            return Ok(options.token(settings.user.clone()));
        }
        let password = read_secret("password", &settings.password, false)?;
        return Ok(options.user_and_password(settings.user.clone(), password));
    }
    if !settings.creds.is_empty() {
        // The library wants a line end after the last line, which variables tend to lose.
        let text = format!("{}\n", read_secret("creds", &settings.creds, true)?.trim_end());
        return options
            .credentials(&text)
            .map_err(|_| Failure::new("creds: the file holds no user JWT with its seed").into());
    }
    if !settings.nkey.is_empty() {
        let text = read_secret("nkey", &settings.nkey, true)?;
        let seed = text.lines().map(str::trim).find(|line| line.starts_with("SU"));
        let seed = seed.ok_or_else(|| Failure::new("nkey: the file holds no seed of a user"))?;
        return Ok(options.nkey(seed.to_owned()));
    }
    if !settings.user_jwt.is_empty() {
        let jwt = read_secret("user_jwt", &settings.user_jwt, false)?;
        if settings.user_seed.is_empty() {
            return Err(Failure::new("user_jwt: a JWT without user_seed cannot sign in").into());
        }
        let seed = read_secret("user_seed", &settings.user_seed, false)?;
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            jwt.trim(),
            seed.trim()
        );
        return options
            .credentials(&text)
            .map_err(|_| Failure::new("user_jwt and user_seed do not make credentials").into());
    }
    Ok(options)
}

/// The expanded path of a file that must be there.
fn readable(flag: &str, path: &str) -> Result<String> {
    let path = expand(path);
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(Failure::new(format!("{flag}: cannot read {path}: {error}")).into()),
    }
}

/// Why no connection came about, in words that lead on.
fn connect_failure(error: &async_nats::ConnectError, url: &str) -> Failure {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let (text, hint) = match error.kind() {
        ConnectErrorKind::AuthorizationViolation => (
            "authorization violation".to_owned(),
            "give --user and --password, --token, --creds or --nkey, or a --context that has them",
        ),
        ConnectErrorKind::Authentication => {
            (format!("cannot sign in: {cause}"), "check --creds or --nkey")
        }
        ConnectErrorKind::ServerParse => {
            (format!("bad server URL: {cause}"), "a URL looks like nats://host:4222")
        }
        ConnectErrorKind::TimedOut => {
            ("timed out".to_owned(), "is it the client port of a server? --timeout waits longer")
        }
        ConnectErrorKind::Tls => {
            (format!("TLS failed: {cause}"), "--tlsca names the authority to trust")
        }
        ConnectErrorKind::Dns => (format!("unknown host: {cause}"), "check --server or NATS_URL"),
        ConnectErrorKind::Io if is_tls(&cause) => {
            (format!("TLS failed: {cause}"), "--tlsca names the authority to trust")
        }
        ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => (
            if cause.is_empty() { error.to_string() } else { cause },
            "is the server running? --server or NATS_URL says where",
        ),
    };
    Failure::new(format!("cannot connect to {url}: {text}")).hint(hint)
}

/// Whether a text of the library is about certificates.
fn is_tls(cause: &str) -> bool {
    let cause = cause.to_ascii_lowercase();
    ["certificate", "tls", "handshake"].iter().any(|word| cause.contains(word))
}

/// How long a command waits when nobody says otherwise.
pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;

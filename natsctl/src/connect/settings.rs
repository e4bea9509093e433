//! What a connection needs, after flags, environment and context have been weighed.
//!
//! Pure apart from reading the context's file. A flag (or its variable) wins over the context.

use std::time::Duration;

use anyhow::Result;

use super::TIMEOUT_DEFAULT;
use crate::cli::ConnectionArgs;
use crate::context::{Context, Store};
use crate::failure::Failure;

/// Everything a connection needs. Strings are empty when not set.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(super) url: String,
    pub(super) token: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) creds: String,
    pub(super) nkey: String,
    pub(super) user_jwt: String,
    pub(super) user_seed: String,
    pub(super) cert: String,
    pub(super) key: String,
    pub(super) ca: String,
    pub(super) tls_first: bool,
    pub(super) inbox_prefix: String,
    pub(super) connection_name: String,
    /// How long to wait for the server and for answers.
    pub(crate) timeout: Duration,
    /// Whether to tell what happens on the connection.
    pub(crate) trace: bool,
}

// Secrets must not reach a log by a careless format.
impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Settings {
    /// Weighs the flags against the context that is named or selected.
    ///
    /// # Errors
    /// When the context is not there or asks for what this build cannot do.
    pub(crate) fn resolve(arguments: &ConnectionArgs) -> Result<Self> {
        let context = match (arguments.no_context, &arguments.context) {
            (true, _) => None,
            (false, Some(name)) => Some(Store::of_user()?.load(name)?),
            (false, None) => selected()?,
        };
        Ok(Self::merge(arguments, &context.unwrap_or_default())?)
    }

    /// Weighs the flags against a context.
    ///
    /// # Errors
    /// When the context asks for what this build cannot do.
    pub(super) fn merge(arguments: &ConnectionArgs, context: &Context) -> Result<Self, Failure> {
        for (key, value) in [
            ("socks_proxy", &context.socks_proxy),
            ("windows_cert_store", &context.windows_cert_store),
        ] {
            if !value.is_empty() {
                return Err(Failure::new(format!(
                    "the context sets {key}, which is not supported"
                ))
                .hint("--no-context ignores the context"));
            }
        }
        let pick = |flag: &Option<String>, value: &String| flag.clone().unwrap_or(value.clone());
        let mut settings = Self {
            url: pick(&arguments.server, &context.url),
            inbox_prefix: pick(&arguments.inbox_prefix, &context.inbox_prefix),
            cert: pick(&arguments.tlscert, &context.cert),
            key: pick(&arguments.tlskey, &context.key),
            ca: pick(&arguments.tlsca, &context.ca),
            tls_first: arguments.tlsfirst || context.tls_first,
            connection_name: arguments.connection_name.clone().unwrap_or("natsctl".to_owned()),
            timeout: arguments.timeout.unwrap_or(TIMEOUT_DEFAULT),
            trace: arguments.trace,
            ..Self::default()
        };
        if settings.url.is_empty() {
            "nats://127.0.0.1:4222".clone_into(&mut settings.url);
        }
        settings.take_credentials(arguments, context);
        Ok(settings)
    }

    /// Credentials given by flag replace those of the context as a whole: a password of one
    /// identity is of no use to another.
    fn take_credentials(&mut self, arguments: &ConnectionArgs, context: &Context) {
        let flags = [&arguments.user, &arguments.token, &arguments.creds, &arguments.nkey];
        let take = |flag: &Option<String>| flag.clone().unwrap_or_default();
        if flags.iter().any(|flag| flag.is_some()) {
            self.user = take(&arguments.user);
            self.token = take(&arguments.token);
            self.creds = take(&arguments.creds);
            self.nkey = take(&arguments.nkey);
            self.password = take(&arguments.password);
            return;
        }
        self.user.clone_from(&context.user);
        self.password = arguments.password.clone().unwrap_or(context.password.clone());
        self.token.clone_from(&context.token);
        self.creds.clone_from(&context.creds);
        self.nkey.clone_from(&context.nkey);
        self.user_jwt.clone_from(&context.user_jwt);
        self.user_seed.clone_from(&context.user_seed);
        if self.creds.is_empty() && !context.nsc.is_empty() {
            // The old form of the same reference.
            let path = context.nsc.trim_start_matches("nsc://");
            self.creds = format!("nsc://{path}");
        }
    }

    /// The server URLs, in order.
    pub(super) fn urls(&self) -> Vec<String> {
        self.url.split(',').map(|url| url.trim().to_owned()).filter(|u| !u.is_empty()).collect()
    }
}

/// The selected context. One that was removed under our feet is an error, not a surprise
/// connection to somewhere else.
fn selected() -> Result<Option<Context>> {
    // Without a home there can be no selection either.
    let Ok(store) = Store::of_user() else { return Ok(None) };
    match store.selected()? {
        Some(name) => Ok(Some(store.load(&name)?)),
        None => Ok(None),
    }
}

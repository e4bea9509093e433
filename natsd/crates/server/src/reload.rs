//! A new configuration for a running server: planned, prepared, then put into force at once.
//!
//! A reload that fails changes nothing.
//!
//! Source: Go `server/reload.go` (`Reload`, `reloadAuthorization`).

use crate::log::{Log, LogError};
use crate::process::{self, OwnedFile};
use crate::server::{Server, StartError};
use crate::snapshot;
use crate::tls::{ServerTls, TlsError};
use natsd_base::os_error;
use natsd_config::reload::{NotReloadable, Part, plan};
use natsd_config::{Options, unsupported};
use natsd_links::{CloseReason, Control};
use std::path::Path;
use std::sync::Arc;
use tracing::{error, info};

/// Why a new configuration is not put into force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It changes what is fixed while the server runs.
    #[error(transparent)]
    Fixed(#[from] NotReloadable),
    /// It asks for something that the server cannot do yet.
    #[error("{0:?} is not supported yet")]
    Unsupported(String),
    /// The new log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The new TLS configuration cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Another part cannot be put to work.
    #[error(transparent)]
    Start(#[from] StartError),
    /// TLS cannot be switched on or off for a listener that runs.
    #[error("config reload not supported for tls: it cannot be switched on or off")]
    TlsSwitched,
}

impl Server {
    /// Puts `options` into force.
    ///
    /// # Errors
    /// When they cannot be; everything is as before then.
    pub fn reload(&self, options: Options, log: &Log) -> Result<(), ReloadError> {
        let _one_at_a_time = self.reloading.lock();
        let old = self.options();
        let changes = plan(&old, &options)?;
        let touches = |part: Part| changes.iter().any(|change| change.part == part);
        if let Some(one) = unsupported(&options).into_iter().find(|one| one.fatal) {
            return Err(ReloadError::Unsupported(one.key));
        }
        // Prepare: everything that may fail.
        let tls = options.tls.as_ref().map(ServerTls::load).transpose()?;
        if tls.is_some() != old.tls.is_some() {
            return Err(ReloadError::TlsSwitched);
        }
        let advertised = snapshot::advertised(&options)?;
        let prepared_log = touches(Part::Log).then(|| log.prepare(&options)).transpose()?;
        let before = self.accounts();
        let accounts = Arc::new(snapshot::accounts(&options, Some(&before))?);
        // Commit.
        if let Some(prepared) = prepared_log {
            log.switch(prepared);
        }
        let ldm = self.snapshot().info.ldm;
        let address = self.client_address;
        let mut compiled = snapshot::compile(&options, self.keys(), &accounts, advertised, address);
        compiled.info.ldm = ldm;
        self.replace_configuration(options, compiled, tls);
        for change in &changes {
            info!("Reloaded: {}", change.text);
        }
        self.hand_over(&old, &touches);
        let digest = self.options().config_digest.clone();
        info!("Reloaded server configuration {digest}");
        Ok(())
    }

    /// Tells everybody whom the new configuration concerns.
    fn hand_over(&self, old: &Options, touches: &dyn Fn(Part) -> bool) {
        let options = self.options();
        if touches(Part::PidFile)
            && let Some(path) = &options.pid_file
        {
            match process::write_pid_file(Path::new(path)) {
                Ok(file) => file.keep(),
                Err(error) => error!("Could not write pidfile: open {path}: {}", os_error(&error)),
            }
        }
        let authorization = touches(Part::Authorization);
        if authorization && let Some(services) = self.services.lock().as_mut() {
            services.update(self);
        }
        if authorization || touches(Part::Limits) {
            self.registry.tell_all(Control::Reconfigured { authorization });
        }
        if touches(Part::Tls) {
            self.close_unpinned();
        }
        if touches(Part::ClientAdvertise) {
            self.registry.tell_all(Control::InfoChanged);
        }
        if touches(Part::MaxConnections) && options.max_connections != old.max_connections {
            self.close_surplus(options.max_connections);
        }
    }

    /// Closes the clients whose keys are not pinned any more.
    fn close_unpinned(&self) {
        let Some(tls) = self.tls() else { return };
        for client in self.registry.open() {
            let details = client.status.details();
            if details.tls_version.is_some() && !tls.accepts_peer(&details.tls_peer_certificates) {
                let reason = CloseReason::TlsHandshakeError;
                self.registry.tell(client.id(), Control::Close(reason));
            }
        }
    }

    /// Closes as many clients as there are too many, no matter which. As Go.
    fn close_surplus(&self, max: i64) {
        let max = if max == 0 { usize::MAX } else { usize::try_from(max).unwrap_or(0) };
        let clients = self.registry.open();
        for client in clients.iter().skip(max) {
            client.send(b"-ERR 'maximum connections exceeded'\r\n");
            self.registry.tell(client.id(), Control::Close(CloseReason::MaxConnectionsExceeded));
        }
    }
}

/// The ports file of a server, moved when its directory changes.
#[derive(Debug, Default)]
pub struct PortsFile {
    written: Option<(String, OwnedFile)>,
}

impl PortsFile {
    /// Writes the file where the configuration wants it, unless it is there.
    pub fn update(&mut self, server: &Server, monitoring: &[String]) {
        let options = server.options();
        let Some(dir) = &options.ports_file_dir else {
            self.written = None;
            return;
        };
        if self.written.as_ref().is_some_and(|(known, _)| known == dir) {
            return;
        }
        match process::write_ports_file(Path::new(dir), &server.client_urls(), monitoring) {
            Ok(file) => self.written = Some((dir.clone(), file)),
            Err(error) => error!("Error writing ports file ({dir}): {}", os_error(&error)),
        }
    }
}

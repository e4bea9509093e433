//! The server: what all connections share, starting and stopping.
//!
//! Source: Go `server/server.go` (`NewServer`, `Start`, `Shutdown`, `lameDuckMode`).

use crate::accept;
use crate::clock::Clock;
use crate::query::MonitorState;
use crate::registry::{ClosedClient, Registry};
use crate::services::events::{self, Events};
use crate::services::{self, Services};
use crate::snapshot;
use crate::tls::{self, TlsError};
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use natsd_auth::ServerKeys;
use natsd_base::{LeveledMutex, Timestamp, os_error};
use natsd_broker::Accounts;
use natsd_config::Options;
use natsd_links::{CloseReason, Control, ServerStats, Snapshot};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tracing::{info, warn};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address of the client listener cannot be bound.
    #[error("Error listening on port: {address}, \"listen tcp {address}: {}\"", os_error(source))]
    Listen {
        /// Address as configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address for clients makes no sense.
    #[error("Error setting server INFO with ClientAdvertise value of {0}, err={1}")]
    Advertise(String, String),
    /// A subject mapping is none.
    #[error("mapping of {subject:?} in account {account}: {reason}")]
    Mapping {
        /// Name of the account.
        account: String,
        /// The subject that is mapped.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS configuration cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There are no random numbers for the keys of the server.
    #[error("the operating system has no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Passwords that are checked at once.
pub(crate) const PASSWORD_CHECKS_MAX: usize = 2;

/// Somebody wants the configuration to be read again, and to hear what came of it.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// One NATS server.
#[derive(Debug)]
pub struct Server {
    /// Its clock.
    pub clock: Clock,
    /// When it was started.
    pub started: Timestamp,
    /// Its client connections.
    pub registry: Registry,
    /// Its counters.
    pub stats: Arc<ServerStats>,
    /// Address of the client listener.
    pub client_address: SocketAddr,
    pub(crate) monitor: MonitorState,
    options: ArcSwap<Options>,
    configured: AtomicI64,
    keys: ServerKeys,
    id: String,
    snapshot: ArcSwap<Snapshot>,
    tls: ArcSwapOption<tls::ServerTls>,
    /// bcrypt takes a core for a while: no more at once than there are to spare.
    pub(crate) password_checks: Arc<Semaphore>,
    stopping: AtomicBool,
    lame_duck: AtomicBool,
    /// Held while a new configuration is put into force.
    pub(crate) reloading: LeveledMutex<1, ()>,
    stop_listening: Notify,
    pub(crate) services: LeveledMutex<2, Option<Services>>,
    pub(crate) events: Events,
    /// Messages that say which server they are from.
    messages: AtomicU64,
    reload_requests: OnceLock<mpsc::Sender<ReloadRequest>>,
}

impl Server {
    /// Binds the listener and starts to accept clients.
    ///
    /// # Errors
    /// When a part of the configuration cannot be put to work. Nothing is left behind then.
    pub async fn start(options: Options) -> Result<Arc<Server>, StartError> {
        let clock = Clock::start();
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(StartError::Random)?;
        let keys = ServerKeys::from_seed(&seed);
        let advertised = snapshot::advertised(&options)?;
        let tls = options.tls.as_ref().map(tls::ServerTls::load).transpose()?;
        let address = accept::listen_address(&options.host, options.port.bind());
        let listener = accept::bind(&options.host, options.port.bind())
            .await
            .map_err(|source| StartError::Listen { address: address.clone(), source })?;
        let client_address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { address: address.clone(), source })?;
        let accounts = Arc::new(snapshot::accounts(&options, None)?);
        let snapshot = snapshot::compile(&options, &keys, &accounts, advertised, client_address);
        let closed_max = usize::try_from(options.max_closed_clients).unwrap_or(0);
        let (events, queue_of_events) = events::channel();
        let server = Arc::new(Server {
            clock,
            started: clock.now(),
            registry: Registry::new(closed_max),
            stats: Arc::default(),
            client_address,
            monitor: MonitorState::new(&options, clock.now()),
            configured: AtomicI64::new(clock.now().0),
            id: keys.public(),
            keys,
            snapshot: ArcSwap::from_pointee(snapshot),
            tls: ArcSwapOption::from_pointee(tls),
            password_checks: Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX)),
            stopping: AtomicBool::new(false),
            lame_duck: AtomicBool::new(false),
            reloading: LeveledMutex::new(()),
            stop_listening: Notify::new(),
            services: LeveledMutex::default(),
            events,
            messages: AtomicU64::new(0),
            reload_requests: OnceLock::new(),
            options: ArcSwap::from_pointee(options),
        });
        server.log_banner();
        tokio::spawn(accept::run(server.clone(), listener));
        if server.accounts().system().is_some() {
            *server.services.lock() = Some(services::start(&server, queue_of_events));
        }
        if server.tls().is_some() {
            tokio::spawn(report_refused(server.clone()));
        }
        Ok(server)
    }

    fn log_banner(&self) {
        let info = &self.snapshot().info;
        info!("  Version:  {}", info.version);
        info!("  Git:      [{}]", info.git_commit);
        info!("  Name:     {}", info.server_name);
        info!("  ID:       {}", self.id);
        if let Some(path) = &self.options().config_file {
            info!("Using configuration file: {path} ({})", self.options().config_digest);
        }
        let address = accept::listen_address(&self.options().host, self.client_address.port());
        info!("Listening for client connections on {address}");
        if self.tls().is_some() {
            info!("TLS required for client connections");
        }
    }

    /// The public key that names this run of the server.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Name from the configuration, else the id.
    #[must_use]
    pub fn name(&self) -> String {
        self.options().server_name.clone().unwrap_or_else(|| self.id.clone())
    }

    /// The configuration that is in force.
    #[must_use]
    pub fn options(&self) -> Arc<Options> {
        self.options.load_full()
    }

    /// When that configuration was read.
    #[must_use]
    pub fn configured(&self) -> Timestamp {
        Timestamp(self.configured.load(Ordering::Relaxed))
    }

    /// The accounts of that configuration.
    #[must_use]
    pub fn accounts(&self) -> Arc<Accounts> {
        self.snapshot().accounts.clone()
    }

    pub(crate) fn keys(&self) -> &ServerKeys {
        &self.keys
    }

    /// Replaces the configuration. Links see it with their next batch.
    pub(crate) fn replace_configuration(
        &self,
        options: Options,
        snapshot: Snapshot,
        tls: Option<tls::ServerTls>,
    ) {
        self.monitor.reload(&options);
        self.options.store(Arc::new(options));
        self.tls.store(tls.map(Arc::new));
        self.snapshot.store(Arc::new(snapshot));
        self.configured.store(self.clock.now().0, Ordering::Relaxed);
    }

    pub(crate) fn tls(&self) -> Option<Arc<tls::ServerTls>> {
        self.tls.load_full()
    }

    /// URLs of the client listener. Where it listens on every address, one that works here.
    #[must_use]
    pub fn client_urls(&self) -> Vec<String> {
        let scheme = if self.tls().is_some() { "tls" } else { "nats" };
        let port = self.client_address.port();
        let urls = |host: String| format!("{scheme}://{host}:{port}");
        match self.options().host.as_str() {
            "" | "0.0.0.0" | "::" => vec![urls("127.0.0.1".to_owned())],
            host if host.contains(':') => vec![urls(format!("[{host}]"))],
            host => vec![urls(host.to_owned())],
        }
    }

    /// Sends requests to read the configuration again to whoever knows how. Only the first call
    /// counts.
    pub fn set_reload_hook(&self, hook: mpsc::Sender<ReloadRequest>) {
        // A second one has nothing to replace.
        let _ = self.reload_requests.set(hook);
    }

    /// Has the configuration read again, and waits until it is in force or refused.
    pub(crate) async fn request_reload(&self) -> Result<(), String> {
        let gone = || "the configuration of this server cannot be read again".to_owned();
        let hook = self.reload_requests.get().ok_or_else(gone)?;
        let (request, answer) = oneshot::channel();
        hook.send(request).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Tells the system account that a client is gone.
    pub(crate) fn tell_closed(&self, closed: &ClosedClient) {
        // Who was one too many never counted.
        if let Some(account) = &closed.details.account
            && closed.reason != CloseReason::MaxAccountConnectionsExceeded
        {
            self.events.count_changed(self, account);
        }
        self.events.closed(self, closed);
    }

    /// Number of the next message that says which server it is from, from 1.
    pub(crate) fn next_message(&self) -> u64 {
        self.messages.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What links need of the configuration, as it is now. Not to be held across an await.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Whether new connections are still welcome.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && !self.lame_duck.load(Ordering::Relaxed)
    }

    /// Whether it shuts down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether it is in lame duck mode.
    #[must_use]
    pub fn is_lame_duck(&self) -> bool {
        self.lame_duck.load(Ordering::Relaxed)
    }

    pub(crate) async fn wait_stop_listening(&self) {
        loop {
            let notified = self.stop_listening.notified();
            if !self.is_accepting() {
                return;
            }
            notified.await;
        }
    }

    /// Waits until the server shuts down.
    pub(crate) async fn wait_shutdown(&self) {
        loop {
            let notified = self.stop_listening.notified();
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            notified.await;
        }
    }

    /// Closes the listener and every connection, and waits until they are gone.
    pub async fn shutdown(&self) {
        info!("Initiating Shutdown...");
        events::announce(self, "SHUTDOWN");
        self.stopping.store(true, Ordering::Relaxed);
        self.stop_listening.notify_waiters();
        self.registry.tell_all(Control::Close(CloseReason::ServerShutdown));
        let empty = self.registry.wait_until_empty();
        if tokio::time::timeout(Duration::from_secs(5), empty).await.is_err() {
            info!("Connections that did not end in time: {}", self.registry.count());
        }
        info!("Server Exiting..");
    }

    /// Tells clients to go elsewhere, then closes them one after another, spread over the configured
    /// time. The caller shuts down afterwards.
    pub async fn lame_duck(&self) {
        if self.lame_duck.swap(true, Ordering::Relaxed) {
            return;
        }
        info!("Entering lame duck mode, stop accepting new clients");
        self.stop_listening.notify_waiters();
        events::announce(self, "LAMEDUCK");
        {
            // Not while a reload replaces it.
            let _reloading = self.reloading.lock();
            let mut snapshot = Snapshot::clone(&self.snapshot());
            snapshot.info.ldm = true;
            self.snapshot.store(Arc::new(snapshot));
        }
        if self.registry.tell_all(Control::InfoChanged) == 0 {
            return;
        }
        let grace = self.options().lame_duck_grace_period;
        tokio::select! {
            () = tokio::time::sleep(grace) => {}
            () = self.registry.wait_until_empty() => return,
        }
        info!("Closing existing clients");
        let clients = self.registry.open();
        let count = u32::try_from(clients.len()).unwrap_or(u32::MAX).max(1);
        let spread = self.options().lame_duck_duration.saturating_sub(grace);
        // As Go: at most a second between two closes, so that few clients do not take for ever.
        let pause = (spread / count).min(Duration::from_secs(1));
        for client in clients {
            self.registry.tell(client.id(), Control::Close(CloseReason::ServerShutdown));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.registry.wait_until_empty() => return,
            }
        }
    }
}

/// Says once a second how many TLS connections were one too many.
async fn report_refused(server: Arc<Server>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = server.wait_stop_listening() => return,
        }
        let refused = server.tls().map_or(0, |tls| tls.take_refused());
        if refused > 0 {
            warn!("Rejected {refused} connections due to TLS rate limiting");
        }
    }
}

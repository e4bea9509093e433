//! The HTTP listeners: monitoring as Go has it, and the management API of our own.
//!
//! Monitoring is served where the configuration says so. The management API is on by default at
//! 127.0.0.1:8280; nobody gets in without its token, which is written to a file that only this user
//! can read unless the configuration names one.
//!
//! Source: Go `server/server.go` (`StartMonitoring`, `startMonitoring`) for monitoring.

mod token;

use crate::accept;
use crate::server::Server;
use crate::tls::{ServerTls, TlsError};
use natsd_admin_api::v1::AuthConfig;
use natsd_admin_api::{Accept, AdminBackend, Plain, monitor, serve, v1};
use natsd_base::{LeveledMutex, os_error};
use natsd_config::options::{Admin, Options, Port, Tls};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use token::TokenFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// Where the management API listens when the configuration does not say.
const ADMIN_HOST: &str = "127.0.0.1";
const ADMIN_PORT: u16 = 8280;

/// Why a server does not start to serve HTTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartHttpError {
    /// Monitoring can be plain or with TLS, not both.
    #[error("can't specify both HTTP ({http}) and HTTPs ({https}) ports")]
    BothPorts {
        /// The plain port as configured.
        http: i64,
        /// The port with TLS as configured.
        https: i64,
    },
    /// Monitoring with TLS needs a certificate.
    #[error("TLS cert and key required for HTTPS")]
    NoTls,
    /// The TLS configuration cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address of monitoring cannot be bound.
    #[error(
        "can't listen to the monitor port: listen tcp {address}: {}; set another port",
        os_error(source)
    )]
    Monitor {
        /// Address as configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address of the management API cannot be bound.
    #[error(
        "can't listen to the admin port: listen tcp {address}: {}; set admin.port, or \
         admin {{ disabled: true }}",
        os_error(source)
    )]
    Admin {
        /// Address as configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The token of the management API cannot be written.
    #[error(
        "can't write the admin token to {}: {}; set admin.token, or admin {{ disabled: true }}",
        path.display(),
        os_error(source)
    )]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no place for the token of the management API.
    #[error(
        "no directory for the admin token: none of XDG_RUNTIME_DIR, XDG_STATE_HOME and HOME is \
         set; set admin.token, or admin {{ disabled: true }}"
    )]
    NoTokenDirectory,
    /// There are no random numbers for a token.
    #[error("the operating system has no random numbers: {0}")]
    Random(getrandom::Error),
}

/// The HTTP listeners of a server. They end with the server, or when this is dropped.
#[derive(Debug)]
pub struct HttpListeners {
    /// Where monitoring is served: no address or one.
    pub monitoring: Vec<SocketAddr>,
    /// Whether monitoring is served over TLS.
    pub monitoring_tls: bool,
    /// Where the management API is served, unless it is off.
    pub admin: Option<SocketAddr>,
    /// Where the token of the management API was written, unless the configuration has it.
    pub token_file: Option<PathBuf>,
    tasks: Vec<JoinHandle<()>>,
}

impl HttpListeners {
    /// Waits until everything has ended and the token file is gone. To be called after
    /// [`Server::shutdown`], which makes them end.
    pub async fn wait_stopped(mut self) {
        for task in &mut self.tasks {
            // A task that panicked has ended as well.
            let _ = task.await;
        }
    }

    /// URLs of monitoring. Where it listens on every address, one that works here.
    #[must_use]
    pub fn monitoring_urls(&self) -> Vec<String> {
        let scheme = if self.monitoring_tls { "https" } else { "http" };
        let url = |address: &SocketAddr| {
            let local = SocketAddr::from(([127, 0, 0, 1], address.port()));
            let shown = if address.ip().is_unspecified() { &local } else { address };
            format!("{scheme}://{shown}")
        };
        self.monitoring.iter().map(url).collect()
    }
}

impl Drop for HttpListeners {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// TLS below HTTP, with the certificate that clients get at the moment.
#[derive(Clone)]
struct OverTls {
    server: Arc<Server>,
    loaded: Arc<LeveledMutex<50, Loaded>>,
}

/// TLS of monitoring, and that of clients for which it was loaded.
struct Loaded {
    of: Option<Arc<ServerTls>>,
    acceptor: TlsAcceptor,
}

impl OverTls {
    fn new(server: &Arc<Server>, tls: &Tls) -> Result<OverTls, TlsError> {
        let loaded = Loaded { of: server.tls(), acceptor: load(tls)? };
        Ok(OverTls { server: server.clone(), loaded: Arc::new(LeveledMutex::new(loaded)) })
    }

    /// A reload changes the TLS of clients; monitoring follows when it is next asked for.
    fn acceptor(&self) -> TlsAcceptor {
        let now = self.server.tls();
        let is_same = |of: &Option<Arc<ServerTls>>| match (of, &now) {
            (Some(of), Some(now)) => Arc::ptr_eq(of, now),
            (of, now) => of.is_none() && now.is_none(),
        };
        let known = {
            let loaded = self.loaded.lock();
            is_same(&loaded.of).then(|| loaded.acceptor.clone())
        };
        if let Some(acceptor) = known {
            return acceptor;
        }
        let fresh = self.server.options().tls.as_ref().map(load);
        let mut loaded = self.loaded.lock();
        match fresh {
            Some(Ok(acceptor)) => loaded.acceptor = acceptor,
            Some(Err(error)) => warn!("Monitoring keeps its certificate: {error}"),
            None => {}
        }
        loaded.of = now;
        loaded.acceptor.clone()
    }
}

/// As Go: nobody who monitors has to show a certificate.
fn load(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let tls = ServerTls::load(&Tls { verify: false, ..tls.clone() })?;
    Ok(tls.acceptor().clone())
}

impl Accept for OverTls {
    type Stream = tokio_rustls::server::TlsStream<TcpStream>;

    async fn accept(&self, stream: TcpStream) -> io::Result<Self::Stream> {
        let acceptor = self.acceptor();
        acceptor.accept(stream).await
    }
}

/// Binds the HTTP listeners that the configuration of `server` asks for and starts to serve them.
/// `web_page` is what the management API shows at its root.
///
/// # Errors
/// When a part of the configuration cannot be put to work. Nothing is left behind then. The
/// management API is no reason to fail as long as the configuration says nothing of it.
pub async fn serve_http(
    server: &Arc<Server>,
    web_page: &'static str,
) -> Result<HttpListeners, StartHttpError> {
    let mut listeners = HttpListeners {
        monitoring: Vec::new(),
        monitoring_tls: server.options().https_port.is_set(),
        admin: None,
        token_file: None,
        tasks: Vec::new(),
    };
    start_monitoring(server, &mut listeners).await?;
    let admin = &server.options().admin;
    if !admin.disabled
        && let Err(error) = start_admin(server, web_page, &mut listeners).await
    {
        if is_configured(admin) {
            return Err(error);
        }
        warn!("No management API: {error}");
    }
    Ok(listeners)
}

fn is_configured(admin: &Admin) -> bool {
    admin.port.is_set() || !admin.host.is_empty() || admin.token.is_some()
}

fn number(port: Port) -> i64 {
    match port {
        Port::Unset => 0,
        Port::Random => -1,
        Port::Fixed(port) => i64::from(port),
    }
}

async fn start_monitoring(
    server: &Arc<Server>,
    listeners: &mut HttpListeners,
) -> Result<(), StartHttpError> {
    let options = &server.options();
    let (http, https) = (options.http_port, options.https_port);
    match (http.is_set(), https.is_set()) {
        (false, false) => Ok(()),
        (true, true) => Err(StartHttpError::BothPorts { http: number(http), https: number(https) }),
        (true, false) => {
            let listener = bind_monitoring(options, http, "http", listeners).await?;
            listeners.tasks.push(spawn_monitoring(server, listener, Plain));
            Ok(())
        }
        (false, true) => {
            let tls = options.tls.as_ref().ok_or(StartHttpError::NoTls)?;
            let accept = OverTls::new(server, tls)?;
            let listener = bind_monitoring(options, https, "https", listeners).await?;
            listeners.tasks.push(spawn_monitoring(server, listener, accept));
            Ok(())
        }
    }
}

async fn bind_monitoring(
    options: &Options,
    port: Port,
    protocol: &str,
    listeners: &mut HttpListeners,
) -> Result<TcpListener, StartHttpError> {
    let address = accept::listen_address(&options.http_host, port.bind());
    let error = |source| StartHttpError::Monitor { address: address.clone(), source };
    let listener = accept::bind(&options.http_host, port.bind()).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    let shown = accept::listen_address(&options.http_host, bound.port());
    info!("Starting {protocol} monitor on {shown}");
    listeners.monitoring.push(canonical(bound));
    Ok(listener)
}

/// Every address of IPv6 is every address of IPv4 too.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn spawn_monitoring<A: Accept>(
    server: &Arc<Server>,
    listener: TcpListener,
    accept: A,
) -> JoinHandle<()> {
    let options = server.options();
    let base_path = options.http_base_path.as_deref().unwrap_or_default();
    let router = monitor::router(backend(server), base_path);
    let server = server.clone();
    tokio::spawn(async move {
        serve(listener, accept, router, server.wait_shutdown()).await;
    })
}

fn backend(server: &Arc<Server>) -> Arc<dyn AdminBackend> {
    server.clone()
}

async fn start_admin(
    server: &Arc<Server>,
    web_page: &'static str,
    listeners: &mut HttpListeners,
) -> Result<(), StartHttpError> {
    let admin = &server.options().admin;
    let (listener, address) = bind_admin(admin).await?;
    let (token, file) = match &admin.token {
        Some(token) => (token.clone(), None),
        None => {
            let token = token::random().map_err(StartHttpError::Random)?;
            let directory = token::directory(|name| std::env::var_os(name))
                .ok_or(StartHttpError::NoTokenDirectory)?;
            let file = write_token(&directory, address.port(), &token)?;
            info!("Token of the management API is in {}", file.path().display());
            (token, Some(file))
        }
    };
    let is_name = !admin.host.is_empty() && admin.host.parse::<IpAddr>().is_err();
    let host = is_name.then(|| admin.host.clone());
    let auth = AuthConfig { token, bound: address.ip(), host };
    let router = v1::router(backend(server), auth, web_page);
    info!("Starting management API on http://{address}");
    listeners.admin = Some(address);
    listeners.token_file = file.as_ref().map(|file| file.path().to_owned());
    let server = server.clone();
    listeners.tasks.push(tokio::spawn(async move {
        // Removed when the task ends, in whatever way.
        let _file = file;
        serve(listener, Plain, router, server.wait_shutdown()).await;
    }));
    Ok(())
}

fn write_token(directory: &Path, port: u16, token: &str) -> Result<TokenFile, StartHttpError> {
    let path = directory.join(format!("admin-{port}.token"));
    TokenFile::write(path.clone(), token).map_err(|source| StartHttpError::Token { path, source })
}

/// Binds the configured address, or the default one; where that is taken, any free port.
async fn bind_admin(admin: &Admin) -> Result<(TcpListener, SocketAddr), StartHttpError> {
    let host = if admin.host.is_empty() { ADMIN_HOST } else { &admin.host };
    let port = if admin.port.is_set() { admin.port.bind() } else { ADMIN_PORT };
    let address = accept::listen_address(host, port);
    let error = |source| StartHttpError::Admin { address: address.clone(), source };
    let listener = match accept::bind(host, port).await {
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse && !admin.port.is_set() => {
            warn!("Port {port} of the management API is taken, using a free one");
            accept::bind(host, 0).await.map_err(error)?
        }
        result => result.map_err(error)?,
    };
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, canonical(bound)))
}

#[cfg(test)]
mod tests;

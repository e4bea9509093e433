//! What a server runs with where nothing was configured.
//!
//! Source: Go `server/opts.go` (`setBaselineOptions`), `server/const.go`.

use std::time::Duration;

use super::{
    Admin, Cluster, Gateway, LeafNode, Mqtt, Options, Port, SYSTEM_ACCOUNT, Tls, Websocket,
};
use super::{JetStream, LogFormat, WriteTimeout};

/// Address of every listener that names none. Go: `DEFAULT_HOST`.
pub(crate) const HOST: &str = "0.0.0.0";
/// Go: `DEFAULT_PORT`.
const CLIENT_PORT: u16 = 4222;
/// Go: `DEFAULT_LEAFNODE_PORT`.
const LEAFNODE_PORT: u16 = 7422;
/// Go: `TLS_TIMEOUT`.
const TLS_TIMEOUT: Duration = Duration::from_secs(2);
/// Go: `AUTH_TIMEOUT`.
const AUTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Go: `defaultSyncInterval`.
pub(crate) const SYNC_INTERVAL: Duration = Duration::from_secs(120);

impl Default for Options {
    /// The options of a server without configuration.
    fn default() -> Self {
        let mut options = Options::empty();
        options.apply_defaults();
        options
    }
}

impl Options {
    /// Options in which nothing is set.
    #[must_use]
    pub fn empty() -> Options {
        Options {
            allow_unknown_keys: false,
            config_file: None,
            config_digest: String::new(),
            server_name: None,
            host: String::new(),
            port: Port::Unset,
            dont_listen: false,
            client_advertise: None,
            proxy_protocol: false,
            server_tags: Vec::new(),
            server_metadata: Default::default(),
            feature_flags: Default::default(),
            debug: false,
            trace: false,
            trace_verbose: false,
            trace_headers: false,
            logtime: false,
            logtime_utc: false,
            log_file: None,
            log_size_limit: 0,
            log_max_files: 0,
            log_format: LogFormat::Text,
            syslog: false,
            remote_syslog: None,
            max_traced_msg_len: 0,
            pid_file: None,
            ports_file_dir: None,
            prof_port: Port::Unset,
            prof_block_rate: 0,
            no_log: false,
            no_signals: false,
            http_host: String::new(),
            http_port: Port::Unset,
            https_port: Port::Unset,
            http_base_path: None,
            admin: Admin::default(),
            max_connections: 0,
            max_subscriptions: 0,
            max_subscription_tokens: 0,
            max_control_line: 0,
            max_payload: 0,
            max_pending: 0,
            max_closed_clients: 0,
            ping_interval: Duration::ZERO,
            ping_max: 0,
            disable_short_first_ping: false,
            write_deadline: Duration::ZERO,
            write_timeout: WriteTimeout::Default,
            lame_duck_duration: Duration::ZERO,
            lame_duck_grace_period: Duration::ZERO,
            no_fast_producer_stall: false,
            no_header_support: false,
            no_sublist_cache: false,
            connect_error_reports: 0,
            reconnect_error_reports: 0,
            tls: None,
            tls_timeout: Duration::ZERO,
            allow_non_tls: false,
            ocsp: None,
            ocsp_cache: None,
            authorization_defined: false,
            username: None,
            password: None,
            token: None,
            auth_timeout: Duration::ZERO,
            proxy_required: false,
            users: Vec::new(),
            nkeys: Vec::new(),
            no_auth_user: None,
            auth_callout: None,
            proxies: None,
            always_enable_nonce: false,
            accounts: Vec::new(),
            system_account: None,
            no_system_account: false,
            operators: Vec::new(),
            trusted_keys: Vec::new(),
            account_resolver: None,
            resolver_tls: None,
            resolver_preload: Default::default(),
            resolver_pinned_accounts: Default::default(),
            default_sentinel: None,
            jetstream: JetStream::default(),
            store_dir: None,
            default_js_domain: Default::default(),
            cluster: Cluster::default(),
            routes: Vec::new(),
            routes_flag: None,
            gateway: Gateway::default(),
            leafnode: LeafNode::default(),
            websocket: Websocket::default(),
            mqtt: Mqtt::default(),
            tls_flag: false,
            tls_verify_flag: false,
            tls_cert_flag: None,
            tls_key_flag: None,
            tls_ca_cert_flag: None,
            positions: Default::default(),
        }
    }

    /// Gives every option that is not set its default. Doing it twice changes nothing.
    ///
    /// Source: Go `setBaselineOptions`.
    pub fn apply_defaults(&mut self) {
        default_host(&mut self.host);
        if self.http_host.is_empty() {
            self.http_host = self.host.clone();
        }
        if self.port == Port::Unset {
            self.port = Port::Fixed(CLIENT_PORT);
        }
        self.apply_limit_defaults();
        default_duration(&mut self.tls_timeout, TLS_TIMEOUT);
        default_auth_timeout(&mut self.auth_timeout, self.tls.as_ref(), self.tls_timeout);
        let system_account = match &self.system_account {
            Some(name) => Some(name.as_str()),
            None if self.no_system_account => None,
            None => Some(SYSTEM_ACCOUNT),
        };
        self.cluster.apply_defaults(system_account);
        self.leafnode.apply_defaults();
        self.gateway.apply_defaults();
        if self.websocket.port.is_set() {
            default_host(&mut self.websocket.host);
        }
        if self.mqtt.port.is_set() {
            default_host(&mut self.mqtt.host);
            default_duration(&mut self.mqtt.tls_timeout, TLS_TIMEOUT);
        }
        self.jetstream.apply_defaults();
    }

    fn apply_limit_defaults(&mut self) {
        default_number(&mut self.max_connections, 64 * 1024);
        default_duration(&mut self.ping_interval, Duration::from_secs(120));
        default_number(&mut self.ping_max, 2);
        default_number(&mut self.max_control_line, 4096);
        default_number(&mut self.max_payload, 1024 * 1024);
        default_number(&mut self.max_pending, 64 * 1024 * 1024);
        default_duration(&mut self.write_deadline, Duration::from_secs(10));
        default_number(&mut self.max_closed_clients, 10_000);
        default_duration(&mut self.lame_duck_duration, Duration::from_secs(120));
        default_duration(&mut self.lame_duck_grace_period, Duration::from_secs(10));
        default_number(&mut self.connect_error_reports, 3600);
        default_number(&mut self.reconnect_error_reports, 1);
    }
}

impl Cluster {
    fn apply_defaults(&mut self, system_account: Option<&str>) {
        if !self.port.is_set() && self.listen_flag.is_none() {
            return;
        }
        default_host(&mut self.host);
        default_duration(&mut self.tls_timeout, TLS_TIMEOUT);
        default_auth_timeout(&mut self.auth_timeout, self.tls.as_ref(), self.tls_timeout);
        default_number(&mut self.pool_size, 3);
        if self.pool_size > 0
            && let Some(name) = system_account
            && !self.accounts.iter().any(|account| account == name)
        {
            self.accounts.push(name.to_string());
        }
        if self.compression.mode.is_empty() {
            self.compression.mode = "accept".to_string();
        }
    }
}

impl LeafNode {
    fn apply_defaults(&mut self) {
        if self.port.is_set() {
            default_host(&mut self.host);
            default_duration(&mut self.tls_timeout, TLS_TIMEOUT);
            default_auth_timeout(&mut self.auth_timeout, self.tls.as_ref(), self.tls_timeout);
            if self.compression.mode.is_empty() {
                self.compression.mode = "s2_auto".to_string();
            }
        }
        for remote in &mut self.remotes {
            for url in &mut remote.urls {
                if url.port().is_empty() {
                    url.host = format!("{}:{LEAFNODE_PORT}", url.host);
                }
            }
            if remote.compression.mode.is_empty() {
                remote.compression.mode = "s2_auto".to_string();
            }
            default_duration(&mut remote.first_info_timeout, Duration::from_secs(1));
        }
        default_duration(&mut self.reconnect_interval, Duration::from_secs(1));
    }
}

impl Gateway {
    fn apply_defaults(&mut self) {
        if self.port.is_set() {
            default_host(&mut self.host);
            default_duration(&mut self.tls_timeout, TLS_TIMEOUT);
            default_auth_timeout(&mut self.auth_timeout, self.tls.as_ref(), self.tls_timeout);
        }
    }
}

impl JetStream {
    fn apply_defaults(&mut self) {
        if self.max_memory_store == 0 && !self.max_memory_store_set {
            self.max_memory_store = -1;
        }
        if self.max_file_store == 0 && !self.max_file_store_set {
            self.max_file_store = -1;
        }
        if self.sync_interval.is_zero() && !self.sync_set {
            self.sync_interval = SYNC_INTERVAL;
        }
        if self.request_queue_limit <= 0 {
            self.request_queue_limit = 10_000;
        }
        if self.info_queue_limit <= 0 {
            self.info_queue_limit = self.request_queue_limit;
        }
        if self.max_concurrent_io <= 0 {
            self.max_concurrent_io = 4096;
        }
    }
}

fn default_host(host: &mut String) {
    if host.is_empty() {
        *host = HOST.to_string();
    }
}

fn default_number<T: Default + PartialEq>(value: &mut T, default: T) {
    if *value == T::default() {
        *value = default;
    }
}

fn default_duration(value: &mut Duration, default: Duration) {
    default_number(value, default);
}

/// With TLS the handshake counts too, so a client gets a second more than that may take.
fn default_auth_timeout(value: &mut Duration, tls: Option<&Tls>, tls_timeout: Duration) {
    let default = match tls {
        Some(_) => tls_timeout.saturating_add(Duration::from_secs(1)),
        None => AUTH_TIMEOUT,
    };
    default_duration(value, default);
}

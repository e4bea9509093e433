//! What monitoring itself remembers: its own requests, the last look at the processor time, and
//! what it read from certificates when the configuration was put into force.

use super::certificate;
use super::process::Usage;
use natsd_api::Rfc3339;
use natsd_base::{LeveledMutex, Timestamp};
use natsd_config::Options;
use natsd_config::options::Tls;
use std::collections::BTreeMap;

/// Kept by the server for its monitoring.
#[derive(Debug)]
pub(crate) struct MonitorState {
    requests: LeveledMutex<50, BTreeMap<&'static str, u64>>,
    usage: LeveledMutex<50, Usage>,
    certificates: LeveledMutex<50, CertificateEnds>,
}

/// When the certificates of the listeners end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CertificateEnds {
    pub(super) client: Option<Rfc3339>,
    pub(super) cluster: Option<Rfc3339>,
    pub(super) gateway: Option<Rfc3339>,
    pub(super) leafnode: Option<Rfc3339>,
    pub(super) mqtt: Option<Rfc3339>,
    pub(super) websocket: Option<Rfc3339>,
}

impl CertificateEnds {
    fn read(options: &Options) -> CertificateEnds {
        let ends = |tls: &Option<Tls>| tls.as_ref().and_then(certificate::not_after);
        CertificateEnds {
            client: ends(&options.tls),
            cluster: ends(&options.cluster.tls),
            gateway: ends(&options.gateway.tls),
            leafnode: ends(&options.leafnode.tls),
            mqtt: ends(&options.mqtt.tls),
            websocket: ends(&options.websocket.tls),
        }
    }
}

impl MonitorState {
    /// Starts to count. `started` is when the process began.
    pub(crate) fn new(options: &Options, started: Timestamp) -> MonitorState {
        MonitorState {
            requests: LeveledMutex::default(),
            usage: LeveledMutex::new(Usage::new(started)),
            certificates: LeveledMutex::new(CertificateEnds::read(options)),
        }
    }

    /// Reads the certificates of a configuration that is put into force.
    pub(crate) fn reload(&self, options: &Options) {
        let read = CertificateEnds::read(options);
        *self.certificates.lock() = read;
    }

    pub(super) fn certificates(&self) -> CertificateEnds {
        *self.certificates.lock()
    }

    pub(super) fn count_request(&self, path: &'static str) {
        *self.requests.lock().entry(path).or_default() += 1;
    }

    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        let requests = self.requests.lock();
        requests.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
    }

    /// Percent of one core since the last look, and resident bytes.
    pub(super) fn usage(&self, now: Timestamp) -> (f64, u64) {
        self.usage.lock().sample(now)
    }
}

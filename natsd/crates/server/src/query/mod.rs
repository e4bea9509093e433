//! What monitoring and the management API ask of the server: one file per endpoint.
//!
//! Every answer is built from counters and copies; no lock is held when a query returns, so nothing
//! is locked while documents are written.
//!
//! Source: Go `server/monitor.go`.

mod accountz;
mod certificate;
mod connz;
mod healthz;
mod peers;
mod process;
mod state;
mod subsz;
mod varz;

pub(crate) use accountz::figures_of as account_figures;
pub(crate) use certificate::certificate_names;
pub(crate) use state::MonitorState;
pub(crate) use varz::feature_flags;

use crate::server::Server;
use crate::snapshot::VERSION;
use natsd_admin_api::{AdminBackend, Answer, QueryError};
use natsd_api::Float;
use natsd_api::Rfc3339;
use natsd_api::admin::Identity;
use natsd_api::monitor::{
    AccountStatz, AccountStatzOptions, Accountz, AccountzOptions, Connz, ConnzOptions, Expvarz,
    Gatewayz, GatewayzOptions, HealthStatus, HealthzOptions, Ipqueuesz, IpqueueszOptions, JsInfo,
    JszOptions, Leafz, LeafzOptions, Raftz, RaftzOptions, Routez, RoutezOptions, SublistFigures,
    Subsz, SubszOptions, Varz,
};
use natsd_base::{ConnectionId, format_duration};
use natsd_links::{CloseReason, Control};
use natsd_subject::SublistStats;

impl AdminBackend for Server {
    fn count_request(&self, path: &'static str) {
        self.monitor.count_request(path);
    }

    fn varz(&self) -> Varz {
        varz::varz(self)
    }

    fn connz(&self, options: &ConnzOptions) -> Result<Connz, QueryError> {
        connz::connz(self, options)
    }

    fn subsz(&self, options: &SubszOptions) -> Result<Subsz, QueryError> {
        subsz::subsz(self, options)
    }

    fn routez(&self, _options: &RoutezOptions) -> Routez {
        peers::routez(self)
    }

    fn gatewayz(&self, _options: &GatewayzOptions) -> Gatewayz {
        peers::gatewayz(self)
    }

    fn leafz(&self, _options: &LeafzOptions) -> Leafz {
        peers::leafz(self)
    }

    fn accountz(&self, options: &AccountzOptions) -> Result<Accountz, QueryError> {
        accountz::accountz(self, options)
    }

    fn accstatz(&self, options: &AccountStatzOptions) -> AccountStatz {
        accountz::accstatz(self, options)
    }

    fn jsz<'a>(&'a self, options: &'a JszOptions) -> Answer<'a, Result<JsInfo, QueryError>> {
        Box::pin(std::future::ready(peers::jsz(self, options)))
    }

    fn healthz<'a>(&'a self, options: &'a HealthzOptions) -> Answer<'a, HealthStatus> {
        Box::pin(std::future::ready(healthz::healthz(self, options)))
    }

    fn ipqueuesz(&self, options: &IpqueueszOptions) -> Ipqueuesz {
        peers::ipqueuesz(self, options)
    }

    fn raftz<'a>(&'a self, _options: &'a RaftzOptions) -> Answer<'a, Result<Raftz, QueryError>> {
        let none = QueryError::NotFound("No Raft nodes registered".to_owned());
        Box::pin(std::future::ready(Err(none)))
    }

    fn expvarz(&self) -> Expvarz {
        process::expvarz()
    }

    fn stacksz(&self) -> String {
        process::threads()
    }

    fn identity(&self) -> Identity {
        let now = self.clock.now();
        Identity {
            server_id: self.id().to_owned(),
            server_name: self.name().to_owned(),
            product: "natsd".to_owned(),
            product_version: env!("CARGO_PKG_VERSION").to_owned(),
            compatible_version: VERSION.to_owned(),
            client_address: self.client_address.to_string(),
            cluster: self.options().cluster.name.clone().unwrap_or_default(),
            start: Rfc3339(self.started),
            now: Rfc3339(now),
            uptime: format_duration(now - self.started),
        }
    }

    fn close_connection(&self, cid: u64) -> bool {
        self.registry.tell(ConnectionId(cid), Control::Close(CloseReason::Kicked))
    }
}

/// A count as Go's signed numbers have it.
fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// Figures of interest tables as documents show them.
fn figures(stats: &SublistStats) -> SublistFigures {
    SublistFigures {
        num_subscriptions: stats.subscription_count,
        num_cache: stats.cache_count,
        num_inserts: stats.insert_count,
        num_removes: stats.remove_count,
        num_matches: stats.match_count,
        cache_hit_rate: Float(stats.cache_hit_rate()),
        max_fanout: stats.fan_out_max,
        avg_fanout: Float(stats.fan_out_mean()),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;

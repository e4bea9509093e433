//! The documents of the monitoring endpoints and the options to ask for them.
//!
//! Source: Go `server/monitor.go`.

mod accountz;
mod connz;
mod healthz;
mod jsz;
mod peers;
mod raftz;
mod subsz;
mod varz;

pub use accountz::{
    AccountInfo, AccountStat, AccountStatz, AccountStatzOptions, Accountz, AccountzOptions,
    DataStats, ExtExport, ExtImport, ExtVrIssue, Latency, MapDest, MsgBytes, Sampling,
};
pub use connz::{
    ConnInfo, ConnSort, ConnState, Connz, ConnzOptions, ProxyInfo, SubDetail, TlsPeerCert,
};
pub use healthz::{HealthStatus, HealthzError, HealthzErrorKind, HealthzOptions};
pub use jsz::{
    AccountDetail, JsApiStats, JsConfig, JsInfo, JsLimits, JsStats, JszOptions, MetaClusterInfo,
    MetaSnapshotStats, PeerInfo,
};
pub use peers::{
    AccountGatewayz, Gatewayz, GatewayzOptions, LeafInfo, Leafz, LeafzOptions, RemoteGatewayz,
    RouteInfo, Routez, RoutezOptions, SubjectPermission,
};
pub use raftz::{
    Expvarz, IpqStatus, Ipqueuesz, IpqueueszOptions, Raftz, RaftzGroup, RaftzGroupPeer,
    RaftzOptions, WalState,
};
pub use subsz::{SublistFigures, Subsz, SubszOptions};
pub use varz::{
    ClusterVarz, DenyRules, DiskIoWaitStats, GatewayVarz, JetStreamVarz, LeafVarz, MqttVarz,
    OcspCacheVarz, PeerCounts, ProxiesVarz, RemoteGatewayVarz, RemoteLeafVarz, Varz, WebsocketVarz,
};

/// Connections in one answer when the request does not say. Go: `DefaultConnListSize`.
pub const CONNECTIONS_LISTED_DEFAULT: i64 = 1024;
/// Subscriptions in one answer when the request does not say. Go: `DefaultSubListSize`.
pub const SUBSCRIPTIONS_LISTED_DEFAULT: i64 = 1024;

/// The part of a list of `len` elements that `offset` and `limit` ask for. Nothing overflows.
#[must_use]
pub fn page(len: usize, offset: i64, limit: i64) -> std::ops::Range<usize> {
    let clamp = |value: i64| usize::try_from(value.max(0)).unwrap_or(usize::MAX);
    let start = clamp(offset).min(len);
    start..start + clamp(limit).min(len - start)
}

#[cfg(test)]
mod tests;

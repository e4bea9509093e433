//! `/raftz`, `/ipqueuesz` and `/debug/vars`: the inside of the server.
//!
//! Source: Go `server/monitor.go` (`RaftzGroup`, `IpqueueszStatus`), `expvar`.

use crate::json::is_default;
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// RAFT groups by account and name.
pub type Raftz = BTreeMap<String, BTreeMap<String, RaftzGroup>>;

/// Queues by name.
pub type Ipqueuesz = BTreeMap<String, IpqStatus>;

/// What `/raftz` can be asked for.
/// The account; empty is the system account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RaftzOptions {
    pub account: String,
    /// Only that group; empty is all.
    pub group: String,
}

/// One RAFT group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RaftzGroup {
    pub id: String,
    pub state: String,
    pub size: i64,
    pub quorum_needed: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub observer: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub paused: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub overrun: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub overrun_count: u64,
    pub committed: u64,
    pub applied: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub catching_up: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub leader: String,
    #[serde(skip_serializing_if = "is_default")]
    pub leader_since: Option<Rfc3339>,
    pub ever_had_leader: bool,
    pub term: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub voted_for: String,
    pub pterm: u64,
    pub pindex: u64,
    pub system_account: bool,
    pub traffic_account: String,
    pub ipq_proposal_len: i64,
    pub ipq_entry_len: i64,
    pub ipq_resp_len: i64,
    pub ipq_apply_len: i64,
    pub wal: WalState,
    #[serde(skip_serializing_if = "is_default")]
    pub wal_error: String,
    pub peers: BTreeMap<String, RaftzGroupPeer>,
}

/// State of a RAFT log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WalState {
    pub messages: u64,
    pub bytes: u64,
    pub first_seq: u64,
    pub first_ts: Rfc3339,
    pub last_seq: u64,
    pub last_ts: Rfc3339,
    pub consumer_count: i64,
}

/// Another member of a RAFT group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RaftzGroupPeer {
    pub name: String,
    pub known: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub last_replicated_index: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub last_seen: String,
}

/// What `/ipqueuesz` can be asked for.
/// Empty queues too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpqueueszOptions {
    pub all: bool,
    /// Only queues with this in their name.
    pub filter: String,
}

/// One queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpqStatus {
    pub pending: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub in_progress: i64,
}

/// `/debug/vars`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expvarz {
    pub cmdline: Vec<String>,
    /// Figures of the allocator, as far as there are any.
    pub memstats: BTreeMap<String, u64>,
}

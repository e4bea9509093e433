//! `/subsz`: subscriptions and the figures of the interest tables.
//!
//! Source: Go `server/monitor.go` (`Subsz`), `server/sublist.go` (`SublistStats`).

use super::connz::SubDetail;
use crate::json::{Float, is_default};
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};

/// What `/subsz` can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubszOptions {
    pub offset: i64,
    /// 0 is the default.
    pub limit: i64,
    pub subscriptions: bool,
    /// Only that account; empty is all.
    #[serde(skip_serializing_if = "is_default")]
    pub account: String,
    /// Only subscriptions that this literal subject would reach; empty is all.
    #[serde(skip_serializing_if = "is_default")]
    pub test: String,
}

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subsz {
    pub server_id: String,
    pub now: Rfc3339,
    #[serde(flatten)]
    pub figures: SublistFigures,
    /// Subscriptions that fit the request, when they were asked for.
    pub total: i64,
    pub offset: i64,
    pub limit: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub subscriptions_list: Vec<SubDetail>,
}

/// Figures of one interest table, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SublistFigures {
    pub num_subscriptions: u32,
    pub num_cache: u32,
    pub num_inserts: u64,
    pub num_removes: u64,
    pub num_matches: u64,
    pub cache_hit_rate: Float,
    pub max_fanout: u32,
    pub avg_fanout: Float,
}

//! What the HTTP layer needs of a server.

use axum::http::StatusCode;
use natsd_api::admin::Identity;
use natsd_api::monitor::{
    AccountStatz, AccountStatzOptions, Accountz, AccountzOptions, Connz, ConnzOptions, Expvarz,
    Gatewayz, GatewayzOptions, HealthStatus, HealthzOptions, Ipqueuesz, IpqueueszOptions, JsInfo,
    JszOptions, Leafz, LeafzOptions, Raftz, RaftzOptions, Routez, RoutezOptions, Subsz,
    SubszOptions, Varz,
};
use std::future::Future;
use std::pin::Pin;

/// An answer that has to be waited for, because shards have to be asked.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a query has no document as its answer. The text is Go's and goes to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
}

impl QueryError {
    /// The HTTP status of it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            QueryError::BadRequest(_) => StatusCode::BAD_REQUEST,
            QueryError::NotFound(_) => StatusCode::NOT_FOUND,
        }
    }
}

/// A server, as seen over HTTP.
///
/// The synchronous calls read counters and snapshots and return at once; no lock is held when they
/// have returned.
pub trait AdminBackend: Send + Sync + 'static {
    /// Counts a monitoring request, by the path of its endpoint without base path.
    fn count_request(&self, path: &'static str);

    /// `/varz`
    fn varz(&self) -> Varz;

    /// `/connz`
    ///
    /// # Errors
    /// When the order asked for does not go with the state.
    fn connz(&self, options: &ConnzOptions) -> Result<Connz, QueryError>;

    /// `/subsz`
    ///
    /// # Errors
    /// When the subject to test is no literal subject.
    fn subsz(&self, options: &SubszOptions) -> Result<Subsz, QueryError>;

    /// `/routez`
    fn routez(&self, options: &RoutezOptions) -> Routez;

    /// `/gatewayz`
    fn gatewayz(&self, options: &GatewayzOptions) -> Gatewayz;

    /// `/leafz`
    fn leafz(&self, options: &LeafzOptions) -> Leafz;

    /// `/accountz`
    ///
    /// # Errors
    /// When there is no such account.
    fn accountz(&self, options: &AccountzOptions) -> Result<Accountz, QueryError>;

    /// `/accstatz`
    fn accstatz(&self, options: &AccountStatzOptions) -> AccountStatz;

    /// `/jsz`
    ///
    /// The answer is an error when the account is not known, or when only the leader shall answer
    /// and this server is not it.
    fn jsz<'a>(&'a self, options: &'a JszOptions) -> Answer<'a, Result<JsInfo, QueryError>>;

    /// `/healthz`. The answer has its status code set.
    fn healthz<'a>(&'a self, options: &'a HealthzOptions) -> Answer<'a, HealthStatus>;

    /// `/ipqueuesz`
    fn ipqueuesz(&self, options: &IpqueueszOptions) -> Ipqueuesz;

    /// `/raftz`
    ///
    /// The answer is an error when there are no groups.
    fn raftz<'a>(&'a self, options: &'a RaftzOptions) -> Answer<'a, Result<Raftz, QueryError>>;

    /// `/debug/vars`
    fn expvarz(&self) -> Expvarz;

    /// `/stacksz`: what the threads do, as text.
    fn stacksz(&self) -> String;

    /// Which server this is.
    fn identity(&self) -> Identity;

    /// Closes the connection of that number. False when there is no such open connection.
    fn close_connection(&self, cid: u64) -> bool;
}

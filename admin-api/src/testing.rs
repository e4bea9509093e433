//! A backend without a server, for tests of routers.

use crate::{AdminBackend, Answer, QueryError};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use natsd_api::admin::Identity;
use natsd_api::monitor::{
    AccountStatz, AccountStatzOptions, Accountz, AccountzOptions, ConnInfo, ConnSort, Connz,
    ConnzOptions, Expvarz, Gatewayz, GatewayzOptions, HealthStatus, HealthzOptions, IpqStatus,
    Ipqueuesz, IpqueueszOptions, JsInfo, JszOptions, Leafz, LeafzOptions, Raftz, RaftzOptions,
    Routez, RoutezOptions, Subsz, SubszOptions, Varz,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// Answers with documents that show what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    requests: Mutex<BTreeMap<String, u64>>,
    /// The last options, as text.
    pub(crate) asked: Mutex<String>,
    /// Connections that were closed.
    pub(crate) closed: Mutex<Vec<u64>>,
}

impl Fake {
    fn note(&self, options: &impl std::fmt::Debug) {
        *self.asked.lock().expect("no test panics here") = format!("{options:?}");
    }
}

impl AdminBackend for Fake {
    fn count_request(&self, path: &'static str) {
        let mut requests = self.requests.lock().expect("no test panics here");
        *requests.entry(path.to_owned()).or_default() += 1;
    }

    fn varz(&self) -> Varz {
        let http_req_stats = self.requests.lock().expect("no test panics here").clone();
        Varz { server_id: "N<1>".into(), http_req_stats, ..Varz::default() }
    }

    fn connz(&self, options: &ConnzOptions) -> Result<Connz, QueryError> {
        self.note(options);
        if options.sort == ConnSort::Stop {
            return Err(QueryError::BadRequest("not on open connections".into()));
        }
        let all = [1, 2].map(|cid| ConnInfo { cid, ..ConnInfo::default() });
        let found = all.into_iter().filter(|one| options.cid == 0 || one.cid == options.cid);
        Ok(Connz { total: 2, connections: Some(found.collect()), ..Connz::default() })
    }

    fn subsz(&self, options: &SubszOptions) -> Result<Subsz, QueryError> {
        self.note(options);
        Ok(Subsz::default())
    }

    fn routez(&self, options: &RoutezOptions) -> Routez {
        self.note(options);
        Routez::default()
    }

    fn gatewayz(&self, options: &GatewayzOptions) -> Gatewayz {
        self.note(options);
        Gatewayz::default()
    }

    fn leafz(&self, options: &LeafzOptions) -> Leafz {
        self.note(options);
        Leafz::default()
    }

    fn accountz(&self, options: &AccountzOptions) -> Result<Accountz, QueryError> {
        self.note(options);
        match options.account.as_str() {
            "none" => Err(QueryError::BadRequest("Account none does not exist".into())),
            _ => Ok(Accountz::default()),
        }
    }

    fn accstatz(&self, options: &AccountStatzOptions) -> AccountStatz {
        self.note(options);
        AccountStatz::default()
    }

    fn jsz<'a>(&'a self, options: &'a JszOptions) -> Answer<'a, Result<JsInfo, QueryError>> {
        self.note(options);
        Box::pin(async { Ok(JsInfo::default()) })
    }

    fn healthz<'a>(&'a self, options: &'a HealthzOptions) -> Answer<'a, HealthStatus> {
        self.note(options);
        let (status, status_code) =
            if options.js_enabled_only { ("unavailable", 503) } else { ("ok", 200) };
        let health = HealthStatus { status: status.into(), status_code, ..HealthStatus::default() };
        Box::pin(async { health })
    }

    fn ipqueuesz(&self, options: &IpqueueszOptions) -> Ipqueuesz {
        self.note(options);
        [("q".to_owned(), IpqStatus { pending: 1, in_progress: 0 })].into()
    }

    fn raftz<'a>(&'a self, options: &'a RaftzOptions) -> Answer<'a, Result<Raftz, QueryError>> {
        self.note(options);
        Box::pin(async { Err(QueryError::NotFound("No Raft nodes registered".into())) })
    }

    fn expvarz(&self) -> Expvarz {
        let cmdline = vec!["natsd".into(), "-m".into()];
        Expvarz { cmdline, memstats: [("Sys".to_owned(), 1)].into() }
    }

    fn stacksz(&self) -> String {
        "thread 1 [natsd]: running\n".into()
    }

    fn identity(&self) -> Identity {
        Identity {
            server_name: "n\u{e4}me <x>".into(),
            product: "natsd".into(),
            ..Identity::default()
        }
    }

    fn close_connection(&self, cid: u64) -> bool {
        self.closed.lock().expect("no test panics here").push(cid);
        cid == 1
    }
}

/// What a router answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Asks a router without a network.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Reply {
    let Ok(response) = router.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body in memory").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("UTF-8");
    Reply { status: parts.status, headers: parts.headers, body }
}

pub(crate) fn fake() -> Arc<Fake> {
    Arc::default()
}

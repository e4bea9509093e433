//! `/healthz`
//!
//! Source: Go `server/monitor.go` (`healthz`), `server/server.go` (`readyForConnections`).

use crate::server::Server;
use natsd_api::monitor::{HealthStatus, HealthzError, HealthzErrorKind, HealthzOptions};

/// Go's error for a server without JetStream.
const JETSTREAM_NOT_ENABLED: &str = "JetStream not enabled (10076)";

/// A finding, with the HTTP status and the word that go with it.
struct Finding {
    status_code: u16,
    status: &'static str,
    kind: HealthzErrorKind,
    error: String,
}

pub(super) fn healthz(server: &Server, options: &HealthzOptions) -> HealthStatus {
    let Some(finding) = find(server, options) else {
        return HealthStatus {
            status: "ok".to_owned(),
            status_code: 200,
            ..HealthStatus::default()
        };
    };
    let Finding { status_code, status, kind, error } = finding;
    if options.details {
        let errors = vec![HealthzError { kind, error, ..HealthzError::default() }];
        let status = "error".to_owned();
        return HealthStatus { status, status_code, errors, ..HealthStatus::default() };
    }
    HealthStatus { status: status.to_owned(), status_code, error, ..HealthStatus::default() }
}

/// The first thing that is wrong.
fn find(server: &Server, options: &HealthzOptions) -> Option<Finding> {
    for (missing, given, name, what) in [
        (&options.account, &options.stream, "account", "stream"),
        (&options.stream, &options.consumer, "stream", "consumer"),
    ] {
        if missing.is_empty() && !given.is_empty() {
            return Some(Finding {
                status_code: 400,
                status: "error",
                kind: HealthzErrorKind::BadRequest,
                error: format!("\"{name}\" must not be empty when checking {what} health"),
            });
        }
    }
    if !server.is_accepting() {
        return Some(Finding {
            status_code: 500,
            status: "error",
            kind: HealthzErrorKind::Connection,
            error: "failed to be ready for connections after 1ms: server".to_owned(),
        });
    }
    // This server has no JetStream: where the configuration wants it, that is not healthy.
    let wanted = server.options().jetstream.enabled && !options.js_server_only;
    wanted.then(|| Finding {
        status_code: 503,
        status: "unavailable",
        kind: HealthzErrorKind::JetStream,
        error: JETSTREAM_NOT_ENABLED.to_owned(),
    })
}

//! `/routez`, `/gatewayz`, `/leafz`, `/jsz` and `/ipqueuesz` of a server that stands alone.
//!
//! Source: Go `server/monitor.go` (`Routez`, `Gatewayz`, `Leafz`, `Jsz`, `Ipqueuesz`).

use super::signed;
use super::varz::port;
use crate::server::{PASSWORD_CHECKS_MAX, Server};
use natsd_admin_api::QueryError;
use natsd_api::Rfc3339;
use natsd_api::monitor::{
    Gatewayz, IpqStatus, Ipqueuesz, IpqueueszOptions, JsInfo, JszOptions, Leafz, Routez,
    SubjectPermission,
};
use natsd_config::options;

pub(super) fn routez(server: &Server) -> Routez {
    let options = server.options();
    let permissions = options.cluster.permissions.as_ref();
    let permission = |one: Option<&options::SubjectPermission>| {
        one.map(|one| SubjectPermission {
            allow: one.allow.clone().unwrap_or_default(),
            deny: one.deny.clone(),
        })
    };
    Routez {
        server_id: server.id().to_owned(),
        server_name: server.name().to_owned(),
        now: Rfc3339(server.clock.now()),
        import: permission(permissions.and_then(|both| both.import.as_ref())),
        export: permission(permissions.and_then(|both| both.export.as_ref())),
        ..Routez::default()
    }
}

pub(super) fn gatewayz(server: &Server) -> Gatewayz {
    let options = server.options();
    let gateway = &options.gateway;
    let named = gateway.name.is_some();
    Gatewayz {
        server_id: server.id().to_owned(),
        now: Rfc3339(server.clock.now()),
        name: gateway.name.clone().unwrap_or_default(),
        host: if named { gateway.host.clone() } else { String::new() },
        port: if named { port(gateway.port) } else { 0 },
        ..Gatewayz::default()
    }
}

pub(super) fn leafz(server: &Server) -> Leafz {
    Leafz {
        server_id: server.id().to_owned(),
        now: Rfc3339(server.clock.now()),
        ..Leafz::default()
    }
}

/// The document of a server without JetStream. Such a server leads nothing.
pub(super) fn jsz(server: &Server, options: &JszOptions) -> Result<JsInfo, QueryError> {
    if options.leader_only {
        return Err(QueryError::BadRequest("filtered response: not leader".to_owned()));
    }
    Ok(JsInfo {
        server_id: server.id().to_owned(),
        now: Rfc3339(server.clock.now()),
        disabled: true,
        ..JsInfo::default()
    })
}

/// The queues that belong to no connection; those of connections are shown by `/connz`.
pub(super) fn ipqueuesz(server: &Server, options: &IpqueueszOptions) -> Ipqueuesz {
    let running = PASSWORD_CHECKS_MAX - server.password_checks.available_permits();
    let checks = IpqStatus { pending: 0, in_progress: signed(running) };
    [("Password checks", checks)]
        .into_iter()
        .filter(|(name, queue)| {
            let is_empty = queue.pending == 0 && queue.in_progress == 0;
            (options.all || !is_empty) && name.contains(&options.filter)
        })
        .map(|(name, queue)| (name.to_owned(), queue))
        .collect()
}

//! `/routez`, `/gatewayz`, `/leafz`, `/jsz` and `/ipqueuesz` of a server that stands alone.
//!
//! Source: Go `server/monitor.go` (`Routez`, `Gatewayz`, `Leafz`, `Jsz`, `Ipqueuesz`).

use super::varz::port;
use crate::server::Server;
use natsd_api::Rfc3339;
use natsd_api::monitor::{
    Gatewayz, Ipqueuesz, IpqueueszOptions, JsInfo, Leafz, Routez, SubjectPermission,
};
use natsd_config::options;

pub(super) fn routez(server: &Server) -> Routez {
    let permissions = server.options.cluster.permissions.as_ref();
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
    let gateway = &server.options.gateway;
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

/// The document of a server without JetStream.
pub(super) fn jsz(server: &Server) -> JsInfo {
    JsInfo {
        server_id: server.id().to_owned(),
        now: Rfc3339(server.clock.now()),
        disabled: true,
        ..JsInfo::default()
    }
}

/// Our queues belong to connections and are shown by `/connz`; there are no others.
pub(super) fn ipqueuesz(_options: &IpqueueszOptions) -> Ipqueuesz {
    Ipqueuesz::new()
}

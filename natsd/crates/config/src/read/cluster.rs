//! The `cluster` and `gateway` blocks.
//!
//! Source: Go `server/opts.go` (`parseCluster`, `parseGateway`, `parseGateways`).

use std::time::Duration;

use super::auth::{Authorization, check_permission_subjects};
use super::links::url;
use super::tls::TlsUse;
use super::{Field, Outcome, Reader, listen, write_timeout};
use crate::language::Token;
use crate::options::{Gateway, Options, Permissions, RemoteGateway, RoutePermissions};

/// Go: `routeMaxPingInterval`.
const ROUTE_PING_INTERVAL_MAX: Duration = Duration::from_secs(30);

impl Reader<'_> {
    pub(crate) fn cluster(&mut self, token: &Token, options: &mut Options) -> Outcome {
        let map = token.map_or(|kind| format!("Expected map to define cluster, got {kind}"))?;
        // Permissions of the block win over those inside its `authorization`.
        let mut permissions = None;
        self.fields(&map, |reader, field| reader.cluster_field(&field, options, &mut permissions));
        if permissions.is_some() {
            options.cluster.permissions = permissions;
        }
        Ok(())
    }

    fn cluster_field(
        &mut self,
        field: &Field<'_>,
        options: &mut Options,
        permissions: &mut Option<RoutePermissions>,
    ) -> Outcome {
        let token = field.token;
        let cluster = &mut options.cluster;
        match field.name {
            "name" => {
                let name = token.text()?;
                if name.as_deref().is_some_and(|name| name.contains(' ')) {
                    return field.fail("cluster name cannot contain spaces");
                }
                cluster.name = name;
            }
            "listen" => {
                let listen = listen(token)?;
                (cluster.host, cluster.port) = (listen.host, listen.port);
            }
            "port" => cluster.port = token.port()?,
            "host" | "net" => cluster.host = token.string()?,
            "authorization" => return self.cluster_authorization(field, options),
            "routes" => options.routes = self.urls(token.array()?, "route"),
            "tls" => {
                if let Some(tls) = self.tls(token, TlsUse::Peer)? {
                    cluster.tls_timeout = tls.timeout;
                    cluster.tls = Some(tls);
                }
            }
            "cluster_advertise" | "advertise" => cluster.advertise = token.text()?,
            "no_advertise" => cluster.no_advertise = token.boolean()?,
            "connect_retries" => cluster.connect_retries = token.integer()?,
            "connect_backoff" => cluster.connect_backoff = token.boolean()?,
            "permissions" => {
                let given = self.permissions(token)?;
                if given.responses.is_some() {
                    return field.fail("Cluster permissions do not support dynamic responses");
                }
                *permissions = Some(route_permissions(token, given)?);
            }
            "pool_size" => cluster.pool_size = token.integer()?,
            "accounts" => cluster.accounts = self.string_array("accounts", token)?,
            "compression" => cluster.compression = self.compression(field, "s2_fast")?,
            "ping_interval" => {
                cluster.ping_interval = self.duration("ping_interval", field)?;
                if cluster.ping_interval > ROUTE_PING_INTERVAL_MAX {
                    self.warn(
                        token,
                        "Cluster 'ping_interval' will reset to 30s which is the max for routes",
                    );
                }
            }
            "ping_max" => cluster.ping_max = token.integer()?,
            "write_deadline" => cluster.write_deadline = self.duration("write_deadline", field)?,
            "write_timeout" => cluster.write_timeout = write_timeout(field)?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn cluster_authorization(&mut self, field: &Field<'_>, options: &mut Options) -> Outcome {
        let authorization = self.authorization(field.token)?;
        check_peer_authorization(field, &authorization, "Cluster")?;
        let cluster = &mut options.cluster;
        cluster.username = authorization.username;
        cluster.password = authorization.password;
        cluster.auth_timeout = authorization.timeout;
        if let Some(permissions) = authorization.default_permissions {
            cluster.permissions = Some(route_permissions(field.token, permissions)?);
            let reason = "setting \"permissions\" within cluster authorization block is deprecated";
            self.warn_use(field, field.key, reason);
        }
        Ok(())
    }

    pub(crate) fn gateway(&mut self, token: &Token, options: &mut Options) -> Outcome {
        let map = token.map_or(|kind| format!("Expected gateway to be a map, got {kind}"))?;
        self.fields(&map, |reader, field| reader.gateway_field(&field, &mut options.gateway));
        Ok(())
    }

    fn gateway_field(&mut self, field: &Field<'_>, gateway: &mut Gateway) -> Outcome {
        let token = field.token;
        match field.name {
            "name" => {
                let name = token.text()?;
                if name.as_deref().is_some_and(|name| name.contains(' ')) {
                    return field.fail("gateway name cannot contain spaces");
                }
                gateway.name = name;
            }
            "listen" => {
                let listen = listen(token)?;
                (gateway.host, gateway.port) = (listen.host, listen.port);
            }
            "port" => gateway.port = token.port()?,
            "host" | "net" => gateway.host = token.string()?,
            "authorization" => {
                let authorization = self.authorization(token)?;
                check_peer_authorization(field, &authorization, "Gateway")?;
                gateway.username = authorization.username;
                gateway.password = authorization.password;
                gateway.auth_timeout = authorization.timeout;
            }
            "tls" => {
                if let Some(tls) = self.tls(token, TlsUse::Peer)? {
                    gateway.tls_timeout = tls.timeout;
                    gateway.tls = Some(tls);
                }
            }
            "advertise" => gateway.advertise = token.text()?,
            "connect_retries" => gateway.connect_retries = token.integer()?,
            "connect_backoff" => gateway.connect_backoff = token.boolean()?,
            "gateways" => gateway.gateways = self.remote_gateways(token)?,
            "reject_unknown" | "reject_unknown_cluster" => {
                gateway.reject_unknown = token.boolean()?;
            }
            "write_deadline" => gateway.write_deadline = self.duration("write_deadline", field)?,
            "write_timeout" => gateway.write_timeout = write_timeout(field)?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn remote_gateways(&mut self, token: &Token) -> Outcome<Vec<RemoteGateway>> {
        let items =
            token.array_or(|kind| format!("Expected gateways field to be an array, got {kind}"))?;
        let mut gateways = Vec::new();
        for item in items {
            let map = item.map_or(|_| {
                format!("Expected gateway entry to be a map/struct, got {}", item.value)
            });
            let Some(map) = self.keep(map) else { continue };
            let mut gateway = RemoteGateway::default();
            self.fields(&map, |reader, field| {
                match field.name {
                    "name" => gateway.name = field.token.string()?,
                    "tls" => {
                        if let Some(tls) = reader.tls(field.token, TlsUse::Peer)? {
                            gateway.tls_timeout = tls.timeout;
                            gateway.tls = Some(tls);
                        }
                    }
                    "url" => {
                        gateway.urls.push(url(field.token, &field.token.string()?, "gateway")?);
                    }
                    "urls" => gateway.urls = reader.urls(field.token.array()?, "gateway"),
                    _ => return field.unknown(),
                }
                Ok(())
            });
            gateways.push(gateway);
        }
        Ok(gateways)
    }
}

fn check_peer_authorization(
    field: &Field<'_>,
    authorization: &Authorization,
    kind: &str,
) -> Outcome {
    let reason = if authorization.has_users {
        "allow multiple users"
    } else if authorization.token.is_some() {
        "support tokens"
    } else if authorization.callout.is_some() {
        "support callouts"
    } else {
        return Ok(());
    };
    field.fail(format!("{kind} authorization does not {reason}"))
}

fn route_permissions(token: &Token, permissions: Permissions) -> Outcome<RoutePermissions> {
    let permissions =
        RoutePermissions { import: permissions.publish, export: permissions.subscribe };
    check_route_permissions(&permissions).map_err(|message| token.fail(message))?;
    Ok(permissions)
}

/// Source: Go `checkClusterPermissionSubjects`.
pub(crate) fn check_route_permissions(permissions: &RoutePermissions) -> Result<(), String> {
    for (direction, permission) in
        [("import", &permissions.import), ("export", &permissions.export)]
    {
        let Some(permission) = permission else { continue };
        let allow = permission.allow.as_deref().unwrap_or_default();
        for (list, subjects) in [("allow", allow), ("deny", permission.deny.as_slice())] {
            check_permission_subjects(subjects, false)
                .map_err(|message| format!("cluster {direction} {list}: {message}"))?;
        }
    }
    Ok(())
}

//! The `websocket`, `mqtt` and `admin` blocks.
//!
//! Source: Go `server/opts.go` (`parseWebsocket`, `parseMQTT`, `parseSimpleAuth`). `admin` is ours.

use std::time::Duration;

use super::tls::TlsUse;
use super::{Field, Outcome, Reader, listen, seconds};
use crate::duration;
use crate::language::{Token, Value};
use crate::options::{Admin, Mqtt, Websocket};

/// One user, or a token.
#[derive(Default)]
struct SimpleAuthorization {
    username: Option<String>,
    password: Option<String>,
    token: Option<String>,
    timeout: Duration,
}

impl Reader<'_> {
    pub(crate) fn websocket(&mut self, token: &Token, websocket: &mut Websocket) -> Outcome {
        let map = token.map_or(|kind| format!("Expected websocket to be a map, got {kind}"))?;
        self.fields(&map, |reader, field| reader.websocket_field(&field, websocket));
        Ok(())
    }

    fn websocket_field(&mut self, field: &Field<'_>, websocket: &mut Websocket) -> Outcome {
        let token = field.token;
        match field.name {
            "listen" => {
                let listen = listen(token)?;
                (websocket.host, websocket.port) = (listen.host, listen.port);
            }
            "port" => websocket.port = token.port()?,
            "host" | "net" => websocket.host = token.string()?,
            "advertise" => websocket.advertise = token.text()?,
            "no_tls" => websocket.no_tls = token.boolean()?,
            "tls" => {
                if let Some(tls) = self.tls(token, TlsUse::Other)? {
                    websocket.tls = Some(tls);
                }
            }
            "same_origin" => websocket.same_origin = token.boolean()?,
            "allowed_origins" | "allowed_origin" | "allow_origins" | "allow_origin" | "origins"
            | "origin" => {
                websocket.allowed_origins = self.string_array("allowed origins", token)?;
            }
            "handshake_timeout" => websocket.handshake_timeout = handshake_timeout(field)?,
            "compress" | "compression" => websocket.compression = token.boolean()?,
            "authorization" | "authentication" => {
                let authorization = self.simple_authorization(token)?;
                websocket.username = authorization.username;
                websocket.password = authorization.password;
                websocket.token = authorization.token;
                websocket.auth_timeout = authorization.timeout;
            }
            "jwt_cookie" => websocket.jwt_cookie = token.text()?,
            "user_cookie" => websocket.user_cookie = token.text()?,
            "pass_cookie" => websocket.pass_cookie = token.text()?,
            "token_cookie" => websocket.token_cookie = token.text()?,
            "no_auth_user" => websocket.no_auth_user = token.text()?,
            "headers" => return self.websocket_headers(token, websocket),
            "ping_interval" => websocket.ping_interval = self.duration("ping_interval", field)?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn websocket_headers(&mut self, token: &Token, websocket: &mut Websocket) -> Outcome {
        let map = token.map_or(|kind| format!("error parsing headers: unsupported type {kind}"))?;
        for (key, value) in map.iter() {
            let text = value.string().map_err(|_| {
                value.fail(format!(
                    "error parsing header key {key}: unsupported type {}",
                    value.type_name()
                ))
            });
            if let Some(text) = self.keep(text) {
                websocket.headers.insert(key.to_string(), text);
            }
        }
        Ok(())
    }

    pub(crate) fn mqtt(&mut self, token: &Token, mqtt: &mut Mqtt) -> Outcome {
        let map = token.map_or(|kind| format!("Expected mqtt to be a map, got {kind}"))?;
        self.fields(&map, |reader, field| reader.mqtt_field(&field, mqtt));
        Ok(())
    }

    fn mqtt_field(&mut self, field: &Field<'_>, mqtt: &mut Mqtt) -> Outcome {
        let token = field.token;
        match field.name {
            "listen" => {
                let listen = listen(token)?;
                (mqtt.host, mqtt.port) = (listen.host, listen.port);
            }
            "port" => mqtt.port = token.port()?,
            "host" | "net" => mqtt.host = token.string()?,
            "tls" => {
                if let Some(tls) = self.tls(token, TlsUse::Other)? {
                    mqtt.tls_timeout = tls.timeout;
                    mqtt.tls = Some(tls);
                }
            }
            "authorization" | "authentication" => {
                let authorization = self.simple_authorization(token)?;
                mqtt.username = authorization.username;
                mqtt.password = authorization.password;
                mqtt.token = authorization.token;
                mqtt.auth_timeout = authorization.timeout;
            }
            "no_auth_user" => mqtt.no_auth_user = token.text()?,
            "ack_wait" | "ackwait" => {
                mqtt.ack_wait = self.mqtt_time("ack_wait", "ack wait", field)?;
            }
            "js_api_timeout" | "api_timeout" => {
                mqtt.js_api_timeout = self.mqtt_time("js_api_timeout", "JS API timeout", field)?;
            }
            "max_ack_pending" | "max_pending" | "max_inflight" => {
                let number = token.integer()?;
                mqtt.max_ack_pending = u16::try_from(number).or_else(|_| {
                    field.fail(format!("invalid value {number}, should in [0..65535] range"))
                })?;
            }
            "js_domain" => mqtt.js_domain = token.text()?,
            "stream_replicas" => mqtt.stream_replicas = token.integer()?,
            "consumer_replicas" => {
                let reason = "consumer replicas setting ignored in this server version";
                self.warn_use(field, field.key, reason);
            }
            "consumer_memory_storage" => mqtt.consumer_memory_storage = token.boolean()?,
            "consumer_inactive_threshold" | "consumer_auto_cleanup" => {
                mqtt.consumer_inactive_threshold =
                    self.duration("consumer_inactive_threshold", field)?;
            }
            "reject_qos2_publish" => mqtt.reject_qos2_publish = token.boolean()?,
            "downgrade_qos2_subscribe" => mqtt.downgrade_qos2_subscribe = token.boolean()?,
            _ => return field.unknown(),
        }
        Ok(())
    }

    fn mqtt_time(&mut self, name: &str, title: &str, field: &Field<'_>) -> Outcome<Duration> {
        match self.signed_duration(name, field)?.to_duration() {
            Some(duration) => Ok(duration),
            None => field.fail(format!("{title} must be a positive value")),
        }
    }

    fn simple_authorization(&mut self, token: &Token) -> Outcome<SimpleAuthorization> {
        let map = token.map()?;
        let mut authorization = SimpleAuthorization::default();
        self.fields(&map, |_, field| {
            match field.name {
                "user" | "username" => authorization.username = field.token.text()?,
                "pass" | "password" => authorization.password = field.token.text()?,
                "token" => authorization.token = field.token.text()?,
                "timeout" => authorization.timeout = simple_timeout(&field)?,
                _ => return field.unknown(),
            }
            Ok(())
        });
        Ok(authorization)
    }

    /// The block `admin`, which only natsd has.
    pub(crate) fn admin(&mut self, token: &Token, admin: &mut Admin) -> Outcome {
        let map = token.map_or(|kind| format!("Expected admin to be a map, got {kind}"))?;
        self.fields(&map, |_, field| {
            match field.name {
                "listen" => {
                    let listen = listen(field.token)?;
                    (admin.host, admin.port) = (listen.host, listen.port);
                }
                "port" => admin.port = field.token.port()?,
                "host" | "net" => admin.host = field.token.string()?,
                "disabled" | "disable" => admin.disabled = field.token.boolean()?,
                "enabled" | "enable" => admin.disabled = !field.token.boolean()?,
                "token" => admin.token = field.token.text()?,
                _ => return field.unknown(),
            }
            Ok(())
        });
        Ok(())
    }
}

fn handshake_timeout(field: &Field<'_>) -> Outcome<Duration> {
    let value = match &field.token.value {
        Value::Integer(number) => duration::Nanoseconds::from_seconds(*number),
        Value::String(text) => {
            duration::parse(text).map_err(|message| field.token.fail(message))?
        }
        other => {
            return field.fail(format!(
                "error parsing handshake timeout: unsupported type {}",
                other.type_name()
            ));
        }
    };
    match value.to_duration() {
        Some(timeout) => Ok(timeout),
        None => field.fail("error parsing handshake timeout: it can not be negative"),
    }
}

/// Seconds. Differs from Go, which takes one second for a value of another type; ours may be a
/// duration, and anything else is an error.
fn simple_timeout(field: &Field<'_>) -> Outcome<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "seconds that large are for ever either way")]
    match &field.token.value {
        Value::Integer(number) => Ok(seconds(*number as f64)),
        Value::Float(number) => Ok(seconds(*number)),
        Value::String(text) => match duration::parse(text) {
            Ok(value) => Ok(value.to_duration().unwrap_or_default()),
            Err(message) => field.fail(format!("error parsing timeout: {message}")),
        },
        other => {
            field.fail(format!("error parsing timeout: unsupported type {}", other.type_name()))
        }
    }
}

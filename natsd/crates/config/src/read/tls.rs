//! `tls` blocks, `ocsp` and `ocsp_cache`.
//!
//! Source: Go `server/opts.go` (`parseTLS`, `GenTLSConfig`), `server/ocsp_peer.go`,
//! `server/ocsp_responsecache.go`, `server/certstore/`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Field, Outcome, Reader, seconds};
use crate::duration;
use crate::error::{ConfigError, describe_read};
use crate::language::{Token, Value};
use crate::options::{
    CertificatePair, CipherSuite, CurvePreference, HandshakeFirst, Ocsp, OcspCache, OcspCacheKind,
    OcspMode, OcspPeer, Tls, TlsVersion,
};
use crate::quote::quote;
use crate::source::Source;

/// Wait for a handshake before INFO is sent after all. Go:
/// `DEFAULT_TLS_HANDSHAKE_FIRST_FALLBACK_DELAY`.
const FALLBACK_DELAY: Duration = Duration::from_millis(50);

/// Who uses a `tls` block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsUse {
    /// Clients, leaf nodes, websocket, MQTT, the resolver.
    Other,
    /// Routes and gateways, where `verify_cert_and_check_known_urls` has a meaning.
    Peer,
}

impl Reader<'_> {
    /// A `tls` block. None after errors, which are remembered.
    pub(crate) fn tls(&mut self, token: &Token, usage: TlsUse) -> Outcome<Option<Tls>> {
        let map = token.map()?;
        let errors = self.errors.len();
        let mut tls = Tls::default();
        self.fields(&map, |reader, field| reader.tls_field(&field, &mut tls, usage));
        if self.errors.len() > errors {
            return Ok(None);
        }
        check(token, &tls)?;
        check_files(self.source, &tls).map_err(|message| token.fail(message))?;
        Ok(Some(tls))
    }

    fn tls_field(&mut self, field: &Field<'_>, tls: &mut Tls, usage: TlsUse) -> Outcome {
        match field.name {
            "cert_file" => tls.cert_file = filename(field, "cert_file")?,
            "key_file" => tls.key_file = filename(field, "key_file")?,
            "ca_file" => tls.ca_file = filename(field, "ca_file")?,
            "insecure" => tls.insecure = boolean(field)?,
            // Never taken back: `verify_and_map` implies it, whichever comes first.
            "verify" => tls.verify |= boolean(field)?,
            "verify_and_map" => {
                tls.verify_and_map = boolean(field)?;
                tls.verify |= tls.verify_and_map;
            }
            "verify_cert_and_check_known_urls" => {
                let verify = boolean(field)?;
                if verify && usage == TlsUse::Other {
                    return field
                        .fail("verify_cert_and_check_known_urls not supported in this context");
                }
                tls.check_known_urls = verify;
                tls.verify |= verify;
            }
            "allow_insecure_cipher_suites" => tls.allow_insecure_cipher_suites = boolean(field)?,
            "cipher_suites" => {
                tls.cipher_suites = names(field, "cipher_suites", |name| {
                    CipherSuite::by_name(name).ok_or(format!("unrecognized cipher {name}"))
                })?;
            }
            "curve_preferences" => {
                tls.curve_preferences = names(field, "curve_preferences", |name| {
                    CurvePreference::by_name(name)
                        .ok_or(format!("unrecognized curve preference {name}"))
                })?;
            }
            "timeout" => {
                tls.timeout = timeout(field.token).map_err(|reason| {
                    field.token.fail(format!("error parsing tls config, 'timeout' {reason}"))
                })?;
            }
            "connection_rate_limit" => match field.token.value {
                Value::Integer(limit) => tls.connection_rate_limit = limit,
                _ => {
                    return field
                        .fail("error parsing tls config, 'connection_rate_limit' wrong type");
                }
            },
            "pinned_certs" => tls.pinned_certs = pinned_certs(field)?,
            "handshake_first" | "first" | "immediate" => {
                tls.handshake_first = handshake_first(field)?;
            }
            "ocsp_peer" => tls.ocsp_peer = Some(self.ocsp_peer(field)?),
            "certs" | "certificates" => tls.certificates = certificates(field)?,
            "min_version" => tls.min_version = min_version(field)?,
            _ => return store_field(field, tls),
        }
        Ok(())
    }

    fn ocsp_peer(&mut self, field: &Field<'_>) -> Outcome<OcspPeer> {
        let mut peer = OcspPeer::default();
        match &field.token.value {
            Value::Bool(verify) => peer.verify = *verify,
            Value::Map(map) => {
                let map = map.clone();
                self.fields(&map, |_, field| ocsp_peer_field(&field, &mut peer));
            }
            other => {
                return field.fail(format!(
                    "error parsing ocsp peer config: unsupported type {}",
                    other.type_name()
                ));
            }
        }
        Ok(peer)
    }

    /// The key `ocsp`.
    pub(crate) fn ocsp(&mut self, field: &Field<'_>) -> Outcome<Ocsp> {
        let mut ocsp = Ocsp::default();
        match &field.token.value {
            Value::Bool(true) => {}
            Value::Bool(false) => ocsp.mode = OcspMode::Never,
            Value::Map(map) => {
                let map = map.clone();
                self.fields(&map, |reader, field| reader.ocsp_field(&field, &mut ocsp));
            }
            other => {
                return field.fail(format!(
                    "error parsing ocsp config: unsupported type {}",
                    other.type_name()
                ));
            }
        }
        Ok(ocsp)
    }

    fn ocsp_field(&mut self, field: &Field<'_>, ocsp: &mut Ocsp) -> Outcome {
        match field.key {
            "mode" => {
                ocsp.mode = match field.token.string()?.to_lowercase().as_str() {
                    "always" => OcspMode::Always,
                    "must" => OcspMode::Must,
                    "never" => OcspMode::Never,
                    "auto" => OcspMode::Auto,
                    _ => {
                        return field
                            .fail("error parsing ocsp config: unsupported ocsp mode string");
                    }
                };
            }
            // Differs from Go, where `urls` is always refused because of its type.
            "urls" => ocsp.urls = self.string_array("ocsp urls", field.token)?,
            "url" => ocsp.urls = vec![field.token.string()?],
            _ => return field.fail("error parsing ocsp config: unsupported field string"),
        }
        Ok(())
    }

    /// The key `ocsp_cache`.
    pub(crate) fn ocsp_cache(&mut self, field: &Field<'_>) -> Outcome<OcspCache> {
        let mut cache = OcspCache::default();
        match &field.token.value {
            Value::Bool(true) => {}
            Value::Bool(false) => cache.kind = OcspCacheKind::None,
            Value::Map(map) => {
                let map = map.clone();
                self.fields(&map, |_, field| ocsp_cache_field(&field, &mut cache));
            }
            other => {
                return field.fail(format!(
                    "error parsing ocsp_cache: unsupported type {}",
                    other.type_name()
                ));
            }
        }
        Ok(cache)
    }
}

fn check(token: &Token, tls: &Tls) -> Outcome {
    if !tls.certificates.is_empty() && tls.cert_file.is_some() {
        return Err(token.fail(
            "error parsing tls config, cannot combine 'cert_file' option with 'certs' option",
        ));
    }
    let insecure: Vec<&str> =
        tls.cipher_suites.iter().filter(|suite| suite.insecure).map(|suite| suite.name).collect();
    if !insecure.is_empty() && !tls.allow_insecure_cipher_suites {
        return Err(token.fail(format!(
            "insecure cipher suites configured without 'allow_insecure_cipher_suites' option \
             set: {}",
            insecure.join(", ")
        )));
    }
    Ok(())
}

/// Are the files there? What is in them is for whoever loads them.
pub(crate) fn check_files(source: &dyn Source, tls: &Tls) -> Result<(), String> {
    let open =
        |path: &str| source.read(path).map(drop).map_err(|error| describe_read(path, &error));
    match (&tls.cert_file, &tls.key_file) {
        (Some(_), None) => return Err("missing 'key_file' in TLS configuration".to_string()),
        (None, Some(_)) => return Err("missing 'cert_file' in TLS configuration".to_string()),
        (Some(certificate), Some(key)) => {
            open(certificate)
                .and_then(|()| open(key))
                .map_err(|error| format!("error parsing X509 certificate/key pair: {error}"))?;
        }
        (None, None) => {
            let count = tls.certificates.len();
            for (index, pair) in tls.certificates.iter().enumerate() {
                open(&pair.cert_file).and_then(|()| open(&pair.key_file)).map_err(|error| {
                    format!(
                        "error parsing X509 certificate/key pair {}/{count}: {error}",
                        index + 1
                    )
                })?;
            }
        }
    }
    tls.ca_file.as_deref().map_or(Ok(()), open)
}

fn filename(field: &Field<'_>, name: &str) -> Outcome<Option<String>> {
    field.token.text().or_else(|_| {
        field.fail(format!("error parsing tls config, expected '{name}' to be filename"))
    })
}

fn boolean(field: &Field<'_>) -> Outcome<bool> {
    field.token.boolean().or_else(|_| {
        field.fail(format!("error parsing tls config, expected '{}' to be a boolean", field.name))
    })
}

fn names<T>(
    field: &Field<'_>,
    name: &str,
    find: impl Fn(&str) -> Result<T, String>,
) -> Outcome<Vec<T>> {
    let items = field.token.array()?;
    if items.is_empty() {
        return field.fail(format!("error parsing tls config, '{name}' cannot be empty"));
    }
    items.iter().map(|item| find(&item.string()?).map_err(|message| item.fail(message))).collect()
}

/// Seconds or a duration; the error is the reason.
pub(crate) fn timeout(token: &Token) -> Result<Duration, String> {
    #[expect(clippy::cast_precision_loss, reason = "seconds that large are for ever either way")]
    match &token.value {
        Value::Integer(number) => Ok(seconds(*number as f64)),
        Value::Float(number) => Ok(seconds(*number)),
        Value::String(text) => Ok(duration::parse(text)?.to_duration().unwrap_or_default()),
        _ => Err("wrong type".to_string()),
    }
}

fn pinned_certs(field: &Field<'_>) -> Outcome<BTreeSet<String>> {
    let expected = "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo";
    let Ok(items) = field.token.array() else {
        return field.fail(format!(
            "error parsing tls config, expected 'pinned_certs' to be a list of {expected}"
        ));
    };
    let mut pinned = BTreeSet::new();
    for item in items {
        let entry = item.string()?.to_lowercase();
        if !is_sha256(&entry) {
            return Err(item.fail(format!(
                "error parsing tls config, 'pinned_certs' key {entry} does not look like {expected}"
            )));
        }
        pinned.insert(entry);
    }
    Ok(pinned)
}

/// Sixty-four hexadecimal digits in lower case?
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn handshake_first(field: &Field<'_>) -> Outcome<Option<HandshakeFirst>> {
    let always = Some(HandshakeFirst { fallback_delay: None });
    let text = match &field.token.value {
        Value::Bool(true) => return Ok(always),
        Value::Bool(false) => return Ok(None),
        Value::String(text) => text,
        other => {
            return field.fail(format!(
                "field {} should be a boolean or a string, got {}",
                quote(field.key),
                other.type_name()
            ));
        }
    };
    match text.to_lowercase().as_str() {
        "true" | "on" => Ok(always),
        "false" | "off" => Ok(None),
        "auto" | "auto_fallback" => {
            Ok(Some(HandshakeFirst { fallback_delay: Some(FALLBACK_DELAY) }))
        }
        _ => match duration::parse(text) {
            Ok(delay) => Ok(Some(HandshakeFirst {
                fallback_delay: delay.to_duration().filter(|delay| !delay.is_zero()),
            })),
            Err(_) => {
                field.fail(format!("field {}'s value {} is invalid", quote(field.key), quote(text)))
            }
        },
    }
}

fn certificates(field: &Field<'_>) -> Outcome<Vec<CertificatePair>> {
    let unsupported = |token: &Token| {
        token.fail(format!(
            "error parsing certificates config: unsupported type {}",
            token.type_name()
        ))
    };
    let items = field.token.array().map_err(|_| unsupported(field.token))?;
    let mut pairs = Vec::new();
    for item in items {
        let map = item.map().map_err(|_| unsupported(item))?;
        let mut pair = CertificatePair::default();
        // Go reports what is missing at the last key it saw.
        let mut last = item.clone();
        for (key, token) in map.iter() {
            let file = token.string().map_err(|_| unsupported(token))?;
            match key {
                "cert_file" => pair.cert_file = file,
                "key_file" => pair.key_file = file,
                _ => {
                    return Err(token.fail(format!(
                        "error parsing tls certs config, unknown field {}",
                        quote(key)
                    )));
                }
            }
            last = token.clone();
        }
        if pair.cert_file.is_empty() || pair.key_file.is_empty() {
            return Err(last.fail(
                "error parsing certificates config: both 'cert_file' and 'cert_key' options are \
                 required",
            ));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

fn min_version(field: &Field<'_>) -> Outcome<TlsVersion> {
    let reason = match &field.token.value {
        Value::String(text) => match &**text {
            "1.2" => return Ok(TlsVersion::Tls12),
            "1.3" => return Ok(TlsVersion::Tls13),
            "1.0" | "1.1" => format!("unsupported TLS version: TLS {text}"),
            _ => format!("unknown version: {text}"),
        },
        other => format!("'min_version' wrong type: {other}"),
    };
    field.fail(format!("error parsing tls config: {reason}"))
}

/// Keys of the certificate store, which no system but Windows has.
fn store_field(field: &Field<'_>, tls: &mut Tls) -> Outcome {
    let text = |name: &str| match field.token.text() {
        Ok(Some(text)) => Ok(text),
        _ => field.fail(format!("expected '{name}' to be a valid non-empty string")),
    };
    let store = &mut tls.certificate_store;
    match field.name {
        "cert_store" => {
            let name = text("cert_store")?.to_lowercase();
            return match name.as_str() {
                "windowscurrentuser" | "windowslocalmachine" => {
                    field.fail("cert_store not compatible with current operating system")
                }
                _ => field.fail("cert store type not implemented"),
            };
        }
        "cert_match_by" => {
            let by = text("cert_match_by")?;
            if !["issuer", "subject", "thumbprint"].contains(&by.to_lowercase().as_str()) {
                return field.fail("cert match by type not implemented");
            }
            store.match_by = Some(by);
        }
        "cert_match" => store.matching = Some(text("cert_match")?),
        "cert_match_skip_invalid" => {
            store.skip_invalid = field
                .token
                .boolean()
                .or_else(|_| field.fail("expected 'cert_match_skip_invalid' to be a boolean"))?;
        }
        "ca_certs_match" => {
            store.ca_certs_match = match &field.token.value {
                Value::String(text) => vec![text.to_string()],
                Value::Array(array) => array
                    .items()
                    .iter()
                    .map(Token::string)
                    .collect::<Outcome<Vec<String>>>()
                    .or_else(|_| {
                        field.fail(
                            "error parsing ca_cert_match: unsupported type *conf.token where \
                             string is expected",
                        )
                    })?,
                _ => Vec::new(),
            };
        }
        _ => {
            return field
                .fail(format!("error parsing tls config, unknown field {}", quote(field.key)));
        }
    }
    Ok(())
}

fn ocsp_peer_field(field: &Field<'_>, peer: &mut OcspPeer) -> Outcome {
    let unknown = || {
        field
            .token
            .fail(format!("error parsing tls peer config, unknown field [{}]", quote(field.key)))
    };
    let flag = || field.token.boolean().map_err(|_| unknown());
    let time = || ocsp_time(field.token, "error parsing tls peer config, conversion error: ");
    match field.name {
        "verify" => peer.verify = flag()?,
        "warn_only" => peer.warn_only = flag()?,
        "unknown_is_good" => peer.unknown_is_good = flag()?,
        "allow_when_ca_unreachable" => peer.allow_when_ca_unreachable = flag()?,
        "allowed_clockskew" => set(&mut peer.allowed_clockskew, time()?),
        "ca_timeout" => set(&mut peer.ca_timeout, time()?),
        "cache_ttl_when_next_update_unset" => {
            set(&mut peer.cache_ttl_when_next_update_unset, time()?);
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

fn set(target: &mut Duration, value: Option<Duration>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// Seconds or a duration; none when it is negative, which keeps the default.
fn ocsp_time(token: &Token, prefix: &str) -> Outcome<Option<Duration>> {
    #[expect(clippy::cast_precision_loss, reason = "seconds that large are for ever either way")]
    match &token.value {
        Value::Integer(number) => Ok(Duration::try_from_secs_f64(*number as f64).ok()),
        Value::Float(number) => Ok(Duration::try_from_secs_f64(*number).ok()),
        Value::String(text) => match duration::parse(text) {
            Ok(value) => Ok(value.to_duration()),
            Err(message) => Err(token.fail(format!("{prefix}{message}"))),
        },
        _ => Err(token.fail(format!("{prefix}unexpected type"))),
    }
}

fn ocsp_cache_field(field: &Field<'_>, cache: &mut OcspCache) -> Outcome {
    let unknown = || -> ConfigError {
        field.token.fail(format!(
            "error parsing OCSP peer cache config, unknown field [{}]",
            quote(field.key)
        ))
    };
    match field.name {
        "type" => {
            let kind = field.token.string().map_err(|_| unknown())?;
            cache.kind = match kind.to_lowercase().as_str() {
                "none" => OcspCacheKind::None,
                "local" => OcspCacheKind::Local,
                _ => {
                    return field.fail(format!(
                        "error parsing OCSP peer cache config, unknown type [{kind}]"
                    ));
                }
            };
        }
        "local_store" => cache.local_store = field.token.string().map_err(|_| unknown())?,
        "preserve_revoked" => {
            cache.preserve_revoked = field.token.boolean().map_err(|_| unknown())?
        }
        "save_interval" => {
            let prefix = "error parsing OCSP peer cache config, conversion error: ";
            let interval = ocsp_time(field.token, prefix)?.unwrap_or_default();
            cache.save_interval = Duration::from_secs(interval.as_secs().max(1));
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

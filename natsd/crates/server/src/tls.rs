//! TLS of the client listener, by rustls.
//!
//! Source: Go `server/opts.go` (`GenTLSConfig`), `server/auth.go` (`matchesPinnedCert`),
//! `server/rate_counter.go`.

use natsd_base::LeveledMutex;
use natsd_config::options::{CurvePreference, Tls, TlsVersion};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, RootCertStore, ServerConfig, ServerConnection, SupportedCipherSuite, version,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;

/// Why a TLS configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is missing, unreadable or not PEM.
    #[error("error parsing X509 certificate/key pair: {file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key are not given together.
    #[error("missing 'cert_file' or 'key_file' in TLS configuration")]
    Missing,
    /// A name that Go knows and rustls does not offer, because it is not safe.
    #[error("{what} {name} is not supported; remove it from the TLS configuration")]
    NotOffered {
        /// `cipher suite` or `curve`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// rustls refuses the combination.
    #[error("TLS configuration: {0}")]
    Refused(String),
}

/// What is known of the peer after a handshake.
#[derive(Debug)]
pub(crate) struct Session {
    /// `1.2` or `1.3`, as monitoring shows it.
    pub(crate) version: &'static str,
    /// IANA name of the cipher suite.
    pub(crate) cipher: &'static str,
    /// What the client showed, as DER.
    pub(crate) peer_certificates: Vec<Vec<u8>>,
}

/// The TLS configuration of a listener, ready for use.
pub(crate) struct ServerTls {
    acceptor: TlsAcceptor,
    pinned: BTreeSet<String>,
    timeout: Duration,
    rate: Option<LeveledMutex<50, Rate>>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Loads certificates and keys.
    ///
    /// # Errors
    /// When a file cannot be used or rustls does not offer what is asked for.
    pub(crate) fn load(options: &Tls) -> Result<ServerTls, TlsError> {
        let provider = Arc::new(provider(options)?);
        let versions: &[&rustls::SupportedProtocolVersion] = match options.min_version {
            TlsVersion::Tls12 => &[&version::TLS12, &version::TLS13],
            TlsVersion::Tls13 => &[&version::TLS13],
        };
        let refused = |error: rustls::Error| TlsError::Refused(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(refused)?;
        let builder = if options.verify {
            let roots = Arc::new(roots(options)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| TlsError::Refused(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let config = if options.certificates.is_empty() {
            let (Some(cert), Some(key)) = (&options.cert_file, &options.key_file) else {
                return Err(TlsError::Missing);
            };
            builder.with_single_cert(certificates(cert)?, private_key(key)?).map_err(refused)?
        } else {
            let keys = options.certificates.iter().map(|pair| {
                let (chain, key) = (certificates(&pair.cert_file)?, private_key(&pair.key_file)?);
                CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(refused)
            });
            let keys = keys.collect::<Result<_, _>>()?;
            builder.with_cert_resolver(Arc::new(ByServerName { keys }))
        };
        let rate = u64::try_from(options.connection_rate_limit).ok().filter(|max| *max > 0);
        Ok(ServerTls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pinned: options.pinned_certs.clone(),
            timeout: options.timeout,
            rate: rate.map(|per_second| LeveledMutex::new(Rate::new(per_second))),
        })
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Time a handshake may take.
    pub(crate) fn timeout(&self, default: Duration) -> Duration {
        if self.timeout.is_zero() { default } else { self.timeout }
    }

    /// Takes the number of connections that were refused since the last call.
    pub(crate) fn take_refused(&self) -> u64 {
        self.rate.as_ref().map_or(0, |rate| std::mem::take(&mut rate.lock().refused))
    }

    /// Counts a new connection. False when there were enough in this second.
    pub(crate) fn admits(&self) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.lock().admits(Instant::now()))
    }

    /// Whether a peer with these certificates shows a key that is pinned, where keys are.
    pub(crate) fn accepts_peer(&self, certificates: &[Vec<u8>]) -> bool {
        self.pinned.is_empty()
            || certificates.first().is_some_and(|certificate| {
                public_key_digest(certificate).is_some_and(|digest| self.pinned.contains(&digest))
            })
    }
}

/// What is known of the peer of `connection`.
pub(crate) fn session(connection: &ServerConnection) -> Session {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
        _ => "1.2",
    };
    let cipher = connection.negotiated_cipher_suite().map_or("", |suite| go_name(suite.suite()));
    let certificates = connection.peer_certificates().unwrap_or_default();
    Session {
        version,
        cipher,
        peer_certificates: certificates.iter().map(|one| one.to_vec()).collect(),
    }
}

/// Whether the peer sent something else than TLS.
pub(crate) fn is_no_tls(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidMessage(_)))
}

/// SHA-256 of the certificate's public key, in hex.
pub(crate) fn public_key_digest(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let digest = Sha256::digest(parsed.public_key().raw);
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Chooses among several certificates by the name that the client asks for; the first is for
/// everybody else.
#[derive(Debug)]
struct ByServerName {
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByServerName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fits = |key: &&Arc<CertifiedKey>| {
            let certificate =
                key.cert.first().and_then(|one| ParsedCertificate::try_from(one).ok());
            matches!((&certificate, &name), (Some(certificate), Some(name))
                if verify_server_name(certificate, name).is_ok())
        };
        self.keys.iter().find(fits).or(self.keys.first()).cloned()
    }
}

/// The algorithms that `options` ask for.
fn provider(options: &Tls) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if !options.cipher_suites.is_empty() {
        let wanted = options.cipher_suites.iter().map(|wanted| {
            let known = ring::ALL_CIPHER_SUITES.iter();
            let found = known.copied().find(|suite| go_name(suite.suite()) == wanted.name);
            found.ok_or_else(|| TlsError::NotOffered {
                what: "cipher suite",
                name: wanted.name.to_owned(),
            })
        });
        let mut wanted = wanted.collect::<Result<Vec<SupportedCipherSuite>, _>>()?;
        // The list is about TLS 1.2; the suites of 1.3 are not for choice, as in Go.
        for suite in ring::ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_some()) {
            if !wanted.contains(suite) {
                wanted.push(*suite);
            }
        }
        provider.cipher_suites = wanted;
    }
    if !options.curve_preferences.is_empty() {
        let wanted = options.curve_preferences.iter().map(|curve| {
            let group: Result<&'static dyn SupportedKxGroup, &str> = match curve {
                CurvePreference::X25519 => Ok(ring::kx_group::X25519),
                CurvePreference::P256 => Ok(ring::kx_group::SECP256R1),
                CurvePreference::P384 => Ok(ring::kx_group::SECP384R1),
                CurvePreference::P521 => Err("CurveP521"),
                CurvePreference::X25519MlKem768 => Err("X25519MLKEM768"),
                CurvePreference::P256MlKem768 => Err("SecP256r1MLKEM768"),
                CurvePreference::P384MlKem1024 => Err("SecP384r1MLKEM1024"),
            };
            group.map_err(|name| TlsError::NotOffered { what: "curve", name: name.to_owned() })
        });
        provider.kx_groups = wanted.collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

/// The name of a suite as Go writes it: rustls prefixes those of TLS 1.3 by `TLS13_`.
fn go_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or(""),
    }
}

/// The authorities that client certificates have to come from.
fn roots(options: &Tls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &options.ca_file {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| file_error(file, &error))?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    }
    Ok(roots)
}

fn file_error(file: &str, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { file: file.to_owned(), reason: reason.to_string() }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err(file_error(file, &"no certificate in it")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(file_error(file, &error)),
    }
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| file_error(file, &error))
}

/// Connections in the running second.
#[derive(Debug)]
struct Rate {
    per_second: u64,
    count: u64,
    refused: u64,
    end: Option<Instant>,
}

impl Rate {
    fn new(per_second: u64) -> Rate {
        Rate { per_second, count: 0, refused: 0, end: None }
    }

    fn admits(&mut self, now: Instant) -> bool {
        if self.end.is_none_or(|end| now >= end) {
            self.end = Some(now + Duration::from_secs(1));
            self.count = 0;
        }
        self.count += 1;
        let admitted = self.count <= self.per_second;
        self.refused += u64::from(!admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;
    use std::time::{Duration, Instant};

    /// Go: TestRateCounter server/rate_counter_test.go:21
    #[test]
    fn rate_counter() {
        let start = Instant::now();
        let mut rate = Rate::new(10);
        assert!((0..10).all(|_| rate.admits(start)));
        assert!((0..5).all(|_| !rate.admits(start + Duration::from_millis(999))));
        assert!((0..10).all(|_| rate.admits(start + Duration::from_secs(1))));
    }
}

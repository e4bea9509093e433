//! Options of TLS: names and paths only, no certificate is loaded here.
//!
//! Source: Go `server/opts.go` (`TLSConfigOpts`), `server/ciphersuites.go`,
//! `server/certidp/certidp.go`, `server/ocsp.go`.

use std::collections::BTreeSet;
use std::time::Duration;

/// A `tls` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// PEM file of the certificate chain.
    pub cert_file: Option<String>,
    /// PEM file of the private key.
    pub key_file: Option<String>,
    /// PEM file of the trusted authorities.
    pub ca_file: Option<String>,
    /// More certificates, chosen by the client's SNI; never together with `cert_file`.
    pub certificates: Vec<CertificatePair>,
    /// Clients must present a certificate of a trusted authority.
    pub verify: bool,
    /// The client's certificate names its user (implies `verify`).
    pub verify_and_map: bool,
    /// A peer's certificate must name a configured URL (implies `verify`); routes and gateways.
    pub check_known_urls: bool,
    /// Do not verify the server when connecting out.
    pub insecure: bool,
    /// `cipher_suites` may name insecure ones.
    pub allow_insecure_cipher_suites: bool,
    /// Allowed cipher suites in order of preference; empty means the default ones.
    pub cipher_suites: Vec<CipherSuite>,
    /// Allowed curves in order of preference; empty means the default ones.
    pub curve_preferences: Vec<CurvePreference>,
    /// Lowest protocol version.
    pub min_version: TlsVersion,
    /// Time a handshake may take; zero means the listener's default.
    pub timeout: Duration,
    /// New TLS connections per second; 0 means any number.
    pub connection_rate_limit: i64,
    /// SHA-256 of the public keys that peers may have, in lower case hex; empty means any.
    pub pinned_certs: BTreeSet<String>,
    /// Handshake before INFO; none means after it.
    pub handshake_first: Option<HandshakeFirst>,
    /// Certificate of the operating system's store (Windows).
    pub certificate_store: CertificateStore,
    /// Check of the peer's certificate by OCSP.
    pub ocsp_peer: Option<OcspPeer>,
}

/// One certificate and its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificatePair {
    /// PEM file of the certificate chain.
    pub cert_file: String,
    /// PEM file of the private key.
    pub key_file: String,
}

/// Handshake before INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeFirst {
    /// Time to wait for a handshake before INFO is sent after all; none means never.
    pub fallback_delay: Option<Duration>,
}

/// Keys for a certificate store. The store itself exists on Windows only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateStore {
    /// How `matching` is compared: `issuer`, `subject` or `thumbprint`.
    pub match_by: Option<String>,
    /// What to look for.
    pub matching: Option<String>,
    /// Skip certificates that are not valid now.
    pub skip_invalid: bool,
    /// Authorities to trust, by name.
    pub ca_certs_match: Vec<String>,
}

/// Lowest protocol version of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// A cipher suite by its IANA name, one of `CipherSuite::ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherSuite {
    /// IANA name.
    pub name: &'static str,
    /// Go counts it as insecure; needs `allow_insecure_cipher_suites`.
    pub insecure: bool,
}

impl CipherSuite {
    /// Every name that the configuration accepts.
    pub const ALL: &'static [CipherSuite] = &[
        secure("TLS_AES_128_GCM_SHA256"),
        secure("TLS_AES_256_GCM_SHA384"),
        secure("TLS_CHACHA20_POLY1305_SHA256"),
        secure("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
        secure("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
        secure("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        secure("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        secure("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        secure("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        secure("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        secure("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        secure("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        secure("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        insecure("TLS_RSA_WITH_RC4_128_SHA"),
        insecure("TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        insecure("TLS_RSA_WITH_AES_128_CBC_SHA"),
        insecure("TLS_RSA_WITH_AES_256_CBC_SHA"),
        insecure("TLS_RSA_WITH_AES_128_CBC_SHA256"),
        insecure("TLS_RSA_WITH_AES_128_GCM_SHA256"),
        insecure("TLS_RSA_WITH_AES_256_GCM_SHA384"),
        insecure("TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
        insecure("TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
        insecure("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
        insecure("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
        insecure("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    ];

    /// The suite of that IANA name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<CipherSuite> {
        CipherSuite::ALL.iter().copied().find(|suite| suite.name == name)
    }
}

const fn secure(name: &'static str) -> CipherSuite {
    CipherSuite { name, insecure: false }
}

const fn insecure(name: &'static str) -> CipherSuite {
    CipherSuite { name, insecure: true }
}

/// A curve for the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurvePreference {
    /// NIST P-256
    P256,
    /// NIST P-384
    P384,
    /// NIST P-521
    P521,
    /// Curve25519
    X25519,
    /// Curve25519 together with ML-KEM-768
    X25519MlKem768,
    /// NIST P-256 together with ML-KEM-768
    P256MlKem768,
    /// NIST P-384 together with ML-KEM-1024
    P384MlKem1024,
}

impl CurvePreference {
    /// Every name that the configuration accepts.
    pub const ALL: &'static [(&'static str, CurvePreference)] = &[
        ("X25519MLKEM768", CurvePreference::X25519MlKem768),
        ("SecP256r1MLKEM768", CurvePreference::P256MlKem768),
        ("SecP384r1MLKEM1024", CurvePreference::P384MlKem1024),
        ("X25519", CurvePreference::X25519),
        ("CurveP256", CurvePreference::P256),
        ("CurveP384", CurvePreference::P384),
        ("CurveP521", CurvePreference::P521),
    ];

    /// The curve of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<CurvePreference> {
        CurvePreference::ALL.iter().find(|(known, _)| *known == name).map(|(_, curve)| *curve)
    }
}

/// The `ocsp` key: stapling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ocsp {
    /// When answers are stapled.
    pub mode: OcspMode,
    /// Responders to ask instead of the one the certificate names.
    pub urls: Vec<String>,
}

/// When OCSP answers are stapled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OcspMode {
    /// When the certificate demands it.
    #[default]
    Auto,
    /// Always; shut down when revoked.
    Always,
    /// Never.
    Never,
    /// When the certificate demands it; shut down when revoked.
    Must,
}

/// The `ocsp_peer` block of `tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspPeer {
    /// Check at all.
    pub verify: bool,
    /// Time to wait for a responder (2s).
    pub ca_timeout: Duration,
    /// How far clocks may be apart (30s).
    pub allowed_clockskew: Duration,
    /// Log a failed check but accept the peer.
    pub warn_only: bool,
    /// Accept the answer "unknown".
    pub unknown_is_good: bool,
    /// Accept when the responder cannot be reached.
    pub allow_when_ca_unreachable: bool,
    /// How long an answer without expiry is cached (1h).
    pub cache_ttl_when_next_update_unset: Duration,
}

impl Default for OcspPeer {
    fn default() -> Self {
        OcspPeer {
            verify: false,
            ca_timeout: Duration::from_secs(2),
            allowed_clockskew: Duration::from_secs(30),
            warn_only: false,
            unknown_is_good: false,
            allow_when_ca_unreachable: false,
            cache_ttl_when_next_update_unset: Duration::from_secs(3600),
        }
    }
}

/// The `ocsp_cache` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspCache {
    /// Where answers are kept.
    pub kind: OcspCacheKind,
    /// Directory below the store directory (`_rc_`).
    pub local_store: String,
    /// Keep the answer "revoked" after it expired.
    pub preserve_revoked: bool,
    /// Time between two saves (5m, at least 1s).
    pub save_interval: Duration,
}

impl Default for OcspCache {
    fn default() -> Self {
        OcspCache {
            kind: OcspCacheKind::Local,
            local_store: "_rc_".to_string(),
            preserve_revoked: false,
            save_interval: Duration::from_secs(300),
        }
    }
}

/// Where OCSP answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspCacheKind {
    /// Nowhere.
    None,
    /// In a file.
    Local,
}

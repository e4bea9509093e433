//! The client's half of TLS, over a connection of the test kit.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use natsd_testkit::{CertificateFiles, RawClient};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use sha2::{Digest, Sha256};

/// The one version that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

/// How to connect: whom to trust, what to show, which versions to speak.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    roots: RootCertStore,
    own: Option<CertificateFiles>,
    version: Option<Version>,
    /// What there is to negotiate with.
    provider: CryptoProvider,
}

impl Tls {
    /// Trusts this authority.
    pub(super) fn new(authority: &Path) -> Self {
        let pem = fs::read(authority).expect("certificate of the authority");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).expect("PEM")).expect("certificate");
        Self { roots, own: None, version: None, provider: ring::default_provider() }
    }

    /// The same, with a certificate to show.
    pub(super) fn with(&self, own: &CertificateFiles) -> Self {
        Self { own: Some(own.clone()), ..self.clone() }
    }

    /// The same, with one version only.
    pub(super) fn at(&self, version: Version) -> Self {
        Self { version: Some(version), ..self.clone() }
    }

    /// The same, with those cipher suites only whose name `keep` holds for.
    pub(super) fn suites(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut limited = self.clone();
        limited.provider.cipher_suites.retain(|suite| keep(&format!("{:?}", suite.suite())));
        limited
    }

    /// The same, with those curves only whose name `keep` holds for.
    pub(super) fn curves(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut limited = self.clone();
        limited.provider.kx_groups.retain(|group| keep(&format!("{:?}", group.name())));
        limited
    }

    /// Does the handshake on an open connection.
    ///
    /// # Errors
    /// When the handshake fails on our side. Under TLS 1.3 the server may still refuse us later.
    pub(super) fn upgrade(&self, client: RawClient) -> io::Result<RawClient> {
        let versions: Vec<&'static SupportedProtocolVersion> = match self.version {
            Some(Version::Tls12) => vec![&rustls::version::TLS12],
            Some(Version::Tls13) => vec![&rustls::version::TLS13],
            None => vec![&rustls::version::TLS12, &rustls::version::TLS13],
        };
        let provider = Arc::new(self.provider.clone());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots.clone());
        let config = match &self.own {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from(own.certificate_der.clone())],
                    PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.key_der.clone())),
                )
                .map_err(io::Error::other)?,
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut session =
            ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        client.upgrade(move |mut socket| {
            while session.is_handshaking() {
                session.complete_io(&mut socket)?;
            }
            Ok(Box::new(StreamOwned::new(session, socket)))
        })
    }
}

/// The SHA-256 of a certificate's public key, in hexadecimal, as `pinned_certs` wants it.
pub(super) fn public_key_hash(files: &CertificateFiles) -> String {
    let hash = Sha256::digest(&files.public_key_der);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

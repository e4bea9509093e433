//! Certificates made when a test runs: one authority, and what it signs.

use std::path::{Path, PathBuf};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};

/// A certificate authority of one test.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// The authority's own certificate as a PEM file.
    pub certificate: PathBuf,
}

/// A signed certificate and its key, as PEM files and as DER.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// Certificate, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Certificate, DER.
    pub certificate_der: Vec<u8>,
    /// Private key, PKCS #8 DER.
    pub key_der: Vec<u8>,
    /// Public key, SubjectPublicKeyInfo DER.
    pub public_key_der: Vec<u8>,
}

/// What a certificate says of its holder.
#[derive(Debug, Default, Clone, Copy)]
pub struct Names<'a> {
    /// Subject, as attribute and value; attributes are `CN`, `OU`, `O`.
    pub subject: &'a [(&'a str, &'a str)],
    /// Host names and addresses.
    pub hosts: &'a [&'a str],
    /// Mail addresses.
    pub emails: &'a [&'a str],
}

impl Authority {
    /// Makes an authority that writes its files into `folder`.
    ///
    /// # Panics
    /// When a key cannot be made or a file cannot be written.
    pub fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("key");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.distinguished_name = subject(&[("CN", "natsd test authority")]);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = parameters.self_signed(&key).expect("self-signed certificate");
        let path = folder.join("ca.pem");
        std::fs::write(&path, certificate.pem()).expect("write certificate");
        Self { issuer: Issuer::new(parameters, key), folder: folder.to_owned(), certificate: path }
    }

    /// Signs a certificate for servers and clients, kept as `NAME.pem` and `NAME.key`.
    ///
    /// # Panics
    /// As [`Authority::new`].
    pub fn issue(&self, name: &str, names: Names<'_>) -> CertificateFiles {
        let key = KeyPair::generate().expect("key");
        let hosts: Vec<String> = names.hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).expect("host names");
        for email in names.emails {
            let email = Ia5String::try_from(*email).expect("mail address");
            parameters.subject_alt_names.push(SanType::Rfc822Name(email));
        }
        parameters.distinguished_name = subject(names.subject);
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.signed_by(&key, &self.issuer).expect("certificate");
        let files = CertificateFiles {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
            certificate_der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
            public_key_der: key.subject_public_key_info(),
        };
        std::fs::write(&files.certificate, certificate.pem()).expect("write certificate");
        std::fs::write(&files.key, key.serialize_pem()).expect("write key");
        files
    }

    /// A certificate for a server on this machine.
    pub fn server(&self) -> CertificateFiles {
        self.issue(
            "server",
            Names {
                subject: &[("CN", "localhost")],
                hosts: &["localhost", "127.0.0.1", "::1"],
                emails: &[],
            },
        )
    }
}

fn subject(attributes: &[(&str, &str)]) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    for (attribute, value) in attributes {
        let kind = match *attribute {
            "CN" => DnType::CommonName,
            "OU" => DnType::OrganizationalUnitName,
            "O" => DnType::OrganizationName,
            other => panic!("attribute {other:?} is not known here"),
        };
        subject.push(kind, *value);
    }
    subject
}

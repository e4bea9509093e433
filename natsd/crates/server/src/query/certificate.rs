//! What monitoring shows of certificates.
//!
//! Source: Go `server/monitor.go` (`makePeerCerts`, `tlsCertNotAfter`), `crypto/x509/pkix`
//! (`Name.String`).

use crate::tls;
use natsd_api::Rfc3339;
use natsd_api::monitor::TlsPeerCert;
use natsd_auth::CertificateNames;
use natsd_base::Timestamp;
use natsd_config::options::Tls;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{AttributeTypeAndValue, GeneralName, X509Name};

/// The attributes that Go prints by name, in the order in which it prints them.
const NAMED: &[(&str, &str)] = &[
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.3", "CN"),
    ("2.5.4.11", "OU"),
    ("2.5.4.10", "O"),
    ("2.5.4.17", "POSTALCODE"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.6", "C"),
];

/// The attribute `DC`, which Go leaves out of a subject's text.
const DOMAIN_COMPONENT: &str = "0.9.2342.19200300.100.1.25";

/// When the first certificate of `options` ends. `None` when it cannot be read: the listener says
/// so by itself.
pub(super) fn not_after(options: &Tls) -> Option<Rfc3339> {
    let pair = options.certificates.first().map(|pair| &pair.cert_file);
    let file = pair.or(options.cert_file.as_ref())?;
    let certificate = CertificateDer::from_pem_file(file).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
    let seconds = parsed.validity().not_after.timestamp();
    Some(Rfc3339(Timestamp(seconds.saturating_mul(1_000_000_000))))
}

/// The certificates that a client showed, given as DER.
pub(super) fn describe(certificates: &[Vec<u8>]) -> Vec<TlsPeerCert> {
    let describe = |certificate: &Vec<u8>| {
        let parsed = x509_parser::parse_x509_certificate(certificate).ok();
        TlsPeerCert {
            subject: parsed.map(|(_, parsed)| name(parsed.subject())).unwrap_or_default(),
            spki_sha256: tls::public_key_digest(certificate).unwrap_or_default(),
            cert_sha256: hex(&Sha256::digest(certificate)),
        }
    };
    certificates.iter().map(describe).collect()
}

/// The names in a client's certificate, given as DER, for finding its user.
pub(crate) fn certificate_names(certificate: &[u8]) -> CertificateNames {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else {
        return CertificateNames::default();
    };
    let extension = parsed.subject_alternative_name().ok().flatten();
    let alternatives = extension.map(|one| one.value.general_names.as_slice()).unwrap_or_default();
    // E-mail addresses first, then host names, then URIs.
    let rank = |one: &GeneralName<'_>| match one {
        GeneralName::RFC822Name(text) => Some((0, (*text).to_owned())),
        GeneralName::DNSName(text) => Some((1, (*text).to_owned())),
        GeneralName::URI(text) => Some((2, (*text).to_owned())),
        _ => None,
    };
    let mut alternatives: Vec<(u8, String)> = alternatives.iter().filter_map(rank).collect();
    alternatives.sort_by_key(|(rank, _)| *rank);
    let label = |kind: &str| {
        let known = NAMED.iter().find(|(oid, _)| *oid == kind).map(|(_, label)| *label);
        let component = (kind == DOMAIN_COMPONENT).then_some("DC");
        known.or(component).unwrap_or(kind).to_owned()
    };
    let attributes = parsed.subject().iter_attributes();
    CertificateNames {
        alternatives: alternatives.into_iter().map(|(_, text)| text).collect(),
        subject: name(parsed.subject()),
        attributes: attributes
            .map(|one| (label(&one.attr_type().to_id_string()), text(one)))
            .collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name as Go prints it: known attributes in a fixed order, values of one kind joined by `+`, all
/// others behind them from last to first.
fn name(name: &X509Name<'_>) -> String {
    let mut parts = Vec::new();
    for (kind, label) in NAMED {
        let values: Vec<String> = attributes(name, kind).map(|value| escape(&value)).collect();
        // There is one serial number and one common name: the last.
        let single = matches!(*label, "SERIALNUMBER" | "CN");
        let values = if single { &values[values.len().saturating_sub(1)..] } else { &values[..] };
        if !values.is_empty() {
            let values: Vec<String> =
                values.iter().map(|value| format!("{label}={value}")).collect();
            parts.push(values.join("+"));
        }
    }
    let others = name.iter_attributes().filter(|one| {
        let kind = one.attr_type().to_id_string();
        !NAMED.iter().any(|(known, _)| *known == kind)
    });
    let others: Vec<String> = others
        .map(|one| format!("{}={}", one.attr_type().to_id_string(), escape(&text(one))))
        .collect();
    parts.extend(others.into_iter().rev());
    parts.join(",")
}

fn attributes<'a>(name: &'a X509Name<'_>, kind: &'a str) -> impl Iterator<Item = String> + 'a {
    name.iter_attributes().filter(move |one| one.attr_type().to_id_string() == kind).map(text)
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> String {
    String::from_utf8_lossy(attribute.attr_value().data).into_owned()
}

fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let escaped = |(at, character): (usize, char)| {
        let special = match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == last,
            '#' => at == 0,
            _ => false,
        };
        special.then_some('\\').into_iter().chain([character])
    };
    value.chars().enumerate().flat_map(escaped).collect()
}

#[cfg(test)]
mod tests;

use super::{describe, escape, not_after};
use natsd_config::options::{CertificatePair, Tls};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// A certificate with names of every kind. What is expected of it was printed by the Go server.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/many_names.pem");

#[test]
fn names_and_digests_are_those_of_go() {
    let der = CertificateDer::from_pem_file(CERTIFICATE).expect("a certificate").to_vec();
    let [shown] = &describe(&[der])[..] else { panic!("one certificate") };
    assert_eq!(
        shown.subject,
        r"CN=localhost,OU=NATS\;io+OU=a\<b\>c\\d,O=NATS\, Inc.,L=Los Angeles,ST=California,C=US,0.9.2342.19200300.100.1.25=example,0.9.2342.19200300.100.1.25=com,1.2.840.113549.1.9.1=admin@example.com"
    );
    assert_eq!(
        shown.spki_sha256,
        "fedd731fa00feec77a8093c977fc04dc5f5d46912cf49024645156cb2590200c"
    );
    assert_eq!(
        shown.cert_sha256,
        "bd0b8c6cc68ed29d3a7bb8b2cbcd466086d2a9a4e89ee9d5e1d71f918f3c5694"
    );
}

#[test]
fn attributes_have_a_fixed_order() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/other_order.pem");
    let der = CertificateDer::from_pem_file(file).expect("a certificate").to_vec();
    assert_eq!(
        describe(&[der])[0].subject,
        "SERIALNUMBER=77,CN=second,OU=U1,O=O1+O=O2,POSTALCODE=1234,STREET=Street 1,L=L1,ST=S1,C=DE"
    );
}

#[test]
fn what_is_no_certificate_has_a_digest_only() {
    let [shown] = &describe(&[b"junk".to_vec()])[..] else { panic!("one certificate") };
    assert_eq!((shown.subject.as_str(), shown.spki_sha256.as_str()), ("", ""));
    assert_eq!(shown.cert_sha256.len(), 64);
}

#[test]
fn the_end_of_the_first_certificate_is_found() {
    let file = || Some(CERTIFICATE.to_owned());
    let pair = || CertificatePair { cert_file: CERTIFICATE.to_owned(), ..Default::default() };
    let end = Some("2126-10-31T21:36:40Z".to_owned());
    for (tls, expected) in [
        (Tls { cert_file: file(), ..Tls::default() }, end.clone()),
        (Tls { certificates: vec![pair()], ..Tls::default() }, end),
        (Tls { cert_file: Some("/nowhere".into()), ..Tls::default() }, None),
        (Tls::default(), None),
    ] {
        assert_eq!(not_after(&tls).map(|end| end.to_string()), expected);
    }
}

#[test]
fn special_characters_are_escaped() {
    for (value, expected) in [
        ("plain", "plain"),
        (" both ", "\\ both\\ "),
        ("#a#", "\\#a#"),
        ("a,b+c\"d", "a\\,b\\+c\\\"d"),
        ("", ""),
        (" ", "\\ "),
    ] {
        assert_eq!(escape(value), expected, "{value:?}");
    }
}

//! Login by key: the server's nonce, signed.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ed25519_dalek::{Signer, SigningKey};
use natsd_testkit::Server;

use crate::support::{awaits, server};

/// A user's key made from a fixed seed, and its public name.
fn key(seed: u8) -> (SigningKey, String) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    // `U`, the key, and its checksum.
    let mut bytes = vec![20 << 3];
    bytes.extend_from_slice(key.verifying_key().as_bytes());
    let checksum = crc16(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    (key, BASE32_NOPAD.encode(&bytes))
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// Logs in with what `fields` makes of the nonce; returns the first line of the answer.
#[track_caller]
fn log_in(server: &Server, fields: impl FnOnce(&str) -> String) -> String {
    let mut client = server.open();
    let nonce = client.info["nonce"].as_str().expect("a nonce").to_owned();
    client.send(format!("CONNECT {{\"verbose\":true,\"pedantic\":true{}}}\r\n", fields(&nonce)));
    client.line()
}

/// Go: TestServerInfoNonce server/nkey_test.go:80
#[test]
fn server_info_nonce() {
    assert!(server("").open().info["nonce"].is_null());
    let (_, public) = key(1);
    let server = server(&format!("authorization {{ users = [ {{nkey: {public}}} ] }}"));
    let nonces = [server.open(), server.open()].map(|client| client.info["nonce"].to_string());
    assert_ne!(nonces[0], nonces[1]);
    assert_eq!(nonces[0].len(), 17, "15 characters in quotes: {}", nonces[0]);
}

/// Go: TestNkeyClientConnect server/nkey_test.go:130
/// Go: TestMixedClientConnect server/nkey_test.go:191
/// Go: TestMixedClientConfig server/nkey_test.go:230
#[test]
fn a_signed_nonce_logs_in() {
    let (signer, public) = key(1);
    let (stranger, unknown) = key(2);
    let server = server(&format!(
        "authorization {{ users = [ {{nkey: {public}}}, {{user: derek, password: foo}} ] }}"
    ));
    let violation = "-ERR 'Authorization Violation'";
    let signed = |key: &SigningKey, public: &str, nonce: &str| {
        let signature = BASE64URL_NOPAD.encode(&key.sign(nonce.as_bytes()).to_bytes());
        format!(r#","nkey":"{public}","sig":"{signature}""#)
    };
    assert_eq!(log_in(&server, |_| String::new()), violation);
    assert_eq!(log_in(&server, |_| format!(r#","nkey":"{public}""#)), violation);
    assert_eq!(log_in(&server, |_| format!(r#","nkey":"{public}","sig":"bad_sig""#)), violation);
    assert_eq!(log_in(&server, |_| signed(&signer, &public, "another nonce")), violation);
    assert_eq!(log_in(&server, |nonce| signed(&stranger, &public, nonce)), violation);
    assert_eq!(log_in(&server, |nonce| signed(&stranger, &unknown, nonce)), violation);
    assert_eq!(log_in(&server, |nonce| signed(&signer, &public, nonce)), "+OK");
    assert_eq!(log_in(&server, |_| r#","user":"derek","pass":"foo""#.to_owned()), "+OK");
    assert_eq!(log_in(&server, |_| r#","user":"derek","pass":"bar""#.to_owned()), violation);
}

/// Go: TestAuthProxyRequired server/auth_test.go:447
#[test]
fn auth_proxy_required() {
    let (signer, public) = key(1);
    let (free, free_public) = key(2);
    let (proxy, proxy_public) = key(3);
    let users = format!(
        "users: [ {{user: user1, password: pwd}}, {{user: user2, password: pwd, proxy_required: true}}, \
         {{user: user3, password: pwd, proxy_required: false}}, \
         {{nkey: {public}, proxy_required: true}}, {{nkey: {free_public}, proxy_required: false}} ]"
    );
    let trusted = format!("debug: true\nproxies {{ trusted [ {{key: {proxy_public}}} ] }}");
    // FIXME(maintainers): needs proxies that sign for their clients.
    if awaits("proxies", &trusted) {
        return;
    }
    let signed = |key: &SigningKey, field: &str, nonce: &str| {
        format!(
            r#","{field}":"{}""#,
            BASE64URL_NOPAD.encode(&key.sign(nonce.as_bytes()).to_bytes())
        )
    };
    for place in [format!("authorization {{ {users} }}"), format!("accounts {{ A {{ {users} }} }}")]
    {
        let server = server(&format!("{place}\n{trusted}"));
        let violation = "-ERR 'Authorization Violation'";
        for (user, direct) in [("user1", "+OK"), ("user2", violation), ("user3", "+OK")] {
            let login = format!(r#","user":"{user}","pass":"pwd""#);
            assert_eq!(log_in(&server, |_| login.clone()), direct, "{user}");
            let by_proxy = |nonce: &str| login.clone() + &signed(&proxy, "proxy_sig", nonce);
            assert_eq!(log_in(&server, by_proxy), "+OK", "{user} by the proxy");
            let by_stranger = |nonce: &str| login.clone() + &signed(&free, "proxy_sig", nonce);
            assert_eq!(log_in(&server, by_stranger), violation, "{user} by a stranger");
        }
        for (key, public, direct) in [(&signer, &public, violation), (&free, &free_public, "+OK")] {
            let login = |nonce: &str| format!(r#","nkey":"{public}""#) + &signed(key, "sig", nonce);
            assert_eq!(log_in(&server, login), direct);
            let by_proxy = |nonce: &str| login(nonce) + &signed(&proxy, "proxy_sig", nonce);
            assert_eq!(log_in(&server, by_proxy), "+OK");
        }
        server.wait_log("proxy");
    }
    // The single user, too.
    let config =
        format!("authorization {{ user: user, password: pwd, proxy_required: true }}\n{trusted}");
    let login = |_: &str| r#","user":"user","pass":"pwd""#.to_owned();
    assert_eq!(log_in(&server(&config), login), "-ERR 'Authorization Violation'");
}

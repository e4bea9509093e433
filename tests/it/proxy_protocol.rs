//! The PROXY protocol on the client port: whose address the server shows, and what it refuses.

use natsd_testkit::{RawClient, Server};
use serde_json::Value;

use crate::support::launch;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn proxied() -> Server {
    launch().monitoring().config("proxy_protocol: true").start()
}

/// A version 2 header: version and command, family and protocol, address bytes.
fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).expect("short");
    [SIGNATURE, &[command, family], &length.to_be_bytes(), addresses].concat()
}

fn ipv4(source: [u8; 4], port: u16) -> Vec<u8> {
    [&source[..], &[10, 0, 0, 1], &port.to_be_bytes(), &4222_u16.to_be_bytes()].concat()
}

fn ipv6(last: u8, port: u16) -> Vec<u8> {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    address[15] = last;
    [&address[..], &address[..], &port.to_be_bytes(), &4222_u16.to_be_bytes()].concat()
}

/// Sends a header and a CONNECT in one write; the server must serve, and show this source.
#[track_caller]
fn check_accepted(header: &[u8], source: Option<(&str, u16)>) {
    let server = proxied();
    let mut client = RawClient::dial(server.address());
    client.send([header, b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n"].concat());
    client.read_info();
    client.expect_line("PONG");
    let connz: Value = server.get("/connz").json();
    let own = client.local_address();
    let (ip, port) = source.map_or(("127.0.0.1", own.port()), |source| source);
    let connection = &connz["connections"][0];
    assert_eq!((&connection["ip"], &connection["port"]), (&ip.into(), &port.into()));
}

/// Sends a header and a CONNECT; the server must close, having said nothing but INFO.
#[track_caller]
fn check_refused(header: &[u8]) {
    let server = proxied();
    let mut client = RawClient::dial(server.address());
    // The server may close before all is written.
    let _ = client.try_send([header, b"CONNECT {\"verbose\":false}\r\nPING\r\n"].concat());
    let received = client.read_to_eof();
    let received = String::from_utf8_lossy(&received);
    let greeting = received.lines().filter(|line| line.starts_with("INFO ")).count();
    assert_eq!((greeting, received.lines().count()), (1, 1), "{}", natsd_testkit::escape(header));
}

/// Go: TestClientProxyProtoV2EndToEnd server/client_proxyproto_test.go:308
/// Go: TestClientProxyProtoV2ParseIPv4 server/client_proxyproto_test.go:159
/// Go: TestClientProxyProtoV2ParseIPv6 server/client_proxyproto_test.go:178
/// Go: TestProxyConnRemoteAddr server/client_proxyproto_test.go:284
#[test]
fn version_2_names_the_source() {
    check_accepted(
        &version_2(0x21, 0x11, &ipv4([203, 0, 113, 50], 54321)),
        Some(("203.0.113.50", 54321)),
    );
    check_accepted(&version_2(0x21, 0x21, &ipv6(7, 4000)), Some(("2001:db8::7", 4000)));
}

/// Go: TestClientProxyProtoV2LocalCommandEndToEnd server/client_proxyproto_test.go:370
/// Go: TestClientProxyProtoV2ParseLocalCommand server/client_proxyproto_test.go:197
/// Go: TestClientProxyProtoV1ParseUnknown server/client_proxyproto_test.go:484
#[test]
fn a_check_by_the_proxy_itself_keeps_the_address() {
    check_accepted(&version_2(0x20, 0x00, &[]), None);
    check_accepted(b"PROXY UNKNOWN\r\n", None);
}

/// Go: TestClientProxyProtoV1EndToEnd server/client_proxyproto_test.go:559
/// Go: TestClientProxyProtoV1ParseTCP4 server/client_proxyproto_test.go:420
/// Go: TestClientProxyProtoV1ParseTCP6 server/client_proxyproto_test.go:435
/// Go: TestClientProxyProtoV1PreservesCoalescedClientBytes server/client_proxyproto_test.go:493
/// Go: TestClientProxyProtoVersionDetection server/client_proxyproto_test.go:623
#[test]
fn version_1_names_the_source() {
    check_accepted(
        b"PROXY TCP4 203.0.113.50 127.0.0.1 54321 4222\r\n",
        Some(("203.0.113.50", 54321)),
    );
    check_accepted(
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1234 4222\r\n",
        Some(("2001:db8::1", 1234)),
    );
}

/// Go: TestClientProxyProtoV2InvalidVersion server/client_proxyproto_test.go:216
/// Go: TestClientProxyProtoV2UnsupportedFamily server/client_proxyproto_test.go:230
/// Go: TestClientProxyProtoV2UnsupportedProtocol server/client_proxyproto_test.go:244
/// Go: TestClientProxyProtoV2ShortAddressData server/client_proxyproto_test.go:267
/// Go: TestClientProxyProtoV1MismatchedDestProtocol server/client_proxyproto_test.go:468
/// Go: TestClientProxyProtoV1InvalidFormat server/client_proxyproto_test.go:508
/// Go: TestClientProxyProtoV1LineTooLong server/client_proxyproto_test.go:517
/// Go: TestClientProxyProtoV1InvalidIP server/client_proxyproto_test.go:527
/// Go: TestClientProxyProtoV1MismatchedProtocol server/client_proxyproto_test.go:535
/// Go: TestClientProxyProtoV1InvalidPort server/client_proxyproto_test.go:551
#[test]
fn malformed_headers_are_refused() {
    let good = ipv4([192, 168, 1, 50], 12345);
    check_refused(&version_2(0x11, 0x11, &good));
    check_refused(&version_2(0x21, 0x31, &[0; 216]));
    check_refused(&version_2(0x21, 0x12, &good));
    check_refused(&version_2(0x21, 0x11, &good[..5]));
    for line in [
        "PROXY TCP4 192.168.1.1\r\n",
        &format!("PROXY TCP4 {} 10.0.0.1 12345 443\r\n", "1234567890".repeat(12)),
        "PROXY TCP4 not.an.ip.addr 10.0.0.1 12345 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 12345 443\r\n",
        "PROXY TCP6 192.168.1.1 10.0.0.1 12345 443\r\n",
        "PROXY TCP4 192.168.1.1 2001:db8::2 12345 443\r\n",
        "PROXY TCP6 2001:db8::1 10.0.0.1 12345 443\r\n",
        "PROXY TCP4 192.168.1.1 10.0.0.1 99999 443\r\n",
    ] {
        check_refused(line.as_bytes());
    }
}

/// Go: TestClientProxyProtoUnrecognizedVersion server/client_proxyproto_test.go:643
/// Go: TestClientProxyProtoV2InvalidSignature server/client_proxyproto_test.go:206
#[test]
fn a_client_without_a_proxy_is_served_as_it_is() {
    check_accepted(b"", None);
}

/// Go: TestClientProxyProtoV2TruncatedHeader server/client_proxyproto_test.go:258
#[test]
fn a_header_that_ends_early_is_no_client() {
    let server = proxied();
    let mut client = RawClient::dial(server.address());
    client.send(&SIGNATURE[..10]);
    client.shut_write();
    client.read_info();
    client.expect_eof("");
    server.wait_monitor("/connz", "no connection", |connz| {
        (connz["num_connections"] == 0).then_some(())
    });
}

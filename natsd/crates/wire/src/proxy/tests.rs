use super::{ProxyError, ProxyHeader, parse};

fn v2(version_command: u8, family_transport: u8, body: &[u8]) -> Vec<u8> {
    let mut header = super::V2_SIGNATURE.to_vec();
    header.extend([version_command, family_transport]);
    header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    header.extend(body);
    header
}

const V4_BODY: [u8; 12] = [192, 168, 1, 50, 10, 0, 0, 1, 0x30, 0x39, 0x10, 0x7e];

#[track_caller]
fn check_source(input: &[u8], expected: &str) {
    let mut longer = input.to_vec();
    longer.extend(b"CONNECT {}\r\n");
    let source = expected.parse().unwrap();
    assert_eq!(parse(&longer), Ok(ProxyHeader::Proxied { source, consumed: input.len() }));
    for cut in 0..input.len() {
        assert_eq!(parse(&input[..cut]), Ok(ProxyHeader::Incomplete), "cut at {cut}");
    }
}

/// Go: TestClientProxyProtoV2ParseIPv4 server/client_proxyproto_test.go:159
#[test]
fn client_proxy_proto_v2_parse_ipv4() {
    check_source(&v2(0x21, 0x11, &V4_BODY), "192.168.1.50:12345");
    let with_extension = [&V4_BODY[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
    check_source(&v2(0x21, 0x11, &with_extension), "192.168.1.50:12345");
}

/// Go: TestClientProxyProtoV2ParseIPv6 server/client_proxyproto_test.go:178
#[test]
fn client_proxy_proto_v2_parse_ipv6() {
    let mut body = [0u8; 36];
    body[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    body[15] = 1;
    body[32..34].copy_from_slice(&54321u16.to_be_bytes());
    check_source(&v2(0x21, 0x21, &body), "[2001:db8::1]:54321");
}

/// Go: TestClientProxyProtoV2ParseLocalCommand server/client_proxyproto_test.go:197
#[test]
fn client_proxy_proto_v2_parse_local_command() {
    assert_eq!(parse(&v2(0x20, 0x00, &[])), Ok(ProxyHeader::Local { consumed: 16 }));
    assert_eq!(parse(&v2(0x20, 0x11, &V4_BODY)), Ok(ProxyHeader::Local { consumed: 28 }));
    assert_eq!(parse(&v2(0x21, 0x01, &V4_BODY)), Ok(ProxyHeader::Local { consumed: 28 }));
}

#[track_caller]
fn check_invalid(input: &[u8], expected: &'static str) {
    assert_eq!(parse(input), Err(ProxyError::Invalid(expected)));
}

/// Go: TestClientProxyProtoV2InvalidSignature server/client_proxyproto_test.go:206
#[test]
fn client_proxy_proto_v2_invalid_signature() {
    check_invalid(b"\r\n\r\n\0\rXXXXXX\x21\x11\0\0", "invalid signature");
}

/// Go: TestClientProxyProtoV2InvalidVersion server/client_proxyproto_test.go:216
#[test]
fn client_proxy_proto_v2_invalid_version() {
    check_invalid(&v2(0x11, 0x11, &V4_BODY), "invalid version");
    check_invalid(&v2(0x22, 0x11, &V4_BODY), "unknown command");
}

/// Go: TestClientProxyProtoV2UnsupportedFamily server/client_proxyproto_test.go:230
#[test]
fn client_proxy_proto_v2_unsupported_family() {
    let error = ProxyError::Unsupported("unsupported address family");
    assert_eq!(parse(&v2(0x21, 0x31, &[])), Err(error));
}

/// Go: TestClientProxyProtoV2UnsupportedProtocol server/client_proxyproto_test.go:244
#[test]
fn client_proxy_proto_v2_unsupported_protocol() {
    let error = ProxyError::Unsupported("only STREAM protocol supported");
    assert_eq!(parse(&v2(0x21, 0x12, &V4_BODY)), Err(error));
}

/// Go: TestClientProxyProtoV2TruncatedHeader server/client_proxyproto_test.go:258
/// Go: TestClientProxyProtoV2ShortAddressData server/client_proxyproto_test.go:267
#[test]
fn client_proxy_proto_v2_short() {
    assert_eq!(parse(&v2(0x21, 0x11, &V4_BODY)[..10]), Ok(ProxyHeader::Incomplete));
    check_invalid(&v2(0x21, 0x11, &[1, 2, 3, 4, 5]), "address data too short");
    check_invalid(&v2(0x21, 0x21, &V4_BODY), "address data too short");
}

/// Go: TestClientProxyProtoV1ParseTCP4 server/client_proxyproto_test.go:420
/// Go: TestClientProxyProtoV1ParseTCP6 server/client_proxyproto_test.go:435
/// Go: TestClientProxyProtoV1ParseTCP6IPv4Mapped server/client_proxyproto_test.go:450
/// Go: TestClientProxyProtoV1PreservesCoalescedClientBytes server/client_proxyproto_test.go:493
#[test]
fn client_proxy_proto_v1_parse() {
    check_source(b"PROXY TCP4 192.168.1.50 10.0.0.1 12345 4222\r\n", "192.168.1.50:12345");
    check_source(b"PROXY TCP6 2001:db8::1 2001:db8::2 54321 4222\r\n", "[2001:db8::1]:54321");
    check_source(b"PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 1 2\r\n", "[::ffff:1.2.3.4]:1");
}

/// Go: TestClientProxyProtoV1ParseUnknown server/client_proxyproto_test.go:484
#[test]
fn client_proxy_proto_v1_parse_unknown() {
    assert_eq!(parse(b"PROXY UNKNOWN\r\nPING"), Ok(ProxyHeader::Local { consumed: 15 }));
}

/// Go: TestClientProxyProtoV1InvalidFormat server/client_proxyproto_test.go:508
/// Go: TestClientProxyProtoV1LineTooLong server/client_proxyproto_test.go:517
/// Go: TestClientProxyProtoV1InvalidIP server/client_proxyproto_test.go:527
/// Go: TestClientProxyProtoV1MismatchedProtocol server/client_proxyproto_test.go:535
/// Go: TestClientProxyProtoV1MismatchedDestProtocol server/client_proxyproto_test.go:468
/// Go: TestClientProxyProtoV1InvalidPort server/client_proxyproto_test.go:551
#[test]
fn client_proxy_proto_v1_invalid() {
    for (input, expected) in [
        ("PROXY TCP4 192.168.1.1\r\n", "invalid v1 format"),
        ("PROXY \r\n", "invalid v1 format"),
        ("PROXY TCP4 not.an.ip 10.0.0.1 12345 443\r\n", "invalid address"),
        ("PROXY TCP4 2001:db8::1 2001:db8::2 12345 443\r\n", "TCP4 with IPv6 address"),
        ("PROXY TCP4 1.2.3.4 2001:db8::2 12345 443\r\n", "TCP4 with IPv6 address"),
        ("PROXY TCP6 192.168.1.1 10.0.0.1 12345 443\r\n", "TCP6 with IPv4 address"),
        ("PROXY TCP6 2001:db8::1 10.0.0.1 12345 443\r\n", "TCP6 with IPv4 address"),
        ("PROXY TCP4 192.168.1.1 10.0.0.1 99999 443\r\n", "invalid source port"),
        ("PROXY TCP4 192.168.1.1 10.0.0.1 1 x\r\n", "invalid dest port"),
        ("PROXY UDP4 192.168.1.1 10.0.0.1 1 2\r\n", "invalid protocol"),
    ] {
        check_invalid(input.as_bytes(), expected);
    }
    check_invalid(format!("PROXY TCP4 {}", "9".repeat(100)).as_bytes(), "v1 line too long");
}

/// Go: TestClientProxyProtoVersionDetection server/client_proxyproto_test.go:623
/// Go: TestClientProxyProtoUnrecognizedVersion server/client_proxyproto_test.go:643
#[test]
fn client_proxy_proto_version_detection() {
    assert_eq!(parse(b"CONNEC"), Ok(ProxyHeader::Absent));
    assert_eq!(parse(b"PROXY "), Ok(ProxyHeader::Incomplete));
    assert_eq!(parse(b"\r\n\r\n\0\r"), Ok(ProxyHeader::Incomplete));
}

//! The kit itself, against sockets of our own: the server under test is not needed here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::{RawClient, RawMessage, escape, get, wait_until};

/// Serves one connection: sends `answer`, keeps what it was sent, closes.
fn serve(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(answer).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    address
}

#[test]
fn http_answers_are_read_with_and_without_chunks() {
    let cases: [(&[u8], u16, &str); 3] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi"),
        (b"HTTP/1.1 404 Not Found\r\n\r\nnone", 404, "none"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            200,
            "abc",
        ),
    ];
    for (answer, status, body) in cases {
        let response = get(serve(answer), "/").unwrap();
        assert_eq!((response.status, response.text().as_str()), (status, body));
    }
    assert!(get(serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), "/").is_err());
    assert!(get(serve(b"INFO {}\r\n"), "/").is_err());
}

#[test]
fn messages_are_read_with_and_without_reply_and_headers() {
    let address = serve(
        b"INFO {\"port\":1}\r\nMSG a 1 2\r\nhi\r\nMSG a 1 r 0\r\n\r\n\
          HMSG a 2 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    );
    let mut client = RawClient::open(address);
    assert_eq!(client.info["port"], 1);
    let message = |sid: &str, reply: &str, headers: &str, payload: &str| RawMessage {
        subject: "a".into(),
        sid: sid.into(),
        reply: reply.into(),
        headers: headers.into(),
        payload: payload.into(),
    };
    assert_eq!(client.message(), message("1", "", "", "hi"));
    assert_eq!(client.message(), message("1", "r", "", ""));
    assert_eq!(client.message(), message("2", "r", "NATS/1.0\r\n\r\n", "hi"));
    client.expect_eof("");
}

#[test]
fn pong_counts_only_at_the_start_of_a_line() {
    let mut client = RawClient::dial(serve(b"MSG a 1 6\r\nxPONG\r\n\r\nPONG\r\nrest"));
    assert_eq!(escape(&client.read_to_pong()), "MSG a 1 6\\r\\nxPONG\\r\\n\\r\\n");
    client.expect_eof("rest");
}

#[test]
#[should_panic(expected = "received hallo")]
fn expect_fails_on_other_bytes() {
    RawClient::dial(serve(b"hallo")).expect("hello");
}

#[test]
fn a_ping_that_nobody_expects_is_passed_over() {
    let mut client = RawClient::dial(serve(
        b"PING\r\nMSG a 1 2\r\nhi\r\nPING\r\nMSG a 1 4\r\nPING\r\nPING\r\nPONG\r\n\
          PING\r\n+OK\r\nPING\r\nPING\r\nMSG a 1 0\r\n\r\nPING\r\nbye\r\nPING\r\n",
    ))
    .aged();
    client.expect("MSG a 1 2\r\nhi\r\nMSG a 1 4\r\nPING\r\n");
    assert_eq!(escape(&client.read_to_pong()), "");
    assert_eq!(client.line(), "+OK");
    client.expect_line("PING");
    assert_eq!(client.message().sid, "1");
    client.expect_eof("bye\r\n");
}

#[test]
#[should_panic(expected = "received xPING\\r\\n")]
fn a_ping_is_not_passed_over_in_the_middle_of_a_line() {
    RawClient::dial(serve(b"xPING\r\n")).aged().expect("xPONG\r\n");
}

#[test]
#[should_panic(expected = "received PING\\r\\n")]
fn a_ping_that_comes_too_early_is_not_passed_over() {
    RawClient::dial(serve(b"PING\r\n+OK\r\n")).expect("+OK\r\n");
}

#[test]
#[should_panic(expected = "received PIN")]
fn a_part_of_a_ping_is_not_passed_over() {
    RawClient::dial(serve(b"PIN")).aged().expect("PONG\r\n");
}

#[test]
#[should_panic(expected = "waiting for: the moon")]
fn wait_until_gives_up() {
    wait_until("the moon", Duration::from_millis(1), || None::<()>);
}

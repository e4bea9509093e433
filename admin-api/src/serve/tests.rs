use super::{Plain, serve};
use crate::monitor;
use crate::testing::fake;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

async fn start() -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel();
    let router = monitor::router(fake(), "");
    let serving = tokio::spawn(serve(listener, Plain, router, async {
        // A sender that is gone has stopped as well.
        let _ = stopped.await;
    }));
    (address, stop, serving)
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("answered");
    reply
}

#[tokio::test]
async fn requests_are_answered_over_tcp() {
    let (address, _stop, _serving) = start().await;
    let requests = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\
         GET /healthz?a=<b> HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let reply = exchange(address, requests).await;
    assert_eq!(reply.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{reply}");
    assert_eq!(reply.matches("{\"status\":\"ok\"}").count(), 2, "{reply}");
    let head =
        exchange(address, "HEAD /varz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let (address, _stop, _serving) = start().await;
    let reply = exchange(address, "CONNECT {}\r\nPING\r\n\r\n").await;
    assert!(!reply.contains("200 OK"), "{reply}");
}

#[tokio::test]
async fn stopping_ends_open_connections() {
    let (address, stop, serving) = start().await;
    let mut idle = TcpStream::connect(address).await.expect("connected");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut first = [0u8; 8];
    idle.read_exact(&mut first).await.expect("answered");
    stop.send(()).expect("still serving");
    serving.await.expect("no panic");
    let mut rest = Vec::new();
    // An end or a reset: either way it is over.
    let _ = idle.read_to_end(&mut rest).await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

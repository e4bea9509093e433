use super::{HttpListeners, StartHttpError, serve_http};
use crate::server::Server;
use crate::tls::ServerTls;
use natsd_config::options::{Admin, Options, Port, Tls};
use natsd_links::Snapshot;
use rustls_pki_types::CertificateDer;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn options() -> Options {
    let admin = Admin { disabled: true, ..Admin::default() };
    Options { host: "127.0.0.1".into(), port: Port::Random, admin, ..Options::empty() }
}

fn token_admin() -> Admin {
    Admin { port: Port::Random, token: Some("t".into()), ..Admin::default() }
}

type Started = (Arc<Server>, Result<HttpListeners, StartHttpError>);

/// Boxed, because options are large.
fn start(mut options: Options) -> Pin<Box<dyn Future<Output = Started> + Send>> {
    options.apply_defaults();
    Box::pin(async {
        let server = Server::start(options).await.expect("a server");
        let http = serve_http(&server, "page").await;
        (server, http)
    })
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    Ok(reply)
}

/// Go: TestMonitorHandler server/monitor_test.go:2315
#[tokio::test]
async fn monitoring_is_there_from_start_to_stop() {
    let (server, http) =
        start(Options { http_port: Port::Random, http_base_path: Some("/m".into()), ..options() })
            .await;
    let http = http.expect("listeners");
    let address = http.monitoring[0];
    assert_eq!(http.monitoring_urls(), [format!("http://{address}")]);
    assert_eq!((http.admin, &http.token_file), (None, &None));
    let varz = get(address, "/m/varz", "").await.expect("an answer");
    assert!(varz.starts_with("HTTP/1.1 200") && varz.contains("\"/varz\": 1"), "{varz}");
    server.lame_duck().await;
    assert!(get(address, "/m/healthz", "").await.expect("still there").starts_with("HTTP/1.1 500"));
    server.shutdown().await;
    http.wait_stopped().await;
    assert!(get(address, "/m/varz", "").await.is_err());
}

#[tokio::test]
async fn no_listener_is_there_when_none_is_configured() {
    let (_server, http) = start(options()).await;
    let http = http.expect("nothing to fail");
    assert!(http.monitoring.is_empty() && http.admin.is_none());
}

/// Go: TestHTTPHost test/monitor_test.go:761
#[tokio::test]
async fn http_host() {
    let (_server, http) =
        start(Options { http_host: "127.0.0.2".into(), http_port: Port::Random, ..options() })
            .await;
    let http = http.expect("listeners");
    let address = http.monitoring[0];
    assert_eq!(address.ip().to_string(), "127.0.0.2");
    assert!(get(address, "/varz", "").await.is_ok());
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], address.port()));
    assert!(get(elsewhere, "/varz", "").await.is_err());
}

#[tokio::test]
async fn what_cannot_be_served_is_an_error_with_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = Port::Fixed(taken.local_addr().expect("bound").port());
    for (options, expected) in [
        (Options { http_port: port, ..options() }, "address already in use; set another port"),
        (
            Options { http_port: Port::Random, https_port: Port::Fixed(7), ..options() },
            "can't specify both HTTP (-1) and HTTPs (7) ports",
        ),
        (Options { https_port: Port::Random, ..options() }, "TLS cert and key required for HTTPS"),
        (
            Options {
                admin: Admin { port, token: Some("t".into()), ..Admin::default() },
                ..options()
            },
            "set admin.port, or admin { disabled: true }",
        ),
    ] {
        let error = start(options).await.1.expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_management_api_opens_with_the_configured_token() {
    let (server, http) = start(Options { admin: token_admin(), ..options() }).await;
    let http = http.expect("listeners");
    let address = http.admin.expect("an address");
    assert_eq!(http.token_file, None);
    let page = get(address, "/", "").await.expect("the page");
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("page"), "{page}");
    let refused = get(address, "/api/v1/identity", "").await.expect("an answer");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let identity = get(address, "/api/v1/identity", "Authorization: Bearer t\r\n").await;
    assert!(identity.expect("an answer").contains(server.id()));
    server.shutdown().await;
    http.wait_stopped().await;
    assert!(get(address, "/", "").await.is_err());
}

/// Writes a new certificate into `directory` and returns it, and the TLS that uses it.
fn certificate(directory: &Path) -> (CertificateDer<'static>, Tls) {
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let path = |file: &Path| Some(file.to_string_lossy().into_owned());
    let tls = Tls {
        cert_file: path(&cert),
        key_file: path(&key),
        ca_file: path(&cert),
        verify: true,
        ..Tls::default()
    };
    (made.cert.der().clone(), tls)
}

/// Asks over TLS, without a certificate of its own, a server that must show `trusted`.
async fn get_tls(address: SocketAddr, trusted: &CertificateDer<'static>) -> io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().expect("a name");
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect(name, stream).await?;
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    // The server may end without a farewell of TLS.
    let _ = stream.read_to_string(&mut reply).await;
    Ok(reply)
}

#[tokio::test]
async fn https_needs_no_certificate_of_the_client() {
    let files = tempfile::tempdir().expect("a directory");
    let (first, tls) = certificate(files.path());
    let options = Options { https_port: Port::Random, tls: Some(tls), ..options() };
    let (server, http) = start(options).await;
    let http = http.expect("listeners");
    let address = http.monitoring[0];
    assert_eq!(http.monitoring_urls(), [format!("https://{address}")]);
    let reply = get_tls(address, &first).await.expect("an answer");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("{\"status\":\"ok\"}"), "{reply}");
    let plain = get(address, "/healthz", "").await.unwrap_or_default();
    assert!(!plain.starts_with("HTTP/1.1 200"), "{plain}");

    // A reload brings the new certificate to those who monitor as well.
    let (second, tls) = certificate(files.path());
    assert!(get_tls(address, &second).await.is_err(), "not before the reload");
    let loaded = ServerTls::load(&tls).expect("TLS");
    let snapshot = Snapshot::clone(&server.snapshot());
    server.replace_configuration(Options::clone(&server.options()), snapshot, Some(loaded));
    assert!(get_tls(address, &second).await.is_ok(), "after the reload");
    assert!(get_tls(address, &first).await.is_err(), "the old certificate is gone");
}

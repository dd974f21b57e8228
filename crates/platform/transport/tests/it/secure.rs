//! TLS, certificates on both sides, and what a connection becomes when it is upgraded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::WebSocket;
use axum::routing::get;
use heng_transport::{Health, Metrics, Server, ServerOptions, TlsFiles, client_config, server_config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;

use crate::client::usual;

/// An authority with the files of a server and of a client that it issued.
struct Papers {
    folder: tempfile::TempDir,
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file is written");
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        write(folder.path(), "ca.pem", &authority.pem());
        for name in ["server", "client"] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            write(folder.path(), &format!("{name}.pem"), &certificate.pem());
            write(folder.path(), &format!("{name}.key"), &key.serialize_pem());
        }
        Self { folder }
    }

    fn files(&self, name: &str, authorities: bool) -> TlsFiles {
        let path = |file: String| self.folder.path().join(file);
        TlsFiles {
            certificate: path(format!("{name}.pem")),
            key: path(format!("{name}.key")),
            authorities: authorities.then(|| path("ca.pem".into())),
        }
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

fn serve(options: ServerOptions, tls: Option<Arc<rustls::ServerConfig>>) -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let server = Server::bind(options, Arc::new(Metrics::default()), Health::default()).await.expect("bound");
            let server = if let Some(tls) = tls { server.with_tls(tls) } else { server };
            told.send(server.address()).expect("the test waits");
            let upgrade = |ws: WebSocketUpgrade| async move { ws.on_upgrade(echo) };
            let routes = Router::new().route("/hello", get(|| async { "hello" })).route("/ws", get(upgrade));
            // The thread ends with the process of the test.
            let _ = server.serve(routes, std::future::pending()).await;
        });
    });
    address.recv().expect("the server starts")
}

fn ask(address: SocketAddr, config: Arc<rustls::ClientConfig>) -> std::io::Result<String> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let name = ServerName::try_from("localhost").expect("a name");
    let client = rustls::ClientConnection::new(config, name).expect("a client");
    let mut stream = rustls::StreamOwned::new(client, socket);
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).or_else(|error| if answer.is_empty() { Err(error) } else { Ok(0) })?;
    Ok(answer)
}

#[test]
fn both_sides_show_certificates_or_nothing_is_said() {
    let (papers, strangers) = (Papers::new(), Papers::new());
    let config = server_config(&papers.files("server", true), &["http/1.1"]).expect("a server's settings");
    let address = serve(usual(), Some(config));
    let friend = client_config(&papers.files("client", true)).expect("a client's settings");
    let answer = ask(address, friend).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    // A certificate of another authority, behind the right roots.
    let mut files = strangers.files("client", false);
    files.authorities = papers.files("client", true).authorities;
    let stranger = client_config(&files).expect("a client's settings");
    assert!(ask(address, stranger).is_err(), "a stranger was served");
    let distrustful = client_config(&strangers.files("client", true)).expect("a client's settings");
    assert!(ask(address, distrustful).is_err(), "a client trusts another authority's server");
}

#[test]
fn a_plain_client_does_not_hold_up_tls_clients() {
    let papers = Papers::new();
    let config = server_config(&papers.files("server", true), &[]).expect("a server's settings");
    let address = serve(usual(), Some(config));
    let _silent = TcpStream::connect(address).expect("connected");
    let friend = client_config(&papers.files("client", true)).expect("a client's settings");
    assert!(ask(address, friend).expect("an answer").ends_with("hello"));
}

#[test]
fn files_that_do_not_fit_are_told_by_name() {
    let papers = Papers::new();
    let mut files = papers.files("server", false);
    files.key = papers.files("client", false).key;
    let error = server_config(&files, &[]).expect_err("the key is another's").to_string();
    assert!(error.contains("server.pem"), "{error}");
    files.key = papers.folder.path().join("none.key");
    assert!(server_config(&files, &[]).expect_err("no key").to_string().contains("none.key"));
    let error = client_config(&papers.files("client", false)).expect_err("no authorities").to_string();
    assert!(error.contains("authorities"), "{error}");
}

/// A masked text frame (RFC 6455, 5.2) of less than 126 bytes.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, 0x80 | u8::try_from(text.len()).expect("short"), 1, 2, 3, 4];
    bytes.extend(text.bytes().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]));
    bytes
}

#[test]
fn an_upgraded_connection_outlives_the_time_of_a_head() {
    let address = serve(ServerOptions { head_max: Duration::from_millis(50), ..usual() }, None);
    let mut socket = TcpStream::connect(address).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
    let ask = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    socket.write_all(ask.as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(150) {
        socket.write_all(&frame("still here")).expect("sent");
        let mut answer = [0u8; 12];
        socket.read_exact(&mut answer).expect("an echo");
        assert_eq!(&answer[2..], b"still here");
    }
}

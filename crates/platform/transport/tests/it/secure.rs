//! TLS, certificates on both sides, and what a connection becomes when it is upgraded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocket;
use axum::extract::{ConnectInfo, WebSocketUpgrade};
use axum::routing::get;
use heng_transport::{ChooseTls, Front, HandshakeFailed, Health, Metrics, Peer, Server, ServerOptions, SessionCookie};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ClientHello, WebPkiClientVerifier};

use crate::client::usual;

/// An authority with a server's and a client's certificate that it issued.
struct Papers {
    roots: Arc<RootCertStore>,
    ends: [(CertificateDer<'static>, KeyPair); 2],
}

impl Papers {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let end = || {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
            (params.signed_by(&key, &authority).expect("a certificate").der().clone(), key)
        };
        Self { roots: Arc::new(roots), ends: [end(), end()] }
    }

    fn end(&self, at: usize) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (certificate, key) = &self.ends[at];
        (vec![certificate.clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn server(&self) -> ChooseTls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&provider));
        let (chain, key) = self.end(0);
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&[&rustls::version::TLS13]).expect("TLS 1.3");
        let config = config.with_client_cert_verifier(verifier.build().expect("a verifier"));
        let config = Arc::new(config.with_single_cert(chain, key).expect("they fit"));
        Arc::new(move |_| Some(Arc::clone(&config)))
    }

    /// A client that trusts these authorities and shows a certificate of `of`.
    fn client(&self, of: &Self) -> Arc<rustls::ClientConfig> {
        let (chain, key) = of.end(1);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&[&rustls::version::TLS13]).expect("TLS 1.3");
        let config = config.with_root_certificates(Arc::clone(&self.roots));
        Arc::new(config.with_client_auth_cert(chain, key).expect("they fit"))
    }
}

/// Where the request came from, and the cookie that a session would get.
async fn who(ConnectInfo(Peer(from)): ConnectInfo<Peer>, cookie: SessionCookie) -> String {
    format!("{} {}", from.ip(), cookie.set("t", 1))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

fn serve(options: ServerOptions, tls: Option<ChooseTls>) -> SocketAddr {
    serve_telling(options, tls, Arc::new(|_, _| {}), Front::default())
}

/// The same with a front, telling of handshakes that fail.
fn serve_telling(options: ServerOptions, tls: Option<ChooseTls>, failed: HandshakeFailed, front: Front) -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let server = Server::bind(options, Arc::new(Metrics::default()), Health::default()).await.expect("bound");
            let server = if let Some(tls) = tls { server.with_tls(tls) } else { server };
            let server = server.behind(front).telling_failed_handshakes(failed);
            told.send(server.address()).expect("the test waits");
            let upgrade = |ws: WebSocketUpgrade| async move { ws.on_upgrade(echo) };
            let routes = Router::new()
                .route("/hello", get(|| async { "hello" }))
                .route("/who", get(who))
                .route("/ws", get(upgrade));
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
    let address = serve(usual(), Some(papers.server()));
    let answer = ask(address, papers.client(&papers)).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    // A certificate of another authority, behind the right roots.
    assert!(ask(address, papers.client(&strangers)).is_err(), "a stranger was served");
    assert!(ask(address, strangers.client(&papers)).is_err(), "a client trusts another authority's server");
}

#[test]
fn a_plain_client_does_not_hold_up_tls_clients() {
    let papers = Papers::new();
    let address = serve(usual(), Some(papers.server()));
    let _silent = TcpStream::connect(address).expect("connected");
    assert!(ask(address, papers.client(&papers)).expect("an answer").ends_with("hello"));
}

#[test]
fn whom_the_door_does_not_choose_settings_for_is_refused() {
    let papers = Papers::new();
    let address = serve(usual(), Some(Arc::new(|_: &ClientHello<'_>| None)));
    assert!(ask(address, papers.client(&papers)).is_err(), "a caller without settings was served");
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

#[test]
fn a_door_under_tls_tells_browsers_to_stay() {
    const STRICT: &str = "strict-transport-security: max-age=31536000; includeSubDomains";
    let papers = Papers::new();
    let answer = ask(serve(usual(), Some(papers.server())), papers.client(&papers)).expect("an answer");
    assert!(answer.contains(STRICT), "{answer}");
    let plain = |front: Front| {
        let address = serve_telling(usual(), None, Arc::new(|_, _| {}), front);
        let mut stream = TcpStream::connect(address).expect("a connection");
        let head = "GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: 6.6.6.6, 203.0.113.9\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    };
    let answer = plain(Front::default());
    assert!(!answer.contains("strict-transport") && answer.ends_with("Max-Age=1"), "{answer}");
    assert!(answer.contains("\r\n\r\n127.0.0.1 heng_session=t;"), "nobody is trusted: {answer}");
    // A proxy that is named ends TLS in front of it, and tells whose request it is.
    let trusted = vec!["127.0.0.0/8".parse().expect("a network")];
    let answer = plain(Front { trusted, secured: true, ..Front::default() });
    assert!(answer.contains(STRICT) && answer.ends_with("; Secure"), "{answer}");
    assert!(answer.contains("\r\n\r\n203.0.113.9 __Host-heng_session=t;"), "{answer}");
}

#[test]
fn a_failed_handshake_is_told() {
    let (papers, strangers) = (Papers::new(), Papers::new());
    let (told, heard) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let failed: HandshakeFailed = Arc::new(move |from, why| {
        let told = told.lock().expect("nobody panicked");
        told.send((from, why.to_owned())).expect("the test listens");
    });
    let address = serve_telling(usual(), Some(papers.server()), failed, Front::default());
    assert!(ask(address, papers.client(&strangers)).is_err(), "a stranger was served");
    let (from, why) = heard.recv_timeout(Duration::from_secs(20)).expect("it is told");
    assert!(from.is_loopback() && why.contains("certificate"), "{from} {why}");
    TcpStream::connect(address).expect("a connection").write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    heard.recv_timeout(Duration::from_secs(20)).expect("no TLS at all is told as well");
    ask(address, papers.client(&papers)).expect("an answer");
    assert!(heard.try_recv().is_err(), "a good handshake is not told");
}

//! Questions to HTTP servers of others, over TLS: bounded in time and size, and no redirect is followed, so that what
//! answers is what was asked. Plain HTTP goes to this machine only.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::TransportError;

/// Bytes of an answer's head that are taken at most.
const HEAD_MAX: usize = 16 * 1_024;
/// Headers of an answer at most.
const HEADERS_MAX: usize = 64;

/// How much a question may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// Everything together, from the name's look-up to the last byte.
    pub time_max: Duration,
    /// Bytes of the body that are taken at most.
    pub answer_max: usize,
}

/// Asks servers whose certificates it trusts.
#[derive(Clone)]
pub struct Fetcher {
    tls: TlsConnector,
    limits: FetchLimits,
}

impl Fetcher {
    /// Trusts the authorities of a PEM file, or without one those that browsers trust.
    ///
    /// # Errors
    /// If the file cannot be read or holds no certificate.
    pub fn new(authorities: Option<&Path>, limits: FetchLimits) -> Result<Self, TransportError> {
        let roots = match authorities {
            Some(path) => read_roots(path)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("the provider has suites for the usual versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), limits })
    }

    /// Sends one request and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// If the address is neither HTTPS nor plain HTTP on this machine, the certificate is not trusted, nobody answers in
    /// time, or the answer is too large.
    pub async fn fetch(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        let url = request.uri().to_string();
        let failed = |reason: String| TransportError::Asked { url: url.clone(), reason };
        match tokio::time::timeout(self.limits.time_max, self.talk(request)).await {
            Ok(answered) => answered.map_err(failed),
            Err(_) => Err(failed(format!("no answer within {} ms", self.limits.time_max.as_millis()))),
        }
    }

    async fn talk(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let uri = request.uri().clone();
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the address must begin with https://".to_owned()),
        };
        let host = uri.host().ok_or("there is no host")?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
        if !secure {
            let near = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
            return if near {
                self.exchange(stream, request).await
            } else {
                Err("plain HTTP leaves no machine".into())
            };
        }
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| error.to_string())?;
        self.exchange(stream, request).await
    }

    async fn exchange<S>(&self, stream: S, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEAD_MAX).max_headers(HEADERS_MAX);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // The connection lives as long as this question: whatever ends the question ends it.
        let running = AbortOnDrop(tokio::spawn(connection));
        let answer = sender.send_request(relative(request)?).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.limits.answer_max).collect().await;
        drop(running);
        let body = body.map_err(|error| format!("the answer did not arrive: {error}"))?.to_bytes().to_vec();
        Ok(Response::from_parts(head, body))
    }
}

/// As a server expects it: the path alone in its first line, and the host beside it.
fn relative(request: Request<Vec<u8>>) -> Result<Request<Full<Bytes>>, String> {
    let (mut head, body) = request.into_parts();
    let host = head.uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    head.uri = path.parse::<Uri>().map_err(|error| error.to_string())?;
    head.headers.insert(header::HOST, HeaderValue::from_str(&host).map_err(|error| error.to_string())?);
    Ok(Request::from_parts(head, Full::new(Bytes::from(body))))
}

fn read_roots(path: &Path) -> Result<RootCertStore, TransportError> {
    let failed = |reason: String| TransportError::Asked { url: path.display().to_string(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() { Err(failed("it holds no certificate".to_owned())) } else { Ok(roots) }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Asks a server that answers these bytes, and then says nothing more.
    async fn asked(answer: &'static str) -> Result<Response<Vec<u8>>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut head = [0; 2_048];
            let read = stream.read(&mut head).expect("a request");
            stream.write_all(answer.as_bytes()).expect("sent");
            // It ends when the caller goes away.
            let _ = stream.read(&mut [0; 1]);
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let limits = FetchLimits { time_max: Duration::from_millis(500), answer_max: 64 };
        let fetcher = Fetcher::new(None, limits).expect("the authorities of browsers");
        let request = Request::get(format!("http://{address}/keys?a=b")).body(Vec::new()).expect("a request");
        let answer = fetcher.fetch(request).await.map_err(|error| error.to_string());
        let said = server.join().expect("the server does not panic");
        assert!(said.starts_with("GET /keys?a=b HTTP/1.1\r\n") && said.contains(&format!("host: {address}")), "{said}");
        answer
    }

    // The server is waited for in this thread, while another one closes the connection.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn answers_are_bounded_and_redirects_are_answers() {
        let good = asked("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.expect("an answer");
        assert_eq!((good.status().as_u16(), good.body().as_slice()), (200, b"{}".as_slice()));
        let moved =
            asked("HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(moved.expect("an answer").status().as_u16(), 302);
        let long = "HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\n\
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        assert!(asked(long).await.expect_err("too long").contains("the answer did not arrive"));
        let slow = asked("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx").await;
        assert!(slow.expect_err("too slow").contains("no answer within 500 ms"));
    }

    #[tokio::test]
    async fn only_https_leaves_this_machine() {
        let limits = FetchLimits { time_max: Duration::from_secs(1), answer_max: 64 };
        let fetcher = Fetcher::new(None, limits).expect("the authorities of browsers");
        for place in ["ftp://127.0.0.1/", "/keys"] {
            let request = Request::get(place).body(Vec::new()).expect("a request");
            let error = fetcher.fetch(request).await.expect_err(place).to_string();
            assert!(error.contains("https://"), "{error}");
        }
        assert!(Fetcher::new(Some(Path::new("/nowhere.pem")), limits).is_err());
    }
}

//! One question to another HTTP server, bounded in time and size. It speaks plain HTTP/1.1: whoever asks over a network
//! that is not trusted puts a TLS proxy of their own in between.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::TransportError;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// `http://host:port/path`.
    pub url: &'a str,
    /// The bearer token; none = no `authorization`.
    pub token: Option<&'a str>,
    /// The body.
    pub body: Vec<u8>,
    /// How long everything together may take.
    pub time_max: Duration,
    /// Bytes of the answer that are taken at most.
    pub answer_max: usize,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// Asks and waits for the whole answer.
///
/// # Errors
/// If the address is no plain HTTP, nobody answers in time, or the answer is larger than asked for.
pub async fn ask(request: Request<'_>) -> Result<Asked, TransportError> {
    let (url, time_max) = (request.url.to_owned(), request.time_max);
    let failed = |reason: String| TransportError::Asked { url: url.clone(), reason };
    match tokio::time::timeout(time_max, talk(request)).await {
        Ok(answered) => answered.map_err(failed),
        Err(_) => Err(failed(format!("no answer within {} ms", time_max.as_millis()))),
    }
}

async fn talk(request: Request<'_>) -> Result<Asked, String> {
    let uri: Uri = request.url.parse().map_err(|error| format!("no address: {error}"))?;
    if uri.scheme_str() != Some("http") {
        return Err("only http:// is spoken; put a TLS proxy in between for https".into());
    }
    let host = uri.host().ok_or("there is no host")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let running = tokio::spawn(connection);
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut head = hyper::Request::builder().method(request.method).uri(path).header(header::HOST, authority);
    if let Some(token) = request.token {
        head = head.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let head = head.body(Full::new(Bytes::from(request.body))).map_err(|error| error.to_string())?;
    let answer = sender.send_request(head).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), request.answer_max).collect().await;
    running.abort();
    let body = body.map_err(|error| format!("the answer did not arrive: {error}"))?.to_bytes().to_vec();
    Ok(Asked { status, body })
}

//! A minimal HTTP/1.1 client: requests with a body or without, answers with a content length, one after the other on
//! a connection that stays.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest head of an answer that is read.
const HEAD_MAX: usize = 16 * 1_024;
/// Longest body of an answer that is read.
const BODY_MAX: usize = 64 << 20;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// A request as bytes.
pub(crate) fn request(method: &str, target: &str, token: &str, body: Option<&str>) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n");
    if !token.is_empty() {
        let _ = write!(head, "authorization: Bearer {token}\r\n");
    }
    if let Some(body) = body {
        let _ = write!(head, "content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    head.push_str(body.unwrap_or_default());
    head.into_bytes()
}

/// Where the parts of an answer stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: usize,
    pub(crate) body: usize,
}

fn wrong(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).filter_map(|line| line.split_once(':')).find_map(|(key, value)| {
        let found = key.eq_ignore_ascii_case(name);
        found.then(|| value.trim())
    })
}

/// The first answer in `bytes`; `None` while it is not whole.
///
/// # Errors
/// If it is no answer, longer than the limits, or of unknown length.
pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).take(HEAD_MAX).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX { Err(wrong("the head of the answer is too long")) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("the head of the answer is not text"))?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| wrong("the answer has no status"))?;
    let body = match header(head, "content-length") {
        Some(length) => length.parse().map_err(|_| wrong("the length of the answer is no number"))?,
        None if status == 204 || status == 304 || status == 101 => 0,
        None => return Err(wrong("the answer does not tell its length")),
    };
    if body > BODY_MAX {
        return Err(wrong("the body of the answer is too long"));
    }
    let answer = Answer { status, head: end + 4, body };
    Ok((bytes.len() >= end + 4 + body).then_some(answer))
}

/// A connection, made again when it breaks.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    bytes: Vec<u8>,
    taken: usize,
}

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, bytes: Vec::new(), taken: 0 }
    }

    async fn stream(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.bytes.clear();
            self.taken = 0;
            self.stream = Some(stream);
        }
        Ok(self.stream.as_mut().expect("it was just made"))
    }

    /// Opens the connection, so that the first request does not pay for it.
    ///
    /// # Errors
    /// If nobody listens.
    pub(crate) async fn connect(&mut self) -> io::Result<()> {
        self.stream().await.map(|_| ())
    }

    /// Sends and waits for the answer: its status and its body.
    ///
    /// # Errors
    /// If the connection breaks or the answer cannot be read; the next call connects again.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        let told = tokio::time::timeout(ANSWER_MAX, self.send_and_read(request)).await;
        let told = told.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if told.is_err() {
            self.stream = None;
        }
        let answer = told?;
        Ok((answer.status, &self.bytes[answer.head..answer.head + answer.body]))
    }

    async fn send_and_read(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream().await?;
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let stream = self.stream.as_mut().expect("it was just made");
        stream.write_all(request).await?;
        loop {
            if let Some(answer) = parse(&self.bytes)? {
                self.taken = answer.head + answer.body;
                return Ok(answer);
            }
            self.bytes.reserve(4_096);
            if stream.read_buf(&mut self.bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends and reads the answer as JSON; null where it is none.
    ///
    /// # Errors
    /// As [`Client::exchange`].
    pub(crate) async fn json(
        &mut self,
        method: &str,
        target: &str,
        token: &str,
        body: Option<&str>,
    ) -> io::Result<(u16, Value)> {
        let (status, bytes) = self.exchange(&request(method, target, token, body)).await?;
        Ok((status, serde_json::from_slice(bytes).unwrap_or(Value::Null)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nlocation: /v1/orders/7\r\n\r\nabcdHTTP/1.1 ";
        for cut in 0..bytes.len() - "HTTP/1.1 ".len() {
            assert_eq!(parse(&bytes[..cut]).expect("nothing is wrong yet"), None, "{cut}");
        }
        let answer = parse(bytes).expect("it is good").expect("it is whole");
        assert_eq!((answer.status, &bytes[answer.head..answer.head + answer.body]), (201, b"abcd".as_slice()));
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").expect("good").map(|a| a.body), Some(0));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for bytes in [
            b"SSH-2.0-x\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            &[b'x'; HEAD_MAX + 1],
        ] {
            assert!(parse(bytes).is_err(), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
        }
    }

    #[test]
    fn a_request_names_its_length_and_its_token() {
        let text = String::from_utf8(request("POST", "/v1/orders", "abc", Some("{}"))).expect("text");
        assert!(text.starts_with("POST /v1/orders HTTP/1.1\r\n") && text.ends_with("\r\ncontent-length: 2\r\n\r\n{}"));
        assert!(text.contains("\r\nauthorization: Bearer abc\r\n"));
        assert!(!String::from_utf8(request("GET", "/", "", None)).expect("text").contains("authorization"));
    }
}

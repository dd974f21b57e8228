//! A server in its own thread and a client that writes the bytes itself.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use heng_transport::{Check, Fields, Health, Metrics, Problem, Server, ServerOptions, TransportError};
use tokio::sync::{Notify, oneshot};

/// A running server. Dropping it stops it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Told when the handler of `/wait` has begun.
    pub(crate) began: std::sync::mpsc::Receiver<()>,
    /// Lets the handlers of `/wait` end.
    pub(crate) release: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), TransportError>>>,
}

async fn echo(mut fields: Fields) -> Result<String, Problem> {
    let word = fields.required_text("word", |text| Ok::<_, &str>(text.to_owned()));
    let times = fields.number("times", 1, 9);
    let (word, times) = fields.finish((|| Some((word?, times)))())?;
    Ok(format!("{word} {}", times.unwrap_or(1)))
}

fn routes(began: std::sync::mpsc::Sender<()>, release: Arc<Notify>) -> Router {
    let wait = move || async move {
        let released = release.notified();
        began.send(()).expect("the test listens");
        released.await;
        "waited"
    };
    Router::new()
        .route("/echo", post(echo))
        .route("/wait", get(wait))
        .route("/endless", get(|| async { axum::body::Body::from_stream(futures_util::stream::repeat_with(chunk)) }))
        .route("/panic", get(|| async { panic!("a bug in a handler") as &'static str }))
}

/// Chunks that bodies of `/endless` have handed over, of all tests together.
pub(crate) static CHUNKS: AtomicUsize = AtomicUsize::new(0);
pub(crate) const CHUNK: usize = 16_384;

fn chunk() -> Result<Vec<u8>, std::convert::Infallible> {
    CHUNKS.fetch_add(1, Ordering::Relaxed);
    Ok(vec![b'x'; CHUNK])
}

pub(crate) fn usual() -> ServerOptions {
    ServerOptions::at("127.0.0.1:0".parse().expect("an address"))
}

pub(crate) fn start(options: ServerOptions) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let (bound, address) = std::sync::mpsc::channel();
    let (begins, began) = std::sync::mpsc::channel();
    let release = Arc::new(Notify::new());
    let routes = routes(begins, Arc::clone(&release));
    let thread = std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let health = Health::default();
            health.add("store", || Check { well: false, detail: "parked".into() });
            let server = Server::bind(options, Arc::new(Metrics::default()), health).await?;
            bound.send(server.address()).expect("the test listens");
            let stop = async {
                // A dropped sender stops the server as well.
                let _ = stopped.await;
            };
            server.serve(routes, stop).await
        })
    });
    let address = address.recv().expect("the server binds");
    Running { address, began, release, stop: Some(stop), thread: Some(thread) }
}

impl Running {
    /// Tells the server to stop, without waiting.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) fn join(&mut self) -> Result<(), TransportError> {
        self.tell_to_stop();
        self.thread.take().expect("joined once").join().expect("the server does not panic")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
        stream
    }

    /// One request on its own connection.
    pub(crate) fn send(&self, request: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the request is sent");
        read_reply(&mut stream)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(&get_request(path))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.release.notify_waiters();
        self.tell_to_stop();
    }
}

pub(crate) fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let document: serde_json::Value = serde_json::from_str(&self.body).expect("a problem is JSON");
        assert_eq!(document["status"], self.status);
        let id = self.head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("a request id");
        assert_eq!(document["instance"], format!("urn:heng:request:{id}"));
        document
    }
}

pub(crate) fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer, then the end");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

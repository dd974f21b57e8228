//! Clients that live through the end of whom they speak with: each knows how far it came, and goes on from there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};

use crate::house::{SOON, host};

/// How long a client listens, or waits after a failure, until it looks whether it has come far enough.
const LOOK: Duration = Duration::from_millis(50);

/// How far the clients are to come: nobody knows it before the last order is answered.
#[derive(Default)]
pub(crate) struct Goal {
    sequence: Mutex<Option<u64>>,
    told: Condvar,
}

impl Goal {
    /// Tells the sequence that is far enough.
    pub(crate) fn set(&self, sequence: u64) {
        *self.sequence.lock().expect("nobody panics with it") = Some(sequence);
        self.told.notify_all();
    }

    /// Whether whoever has seen `at` has come far enough.
    fn is_reached(&self, at: u64) -> bool {
        self.sequence.lock().expect("nobody panics with it").is_some_and(|goal| goal <= at)
    }

    /// Waits for a moment, or until there is news of the goal.
    pub(crate) fn pause(&self, moment: Duration) {
        let goal = self.sequence.lock().expect("nobody panics with it");
        drop(self.told.wait_timeout(goal, moment).expect("nobody panics with it"));
    }
}

/// A connection that is kept for many requests.
pub(crate) struct Line {
    address: String,
    token: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Line {
    pub(crate) fn new(address: &str, token: &str) -> Self {
        Self { address: address.to_owned(), token: token.to_owned(), stream: None }
    }

    /// Status and body.
    ///
    /// # Errors
    /// If the connection cannot be made, or breaks: then nobody knows what became of the request.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let answered = self.try_ask(method, path, body);
        if answered.is_err() {
            self.stream = None;
        }
        answered
    }

    fn try_ask(&mut self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(host(&self.address))?;
            stream.set_read_timeout(Some(SOON))?;
            stream.set_nodelay(true)?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().expect("it was made above");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}", self.token);
        let head = format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        stream.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
        let mut line = String::new();
        let (mut status, mut length) = (0, 0);
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let lower = line.to_ascii_lowercase();
            if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().expect("a status");
            } else if let Some(rest) = lower.strip_prefix("content-length:") {
                length = rest.trim().parse().expect("a length");
            }
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

/// What a stream of server-sent events brings next.
enum Brought {
    /// `id` and `data` of an event.
    Event(u64, Value),
    /// Nothing for a moment.
    Nothing,
    /// The stream has ended.
    End,
}

/// A stream of server-sent events over HTTP/1.1.
struct Events {
    stream: TcpStream,
    /// What came, as it came.
    raw: Vec<u8>,
    /// The same without the frames of its pieces.
    text: String,
    has_head: bool,
}

impl Events {
    fn open(address: &str, path: &str, token: &str, last_id: Option<u64>) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(host(address))?;
        stream.set_read_timeout(Some(LOOK))?;
        let last_id = last_id.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{last_id}\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(Self { stream, raw: Vec::new(), text: String::new(), has_head: false })
    }

    fn next(&mut self) -> Brought {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let told = field("data:").map(|data| {
                    let id = field("id:").and_then(|id| id.parse().ok()).expect("an event has an id");
                    Brought::Event(id, serde_json::from_str(data).expect("JSON"))
                });
                self.text = rest.to_owned();
                // A comment keeps the connection alive.
                match told {
                    Some(told) => return told,
                    None => continue,
                }
            }
            let mut bytes = [0; 16_384];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Brought::End,
                Ok(count) => self.raw.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Brought::Nothing;
                }
                Err(_) => return Brought::End,
            }
            if !self.unwrap_pieces() {
                return Brought::End;
            }
        }
    }

    /// Takes the head and every whole piece (RFC 9112, 7.1); false at the last piece.
    fn unwrap_pieces(&mut self) -> bool {
        let find = |raw: &[u8], word: &[u8]| raw.windows(word.len()).position(|found| found == word);
        if !self.has_head {
            let Some(end) = find(&self.raw, b"\r\n\r\n") else { return true };
            let head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
            assert!(head.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.raw));
            assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
            self.raw.drain(..end + 4);
            self.has_head = true;
        }
        while let Some(end) = find(&self.raw, b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..end]).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a size");
            if size == 0 {
                return false;
            }
            if self.raw.len() < end + 2 + size + 2 {
                break;
            }
            self.text += std::str::from_utf8(&self.raw[end + 2..end + 2 + size]).expect("events are whole characters");
            self.raw.drain(..end + 2 + size + 2);
        }
        true
    }
}

/// How a client says where it was.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resume {
    /// As browsers do.
    LastEventId,
    /// As a parameter of the address.
    Since,
}

/// Follows a stream of trade events from the first one to the goal, however often it must be opened again. Returns
/// what it was told, in that order.
pub(crate) fn follow_events(address: &str, path: &str, token: &str, resume: Resume, goal: &Goal) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    let (mut last, began) = (0, Instant::now());
    loop {
        let opened = match resume {
            Resume::LastEventId => Events::open(address, path, token, Some(last)),
            Resume::Since => Events::open(address, &format!("{path}?since={last}"), token, None),
        };
        let Ok(mut events) = opened else {
            assert!(began.elapsed() < 3 * SOON, "{path}: nobody answers");
            goal.pause(LOOK);
            continue;
        };
        loop {
            match events.next() {
                Brought::Event(id, event) => {
                    assert_eq!(event["sequence"], json!(id));
                    last = id;
                    seen.push(event);
                }
                Brought::Nothing => {}
                Brought::End => break,
            }
            if goal.is_reached(last) {
                return seen;
            }
            assert!(began.elapsed() < 3 * SOON, "{path}: the events end at {last}");
        }
        goal.pause(LOOK);
    }
}

/// Prices of one side with what rests there.
type Levels = BTreeMap<String, Value>;

/// An instrument as a subscriber knows it from snapshots and updates.
#[derive(Default)]
struct Mirror {
    /// Number of the last message; none where a snapshot must come first.
    seq: Option<u64>,
    as_of: u64,
    sides: [Levels; 2],
}

impl Mirror {
    fn take(&mut self, message: &Value) {
        let depth = if message["type"] == "snapshot" {
            self.sides = Default::default();
            &message["depth"]
        } else {
            let before = self.seq.unwrap_or_else(|| panic!("no snapshot came before {message}"));
            assert_eq!(message["prev_seq"].as_u64(), Some(before), "an update is missing: {message}");
            message
        };
        for (side, name) in self.sides.iter_mut().zip(["bids", "asks"]) {
            for level in depth[name].as_array().into_iter().flatten() {
                let price = level[0].as_str().expect("a price").to_owned();
                if level[1] == "0" {
                    assert!(side.remove(&price).is_some(), "{price} was never told");
                } else {
                    side.insert(price, level.clone());
                }
            }
        }
        self.seq = message["seq"].as_u64();
        let as_of = message["as_of_sequence"].as_u64().expect("a sequence");
        assert!(as_of >= self.as_of, "the market goes back: {message}");
        self.as_of = as_of;
    }
}

/// What a subscriber saw.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) connections: u32,
    pub(crate) updates: u32,
}

/// Follows the books of `symbols` until that of the first shows the goal, however often it must connect again; then
/// asks for a snapshot, which must be what the updates led to.
pub(crate) fn follow_market(address: &str, token: &str, symbols: &[String], goal: &Goal) -> Watched {
    let (mut watched, mut books) = (Watched::default(), BTreeMap::new());
    let began = Instant::now();
    loop {
        if let Some(mut socket) = subscribe(address, token, symbols) {
            watched.connections += 1;
            for symbol in symbols {
                let book: &mut Mirror = books.entry(symbol.clone()).or_default();
                book.seq = None;
            }
            while watched_more(&mut socket, &mut books, &mut watched) {
                if goal.is_reached(books[&symbols[0]].as_of) {
                    compare_with_snapshot(&mut socket, &mut books, &symbols[0], &mut watched);
                    return watched;
                }
                assert!(began.elapsed() < 3 * SOON, "the market stands at {}", books[&symbols[0]].as_of);
            }
        }
        assert!(began.elapsed() < 3 * SOON, "nobody answers");
        goal.pause(LOOK);
    }
}

fn subscribe(address: &str, token: &str, symbols: &[String]) -> Option<WebSocket<TcpStream>> {
    let stream = TcpStream::connect(host(address)).ok()?;
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    let mut request = format!("ws://{}/v1/stream", host(address)).into_client_request().expect("a request");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    request.headers_mut().insert("sec-websocket-protocol", "heng.json.v1".parse().expect("a header"));
    let (mut socket, _) = tokio_tungstenite::tungstenite::client(request, stream).ok()?;
    socket.get_ref().set_read_timeout(Some(LOOK)).expect("a socket option");
    let ask = json!({ "op": "subscribe", "id": 1, "channel": "market", "symbols": symbols, "what": ["depth"] });
    socket.send(Message::Text(ask.to_string().into())).ok()?;
    Some(socket)
}

/// The messages of the next frame; none for a moment without one; `None` at the end.
fn frame(socket: &mut WebSocket<TcpStream>) -> Option<Vec<Value>> {
    match socket.read() {
        Ok(Message::Text(text)) => match serde_json::from_str(&text).expect("JSON") {
            Value::Array(list) => Some(list),
            one => Some(vec![one]),
        },
        Ok(Message::Close(_)) => None,
        Ok(_) => Some(Vec::new()),
        Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Some(Vec::new())
        }
        Err(_) => None,
    }
}

/// Takes the next frame; false at the end.
fn watched_more(
    socket: &mut WebSocket<TcpStream>,
    books: &mut BTreeMap<String, Mirror>,
    watched: &mut Watched,
) -> bool {
    let Some(messages) = frame(socket) else { return false };
    for message in messages {
        match message["type"].as_str() {
            Some("snapshot" | "update") => {
                watched.updates += u32::from(message["type"] == "update");
                let symbol = message["symbol"].as_str().expect("a symbol");
                books.get_mut(symbol).expect("it was asked for").take(&message);
            }
            Some("subscribed") => {}
            _ => panic!("{message}"),
        }
    }
    true
}

fn compare_with_snapshot(
    socket: &mut WebSocket<TcpStream>,
    books: &mut BTreeMap<String, Mirror>,
    symbol: &str,
    watched: &mut Watched,
) {
    let ask = json!({ "op": "resync", "symbol": symbol });
    socket.send(Message::Text(ask.to_string().into())).expect("it is sent");
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < SOON, "no snapshot comes");
        let messages = frame(socket).expect("the stream goes on");
        for message in messages {
            let book = books.get_mut(message["symbol"].as_str().expect("a symbol")).expect("it was asked for");
            let is_answer = message["type"] == "snapshot" && message["symbol"] == symbol;
            let (led_to, seq) = (book.sides.clone(), book.seq);
            book.take(&message);
            watched.updates += u32::from(!is_answer);
            if is_answer {
                assert_eq!(book.seq, seq, "the snapshot stands where the updates lead: {message}");
                assert_eq!(led_to, book.sides, "{message}");
                return;
            }
        }
    }
}

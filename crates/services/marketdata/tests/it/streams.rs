//! The push over WebSocket and server-sent events.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::{SinkExt as _, StreamExt as _};
use heng_marketdata::{PushLimits, decode_messages};
use heng_model::Side;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::ServiceExt as _;

use crate::support::{A, B, PATIENCE, Record, World, at, begin, cancelled, trade, working};

const DAY: &str = "2026-07-06";

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    waiting: Vec<Value>,
}

async fn serve(world: &World) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = world.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn handshake(
    address: SocketAddr,
    who: &str,
    protocol: &str,
) -> tokio_tungstenite::tungstenite::handshake::client::Request {
    let mut request = format!("ws://{address}/v1/stream").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {who}").parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    request
}

impl Client {
    async fn open(address: SocketAddr, who: &str, protocol: &str) -> Self {
        let (socket, response) = connect_async(handshake(address, who, protocol)).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
        Self { socket, waiting: Vec::new() }
    }

    async fn say(&mut self, message: Value) {
        self.socket.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    async fn frame(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a message in time");
        match next {
            Some(Ok(message)) => Some(message),
            Some(Err(Error::ConnectionClosed | Error::Protocol(_) | Error::Io(_))) | None => None,
            Some(Err(error)) => panic!("{error}"),
        }
    }

    /// The next JSON message; an array is handed out one by one.
    async fn next(&mut self) -> Option<Value> {
        while self.waiting.is_empty() {
            match self.frame().await? {
                Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                    Value::Array(list) => self.waiting = list,
                    one => self.waiting.push(one),
                },
                Message::Close(_) => return None,
                _ => {}
            }
        }
        Some(self.waiting.remove(0))
    }

    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if message["type"] == kind {
                return message;
            }
        }
    }
}

type Side2 = BTreeMap<String, (String, u64)>;

/// A client's own book, kept by snapshots and updates.
#[derive(Debug, Default, PartialEq)]
struct Mirror {
    seq: u64,
    as_of: u64,
    sides: [Side2; 2],
    stats: serde_json::Map<String, Value>,
    trades: Vec<String>,
}

impl Mirror {
    fn levels(side: &mut Side2, levels: &Value) {
        for level in levels.as_array().into_iter().flatten() {
            let (price, quantity) = (level[0].as_str().unwrap().to_owned(), level[1].as_str().unwrap().to_owned());
            if quantity == "0" {
                assert!(side.remove(&price).is_some(), "{price} was never told");
            } else {
                side.insert(price, (quantity, level[2].as_u64().unwrap()));
            }
        }
    }

    fn take(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                self.sides = Default::default();
                Self::levels(&mut self.sides[0], &message["depth"]["bids"]);
                Self::levels(&mut self.sides[1], &message["depth"]["asks"]);
                self.stats = message["stats"].as_object().cloned().unwrap_or_default();
                self.trades.clear();
            }
            "update" => {
                assert_eq!(message["prev_seq"].as_u64().unwrap(), self.seq, "an update is missing: {message}");
                Self::levels(&mut self.sides[0], &message["bids"]);
                Self::levels(&mut self.sides[1], &message["asks"]);
                if let Some(stats) = message["stats"].as_object() {
                    self.stats.extend(stats.clone());
                }
            }
            other => panic!("{other}"),
        }
        let trades = message["trades"].as_array().into_iter().flatten();
        self.trades.extend(trades.map(|trade| trade["id"].as_str().unwrap().to_owned()));
        self.seq = message["seq"].as_u64().unwrap();
        self.as_of = message["as_of_sequence"].as_u64().unwrap();
    }
}

fn subscribe(symbols: &[&str], what: &[&str]) -> Value {
    json!({ "op": "subscribe", "id": 1, "channel": "market", "symbols": symbols, "what": what })
}

/// Something happens to the book of A, `count` times, over a few ticks.
async fn churn(record: &Record, count: u64) -> u64 {
    let mut last = 0;
    for number in 0..count {
        let order = 1_000 + number;
        let price = format!("{}.{:02}", 90 + number % 9, number % 100);
        let side = if number % 2 == 0 { Side::Buy } else { Side::Sell };
        let price = if side == Side::Buy { price } else { format!("1{price}") };
        let mut events = vec![working(order, A, side, &price, 100 + number as i64)];
        if number % 3 == 0 {
            events.push(trade(
                number + 1,
                A,
                if side == Side::Buy { (order, 1) } else { (1, order) },
                (&price, 50),
                side,
            ));
        }
        if number >= 30 && number % 4 == 0 {
            let old = order - 30;
            let rest = 100 + number as i64 - 30 - if (number - 30).is_multiple_of(3) { 50 } else { 0 };
            events.push(cancelled(old, rest));
        }
        last = record.say(at(DAY, 9, 31, (number % 60) as i64), events);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_lead_from_one_snapshot_to_the_next() {
    let world = World::new().await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve(&world).await;
    for (who, levels) in [("l2", 10), ("l1", 5)] {
        let mut client = Client::open(address, who, "heng.json.v1").await;
        client.say(subscribe(&["600519.SH"], &["depth", "snapshot"])).await;
        let granted = client.next_of("subscribed").await;
        assert_eq!(granted["level"], if levels == 10 { "level2" } else { "level1" });
        let mut mirror = Mirror::default();
        mirror.take(&client.next_of("snapshot").await);
        // Both rounds use the same orders, so the second goes on behind what the first left.
        let last = if who == "l2" { churn(&world.record, 120).await } else { more(&world.record).await };
        while mirror.as_of < last {
            mirror.take(&client.next_of("update").await);
        }
        assert!(mirror.sides.iter().all(|side| side.len() <= levels));
        client.say(json!({ "op": "resync", "symbol": "600519.SH" })).await;
        let snapshot = client.next_of("snapshot").await;
        let mut fresh = Mirror::default();
        fresh.take(&snapshot);
        assert_eq!(mirror.sides, fresh.sides);
        assert_eq!(mirror.stats, fresh.stats);
        assert_eq!(mirror.seq, fresh.seq);
    }
}

async fn more(record: &Record) -> u64 {
    let mut last = 0;
    for order in 5_000..5_040 {
        last =
            record.say(at(DAY, 9, 35, 0), vec![working(order, A, Side::Buy, &format!("98.{}", order % 50 + 10), 100)]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_form_tells_the_same() {
    let world = World::new().await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve(&world).await;
    let mut client = Client::open(address, "staff", "heng.bin.v1").await;
    client.say(subscribe(&["600519.SH", "600036.SH"], &["depth", "trades", "snapshot", "candle.1m"])).await;
    assert_eq!(client.next().await.unwrap()["type"], "subscribed");
    let Some(Message::Binary(frame)) = client.frame().await else { panic!("a binary frame") };
    let snapshots = decode_messages(&frame).unwrap();
    assert_eq!(
        snapshots.iter().map(|m| (m.kind, m.symbol.as_str())).collect::<Vec<_>>(),
        [(1, "600519.SH"), (1, "600036.SH")]
    );
    let events = vec![
        working(1, A, Side::Sell, "100.10", 500),
        trade(7, A, (2, 1), ("100.10", 200), Side::Sell),
        working(3, B, Side::Buy, "39.90", 100),
    ];
    let last = world.record.say(at(DAY, 9, 31, 5), events);
    let Some(Message::Binary(frame)) = client.frame().await else { panic!("a binary frame") };
    let told = decode_messages(&frame).unwrap();
    assert_eq!(told.iter().map(|m| m.kind).collect::<Vec<_>>(), [2, 3, 2]);
    assert_eq!(told[0].levels, [vec![], vec![(1_001_000, 300, 1)]]);
    assert_eq!((told[0].prev_seq, told[0].as_of_sequence), (snapshots[0].seq, last));
    assert_eq!(
        told[0].trades.iter().map(|trade| (trade.0, trade.2, trade.3, trade.4)).collect::<Vec<_>>(),
        [(7, 1_001_000, 200, 1)]
    );
    let candle = told[1].candle.unwrap();
    assert_eq!(candle, [20_260_706, 9 * 60 + 32, 1_001_000, 1_001_000, 1_001_000, 1_001_000, 200, 200_200_000, 1]);
    assert_eq!(told[2].levels[0], [(399_000, 100, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_may_not_have_is_refused_and_the_stream_goes_on() {
    let world = World::new().await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve(&world).await;
    let mut client = Client::open(address, "l1", "heng.json.v1").await;
    let refused = [
        (json!({ "op": "subscribe", "symbols": ["1.SH"] }), "NotFound"),
        (json!({ "op": "subscribe", "symbols": [] }), "BadRequest"),
        (json!({ "op": "subscribe", "channel": "orders", "symbols": ["600519.SH"] }), "NotFound"),
        (json!({ "op": "subscribe", "symbols": ["600519.SH"], "what": ["trades"] }), "Forbidden"),
        (json!({ "op": "subscribe", "symbols": ["600519.SH"], "what": ["candle.2m"] }), "BadRequest"),
        (json!({ "op": "subscribe", "symbols": ["600519.SH"], "more": 1 }), "BadRequest"),
        (json!({ "op": "resync", "symbol": "600519.SH" }), "NotFound"),
        (json!([1]), "BadRequest"),
    ];
    for (message, code_name) in refused {
        client.say(message.clone()).await;
        let told = client.next().await.unwrap();
        assert_eq!(
            (told["type"].as_str(), told["code_name"].as_str()),
            (Some("error"), Some(code_name)),
            "{message}: {told}"
        );
    }
    client.say(subscribe(&["600519.SH"], &["depth", "trades"])).await;
    let granted = client.next_of("subscribed").await;
    assert_eq!((&granted["what"], &granted["refused"]), (&json!(["depth"]), &json!(["trades"])));
    client.next_of("snapshot").await;
    client.say(json!({ "op": "unsubscribe", "symbols": ["600519.SH"] })).await;
    client.next_of("unsubscribed").await;
    client.say(json!({ "op": "ping", "id": 9 })).await;
    assert_eq!(client.next_of("pong").await["id"], 9);
}

fn limits() -> PushLimits {
    PushLimits { principal_streams_max: 2, messages_per_s: NonZeroU32::new(5).unwrap(), ..PushLimits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_and_crowds_are_bounded() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let world = World::over(Record::default(), folder, limits()).await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve(&world).await;
    let mut client = Client::open(address, "l1", "heng.json.v1").await;
    let second = Client::open(address, "l1", "heng.json.v1").await;
    let third = connect_async(handshake(address, "l1", "heng.json.v1")).await;
    let Err(Error::Http(response)) = third else { panic!("a third stream is refused") };
    assert_eq!(response.status(), 429);
    drop(second);
    for _ in 0..50 {
        if client.socket.send(Message::Text(json!({ "op": "ping" }).to_string().into())).await.is_err() {
            break;
        }
    }
    let dropped = client.next_of("dropped").await;
    assert_eq!(dropped["reason"], "flood");
    assert!(client.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_opens_nothing() {
    let world = World::new().await;
    let address = serve(&world).await;
    let mut request = handshake(address, "l1", "heng.json.v1");
    request.headers_mut().insert("origin", "https://elsewhere.example".parse().unwrap());
    let Err(Error::Http(response)) = connect_async(request).await else { panic!("refused") };
    assert_eq!(response.status(), 403);
    let mut request = handshake(address, "l1", "heng.json.v1");
    request.headers_mut().insert("origin", format!("http://{address}").parse().unwrap());
    assert!(connect_async(request).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_pinged_and_then_gone() {
    let push = PushLimits {
        ping_after: Duration::from_millis(100),
        silence_max: Duration::from_millis(1_500),
        ..PushLimits::default()
    };
    let world = World::over(Record::default(), Arc::new(tempfile::tempdir().unwrap()), push).await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve(&world).await;
    let client = Client::open(address, "l1", "heng.json.v1").await;
    // The socket is open, but nobody reads it, so no ping is answered.
    assert_eq!(world.market.push_counts().streams, 1);
    let gone = async {
        while world.market.push_counts().streams > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the place is free again");
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_carry_the_same_messages() {
    let world = World::new().await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let request = Request::get("/v1/stream/market?symbols=600519.SH&channels=depth,snapshot")
        .header("authorization", "Bearer l2")
        .header("last-event-id", "2")
        .body(Body::empty())
        .unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    let mut text = String::new();
    let last = world.record.say(at(DAY, 9, 31, 0), vec![working(1, A, Side::Buy, "99.00", 100)]);
    while !text.contains("event: update") {
        let bytes = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    assert!(text.contains("event: snapshot") && text.contains(&format!("id: {last}")), "{text}");
    assert!(text.contains(r#""bids":[["99.00","100",1]]"#), "{text}");
}

/// Serves with small buffers, so that a client who does not read is noticed soon.
async fn serve_tightly(world: &World) -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4_096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(64).unwrap();
    let address = listener.local_addr().unwrap();
    let router = world.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

impl Client {
    async fn open_tightly(address: SocketAddr, who: &str) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = MaybeTlsStream::Plain(socket.connect(address).await.unwrap());
        let request = handshake(address, who, "heng.json.v1");
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        Self { socket, waiting: Vec::new() }
    }

    /// Follows A with its trades, and takes the snapshot.
    async fn follow(&mut self) -> Mirror {
        self.say(subscribe(&["600519.SH"], &["depth", "trades", "snapshot"])).await;
        let mut mirror = Mirror::default();
        mirror.take(&self.next_of("snapshot").await);
        mirror
    }
}

/// Trades of A, forty at a time, until told to stop; tells the last command.
async fn rush(record: Record, mut stop: tokio::sync::oneshot::Receiver<()>) -> u64 {
    let mut number = 0;
    loop {
        let order = 10_000 + number;
        let mut events = vec![working(order, A, Side::Sell, "100.10", 4_100)];
        events.extend((1..=40).map(|at| trade(number * 100 + at, A, (1, order), ("100.10", 100), Side::Sell)));
        let last = record.say(at(DAY, 10, 0, 0), events);
        number += 1;
        if tokio::time::timeout(Duration::from_millis(10), &mut stop).await.is_ok() {
            return last;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_gets_snapshots_and_holds_nobody_back() {
    let push = PushLimits { send_max: PATIENCE, ..PushLimits::default() };
    let world = World::over(Record::default(), Arc::new(tempfile::tempdir().unwrap()), push).await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve_tightly(&world).await;
    let mut slow = Client::open_tightly(address, "staff").await;
    let mut slow_mirror = slow.follow().await;
    let mut fast = Client::open(address, "l2", "heng.json.v1").await;
    let mut fast_mirror = fast.follow().await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let writer = tokio::spawn(rush(world.record.clone(), stopped));
    // The slow one does not read; the fast one gets every update without a gap.
    let mut updates = 0;
    while updates < 25 {
        fast_mirror.take(&fast.next_of("update").await);
        updates += 1;
    }
    stop.send(()).unwrap();
    let last = writer.await.unwrap();
    // Now the slow one reads: a snapshot takes the place of what it missed, and leads on to the end.
    let mut snapshots = 0;
    while slow_mirror.as_of < last {
        let message = slow.next().await.expect("the stream goes on");
        snapshots += u32::from(message["type"] == "snapshot");
        slow_mirror.take(&message);
    }
    while fast_mirror.as_of < last {
        fast_mirror.take(&fast.next_of("update").await);
    }
    assert!(snapshots >= 1 && world.market.push_counts().conflated >= 1);
    assert_eq!((slow_mirror.sides, slow_mirror.stats), (fast_mirror.sides, fast_mirror.stats));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_dropped_alone() {
    let push = PushLimits { send_max: Duration::from_millis(300), ..PushLimits::default() };
    let world = World::over(Record::default(), Arc::new(tempfile::tempdir().unwrap()), push).await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve_tightly(&world).await;
    let mut stuck = Client::open_tightly(address, "staff").await;
    stuck.follow().await;
    let mut fast = Client::open(address, "l2", "heng.json.v1").await;
    let mut mirror = fast.follow().await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let writer = tokio::spawn(rush(world.record.clone(), stopped));
    let dropped = async {
        while world.market.push_counts().streams > 1 {
            mirror.take(&fast.next_of("update").await);
        }
    };
    tokio::time::timeout(PATIENCE, dropped).await.expect("the stuck client is dropped");
    assert_eq!(world.market.push_counts().dropped, 1);
    for _ in 0..5 {
        mirror.take(&fast.next_of("update").await);
    }
    stop.send(()).unwrap();
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_the_right_to_a_stream_is_told_and_cut_off_alone() {
    let world = World::new().await;
    begin(&world.record, DAY);
    world.get("/v1/market?min_sequence=3").await;
    let address = serve(&world).await;
    let mut stays = Client::open(address, "l1", "heng.json.v1").await;
    for (who, reason) in [("ended", "revoked"), ("moved", "changed")] {
        let mut client = Client::open(address, who, "heng.json.v1").await;
        let began = std::time::Instant::now();
        let dropped = client.next_of("dropped").await;
        assert_eq!(dropped["reason"], reason);
        let Some(Message::Close(Some(close))) = client.frame().await else { panic!("the socket is closed") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (1_008, reason));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

        let request = Request::get("/v1/stream/market?symbols=600519.SH");
        let request = request.header("authorization", format!("Bearer {who}"));
        let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20);
        let body = tokio::time::timeout(PATIENCE, body).await.expect("the stream ends").unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let last = text.rsplit_once("event: dropped\ndata: ").expect("a last event").1;
        assert_eq!(serde_json::from_str::<Value>(last.trim()).unwrap()["reason"], reason);
    }
    stays.say(json!({ "op": "ping", "id": 5 })).await;
    assert_eq!(stays.next_of("pong").await["id"], 5);
    assert_eq!(world.market.push_counts().streams, 1);
}

//! The load generators against small servers that misbehave in a known way.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::fix::{Writer, field, message_len};
use super::spec::{Client, Listed, Offer, OrderLoad, PushLoad};
use super::{load_fix, load_rest, load_ws};

fn load(listener: &TcpListener, how: Offer, connections: usize, seconds: f64) -> OrderLoad {
    let client = Client { account: "1".into(), token: "t".into(), cash: 1_000_000 };
    let listed = Listed { symbol: "600000.SH".into(), limit_down: "9.00".into(), hold: 10, ..Listed::default() };
    OrderLoad {
        address: listener.local_addr().unwrap(),
        prefix: "p".into(),
        clients: vec![client],
        instruments: vec![listed],
        how,
        connections,
        senders: (1..=connections).map(|number| format!("BENCH{number}")).collect(),
        tls: None,
        target: "HENG".into(),
        warm_s: 0.0,
        seconds,
        seed: 1,
    }
}

/// The next whole request, or `None` at the end.
async fn next_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let whole = end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap());
            if bytes.len() >= whole {
                bytes.drain(..whole);
                return Some(text[..whole].to_owned());
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Answers orders on every connection; the first answer of all comes no earlier than `first_at`. Every order whose
/// number ends in 7 is refused.
async fn http_door(listener: TcpListener, first_at: Instant) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while let Some(request) = next_request(&mut stream, &mut bytes).await {
                tokio::time::sleep_until(first_at).await;
                let refused = request.contains("7\",\"symbol\"");
                let (status, body) = match (refused, request.starts_with("POST /v1/orders HTTP")) {
                    (true, _) => ("422 Unprocessable Content", r#"{"code_name":"NoCash"}"#),
                    (false, true) => ("201 Created", r#"{"order_id":"5"}"#),
                    (false, false) => ("200 OK", "{}"),
                };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
    }
}

#[tokio::test]
async fn a_door_that_stalls_is_charged_for_every_order_that_was_due() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let load = load(&listener, Offer::PerSecond(500.0), 1, 0.6);
    let door = tokio::spawn(http_door(listener, Instant::now() + Duration::from_millis(400)));
    let outcome = load_rest::run(load).await.unwrap();
    door.abort();
    assert_eq!((outcome.orders, outcome.unanswered), (300, 0));
    assert_eq!((outcome.accepted, outcome.errors), (270, 30));
    assert_eq!(outcome.reasons["422 NoCash"], 30);
    assert!(outcome.cancels > 0 && outcome.cancels_refused == 0, "{outcome:?}");
    // One order was sent into the stall; whoever counted from the sending would find a median without it.
    assert!(outcome.p50_ms > 60.0 && outcome.p99_ms > 300.0, "{outcome:?}");
}

#[tokio::test]
async fn a_closed_loop_ends_with_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let load = load(&listener, Offer::InFlight(4), 4, 0.2);
    let door = tokio::spawn(http_door(listener, Instant::now()));
    let outcome = load_rest::run(load).await.unwrap();
    door.abort();
    assert!(outcome.accepted > 10 && outcome.unanswered == 0, "{outcome:?}");
    assert_eq!(outcome.orders, outcome.accepted + outcome.errors);
}

/// Logs every session on, accepts orders, refuses each tenth, and asks whether the other side is there.
async fn fix_door(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let (mut bytes, mut writer, mut orders) = (Vec::new(), Writer::new("HENG", "BENCH1"), 0);
            while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                let mut out = Vec::new();
                while let Some(length) = message_len(&bytes).unwrap() {
                    let message: Vec<u8> = bytes.drain(..length).collect();
                    let name = String::from_utf8_lossy(field(&message, 11)).into_owned();
                    let (kind, fields) = match field(&message, 35) {
                        b"A" => ("A", vec![(98, "0"), (108, "30"), (141, "Y")]),
                        b"D" => {
                            orders += 1;
                            assert_eq!(field(&message, 44), b"9.00");
                            let state = if orders % 10 == 0 { "8" } else { "0" };
                            ("8", vec![(150, state), (11, name.as_str()), (58, "no")])
                        }
                        b"F" => ("8", vec![(150, "4"), (11, name.as_str()), (41, "x")]),
                        b"0" | b"5" => continue,
                        other => panic!("what is {other:?}"),
                    };
                    writer.write(&mut out, kind, "20260706-01:30:00.000", &fields);
                    if orders == 5 {
                        writer.write(&mut out, "1", "20260706-01:30:00.000", &[(112, "there?")]);
                    }
                }
                stream.write_all(&out).await.unwrap();
            }
        });
    }
}

#[tokio::test]
async fn fix_orders_are_counted_by_their_reports() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let load = load(&listener, Offer::PerSecond(1_000.0), 2, 0.2);
    let door = tokio::spawn(fix_door(listener));
    let outcome = load_fix::run(load).await.unwrap();
    door.abort();
    assert_eq!(
        (outcome.orders, outcome.accepted, outcome.errors, outcome.unanswered),
        (200, 180, 20, 0),
        "{outcome:?}"
    );
    assert!((9..=10).contains(&outcome.cancels) && outcome.cancels_refused == 0, "{outcome:?}");
}

/// Opens a socket, and sends each subscriber a frame in pieces, a ping, and another frame, again and again.
async fn stream_door(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            let request = next_request(&mut stream, &mut bytes).await.unwrap();
            assert!(request.contains("sec-websocket-protocol: heng.json.v1"));
            let head = "HTTP/1.1 101 x\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                        sec-websocket-protocol: heng.json.v1\r\n\r\n";
            let subscribed = r#"{"type":"subscribed","id":1}"#;
            let text = |text: &str| [&[0x81, text.len() as u8], text.as_bytes()].concat();
            stream.write_all(&[head.as_bytes(), &text(subscribed)].concat()).await.unwrap();
            let told = text(r#"{"type":"update","time":"","sent_at":""}"#);
            loop {
                let (first, rest) = told.split_at(9);
                let second = [rest, &[0x89, 0], &told].concat();
                if stream.write_all(first).await.is_err() || stream.write_all(&second).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
}

#[tokio::test]
async fn subscribers_count_whole_frames() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let load = PushLoad {
        address: listener.local_addr().unwrap(),
        subscribers: 3,
        follows: 2,
        symbols: vec!["A".into(), "B".into(), "C".into()],
        tokens: vec!["t".into()],
        protocol: "heng.json.v1".into(),
        ramp_s: 5.0,
        seconds: 0.3,
        market_ahead_ns: 0,
        seed: 1,
    };
    let door = tokio::spawn(stream_door(listener));
    let outcome = load_ws::run(load).await.unwrap();
    door.abort();
    assert_eq!((outcome.subscribers, outcome.errors, outcome.snapshots), (3, 0, 0), "{outcome:?}");
    assert!(outcome.frames >= 12 && outcome.messages == outcome.frames, "{outcome:?}");
    let each = outcome.bytes_per_subscriber_per_s / outcome.frames_per_subscriber_per_s;
    assert!((each - 42.0).abs() < 1e-6, "{each}");
}

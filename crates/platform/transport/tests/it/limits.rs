//! Every limit is met by name, and what is running is not cut off by it.

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use heng_transport::{ServerOptions, TransportError};

use crate::client::{CHUNK, CHUNKS, get_request, read_reply, start, usual};

#[test]
fn a_large_body_is_refused_whether_announced_or_not() {
    let server = start(ServerOptions { body_max: 8_192, ..usual() });
    let reply = server.post("/echo", &format!("{{\"word\":\"{}\"}}", "a".repeat(9_000)));
    assert_eq!(reply.problem()["status"], 413);
    let chunk = format!("2000\r\n{}\r\n", "a".repeat(0x2000));
    let chunked = server.send(&format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    ));
    assert_eq!(chunked.problem()["status"], 413);
    assert_eq!(server.post("/echo", r#"{"word":"a"}"#).status, 200);
}

#[test]
fn too_many_at_once_are_refused_and_operators_are_not() {
    let server = start(ServerOptions { requests_max: 1, ..usual() });
    let mut first = server.connect();
    first.write_all(get_request("/wait").as_bytes()).expect("sent");
    server.began.recv().expect("the handler runs");
    let refused = server.post("/echo", r#"{"word":"a"}"#);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.problem()["code_name"], "Overloaded");
    assert!(refused.head.contains("retry-after: 1"));
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.get("/metrics").body.contains("heng_http_requests_running 1\n"));
    server.release.notify_waiters();
    assert_eq!(read_reply(&mut first).body, "waited");
    assert_eq!(server.post("/echo", r#"{"word":"a"}"#).status, 200, "the place is free again");
}

#[test]
fn a_request_without_answer_in_time_is_told_that_its_outcome_is_open() {
    let server = start(ServerOptions { request_max: Duration::from_millis(50), requests_max: 1, ..usual() });
    let reply = server.get("/wait");
    assert_eq!(reply.problem()["code_name"], "NoAnswer");
    assert_eq!(reply.status, 503);
    // It keeps its place until it has really ended.
    assert_eq!(server.post("/echo", r#"{"word":"a"}"#).status, 429);
}

#[test]
fn a_body_that_never_comes_ends_in_time() {
    let server = start(ServerOptions { request_max: Duration::from_millis(50), requests_max: 1, ..usual() });
    let mut stream = server.connect();
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("sent");
    let reply = read_reply(&mut stream);
    assert_eq!(reply.problem()["status"], 408);
    assert_eq!(server.post("/echo", r#"{"word":"a"}"#).status, 200, "a slow body never held the only place");
}

#[test]
fn a_silent_connection_is_closed_and_frees_its_place() {
    let server = start(ServerOptions { silence_max: Duration::from_millis(50), connections_max: 1, ..usual() });
    let mut silent = server.connect();
    silent.write_all(b"GET /hea").expect("half a head");
    let mut next = server.connect();
    next.write_all(get_request("/healthz").as_bytes()).expect("sent");
    assert_eq!(read_reply(&mut next).status, 200, "the silent one had the only place");
    let mut rest = Vec::new();
    let ended = silent.read_to_end(&mut rest);
    assert!(ended.is_err() || rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{rest:?}");
}

#[test]
fn a_head_that_drips_is_closed_although_it_is_never_silent() {
    let server = start(ServerOptions { head_max: Duration::from_millis(50), connections_max: 1, ..usual() });
    let mut dripping = server.connect();
    let mut next = server.connect();
    next.write_all(get_request("/healthz").as_bytes()).expect("sent");
    next.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket option");
    dripping.write_all(b"GET /healthz HTTP/1.1\r\nx: ").expect("half a head");
    let (mut answer, mut byte) = (Vec::new(), [0u8; 1]);
    let began = std::time::Instant::now();
    while next.read(&mut byte).is_err() {
        // It may be closed already.
        let _ = dripping.write_all(b"a");
        assert!(began.elapsed() < Duration::from_secs(10), "the dripping one keeps the only place");
    }
    next.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
    next.read_to_end(&mut answer).expect("the rest of the answer");
    assert!(answer.starts_with(b"TTP/1.1 200"));
}

#[test]
fn a_request_that_runs_longer_than_its_head_may_is_not_cut_off() {
    let server = start(ServerOptions { head_max: Duration::from_millis(50), ..usual() });
    let mut first = server.connect();
    // Two requests on one connection; the head of the second comes long after the first connection's time.
    first.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    server.began.recv().expect("the handler runs");
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(120) {
        std::thread::yield_now();
    }
    server.release.notify_waiters();
    first.write_all(get_request("/healthz").as_bytes()).expect("sent");
    let reply = read_reply(&mut first);
    assert_eq!(reply.status, 200);
    assert!(reply.body.starts_with("waited") && reply.body.contains("HTTP/1.1 200"), "{reply:?}");
}

#[test]
fn stopping_lets_running_requests_end() {
    let mut server = start(usual());
    let mut first = server.connect();
    first.write_all(get_request("/wait").as_bytes()).expect("sent");
    server.began.recv().expect("the handler runs");
    server.tell_to_stop();
    server.release.notify_waiters();
    assert_eq!(read_reply(&mut first).body, "waited");
    server.join().expect("drained");
}

#[test]
fn draining_ends_by_name_when_a_request_does_not() {
    let mut server = start(ServerOptions { drain_max: Duration::from_millis(50), ..usual() });
    let mut stuck = server.connect();
    stuck.write_all(get_request("/wait").as_bytes()).expect("sent");
    server.began.recv().expect("the handler runs");
    let ended = server.join();
    assert!(matches!(ended, Err(TransportError::NotDrained { running: 1, .. })), "{ended:?}");
}

#[test]
fn http_2_without_upgrade_is_understood() {
    let server = start(usual());
    let mut stream = server.connect();
    // The client preface and an empty SETTINGS frame (RFC 9113, 3.4); the server answers with its own SETTINGS.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").expect("sent");
    let mut frame = [0u8; 9];
    stream.read_exact(&mut frame).expect("a frame");
    assert_eq!(frame[3], 4, "the type of a SETTINGS frame");
}

#[test]
fn an_address_that_is_taken_is_told() {
    let server = start(usual());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let options = ServerOptions::at(server.address);
    let bound = runtime.block_on(heng_transport::Server::bind(options, Default::default(), Default::default()));
    assert!(matches!(bound, Err(TransportError::Bind { .. })));
}

/// Bytes that a server hands to the kernel for a client that never reads.
fn ahead_of_a_client_that_never_reads(send_buffer: u32) -> usize {
    let server = start(ServerOptions { send_buffer, ..usual() });
    let mut client = server.connect();
    let before = CHUNKS.load(Ordering::Relaxed);
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    let (mut seen, mut since) = (before, std::time::Instant::now());
    // Nothing moves any more when nothing has for a while.
    while seen == before || since.elapsed() < Duration::from_millis(500) {
        let now = CHUNKS.load(Ordering::Relaxed);
        if now != seen {
            (seen, since) = (now, std::time::Instant::now());
        }
        std::thread::yield_now();
    }
    (seen - before) * CHUNK
}

#[test]
fn a_small_send_buffer_notices_early_that_a_client_does_not_read() {
    let small = ahead_of_a_client_that_never_reads(16_384);
    let large = ahead_of_a_client_that_never_reads(4 << 20);
    assert!(small + (1 << 20) < large, "{small} bytes ahead with a small buffer, {large} with a large one");
}

//! FIX from a hostile counterparty: raw bytes, and messages whose sums are right, so that they are looked into. What the
//! session sends must be messages; nothing panics and nothing grows without bound.
#![no_main]

use std::sync::Arc;

use heng_transport::fix::{
    EchoApplication, FixApplicationKind, FixBody, FixClock, FixLimits, FixMoment, FixParts, FixRole, FixSession,
    FixSessionConfig, FixWire, Frame, FrameReader, MemoryStore,
};
use libfuzzer_sys::fuzz_target;

/// 2026-07-06 01:30 UTC, for ever.
struct Still;

impl FixClock for Still {
    fn now(&self) -> FixMoment {
        FixMoment { utc_ns: 1_783_301_400_000_000_000, steady_ns: 1 }
    }
}

const HEAD: &str = "49=THEM\x0152=20260706-01:30:00\x0156=US\x01";

fn framed(begin: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("8={begin}\x019={}\x01", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    bytes
}

fn session(begin: &str, initiator: bool) -> Arc<FixSession> {
    let config = FixSessionConfig {
        begin: begin.to_owned(),
        default_appl_ver: (begin == "FIXT.1.1").then(|| "FIX.5.0".to_owned()),
        sender: "US".to_owned(),
        target: "THEM".to_owned(),
        heartbeat_s: 30,
        reset_on_logon: false,
        application: FixApplicationKind::Echo,
    };
    let parts = FixParts {
        role: if initiator { FixRole::Initiator } else { FixRole::Acceptor },
        limits: FixLimits { unsent_max: 1 << 20, held_max: 1 << 16, ..FixLimits::default() },
        store: Box::new(MemoryStore::new(1 << 20)),
        application: Arc::new(EchoApplication::default()),
        clock: Arc::new(Still),
    };
    FixSession::open(&config, parts).expect("the configuration is right")
}

fn exchange(wire: &mut FixWire, bytes: &[u8], sent: &mut FrameReader) {
    let mut out = Vec::new();
    wire.received().extend_from_slice(bytes);
    wire.work();
    loop {
        wire.send(&mut out);
        if out.is_empty() {
            break;
        }
        sent.buffer().extend_from_slice(&out);
        while let Some(frame) = sent.take() {
            assert!(matches!(frame, Frame::Message(_)), "we sent what is no message");
        }
    }
}

// The first byte chooses; then pieces, parted by line feeds: `*` begins raw bytes, others are the fields behind the
// header of a message, beginning with its type and number: `D 2 11=A|40=1`.
fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let begin = ["FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"][usize::from(choice % 4)];
    let session = session(begin, choice & 4 != 0);
    // Something to send again.
    let _ = session.send(FixBody::new("8").text(37, "kept"));
    let mut wire = FixWire::attach(&session).expect("it is the first");
    let mut sent = FrameReader::new(1 << 20);
    if choice & 8 == 0 {
        let logon = format!("35=A\x0134=1\x01{HEAD}98=0\x01108=30\x01{}", if begin == "FIXT.1.1" { "1137=9\x01" } else { "" });
        exchange(&mut wire, &framed(begin, logon.as_bytes()), &mut sent);
    }
    for piece in rest.split(|byte| *byte == b'\n') {
        if let Some(raw) = piece.strip_prefix(b"*") {
            exchange(&mut wire, raw, &mut sent);
            continue;
        }
        let mut words = piece.splitn(3, |byte| *byte == b' ');
        let mut word = || words.next().unwrap_or(b"");
        let (kind, number, fields) = (word(), word(), word());
        let mut body = [b"35=".as_slice(), kind, b"\x0134=", number, b"\x01", HEAD.as_bytes()].concat();
        body.extend(fields.iter().map(|byte| if *byte == b'|' { 1 } else { *byte }));
        exchange(&mut wire, &framed(begin, &body), &mut sent);
    }
    let status = session.status();
    assert!(status.next_incoming >= 1 && status.unsent_bytes <= 2 << 20);
});

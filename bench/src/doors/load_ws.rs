//! Subscribers of the market stream: as many sockets as asked for on one thread, which reads frames, looks for their
//! times, and throws them away.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use heng_model::{TradeDate, UnixNanos};
use heng_runtime::LatencyHistogram;
use serde_json::json;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::desk::Random;
use super::spec::{PushLoad, PushOutcome, count_reason, millis};
use super::websocket::{BINARY, CLOSE, PING, PONG, TEXT, frame, is_opened, opening, parse};

/// Sockets that are opened at the same time.
const OPENING_MAX: usize = 64;
/// How long a socket may take until it is open.
const OPEN_MAX: Duration = Duration::from_secs(20);
/// Room that all sockets share for what was just read.
const ROOM: usize = 64 * 1_024;

struct Shared {
    room: Vec<u8>,
    counting: bool,
    ended: bool,
    open: usize,
    settled: usize,
    market_ahead_ns: i64,
    lag: LatencyHistogram,
    push: LatencyHistogram,
    gap: LatencyHistogram,
    outcome: PushOutcome,
    bytes: u64,
}

fn wall_ns() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}

/// Nanoseconds since 1970 of `2026-07-06T09:30:00.123+08:00`.
pub(crate) fn instant_ns(text: &str) -> Option<i64> {
    let date: TradeDate = text.get(..10)?.parse().ok()?;
    let clock = text.get(11..)?.strip_suffix("+08:00")?;
    let number = |from: usize, to: usize| clock.get(from..to)?.parse::<i64>().ok();
    let seconds = number(0, 2)? * 3_600 + number(3, 5)? * 60 + number(6, 8)?;
    let fraction = clock.get(8..)?.strip_prefix('.').unwrap_or("0");
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let nanos = fraction.parse::<i64>().ok()? * 10i64.pow(9 - digits);
    Some(UnixNanos::at(date, seconds * heng_model::SECOND).0 + nanos)
}

/// Every text value of `key` in JSON that a program wrote, without reading the rest of it.
fn values<'a>(text: &'a str, key: &'static str) -> impl Iterator<Item = &'a str> {
    text.match_indices(key).filter_map(move |(at, _)| text[at + key.len()..].split('"').next())
}

/// An unsigned LEB128 number off the front.
fn number(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A signed one, zigzag.
fn signed(from: &mut &[u8]) -> Option<i64> {
    let value = number(from)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// `time` and `sent_at` of a record behind its head: symbol, sequence and command sequence stand before them.
fn binary_times(mut from: &[u8]) -> Option<(i64, i64)> {
    let symbol = usize::try_from(number(&mut from)?).ok()?;
    from = from.get(symbol..)?;
    let _sequences = (number(&mut from)?, number(&mut from)?);
    Some((signed(&mut from)?, signed(&mut from)?))
}

impl Shared {
    /// A whole frame of market data at `now`.
    fn market(&mut self, kind: u8, payload: &[u8]) {
        let Ok(text) = std::str::from_utf8(payload) else { return self.market_bytes(payload) };
        if kind == BINARY {
            return self.market_bytes(payload);
        }
        let now = wall_ns();
        // Each message begins with its head, in which `time` and `sent_at` stand once, one behind the other.
        for sent in values(text, "\",\"sent_at\":\"") {
            self.outcome.messages += 1;
            if let Some(at) = instant_ns(sent) {
                self.sent(at, now);
            }
        }
        self.outcome.snapshots += text.matches("{\"type\":\"snapshot\"").count() as u64;
        let heads = text.match_indices("\",\"sent_at\":\"").filter_map(|(at, _)| text[..at].rsplit('"').next());
        for at in heads.filter_map(instant_ns) {
            self.happened(at, now);
        }
    }

    /// A message of the tick at `at`, by the server's clock.
    fn sent(&mut self, at: i64, now: i64) {
        self.push.record(u64::try_from(now - at).unwrap_or(0));
    }

    /// A message about what happened at `at`, by the market's clock.
    fn happened(&mut self, at: i64, now: i64) {
        self.lag.record(u64::try_from(now + self.market_ahead_ns - at).unwrap_or(0));
    }

    /// Records: `length u16, kind u8, flags u8`, one behind the other.
    fn market_bytes(&mut self, mut payload: &[u8]) {
        let now = wall_ns();
        while let [low, high, kind, ..] = payload {
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            if length < 4 || length > payload.len() {
                return count_reason(&mut self.outcome.reasons, "a binary record of a wrong length");
            }
            self.outcome.messages += 1;
            self.outcome.snapshots += u64::from(*kind == 1);
            match binary_times(&payload[4..length]) {
                Some((time, sent_at)) => {
                    self.happened(time, now);
                    self.sent(sent_at, now);
                }
                None => count_reason(&mut self.outcome.reasons, "a binary record without its times"),
            }
            payload = &payload[length..];
        }
    }

    fn fail(&mut self, reason: &str) {
        self.outcome.errors += 1;
        count_reason(&mut self.outcome.reasons, reason);
    }
}

/// One subscriber.
struct Subscriber {
    stream: TcpStream,
    bytes: Vec<u8>,
    last: Option<Instant>,
}

/// What a frame asks of us.
enum Heard {
    Nothing,
    Ping(Vec<u8>),
    End(String),
}

impl Subscriber {
    async fn open(load: &PushLoad, number: usize) -> io::Result<Self> {
        let mut stream = TcpStream::connect(load.address).await?;
        stream.set_nodelay(true)?;
        let token = load.tokens.get(number % load.tokens.len().max(1)).map_or("", String::as_str);
        stream.write_all(&opening("/v1/stream", token, &load.protocol)).await?;
        let mut bytes = Vec::with_capacity(512);
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if bytes.len() > 16 * 1_024 || tokio::io::AsyncReadExt::read_buf(&mut stream, &mut bytes).await? == 0 {
                return Err(io::Error::other("the opening was not answered"));
            }
        };
        if !is_opened(&bytes[..end], &load.protocol) {
            let status = String::from_utf8_lossy(&bytes[..end]).lines().next().unwrap_or_default().to_owned();
            return Err(io::Error::other(format!("not opened: {status}")));
        }
        bytes.drain(..end);
        let mut random = Random::new(load.seed.wrapping_mul(1_000_003) + number as u64);
        let (count, mut symbols) = (load.symbols.len(), Vec::with_capacity(load.follows));
        while symbols.len() < load.follows.min(count) {
            let symbol = &load.symbols[random.below(count)];
            if !symbols.contains(&symbol) {
                symbols.push(symbol);
            }
        }
        let wish = json!({ "op": "subscribe", "id": 1, "channel": "market", "symbols": symbols });
        stream.write_all(&frame(TEXT, wish.to_string().as_bytes())).await?;
        Ok(Self { stream, bytes, last: None })
    }

    /// Reads once into the room that all share and takes the whole frames; what is left over stays here.
    async fn read(&mut self, shared: &RefCell<Shared>) -> io::Result<Heard> {
        std::future::poll_fn(|context| {
            let mut shared = shared.borrow_mut();
            let mut room = std::mem::take(&mut shared.room);
            let mut into = ReadBuf::new(&mut room);
            let polled = Pin::new(&mut self.stream).poll_read(context, &mut into);
            let read = into.filled().len();
            let heard = polled.map(|result| match result {
                Ok(()) if read == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(()) => self.take(&room[..read], &mut shared),
                Err(error) => Err(error),
            });
            shared.room = room;
            heard
        })
        .await
    }

    fn take(&mut self, read: &[u8], shared: &mut Shared) -> io::Result<Heard> {
        let kept = std::mem::take(&mut self.bytes);
        if kept.is_empty() {
            return self.take_frames(read, shared);
        }
        let joined = [kept.as_slice(), read].concat();
        self.take_frames(&joined, shared)
    }

    fn take_frames(&mut self, bytes: &[u8], shared: &mut Shared) -> io::Result<Heard> {
        let (mut at, mut heard) = (0, Heard::Nothing);
        while let Some(found) = parse(&bytes[at..])? {
            let whole = found.head + found.payload;
            let payload = &bytes[at + found.head..at + whole];
            match found.kind {
                TEXT | BINARY => self.told(found.kind, payload, whole, shared),
                PING => heard = Heard::Ping(payload.to_vec()),
                CLOSE => heard = Heard::End(close_reason(payload)),
                _ => {}
            }
            at += whole;
        }
        self.bytes.extend_from_slice(&bytes[at..]);
        Ok(heard)
    }

    fn told(&mut self, kind: u8, payload: &[u8], whole: usize, shared: &mut Shared) {
        if payload.starts_with(b"{\"type\":\"subscribed\"") {
            shared.settled += 1;
        } else if payload.starts_with(b"{\"type\":\"dropped\"") {
            shared.outcome.dropped += 1;
        } else if payload.starts_with(b"{\"type\":\"error\"") {
            shared.fail(&String::from_utf8_lossy(payload));
        }
        if !shared.counting {
            return;
        }
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            shared.gap.record((now - last).as_nanos() as u64);
        }
        shared.outcome.frames += 1;
        shared.bytes += whole as u64;
        shared.market(kind, payload);
    }
}

fn close_reason(payload: &[u8]) -> String {
    let code = payload.first_chunk::<2>().map_or(0, |two| u16::from_be_bytes(*two));
    format!("closed {code} {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default()))
}

async fn subscribe(load: Rc<PushLoad>, number: usize, shared: Rc<RefCell<Shared>>, doors: Rc<Semaphore>) {
    let opened = {
        let _place = doors.acquire().await;
        tokio::time::timeout(OPEN_MAX, Subscriber::open(&load, number)).await
    };
    let mut subscriber = match opened {
        Ok(Ok(subscriber)) => subscriber,
        Ok(Err(error)) => return shared.borrow_mut().fail(&error.to_string()),
        Err(_) => return shared.borrow_mut().fail("a socket was not opened in time"),
    };
    shared.borrow_mut().open += 1;
    let reason = loop {
        match subscriber.read(&shared).await {
            Ok(Heard::Nothing) => {}
            Ok(Heard::Ping(payload)) => {
                if let Err(error) = subscriber.stream.write_all(&frame(PONG, &payload)).await {
                    break error.to_string();
                }
            }
            Ok(Heard::End(reason)) => break reason,
            Err(error) => break error.to_string(),
        }
    };
    let mut shared = shared.borrow_mut();
    shared.open -= 1;
    if !shared.ended {
        shared.fail(&reason);
    }
}

async fn watch(load: &PushLoad, shared: &RefCell<Shared>) {
    let began = Instant::now();
    let ramp = Duration::from_secs_f64(load.ramp_s);
    loop {
        let (settled, failed) = (shared.borrow().settled, shared.borrow().outcome.errors as usize);
        if settled + failed >= load.subscribers || began.elapsed() > ramp {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The snapshots of the last subscribers are not part of the steady push.
    tokio::time::sleep(Duration::from_millis(700)).await;
    shared.borrow_mut().outcome.ramp_s = began.elapsed().as_secs_f64();
    shared.borrow_mut().counting = true;
    let counted = Instant::now();
    tokio::time::sleep(Duration::from_secs_f64(load.seconds)).await;
    let mut shared = shared.borrow_mut();
    (shared.counting, shared.ended) = (false, true);
    shared.outcome.seconds = counted.elapsed().as_secs_f64();
    shared.outcome.subscribers = shared.open;
}

/// Opens the subscribers, waits until all follow, and counts what they get.
///
/// # Errors
/// If there is nothing to follow.
pub(crate) async fn run(load: PushLoad) -> io::Result<PushOutcome> {
    if load.symbols.is_empty() {
        return Err(io::Error::other("there is no instrument to follow"));
    }
    let histogram = LatencyHistogram::default;
    let shared = Rc::new(RefCell::new(Shared {
        room: vec![0; ROOM],
        counting: false,
        ended: false,
        open: 0,
        settled: 0,
        market_ahead_ns: load.market_ahead_ns,
        lag: histogram(),
        push: histogram(),
        gap: histogram(),
        outcome: PushOutcome::default(),
        bytes: 0,
    }));
    let (local, load, doors) = (LocalSet::new(), Rc::new(load), Rc::new(Semaphore::new(OPENING_MAX)));
    for number in 0..load.subscribers {
        local.spawn_local(subscribe(Rc::clone(&load), number, Rc::clone(&shared), Rc::clone(&doors)));
    }
    local.run_until(watch(&load, &shared)).await;
    drop(local);
    let shared = Rc::try_unwrap(shared).map_err(|_| io::Error::other("a socket outlived its set"))?.into_inner();
    Ok(finish(shared))
}

fn finish(shared: Shared) -> PushOutcome {
    let Shared { outcome, lag, push, gap, bytes, .. } = shared;
    let ((lag_p50_ms, lag_p99_ms, lag_p999_ms), (push_p50_ms, push_p99_ms, _)) = (millis(&lag), millis(&push));
    let (gap_p50_ms, gap_p99_ms, _) = millis(&gap);
    let each = (outcome.subscribers.max(1)) as f64 * outcome.seconds.max(1e-9);
    PushOutcome {
        frames_per_subscriber_per_s: outcome.frames as f64 / each,
        bytes_per_subscriber_per_s: bytes as f64 / each,
        lag_p50_ms,
        lag_p99_ms,
        lag_p999_ms,
        push_p50_ms,
        push_p99_ms,
        gap_p50_ms,
        gap_p99_ms,
        ..outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read() {
        assert_eq!(instant_ns("2026-07-06T09:15:00.000000007+08:00"), Some(1_783_300_500_000_000_007));
        assert_eq!(instant_ns("2026-07-06T09:15:00.250+08:00"), Some(1_783_300_500_250_000_000));
        assert_eq!(instant_ns("2026-07-06T09:15:00+08:00"), Some(1_783_300_500_000_000_000));
        for wrong in
            ["", "2026-07-06", "2026-07-06T09:15:00.1Z", "2026-13-06T09:15:00+08:00", "2026-07-06Tü:15:00+08:00"]
        {
            assert_eq!(instant_ns(wrong), None, "{wrong}");
        }
    }

    fn shared() -> Shared {
        let histogram = LatencyHistogram::default;
        let outcome = PushOutcome::default();
        let (lag, push, gap) = (histogram(), histogram(), histogram());
        let market_ahead_ns = 0;
        let (counting, ended, open, settled, bytes) = (true, false, 1, 0, 0);
        Shared { room: Vec::new(), counting, ended, open, settled, market_ahead_ns, lag, push, gap, outcome, bytes }
    }

    #[test]
    fn messages_and_their_times_are_found_in_a_frame() {
        let mut shared = shared();
        let now = wall_ns();
        let at = |before_ms: i64| {
            let time = UnixNanos(now - before_ms * 1_000_000);
            let of_day = time.time_of_day();
            let seconds = of_day / heng_model::SECOND;
            let (date, millis) = (time.date().unwrap(), of_day % heng_model::SECOND / 1_000_000);
            format!("{date}T{:02}:{:02}:{:02}.{millis:03}+08:00", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        };
        let head = |kind: &str, time: i64, sent: i64| {
            format!(
                r#"{{"type":"{kind}","symbol":"A","time":"{}","sent_at":"{}","trades":[{{"time":"{}"}}]}}"#,
                at(time),
                at(sent),
                at(9_000)
            )
        };
        let text = format!("[{},{}]", head("update", 60, 20), head("snapshot", 80, 40));
        shared.market(TEXT, text.as_bytes());
        assert_eq!((shared.outcome.messages, shared.outcome.snapshots), (2, 1));
        let (lag, push) = (shared.lag.summary(), shared.push.summary());
        assert_eq!((lag.count, push.count), (2, 2));
        assert!(
            (79_000.0..1_000_000.0).contains(&lag.p99) && (39_000.0..lag.p99).contains(&push.p99),
            "{lag:?} {push:?}"
        );
    }

    #[test]
    fn binary_records_are_counted_by_their_lengths() {
        let mut shared = shared();
        // Symbol "AB", sequences 300 and 7, time 2 ns, sent at -1 ns.
        let snapshot = [13, 0, 1, 0, 2, b'A', b'B', 0xac, 0x02, 7, 4, 1, 99];
        assert_eq!(binary_times(&snapshot[4..]), Some((2, -1)));
        shared.market(BINARY, &[snapshot.as_slice(), &[4, 0, 2, 0]].concat());
        assert_eq!((shared.outcome.messages, shared.outcome.snapshots), (2, 1));
        assert_eq!((shared.lag.summary().count, shared.push.summary().count), (1, 1));
        assert_eq!(shared.outcome.reasons["a binary record without its times"], 1);
        shared.market(BINARY, &[9, 0, 1, 0]);
        assert_eq!(shared.outcome.reasons.len(), 2);
    }
}

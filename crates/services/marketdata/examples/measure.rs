//! Measures the decoders and the push on this machine: `measure decode`, or `measure push SUBSCRIBERS SECONDS`.
//!
//! The subscribers of the push are a process of their own: the program starts itself again with `subscribe`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use heng_marketdata::decode::{itch50, sample, snapshot_bin, sse_csv, sse_log, tick_bin};
use heng_marketdata::{MarketData, MarketOptions, PushLimits, decode_messages};
use heng_model::event::{DayOpened, InstrumentDefined, OrderWorking};
use heng_model::{
    Board, Event, InstrumentClass, InstrumentId, OrderId, PartitionId, Price, Qty, Seq, Side, TradeDate, UnixNanos,
};
use heng_ports::{
    Accounts, AuthFailure, CommandEvents, Credentials, Decision, EventBlock, EventFeed, EventSource, FeedError,
    Gatekeeper, Later, Principal, PrincipalKind, Resource,
};
use heng_store::StoreOptions;
use heng_transport::RateLimits;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const INSTRUMENTS: u32 = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(usual);
    match arguments.first().map(String::as_str) {
        Some("decode") => decode(),
        Some("push") => push(number(1, 1_000), number(2, 10), arguments.get(3).map_or("json", String::as_str)),
        Some("subscribe") => subscribe(&arguments[1], number(2, 1), number(3, 10), &arguments[4]),
        _ => println!("measure decode | measure push SUBSCRIBERS SECONDS [json|bin]"),
    }
}

/// The best of seven rounds: nanoseconds a message, and megabytes a second.
fn best(bytes: usize, mut round: impl FnMut() -> usize) -> (f64, f64) {
    let times = (0..7).map(|_| {
        let began = Instant::now();
        let count = round();
        (began.elapsed().as_secs_f64(), count)
    });
    let (seconds, count) = times.min_by(|a, b| a.0.total_cmp(&b.0)).expect("seven rounds");
    (seconds * 1e9 / count as f64, bytes as f64 / seconds / 1e6)
}

fn decode() {
    let show = |name: &str, (nanos, mb): (f64, f64)| println!("{name:14} {nanos:8.1} ns a message {mb:8.0} MB/s");
    let text = |path: &str| {
        let root = std::env::var_os("HENG_DATA")?;
        let file = std::fs::File::open(std::path::Path::new(&root).join("data-orderflow").join(path)).ok()?;
        zstd::stream::decode_all(file).ok()
    };
    let bytes = sample::itch50(200_000, 1);
    show("itch50", best(bytes.len(), || itch50::Decoder::new(&bytes).filter(Result::is_ok).count()));
    let bytes = sample::tick_stream(200_000, 1);
    let read = || tick_bin::Decoder::new(&bytes).expect("ours").filter(Result::is_ok).count();
    show("tick_bin", best(bytes.len(), read));
    let bytes = sample::snapshot_stream(50_000, 1);
    let read = || snapshot_bin::Decoder::new(&bytes).expect("ours").filter(Result::is_ok).count();
    show("snapshot_bin", best(bytes.len(), read));
    let log = sample::sse_log(100_000, 1).into_bytes();
    show("sse_log made up", best(log.len(), || sse_log::Messages::new(&log).filter(Result::is_ok).count()));
    let csv = sample::sse_csv(100_000, 1).into_bytes();
    let read = || sse_csv::Orders::new(&csv).expect("a header").filter(Result::is_ok).count();
    show("sse_csv made up", best(csv.len(), read));
    if let Some(log) = text("sse-600519-20230207/AX_sbe_sse_600519.log.zst") {
        show("sse_log day", best(log.len(), || sse_log::Messages::new(&log).filter(Result::is_ok).count()));
    }
    let day = ["entrust", "trade", "snapshot"].map(|name| text(&format!("sse-600519-20230201/{name}.csv.zst")));
    let [Some(orders), Some(trades), Some(snapshots)] = day else { return };
    let read = || sse_csv::Orders::new(&orders).expect("a header").filter(Result::is_ok).count();
    show("sse_csv orders", best(orders.len(), read));
    let read = || sse_csv::Trades::new(&trades).expect("a header").filter(Result::is_ok).count();
    show("sse_csv trades", best(trades.len(), read));
    let read = || sse_csv::Snapshots::new(&snapshots).expect("a header").filter(Result::is_ok).count();
    show("sse_csv snapsh.", best(snapshots.len(), read));
}

#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<CommandEvents>>>);

struct Feed(Record, usize);

impl EventFeed for Feed {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let record = self.0.0.lock().expect("nobody panics");
        let commands: Vec<CommandEvents> = record.iter().skip(self.1).take(1_000).cloned().collect();
        let Some(last) = commands.last() else { return Ok(None) };
        let (first, through) = (commands[0].seq, last.seq);
        self.1 += commands.len();
        Ok(Some(EventBlock { first, commands, through }))
    }
}

impl EventSource for Record {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        Ok(Box::new(Feed(self.clone(), from.0 as usize - 1)))
    }

    fn head(&self) -> Seq {
        Seq(self.0.lock().expect("nobody panics").len() as u64)
    }
}

impl Record {
    fn say(&self, events: Vec<Event>) {
        let mut record = self.0.lock().expect("nobody panics");
        let seq = Seq(record.len() as u64 + 1);
        record.push(CommandEvents { seq, time: UnixNanos(1_783_301_400_000_000_000 + seq.0 as i64), events });
    }
}

struct Open;

impl Gatekeeper for Open {
    fn identify<'a>(&'a self, _: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let principal = Principal {
            id: 1,
            kind: PrincipalKind::Client,
            name: "load".into(),
            accounts: Accounts::All,
            roles: Vec::new(),
            scopes: Vec::new(),
            credential: String::new(),
        };
        Box::pin(async move { Ok(Arc::new(principal)) })
    }

    fn decide(&self, _: &Principal, _: &'static str, _: Resource) -> Decision {
        Decision::Allow
    }
}

fn symbol(number: u32) -> String {
    format!("{:06}.SH", 600_000 + number)
}

fn begin(record: &Record) {
    let define = |number: u32| {
        let (board, class) = (Board::SseMain, InstrumentClass::Stock);
        let (instrument, partition) = (InstrumentId(number), PartitionId(0));
        InstrumentDefined { instrument, symbol: symbol(number), board, class, partition, board_lot: 0 }.into()
    };
    record.say((0..INSTRUMENTS).map(define).collect());
    let date = TradeDate::new(2026, 7, 6).expect("a day");
    record.say(vec![DayOpened { date, hk_settles: true }.into()]);
}

/// Orders come to rest in every instrument, a few in each tick.
fn flow(record: &Record, until: Instant) {
    let mut order = 0u64;
    while Instant::now() < until {
        for instrument in 0..INSTRUMENTS {
            order += 1;
            let side = if order.is_multiple_of(2) { Side::Buy } else { Side::Sell };
            let step = (order / 100 % 5).cast_signed() * 100;
            let price = Price(if side == Side::Buy { 100_000 - step } else { 100_100 + step });
            let (instrument, quantity) = (InstrumentId(instrument), Qty(100));
            record.say(vec![OrderWorking { order: OrderId(order), instrument, side, price, quantity }.into()]);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Seconds of processor time that this process has used: for itself, and in the kernel.
fn processor_s() -> [f64; 2] {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_ascii_whitespace().collect();
    [11, 12].map(|at| fields.get(at).and_then(|text| text.parse().ok()).map_or(0.0, |ticks: u64| ticks as f64 / 100.0))
}

fn show_processor(who: &str, began: [f64; 2], seconds: u64) {
    let [user, kernel] = processor_s();
    let share = |now: f64, before: f64| (now - before) / seconds as f64;
    println!("{who}: {:.2} of a processor, and {:.2} in the kernel", share(user, began[0]), share(kernel, began[1]));
}

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

#[tokio::main]
async fn push(subscribers: u64, seconds: u64, format: &str) {
    let record = Record::default();
    begin(&record);
    let folder = tempfile::tempdir().expect("a folder");
    let file = StoreOptions::at(folder.path().join("market.db"));
    let limits = PushLimits { principal_streams_max: 16_384, ..PushLimits::default() };
    let options = MarketOptions { push: limits, ..MarketOptions::at(file, Arc::new(record.clone())) };
    let (market, _) = MarketData::open(options).await.expect("a store");
    let often = NonZeroU32::new(1_000_000).expect("not zero");
    let api = heng_marketdata::api(Arc::clone(&market), Arc::new(Open), Arc::new(RateLimits::new(often, often)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move { axum::serve(listener, api.router()).await });
    while market.status().applied() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = resident_kib();
    let me = std::env::current_exe().expect("a program");
    let words = ["subscribe", &address, &subscribers.to_string(), &seconds.to_string(), format];
    let child = Command::new(me).args(words).stdout(Stdio::piped()).spawn().expect("a process");
    while market.push_counts().streams < subscribers as usize {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{subscribers} subscribers are open");
    let until = Instant::now() + Duration::from_secs(seconds + 4);
    let writer = std::thread::spawn(move || flow(&record, until));
    let began = processor_s();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    show_processor("server", began, seconds);
    let used = resident_kib().saturating_sub(before);
    println!("{} bytes of memory a subscriber", used * 1_024 / subscribers.max(1));
    let output = child.wait_with_output().expect("the subscribers end");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    let _ = writer.join();
}

struct Tally {
    lags_ms: Mutex<BTreeMap<u64, u64>>,
    frames: AtomicU64,
    bytes: AtomicU64,
}

/// When a JSON frame was made, read without parsing all of it.
fn sent_ms(text: &str) -> Option<u64> {
    let from = text.find("\"sent_at\":\"")? + 11;
    let time = text.get(from + 11..from + 23)?;
    let digits: Vec<u64> = time.split([':', '.']).filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds, millis] = digits[..] else { return None };
    // The clock of China, back to that of the epoch.
    Some(((hours + 16) % 24 * 3_600 + minutes * 60 + seconds) * 1_000 + millis)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64 % 86_400_000
}

#[tokio::main]
async fn subscribe(address: &str, subscribers: u64, seconds: u64, format: &str) {
    let protocol = if format == "bin" { "heng.bin.v1" } else { "heng.json.v1" };
    let (lags_ms, frames, bytes) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
    let tally = Arc::new(Tally { lags_ms, frames, bytes });
    let counting = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for number in 0..subscribers {
        let mut request = format!("ws://{address}/v1/stream").into_client_request().expect("a request");
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a name"));
        let config = tokio_tungstenite::tungstenite::protocol::WebSocketConfig::default().read_buffer_size(4_096);
        let connected = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
        let (mut socket, _) = connected.expect("a socket");
        let symbols: Vec<String> = (0..5).map(|at| symbol(((number * 7 + at * 11) % 50) as u32)).collect();
        let message = serde_json::json!({ "op": "subscribe", "symbols": symbols }).to_string();
        socket.send(Message::Text(message.into())).await.expect("sent");
        let (tally, counting) = (Arc::clone(&tally), Arc::clone(&counting));
        tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if !counting.load(Ordering::Relaxed) {
                    continue;
                }
                let (sent, length) = match &message {
                    Message::Text(text) => (sent_ms(text), text.len()),
                    Message::Binary(bytes) => {
                        let first = decode_messages(bytes).ok().and_then(|all| all.first().map(|one| one.sent_at));
                        (first.map(|nanos| nanos as u64 / 1_000_000 % 86_400_000), bytes.len())
                    }
                    _ => continue,
                };
                tally.frames.fetch_add(1, Ordering::Relaxed);
                tally.bytes.fetch_add(length as u64, Ordering::Relaxed);
                if let Some(sent) = sent {
                    *tally.lags_ms.lock().expect("no panic").entry(now_ms().saturating_sub(sent)).or_default() += 1;
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    counting.store(true, Ordering::Relaxed);
    let began = processor_s();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    show_processor("subscribers", began, seconds);
    counting.store(false, Ordering::Relaxed);
    let (frames, bytes) = (tally.frames.load(Ordering::Relaxed), tally.bytes.load(Ordering::Relaxed));
    let lags = tally.lags_ms.lock().expect("no panic");
    let all: u64 = lags.values().sum();
    let at = |share: f64| {
        let mut seen = 0;
        let wanted = (all as f64 * share) as u64;
        lags.iter()
            .find(|(_, count)| {
                seen += **count;
                seen >= wanted
            })
            .map_or(0, |(lag, _)| *lag)
    };
    println!(
        "frames {frames} ({:.1} a subscriber a second), {:.0} bytes a frame, {:.0} bytes/s a subscriber",
        frames as f64 / subscribers as f64 / seconds as f64,
        bytes as f64 / frames as f64,
        bytes as f64 / subscribers as f64 / seconds as f64,
    );
    println!("lag p50 {} ms, p99 {} ms, max {} ms", at(0.5), at(0.99), at(1.0));
}

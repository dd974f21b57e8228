//! Real order flow, where `HENG_DATA` names the folder that holds it: every message is read, and the books that come of
//! it are the ones that the exchange published.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use heng_marketdata::decode::{
    Code, FeedPhase, SnapshotRecord, Tick, itch50, lobster, snapshot_bin, sse_csv, sse_log, tick_bin,
};
use heng_marketdata::{FeedListing, FeedMarket, FeedRecord, Level, PushLimits};
use heng_model::{Board, InstrumentClass, Price, Side};

use crate::support::{Record, World};

fn skip(name: &str, why: &str) {
    let line = format!("SKIPPED: {name}: {why}");
    println!("{line}");
    if let Ok(log) = std::env::var("HENG_SKIP_LOG") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// A file of the folder; none, and told so, if this machine does not have it.
fn data(test: &str, file: &str) -> Option<PathBuf> {
    let path = std::env::var_os("HENG_DATA").map(|root| Path::new(&root).join("data-orderflow").join(file));
    let there = path.filter(|path| path.exists());
    if there.is_none() {
        skip(test, "HENG_DATA names no folder with data-orderflow");
    }
    there
}

fn zst(path: &Path) -> Vec<u8> {
    zstd::stream::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

/// How well the books agree with the published snapshots.
#[derive(Debug, Default)]
struct Score {
    compared: u32,
    equal: u32,
}

/// Replays ticks, and compares each snapshot of continuous trading with the books at or shortly after its time: the
/// exchange takes its pictures at moments of its own inside a second.
fn replay(ticks: &[Tick], snapshots: &[SnapshotRecord], window: u64) -> (FeedMarket, Score) {
    let mut market = FeedMarket::default();
    let (mut score, mut next) = (Score::default(), 0);
    for snapshot in snapshots {
        let compared = snapshot.phase == FeedPhase::Continuous && snapshot.volume.0 > 0;
        while next < ticks.len() && ticks[next].time < snapshot.time {
            market.take(&ticks[next]).unwrap();
            next += 1;
        }
        if !compared {
            continue;
        }
        score.compared += 1;
        let mut ahead = market.clone();
        let mut at = next;
        loop {
            if agrees(&ahead, snapshot) {
                score.equal += 1;
                break;
            }
            if at == ticks.len() || ticks[at].time > snapshot.time + window {
                break;
            }
            ahead.take(&ticks[at]).unwrap();
            at += 1;
        }
    }
    for tick in &ticks[next..] {
        market.take(tick).unwrap();
    }
    (market, score)
}

fn agrees(market: &FeedMarket, snapshot: &SnapshotRecord) -> bool {
    let Some(of) = market.book(snapshot.code) else { return false };
    let plain = |levels: &[Level]| levels.iter().map(|level| (level.price, level.quantity)).collect::<Vec<_>>();
    of.volume == snapshot.volume
        && plain(&of.book.levels(Side::Buy)) == plain(&snapshot.bids)
        && plain(&of.book.levels(Side::Sell)) == plain(&snapshot.asks)
}

fn sorted(mut ticks: Vec<Tick>) -> Vec<Tick> {
    ticks.sort_by_key(|tick| tick.sequence);
    ticks
}

#[test]
fn the_log_of_a_day_makes_the_books_of_the_exchange() {
    let test = "the_log_of_a_day_makes_the_books_of_the_exchange";
    let Some(path) = data(test, "sse-600519-20230207/AX_sbe_sse_600519.log.zst") else { return };
    let text = zst(&path);
    let (mut ticks, mut snapshots) = (Vec::new(), Vec::new());
    for message in sse_log::Messages::new(&text) {
        match message.unwrap() {
            sse_log::Message::Tick(tick) => ticks.push(tick),
            sse_log::Message::Snapshot(snapshot) => snapshots.push(snapshot),
        }
    }
    assert_eq!((ticks.len(), snapshots.len()), (45_764 + 18_685, 5_146));
    let (market, score) = replay(&sorted(ticks), &snapshots, 3_000_000_000);
    println!("{score:?}");
    let of = market.book(Code::new(b"600519").unwrap()).unwrap();
    let last = snapshots.last().unwrap();
    assert_eq!((of.contradictions, of.volume, of.last), (0, last.volume, Some(last.last)));
    // Figures in the log agree with each other: turnover over volume is a price of the day.
    let average = last.turnover.0 / last.volume.0;
    assert!((last.low.0..=last.high.0).contains(&average));
    assert!(score.compared > 4_000);
    assert!(score.equal * 100 >= score.compared * 95, "{score:?}");
}

#[test]
fn the_csv_of_a_day_makes_the_books_of_the_exchange() {
    let test = "the_csv_of_a_day_makes_the_books_of_the_exchange";
    let Some(folder) = data(test, "sse-600519-20230201") else { return };
    let read = |name: &str| zst(&folder.join(name));
    let (orders, trades, pictures) = (read("entrust.csv.zst"), read("trade.csv.zst"), read("snapshot.csv.zst"));
    let mut ticks: Vec<Tick> = sse_csv::Orders::new(&orders).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(ticks.len(), 54_735);
    ticks.extend(sse_csv::Trades::new(&trades).unwrap().map(Result::unwrap));
    assert_eq!(ticks.len(), 54_735 + 27_135);
    let snapshots: Vec<_> = sse_csv::Snapshots::new(&pictures).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(snapshots.len(), 5_109);
    let ticks = sorted(ticks);
    let (market, score) = replay(&ticks, &snapshots, 3_000_000_000);
    println!("{score:?}");
    let of = market.book(Code::new(b"600519").unwrap()).unwrap();
    assert_eq!((of.contradictions, of.volume), (0, snapshots.last().unwrap().volume));
    assert!(score.equal * 100 >= score.compared * 95, "{score:?}");
    // Both of our own forms hold the day without loss.
    let mut encoder = tick_bin::Encoder::new("2023-02-01".parse().unwrap());
    ticks.iter().for_each(|tick| encoder.push(tick));
    let bytes = encoder.finish();
    assert!(tick_bin::Decoder::new(&bytes).unwrap().map(Result::unwrap).eq(ticks.iter().copied()));
    let mut encoder = snapshot_bin::Encoder::new("2023-02-01".parse().unwrap());
    snapshots.iter().for_each(|snapshot| encoder.push(snapshot));
    let bytes = encoder.finish();
    assert!(snapshot_bin::Decoder::new(&bytes).unwrap().map(Result::unwrap).eq(snapshots.iter().copied()));
}

#[test]
fn the_itch_sample_is_read_to_its_end() {
    let test = "the_itch_sample_is_read_to_its_end";
    let Some(path) = data(test, "itch50-simulated/ex20101224.TEST_ITCH_50.gz") else { return };
    let Ok(plain) = Command::new("gzip").arg("-dc").arg(&path).output() else {
        return skip(test, "no gzip");
    };
    let messages: Vec<_> = itch50::Decoder::new(&plain.stdout).collect::<Result<_, _>>().unwrap();
    assert_eq!(messages.len(), 12_012);
    // Lengths are written where the sample leaves them zero; everything else comes back.
    let mut again = Vec::new();
    messages.iter().for_each(|message| message.write(&mut again));
    assert_eq!(again.len(), plain.stdout.len());
    let mut market = FeedMarket::default();
    let told = messages.iter().filter(|message| market.take_itch(message).is_err()).count();
    println!("{told} contradictions in made-up content");
}

#[test]
fn the_lobster_sample_makes_the_levels_of_its_rows() {
    let test = "the_lobster_sample_makes_the_levels_of_its_rows";
    let name = "AAPL_2012-06-21_34200000_57600000";
    let Some(path) = data(test, &format!("lobster-aapl-sample/{name}_message_10.csv.zst")) else { return };
    let messages: Vec<_> = lobster::Messages::new(&zst(&path)).collect::<Result<_, _>>().unwrap();
    assert_eq!(messages.len(), 999);
    let rows = zst(&path.with_file_name(format!("{name}_orderbook_10.csv.zst")));
    let code = Code::new(b"AAPL").unwrap();
    let mut market = FeedMarket::default();
    let mut agreed = 0;
    for (message, row) in messages.iter().zip(rows.split(|byte| *byte == b'\n')) {
        // The sample begins inside a day, so orders of before are not known.
        let known = market.take_lobster(code, message).is_ok();
        let fields: Vec<i64> = std::str::from_utf8(row).unwrap().split(',').map(|text| text.parse().unwrap()).collect();
        if known && message.kind == lobster::Kind::Add {
            let of = market.book(code).unwrap();
            let mine = of.book.get(message.order).unwrap();
            // An order that joins within the ten levels stands at its price in the row.
            let column = if message.side == Side::Buy { 2 } else { 0 };
            agreed += u32::from((0..10).any(|at| Price(fields[at * 4 + column]) == mine.price));
        }
    }
    println!("{agreed} additions stand in their rows");
    assert!(agreed > 400);
}

/// The whole service over a recorded day of the exchange: figures and bars are those that the exchange published.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_shows_a_recorded_day_of_the_exchange() {
    let test = "the_service_shows_a_recorded_day_of_the_exchange";
    let Some(folder) = data(test, "sse-600519-20230201") else { return };
    let read = |name: &str| zst(&folder.join(name));
    let (orders, trades, pictures) = (read("entrust.csv.zst"), read("trade.csv.zst"), read("snapshot.csv.zst"));
    let mut ticks: Vec<Tick> = sse_csv::Orders::new(&orders).unwrap().map(Result::unwrap).collect();
    ticks.extend(sse_csv::Trades::new(&trades).unwrap().map(Result::unwrap));
    let last = sse_csv::Snapshots::new(&pictures).unwrap().map(Result::unwrap).last().unwrap();
    let listing = FeedListing {
        code: last.code,
        symbol: "600519.SH".into(),
        board: Board::SseMain,
        class: InstrumentClass::Stock,
        prev_close: last.prev_close,
    };
    let source = FeedRecord::new("2023-02-01".parse().unwrap(), &[listing], sorted(ticks));
    let end = heng_ports::EventSource::head(&source).0;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let world = World::follow(Record::default(), Arc::new(source), folder, PushLimits::default()).await;
    let day = async {
        while world.market.status().stored() < end {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        world.get("/v1/market/600519.SH/candles?period=1d").await["items"][0].clone()
    };
    let day = tokio::time::timeout(crate::support::PATIENCE, day).await.expect("the day is taken");
    let shown = |name: &str| day[name].as_str().unwrap().to_owned();
    let prices = [last.open, last.high, last.low, last.last].map(|price| price.to_string());
    assert_eq!(["open", "high", "low", "close"].map(shown), prices);
    assert_eq!(shown("volume"), last.volume.0.to_string());
    assert_eq!(day["trades"], last.trades);
    // The exchange's turnover carries the noise of a float.
    let turnover: heng_model::Money = shown("turnover").parse().unwrap();
    assert!((turnover.0 - last.turnover.0).abs() < 10_000 * 1_000, "{turnover} {}", last.turnover);
    let line = world.get("/v1/market/600519.SH/intraday?date=2023-02-01").await;
    assert_eq!(line["items"].as_array().unwrap().len(), 240);
    let depth = world.get("/v1/market/600519.SH/depth").await["depth"].clone();
    let level =
        |side: &str| (depth[side][0][0].as_str().unwrap().to_owned(), depth[side][0][1].as_str().unwrap().to_owned());
    assert_eq!(level("bids"), (last.bids[0].price.to_string(), last.bids[0].quantity.0.to_string()));
    assert_eq!(level("asks"), (last.asks[0].price.to_string(), last.asks[0].quantity.0.to_string()));
}

//! The decoders: what is written comes back, and no input makes them panic.

use heng_marketdata::decode::{Place, itch50, lobster, sample, snapshot_bin, sse_csv, sse_log, tick_bin};
use heng_marketdata::decode_messages;
use heng_model::TradeDate;
use proptest::prelude::*;

fn date() -> TradeDate {
    "2026-07-06".parse().unwrap()
}

#[test]
fn our_binary_forms_come_back() {
    let ticks: Vec<_> = sample::ticks(1_000, 1).collect();
    let bytes = sample::tick_stream(1_000, 1);
    assert_eq!(bytes.len(), tick_bin::HEADER + 1_000 * tick_bin::RECORD);
    let decoder = tick_bin::Decoder::new(&bytes).unwrap();
    assert_eq!(decoder.date(), date());
    assert_eq!(decoder.collect::<Result<Vec<_>, _>>().unwrap(), ticks);
    let snapshots: Vec<_> = sample::snapshots(200, 2).collect();
    let bytes = sample::snapshot_stream(200, 2);
    let decoder = snapshot_bin::Decoder::new(&bytes).unwrap();
    assert_eq!(decoder.collect::<Result<Vec<_>, _>>().unwrap(), snapshots);
}

#[test]
fn the_first_bytes_of_our_forms_stay() {
    let ticks = sample::tick_stream(1, 1);
    assert_eq!(ticks[..16], *b"HENGTICK\x01\0\x40\0\x62\x27\x35\x01");
    // 96 bytes of figures and twenty levels of 20 bytes.
    let snapshots = sample::snapshot_stream(1, 1);
    assert_eq!(snapshots[..16], *b"HENGSNAP\x01\0\xf0\x01\x62\x27\x35\x01");
}

#[test]
fn damage_is_told_with_its_place() {
    let mut bytes = sample::tick_stream(3, 1);
    bytes[16 + 64 + 60] = 9;
    let told: Vec<_> = tick_bin::Decoder::new(&bytes).unwrap().collect();
    assert_eq!(told.len(), 2);
    let error = told[1].unwrap_err();
    assert_eq!((error.place, error.to_string().as_str()), (Place::Offset(80), "byte 80: kind is not known"));
    bytes[9] = 7;
    let error = tick_bin::Decoder::new(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "byte 0: header is of a version that is not known");
    let mut bytes = sample::snapshot_stream(2, 1);
    bytes.truncate(bytes.len() - 1);
    let told: Vec<_> = snapshot_bin::Decoder::new(&bytes).unwrap().collect();
    assert_eq!(told[1].unwrap_err().reason, "is cut short");
}

#[test]
fn text_forms_read_what_the_binary_form_reads() {
    let log = sample::sse_log(500, 3);
    let read: Vec<_> = sse_log::Messages::new(log.as_bytes()).collect::<Result<_, _>>().unwrap();
    let ticks: Vec<_> = sample::ticks(500, 3).collect();
    assert_eq!(read.len(), ticks.len());
    for (read, tick) in read.iter().zip(&ticks) {
        let sse_log::Message::Tick(read) = read else { panic!("a tick") };
        assert_eq!((read.kind, read.sequence, read.code), (tick.kind, tick.sequence, tick.code));
    }
    let csv = sample::sse_csv(500, 3);
    let read: Vec<_> = sse_csv::Orders::new(csv.as_bytes()).unwrap().collect::<Result<_, _>>().unwrap();
    let orders: Vec<_> =
        ticks.iter().filter(|tick| !matches!(tick.kind, heng_marketdata::decode::TickKind::Trade { .. })).collect();
    assert_eq!(read.len(), orders.len());
    for (read, tick) in read.iter().zip(orders) {
        assert_eq!((read.kind, read.sequence), (tick.kind, tick.sequence));
    }
}

fn first_error(text: &str) -> String {
    sse_log::Messages::new(text.as_bytes()).find_map(Result::err).map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn log_lines_are_refused_with_line_and_reason() {
    let good = sample::sse_log(40, 3);
    let line = good.lines().find(|line| line.contains("OrdType=65")).unwrap();
    let cases = [
        (line.replace("Side=", "Seite="), "line 2: Side is missing"),
        (line.replace("OrdType=65", "OrdType=66"), "line 2: OrdType is neither 65 (add) nor 68 (delete)"),
        (line.replace("OrdType=65", "OrdType=65 OrdType=65"), "line 2: OrdType stands twice"),
        (line.replace("OrderQty=", "OrderQty=x"), "line 2: OrderQty is not a number"),
        (
            line.replace("MsgType=192", "MsgType=193"),
            "line 2: MsgType is none of 192 (order), 191 (trade), 111 (snapshot)",
        ),
        (line.replace("TransactTime=", "TransactTime=99"), "line 2: TransactTime is not a time of day"),
        (line.replace("ChannelNo=6", "ChannelNo=6 what"), "line 2: holds a word that is not key=value"),
        (
            line.replace("SecurityID=600519 ", "SecurityID=600519123 "),
            "line 2: SecurityID is no code of at most eight characters",
        ),
    ];
    for (bad, expected) in cases {
        let text = format!("{line}\n{bad}\n{line}\n");
        assert_eq!(first_error(&text), expected);
        // The lines around it are read all the same.
        assert_eq!(sse_log::Messages::new(text.as_bytes()).filter(Result::is_ok).count(), 2);
    }
    // Words in another order, and unknown ones, are no mistake.
    let moved = format!("{} New=1 MsgLen=64", line.replace("MsgLen=64 ", "").trim_end());
    assert_eq!(first_error(&moved), "");
}

#[test]
fn csv_lines_are_refused_with_line_and_reason() {
    let good = sample::sse_csv(3, 3);
    let bad = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        match sse_csv::Orders::new(text.as_bytes()) {
            Err(error) => error.to_string(),
            Ok(mut orders) => orders.find_map(Result::err).map(|error| error.to_string()).unwrap_or_default(),
        }
    };
    assert_eq!(bad("OrderNO", "OrderNo"), "line 1: OrderNO is not among the columns");
    assert_eq!(bad("OrderIndex", "Balance"), "line 1: Balance is among the columns twice");
    assert_eq!(bad("\n0,", "\n0,0,"), "line 2: does not have as many fields as the header");
    assert_eq!(bad("09:30:00", "29:30:00"), "line 2: OrderTime is not a time of day");
    assert_eq!(sse_csv::Orders::new(b"").err().unwrap().to_string(), "line 0: is missing: a header is needed");
}

fn run_all(bytes: &[u8]) -> usize {
    let mut count = itch50::Decoder::new(bytes).count();
    count += itch50::Packet::new(bytes).map_or(0, |packet| packet.messages.count());
    count += lobster::Messages::new(bytes).count();
    count += sse_log::Messages::new(bytes).count();
    count += sse_csv::Orders::new(bytes).map_or(0, Iterator::count);
    count += sse_csv::Trades::new(bytes).map_or(0, Iterator::count);
    count += sse_csv::Snapshots::new(bytes).map_or(0, Iterator::count);
    count += tick_bin::Decoder::new(bytes).map_or(0, Iterator::count);
    count += snapshot_bin::Decoder::new(bytes).map_or(0, Iterator::count);
    count + decode_messages(bytes).map_or(0, |messages| messages.len())
}

/// Good input of every form, to be damaged.
fn samples() -> Vec<Vec<u8>> {
    vec![
        sample::itch50(30, 5),
        sample::tick_stream(10, 5),
        sample::snapshot_stream(3, 5),
        sample::sse_log(10, 5).into_bytes(),
        sample::sse_csv(10, 5).into_bytes(),
        b"34200.004241176,1,16113575,18,5853300,1\n".repeat(10),
    ]
}

proptest! {
    #[test]
    fn damaged_input_never_panics(
        which in 0usize..6,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = samples().swap_remove(which);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        // Nothing is handed out for less than a byte.
        prop_assert!(run_all(&bytes) <= 10 * (bytes.len() + 1));
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(run_all(&bytes) <= 10 * (bytes.len() + 1));
    }
}

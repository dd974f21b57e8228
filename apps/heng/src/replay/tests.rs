//! Replays of small days written here, and of the real ones where `HENG_DATA` names the folder that holds them.

use std::path::{Path, PathBuf};

use heng_matching::workload::Draws;

use super::input::Lines;
use super::tape::Tapes;
use super::{Args, Format, Report, parse_lobster, parse_sse_csv, parse_sse_log, replay, sse, sse_csv};

const ORDERS_HEADER: &str =
    "OrderChannel,SecurityID,OrderTime,OrderType,OrderNO,OrderPrice,Balance,OrderBSFlag,BizIndex,SeqNo\n";
const TRADES_HEADER: &str =
    "TradeChan,SecurityID,TradTime,TradPrice,TradVolume,TradeMoney,TradeBuyNo,TradeSellNo,TradeBSFlag,BizIndex\n";

/// Two auctions, an aggressor with and one without a remainder, a delete; BizIndex 1 to 16. Rows are not in order.
const ORDERS: [&str; 10] = [
    "6,600000,09:15:00.020,A,10,10.050000000000001,300,B,1,0",
    "6,600000,09:16:00.000,A,11,10.00,500,S,2,0",
    "6,600000,09:17:00.000,A,12,9.98,400,B,3,0",
    "6,600000,09:31:00.000,A,20,10.02,100,S,6,0",
    "6,600000,09:30:00.000,A,15,10.01,200,S,5,0",
    "6,600000,09:33:00.100,A,31,10.01,150,B,10,0",
    "6,600000,09:35:00.000,D,12,0,400,B,12,0",
    "6,600000,14:58:00.000,A,40,10.04,100,B,13,0",
    "6,600000,14:58:30.000,A,41,10.02,100,S,14,0",
    "6,600000,14:59:30.000,A,42,10.05,50,S,15,0",
];
/// The opening auction at 10.00 or 10.05: 300 bought, 500 sold, so all 300 trade at the price that leaves least, 10.00.
const TRADES: [&str; 6] = [
    "6,600000,09:25:00.900,10,300,3000,10,11,N,4",
    "6,600000,09:32:00.000,10.00,50,500.00,30,11,B,7",
    "6,600000,09:33:00.000,10.00,150,1500.00,31,11,B,8",
    "6,600000,09:33:00.000,10.01,200,2002.00,31,15,B,9",
    "6,600000,09:34:00.000,10.01,50,500.5,31,32,S,11",
    "6,600000,15:00:00.500,10.02,100,1002,40,20,N,16",
];

fn csv(header: &str, rows: &[String]) -> Vec<u8> {
    let mut text = header.to_owned();
    rows.iter().for_each(|row| {
        text.push_str(row);
        text.push('\n');
    });
    text.into_bytes()
}

/// A day with some text replaced.
fn day(from: &str, to: &str) -> (Vec<u8>, Vec<u8>) {
    let change = |rows: &[&str]| rows.iter().map(|row| row.replace(from, to)).collect::<Vec<_>>();
    (csv(ORDERS_HEADER, &change(&ORDERS)), csv(TRADES_HEADER, &change(&TRADES)))
}

fn replayed(from: &str, to: &str) -> Report {
    let (orders, trades) = day(from, to);
    parse_sse_csv(&orders, &trades, b"").expect("the day is in the form")
}

fn refused(from: &str, to: &str, place: &str, reason: &str) {
    let (orders, trades) = day(from, to);
    let error = parse_sse_csv(&orders, &trades, b"").expect_err("the day is not in the form");
    let told = error.to_string();
    assert!(told.starts_with(place) && told.contains(reason), "{told}");
}

#[test]
fn a_small_day_matches() {
    let report = replayed("", "");
    assert_eq!(report.mismatches, []);
    assert_eq!((report.events, report.trades_expected, report.trades_matched), (16, 6, 6));
    assert_eq!((report.auctions_expected, report.auctions_matched), (2, 2));
    assert!(report.all_matched());
}

#[test]
fn every_altered_fill_is_a_mismatch() {
    let altered = [
        // Price, quantity, maker, taker, side of a continuous fill; with and without the amount following suit.
        ("10.01,200,2002.00,31,15,B,9", "10.02,200,2004.00,31,15,B,9", 9),
        ("10.01,200,2002.00,31,15,B,9", "10.01,100,1001.00,31,15,B,9", 9),
        ("10.00,50,500.00,30,11,B,7", "10.00,60,500.00,30,11,B,7", 7),
        ("10.00,50,500.00,30,11,B,7", "10.00,50,500.00,30,15,B,7", 7),
        ("10.00,50,500.00,30,11,B,7", "10.00,50,500.00,10,11,B,7", 7),
        ("10.00,50,500.00,30,11,B,7", "10.00,50,500.00,999,11,B,7", 7),
        ("10.00,50,500.00,30,11,B,7", "10.00,50,500.00,14,11,B,7", 7),
        ("10.00,50,500.00,30,11,B,7", "10.00,50,500.00,30,11,S,7", 7),
        // Auction fills.
        ("10,300,3000,10,11,N,4", "10.01,300,3003,10,11,N,4", 4),
        ("10,300,3000,10,11,N,4", "10,200,2000,10,11,N,4", 4),
        ("10,300,3000,10,11,N,4", "10,300,3000,12,11,N,4", 4),
        ("10.02,100,1002,40,20,N,16", "10.02,100,1002,40,41,N,16", 16),
        // An order or a delete that contradicts the flow.
        ("D,12,0,400,B,12", "D,12,0,300,B,12", 12),
        ("D,12,0,400,B,12", "D,13,0,400,B,12", 12),
        ("A,20,10.02,100,S,6", "A,20,9.98,100,S,6", 6),
    ];
    for (from, to, biz_index) in altered {
        let report = replayed(from, to);
        assert!(!report.all_matched() && report.mismatches_total > 0, "{to}");
        assert_eq!(report.mismatches[0].biz_index, biz_index, "{to}: {:?}", report.mismatches[0]);
        let json = serde_json::to_string(&report).expect("a report is plain data");
        assert!(json.contains(&format!("\"mismatches\":[{{\"biz_index\":{biz_index},")), "{json}");
    }
}

#[test]
fn a_fill_that_is_missing_or_made_up_is_a_mismatch() {
    let (orders, _) = day("", "");
    let without: Vec<String> = TRADES.iter().filter(|row| !row.ends_with(",7")).map(|row| (*row).to_owned()).collect();
    let report = parse_sse_csv(&orders, &csv(TRADES_HEADER, &without), b"").expect("in the form");
    assert!(report.mismatches_total > 0, "maker 11 keeps 50 that the later fills do not know of");
    let no_close: Vec<String> =
        TRADES.iter().filter(|row| !row.ends_with(",16")).map(|row| (*row).to_owned()).collect();
    let report = parse_sse_csv(&orders, &csv(TRADES_HEADER, &no_close), b"").expect("in the form");
    assert_eq!(report.mismatches[0].what, "auction");
}

/// A halt collects crossing orders until an auction ends it; the tape says so only by that auction.
#[test]
fn a_halt_ends_in_an_auction() {
    let orders = [
        "6,600000,10:00:00.000,A,1,10.00,100,S,1,0",
        "6,600000,10:20:00.000,A,3,10.10,100,B,3,0",
        "6,600000,10:21:00.000,A,4,10.10,300,S,4,0",
        "6,600000,10:22:00.000,A,5,10.10,300,B,5,0",
    ];
    let trades = [
        "6,600000,10:05:00.000,10.00,50,500,2,1,B,2",
        "6,600000,10:30:00.000,10.10,50,505,3,1,N,6",
        "6,600000,10:30:00.000,10.10,50,505,3,4,N,7",
        "6,600000,10:30:00.000,10.10,250,2525,5,4,N,8",
        "6,600000,10:31:00.000,10.10,50,505,5,6,S,9",
    ];
    let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
    let report = parse_sse_csv(&csv(ORDERS_HEADER, &rows(&orders)), &csv(TRADES_HEADER, &rows(&trades)), b"");
    let report = report.expect("in the form");
    assert_eq!(report.mismatches, []);
    assert_eq!((report.trades_matched, report.auctions_matched), (5, 1));
}

#[test]
fn what_is_not_in_the_form_is_refused_by_line_and_reason() {
    refused("A,10,10.05", "X,10,10.05", "orders:2:", "OrderType is neither A (add) nor D (delete)");
    refused("10.050000000000001", "10.0537", "orders:2:", "OrderPrice \"10.0537\" has more decimal places");
    refused("10.050000000000001", "-1", "orders:2:", "OrderPrice \"-1\" is not positive");
    refused("09:15:00.020", "25:15:00.020", "orders:2:", "OrderTime \"25:15:00.020\" is not a time");
    refused("S,2,0", "S,2", "orders:3:", "9 fields, the header has 10");
    refused("9.98,400,B,3", "9.98,99999999999,B,3", "orders:4:", "is larger than any order");
    refused("9.98,400,B,3", "9.98,400,B,2", "orders:4:", "BizIndex 2 stands twice, first in orders line 3");
    refused("A,12,9.98", "A,11,9.98", "orders:4:", "order 11 is added twice");
    refused("6,600000,09:17", "7,600000,09:17", "orders:4:", "is in channels 6 and 7");
    refused("6,600000,09:17", "6,,09:17", "orders:4:", "SecurityID is not a security code");
    refused("30,11,B,7", "30,11,X,7", "trades:3:", "TradeBSFlag \"X\" is neither B nor S, nor N (auction)");
    let (orders, trades) = day("", "");
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 6].to_vec();
    assert_eq!(parse_sse_csv(&orders, &cut(&trades), b"").expect_err("cut").line, 7);
    assert_eq!(
        parse_sse_csv(b"", &trades, b"").expect_err("empty").reason,
        "the file is empty; a header line is needed"
    );
    let no_column = String::from_utf8(trades.clone()).expect("text").replace("TradeBSFlag", "Flag");
    let error = parse_sse_csv(&orders, no_column.as_bytes(), b"").expect_err("a column is missing");
    assert_eq!(error.to_string(), "trades:1: the header has no column TradeBSFlag");
    let long = [orders.as_slice(), "9".repeat(70_000).as_bytes()].concat();
    assert!(parse_sse_csv(&long, &trades, b"").expect_err("oversized").reason.starts_with("longer than"));
}

#[test]
fn securities_of_one_input_are_replayed_one_by_one() {
    let other = |rows: &[&str]| -> Vec<String> {
        let second = rows.iter().map(|row| row.replace("6,600000", "7,600001"));
        rows.iter().map(|row| (*row).to_owned()).chain(second).collect()
    };
    let (orders, trades) = (csv(ORDERS_HEADER, &other(&ORDERS)), csv(TRADES_HEADER, &other(&TRADES)));
    let report = parse_sse_csv(&orders, &trades, b"").expect("both are in the form");
    assert!(report.all_matched());
    assert_eq!((report.events, report.trades_matched, report.auctions_matched), (32, 12, 4));
}

#[test]
fn rows_may_come_in_any_order() {
    let turned = |rows: &[&str]| rows.iter().rev().map(|row| (*row).to_owned()).collect::<Vec<_>>();
    let (orders, trades) = (csv(ORDERS_HEADER, &turned(&ORDERS)), csv(TRADES_HEADER, &turned(&TRADES)));
    assert_eq!(parse_sse_csv(&orders, &trades, b"").expect("in the form"), replayed("", ""));
}

fn snapshots(rows: &[(&str, &str, i64, &str, &str)]) -> Vec<u8> {
    let level = |side: &str| (1..=10).map(|n| format!("{side}Price{n},{side}Volume{n}")).collect::<Vec<_>>().join(",");
    let mut text = format!("UpdateTime,SecurityID,InstruStatus,TradVolume,{},{}\n", level("Bid"), level("Ask"));
    for (time, status, volume, buys, sells) in rows {
        let side = |levels: &str| {
            let given = levels.split_terminator(' ').count();
            levels
                .split_terminator(' ')
                .map(|l| l.replace('x', ","))
                .chain((given..10).map(|_| ",".into()))
                .collect::<Vec<_>>()
        };
        text.push_str(&format!("{time},600000,{status},{volume},{},{}\n", side(buys).join(","), side(sells).join(",")));
    }
    text.into_bytes()
}

#[test]
fn snapshots_match_by_volume_time_and_levels() {
    let (orders, trades) = day("", "");
    let levels = |rows: &[(&str, &str, i64, &str, &str)]| {
        let report = parse_sse_csv(&orders, &trades, &snapshots(rows)).expect("in the form");
        (report.levels_checked, report.levels_matched, report.not_checkable)
    };
    let before = ("09:10:00.000", "START", 0, "", "");
    // The auction's picture: price and volume on both sides, what is left unmatched beside them.
    let auction = ("09:20:00.000", "OCALL", 0, "10x300 0x0", "10x300 0x200");
    let day = ("09:31:30.000", "TRADE", 300, "9.98x400", "10.00x200 10.01x200 10.02x100");
    let closed = ("15:00:02.000", "CLOSE", 850, "10.01x100", "10.02x100 10.05x50");
    assert_eq!(levels(&[before, auction, day, closed]), (80, 80, 0));
    // One quantity differs; the picture is too early by more than a second; the volume differs.
    assert_eq!(levels(&[("09:31:30.000", "TRADE", 300, "9.98x500", "10.00x200 10.01x200 10.02x100")]), (20, 19, 0));
    assert!(levels(&[("09:29:58.000", "TRADE", 300, "9.98x400", "10.00x200 10.01x200")]).1 < 20);
    assert_eq!(levels(&[("09:29:59.000", "TRADE", 300, "9.98x400", "10.00x200 10.01x200")]), (20, 20, 0));
    assert_eq!(levels(&[("09:31:30.000", "TRADE", 301, "9.98x400", "10.00x200 10.01x200 10.02x100")]), (20, 20, 0));
    // In a phase that says nothing about what is shown, a difference is not counted.
    assert_eq!(levels(&[("09:31:30.000", "SUSP", 300, "", "")]), (0, 0, 1));
}

const LOG: &str = "\
//MsgType=192 SecurityID=600000 ChannelNo=1 OrderNo=1 Price=10010 OrderQty=300000 OrdType=65 Side=83 TransactTime=9300000 resv= BizIndex=1\r
//MsgType=191 SecurityID=600000 ChannelNo=1 BidApplSeqNum=2 OfferApplSeqNum=1 LastPx=10010 LastQty=100000 ExecType=66 TransactTime=9300100 resv= BizIndex=2\r
//MsgType=192 SecurityID=600000 ChannelNo=1 OrderNo=1 Price=10010 OrderQty=200000 OrdType=68 Side=83 TransactTime=9300200 resv= BizIndex=3\r
";

#[test]
fn a_log_matches_or_is_refused() {
    let report = parse_sse_log(LOG.as_bytes()).expect("in the form");
    assert_eq!((report.events, report.trades_matched, report.mismatches_total), (3, 1, 0));
    let altered = parse_sse_log(LOG.replace("LastQty=100000", "LastQty=200000").as_bytes()).expect("in the form");
    assert_eq!(altered.mismatches[0].biz_index, 3, "the delete finds less than it takes");
    let check = |from: &str, to: &str, expected: &str| {
        let told = parse_sse_log(LOG.replacen(from, to, 1).as_bytes()).expect_err("not in the form").to_string();
        assert_eq!(told, expected);
    };
    check("MsgType=191", "MsgType=190", "log:2: MsgType is none of 192 (order), 191 (trade), 111 (snapshot)");
    check("LastQty=100000", "LastQty=100001", "log:2: LastQty is not a whole number of shares");
    check("ExecType=66 ", "", "log:2: field ExecType is missing");
    check("OrderNo=1 ", "OrderNo=1 OrderNo=1 ", "log:1: field OrderNo stands twice");
    check("OrderNo=1 ", "OrderNo ", "log:1: \"OrderNo\" is not key=value");
    check("TransactTime=9300000", "TransactTime=99999999", "log:1: TransactTime is not a time of day");
    assert_eq!(parse_sse_log(b"").expect_err("empty").reason, "the file is empty");
}

const MESSAGES: &str = "\
34200.000000001,1,1,100,1000000,1
34200.000000002,1,2,50,1000100,-1
34200.000000003,4,2,20,1000100,-1
34200.000000004,5,9,10,1000050,1
34200.000000005,3,2,30,1000100,-1
34200.000000006,4,7,40,1000200,-1
";
const BOOK: &str = "\
1000200,200,1000000,100
1000100,50,1000000,100
1000100,30,1000000,100
1000100,30,1000000,100
1000200,200,1000000,100
1000200,160,1000000,100
";

#[test]
fn lobster_files_match_or_are_refused() {
    let report = parse_lobster(MESSAGES.as_bytes(), BOOK.as_bytes()).expect("in the form");
    assert_eq!(report.mismatches, []);
    assert_eq!((report.events, report.trades_expected, report.trades_matched), (6, 1, 1));
    // The hidden and the unknown execution, and the level that came back into view.
    assert_eq!((report.not_checkable, report.levels_checked), (3, 9));
    let differs = |from: &str, to: &str| {
        let report = parse_lobster(MESSAGES.replace(from, to).as_bytes(), BOOK.as_bytes()).expect("in the form");
        assert!(!report.all_matched(), "{to}");
        report.mismatches[0].biz_index
    };
    assert_eq!(differs("4,2,20,1000100", "4,2,30,1000100"), 3);
    assert_eq!(differs("4,2,20,1000100", "4,1,20,1000100"), 3);
    assert_eq!(differs("4,7,40,", "4,7,50,"), 6);
    assert_eq!(differs("3,2,30", "3,2,20"), 5);
    let refused = |messages: &str, book: &str, expected: &str| {
        let told = parse_lobster(messages.as_bytes(), book.as_bytes()).expect_err("not in the form").to_string();
        assert!(told.contains(expected), "{told}");
    };
    refused(&MESSAGES.replace("4,7,40", "8,7,40"), BOOK, "messages:6: the type is none of 1 to 7");
    refused(&MESSAGES.replace(".000000006", ".000000004"), BOOK, "messages:6: the time goes back");
    refused(&MESSAGES.replace("1,2,50", "1,1,50"), BOOK, "messages:2: order 1 is entered twice");
    refused(&MESSAGES[..40], BOOK, "messages:2:");
    refused(MESSAGES, &BOOK[..47], "book: 2 rows, but messages has 6 messages");
    refused(MESSAGES, &BOOK.replace("1000200,160,1000000,100", "1000200,160,1000000"), "book:6: 3 fields");
    refused("", "", "messages: the file is empty");
}

/// Bytes changed, cut, doubled at random: an error or a report, never a panic.
#[test]
fn mutilated_files_never_panic() {
    let mut draws = Draws::new(7);
    let (orders, trades) = day("", "");
    let pictures = snapshots(&[("09:20:00.000", "OCALL", 0, "10x300 0x0", "10x300 0x200")]);
    let mut outcomes = [0u32; 2];
    for _ in 0..4_000 {
        let mut one = |bytes: &[u8]| mutilate(bytes, &mut draws);
        let results = [
            parse_sse_csv(&one(&orders), &trades, &pictures).is_ok(),
            parse_sse_csv(&orders, &one(&trades), &pictures).is_ok(),
            parse_sse_csv(&orders, &trades, &one(&pictures)).is_ok(),
            parse_sse_log(&one(LOG.as_bytes())).is_ok(),
            parse_lobster(&one(MESSAGES.as_bytes()), BOOK.as_bytes()).is_ok(),
            parse_lobster(MESSAGES.as_bytes(), &one(BOOK.as_bytes())).is_ok(),
        ];
        results.iter().for_each(|ok| outcomes[usize::from(*ok)] += 1);
    }
    assert!(outcomes.iter().all(|count| *count > 1_000), "some are refused, some are replayed: {outcomes:?}");
}

fn mutilate(bytes: &[u8], draws: &mut Draws) -> Vec<u8> {
    const LIKELY: &[u8] = b"0123456789,.-\n=ABSNDe ";
    let mut bytes = bytes.to_vec();
    for _ in 0..=draws.below(3) {
        let at = draws.below(bytes.len().max(1) as u64) as usize;
        match draws.below(5) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => drop(bytes.remove(at)),
            2 => bytes.insert(at, LIKELY[draws.below(LIKELY.len() as u64) as usize]),
            3 if !bytes.is_empty() => bytes[at] = draws.draw() as u8,
            _ if !bytes.is_empty() => bytes[at] = LIKELY[draws.below(LIKELY.len() as u64) as usize],
            _ => {}
        }
    }
    bytes
}

/// The folder with the real days, if this machine has it.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("HENG_DATA").map(|root| Path::new(&root).join("data-orderflow"));
    if folder.is_none() {
        println!("skipped: HENG_DATA names no folder with data-orderflow");
    }
    folder
}

fn csv_day(folder: &Path) -> Args {
    let file = |name: &str| Some(folder.join("sse-600519-20230201").join(name));
    Args {
        format: Format::SseCsv,
        file: None,
        orders: file("entrust.csv.zst"),
        trades: file("trade.csv.zst"),
        snapshots: file("snapshot.csv.zst"),
        messages: None,
        book: None,
        json: false,
    }
}

fn whole(args: &Args) -> Report {
    replay(args).unwrap_or_else(|refused| panic!("{}", refused.0))
}

#[test]
fn the_shanghai_day_of_the_csv_files_matches() {
    let Some(folder) = data() else { return };
    let report = whole(&csv_day(&folder));
    assert_eq!(report.mismatches, []);
    assert_eq!((report.events, report.trades_matched, report.auctions_matched), (81_870, 27_135, 2));
    assert_eq!((report.levels_checked, report.levels_matched, report.not_checkable), (102_180, 102_180, 0));
}

#[test]
fn the_shanghai_day_of_the_log_matches() {
    let Some(folder) = data() else { return };
    let args = Args {
        format: Format::SseLog,
        file: Some(folder.join("sse-600519-20230207").join("AX_sbe_sse_600519.log.zst")),
        orders: None,
        trades: None,
        snapshots: None,
        ..csv_day(&folder)
    };
    let report = whole(&args);
    assert_eq!(report.mismatches, []);
    assert_eq!((report.events, report.trades_matched, report.auctions_matched), (64_449, 18_685, 2));
    assert_eq!((report.levels_checked, report.levels_matched, report.not_checkable), (102_920, 102_920, 0));
}

#[test]
fn the_lobster_sample_matches() {
    let Some(folder) = data() else { return };
    let file = |kind: &str| {
        Some(folder.join("lobster-aapl-sample").join(format!("AAPL_2012-06-21_34200000_57600000_{kind}_10.csv.zst")))
    };
    let args = Args {
        format: Format::Lobster,
        orders: None,
        trades: None,
        snapshots: None,
        messages: file("message"),
        book: file("orderbook"),
        ..csv_day(&folder)
    };
    let report = whole(&args);
    assert_eq!(report.mismatches, []);
    assert_eq!((report.events, report.trades_expected, report.trades_matched), (999, 94, 94));
    assert_eq!(report.levels_matched, report.levels_checked);
}

fn read(path: &Path) -> Vec<u8> {
    let mut lines = Lines::open(path).expect("the file opens");
    let mut bytes = Vec::new();
    while let Some(line) = lines.next_line().expect("the file is whole") {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

/// The real day with one field of one trade changed: an altered fill must not pass.
#[test]
fn an_altered_fill_of_the_real_day_is_a_mismatch() {
    let Some(folder) = data() else { return };
    let day = folder.join("sse-600519-20230201");
    let orders = read(&day.join("entrust.csv.zst"));
    let trades = String::from_utf8(read(&day.join("trade.csv.zst"))).expect("CSV is text");
    let lines: Vec<&str> = trades.lines().collect();
    let mut draws = Draws::new(11);
    // Columns: 5 price, 6 volume, 8 buyer, 9 seller.
    for column in [5, 6, 8, 9].repeat(4) {
        let at = 1 + draws.below(lines.len() as u64 - 1) as usize;
        let mut fields: Vec<String> = lines[at].split(',').map(str::to_owned).collect();
        let biz_index: u64 = fields[11].parse().expect("BizIndex is a number");
        fields[column] = match column {
            5 => format!("{:.2}", fields[5].parse::<f64>().expect("a price") + 0.01),
            6 => (fields[6].parse::<u64>().expect("a volume") + 100).to_string(),
            _ => (fields[column].parse::<u64>().expect("a number") + 100_000).to_string(),
        };
        let altered = fields.join(",");
        let mut changed = lines.clone();
        changed[at] = &altered;
        let report = parse_sse_csv(&orders, changed.join("\n").as_bytes(), b"").expect("in the form");
        assert!(!report.all_matched(), "column {column} of BizIndex {biz_index} may not pass: {altered}");
        let told = report.mismatches.iter().any(|m| m.biz_index == biz_index);
        assert!(told, "BizIndex {biz_index} is named: {:?}", report.mismatches);
    }
}

#[test]
fn files_may_be_compressed_or_cut() {
    let (orders, trades) = day("", "");
    let folder = std::env::temp_dir();
    let place = |name: &str| folder.join(format!("heng-replay-{}-{name}", std::process::id()));
    let (whole, cut, gzip) = (place("whole.zst"), place("cut.zst"), place("orders.gz"));
    let packed = zstd::stream::encode_all(orders.as_slice(), 3).expect("memory does not fail");
    std::fs::write(&whole, &packed).expect("the folder is writable");
    std::fs::write(&cut, &packed[..packed.len() - 9]).expect("the folder is writable");
    std::fs::write(&gzip, [0x1f, 0x8b, 8, 0]).expect("the folder is writable");
    let mut tapes = Tapes::default();
    sse_csv::read_orders(Lines::open(&whole).expect("it opens"), &mut tapes).expect("in the form");
    sse_csv::read_trades(Lines::over("trades", trades.as_slice()), &mut tapes).expect("in the form");
    assert!(sse::replay(&mut tapes).expect("in order").all_matched());
    let error = sse_csv::read_orders(Lines::open(&cut).expect("it opens"), &mut Tapes::default()).expect_err("cut");
    assert!(error.file.ends_with("cut.zst"), "{error}");
    assert!(Lines::open(&gzip).err().is_some_and(|error| error.reason.starts_with("gzip is not read here")));
    assert!(Lines::open(&place("nowhere")).is_err());
    for path in [whole, cut, gzip] {
        std::fs::remove_file(path).expect("it was written above");
    }
}

#[test]
fn files_belong_to_their_format() {
    let args = Args { trades: None, ..csv_day(Path::new("")) };
    assert_eq!(replay(&args).err().map(|refused| refused.0).as_deref(), Some("--trades is needed for this --format"));
    let args = Args { format: Format::SseLog, ..csv_day(Path::new("")) };
    let told = replay(&args).err().map(|refused| refused.0).unwrap_or_default();
    assert!(told.ends_with("--format"), "{told}");
}

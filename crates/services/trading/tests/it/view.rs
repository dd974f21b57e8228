//! Each event counts exactly once, whatever happens in between.

use std::path::Path;

use heng_model::{Event, Side};
use heng_store::{Opened, Position, StoreOptions};
use heng_trading::{TradingView, ViewError};
use sqlx::{Column as _, Row as _};
use tempfile::TempDir;

use crate::record::{BUYER, Fill, SELLER, connect_record, filled, piece, placed, record};

const TABLES: [&str; 8] = ["orders", "fills", "cash", "holdings", "accounts", "instruments", "phases", "market"];

fn folder() -> (TempDir, StoreOptions) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = StoreOptions::at(folder.path().join("trading.db"));
    (folder, options)
}

async fn open(options: &StoreOptions) -> TradingView {
    TradingView::open(options).await.expect("the view opens").0
}

/// Every value of every table, as text.
async fn dump(path: &Path) -> Vec<String> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the file opens");
    let mut lines = Vec::new();
    for table in TABLES {
        let text = sqlx::AssertSqlSafe(format!("SELECT * FROM {table} ORDER BY 1, 2"));
        for row in sqlx::query(text).fetch_all(&pool).await.expect("rows") {
            let values = row.columns().iter().map(|column| {
                let at = column.ordinal();
                let value = row.try_get_unchecked::<i64, _>(at).map(|number| number.to_string());
                let text = row.try_get_unchecked::<String, _>(at);
                format!("{}={}", column.name(), text.or(value).unwrap_or_default())
            });
            lines.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    lines
}

async fn taken_at_once() -> Vec<String> {
    let (_folder, options) = folder();
    let mut view = open(&options).await;
    let record = record();
    view.take(&piece(&record, 1, record.len() as u64)).await.expect("the record is taken");
    assert_eq!(view.position(), Position::after(record.len() as u64));
    dump(&options.path).await
}

fn find<'a>(lines: &'a [String], table: &str, key: &str) -> &'a str {
    let found = lines.iter().find(|line| line.starts_with(&format!("{table}: ")) && line.contains(key));
    found.unwrap_or_else(|| panic!("no {key} in {table}: {lines:#?}"))
}

#[tokio::test]
async fn events_become_orders_cash_and_holdings() {
    let lines = taken_at_once().await;
    let check = |table: &str, key: &str, expected: &[&str]| {
        let line = find(&lines, table, key);
        for part in expected {
            assert!(line.split(' ').any(|word| word == *part), "{part} is not in {line}");
        }
    };
    // 7 = cancelled would be wrong: 300 of 500 were filled before the client cancelled.
    check(
        "orders",
        "order_id=10 ",
        &[
            "status=8",
            "filled=300",
            "value=30000000",
            "fees=50000",
            "hold_cash=0",
            "sequence=9",
            "changed_sequence=16",
            "reason=1",
        ],
    );
    check("orders", "order_id=11 ", &["status=6", "filled=300", "hold_quantity=0", "rests=0"]);
    check("orders", "order_id=12 ", &["status=10", "code=311", "client_order=c-12"]);
    check("orders", "order_id=13 ", &["status=9", "quantity=100", "hold_quantity=0"]);
    check("orders", "order_id=14 ", &["status=10", "code=312", "client_order=c-14", "hold_cash=0"]);
    check("orders", "order_id=15 ", &["status=1", "hold_quantity=100", "trade_date=20260707"]);
    assert_eq!(lines.iter().filter(|line| line.starts_with("orders: ")).count(), 6);
    assert_eq!(lines.iter().filter(|line| line.starts_with("fills: ")).count(), 2);
    // 10,000.00 − 3,005.00; proceeds of 2,995.00 were due on the first day and are free on the second.
    check("cash", "account=1 ", &["balance=69950000", "due_1=0"]);
    check("cash", "account=2 ", &["balance=29950000", "due_1=0"]);
    // Bought on the first day, sellable on the second.
    check("holdings", "account=1 ", &["settled=300", "unsellable=0"]);
    check("holdings", "account=2 ", &["settled=700"]);
    check("instruments", "600003.SH", &["limit_up=110000", "reference_date=20260707"]);
    check("phases", "board=1", &["phase=5"]);
    check("market", "number=1", &["trade_date=20260707", "day_open=1"]);
}

#[tokio::test]
async fn t_plus_one_shares_wait_for_the_next_day() {
    let (_folder, options) = folder();
    let mut view = open(&options).await;
    view.take(&piece(&record(), 1, 12)).await.expect("the first day");
    let lines = dump(&options.path).await;
    assert!(find(&lines, "holdings", "account=1 ").contains("settled=0 unsellable=300"));
    assert!(find(&lines, "cash", "account=2 ").contains("due_1=29950000"));
}

/// The event says on which days Hong Kong settles, whether any of its instruments trades then or not.
#[tokio::test]
async fn stock_connect_proceeds_come_closer_when_hong_kong_settles() {
    for (settles, expected) in [
        (&[][..], "hk_due_1=0 hk_due_2=29950000"),
        (&[false, false], "hk_due_1=0 hk_due_2=29950000"),
        (&[false, true], "hk_due_1=29950000 hk_due_2=0"),
        (&[true, false, true], "hk_due_1=0 hk_due_2=0"),
    ] {
        let (_folder, options) = folder();
        let mut view = open(&options).await;
        let record = connect_record(settles);
        view.take(&piece(&record, 1, record.len() as u64)).await.expect("the record is taken");
        let lines = dump(&options.path).await;
        let row = find(&lines, "cash", "account=2 ");
        assert!(row.contains("balance=29950000") && row.contains(expected), "{settles:?}: {row}");
    }
}

#[tokio::test]
async fn pieces_in_any_cut_and_repeats_and_restarts_give_the_same_rows() {
    let expected = taken_at_once().await;
    let record = record();
    let last = record.len() as u64;
    for size in [1, 2, 5, 9] {
        let (_folder, options) = folder();
        let mut first = 1;
        while first <= last {
            let (mut view, opened) = TradingView::open(&options).await.expect("the view opens again");
            assert_eq!(opened == Opened::New, first == 1);
            let through = (first + size - 1).min(last);
            // The piece begins with what was taken before, and comes twice.
            let piece = piece(&record, first.saturating_sub(size).max(1), through);
            view.take(&piece).await.expect("the piece is taken");
            view.take(&piece).await.expect("a repeat changes nothing");
            assert_eq!(view.status().applied(), through);
            first = through + 1;
        }
        assert_eq!(dump(&options.path).await, expected, "pieces of {size}");
    }
}

#[tokio::test]
async fn a_view_made_again_is_the_same() {
    let (_folder, options) = folder();
    let record = record();
    let mut view = open(&options).await;
    view.take(&piece(&record, 1, 12)).await.expect("a part is taken");
    drop(view);
    let mut view = TradingView::rebuild(&options).await.expect("it begins again");
    assert_eq!(view.position(), Position::START);
    view.take(&piece(&record, 1, record.len() as u64)).await.expect("all is taken");
    assert_eq!(dump(&options.path).await, taken_at_once().await);
}

#[tokio::test]
async fn a_gap_in_the_record_is_refused() {
    let (_folder, options) = folder();
    let mut view = open(&options).await;
    view.take(&piece(&record(), 1, 3)).await.expect("the begin");
    let gap = view.take(&piece(&record(), 5, 6)).await;
    assert!(matches!(gap, Err(ViewError::Gap { found: 5, needed: 4 })), "{gap:?}");
}

/// The event at `command`.`index` of the record is replaced; the view must park exactly there.
async fn check_parks(command: u64, index: u32, event: Event, reason: &str) {
    let (_folder, options) = folder();
    let mut record = record();
    record[command as usize - 1][index as usize] = event;
    let mut view = open(&options).await;
    let parked = view.take(&piece(&record, 1, record.len() as u64)).await;
    let Err(ViewError::Parked(parked)) = parked else { panic!("it did not park: {parked:?}") };
    assert_eq!(parked.at, Position { sequence: command, index });
    assert!(parked.reason.contains(reason), "{}", parked.reason);
    let status = view.status();
    assert_eq!(status.parked(), Some(parked));
    assert_eq!(status.applied(), command - 1, "everything before the event is in, nothing of it or after it");
    drop(view);
    // Repaired, it goes on from there to the same rows.
    let mut view = open(&options).await;
    assert_eq!(view.position(), Position { sequence: command, index });
    let whole = crate::record::record();
    view.take(&piece(&whole, command, whole.len() as u64)).await.expect("the right record is taken");
    assert_eq!(dump(&options.path).await, taken_at_once().await);
}

#[tokio::test]
async fn the_view_parks_on_what_it_cannot_explain_and_skips_nothing() {
    let fill = Fill {
        order: 10,
        account: BUYER,
        side: Side::Buy,
        trade: 1,
        quantity: 300,
        filled: 400,
        cash: "-3005.00",
        hold: "2000.00",
        shares_held: 0,
    };
    check_parks(10, 2, filled(&fill), "filled quantity of 10: the event says 400, the view has 300").await;
    let unknown = Fill { order: 77, filled: 300, ..fill };
    check_parks(10, 2, filled(&unknown), "order 77 is not in the view").await;
    let twice = placed(10, SELLER, Side::Sell, "10.00", 300, "0");
    check_parks(10, 0, twice, "number of placings").await;
    let Event::CashPosted(mut cash) = record()[3][0].clone() else { panic!("the record begins with a deposit") };
    cash.balance.0 += 1;
    check_parks(4, 0, cash.into(), "cash balance of 1").await;
    let Event::HoldingPosted(mut shares) = record()[4][0].clone() else { panic!("and a transfer") };
    shares.quantity.0 -= 1;
    check_parks(5, 0, shares.into(), "shares held of 2: the event says 1000, the view has 999").await;
}

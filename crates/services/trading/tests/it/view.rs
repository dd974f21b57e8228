//! Each event counts exactly once, whatever happens in between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heng_model::event::{DayClosed, DayOpened, ParentStatus};
use heng_model::{Event, Seq, Side, TradeDate};
use heng_ports::{EventBlock, EventFeed, EventSource, FeedError};
use heng_store::{Opened, Position, StoreOptions};
use heng_trading::{TradingView, ViewError, ViewOptions};
use sqlx::{Column as _, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use crate::record::{
    BUYER, Fill, SELLER, child, connect_record, filled, parent, parent_changed, piece, placed, record, reference,
};

pub(crate) const TABLES: [&str; 11] = [
    "orders",
    "order_events",
    "parents",
    "fills",
    "cash",
    "holdings",
    "accounts",
    "instruments",
    "phases",
    "market",
    "days",
];

fn folder() -> (TempDir, StoreOptions) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = StoreOptions::at(folder.path().join("trading.db"));
    (folder, options)
}

fn file(options: &StoreOptions) -> &Path {
    options.file().expect("these tests look into files")
}

async fn open(options: &StoreOptions) -> TradingView {
    TradingView::open(options, ViewOptions::default()).await.expect("the view opens").0
}

/// Every value of every table, as text.
async fn dump(options: &StoreOptions) -> Vec<String> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file(options)).read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the file opens");
    let mut lines = Vec::new();
    for table in TABLES {
        let text = sqlx::AssertSqlSafe(format!("SELECT * FROM {table} ORDER BY 1, 2, 3"));
        for row in sqlx::query(text).fetch_all(&pool).await.expect("rows") {
            let values = row.columns().iter().map(|column| {
                let at = column.ordinal();
                let value = row.try_get_unchecked::<i64, _>(at).map(|number| number.to_string());
                let text = row.try_get::<String, _>(at);
                let text = text.or_else(|_| row.try_get::<Vec<u8>, _>(at).map(|bytes| format!("{bytes:02x?}")));
                format!("{}={}", column.name(), text.or(value).unwrap_or_default())
            });
            lines.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    lines
}

pub(crate) async fn taken_at_once() -> Vec<String> {
    let (_folder, options) = folder();
    let mut view = open(&options).await;
    let record = record();
    view.take(&piece(&record, 1, record.len() as u64)).await.expect("the record is taken");
    assert_eq!(view.position(), Position::after(record.len() as u64));
    dump(&options).await
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
    check("market", "number=1", &["trade_date=20260707", "day_open=1", "kept_from=0"]);
    // Four were placed and one refused by the checks; the one refused by the venue was placed. The core says 5 too.
    check("days", "trade_date=20260706", &["orders=5", "fills=2", "trades=1", "closed=1", "opened_sequence=6"]);
    check("days", "trade_date=20260707", &["orders=1", "fills=0", "trades=0", "closed=0"]);
}

#[tokio::test]
async fn t_plus_one_shares_wait_for_the_next_day() {
    let (_folder, options) = folder();
    let mut view = open(&options).await;
    view.take(&piece(&record(), 1, 12)).await.expect("the first day");
    let lines = dump(&options).await;
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
        let lines = dump(&options).await;
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
            let (mut view, opened) =
                TradingView::open(&options, ViewOptions::default()).await.expect("the view opens again");
            assert_eq!(opened == Opened::New, first == 1);
            let through = (first + size - 1).min(last);
            // The piece begins with what was taken before, and comes twice.
            let piece = piece(&record, first.saturating_sub(size).max(1), through);
            view.take(&piece).await.expect("the piece is taken");
            view.take(&piece).await.expect("a repeat changes nothing");
            assert_eq!(view.status().applied(), through);
            first = through + 1;
        }
        assert_eq!(dump(&options).await, expected, "pieces of {size}");
    }
}

#[tokio::test]
async fn a_view_made_again_is_the_same() {
    let (_folder, options) = folder();
    let record = record();
    let mut view = open(&options).await;
    view.take(&piece(&record, 1, 12)).await.expect("a part is taken");
    drop(view);
    let mut view = TradingView::rebuild(&options, ViewOptions::default()).await.expect("it begins again");
    assert_eq!(view.position(), Position::START);
    view.take(&piece(&record, 1, record.len() as u64)).await.expect("all is taken");
    assert_eq!(dump(&options).await, taken_at_once().await);
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
    assert_eq!(dump(&options).await, taken_at_once().await);
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

#[tokio::test]
async fn a_parent_counts_what_its_children_fill() {
    let mut record = record();
    record.extend([
        vec![parent(7, BUYER, 500)],
        vec![parent_changed(7, ParentStatus::Working, 3)],
        vec![child(20, 7, BUYER, 200, "2005.00")],
    ]);
    let fill = Fill {
        order: 20,
        account: BUYER,
        side: Side::Buy,
        trade: 9,
        quantity: 100,
        filled: 100,
        cash: "-1005.00",
        hold: "1000.00",
        shares_held: 0,
    };
    record.push(vec![filled(&fill)]);
    // One piece, and one command at a time: a later event does not name the parent, but counts for it.
    for size in [25, 1] {
        let (_folder, options) = folder();
        let mut view = open(&options).await;
        for first in (1..=record.len() as u64).step_by(size) {
            let through = (first + size as u64 - 1).min(record.len() as u64);
            view.take(&piece(&record, first, through)).await.expect("it is taken");
        }
        let lines = dump(&options).await;
        let line = find(&lines, "parents", "parent_id=7 ");
        for word in ["status=2", "epoch=3", "children=1", "filled=100", "value=10000000", "changed_sequence=25"] {
            assert!(line.split(' ').any(|found| found == word), "{word} is not in {line}");
        }
    }
}

#[tokio::test]
async fn a_child_of_an_unknown_parent_parks_the_view() {
    check_parks(9, 0, child(10, 7, BUYER, 500, "5005.00"), "parent 7 is not in the view").await;
}

/// One more day behind the record: an order that is filled, one that is placed and expires, a parent that ends.
fn one_more_day(record: &mut Vec<Vec<Event>>, date: TradeDate, number: u64) {
    let dated = |event: Event| {
        let Event::OrderPlaced(mut event) = event else { return event };
        event.trade_date = date;
        event.into()
    };
    let (bought, expired, trade) = (100 * number, 100 * number + 1, 50 + number);
    let fill = Fill {
        order: bought,
        account: BUYER,
        side: Side::Buy,
        trade,
        quantity: 100,
        filled: 100,
        cash: "-1005.00",
        hold: "0",
        shares_held: 0,
    };
    record.extend([
        vec![DayOpened { date, hk_settles: true }.into(), reference("10.00")],
        vec![parent(1_000 + number, BUYER, 500), parent_changed(1_000 + number, ParentStatus::Done, 0)],
        vec![dated(placed(bought, BUYER, Side::Buy, "10.00", 100, "1005.00")), filled(&fill)],
        vec![dated(placed(expired, SELLER, Side::Sell, "11.00", 100, "0"))],
        vec![
            crate::record::cancelled(expired, SELLER, 100, heng_model::CancelReason::DayEnd, false),
            DayClosed { date, orders: 2, trades: 0 }.into(),
        ],
    ]);
}

#[tokio::test]
async fn days_that_are_not_kept_are_removed_and_everything_else_stays() {
    let (_folder, options) = folder();
    let (mut view, _) =
        TradingView::open(&options, ViewOptions { keep_days: 3, ..ViewOptions::default() }).await.expect("it opens");
    // The order of the second day stays live to its end.
    let mut record = record();
    let end = crate::record::cancelled(15, BUYER, 100, heng_model::CancelReason::DayEnd, false);
    record.push(vec![end, DayClosed { date: crate::record::day(1), orders: 1, trades: 0 }.into()]);
    for (day, number) in (8..=10).zip(3..) {
        one_more_day(&mut record, TradeDate::new(2026, 7, day).expect("a date"), number);
    }
    for first in (1..=record.len() as u64).step_by(2) {
        view.take(&piece(&record, first, (first + 1).min(record.len() as u64))).await.expect("it is taken");
    }
    let lines = dump(&options).await;
    let ids = |table: &str, key: &str| -> Vec<String> {
        let of_table = lines.iter().filter(|line| line.starts_with(&format!("{table}: ")));
        let word = |line: &String| line.split(' ').find(|word| word.starts_with(key)).map(str::to_owned);
        of_table.filter_map(word).collect()
    };
    let ids_of = |numbers: &[u64], key: &str| numbers.iter().map(|id| format!("{key}{id}")).collect::<Vec<_>>();
    assert_eq!(ids("orders", "order_id="), ids_of(&[300, 301, 400, 401, 500, 501], "order_id="));
    assert_eq!(ids("fills", "order_id="), ids_of(&[300, 400, 500], "order_id="));
    assert_eq!(ids("parents", "parent_id="), ids_of(&[1_003, 1_004, 1_005], "parent_id="));
    assert!(find(&lines, "market", "number=1").contains("kept_from=20260708"));
    // What happened on the removed days is still known, and so is what belongs to whom.
    let days = [("20260706", 5, 2), ("20260707", 1, 0), ("20260708", 2, 1), ("20260709", 2, 1), ("20260710", 2, 1)];
    for (date, orders, fills) in days {
        let line = find(&lines, "days", &format!("trade_date={date} "));
        assert!(line.contains(&format!("orders={orders} fills={fills} ")), "{line}");
    }
    // 300 shares bought on the first day and 100 on each of three more, the last not sellable yet.
    assert!(find(&lines, "holdings", "account=1 ").contains("settled=500 unsellable=100"), "{lines:#?}");
    // 10,000.00 − 3,005.00 − 3 × 1,005.00.
    assert!(find(&lines, "cash", "account=1 ").contains("balance=39800000"), "{lines:#?}");
}

/// The record in memory; tells each time that somebody opens it.
struct Memory {
    record: Vec<Vec<Event>>,
    /// The first opening skips a command.
    gap: AtomicBool,
    opened: mpsc::UnboundedSender<Seq>,
}

struct MemoryFeed(Option<EventBlock>);

impl EventFeed for MemoryFeed {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        Ok(self.0.take())
    }
}

impl EventSource for Memory {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        let last = self.record.len() as u64;
        self.opened.send(from)?;
        let from = if self.gap.swap(false, Ordering::Relaxed) { from.next() } else { from };
        Ok(Box::new(MemoryFeed((from.0 <= last).then(|| piece(&self.record, from.0, last)))))
    }

    fn head(&self) -> Seq {
        Seq(self.record.len() as u64)
    }
}

pub(crate) async fn execute(options: &StoreOptions, statement: &'static str) {
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(file(options)).busy_timeout(Duration::from_secs(10));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the file opens");
    connection.execute(statement).await.expect("the statement is taken");
    connection.close().await.expect("it closes");
}

#[tokio::test]
async fn a_parked_view_tries_again_until_the_database_works() {
    let (_folder, options) = folder();
    let retry = Duration::from_millis(5);
    let (view, _) =
        TradingView::open(&options, ViewOptions { retry, ..ViewOptions::default() }).await.expect("it opens");
    // The database refuses every fill, for a while.
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON fills BEGIN SELECT RAISE(ABORT, 'the disk is ill'); END";
    execute(&options, refuse).await;
    let status = view.status();
    let ((opened, mut opens), (stop, stopped)) = (mpsc::unbounded_channel(), watch::channel(false));
    let source = Arc::new(Memory { record: record(), gap: AtomicBool::new(false), opened });
    let following = tokio::spawn(view.follow(source, stopped));
    assert_eq!(opens.recv().await, Some(Seq(1)));
    assert_eq!(opens.recv().await, Some(Seq(10)), "it reads the record again from where it stands");
    let parked = status.parked().expect("it is parked");
    assert_eq!((parked.at, parked.event.as_str()), (Position { sequence: 10, index: 2 }, "OrderFilled"));
    assert!(parked.reason.contains("the disk is ill") && parked.reason_zh.contains("数据库出错"), "{parked:?}");
    assert_eq!(status.applied(), 9);
    opens.recv().await.expect("a third attempt");
    let again = status.parked().expect("it is still parked");
    assert_eq!((again.at, again.since), (parked.at, parked.since), "since the first failure");
    assert!(again.attempts > parked.attempts && again.english().contains("parked since 20"), "{again:?}");
    execute(&options, "DROP TRIGGER refuse").await;
    assert!(status.wait_for(record().len() as u64, Duration::from_secs(30)).await, "it goes on");
    assert_eq!(status.parked(), None);
    stop.send_replace(true);
    following.await.expect("it ends when it is told");
    assert_eq!(dump(&options).await, taken_at_once().await);
}

#[tokio::test]
async fn a_gap_parks_the_view_until_the_record_is_whole() {
    let (_folder, options) = folder();
    let retry = Duration::from_millis(5);
    let (view, _) =
        TradingView::open(&options, ViewOptions { retry, ..ViewOptions::default() }).await.expect("it opens");
    let status = view.status();
    let ((opened, mut opens), (stop, stopped)) = (mpsc::unbounded_channel(), watch::channel(false));
    let source = Arc::new(Memory { record: record(), gap: AtomicBool::new(true), opened });
    let following = tokio::spawn(view.follow(source, stopped));
    opens.recv().await.expect("the opening with the gap");
    assert_eq!(opens.recv().await, Some(Seq(1)), "nothing was taken");
    assert!(status.wait_for(record().len() as u64, Duration::from_secs(30)).await, "it goes on");
    stop.send_replace(true);
    following.await.expect("it ends when it is told");
    assert_eq!(dump(&options).await, taken_at_once().await);
}

/// What a database loses that is set back comes again from the record.
#[tokio::test]
async fn a_database_that_was_set_back_gets_again_what_it_lost() {
    let (_folder, options) = folder();
    let retry = Duration::from_millis(5);
    let (mut view, _) =
        TradingView::open(&options, ViewOptions { retry, ..ViewOptions::default() }).await.expect("it opens");
    let each = |make: fn(&str) -> String| {
        let tables = TABLES.iter().copied().chain(["view_position"]);
        tables.map(make).collect::<Vec<_>>().join("; ").leak() as &'static str
    };
    let record = record();
    view.take(&piece(&record, 1, 9)).await.expect("a piece is taken");
    execute(&options, each(|table| format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}"))).await;
    view.take(&piece(&record, 10, 12)).await.expect("more is taken");
    execute(&options, each(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved_{table}")))
        .await;
    let status = view.status();
    let ((opened, mut opens), (stop, stopped)) = (mpsc::unbounded_channel(), watch::channel(false));
    let last = record.len() as u64;
    let following =
        tokio::spawn(view.follow(Arc::new(Memory { record, gap: AtomicBool::new(false), opened }), stopped));
    assert_eq!(opens.recv().await, Some(Seq(13)), "it believes that it has twelve");
    assert_eq!(opens.recv().await, Some(Seq(10)), "it goes on from what the database has");
    assert!(status.wait_for(last, Duration::from_secs(30)).await, "it goes on: {:?}", status.parked());
    stop.send_replace(true);
    following.await.expect("it ends when it is told");
    assert_eq!(dump(&options).await, taken_at_once().await);
}

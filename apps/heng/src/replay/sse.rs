//! Replays a Shanghai day through the engine's book.
//!
//! The exchange publishes an incoming order only for the part that comes to rest; what fills at once appears in the
//! trades alone. So each aggressor is rebuilt from its consecutive trades and the remainder that rests right after,
//! entered as an ordinary limit order, and what our book answers is compared with the tape.

use std::collections::{HashMap, HashSet};

use heng_matching::call_auction::{AuctionRule, AuctionTrade, price_of_book, uncross};
use heng_matching::{Book, Execution, Handle, OrderBook, Taker};
use heng_model::{OrderId, OwnerId, SelfTrade, Side};

use super::input::InputError;
use super::pictures::{Moment, Pictures};
use super::report::Report;
use super::session::{Phase, phases};
use super::tape::{Kind, Row, Tape, Tapes};

/// Owners are not published.
const OWNER: OwnerId = OwnerId(0);
/// Order numbers that may be out of sequence before the venue is taken not to number in sequence at all.
const OUT_OF_SEQUENCE_MAX: usize = 3;

/// The trades of one auction are published within this time.
const AUCTION_PRINTS_MS: u32 = 60_000;

/// What became of an order number.
#[derive(Clone, Copy)]
enum Known {
    /// It rests: in the day's book (0) or the after-hours book (1).
    Rests(usize, Handle),
    /// It was added once and has left.
    Left,
    /// It took and never rested.
    Took,
}

/// One order or auction as the tape tells it.
enum Step<'a> {
    Add { row: &'a Row },
    Delete { row: &'a Row },
    Take { trades: &'a [Row], remainder: Option<&'a Row> },
    Auction { trades: &'a [Row] },
}

/// Replays every security of an input.
///
/// # Errors
/// If the tape contradicts itself so that no order of events exists.
pub(crate) fn replay(tapes: &mut Tapes) -> Result<Report, InputError> {
    tapes.put_in_order()?;
    let mut report = Report::default();
    for (security, tape) in &tapes.by_security {
        let name = String::from_utf8_lossy(security).into_owned();
        if tape.rows.is_empty() {
            // Snapshots of a security without flow say nothing about our book.
            report.not_checkable += tape.snapshots.len() as u64;
            continue;
        }
        Replay::new(&name, tape, &tapes.files, &mut report).run()?;
    }
    Ok(report)
}

struct Replay<'a> {
    name: &'a str,
    rows: &'a [Row],
    files: &'a [String],
    quantum: i64,
    phases: Vec<Phase>,
    out_of_sequence: HashSet<u64>,
    books: [Book; 2],
    orders: HashMap<u64, Known>,
    pictures: Pictures<'a>,
    report: &'a mut Report,
    executions: Vec<Execution>,
    volume: i64,
    /// Orders were collected and no auction has been held since.
    collected: bool,
    last: (u64, u32),
}

impl<'a> Replay<'a> {
    fn new(name: &'a str, tape: &'a Tape, files: &'a [String], report: &'a mut Report) -> Self {
        let quantum = tape.quantum();
        let range = tape.range().map(|(low, high)| (low / quantum, high / quantum));
        Self {
            name,
            rows: &tape.rows,
            files,
            quantum,
            phases: phases(&tape.rows),
            out_of_sequence: out_of_sequence(&tape.rows),
            books: [Book::for_range(range), Book::for_range(range)],
            orders: HashMap::new(),
            pictures: Pictures::new(&tape.snapshots, name),
            report,
            executions: Vec::new(),
            volume: 0,
            collected: false,
            last: (0, 0),
        }
    }

    fn run(mut self) -> Result<(), InputError> {
        self.observe();
        let mut at = 0;
        while at < self.rows.len() {
            let (step, next) = next_step(self.rows, at);
            let phase = self.phases[at];
            let time = self.rows[at].time;
            self.close_pictures(time);
            if self.collected && matches!(phase, Phase::Continuous | Phase::AfterHours) {
                self.no_auction_published();
            }
            match step {
                Step::Add { row } => self.add(row, phase)?,
                Step::Delete { row } => self.delete(row),
                Step::Take { trades, remainder } => self.take(trades, remainder, phase)?,
                Step::Auction { trades } => self.auction(trades),
            }
            self.report.events += (next - at) as u64;
            self.last = (self.rows[next - 1].biz_index, self.rows[next - 1].time);
            self.observe();
            at = next;
        }
        if self.collected {
            self.no_auction_published();
        }
        self.close_pictures(u32::MAX);
        Ok(())
    }

    fn observe(&mut self) {
        let (biz_index, time) = self.last;
        let Self { books, quantum, volume, .. } = self;
        self.pictures.observe(&Moment { book: &books[0], quantum: *quantum, biz_index, time, volume: *volume });
    }

    fn close_pictures(&mut self, time: u32) {
        let (biz_index, last) = self.last;
        let Self { books, quantum, volume, report, .. } = self;
        let now = Moment { book: &books[0], quantum: *quantum, biz_index, time: last, volume: *volume };
        self.pictures.close_before(time, &now, report);
    }

    fn differs(&mut self, row: &Row, what: &'static str, expected: String, found: impl Into<String>) {
        self.report.differs(row.biz_index, self.name, what, expected, found.into());
    }

    fn show(&self, price: i64) -> String {
        let thousandths = price * self.quantum;
        let digits = if self.quantum == 10 { (2, thousandths % 1000 / 10) } else { (3, thousandths % 1000) };
        format!("{}.{:0width$}", thousandths / 1000, digits.1, width = digits.0)
    }

    /// An order number may come to rest once.
    fn first_rest(&self, row: &Row, order: u64) -> Result<(), InputError> {
        match self.orders.get(&order) {
            Some(Known::Rests(..) | Known::Left) => {
                let reason = format!("security {}: order {order} is added twice", self.name);
                Err(InputError::new(&self.files[usize::from(row.file)], row.line, reason))
            }
            Some(Known::Took) | None => Ok(()),
        }
    }

    fn rest(&mut self, book: usize, order: u64, side: Side, price: i64, qty: i64) {
        let handle = self.books[book].rest(OrderId(order), OWNER, side, price, qty);
        self.orders.insert(order, Known::Rests(book, handle));
    }

    fn add(&mut self, row: &'a Row, phase: Phase) -> Result<(), InputError> {
        let Kind::Add { order, side, price, qty } = row.kind else { unreachable!("the step is an add") };
        self.first_rest(row, order)?;
        let limit = price / self.quantum;
        let would_trade = || self.books[0].available(side, limit, 1) > 0;
        if phase == Phase::Auction || (phase == Phase::Quiet && would_trade()) {
            self.collected = true;
            self.rest(0, order, side, limit, qty);
            return Ok(());
        }
        // Nothing of an order that took is published as this row alone, so our book must not fill it either.
        self.submit(&Order { order, side, limit, qty, left: qty }, &[], row, phase);
        Ok(())
    }

    fn delete(&mut self, row: &Row) {
        let Kind::Delete { order, side, qty } = row.kind else { unreachable!("the step is a delete") };
        let expected = format!("delete of {side} order {order} with {qty} left");
        let Some(Known::Rests(book, handle)) = self.orders.get(&order).copied() else {
            self.differs(row, "delete", expected, "the order does not rest");
            return;
        };
        let found = self.books[book].get(handle).filter(|resting| resting.order.0 == order);
        match found {
            Some(resting) if resting.qty == qty && resting.side == side => {}
            Some(resting) => {
                self.differs(row, "delete", expected, format!("{} order with {} left", resting.side, resting.qty));
            }
            None => self.differs(row, "delete", expected, "the order has been filled"),
        }
        self.books[book].cancel(handle, OrderId(order));
        self.orders.insert(order, Known::Left);
    }

    fn take(&mut self, trades: &'a [Row], remainder: Option<&'a Row>, phase: Phase) -> Result<(), InputError> {
        let Some(Took { order, side, last_price }) = took(&trades[0], trades) else {
            unreachable!("the step is a take")
        };
        if self.orders.contains_key(&order) {
            let expected = format!("an incoming {side} order {order}");
            self.differs(&trades[0], "order", expected, "that number belongs to an earlier order");
        }
        let (limit, left) = match remainder.map(|row| (row, row.kind)) {
            Some((row, Kind::Add { price, qty, .. })) => {
                self.first_rest(row, order)?;
                (price, qty)
            }
            _ => (last_price, 0),
        };
        let qty = trades.iter().fold(left, |sum, row| sum.saturating_add(quantity(row)));
        self.submit(&Order { order, side, limit: limit / self.quantum, qty, left }, trades, &trades[0], phase);
        Ok(())
    }

    /// Enters an order into our book and compares what it does with the trades published for it.
    fn submit(&mut self, order: &Order, trades: &[Row], row: &Row, phase: Phase) {
        let book = usize::from(phase == Phase::AfterHours);
        let Order { order: number, side, limit, qty, left } = *order;
        let taker = Taker {
            order: OrderId(number),
            owner: OWNER,
            side,
            limit,
            qty,
            self_trade: SelfTrade::Allow,
            levels_max: u32::MAX,
        };
        let mut executions = core::mem::take(&mut self.executions);
        executions.clear();
        let taken = self.books[book].take(&taker, &mut executions);
        self.volume += taken.filled;
        self.compare(order, trades, &executions, row);
        for execution in executions.iter().filter(|execution| execution.maker_remaining == 0) {
            self.orders.insert(execution.maker.0, Known::Left);
        }
        self.executions = executions;
        self.orders.entry(number).or_insert(Known::Took);
        // What the exchange did not let rest does not rest here; what we took too much of cannot.
        let rests = left.min(taken.remaining);
        if rests > 0 {
            self.rest(book, number, side, limit, rests);
        }
    }

    fn compare(&mut self, order: &Order, trades: &[Row], executions: &[Execution], row: &Row) {
        self.report.trades_expected += trades.len() as u64;
        for (at, trade) in trades.iter().enumerate() {
            let execution = executions.get(at);
            let expected = self.tell_trade(trade);
            let same = execution.is_some_and(|e| is_same(trade, order, e, self.quantum));
            let in_sequence = !self.out_of_sequence.contains(&trade.biz_index);
            let Kind::Trade { money_agrees, .. } = trade.kind else { unreachable!("the step holds trades") };
            if same && in_sequence && money_agrees {
                self.report.trades_matched += 1;
                continue;
            }
            let found = match execution {
                None => "no trade".to_owned(),
                Some(e) if !same => {
                    format!("{} × {} by maker {} and taker {}", self.show(e.price), e.qty, e.maker, order.order)
                }
                Some(_) if !in_sequence => "the taker's number does not fit the sequence of arrivals".to_owned(),
                Some(_) => "the amount is not price × quantity".to_owned(),
            };
            self.differs(trade, "trade", expected, found);
        }
        for extra in executions.iter().skip(trades.len()) {
            let found = format!(
                "{} × {} by maker {} and taker {}",
                self.show(extra.price),
                extra.qty,
                extra.maker,
                order.order
            );
            self.differs(trades.last().unwrap_or(row), "trade", "no trade".to_owned(), found);
        }
    }

    fn tell_trade(&self, row: &Row) -> String {
        let Kind::Trade { buy, sell, price, qty, .. } = row.kind else { return String::new() };
        format!("{} × {qty} by buyer {buy} and seller {sell}", self.show(price / self.quantum))
    }

    /// An auction was held: find its price from the orders collected, trade, and compare.
    fn auction(&mut self, trades: &[Row]) {
        self.collected = false;
        self.report.auctions_expected += 1;
        self.report.trades_expected += trades.len() as u64;
        let volume = trades.iter().fold(0i64, |sum, row| sum.saturating_add(quantity(row)));
        let price = trades.first().map_or(0, price_of);
        let expected = format!("{volume} at {}", self.show(price / self.quantum));
        let mut ours: Vec<AuctionTrade> = Vec::new();
        let found = price_of_book(&self.books[0], AuctionRule::Sse, 0);
        if let Some(found) = found {
            uncross(&mut self.books[0], found, &mut ours);
            self.volume += found.volume;
        }
        let priced = found.is_some_and(|f| f.price * self.quantum == price && f.volume == volume);
        if !priced {
            let told = found.map_or("no price".to_owned(), |f| format!("{} at {}", f.volume, self.show(f.price)));
            self.differs(&trades[0], "auction", expected, told);
        }
        let matched = self.compare_auction(trades, &ours);
        self.report.trades_matched += matched;
        self.report.auctions_matched +=
            u64::from(priced && matched == trades.len() as u64 && ours.len() == trades.len());
        for trade in &ours {
            for (order, left) in [(trade.buy, trade.buy_remaining), (trade.sell, trade.sell_remaining)] {
                if left == 0 {
                    self.orders.insert(order.0, Known::Left);
                }
            }
        }
    }

    fn compare_auction(&mut self, trades: &[Row], ours: &[AuctionTrade]) -> u64 {
        let mut matched = 0;
        for (at, row) in trades.iter().enumerate() {
            let Kind::Trade { buy, sell, price, qty, money_agrees, .. } = row.kind else { unreachable!("trades only") };
            let told = |t: &AuctionTrade| (t.buy.0, t.sell.0, t.price * self.quantum, t.qty);
            if money_agrees && ours.get(at).map(told) == Some((buy, sell, price, qty)) {
                matched += 1;
                continue;
            }
            let found = match ours.get(at) {
                None => "no trade".to_owned(),
                Some(t) => format!("{} × {} by buyer {} and seller {}", self.show(t.price), t.qty, t.buy, t.sell),
            };
            self.differs(row, "trade", self.tell_trade(row), found);
        }
        for t in ours.iter().skip(trades.len()) {
            let found = format!("{} × {} by buyer {} and seller {}", self.show(t.price), t.qty, t.buy, t.sell);
            self.differs(&trades[trades.len() - 1], "trade", "no trade".to_owned(), found);
        }
        matched
    }

    /// An auction phase ended without a trade, so the orders collected must not cross.
    fn no_auction_published(&mut self) {
        self.collected = false;
        if let Some(found) = price_of_book(&self.books[0], AuctionRule::Sse, 0) {
            let told = format!("{} at {}", found.volume, self.show(found.price));
            self.report.differs(self.last.0, self.name, "auction", "no trades in the auction".to_owned(), told);
        }
    }
}

/// A rebuilt order; `left` is what the exchange says came to rest.
struct Order {
    order: u64,
    side: Side,
    limit: i64,
    qty: i64,
    left: i64,
}

/// The aggressor of consecutive trades.
struct Took {
    order: u64,
    side: Side,
    last_price: i64,
}

fn took(first: &Row, trades: &[Row]) -> Option<Took> {
    let (order, side) = aggressor(first)?;
    Some(Took { order, side, last_price: trades.last().map_or(0, price_of) })
}

fn aggressor(row: &Row) -> Option<(u64, Side)> {
    match row.kind {
        Kind::Trade { buy, taker: Some(Side::Buy), .. } => Some((buy, Side::Buy)),
        Kind::Trade { sell, taker: Some(Side::Sell), .. } => Some((sell, Side::Sell)),
        _ => None,
    }
}

fn quantity(row: &Row) -> i64 {
    match row.kind {
        Kind::Add { qty, .. } | Kind::Delete { qty, .. } | Kind::Trade { qty, .. } => qty,
    }
}

fn price_of(row: &Row) -> i64 {
    match row.kind {
        Kind::Add { price, .. } | Kind::Trade { price, .. } => price,
        Kind::Delete { .. } => 0,
    }
}

fn is_same(trade: &Row, order: &Order, execution: &Execution, quantum: i64) -> bool {
    let Kind::Trade { buy, sell, price, qty, taker, .. } = trade.kind else { return false };
    let (expected_taker, expected_maker) = if taker == Some(Side::Buy) { (buy, sell) } else { (sell, buy) };
    execution.price * quantum == price
        && execution.qty == qty
        && execution.maker.0 == expected_maker
        && order.order == expected_taker
}

/// The step that begins at row `at`, and where the next one begins.
fn next_step(rows: &[Row], at: usize) -> (Step<'_>, usize) {
    let row = &rows[at];
    match row.kind {
        Kind::Add { .. } => (Step::Add { row }, at + 1),
        Kind::Delete { .. } => (Step::Delete { row }, at + 1),
        Kind::Trade { taker: None, .. } => {
            let until = row.time.saturating_add(AUCTION_PRINTS_MS);
            let same = |row: &Row| matches!(row.kind, Kind::Trade { taker: None, .. }) && row.time <= until;
            let end = rows[at..].iter().position(|row| !same(row)).map_or(rows.len(), |count| at + count);
            (Step::Auction { trades: &rows[at..end] }, end)
        }
        Kind::Trade { taker: Some(_), .. } => {
            let who = aggressor(row);
            let end = rows[at..].iter().position(|row| aggressor(row) != who).map_or(rows.len(), |count| at + count);
            let trades = &rows[at..end];
            let remainder = rows.get(end).filter(|row| match row.kind {
                Kind::Add { order, side, .. } => Some((order, side)) == who,
                _ => false,
            });
            (Step::Take { trades, remainder }, end + usize::from(remainder.is_some()))
        }
    }
}

/// BizIndexes of trades whose aggressor's number does not fit between the arrivals around it. Shanghai numbers the
/// orders of a channel as they arrive, so a number out of sequence was altered; where many are, the venue numbers
/// otherwise and nothing is said.
fn out_of_sequence(rows: &[Row]) -> HashSet<u64> {
    let mut found = HashSet::new();
    let mut before = 0;
    for (at, row) in rows.iter().enumerate() {
        let number = match row.kind {
            Kind::Add { order, .. } => order,
            _ => match aggressor(row) {
                Some((order, _)) => order,
                None => continue,
            },
        };
        let after = rows[at + 1..].iter().find_map(|row| match row.kind {
            Kind::Add { order, .. } => Some(order),
            _ => aggressor(row).map(|(order, _)| order),
        });
        // The one that is out lies beyond its neighbours; the neighbours themselves are in sequence.
        let beyond_next = after.is_some_and(|after| number > after && before <= after);
        if number < before || beyond_next {
            found.insert(row.biz_index);
        } else {
            before = number;
        }
    }
    if found.len() <= OUT_OF_SEQUENCE_MAX { found } else { HashSet::new() }
}

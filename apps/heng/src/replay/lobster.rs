//! Replays LOBSTER files: order messages and, after each, the visible levels.
//!
//! The files start in the middle of a day and show ten levels or so. The first row seeds the book with orders that we
//! do not know; a level that comes into view from below the last row's window may have changed unseen and is taken
//! from the row. Expected are visible executions of orders that we saw arrive; the aggressor of each is rebuilt as a
//! limit order at the execution's price. A row's levels inside the window of the row before are compared.

use std::collections::HashMap;

use heng_matching::{Book, Handle, OrderBook, Taker, Ticks};
use heng_model::{OrderId, OwnerId, SelfTrade, Side};

use super::input::{InputError, Lines};
use super::number::{scaled, unsigned, whole};
use super::report::Report;
use super::tape::{price, quantity};

/// Most levels a side in a row.
const LEVELS_MAX: usize = 200;
/// Most messages in a file.
const MESSAGES_MAX: usize = 20_000_000;
/// Ids from here on are our own, for orders that we do not know.
const UNKNOWN_FIRST: u64 = 1 << 63;
const OWNER: OwnerId = OwnerId(0);

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    New,
    Reduce,
    Delete,
    Execute,
    /// A hidden order was executed: no visible level changes.
    Hidden,
    /// A cross trade.
    Cross,
    Halt,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    kind: Kind,
    order: u64,
    qty: i64,
    price: i64,
    side: Side,
}

/// One side of a row: (price, quantity) best first.
type Levels = Vec<(i64, i64)>;

/// Messages and the levels after each.
#[derive(Default)]
struct Files {
    messages: Vec<Message>,
    rows: Vec<[Levels; 2]>,
    /// Levels a side in each row, visible or not.
    depth: usize,
}

/// Replays a pair of files.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub(crate) fn replay(messages: Lines<'_>, book: Lines<'_>) -> Result<Report, InputError> {
    let (message_file, book_file) = (messages.file().to_owned(), book.file().to_owned());
    let mut files = Files::default();
    read_messages(messages, &mut files)?;
    read_rows(book, &mut files)?;
    let (messages, rows) = (files.messages.len(), files.rows.len());
    if messages != rows {
        let reason = format!("{rows} rows, but {message_file} has {messages} messages; one row follows each message");
        return Err(InputError::new(&book_file, 0, reason));
    }
    if messages == 0 {
        return Err(InputError::new(&message_file, 0, "the file is empty"));
    }
    Replay::new(&files).run(&message_file)
}

fn each_line(mut lines: Lines<'_>, mut take: impl FnMut(&[&[u8]]) -> Result<(), String>) -> Result<(), InputError> {
    let mut count = 0;
    while let Some(line) = lines.next_line()? {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        count += 1;
        let told = if count > MESSAGES_MAX { Err(format!("more than {MESSAGES_MAX} lines")) } else { take(&fields) };
        told.map_err(|reason| lines.error(reason))?;
    }
    Ok(())
}

fn read_messages(lines: Lines<'_>, files: &mut Files) -> Result<(), InputError> {
    let mut last_time = 0;
    each_line(lines, |fields| {
        // Some files end each line with a further, empty field.
        let [time, kind, order, qty, price_text, direction, rest @ ..] = fields else {
            return Err(format!("{} fields, a message has 6", fields.len()));
        };
        if rest.len() > 1 || rest.iter().any(|field| !field.is_empty() && *field != b"null") {
            return Err(format!("{} fields, a message has 6", fields.len()));
        }
        let time = scaled(time, 9, 999).map_err(|reason| format!("the time {reason}"))?;
        if time < last_time {
            return Err("the time goes back; messages must be in order".to_owned());
        }
        last_time = time;
        files.messages.push(message(kind, order, qty, price_text, direction)?);
        Ok(())
    })
}

fn message(kind: &[u8], order: &[u8], qty: &[u8], price_text: &[u8], direction: &[u8]) -> Result<Message, String> {
    let kind = match kind {
        b"1" => Kind::New,
        b"2" => Kind::Reduce,
        b"3" => Kind::Delete,
        b"4" => Kind::Execute,
        b"5" => Kind::Hidden,
        b"6" => Kind::Cross,
        b"7" => Kind::Halt,
        _ => return Err("the type is none of 1 to 7".to_owned()),
    };
    let side = match direction {
        b"1" => Side::Buy,
        b"-1" => Side::Sell,
        _ => return Err("the direction is neither 1 (buy) nor -1 (sell)".to_owned()),
    };
    let number = unsigned(order).ok().filter(|number| *number < UNKNOWN_FIRST).ok_or("the order id is not a number")?;
    if kind == Kind::Halt {
        return Ok(Message { kind, order: 0, qty: 0, price: 0, side });
    }
    let qty = whole(qty).and_then(quantity).map_err(|reason| format!("the size {reason}"))?;
    let price = whole(price_text).and_then(price).map_err(|reason| format!("the price {reason}"))?;
    Ok(Message { kind, order: number, qty, price, side })
}

fn read_rows(lines: Lines<'_>, files: &mut Files) -> Result<(), InputError> {
    each_line(lines, |fields| {
        let depth = fields.len() / 4;
        if fields.len() % 4 != 0 || depth == 0 || depth > LEVELS_MAX {
            return Err(format!("{} fields, a row has four a level, up to {LEVELS_MAX} levels", fields.len()));
        }
        if files.depth != 0 && files.depth != depth {
            return Err(format!("{depth} levels, the rows before have {}", files.depth));
        }
        files.depth = depth;
        let (mut buys, mut sells) = (Levels::new(), Levels::new());
        for level in fields.chunks_exact(4) {
            add_level(Side::Sell, level[0], level[1], &mut sells)?;
            add_level(Side::Buy, level[2], level[3], &mut buys)?;
        }
        files.rows.push([buys, sells]);
        Ok(())
    })
}

/// Adds a level to its side; an absent one has a quantity of zero and a price that means nothing.
fn add_level(side: Side, price_text: &[u8], qty_text: &[u8], levels: &mut Levels) -> Result<(), String> {
    if whole(qty_text).map_err(|reason| format!("a size {reason}"))? == 0 {
        return whole(price_text).map(drop).map_err(|reason| format!("a price {reason}"));
    }
    let qty = whole(qty_text).and_then(quantity).map_err(|reason| format!("a size {reason}"))?;
    let price = whole(price_text).and_then(price).map_err(|reason| format!("a price {reason}"))?;
    if levels.last().is_some_and(|(before, _)| !is_worse(side, price, *before)) {
        return Err(format!("the {side} levels are not in order, best first"));
    }
    levels.push((price, qty));
    Ok(())
}

fn is_worse(side: Side, price: i64, than: i64) -> bool {
    if side == Side::Buy { price < than } else { price > than }
}

const fn row_of(side: Side) -> usize {
    side as usize - 1
}

struct Replay<'a> {
    files: &'a Files,
    /// Units of 1/10,000 in a tick: a cent where all prices are whole cents.
    quantum: i64,
    book: Book,
    known: HashMap<u64, Handle>,
    /// Orders that we do not know, by side and price, oldest first.
    unknown: HashMap<(Side, i64), Vec<(Handle, OrderId)>>,
    unknown_given: u64,
    /// Worst price of the last row's window; `None` where the row showed the whole side.
    edge: [Option<i64>; 2],
    /// Levels where unseen changes may have mixed up the queue.
    mixed: HashMap<(Side, i64), ()>,
    report: Report,
}

impl<'a> Replay<'a> {
    fn new(files: &'a Files) -> Self {
        let levels = files.rows.iter().flatten().flatten().map(|level| level.0);
        let of_messages = files.messages.iter().filter(|m| matches!(m.kind, Kind::New)).map(|m| m.price);
        let prices = || levels.clone().chain(of_messages.clone());
        let quantum = if prices().all(|price| price % 100 == 0) { 100 } else { 1 };
        let range = prices().min().zip(prices().max()).map(|(low, high)| (low / quantum, high / quantum));
        Self {
            files,
            quantum,
            book: Book::for_range(range),
            known: HashMap::new(),
            unknown: HashMap::new(),
            unknown_given: 0,
            edge: [None; 2],
            mixed: HashMap::new(),
            report: Report::default(),
        }
    }

    fn run(mut self, message_file: &str) -> Result<Report, InputError> {
        let files = self.files;
        for (at, (message, row)) in files.messages.iter().zip(&files.rows).enumerate() {
            let number = at as u64 + 1;
            if at == 0 {
                self.seed(message, row);
            } else {
                self.apply(message, number).map_err(|reason| InputError::new(message_file, number as u32, reason))?;
                self.compare(row, number);
            }
            for (edge, levels) in self.edge.iter_mut().zip(row) {
                *edge = (levels.len() == files.depth).then(|| levels.last().map(|level| level.0)).flatten();
            }
            self.report.events += 1;
        }
        Ok(self.report)
    }

    fn differs(&mut self, number: u64, what: &'static str, expected: String, found: String) {
        self.report.differs(number, "", what, expected, found);
    }

    const fn tick(&self, price: i64) -> Ticks {
        price / self.quantum
    }

    /// The first row is the state after the first message, so its new order is part of it.
    fn seed(&mut self, first: &Message, row: &[Levels; 2]) {
        for side in [Side::Buy, Side::Sell] {
            for (price, qty) in &row[row_of(side)] {
                let own = first.kind == Kind::New && first.side == side && first.price == *price && first.qty <= *qty;
                self.rest_unknown(side, *price, if own { qty - first.qty } else { *qty });
                if own {
                    self.rest_known(first);
                }
            }
        }
    }

    fn rest_unknown(&mut self, side: Side, price: i64, qty: i64) {
        if qty == 0 {
            return;
        }
        let order = OrderId(UNKNOWN_FIRST + self.unknown_given);
        self.unknown_given += 1;
        let handle = self.book.rest(order, OWNER, side, self.tick(price), qty);
        self.unknown.entry((side, price)).or_default().push((handle, order));
    }

    fn rest_known(&mut self, message: &Message) {
        let price = self.tick(message.price);
        let handle = self.book.rest(OrderId(message.order), OWNER, message.side, price, message.qty);
        self.known.insert(message.order, handle);
    }

    fn apply(&mut self, message: &Message, number: u64) -> Result<(), String> {
        match message.kind {
            Kind::New => return self.add(message, number),
            Kind::Reduce | Kind::Delete => self.cancel(message, number),
            Kind::Execute => self.execute(message, number),
            Kind::Hidden | Kind::Cross => self.report.not_checkable += 1,
            Kind::Halt => {}
        }
        Ok(())
    }

    fn add(&mut self, message: &Message, number: u64) -> Result<(), String> {
        if self.known.contains_key(&message.order) {
            return Err(format!("order {} is entered twice", message.order));
        }
        let (best, limit) = (self.book.best(message.side.opposite()), self.tick(message.price));
        if best.is_some_and(|best| !is_worse(message.side.opposite(), best, limit) || best == limit) {
            let expected = format!("new {} order {} rests at {}", message.side, message.order, message.price);
            self.differs(number, "order", expected, "it would trade".to_owned());
        }
        self.rest_known(message);
        Ok(())
    }

    /// The handle of an order that we saw arrive and that still rests.
    fn resting(&self, order: u64) -> Option<Handle> {
        let handle = *self.known.get(&order)?;
        self.book.get(handle).filter(|resting| resting.order.0 == order).map(|_| handle)
    }

    fn cancel(&mut self, message: &Message, number: u64) {
        let Some(handle) = self.resting(message.order) else {
            return self.reduce_unknown(message, number);
        };
        let left = self.book.reduce(handle, OrderId(message.order), message.qty);
        let all = message.kind == Kind::Delete;
        if all != (left == Some(0)) {
            let expected =
                format!("order {} loses {} and {}", message.order, message.qty, if all { "leaves" } else { "stays" });
            self.differs(number, "delete", expected, format!("{} left", left.unwrap_or(0)));
        }
        if all {
            self.book.cancel(handle, OrderId(message.order));
            self.known.remove(&message.order);
        }
    }

    fn reduce_unknown(&mut self, message: &Message, number: u64) {
        let short = self.take_off_unknown(message.side, message.price, message.qty);
        if short > 0 && !self.mixed.contains_key(&(message.side, message.price)) {
            let expected = format!("{} of an unknown {} order at {}", message.qty, message.side, message.price);
            self.differs(number, "order", expected, format!("{short} fewer rest there"));
        }
    }

    /// Takes quantity off the unknown orders of a level, oldest first; returns what could not be taken.
    fn take_off_unknown(&mut self, side: Side, price: i64, qty: i64) -> i64 {
        let Some(orders) = self.unknown.get_mut(&(side, price)) else { return qty };
        let mut wanted = qty;
        while let Some((handle, order)) = orders.first().copied().filter(|_| wanted > 0) {
            let there = self.book.get(handle).filter(|resting| resting.order == order).map_or(0, |resting| resting.qty);
            let off = there.min(wanted);
            if off > 0 {
                self.book.reduce(handle, order, off);
            }
            wanted -= off;
            if off == there {
                orders.remove(0);
            }
        }
        if orders.is_empty() {
            self.unknown.remove(&(side, price));
        }
        wanted
    }

    fn execute(&mut self, message: &Message, number: u64) {
        let Some(handle) = self.resting(message.order) else {
            self.report.not_checkable += 1;
            return self.reduce_unknown(message, number);
        };
        let front = self.book.front(message.side).map(|(_, resting)| resting);
        let expected = (OrderId(message.order), self.tick(message.price));
        let first = front.map(|resting| (resting.order, resting.price));
        if first == Some(expected) && front.is_some_and(|resting| resting.qty >= message.qty) {
            self.report.trades_expected += 1;
            self.report.trades_matched += u64::from(self.trade(message));
            return;
        }
        // Behind orders whose arrival we did not see, priority is not ours to judge.
        if first.map(|first| first.1) == Some(expected.1) && self.mixed.contains_key(&(message.side, message.price)) {
            self.report.not_checkable += 1;
        } else {
            self.report.trades_expected += 1;
            let published = format!("{} × {} by maker {}", message.price, message.qty, message.order);
            let ours = front.map_or("no order".to_owned(), |r| {
                format!("maker {} at {} with {} left", r.order, r.price * self.quantum, r.qty)
            });
            self.differs(number, "trade", published, ours);
        }
        self.book.reduce(handle, OrderId(message.order), message.qty);
    }

    /// Enters the rebuilt aggressor; says whether it traded as published.
    fn trade(&mut self, message: &Message) -> bool {
        let taker = Taker {
            order: OrderId(u64::MAX),
            owner: OWNER,
            side: message.side.opposite(),
            limit: self.tick(message.price),
            qty: message.qty,
            self_trade: SelfTrade::Allow,
            levels_max: u32::MAX,
        };
        let mut executions = Vec::with_capacity(1);
        self.book.take(&taker, &mut executions);
        matches!(executions.as_slice(), [e] if e.maker.0 == message.order && e.qty == message.qty && e.price == taker.limit)
    }

    fn compare(&mut self, row: &[Levels; 2], number: u64) {
        for side in [Side::Buy, Side::Sell] {
            let edge = self.edge[row_of(side)];
            let in_window = |price: i64| edge.is_none_or(|edge| !is_worse(side, price, edge));
            let levels = &row[row_of(side)];
            let checkable = levels.iter().filter(|level| in_window(level.0)).count();
            let ours: Levels = self
                .book
                .levels(side)
                .map(|level| (level.price * self.quantum, level.qty))
                .take_while(|level| in_window(level.0))
                .take(self.files.depth)
                .collect();
            let count = checkable.max(ours.len());
            let differing = (0..count).filter(|at| levels[..checkable].get(*at) != ours.get(*at)).count();
            self.report.levels_checked += count as u64;
            self.report.levels_matched += (count - differing) as u64;
            if let Some(at) = (0..count).find(|at| levels[..checkable].get(*at) != ours.get(*at)) {
                let told = |level: Option<&(i64, i64)>| level.map_or("none".to_owned(), |(p, q)| format!("{p} × {q}"));
                let expected = format!("{side} level {} {}", at + 1, told(levels[..checkable].get(at)));
                self.differs(number, "level", expected, told(ours.get(at)));
            }
            self.bring_into_view(side, &levels[checkable..]);
        }
    }

    /// Levels from below the last window: what we keep there may be stale, so the row decides.
    fn bring_into_view(&mut self, side: Side, entered: &[(i64, i64)]) {
        self.report.not_checkable += entered.len() as u64;
        let Some(edge) = self.edge[row_of(side)] else { return };
        let Some((worst, _)) = entered.last() else { return };
        let hidden: Vec<i64> = self
            .book
            .levels(side)
            .map(|level| level.price * self.quantum)
            .skip_while(|price| !is_worse(side, *price, edge))
            .take_while(|price| !is_worse(side, *price, *worst))
            .filter(|price| entered.iter().all(|level| level.0 != *price))
            .collect();
        for price in hidden {
            self.forget_level(side, price);
        }
        for (price, qty) in entered {
            self.set_level(side, *price, *qty);
        }
    }

    fn set_level(&mut self, side: Side, price: i64, qty: i64) {
        let ours = self.book.volume_at(side, self.tick(price));
        if ours != qty {
            self.mixed.insert((side, price), ());
        }
        if ours > qty && self.take_off_unknown(side, price, ours - qty) > 0 {
            self.forget_level(side, price);
        }
        let ours = self.book.volume_at(side, self.tick(price));
        self.rest_unknown(side, price, qty - ours);
    }

    fn forget_level(&mut self, side: Side, price: i64) {
        let at = self.tick(price);
        let there: Vec<_> = self
            .book
            .handles(side)
            .skip_while(|(_, resting)| resting.price != at)
            .take_while(|(_, resting)| resting.price == at)
            .map(|(handle, resting)| (handle, resting.order))
            .collect();
        for (handle, order) in there {
            self.book.cancel(handle, order);
            self.known.remove(&order.0);
        }
        self.unknown.remove(&(side, price));
    }
}

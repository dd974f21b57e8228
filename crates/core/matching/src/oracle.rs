//! Plays one generated stream of orders on three books and compares everything that they say.

use heng_model::wire::Writer;
use heng_model::{OrderId, OrderType, OwnerId, SelfTrade, Side};

use crate::book::{Execution, Handle, OrderBook, Ticks};
use crate::call_auction::{self, AuctionPrice, AuctionRule, AuctionTrade};
use crate::order_types::{Entered, Incoming, PriceBounds, enter};
use crate::workload::Draws;
use crate::{LadderBook, NaiveBook, SparseBook};

/// What a comparison went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Events played on each book.
    pub events: u64,
    /// Executions that were equal.
    pub executions: u64,
    /// Auctions held.
    pub auctions: u64,
    /// Whole-book comparisons.
    pub states: u64,
}

/// Events between two comparisons of whole books.
const STATE_EVERY: u64 = 4_096;

/// One generated event. Numbers are orders in order of arrival.
#[derive(Clone, Copy, Debug)]
enum Event {
    Enter(Incoming),
    Collect(Incoming),
    Cancel(usize),
    Reduce(usize, i64),
    Uncross(AuctionRule, Ticks),
    Clear,
}

/// All that a book answers to one event.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    executions: Vec<Execution>,
    /// Price and quantity at rest, and what was cancelled.
    rested: Option<(Ticks, i64)>,
    left: Option<i64>,
    entered: Option<Entered>,
    auction: Option<AuctionPrice>,
    trades: Vec<AuctionTrade>,
    best: [Option<(Ticks, i64)>; 2],
    len: usize,
}

struct Played<B> {
    book: B,
    handles: Vec<Option<Handle>>,
    answer: Answer,
}

impl<B: OrderBook> Played<B> {
    fn new(book: B) -> Self {
        Self { book, handles: Vec::new(), answer: Answer::default() }
    }

    fn play(&mut self, event: &Event, bounds: PriceBounds) {
        let Answer { mut executions, mut trades, .. } = core::mem::take(&mut self.answer);
        executions.clear();
        trades.clear();
        let mut answer = Answer { executions, trades, ..Answer::default() };
        match *event {
            Event::Enter(order) => self.enter(&order, bounds, &mut answer),
            Event::Collect(order) => {
                let limit = order.limit.expect("collected orders are limit orders");
                let handle = self.book.rest(order.order, order.owner, order.side, limit, order.qty);
                self.handles.push(Some(handle));
            }
            Event::Cancel(number) => {
                answer.left = self.handles[number].and_then(|at| self.book.cancel(at, OrderId(number as u64)));
            }
            Event::Reduce(number, by) => {
                answer.left = self.handles[number].and_then(|at| self.book.reduce(at, OrderId(number as u64), by));
            }
            Event::Uncross(rule, reference) => {
                answer.auction = call_auction::price_of_book(&self.book, rule, reference);
                if let Some(found) = answer.auction {
                    call_auction::uncross(&mut self.book, found, &mut answer.trades);
                }
            }
            Event::Clear => self.book.clear(),
        }
        answer.best = [Side::Buy, Side::Sell].map(|side| self.book.best_level(side));
        answer.len = self.book.len();
        self.answer = answer;
    }

    fn enter(&mut self, order: &Incoming, bounds: PriceBounds, answer: &mut Answer) {
        let entered = enter(&mut self.book, order, bounds, &mut answer.executions);
        self.handles.push(entered.rested.map(|(handle, ..)| handle));
        answer.rested = entered.rested.map(|(_, price, qty)| (price, qty));
        // Handles differ between kinds of book; all the rest may not.
        answer.entered = Some(Entered { rested: None, ..entered });
        let met: i64 = answer.executions.iter().filter(|e| e.kind as u8 != 2).map(|e| e.qty).sum();
        let kept = entered.rested.map_or(0, |(_, _, qty)| qty) + entered.cancelled.map_or(0, |(qty, _)| qty);
        assert_eq!(met + kept, order.qty, "quantity is conserved");
    }

    fn state(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.book.write_canonical(&mut out);
        out.into_bytes()
    }
}

/// The nature of one stream, drawn from its seed.
struct Character {
    lower: Ticks,
    upper: Ticks,
    /// Prices spread this far around the middle.
    spread: u64,
    owners: u64,
    /// Orders that rest before cancels outweigh new orders.
    crowd: usize,
    auctions: bool,
}

impl Character {
    fn draw(draws: &mut Draws) -> Self {
        let width = [40, 130, 4_200, 65_536][draws.below(4) as usize];
        let lower = draws.below(20_000) as Ticks - 10_000;
        Self {
            lower,
            upper: lower + width - 1,
            spread: [4, 20, 70, width as u64][draws.below(4) as usize].min(width as u64 / 2 - 1),
            owners: [1, 3, 1_000][draws.below(3) as usize],
            crowd: [10, 40, 40, 80][draws.below(4) as usize],
            auctions: draws.below(2) == 0,
        }
    }

    fn price(&self, draws: &mut Draws) -> Ticks {
        let middle = (self.lower + self.upper) / 2;
        middle + draws.below(self.spread * 2 + 1) as Ticks - self.spread as Ticks
    }
}

const TYPES: [OrderType; 8] = [
    OrderType::Best5OrCancel,
    OrderType::Best5OrLimit,
    OrderType::OwnBest,
    OrderType::OppositeBest,
    OrderType::ImmediateOrCancel,
    OrderType::FillOrKill,
    OrderType::EnhancedLimit,
    OrderType::Limit,
];

fn incoming(draws: &mut Draws, of: &Character, number: usize, collecting: bool) -> Incoming {
    let special = !collecting && draws.below(3) == 0;
    let order_type = if special { TYPES[draws.below(8) as usize] } else { OrderType::Limit };
    let price = of.price(draws);
    let no_limit = !order_type.is_limit() && draws.below(2) == 0;
    let tenfold = if draws.below(16) == 0 { 20 } else { 1 };
    Incoming {
        order: OrderId(number as u64),
        owner: OwnerId(draws.below(of.owners) as u32),
        side: if draws.below(2) == 0 { Side::Buy } else { Side::Sell },
        order_type,
        limit: (!no_limit).then_some(price),
        qty: (1 + draws.below(50) as i64) * tenfold,
        self_trade: SelfTrade::ALL[draws.below(SelfTrade::ALL.len() as u64) as usize],
    }
}

/// The next event. `phase` counts events of an auction still to come; it starts and ends the phase.
fn next_event(draws: &mut Draws, of: &Character, arrived: usize, resting: usize, collecting: &mut u64) -> Event {
    if *collecting > 0 {
        *collecting -= 1;
        if *collecting == 0 {
            let rule = [AuctionRule::Sse, AuctionRule::Szse, AuctionRule::Hk][draws.below(3) as usize];
            return Event::Uncross(rule, of.price(draws));
        }
    } else if of.auctions && draws.below(2_000) == 0 {
        *collecting = 50 + draws.below(100);
    }
    let cancels = if resting > of.crowd { 70 } else { 25 };
    let roll = draws.below(100);
    let recent = arrived.min(of.crowd * 4);
    if roll < cancels && recent > 0 {
        let number = arrived - 1 - draws.below(recent as u64) as usize;
        return if draws.below(8) == 0 {
            Event::Reduce(number, 1 + draws.below(60) as i64)
        } else {
            Event::Cancel(number)
        };
    }
    if *collecting == 0 && draws.below(100_000) == 0 {
        return Event::Clear;
    }
    let order = incoming(draws, of, arrived, *collecting > 0);
    if *collecting > 0 { Event::Collect(order) } else { Event::Enter(order) }
}

/// Plays `events` generated events on the naive, the ladder and the sparse book.
///
/// # Errors
/// The first difference: seed, event number, event, and what each book answered.
pub fn compare_streams(seed: u64, events: u64) -> Result<Compared, String> {
    let mut draws = Draws::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let of = Character::draw(&mut draws);
    let bounds = PriceBounds { lower: of.lower, upper: of.upper };
    let mut naive = Played::new(NaiveBook::new());
    let mut ladder = Played::new(LadderBook::new(of.lower, of.upper));
    let mut sparse = Played::new(SparseBook::new());
    let mut compared = Compared::default();
    let mut collecting = 0;
    for at in 0..events {
        let event = next_event(&mut draws, &of, naive.handles.len(), naive.book.len(), &mut collecting);
        naive.play(&event, bounds);
        ladder.play(&event, bounds);
        sparse.play(&event, bounds);
        let differs = naive.answer != ladder.answer || naive.answer != sparse.answer;
        let whole = at % STATE_EVERY == 0 || at + 1 == events || matches!(event, Event::Uncross(..));
        if differs || (whole && (naive.state() != ladder.state() || naive.state() != sparse.state())) {
            let (n, l, s) = (&naive.answer, &ladder.answer, &sparse.answer);
            return Err(format!("seed {seed} event {at} {event:?}\nnaive  {n:?}\nladder {l:?}\nsparse {s:?}"));
        }
        compared.executions += (naive.answer.executions.len() + naive.answer.trades.len()) as u64;
        compared.auctions += u64::from(naive.answer.auction.is_some());
        compared.states += u64::from(whole);
    }
    compared.events = events;
    Ok(compared)
}

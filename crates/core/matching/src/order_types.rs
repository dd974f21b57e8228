//! The order types of the Shanghai, Shenzhen, Beijing and Hong Kong exchanges in continuous trading, composed from
//! what a book can do.
//!
//! | type | takes | what is left |
//! |---|---|---|
//! | limit 限价 | to its limit | rests at its limit |
//! | best five or cancel 最优五档即时成交剩余撤销 | five levels | is cancelled |
//! | best five or limit 最优五档即时成交剩余转限价 | five levels | rests at its last fill, else at the own side's best, else is cancelled |
//! | own best 本方最优 | nothing | rests at the own side's best, else is cancelled |
//! | opposite best 对手方最优 | the opposite best seen on entry | rests at that price; is cancelled where there was none |
//! | immediate or cancel 即时成交剩余撤销 | every level | is cancelled |
//! | fill or kill 全额成交或撤销 | every level, if that fills it | is cancelled |
//! | enhanced limit 增强限价盘 (HK) | ten levels, to its limit | rests at its limit |
//! | at-auction limit 竞价限价盘 (HK) | nothing; for auctions | rests at its limit |
//! | after-hours fixed price 盘后固定价格 | the fixed price, see [`enter_fixed_price`] | rests at the fixed price |
//!
//! A market order's protective price 保护限价 bounds both its fills and the price at which its rest stands (SSE STAR
//! special trading rules on protective prices; that the bound replaces the own best instead of cancelling the order is
//! our reading). Where the exchange asks for none, the day's price limits bound it.

use heng_model::{OrderId, OrderType, OwnerId, SelfTrade, Side};

use crate::book::{Execution, Handle, OrderBook, TakeResult, Taker, Ticks, acceptable};

/// Levels that the two best-five types may touch.
const BEST_LEVELS: u32 = 5;
/// Price queues that an enhanced limit order may touch (HKEX: the best and the nine behind it).
const ENHANCED_LEVELS: u32 = 10;

/// An order on its way into continuous trading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The order.
    pub order: OrderId,
    /// Whose orders it must not meet.
    pub owner: OwnerId,
    /// Its side.
    pub side: Side,
    /// Its type.
    pub order_type: OrderType,
    /// Its limit, or a market order's protective price. `None` is allowed for market orders alone.
    pub limit: Option<Ticks>,
    /// Its quantity, > 0.
    pub qty: i64,
    /// What happens where it meets an order of the same owner.
    pub self_trade: SelfTrade,
}

/// The lowest and the highest price of the day; `i64::MIN` and `i64::MAX` where there is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceBounds {
    /// Limit down 跌停价.
    pub lower: Ticks,
    /// Limit up 涨停价.
    pub upper: Ticks,
}

impl PriceBounds {
    /// No price limit.
    pub const NONE: Self = Self { lower: i64::MIN, upper: i64::MAX };
}

/// Why (a part of) an order was cancelled on entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// Its type does not rest and nothing more could be taken.
    Immediate,
    /// Fill or kill: the book could not fill it whole. Nothing was traded.
    NotWhole,
    /// Own best, or best five or limit without a fill: the own side is empty.
    NoOwnBest,
    /// Opposite best: the opposite side is empty.
    NoOppositeBest,
    /// It would have met an order of its own owner (also under [`SelfTrade::Reject`], where nothing was traded).
    SelfTrade,
    /// After ten levels the limit of an enhanced limit order still reaches the opposite side; it may not rest there.
    WouldCross,
}

/// What became of an incoming order, beside the executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// What it took.
    pub taken: TakeResult,
    /// Where what was left rests: handle, price, quantity.
    pub rested: Option<(Handle, Ticks, i64)>,
    /// What was cancelled, and why. `rested` and `cancelled` are never both present.
    pub cancelled: Option<(i64, Unfilled)>,
}

/// What happens to what a taker leaves over.
#[derive(Clone, Copy)]
enum Rest {
    At(Ticks),
    Cancel(Unfilled),
}

/// Enters an order into continuous trading. Executions are appended to `out`.
///
/// # Panics
/// If a limit type comes without a limit, or an after-hours order comes here: the caller checks types by phase.
pub fn enter<B: OrderBook>(book: &mut B, order: &Incoming, bounds: PriceBounds, out: &mut Vec<Execution>) -> Entered {
    let any_price = match order.side {
        Side::Buy => bounds.upper,
        Side::Sell => bounds.lower,
    };
    let cap = order.limit.unwrap_or(any_price);
    let own_best = book.best(order.side);
    let opposite_best = book.best(order.side.opposite());
    let (limit, levels_max) = match order.order_type {
        OrderType::Limit => (limit_of(order), u32::MAX),
        OrderType::EnhancedLimit => (limit_of(order), ENHANCED_LEVELS),
        OrderType::AtAuctionLimit => (limit_of(order), 0),
        OrderType::Best5OrCancel | OrderType::Best5OrLimit => (cap, BEST_LEVELS),
        OrderType::ImmediateOrCancel | OrderType::FillOrKill => (cap, u32::MAX),
        OrderType::OwnBest => (cap, 0),
        OrderType::OppositeBest => match opposite_best {
            Some(best) => (tighter(order.side, best, cap), u32::MAX),
            None => return all_cancelled(order, Unfilled::NoOppositeBest),
        },
        OrderType::AfterHoursFixed => panic!("after-hours orders do not enter continuous trading"),
    };
    let taker = taker(order, limit, levels_max);
    if let Some(why) = refused_whole(book, order, &taker) {
        return all_cancelled(order, why);
    }
    let taken = if levels_max == 0 { nothing_taken(order) } else { book.take(&taker, out) };
    let rest = match order.order_type {
        OrderType::Limit | OrderType::EnhancedLimit | OrderType::AtAuctionLimit | OrderType::OppositeBest => {
            Rest::At(limit)
        }
        OrderType::OwnBest => {
            own_best.map_or(Rest::Cancel(Unfilled::NoOwnBest), |p| Rest::At(tighter(order.side, p, cap)))
        }
        OrderType::Best5OrLimit => taken
            .last_price
            .or(own_best.map(|p| tighter(order.side, p, cap)))
            .map_or(Rest::Cancel(Unfilled::NoOwnBest), Rest::At),
        _ => Rest::Cancel(Unfilled::Immediate),
    };
    settle_rest(book, order, taken, rest)
}

/// Enters an order into after-hours fixed-price trading 盘后固定价格交易: time priority at one price, the day's close.
/// The book holds after-hours orders only. An order whose limit does not reach the price is cancelled.
pub fn enter_fixed_price<B: OrderBook>(
    book: &mut B,
    order: &Incoming,
    price: Ticks,
    out: &mut Vec<Execution>,
) -> Entered {
    if !acceptable(order.side, order.limit.unwrap_or(price), price) {
        return all_cancelled(order, Unfilled::Immediate);
    }
    let taker = taker(order, price, 1);
    if let Some(why) = refused_whole(book, order, &taker) {
        return all_cancelled(order, why);
    }
    let taken = book.take(&taker, out);
    settle_rest(book, order, taken, Rest::At(price))
}

fn limit_of(order: &Incoming) -> Ticks {
    order.limit.expect("limit types are checked to have a limit before they enter a book")
}

/// The price of the two that is worse for the counterparty: the lower for a buy.
fn tighter(side: Side, a: Ticks, b: Ticks) -> Ticks {
    match side {
        Side::Buy => a.min(b),
        Side::Sell => a.max(b),
    }
}

const fn taker(order: &Incoming, limit: Ticks, levels_max: u32) -> Taker {
    let Incoming { order, owner, side, qty, self_trade, .. } = *order;
    Taker { order, owner, side, limit, qty, self_trade, levels_max }
}

/// Why an order must not even begin to trade.
fn refused_whole<B: OrderBook>(book: &B, order: &Incoming, taker: &Taker) -> Option<Unfilled> {
    if order.self_trade == SelfTrade::Reject && book.would_self_trade(taker) {
        return Some(Unfilled::SelfTrade);
    }
    let whole = order.order_type != OrderType::FillOrKill || book.fillable(taker) == order.qty;
    (!whole).then_some(Unfilled::NotWhole)
}

fn settle_rest<B: OrderBook>(book: &mut B, order: &Incoming, taken: TakeResult, rest: Rest) -> Entered {
    let left = taken.remaining;
    if left == 0 {
        return Entered { taken, rested: None, cancelled: None };
    }
    let cancel = |why| Entered { taken, rested: None, cancelled: Some((left, why)) };
    if taken.stopped_by_self_trade {
        return cancel(Unfilled::SelfTrade);
    }
    let price = match rest {
        Rest::At(price) => price,
        Rest::Cancel(why) => return cancel(why),
    };
    let crosses = book.best(order.side.opposite()).is_some_and(|best| acceptable(order.side, price, best));
    if crosses && order.order_type != OrderType::AtAuctionLimit {
        return cancel(Unfilled::WouldCross);
    }
    let handle = book.rest(order.order, order.owner, order.side, price, left);
    Entered { taken, rested: Some((handle, price, left)), cancelled: None }
}

const fn nothing_taken(order: &Incoming) -> TakeResult {
    TakeResult { remaining: order.qty, filled: 0, last_price: None, stopped_by_self_trade: false }
}

const fn all_cancelled(order: &Incoming, why: Unfilled) -> Entered {
    Entered { taken: nothing_taken(order), rested: None, cancelled: Some((order.qty, why)) }
}

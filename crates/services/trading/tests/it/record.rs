//! A small record, written by hand: two clients, one instrument, two days.

use heng_model::event::{
    AccountOpened, CancelRejected, CancelRequested, CashPosted, DayClosed, DayOpened, HoldingPosted, HouseAccount,
    InstrumentDefined, OrderCancelled, OrderFilled, OrderPlaced, OrderRejected, OrderWorking, ParentAccepted,
    ParentChanged, ParentStatus, PhaseChanged, PostingReason, ReferenceSet, Trade,
};
use heng_model::{
    AccountId, AccountKind, Board, CancelReason, ClientOrderId, Currency, Event, InstrumentClass, InstrumentId, Money,
    OrderId, OrderType, OwnerId, ParentId, PartitionId, Phase, Price, Qty, Rate, RejectCode, SelfTrade, Seq, Side,
    TradeDate, TradeId, UnixNanos,
};
use heng_ports::{CommandEvents, EventBlock};

pub(crate) const STOCK: InstrumentId = InstrumentId(3);
pub(crate) const BUYER: AccountId = AccountId(1);
pub(crate) const SELLER: AccountId = AccountId(2);
const DAY: [&str; 2] = ["2026-07-06", "2026-07-07"];

pub(crate) fn day(number: usize) -> TradeDate {
    DAY[number].parse().expect("a date")
}

/// Yuan and fen.
fn yuan(amount: &str) -> Money {
    amount.parse().expect("an amount")
}

pub(crate) fn opened(account: AccountId) -> Event {
    let owner = OwnerId(account.0 as u32);
    AccountOpened { account, owner, kind: AccountKind::Cash, rights: 1, commission: Rate(25_000) }.into()
}

fn cash(account: AccountId, amount: &str, balance: &str) -> Event {
    let (reason, house) = (PostingReason::Deposit, HouseAccount::Bank);
    let (amount, balance) = (yuan(amount), yuan(balance));
    CashPosted { account, currency: Currency::Cny, amount, reason, house, reference: 1, balance }.into()
}

pub(crate) fn shares(account: AccountId, quantity: i64, total: i64) -> Event {
    let reason = PostingReason::Transfer;
    HoldingPosted { account, instrument: STOCK, quantity: Qty(quantity), reason, reference: 1, total: Qty(total) }
        .into()
}

pub(crate) fn reference(prev_close: &str) -> Event {
    ReferenceSet {
        instrument: STOCK,
        prev_close: prev_close.parse().expect("a price"),
        limit_up: "11.00".parse().expect("a price"),
        limit_down: "9.00".parse().expect("a price"),
        tick: "0.01".parse().expect("a price"),
        risk_warning: false,
        same_day_sale: false,
        settlement_days: 1,
        currency: Currency::Cny,
        suspended: false,
    }
    .into()
}

pub(crate) fn placed(order: u64, account: AccountId, side: Side, price: &str, quantity: i64, hold: &str) -> Event {
    OrderPlaced {
        order: OrderId(order),
        account,
        client_order: ClientOrderId::from_text(&format!("c-{order}")),
        trade_date: day(0),
        instrument: STOCK,
        side,
        order_type: OrderType::Limit,
        price: price.parse().expect("a price"),
        quantity: Qty(quantity),
        self_trade: SelfTrade::Reject,
        parent: ParentId(0),
        hold_cash: yuan(hold),
        hold_quantity: Qty(if side == Side::Sell { quantity } else { 0 }),
    }
    .into()
}

/// An order that was placed for a parent.
pub(crate) fn child(order: u64, parent: u64, account: AccountId, quantity: i64, hold: &str) -> Event {
    let Event::OrderPlaced(mut event) = placed(order, account, Side::Buy, "10.00", quantity, hold) else {
        unreachable!()
    };
    event.parent = ParentId(parent);
    event.trade_date = day(1);
    event.into()
}

pub(crate) fn parent(parent: u64, account: AccountId, quantity: i64) -> Event {
    ParentAccepted {
        parent: ParentId(parent),
        account,
        client_order: ClientOrderId::from_text(&format!("p-{parent}")),
        instrument: STOCK,
        side: Side::Buy,
        quantity: Qty(quantity),
        value_max: Money::ZERO,
    }
    .into()
}

pub(crate) fn parent_changed(parent: u64, status: ParentStatus, epoch: u64) -> Event {
    ParentChanged { parent: ParentId(parent), status, epoch, event: Seq(0) }.into()
}

fn working(order: u64, side: Side, price: &str, quantity: i64) -> Event {
    let (order, price) = (OrderId(order), price.parse().expect("a price"));
    OrderWorking { order, instrument: STOCK, side, price, quantity: Qty(quantity) }.into()
}

fn trade(trade: u64, quantity: i64, buy: u64, sell: u64) -> Event {
    Trade {
        trade: TradeId(trade),
        instrument: STOCK,
        price: Price(100_000),
        quantity: Qty(quantity),
        buy: OrderId(buy),
        sell: OrderId(sell),
        maker: Side::Buy,
        auction: false,
    }
    .into()
}

pub(crate) struct Fill {
    pub(crate) order: u64,
    pub(crate) account: AccountId,
    pub(crate) side: Side,
    pub(crate) trade: u64,
    pub(crate) quantity: i64,
    pub(crate) filled: i64,
    pub(crate) cash: &'static str,
    pub(crate) hold: &'static str,
    pub(crate) shares_held: i64,
}

pub(crate) fn filled(fill: &Fill) -> Event {
    OrderFilled {
        order: OrderId(fill.order),
        account: fill.account,
        instrument: STOCK,
        trade: TradeId(fill.trade),
        side: fill.side,
        price: Price(100_000),
        quantity: Qty(fill.quantity),
        filled: Qty(fill.filled),
        amount: Money(100_000 * fill.quantity),
        commission: yuan("5.00"),
        stamp: Money::ZERO,
        transfer: Money::ZERO,
        handling: Money::ZERO,
        regulatory: Money::ZERO,
        sfc: Money::ZERO,
        afrc: Money::ZERO,
        trading: Money::ZERO,
        settlement: Money::ZERO,
        rate: Rate(0),
        cash: yuan(fill.cash),
        hold_cash: yuan(fill.hold),
        hold_quantity: Qty(fill.shares_held),
    }
    .into()
}

pub(crate) fn cancelled(order: u64, account: AccountId, quantity: i64, reason: CancelReason, shrunk: bool) -> Event {
    OrderCancelled {
        order: OrderId(order),
        account,
        quantity: Qty(quantity),
        reason,
        hold_cash: Money::ZERO,
        hold_quantity: Qty(if shrunk { 100 } else { 0 }),
        shrunk,
    }
    .into()
}

fn rejected(order: u64, account: AccountId, client_order: ClientOrderId, code: RejectCode) -> Event {
    OrderRejected {
        order: OrderId(order),
        account,
        client_order,
        trade_date: day(0),
        instrument: STOCK,
        side: Side::Buy,
        order_type: OrderType::Limit,
        price: Price(100_000),
        quantity: Qty(100),
        parent: ParentId(0),
        code,
        rule: 0,
    }
    .into()
}

/// The record: the events of each command, from sequence 1. Some commands say nothing.
pub(crate) fn record() -> Vec<Vec<Event>> {
    let define = InstrumentDefined {
        instrument: STOCK,
        symbol: "600003.SH".into(),
        board: Board::SseMain,
        class: InstrumentClass::Stock,
        partition: PartitionId(0),
        board_lot: 0,
    };
    let phase = PhaseChanged { board: Board::SseMain, class: InstrumentClass::Stock, phase: Phase::Continuous };
    let buy = Fill {
        order: 10,
        account: BUYER,
        side: Side::Buy,
        trade: 1,
        quantity: 300,
        filled: 300,
        cash: "-3005.00",
        hold: "2000.00",
        shares_held: 0,
    };
    let sell = Fill {
        order: 11,
        account: SELLER,
        side: Side::Sell,
        trade: 1,
        quantity: 300,
        filled: 300,
        cash: "2995.00",
        hold: "0",
        shares_held: 0,
    };
    vec![
        vec![define.into()],
        vec![opened(BUYER)],
        vec![opened(SELLER)],
        vec![cash(BUYER, "10000.00", "10000.00")],
        vec![shares(SELLER, 1_000, 1_000)],
        vec![DayOpened { date: day(0), hk_settles: true }.into(), reference("10.00")],
        vec![],
        vec![phase.into()],
        vec![placed(10, BUYER, Side::Buy, "10.00", 500, "5005.00"), working(10, Side::Buy, "10.00", 500)],
        vec![placed(11, SELLER, Side::Sell, "10.00", 300, "0"), trade(1, 300, 10, 11), filled(&buy), filled(&sell)],
        vec![rejected(12, BUYER, ClientOrderId::from_text("c-12"), RejectCode::PriceLimit)],
        // A key with other content has no order of its own and leaves no row.
        vec![rejected(0, BUYER, ClientOrderId::from_text("c-12"), RejectCode::KeyReused)],
        vec![placed(13, SELLER, Side::Sell, "11.00", 200, "0"), working(13, Side::Sell, "11.00", 200)],
        vec![cancelled(13, SELLER, 100, CancelReason::SelfTrade, true)],
        vec![CancelRejected { order: OrderId(99), account: BUYER, code: RejectCode::UnknownOrder }.into()],
        vec![CancelRequested { order: OrderId(10) }.into(), cancelled(10, BUYER, 200, CancelReason::Client, false)],
        // Refused by the venue after it was placed; what the placing told is not told again.
        vec![
            placed(14, BUYER, Side::Buy, "10.00", 100, "1005.00"),
            rejected(14, BUYER, ClientOrderId(0), RejectCode::PriceCage),
        ],
        vec![
            CancelRequested { order: OrderId(13) }.into(),
            CancelRejected { order: OrderId(13), account: SELLER, code: RejectCode::NoCancelPhase }.into(),
        ],
        vec![
            cancelled(13, SELLER, 100, CancelReason::DayEnd, false),
            DayClosed { date: day(0), orders: 5, trades: 1 }.into(),
        ],
        vec![DayOpened { date: day(1), hk_settles: true }.into(), reference("10.00")],
        vec![placed_on_second_day(15)],
    ]
}

fn placed_on_second_day(order: u64) -> Event {
    let Event::OrderPlaced(mut event) = placed(order, BUYER, Side::Sell, "10.50", 100, "0") else { unreachable!() };
    event.trade_date = day(1);
    event.into()
}

/// Commands `from..=to` of the record as one piece.
pub(crate) fn piece(record: &[Vec<Event>], from: u64, to: u64) -> EventBlock {
    let commands = (from..=to)
        .filter(|seq| !record[*seq as usize - 1].is_empty())
        .map(|seq| CommandEvents {
            seq: Seq(seq),
            time: UnixNanos(1_783_300_500_000_000_000 + seq as i64),
            events: record[seq as usize - 1].clone(),
        })
        .collect();
    EventBlock { first: Seq(from), commands, through: Seq(to) }
}

/// A Hong Kong share, sold on the first day, which says when it settles; then a day for each of `settles`, on which no
/// instrument gets reference data.
pub(crate) fn connect_record(settles: &[bool]) -> Vec<Vec<Event>> {
    let (board, class, partition) = (Board::Hk, InstrumentClass::Stock, PartitionId(0));
    let symbol = "00700.HK".into();
    let define = InstrumentDefined { instrument: STOCK, symbol, board, class, partition, board_lot: 100 };
    let reference = ReferenceSet {
        instrument: STOCK,
        prev_close: Price(100_000),
        limit_up: Price::ZERO,
        limit_down: Price::ZERO,
        tick: Price(100),
        risk_warning: false,
        same_day_sale: true,
        settlement_days: 2,
        currency: Currency::Hkd,
        suspended: false,
    };
    let sell = Fill {
        order: 11,
        account: SELLER,
        side: Side::Sell,
        trade: 1,
        quantity: 300,
        filled: 300,
        cash: "2995.00",
        hold: "0",
        shares_held: 0,
    };
    let mut record = vec![
        vec![define.into()],
        vec![opened(SELLER)],
        vec![shares(SELLER, 1_000, 1_000)],
        vec![DayOpened { date: day(0), hk_settles: true }.into(), reference.into()],
        vec![placed(11, SELLER, Side::Sell, "10.00", 300, "0"), filled(&sell)],
    ];
    record.extend(settles.iter().map(|settles| vec![DayOpened { date: day(1), hk_settles: *settles }.into()]));
    record
}

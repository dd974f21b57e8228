//! What clients are shown: rows as JSON. Amounts are decimal text, ids that may exceed 2^53 are text.

use heng_model::event::ParentStatus;
use heng_model::market::CancelReason;
use heng_model::{Currency, Money, OrderStatus, OrderType, Phase, Price, Rate, RejectCode, SelfTrade, Side, UnixNanos};
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::{Directory, date};
use crate::tables::{DayRow, FillRow, InstrumentRow, OrderRow, ParentRow, PhaseRow};

/// The stable name of a stored code; its number where this version does not know it.
macro_rules! name {
    ($type:ident, $code:expr) => {
        u8::try_from($code)
            .ok()
            .and_then($type::from_code)
            .map_or_else(|| $code.to_string(), |value| value.name().to_owned())
    };
}
pub(crate) use name;

pub(crate) fn id(number: i64) -> String {
    number.to_string()
}

fn id_or_none(number: i64) -> Option<String> {
    (number != 0).then(|| id(number))
}

fn price_or_none(price: i64) -> Option<String> {
    (price != 0).then(|| Price(price).to_string())
}

/// An instant as people write it in China: `2026-07-06T09:30:00.000000001+08:00`.
pub(crate) fn instant(nanos: i64) -> String {
    let fraction = UnixNanos(nanos).time_of_day() % heng_model::SECOND;
    instant_s(UnixNanos(nanos)).replace('+', &format!(".{fraction:09}+"))
}

/// The same to the second: `2026-07-06T09:30:00+08:00`.
pub(crate) fn instant_s(time: UnixNanos) -> String {
    let day = time.date().map(|date| date.to_string()).unwrap_or_default();
    let seconds = time.time_of_day() / heng_model::SECOND;
    format!("{day}T{:02}:{:02}:{:02}+08:00", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Why an order was refused, in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Refusal {
    /// Stable number.
    pub(crate) code: u16,
    /// Stable name.
    pub(crate) code_name: String,
    /// English.
    pub(crate) title: String,
    /// Chinese.
    pub(crate) title_zh: String,
}

impl From<RejectCode> for Refusal {
    fn from(code: RejectCode) -> Self {
        let (code_name, title, title_zh) = (code.name().into(), code.english().into(), code.chinese().into());
        Self { code: code.number(), code_name, title, title_zh }
    }
}

/// A refusal by its number; none for 0.
pub(crate) fn refusal(code: i64) -> Option<Refusal> {
    u16::try_from(code).ok().and_then(RejectCode::from_number).map(Refusal::from)
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OrderShown {
    /// Order number.
    pub(crate) order_id: String,
    /// Account number.
    pub(crate) account: String,
    /// The client's own id, as it was sent if it has at most 15 characters. A longer one is held and told as `#ff` and
    /// 30 hexadecimal digits: the first 15 bytes of its SHA-256. Look for it by the id as it was sent.
    pub(crate) client_order_id: String,
    /// Trade date.
    pub(crate) trade_date: String,
    /// Symbol.
    pub(crate) symbol: String,
    /// Buy or sell.
    pub(crate) side: String,
    /// Order type.
    #[serde(rename = "type")]
    pub(crate) order_type: String,
    /// What happens where it would meet an order of the same owner.
    pub(crate) self_trade: String,
    /// Limit or protective price; 0.00 = none.
    pub(crate) price: String,
    /// Quantity.
    pub(crate) quantity: String,
    /// Filled so far.
    pub(crate) filled: String,
    /// Value of what filled.
    pub(crate) value: String,
    /// Fees of what filled.
    pub(crate) fees: String,
    /// State.
    pub(crate) status: String,
    /// Why its rest left the market; null unless it did.
    pub(crate) reason: Option<String>,
    /// Why it was refused; null unless it was.
    pub(crate) reject: Option<Refusal>,
    /// Number of the risk rule that refused it.
    pub(crate) risk_rule: Option<i64>,
    /// The parent order that it was placed for.
    pub(crate) parent: Option<String>,
    /// Cash held for it now.
    pub(crate) hold_cash: String,
    /// Shares held for it now.
    pub(crate) hold_quantity: String,
    /// Command that brought it.
    pub(crate) sequence: i64,
    /// Command that changed it last.
    pub(crate) changed_sequence: i64,
    /// When it came.
    pub(crate) placed_at: String,
    /// When it changed last.
    pub(crate) changed_at: String,
}

pub(crate) fn order(row: &OrderRow, directory: &Directory) -> OrderShown {
    let reason = u8::try_from(row.reason).ok().and_then(CancelReason::from_code);
    OrderShown {
        order_id: id(row.order_id),
        account: id(row.account),
        client_order_id: row.client_order.clone(),
        trade_date: date(row.trade_date).to_string(),
        symbol: directory.symbol(row.instrument),
        side: name!(Side, row.side),
        order_type: name!(OrderType, row.order_type),
        self_trade: name!(SelfTrade, row.self_trade),
        price: Price(row.price).to_string(),
        quantity: row.quantity.to_string(),
        filled: row.filled.to_string(),
        value: Money(row.value).to_string(),
        fees: Money(row.fees).to_string(),
        status: name!(OrderStatus, row.status),
        reason: reason.map(|reason| reason.name().to_owned()),
        reject: refusal(row.code),
        risk_rule: (row.rule != 0).then_some(row.rule),
        parent: id_or_none(row.parent),
        hold_cash: Money(row.hold_cash).to_string(),
        hold_quantity: row.hold_quantity.to_string(),
        sequence: row.sequence,
        changed_sequence: row.changed_sequence,
        placed_at: instant(row.placed_at),
        changed_at: instant(row.changed_at),
    }
}

/// A page of orders, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderPage {
    /// The command that the page is true at.
    pub(crate) as_of_sequence: u64,
    /// The orders.
    pub(crate) orders: Vec<OrderShown>,
    /// `before` of the next page; null at the end.
    pub(crate) next_before: Option<String>,
}

/// An order with its fills.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderWithFills {
    #[serde(flatten)]
    pub(crate) order: OrderShown,
    /// Its fills, oldest first, at most 1,000.
    pub(crate) fills: Vec<FillShown>,
    /// The command that this is true at.
    pub(crate) as_of_sequence: u64,
}

/// A parent order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ParentShown {
    /// Parent number.
    pub(crate) parent_id: String,
    /// Account number.
    pub(crate) account: String,
    /// The client's own id, as it was sent if it has at most 15 characters. A longer one is held and told as `#ff` and
    /// 30 hexadecimal digits: the first 15 bytes of its SHA-256. Look for it by the id as it was sent.
    pub(crate) client_order_id: String,
    /// Trade date.
    pub(crate) trade_date: String,
    /// What drives it; null where it was not placed through this door.
    pub(crate) kind: Option<String>,
    /// How it is driven; null where it was not placed through this door.
    pub(crate) schedule: Option<ScheduleShown>,
    /// Symbol.
    pub(crate) symbol: String,
    /// Buy or sell.
    pub(crate) side: String,
    /// Most that its children may fill and hold open.
    pub(crate) quantity: String,
    /// Highest value of what its children fill and hold open; null = no limit.
    pub(crate) value_max: Option<String>,
    /// State.
    pub(crate) status: String,
    /// Epoch of its driver; it grows with each start.
    pub(crate) epoch: i64,
    /// Sequence of the market event that triggered it; null unless it was.
    pub(crate) triggered_by: Option<i64>,
    /// Orders placed for it.
    pub(crate) children: i64,
    /// Filled by them.
    pub(crate) filled: String,
    /// Value of what they filled.
    pub(crate) value: String,
    /// Command that brought it.
    pub(crate) sequence: i64,
    /// Command that changed it last.
    pub(crate) changed_sequence: i64,
    /// When it came.
    pub(crate) placed_at: String,
    /// When it changed last.
    pub(crate) changed_at: String,
}

/// How a parent is driven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ScheduleShown {
    /// Limit of the children; null = at the market.
    pub(crate) price: Option<String>,
    /// When it begins; null = at once.
    pub(crate) start: Option<String>,
    /// When it is to be done; null = by the end of continuous trading.
    pub(crate) end: Option<String>,
    /// TWAP, VWAP: number of slices.
    pub(crate) slices: Option<u32>,
    /// POV: share of the traded volume, in percent.
    pub(crate) participation_percent: Option<u32>,
    /// Iceberg, liquidity-following limit: largest visible quantity.
    pub(crate) display_quantity: Option<String>,
    /// Condition: the watched symbol.
    pub(crate) watch: Option<String>,
    /// Condition: fires when the last price is at or above (true) or at or below (false) the trigger price.
    pub(crate) at_or_above: Option<bool>,
    /// Condition: the trigger price.
    pub(crate) trigger: Option<String>,
}

pub(crate) fn parent(row: &ParentRow, directory: &Directory) -> ParentShown {
    ParentShown {
        parent_id: id(row.parent_id),
        account: id(row.account),
        client_order_id: row.client_order.clone(),
        trade_date: date(row.trade_date).to_string(),
        kind: None,
        schedule: None,
        symbol: directory.symbol(row.instrument),
        side: name!(Side, row.side),
        quantity: row.quantity.to_string(),
        value_max: (row.value_max != 0).then(|| Money(row.value_max).to_string()),
        status: name!(ParentStatus, row.status),
        epoch: row.epoch,
        triggered_by: (row.event != 0).then_some(row.event),
        children: row.children,
        filled: row.filled.to_string(),
        value: Money(row.value).to_string(),
        sequence: row.sequence,
        changed_sequence: row.changed_sequence,
        placed_at: instant(row.placed_at),
        changed_at: instant(row.changed_at),
    }
}

/// A page of parent orders, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ParentPage {
    /// The command that the page is true at.
    pub(crate) as_of_sequence: u64,
    /// The parents.
    pub(crate) parents: Vec<ParentShown>,
    /// `before` of the next page; null at the end.
    pub(crate) next_before: Option<String>,
}

/// A parent order with the orders placed for it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ParentWithOrders {
    #[serde(flatten)]
    pub(crate) parent: ParentShown,
    /// Orders placed for it, oldest first, at most 1,000.
    pub(crate) orders: Vec<OrderShown>,
    /// The command that this is true at.
    pub(crate) as_of_sequence: u64,
}

/// A trade date and what happened on it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DayShown {
    /// Trade date.
    pub(crate) trade_date: String,
    /// Command that opened it.
    pub(crate) opened_sequence: i64,
    /// Whether it is over.
    pub(crate) closed: bool,
    /// Orders that got a number, refused ones too.
    pub(crate) orders: i64,
    /// Fills: two a trade where both sides are clients.
    pub(crate) fills: i64,
    /// Trades.
    pub(crate) trades: i64,
    /// Whether its orders, parents and fills are still shown.
    pub(crate) kept: bool,
}

/// Trade dates, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DayList {
    /// The command that the list is true at.
    pub(crate) as_of_sequence: u64,
    /// The dates.
    pub(crate) days: Vec<DayShown>,
}

pub(crate) fn day(row: &DayRow, kept_from: i64) -> DayShown {
    DayShown {
        trade_date: date(row.trade_date).to_string(),
        opened_sequence: row.opened_sequence,
        closed: row.closed,
        orders: row.orders,
        fills: row.fills,
        trades: row.trades,
        kept: row.trade_date >= kept_from,
    }
}

/// One order's share of a trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FillShown {
    /// Trade number.
    pub(crate) trade_id: String,
    /// Command that brought it.
    pub(crate) sequence: i64,
    /// When it traded.
    pub(crate) filled_at: String,
    /// Buy or sell.
    pub(crate) side: String,
    /// Price.
    pub(crate) price: String,
    /// Quantity.
    pub(crate) quantity: String,
    /// Price times quantity, rounded over the order.
    pub(crate) amount: String,
    /// Commission.
    pub(crate) commission: String,
    /// Stamp duty.
    pub(crate) stamp: String,
    /// Transfer fee.
    pub(crate) transfer: String,
    /// Hong Kong levies and fees.
    pub(crate) hk_levies: String,
    /// Yuan for one Hong Kong dollar; null where nothing is exchanged.
    pub(crate) rate: Option<String>,
    /// Cash that left (negative) or came, fees included, in the currency that the account settles in.
    pub(crate) cash: String,
}

pub(crate) fn fill(row: &FillRow) -> FillShown {
    FillShown {
        trade_id: id(row.trade_id),
        sequence: row.sequence,
        filled_at: instant(row.filled_at),
        side: name!(Side, row.side),
        price: Price(row.price).to_string(),
        quantity: row.quantity.to_string(),
        amount: Money(row.amount).to_string(),
        commission: Money(row.commission).to_string(),
        stamp: Money(row.stamp).to_string(),
        transfer: Money(row.transfer).to_string(),
        hk_levies: Money(row.hk_levies).to_string(),
        rate: (row.rate != 0).then(|| Rate(row.rate).to_string()),
        cash: Money(row.cash).to_string(),
    }
}

/// A fill with the order that it is of.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FillOfOrder {
    /// Order number.
    pub(crate) order_id: String,
    /// Account number.
    pub(crate) account: String,
    /// Symbol.
    pub(crate) symbol: String,
    #[serde(flatten)]
    pub(crate) fill: FillShown,
}

/// A page of fills, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FillPage {
    /// The command that the page is true at.
    pub(crate) as_of_sequence: u64,
    /// The fills.
    pub(crate) fills: Vec<FillOfOrder>,
    /// `before` of the next page; null at the end.
    pub(crate) next_before: Option<String>,
}

/// An instrument.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InstrumentShown {
    /// Its number.
    pub(crate) instrument: i64,
    /// Symbol.
    pub(crate) symbol: String,
    /// Board.
    pub(crate) board: String,
    /// Class.
    pub(crate) class: String,
    /// Currency of its price.
    pub(crate) currency: String,
    /// The issuer's lot (Hong Kong); null where the board's rule holds.
    pub(crate) board_lot: Option<String>,
    /// Trade date of the reference data; null where there is none.
    pub(crate) reference_date: Option<String>,
    /// Reference price; null where there is none.
    pub(crate) prev_close: Option<String>,
    /// Highest price of the day; null = no limit.
    pub(crate) limit_up: Option<String>,
    /// Lowest price of the day; null = no limit.
    pub(crate) limit_down: Option<String>,
    /// Tick at the reference price.
    pub(crate) tick: Option<String>,
    /// Risk-warning stock.
    pub(crate) risk_warning: bool,
    /// Whether what is bought today can be sold today.
    pub(crate) same_day_sale: bool,
    /// Suspended for the day.
    pub(crate) suspended: bool,
    /// Halted now.
    pub(crate) halted: bool,
    /// Stopped by the kill switch.
    pub(crate) stopped: bool,
    /// Phase of its board; null before the first day.
    pub(crate) phase: Option<String>,
}

pub(crate) fn instrument(row: &InstrumentRow, phases: &[PhaseRow]) -> InstrumentShown {
    use heng_model::{Board, InstrumentClass};
    let phase = phases.iter().find(|phase| phase.board == row.board && phase.class == row.class);
    InstrumentShown {
        instrument: row.instrument,
        symbol: row.symbol.clone(),
        board: name!(Board, row.board),
        class: name!(InstrumentClass, row.class),
        currency: name!(Currency, row.currency),
        board_lot: id_or_none(row.board_lot),
        reference_date: (row.reference_date != 0).then(|| date(row.reference_date).to_string()),
        prev_close: price_or_none(row.prev_close),
        limit_up: price_or_none(row.limit_up),
        limit_down: price_or_none(row.limit_down),
        tick: price_or_none(row.tick),
        risk_warning: row.risk_warning,
        same_day_sale: row.same_day_sale,
        suspended: row.suspended,
        halted: row.halted,
        stopped: row.stopped,
        phase: phase.map(|row| name!(Phase, row.phase)),
    }
}

/// Instruments, by number, and the trading day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InstrumentPage {
    /// The command that the page is true at.
    pub(crate) as_of_sequence: u64,
    /// The trade date that is open, or was last; null before the first.
    pub(crate) trade_date: Option<String>,
    /// Whether the day is open.
    pub(crate) day_open: bool,
    /// Whether everybody is stopped.
    pub(crate) stopped: bool,
    /// The instruments.
    pub(crate) instruments: Vec<InstrumentShown>,
    /// `after` of the next page; null at the end.
    pub(crate) next_after: Option<i64>,
}

/// One instrument.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OneInstrument {
    #[serde(flatten)]
    pub(crate) instrument: InstrumentShown,
    /// The command that this is true at.
    pub(crate) as_of_sequence: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_in_china_time() {
        assert_eq!(instant(1_783_300_500_000_000_007), "2026-07-06T09:15:00.000000007+08:00");
    }
}

//! Events as clients are shown them.

use heng_model::{Event, OrderId, ParentId, Price, RejectCode, UnixNanos};
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::Directory;
use crate::shapes::{Refusal, instant};

/// What happened to an order or a parent. Which members are there depends on the type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TradeEvent {
    /// What happened: order-placed, order-rejected, order-working, order-filled, order-cancelled, cancel-requested,
    /// cancel-rejected, order-unknown, parent-accepted, parent-changed.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Order number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<String>,
    /// Parent number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<String>,
    /// Account number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// The client's own id, as it was sent if it has at most 15 characters. A longer one is held and told as `#ff` and
    /// 30 hexadecimal digits: the first 15 bytes of its SHA-256. Look for it by the id as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_order_id: Option<String>,
    /// Trade date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trade_date: Option<String>,
    /// Symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) symbol: Option<String>,
    /// Buy or sell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) side: Option<String>,
    /// Order type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_type: Option<String>,
    /// Price: asked, resting, or traded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<String>,
    /// Quantity: asked, resting, traded, or what left the market.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quantity: Option<String>,
    /// Filled so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filled: Option<String>,
    /// Trade number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trade_id: Option<String>,
    /// Price times quantity of the fill, rounded over the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<String>,
    /// Fees that the fill added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fees: Option<String>,
    /// Cash that left (negative) or came, fees included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cash: Option<String>,
    /// Cash held for the order afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold_cash: Option<String>,
    /// Shares held for the order afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold_quantity: Option<String>,
    /// Why the rest left the market.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Whether the order shrank and lives on (self-trade prevention).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shrunk: Option<bool>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reject: Option<Refusal>,
    /// Number of the risk rule that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) risk_rule: Option<u32>,
    /// State of a parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// Epoch of a parent's driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<u64>,
    /// Sequence of the market event that triggered a parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) triggered_by: Option<u64>,
}

/// What one command did. The events of a command are told together, so that its sequence is a place to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CommandShown {
    /// Sequence of the command.
    pub(crate) sequence: u64,
    /// When.
    pub(crate) time: String,
    /// What happened, in order.
    pub(crate) events: Vec<TradeEvent>,
}

impl CommandShown {
    pub(crate) fn new(sequence: u64, time: UnixNanos, events: Vec<TradeEvent>) -> Self {
        Self { sequence, time: instant(time.0), events }
    }
}

/// A page of trade events, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    /// The last durable command.
    pub(crate) as_of_sequence: u64,
    /// What commands did.
    pub(crate) commands: Vec<CommandShown>,
    /// `since` of the next page.
    pub(crate) next_since: u64,
    /// Whether the page ends where the record ends.
    pub(crate) caught_up: bool,
}

macro_rules! text {
    ($value:expr) => {
        Some($value.to_string())
    };
}

/// The fields that a placing and a refusal have in common.
macro_rules! asked {
    ($e:expr, $directory:expr) => {
        TradeEvent {
            order_id: order_id($e.order),
            parent_id: parent_id($e.parent),
            account: text!($e.account),
            client_order_id: Some($e.client_order.to_text()),
            trade_date: text!($e.trade_date),
            symbol: Some($directory.symbol(i64::from($e.instrument.0))),
            side: text!($e.side),
            order_type: text!($e.order_type),
            price: priced($e.price),
            quantity: text!($e.quantity.0),
            ..TradeEvent::default()
        }
    };
}

fn order_id(order: OrderId) -> Option<String> {
    (order != OrderId(0)).then(|| order.to_string())
}

fn parent_id(parent: ParentId) -> Option<String> {
    (parent != ParentId(0)).then(|| parent.to_string())
}

fn priced(price: Price) -> Option<String> {
    (price != Price::ZERO).then(|| price.to_string())
}

fn of_order(order: OrderId) -> TradeEvent {
    TradeEvent { order_id: order_id(order), ..TradeEvent::default() }
}

fn refusal(code: RejectCode) -> Option<Refusal> {
    Some(Refusal::from(code))
}

/// An event of an order or a parent; `None` for all others.
pub(crate) fn event(event: &Event, directory: &Directory) -> Option<TradeEvent> {
    let symbol = |instrument: heng_model::InstrumentId| Some(directory.symbol(i64::from(instrument.0)));
    Some(match event {
        Event::OrderPlaced(e) => TradeEvent {
            kind: "order-placed",
            hold_cash: text!(e.hold_cash),
            hold_quantity: text!(e.hold_quantity.0),
            ..asked!(e, directory)
        },
        Event::OrderRejected(e) => TradeEvent {
            kind: "order-rejected",
            reject: refusal(e.code),
            risk_rule: (e.rule != 0).then_some(e.rule),
            ..asked!(e, directory)
        },
        Event::OrderWorking(e) => TradeEvent {
            kind: "order-working",
            symbol: symbol(e.instrument),
            side: text!(e.side),
            price: text!(e.price),
            quantity: text!(e.quantity.0),
            ..of_order(e.order)
        },
        Event::OrderFilled(e) => filled(e, symbol(e.instrument)),
        Event::OrderCancelled(e) => TradeEvent {
            kind: "order-cancelled",
            account: text!(e.account),
            quantity: text!(e.quantity.0),
            reason: text!(e.reason),
            shrunk: Some(e.shrunk),
            hold_cash: text!(e.hold_cash),
            hold_quantity: text!(e.hold_quantity.0),
            ..of_order(e.order)
        },
        Event::CancelRequested(e) => TradeEvent { kind: "cancel-requested", ..of_order(e.order) },
        Event::CancelRejected(e) => TradeEvent {
            kind: "cancel-rejected",
            account: text!(e.account),
            reject: refusal(e.code),
            ..of_order(e.order)
        },
        Event::OrderUnknown(e) => TradeEvent { kind: "order-unknown", ..of_order(e.order) },
        Event::ParentAccepted(e) => TradeEvent {
            kind: "parent-accepted",
            parent_id: parent_id(e.parent),
            account: text!(e.account),
            client_order_id: Some(e.client_order.to_text()),
            symbol: symbol(e.instrument),
            side: text!(e.side),
            quantity: text!(e.quantity.0),
            ..TradeEvent::default()
        },
        Event::ParentChanged(e) => TradeEvent {
            kind: "parent-changed",
            parent_id: parent_id(e.parent),
            status: text!(e.status),
            epoch: Some(e.epoch),
            triggered_by: (e.event.0 != 0).then_some(e.event.0),
            ..TradeEvent::default()
        },
        _ => return None,
    })
}

fn filled(e: &heng_model::event::OrderFilled, symbol: Option<String>) -> TradeEvent {
    let fees = e.commission + e.stamp + e.transfer + e.sfc + e.afrc + e.trading + e.settlement;
    TradeEvent {
        kind: "order-filled",
        account: text!(e.account),
        symbol,
        side: text!(e.side),
        trade_id: text!(e.trade),
        price: text!(e.price),
        quantity: text!(e.quantity.0),
        filled: text!(e.filled.0),
        amount: text!(e.amount),
        fees: text!(fees),
        cash: text!(e.cash),
        hold_cash: text!(e.hold_cash),
        hold_quantity: text!(e.hold_quantity.0),
        ..of_order(e.order)
    }
}

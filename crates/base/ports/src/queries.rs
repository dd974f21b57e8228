//! Questions to the core's state. A replica behind the gate answers them, in the same process or, by the bytes of
//! [`Question`] and [`Reply`], in another one.

use std::time::Duration;

use heng_model::command::{NewOrder, ParentKind};
use heng_model::event::ParentStatus;
use heng_model::{
    AccountId, AccountKind, AccountStatus, Check, ClientOrderId, Currency, InstrumentId, Money, OrderId, OrderStatus,
    OrderType, ParentId, Price, Qty, Seq, Side, TradeDate, UnixNanos, wire_messages, wire_struct,
};

/// Most rows of one reply.
pub const ROWS_MAX: u32 = 1_000;

wire_struct! {
    /// A question.
    pub struct Question {
        /// The answer must hold at least this command; 0 = whatever the replica holds.
        pub min_sequence: Seq,
        /// What is asked.
        pub about: About,
    }

    /// An answer.
    pub struct Answered {
        /// The command that it is true at.
        pub as_of: Seq,
        /// What is answered.
        pub reply: Reply,
    }
}

wire_messages! {
    /// What may be asked. Codes are stable.
    pub enum About {
        1 => OpenOrdersOf,
        2 => OneOrder,
        3 => HoldingsOf,
        4 => CashOf,
        5 => PowerOf,
        6 => EstimateOf,
        7 => OutcomeOf,
        8 => ParentsOf,
        9 => ExplainedAfter,
        10 => HashOf,
        11 => OutcomesOf,
    }
}

wire_struct! {
    /// The live orders of an account, newest first.
    #[derive(Copy)]
    pub struct OpenOrdersOf {
        /// The account.
        pub account: AccountId,
        /// Most rows; at most [`ROWS_MAX`] are told.
        pub limit: u32,
    }

    /// One order of the trade date.
    #[derive(Copy)]
    pub struct OneOrder {
        /// The order.
        pub order: OrderId,
    }

    /// What an account holds, by instrument.
    #[derive(Copy)]
    pub struct HoldingsOf {
        /// The account.
        pub account: AccountId,
        /// Most rows; at most [`ROWS_MAX`] are told.
        pub limit: u32,
    }

    /// The cash of an account, and what the account is.
    #[derive(Copy)]
    pub struct CashOf {
        /// The account.
        pub account: AccountId,
    }

    /// How much of an instrument an account can buy and sell.
    #[derive(Copy)]
    pub struct PowerOf {
        /// The account.
        pub account: AccountId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Price of the buy; 0 = the highest that the day allows.
        pub price: Price,
    }

    /// What an order would come to. Its key and its date are not looked at.
    #[derive(Copy)]
    pub struct EstimateOf {
        /// The order.
        pub order: NewOrder,
    }

    /// What became of a key of today or of the previous trade date.
    #[derive(Copy)]
    pub struct OutcomeOf {
        /// The account.
        pub account: AccountId,
        /// Trade date; none = today.
        pub trade_date: TradeDate,
        /// The client's own id.
        pub client_order: ClientOrderId,
    }

    /// What became of orders, by key and content.
    pub struct OutcomesOf {
        /// The orders as they were sent, at most `limits::BATCH_ORDERS_MAX`.
        pub orders: Vec<NewOrder>,
    }

    /// Parents of the trade date, oldest first.
    #[derive(Copy)]
    pub struct ParentsOf {
        /// The account; 0 = all accounts.
        pub account: AccountId,
        /// Only this one; 0 = all.
        pub parent: ParentId,
        /// Whether those that have ended are left out.
        pub live_only: bool,
        /// Only those with a larger number: the next page.
        pub after: ParentId,
        /// Most rows; at most [`ROWS_MAX`] are told.
        pub limit: u32,
    }

    /// What the checks of orders looked at, by the sequence of the command that brought the order.
    #[derive(Copy)]
    pub struct ExplainedAfter {
        /// Only of commands behind this one.
        pub after: Seq,
        /// Most orders; the orders of one command are told together, so there may be more by those of one command.
        pub limit: u32,
    }

    /// The hash of the whole state. Costs a walk over every row.
    #[derive(Copy)]
    pub struct HashOf {}
}

wire_messages! {
    /// What is answered. Codes are those of the questions.
    #[allow(clippy::large_enum_variant, reason = "replies are few and short-lived")]
    pub enum Reply {
        1 => OrdersNow,
        3 => HoldingsNow,
        4 => CashNow,
        5 => PowerNow,
        6 => EstimateNow,
        7 => OutcomeNow,
        8 => ParentsNow,
        9 => ExplainedNow,
        10 => HashNow,
        11 => OutcomesNow,
    }
}

wire_struct! {
    /// An order as the core knows it.
    #[derive(Copy)]
    pub struct OrderNow {
        /// Number.
        pub order: OrderId,
        /// Account.
        pub account: AccountId,
        /// The client's own id.
        pub client_order: ClientOrderId,
        /// Command that brought it.
        pub seq: Seq,
        /// Trade date.
        pub trade_date: TradeDate,
        /// Instrument.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// Type.
        pub order_type: OrderType,
        /// Limit or protective price; 0 = none.
        pub price: Price,
        /// Quantity, less what self-trade prevention took off.
        pub quantity: Qty,
        /// Filled so far.
        pub filled: Qty,
        /// Cash held.
        pub hold_cash: Money,
        /// State.
        pub status: OrderStatus,
        /// Number of the reject code; 0 = none.
        pub code: u16,
        /// The parent; 0 = none.
        pub parent: ParentId,
    }

    /// Orders.
    pub struct OrdersNow {
        /// The orders.
        pub orders: Vec<OrderNow>,
        /// Whether there are more than are told.
        pub more: bool,
    }

    /// One holding.
    #[derive(Copy)]
    pub struct HoldingNow {
        /// Instrument.
        pub instrument: InstrumentId,
        /// Free to sell now.
        pub sellable: Qty,
        /// Held for live sell orders.
        pub frozen: Qty,
        /// Bought today and sellable from the next trading day.
        pub unsellable: Qty,
    }

    /// Holdings.
    pub struct HoldingsNow {
        /// The holdings, none of them empty.
        pub holdings: Vec<HoldingNow>,
        /// Whether there are more than are told.
        pub more: bool,
    }

    /// Cash in one currency.
    #[derive(Copy)]
    pub struct CashRowNow {
        /// Currency.
        pub currency: Currency,
        /// Everything; negative = a receivable.
        pub balance: Money,
        /// Held for live orders.
        pub frozen: Money,
        /// What may be spent on mainland buying.
        pub available: Money,
        /// What may be spent on Stock Connect buying.
        pub available_hk: Money,
        /// What may leave for the bank.
        pub withdrawable: Money,
    }

    /// An account and its cash; no rows = there is no such account.
    pub struct CashNow {
        /// Whether there is such an account.
        pub known: bool,
        /// Kind.
        pub kind: AccountKind,
        /// Status.
        pub status: AccountStatus,
        /// Stopped by the kill switch.
        pub stopped: bool,
        /// Live orders.
        pub open_orders: u32,
        /// Cash by currency.
        pub cash: Vec<CashRowNow>,
    }

    /// How much an account can trade; all zero where account or instrument are not known today.
    #[derive(Copy)]
    pub struct PowerNow {
        /// Whether account and instrument are known today.
        pub known: bool,
        /// The price that it is computed with.
        pub price: Price,
        /// Largest buy order that cash, lot and size allow.
        pub buy_max: Qty,
        /// What that buy would hold, fees included.
        pub buy_cash: Money,
        /// Cash that may be spent on the instrument.
        pub cash: Money,
        /// Largest sell order that holdings, lot and size allow.
        pub sell_max: Qty,
        /// Shares that may be sold now.
        pub sellable: Qty,
    }

    /// What an order would come to.
    pub struct EstimateNow {
        /// Number of the reject code; 0 = it would be accepted.
        pub code: u16,
        /// Number of the risk rule that refuses it; 0 = none.
        pub rule: u32,
        /// Cash that it would hold.
        pub hold_cash: Money,
        /// Shares that it would hold.
        pub hold_quantity: Qty,
        /// Commission if all of it filled at its highest price.
        pub commission: Money,
        /// Stamp duty, the same.
        pub stamp: Money,
        /// Transfer fee, the same.
        pub transfer: Money,
        /// Hong Kong levies and fees together, the same.
        pub hk_levies: Money,
        /// All fees, the same.
        pub fees: Money,
        /// Every check that ran, with what it looked at.
        pub checks: Vec<Check>,
    }

    /// What became of a key.
    #[derive(Copy)]
    pub struct OutcomeNow {
        /// Whether the key is known.
        pub known: bool,
        /// The date that was meant.
        pub trade_date: TradeDate,
        /// Command that brought it.
        pub seq: Seq,
        /// Number of the order or parent.
        pub id: u64,
        /// Whether it is a parent.
        pub is_parent: bool,
        /// Number of the reject code; 0 = it was accepted. Of an order whose key is not known: why it can have none.
        pub code: u16,
        /// Whether the key came with the content that is asked about; true where no content is asked about.
        pub same: bool,
    }

    /// What became of orders, in the order in which they were asked about.
    pub struct OutcomesNow {
        /// The outcomes.
        pub outcomes: Vec<OutcomeNow>,
    }

    /// A parent as the core knows it.
    #[derive(Copy)]
    pub struct ParentNow {
        /// Number.
        pub parent: ParentId,
        /// Account.
        pub account: AccountId,
        /// The client's own id.
        pub client_order: ClientOrderId,
        /// Trade date.
        pub trade_date: TradeDate,
        /// What drives it.
        pub kind: ParentKind,
        /// Instrument.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// Type of a triggered child.
        pub order_type: OrderType,
        /// Limit of the children; 0 = none.
        pub price: Price,
        /// Most that the children may fill and hold open.
        pub quantity: Qty,
        /// Highest value; 0 = none.
        pub value_max: Money,
        /// Condition: the watched instrument.
        pub watch: InstrumentId,
        /// Condition: fires at or above (true) or at or below.
        pub at_or_above: bool,
        /// Condition: trigger price; 0 = none.
        pub trigger: Price,
        /// When it ends by itself; 0 = end of day.
        pub expires: UnixNanos,
        /// State.
        pub status: ParentStatus,
        /// Number of the reject code; 0 = none.
        pub code: u16,
        /// Epoch of its driver.
        pub epoch: u64,
        /// The market event that triggered it; 0 = none.
        pub event: Seq,
        /// Command that brought it.
        pub seq: Seq,
        /// Filled by its children, live ones included.
        pub filled: Qty,
        /// What its live children may still fill.
        pub open: Qty,
        /// Live children.
        pub live: u32,
        /// The oldest live child; 0 = none.
        pub oldest: OrderId,
        /// Smallest order of its side in the instrument.
        pub lot_min: Qty,
        /// Step of orders above it.
        pub lot_step: Qty,
        /// Lowest price of the day; 0 = no limit.
        pub limit_down: Price,
        /// Highest price of the day; 0 = no limit.
        pub limit_up: Price,
    }

    /// Parents.
    pub struct ParentsNow {
        /// The trade date that they are of.
        pub trade_date: TradeDate,
        /// The parents.
        pub parents: Vec<ParentNow>,
        /// Whether there are more than are told.
        pub more: bool,
    }

    /// What the checks of one order looked at, as bytes of [`Explanation`].
    pub struct Explained {
        /// Command that brought the order.
        pub seq: Seq,
        /// The order.
        pub order: OrderId,
        /// Bytes of [`Explanation`].
        pub bytes: Vec<u8>,
    }

    /// The checks of an order.
    pub struct Explanation {
        /// Number of the reject code; 0 = it was accepted.
        pub code: u16,
        /// Number of the risk rule that refused it; 0 = none.
        pub rule: u32,
        /// Every check that ran, with what it looked at, in order; the last of a refused order is the one that refused.
        pub checks: Vec<Check>,
    }

    /// Explanations, ascending.
    pub struct ExplainedNow {
        /// The explanations.
        pub explained: Vec<Explained>,
        /// Explanations of commands before this one are not held any more; 1 = all are.
        pub held_from: Seq,
        /// The last command that is covered: whoever asks again asks behind it.
        pub through: Seq,
    }

    /// A hash.
    pub struct HashNow {
        /// SHA-256 of the canonical state.
        pub hash: [u8; 32],
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The replica did not reach the sequence, or had no time, before the deadline.
    Late,
    /// Too many questions wait already.
    Busy,
    /// The replica has stopped; a person must look.
    Stopped,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Late => "no answer before the deadline",
            Self::Busy => "too many questions wait already",
            Self::Stopped => "the replica has stopped",
        })
    }
}

impl std::error::Error for NoAnswer {}

/// Asks the core's state, without the core knowing.
pub trait CoreQueries: Send + Sync {
    /// Asks, and waits for the answer at most `deadline`. Blocks the caller.
    ///
    /// # Errors
    /// If there is no answer by then: the caller says so, and invents none.
    fn ask(&self, question: Question, deadline: Duration) -> Result<Answered, NoAnswer>;
}

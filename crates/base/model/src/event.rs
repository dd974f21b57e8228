//! All that the core says. Events are the record: versioned, complete, kept for 20 years.
//!
//! From the events alone an outside program can recompute balances, holds, fees, price-time priority and T+1;
//! `docs/events.md` says how.

use crate::date::{TradeDate, UnixNanos};
use crate::id::{AccountId, ClientOrderId, InstrumentId, OrderId, OwnerId, ParentId, PartitionId, Seq, TradeId};
use crate::market::{
    AccountKind, AccountStatus, Board, CancelReason, Currency, Exchange, InstrumentClass, OrderType, Phase, SelfTrade,
    SettlementState, Side,
};
use crate::quantity::{Money, Price, Qty, Rate};
use crate::reject::RejectCode;
use crate::{wire_enum, wire_messages, wire_struct};

wire_messages! {
    /// An event. Codes are stable; 1–39 administration, 40–69 orders, 70–79 parents.
    pub enum Event {
        1 => CommandRefused,
        2 => MemoKept,
        3 => RulebookActivated,
        4 => EngineLevelSet,
        5 => AccountOpened,
        6 => AccountStatusSet,
        7 => RightsSet,
        8 => AccountLimitsSet,
        9 => InstrumentDefined,
        10 => ReferenceSet,
        11 => DayOpened,
        12 => DayClosed,
        13 => CashPosted,
        14 => HoldingPosted,
        15 => SettlementAdvanced,
        16 => PhaseChanged,
        17 => Halted,
        18 => Resumed,
        19 => KillSwitchSet,
        20 => RiskRulesSet,
        21 => ExchangeRatesSet,
        22 => QuotaSet,
        23 => AuctionPrinted,
        40 => OrderPlaced,
        41 => OrderRejected,
        42 => OrderWorking,
        43 => Trade,
        44 => OrderFilled,
        45 => OrderCancelled,
        46 => CancelRequested,
        47 => CancelRejected,
        48 => OrderUnknown,
        70 => ParentAccepted,
        71 => ParentChanged,
    }
}

wire_struct! {
    /// A command other than an order was refused; it changed nothing.
    pub struct CommandRefused {
        /// Code of the command.
        pub command: u8,
        /// The account that it named; 0 = none.
        pub account: AccountId,
        /// Why.
        pub code: RejectCode,
    }

    /// A memo was kept.
    pub struct MemoKept {
        /// Topic.
        pub topic: String,
        /// Content.
        pub content: Vec<u8>,
    }

    /// Rule files take part in decisions from a date on.
    pub struct RulebookActivated {
        /// SHA-256 of the bundle.
        pub hash: [u8; 32],
        /// First trade date.
        pub from: TradeDate,
    }

    /// The engine level was switched.
    #[derive(Copy)]
    pub struct EngineLevelSet {
        /// The new level.
        pub level: u16,
    }

    /// An account was opened.
    pub struct AccountOpened {
        /// The account.
        pub account: AccountId,
        /// Its owner.
        pub owner: OwnerId,
        /// Kind.
        pub kind: AccountKind,
        /// Trading rights.
        pub rights: u32,
        /// Commission rate.
        pub commission: Rate,
    }

    /// An account's status changed.
    #[derive(Copy)]
    pub struct AccountStatusSet {
        /// The account.
        pub account: AccountId,
        /// New status.
        pub status: AccountStatus,
    }

    /// An account's trading rights changed.
    #[derive(Copy)]
    pub struct RightsSet {
        /// The account.
        pub account: AccountId,
        /// New rights.
        pub rights: u32,
    }

    /// An account's limits changed.
    #[derive(Copy)]
    pub struct AccountLimitsSet {
        /// The account.
        pub account: AccountId,
        /// Most orders and cancels in one second.
        pub orders_per_second: u32,
        /// Highest value of one order; 0 = none.
        pub order_value_max: Money,
        /// Credit line or margin requirement.
        pub credit_line: Money,
    }

    /// An instrument was added or its static data changed.
    pub struct InstrumentDefined {
        /// The instrument.
        pub instrument: InstrumentId,
        /// Symbol.
        pub symbol: String,
        /// Board.
        pub board: Board,
        /// Class.
        pub class: InstrumentClass,
        /// Venue partition.
        pub partition: PartitionId,
        /// Board lot set by the issuer; 0 = the board's rule.
        pub board_lot: u32,
    }

    /// The rules of an instrument for the trading day that opens, with the reference data they came from.
    #[derive(Copy)]
    pub struct ReferenceSet {
        /// The instrument.
        pub instrument: InstrumentId,
        /// Reference price.
        pub prev_close: Price,
        /// Highest price; 0 = no limit.
        pub limit_up: Price,
        /// Lowest price; 0 = no limit.
        pub limit_down: Price,
        /// Tick at the reference price.
        pub tick: Price,
        /// Risk-warning stock.
        pub risk_warning: bool,
        /// Shares bought today may be sold today (T+0 round trip).
        pub same_day_sale: bool,
        /// Trading days until sale proceeds may be withdrawn: 1 on the mainland, 2 for HK, 3 for B shares.
        pub settlement_days: u8,
        /// Currency of the quotation.
        pub currency: Currency,
        /// Suspended for the day.
        pub suspended: bool,
    }

    /// A trading day opened: what was bought before may be sold, cash due today may be withdrawn.
    #[derive(Copy)]
    pub struct DayOpened {
        /// The trade date.
        pub date: TradeDate,
        /// Hong Kong settles as well, so that the proceeds of Stock Connect sales come a day closer.
        pub hk_settles: bool,
    }

    /// The trading day closed with these totals.
    #[derive(Copy)]
    pub struct DayClosed {
        /// The trade date.
        pub date: TradeDate,
        /// Orders submitted, refusals included.
        pub orders: u64,
        /// Trades.
        pub trades: u64,
    }

    /// Cash of a client account changed outside a fill. The house account takes the opposite amount.
    #[derive(Copy)]
    pub struct CashPosted {
        /// The account.
        pub account: AccountId,
        /// Currency.
        pub currency: Currency,
        /// Signed change of the balance.
        pub amount: Money,
        /// Why.
        pub reason: PostingReason,
        /// The house account on the other side.
        pub house: HouseAccount,
        /// Reference of the command; the action of a corporate action.
        pub reference: u64,
        /// The balance after it.
        pub balance: Money,
    }

    /// Shares of a client account changed outside a fill. The depository takes the opposite quantity.
    #[derive(Copy)]
    pub struct HoldingPosted {
        /// The account.
        pub account: AccountId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Signed change, of sellable shares.
        pub quantity: Qty,
        /// Why.
        pub reason: PostingReason,
        /// Reference of the command; the action of a corporate action.
        pub reference: u64,
        /// All shares after it.
        pub total: Qty,
    }

    /// The trades of a date on an exchange reached a settlement state.
    #[derive(Copy)]
    pub struct SettlementAdvanced {
        /// Trade date.
        pub date: TradeDate,
        /// Exchange.
        pub exchange: Exchange,
        /// State.
        pub state: SettlementState,
    }

    /// All instruments of a board and class entered a phase.
    #[derive(Copy)]
    pub struct PhaseChanged {
        /// Board.
        pub board: Board,
        /// Class.
        pub class: InstrumentClass,
        /// The phase.
        pub phase: Phase,
    }

    /// An instrument was halted.
    #[derive(Copy)]
    pub struct Halted {
        /// The instrument.
        pub instrument: InstrumentId,
        /// When it resumes; 0 = until told.
        pub until: UnixNanos,
        /// By the volatility rule (true) or by a person.
        pub volatility: bool,
    }

    /// An instrument was resumed.
    #[derive(Copy)]
    pub struct Resumed {
        /// The instrument.
        pub instrument: InstrumentId,
    }

    /// A kill switch was set or freed.
    #[derive(Copy)]
    pub struct KillSwitchSet {
        /// The account; 0 = any.
        pub account: AccountId,
        /// Whether one instrument is meant.
        pub by_instrument: bool,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Stopped (true) or freed.
        pub on: bool,
    }

    /// The configurable risk rules were replaced.
    #[derive(Copy)]
    pub struct RiskRulesSet {
        /// How many there are now.
        pub count: u32,
    }

    /// Stock Connect reference rates were set.
    #[derive(Copy)]
    pub struct ExchangeRatesSet {
        /// Yuan for one Hong Kong dollar charged to buyers.
        pub sell_reference: Rate,
        /// Yuan for one Hong Kong dollar credited to sellers.
        pub buy_reference: Rate,
    }

    /// The Stock Connect quota tranche was set.
    #[derive(Copy)]
    pub struct QuotaSet {
        /// Net buying allowed today.
        pub amount: Money,
    }

    /// A call auction ended with this price and volume.
    #[derive(Copy)]
    pub struct AuctionPrinted {
        /// The instrument.
        pub instrument: InstrumentId,
        /// Price; 0 = no trade.
        pub price: Price,
        /// Volume.
        pub volume: Qty,
    }

    /// An order passed the checks of the account partition; its hold stands; it is on the way to the venue.
    #[derive(Copy)]
    pub struct OrderPlaced {
        /// The order.
        pub order: OrderId,
        /// The account.
        pub account: AccountId,
        /// The client's own id.
        pub client_order: ClientOrderId,
        /// The trade date.
        pub trade_date: TradeDate,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// Order type.
        pub order_type: OrderType,
        /// Limit, or protective price of a market order (0 = none).
        pub price: Price,
        /// Quantity.
        pub quantity: Qty,
        /// Self-trade prevention.
        pub self_trade: SelfTrade,
        /// The parent; 0 = none.
        pub parent: ParentId,
        /// Cash held, in the account's settlement currency.
        pub hold_cash: Money,
        /// Shares held.
        pub hold_quantity: Qty,
    }

    /// An order was refused. If it had been placed, its hold is released.
    #[derive(Copy)]
    pub struct OrderRejected {
        /// The order.
        pub order: OrderId,
        /// The account, as asked.
        pub account: AccountId,
        /// The client's own id.
        pub client_order: ClientOrderId,
        /// The trade date, as asked.
        pub trade_date: TradeDate,
        /// The instrument, as asked.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// Order type.
        pub order_type: OrderType,
        /// Limit or protective price.
        pub price: Price,
        /// Quantity.
        pub quantity: Qty,
        /// The parent; 0 = none.
        pub parent: ParentId,
        /// Why.
        pub code: RejectCode,
        /// Number of the risk rule, if a rule refused it; else 0.
        pub rule: u32,
    }

    /// The rest of an order joined the book, at the end of the queue of its price.
    #[derive(Copy)]
    pub struct OrderWorking {
        /// The order.
        pub order: OrderId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// The limit at which it rests.
        pub price: Price,
        /// The quantity that rests.
        pub quantity: Qty,
    }

    /// Two orders traded.
    #[derive(Copy)]
    pub struct Trade {
        /// The trade.
        pub trade: TradeId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Price.
        pub price: Price,
        /// Quantity.
        pub quantity: Qty,
        /// The buying order.
        pub buy: OrderId,
        /// The selling order.
        pub sell: OrderId,
        /// Side of the order that rested in the book (the maker); in an auction both rested, and `buy` is told.
        pub maker: Side,
        /// By call auction or at the fixed price after hours, at one price.
        pub auction: bool,
    }

    /// One order's share of a trade, with its postings (`docs/events.md` lists them).
    #[derive(Copy)]
    pub struct OrderFilled {
        /// The order.
        pub order: OrderId,
        /// The account.
        pub account: AccountId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// The trade.
        pub trade: TradeId,
        /// Buy or sell.
        pub side: Side,
        /// Price.
        pub price: Price,
        /// Quantity.
        pub quantity: Qty,
        /// Filled so far, this trade included.
        pub filled: Qty,
        /// Value of the trade in the currency of the quotation, rounded to the minor unit over the order.
        pub amount: Money,
        /// Commission posted by this fill (the order's total so far less what was posted before). Includes handling and regulatory fees on A shares.
        pub commission: Money,
        /// Stamp duty.
        pub stamp: Money,
        /// Transfer fee.
        pub transfer: Money,
        /// Exchange handling fee (inside the commission on A shares).
        pub handling: Money,
        /// Regulatory fee (inside the commission on A shares).
        pub regulatory: Money,
        /// SFC levy (HK).
        pub sfc: Money,
        /// AFRC levy (HK).
        pub afrc: Money,
        /// Trading fee (HK).
        pub trading: Money,
        /// Settlement fee (HK).
        pub settlement: Money,
        /// Yuan for one unit of the quotation's currency; 0 = settled in that currency.
        pub rate: Rate,
        /// Signed change of the client's cash, in the settlement currency.
        pub cash: Money,
        /// Cash still held for the order.
        pub hold_cash: Money,
        /// Shares still held for the order.
        pub hold_quantity: Qty,
    }

    /// The rest of an order left the market; its hold is released.
    #[derive(Copy)]
    pub struct OrderCancelled {
        /// The order.
        pub order: OrderId,
        /// The account.
        pub account: AccountId,
        /// The quantity that left.
        pub quantity: Qty,
        /// Why.
        pub reason: CancelReason,
        /// Cash still held for the order (non-zero only if it merely shrank).
        pub hold_cash: Money,
        /// Shares still held for the order.
        pub hold_quantity: Qty,
        /// Whether the order goes on with less (self-trade prevention by decrement).
        pub shrunk: bool,
    }

    /// A cancel passed the checks and is on the way to the venue.
    #[derive(Copy)]
    pub struct CancelRequested {
        /// The order.
        pub order: OrderId,
    }

    /// A cancel was refused; the order is as it was.
    #[derive(Copy)]
    pub struct CancelRejected {
        /// The order, as asked.
        pub order: OrderId,
        /// The account, as asked.
        pub account: AccountId,
        /// Why.
        pub code: RejectCode,
    }

    /// The venue did not answer in time; the order's state is unknown until an enquiry tells.
    #[derive(Copy)]
    pub struct OrderUnknown {
        /// The order.
        pub order: OrderId,
    }

    /// A parent was accepted.
    #[derive(Copy)]
    pub struct ParentAccepted {
        /// The parent.
        pub parent: ParentId,
        /// The account.
        pub account: AccountId,
        /// The client's own id.
        pub client_order: ClientOrderId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// Quantity.
        pub quantity: Qty,
        /// Highest value; 0 = none.
        pub value_max: Money,
    }

    /// A parent changed its state.
    #[derive(Copy)]
    pub struct ParentChanged {
        /// The parent.
        pub parent: ParentId,
        /// The state.
        pub status: ParentStatus,
        /// The driver's epoch.
        pub epoch: u64,
        /// The market event that triggered it; 0 = none.
        pub event: Seq,
    }
}

wire_enum! {
    /// States of a parent.
    pub enum ParentStatus {
        /// Accepted; waits for its driver or its condition.
        Accepted = 1 => "accepted",
        /// Slices may be placed.
        Working = 2 => "working",
        /// No slices until resumed or claimed.
        Paused = 3 => "paused",
        /// Ended: complete, cancelled, expired, or triggered and placed.
        Done = 4 => "done",
    }
}

wire_enum! {
    /// Why a posting was made.
    pub enum PostingReason {
        /// Cash in from the bank.
        Deposit = 1 => "deposit",
        /// Cash out to the bank.
        Withdrawal = 2 => "withdrawal",
        /// Shares from or to the depository.
        Transfer = 3 => "transfer",
        /// Corporate action.
        CorporateAction = 4 => "corporate-action",
        /// Difference against official files.
        Difference = 5 => "difference",
    }
}

wire_enum! {
    /// Accounts of the house, the other side of clients' postings. One of each per partition and currency.
    pub enum HouseAccount {
        /// Client money at custody banks 客户交易结算资金存管.
        Bank = 1 => "bank",
        /// Due to or from the clearing house for trades 清算备付.
        Clearing = 2 => "clearing",
        /// The broker's own commission.
        Commission = 3 => "commission",
        /// Stamp duty to pay on.
        Stamp = 4 => "stamp",
        /// Transfer fee to pay on.
        Transfer = 5 => "transfer",
        /// Exchange handling fee to pay on.
        Handling = 6 => "handling",
        /// Regulatory fee to pay on.
        Regulatory = 7 => "regulatory",
        /// HK levies and fees to pay on (SFC, AFRC, trading, settlement).
        HkLevies = 8 => "hk-levies",
        /// The position account of currency exchange 外汇头寸.
        Exchange = 9 => "exchange",
        /// Corporate actions paid by issuers through the depository.
        Issuer = 10 => "issuer",
        /// Differences against official files under inquiry.
        Difference = 11 => "difference",
    }
}

impl HouseAccount {
    /// Number of house accounts.
    pub const COUNT: usize = 11;
}

//! All that can change the core. A command is intent: it is checked, and its refusal is an event.

use crate::date::{TradeDate, UnixNanos};
use crate::id::{AccountId, ClientOrderId, InstrumentId, OrderId, OwnerId, ParentId, PartitionId, Seq, TradeId};
use crate::market::{
    AccountKind, AccountStatus, Board, CancelReason, Currency, Exchange, InstrumentClass, OrderType, SelfTrade,
    SettlementState, Side,
};
use crate::quantity::{Money, Price, Qty, Rate};
use crate::{wire_enum, wire_messages, wire_struct};

wire_messages! {
    /// A command. Codes are stable; 1–39 administration, 40–69 orders, 70–79 parents, 80–89 between partitions.
    pub enum Command {
        1 => Tick,
        2 => Memo,
        3 => ActivateRulebook,
        4 => SetEngineLevel,
        5 => OpenAccount,
        6 => SetAccountStatus,
        7 => SetRights,
        8 => SetAccountLimits,
        9 => DefineInstrument,
        10 => SetReference,
        11 => OpenDay,
        12 => CloseDay,
        13 => Deposit,
        14 => Withdraw,
        15 => TransferHolding,
        16 => PostCorporateAction,
        17 => AdvanceSettlement,
        18 => PostDifference,
        19 => MarkPrices,
        20 => SetExchangeRates,
        21 => Halt,
        22 => Resume,
        23 => KillSwitch,
        24 => SetRiskRules,
        25 => SetQuota,
        40 => NewOrder,
        41 => CancelOrder,
        42 => MassCancel,
        43 => BulkOrders,
        44 => BasketOrders,
        70 => NewParent,
        71 => ControlParent,
        72 => SliceParent,
        73 => TriggerParent,
        80 => RouteOrder,
        81 => RouteCancel,
        82 => VenueReport,
        83 => RouteMassCancel,
    }
}

/// A command with its place and time in the partition's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequenced<C> {
    /// Its sequence.
    pub seq: Seq,
    /// The sequencer's stamp; strictly increasing.
    pub time: UnixNanos,
    /// The command.
    pub command: C,
}

wire_struct! {
    /// Time passes; timers that are due fire. Sent by the sequencer when idle.
    pub struct Tick {}

    /// An operator's note kept in the journal and in state, one per topic; the day run keeps its plan here.
    pub struct Memo {
        /// Topic, at most 64 bytes.
        pub topic: String,
        /// Content, at most `limits::MEMO_MAX` bytes.
        pub content: Vec<u8>,
    }

    /// Makes rule files take part in decisions (design rule 8).
    pub struct ActivateRulebook {
        /// SHA-256 of `bytes`.
        pub hash: [u8; 32],
        /// The canonical bundle of rule files.
        pub bytes: Vec<u8>,
        /// First trade date on which it holds.
        pub from: TradeDate,
    }

    /// Switches the engine level: behaviour changes only by this command.
    #[derive(Copy)]
    pub struct SetEngineLevel {
        /// The new level.
        pub level: u16,
    }

    /// Opens an account.
    pub struct OpenAccount {
        /// Its id; the partition in it must be this one.
        pub account: AccountId,
        /// Whose orders must not meet each other.
        pub owner: OwnerId,
        /// Kind, which selects the buying-power function.
        pub kind: AccountKind,
        /// Trading rights, one bit each (`market::rights`).
        pub rights: u32,
        /// Commission rate of the fee package, a fraction of the amount.
        pub commission: Rate,
    }

    /// Freezes, bars, frees or closes an account.
    #[derive(Copy)]
    pub struct SetAccountStatus {
        /// The account.
        pub account: AccountId,
        /// Its new status.
        pub status: AccountStatus,
    }

    /// Replaces the trading rights of an account.
    #[derive(Copy)]
    pub struct SetRights {
        /// The account.
        pub account: AccountId,
        /// The new rights.
        pub rights: u32,
    }

    /// Sets the limits of an account.
    #[derive(Copy)]
    pub struct SetAccountLimits {
        /// The account.
        pub account: AccountId,
        /// Most orders and cancels in one second; 0 = the default of `model::limits`.
        pub orders_per_second: u32,
        /// Highest value of one order; 0 = none.
        pub order_value_max: Money,
        /// Credit line of a credit account, or margin requirement of an option account; else 0.
        pub credit_line: Money,
    }

    /// Adds an instrument, or changes its static data between trading days.
    pub struct DefineInstrument {
        /// Its id.
        pub instrument: InstrumentId,
        /// Symbol with exchange suffix, for example 600519.SH.
        pub symbol: String,
        /// Board.
        pub board: Board,
        /// Class.
        pub class: InstrumentClass,
        /// Venue partition that holds its book.
        pub partition: PartitionId,
        /// Board lot set by the issuer (HK); 0 = the board's rule.
        pub board_lot: u32,
    }

    /// Reference data of an instrument for the next trading day.
    #[derive(Copy)]
    pub struct SetReference {
        /// The instrument.
        pub instrument: InstrumentId,
        /// Reference price 前收盘价 (already ex-right).
        pub prev_close: Price,
        /// Risk-warning stock (ST, *ST).
        pub risk_warning: bool,
        /// Trading day since listing, from 1; 0 = long listed.
        pub listing_day: u32,
        /// Trading day of the delisting period, from 1; 0 = none.
        pub delisting_day: u32,
        /// Suspended for the whole day.
        pub suspended: bool,
    }

    /// Opens a trading day: rolls the date, releases T+1 holdings and settled cash, arms the phase timers.
    #[derive(Copy)]
    pub struct OpenDay {
        /// The trade date.
        pub date: TradeDate,
        /// Seconds after the start of the HK random-close period at which it ends, drawn by the sequencer.
        pub random_close_s: u32,
    }

    /// Closes the trading day: every live order lapses.
    #[derive(Copy)]
    pub struct CloseDay {
        /// The trade date that closes.
        pub date: TradeDate,
    }

    /// Cash that arrived at the custody bank.
    #[derive(Copy)]
    pub struct Deposit {
        /// The account.
        pub account: AccountId,
        /// Currency.
        pub currency: Currency,
        /// Amount, a multiple of the minor unit.
        pub amount: Money,
        /// The bank's or the client's reference; one reference posts once in ten trade dates.
        pub reference: u64,
    }

    /// Cash that leaves for the custody bank.
    #[derive(Copy)]
    pub struct Withdraw {
        /// The account.
        pub account: AccountId,
        /// Currency.
        pub currency: Currency,
        /// Amount, a multiple of the minor unit.
        pub amount: Money,
        /// One reference posts once in ten trade dates.
        pub reference: u64,
    }

    /// Shares that arrive from (positive) or leave for (negative) the depository 转托管.
    #[derive(Copy)]
    pub struct TransferHolding {
        /// The account.
        pub account: AccountId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Quantity; negative leaves.
        pub quantity: Qty,
        /// One reference posts once in ten trade dates.
        pub reference: u64,
    }

    /// A posting of a corporate action, keyed (action, account); computed by clearing, posted by the core.
    #[derive(Copy)]
    pub struct PostCorporateAction {
        /// The action.
        pub action: u64,
        /// The account.
        pub account: AccountId,
        /// The instrument that pays.
        pub instrument: InstrumentId,
        /// Currency of the cash.
        pub currency: Currency,
        /// Cash paid (positive) or charged (negative; a tax may make a receivable).
        pub cash: Money,
        /// Shares added (positive) or removed (negative).
        pub quantity: Qty,
    }

    /// Official files confirm the trades of a date on an exchange.
    #[derive(Copy)]
    pub struct AdvanceSettlement {
        /// Trade date of the trades.
        pub date: TradeDate,
        /// Exchange.
        pub exchange: Exchange,
        /// The state they reach; states are reached one after the other.
        pub state: SettlementState,
    }

    /// A difference found against official files: an entry is added, nothing is overwritten.
    #[derive(Copy)]
    pub struct PostDifference {
        /// The account.
        pub account: AccountId,
        /// Currency of the cash difference.
        pub currency: Currency,
        /// Cash difference; negative is charged.
        pub cash: Money,
        /// Instrument of the share difference.
        pub instrument: InstrumentId,
        /// Share difference; negative is removed.
        pub quantity: Qty,
        /// One reference posts once in ten trade dates.
        pub reference: u64,
    }

    /// Best bid, best ask and last price of an instrument.
    #[derive(Copy)]
    pub struct Mark {
        /// The instrument.
        pub instrument: InstrumentId,
        /// Best bid; 0 = none.
        pub bid: Price,
        /// Best ask; 0 = none.
        pub ask: Price,
        /// Last price; 0 = none.
        pub last: Price,
    }

    /// Marks, batched.
    pub struct MarkPrices {
        /// At most `limits::MARKS_MAX`.
        pub marks: Vec<Mark>,
    }

    /// Stock Connect reference rates, yuan for one Hong Kong dollar.
    #[derive(Copy)]
    pub struct SetExchangeRates {
        /// Rate at which a buyer's yuan are held and charged 卖出参考汇率.
        pub sell_reference: Rate,
        /// Rate at which a seller is credited 买入参考汇率.
        pub buy_reference: Rate,
    }

    /// Halts an instrument.
    #[derive(Copy)]
    pub struct Halt {
        /// The instrument.
        pub instrument: InstrumentId,
        /// When it resumes by itself; 0 = until told.
        pub until: UnixNanos,
    }

    /// Resumes an instrument: orders collected in the halt are matched in one auction.
    #[derive(Copy)]
    pub struct Resume {
        /// The instrument.
        pub instrument: InstrumentId,
    }

    /// Stops or frees new orders of everybody, an account, or an instrument. Cancels always pass.
    #[derive(Copy)]
    pub struct KillSwitch {
        /// The account; 0 = any.
        pub account: AccountId,
        /// Whether `instrument` is meant.
        pub by_instrument: bool,
        /// The instrument, if `by_instrument`.
        pub instrument: InstrumentId,
        /// Stop (true) or free.
        pub on: bool,
        /// Also cancel the live orders in scope.
        pub cancel_live: bool,
    }

    /// One configurable risk rule: an order whose feature lies outside the bounds is refused.
    #[derive(Copy)]
    pub struct RiskRule {
        /// Number, for the refusal's detail.
        pub number: u32,
        /// Board it holds for; 0 = all (else the code of `Board`).
        pub board: u8,
        /// Side it holds for; 0 = both (else the code of `Side`).
        pub side: u8,
        /// What is measured.
        pub feature: RiskFeature,
        /// Lowest value that passes.
        pub least: i64,
        /// Highest value that passes.
        pub most: i64,
    }

    /// Replaces all configurable risk rules.
    pub struct SetRiskRules {
        /// At most `limits::RISK_RULES_MAX`.
        pub rules: Vec<RiskRule>,
    }

    /// A tranche of the Stock Connect daily quota, leased from the owner of the quota.
    #[derive(Copy)]
    pub struct SetQuota {
        /// Net buying allowed today, in 1/10,000 yuan.
        pub amount: Money,
    }

    /// A new order. Its key is (account, trade date, client order id).
    #[derive(Copy)]
    pub struct NewOrder {
        /// The account.
        pub account: AccountId,
        /// The client's own id.
        pub client_order: ClientOrderId,
        /// The trade date that the client means.
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
    }

    /// Cancels one order.
    #[derive(Copy)]
    pub struct CancelOrder {
        /// The account.
        pub account: AccountId,
        /// The order.
        pub order: OrderId,
    }

    /// Cancels the live orders of an account, and pauses its parents.
    #[derive(Copy)]
    pub struct MassCancel {
        /// The account.
        pub account: AccountId,
        /// Whether only `instrument` is meant.
        pub by_instrument: bool,
        /// The instrument, if `by_instrument`.
        pub instrument: InstrumentId,
    }

    /// Independent orders in one command: each is accepted or refused on its own.
    pub struct BulkOrders {
        /// At most `limits::BATCH_ORDERS_MAX`.
        pub orders: Vec<NewOrder>,
    }

    /// Orders that are placed all or none: one refusal by the checks refuses the basket.
    pub struct BasketOrders {
        /// At most `limits::BATCH_ORDERS_MAX`.
        pub orders: Vec<NewOrder>,
    }

    /// An algorithmic or condition order: core state whose children are placed by slices or by its trigger.
    pub struct NewParent {
        /// The account.
        pub account: AccountId,
        /// The client's own id; shares the key space with orders.
        pub client_order: ClientOrderId,
        /// The trade date.
        pub trade_date: TradeDate,
        /// What drives it.
        pub kind: ParentKind,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// Order type of a triggered child; slices bring their own.
        pub order_type: OrderType,
        /// Limit of the children; 0 = none.
        pub price: Price,
        /// Most that the children may fill and hold open.
        pub quantity: Qty,
        /// Highest value of what the children fill and hold open; 0 = none.
        pub value_max: Money,
        /// Condition: the watched instrument.
        pub watch: InstrumentId,
        /// Condition: fires when the last price is at or above (true) or at or below the trigger price.
        pub at_or_above: bool,
        /// Condition: trigger price; 0 = not a condition order.
        pub trigger: Price,
        /// When it ends by itself; 0 = end of day.
        pub expires: UnixNanos,
    }

    /// Steers a parent.
    #[derive(Copy)]
    pub struct ControlParent {
        /// The account.
        pub account: AccountId,
        /// The parent.
        pub parent: ParentId,
        /// What to do.
        pub action: ParentAction,
        /// For `Claim` the driver's new epoch, which must exceed the current one; else 0.
        pub epoch: u64,
    }

    /// A driver proposes a child order. The child's key is a hash of (parent, slice), so a repeat is harmless.
    #[derive(Copy)]
    pub struct SliceParent {
        /// The parent.
        pub parent: ParentId,
        /// Number of the slice.
        pub slice: u32,
        /// The driver's epoch.
        pub epoch: u64,
        /// Order type of the child.
        pub order_type: OrderType,
        /// Limit or protective price.
        pub price: Price,
        /// Quantity.
        pub quantity: Qty,
    }

    /// A market event fulfils the condition of a parent. The first trigger wins.
    #[derive(Copy)]
    pub struct TriggerParent {
        /// The parent.
        pub parent: ParentId,
        /// Sequence of the market event that fired it.
        pub event: Seq,
        /// The last price that the event tells.
        pub price: Price,
    }

    /// An account partition sends an order to the venue partition of its instrument.
    #[derive(Copy)]
    pub struct RouteOrder {
        /// The order.
        pub order: OrderId,
        /// Whose orders must not meet.
        pub owner: OwnerId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Buy or sell.
        pub side: Side,
        /// Order type.
        pub order_type: OrderType,
        /// Limit or protective price; 0 = none.
        pub price: Price,
        /// Quantity.
        pub quantity: Qty,
        /// Self-trade prevention.
        pub self_trade: SelfTrade,
    }

    /// An account partition asks the venue partition to cancel an order.
    #[derive(Copy)]
    pub struct RouteCancel {
        /// The order.
        pub order: OrderId,
        /// The instrument.
        pub instrument: InstrumentId,
        /// Where the venue said that the order rests.
        pub venue_ref: u32,
        /// Why.
        pub reason: CancelReason,
    }

    /// All resting orders of an instrument are to be cancelled.
    #[derive(Copy)]
    pub struct RouteMassCancel {
        /// The instrument.
        pub instrument: InstrumentId,
        /// Why.
        pub reason: CancelReason,
    }

    /// A venue tells what became of an order. Fields that a kind does not use are zero.
    #[derive(Copy)]
    pub struct VenueReport {
        /// The order.
        pub order: OrderId,
        /// What is told.
        pub kind: ReportKind,
        /// Working: where the order rests. Rejected, cancel refused: the reject code.
        pub detail: u32,
        /// Fill: the trade.
        pub trade: TradeId,
        /// Fill: price. Working: the limit at which it rests.
        pub price: Price,
        /// Fill: quantity. Cancelled: the quantity that left.
        pub quantity: Qty,
        /// Cancelled: why (code of `CancelReason`).
        pub reason: u8,
    }
}

wire_enum! {
    /// What a venue tells.
    pub enum ReportKind {
        /// The order rests in the book.
        Working = 1 => "working",
        /// The order was refused.
        Rejected = 2 => "rejected",
        /// The order traded.
        Fill = 3 => "fill",
        /// The rest of the order left the book.
        Cancelled = 4 => "cancelled",
        /// The cancel was refused.
        CancelRejected = 5 => "cancel-rejected",
        /// The venue did not answer in time: unknown until an enquiry tells.
        Unknown = 6 => "unknown",
        /// The order shrank without a trade (self-trade prevention).
        Reduced = 7 => "reduced",
    }
}

wire_enum! {
    /// What drives a parent order.
    pub enum ParentKind {
        /// Equal slices over time.
        Twap = 1 => "twap",
        /// Slices by expected volume.
        Vwap = 2 => "vwap",
        /// A share of the traded volume.
        Pov = 3 => "pov",
        /// One visible slice after the other.
        Iceberg = 4 => "iceberg",
        /// A condition on a price 条件单.
        Condition = 5 => "condition",
        /// A limit that follows liquidity.
        Liquidity = 6 => "liquidity",
    }
}

wire_enum! {
    /// How a parent is steered.
    pub enum ParentAction {
        /// No more slices until resumed.
        Pause = 1 => "pause",
        /// Slices may go on.
        Resume = 2 => "resume",
        /// Ends it and cancels its live children.
        Cancel = 3 => "cancel",
        /// A driver takes it over with a higher epoch; a paused parent works again.
        Claim = 4 => "claim",
    }
}

wire_enum! {
    /// What a risk rule measures of an order.
    pub enum RiskFeature {
        /// Quantity.
        Quantity = 1 => "quantity",
        /// Price, 1/10,000.
        Price = 2 => "price",
        /// Value, 1/10,000.
        Value = 3 => "value",
        /// Distance from the reference price, in 1/10,000 of it.
        Deviation = 4 => "deviation",
        /// Live orders of the account.
        OpenOrders = 5 => "open-orders",
        /// Orders and cancels of the account in the current second.
        OrdersThisSecond = 6 => "orders-this-second",
        /// Holding in the instrument after a buy, or left after a sell.
        HoldingAfter = 7 => "holding-after",
        /// Available cash after the hold.
        CashAfter = 8 => "cash-after",
        /// Nanoseconds since local midnight.
        TimeOfDay = 9 => "time-of-day",
        /// Orders of the account today.
        OrdersToday = 10 => "orders-today",
        /// Cancels of the account today.
        CancelsToday = 11 => "cancels-today",
        /// Bought value of the account today, 1/10,000.
        BoughtToday = 12 => "bought-today",
        /// Sold value of the account today, 1/10,000.
        SoldToday = 13 => "sold-today",
        /// Total cash of the account, 1/10,000.
        CashBalance = 14 => "cash-balance",
        /// Sellable holding before the order.
        Sellable = 15 => "sellable",
        /// Frozen cash before the order, 1/10,000.
        FrozenCash = 16 => "frozen-cash",
    }
}

impl RiskFeature {
    /// Number of features.
    pub const COUNT: usize = 16;
}

//! What the checks of an order looked at, in words that people and programs read: which check, with which values, and
//! whether it let the order pass.

use crate::{wire_enum, wire_struct};

wire_enum! {
    /// A check of an order, in the order in which the core runs them.
    pub enum CheckName {
        /// Quantity and price are inside the ranges that the core counts with.
        Fields = 1 => "fields",
        /// Nobody has stopped everybody, the account or the instrument.
        KillSwitch = 2 => "kill-switch",
        /// The account's status lets it trade on this side.
        AccountStatus = 3 => "account-status",
        /// The account has the rights that a buyer of this instrument needs.
        Rights = 4 => "rights",
        /// The account sends no more orders a second than it may.
        Rate = 5 => "rate",
        /// The kind of account may trade this instrument.
        AccountKind = 6 => "account-kind",
        /// The instrument is not suspended for the day.
        Suspension = 7 => "suspension",
        /// The order type is taken in some phase of the day.
        OrderType = 8 => "order-type",
        /// The quantity is positive.
        Quantity = 9 => "quantity",
        /// The quantity is a whole lot, or the rest below one.
        Lot = 10 => "lot",
        /// The quantity is not above the largest order.
        Size = 11 => "size",
        /// A price is given where one is needed.
        PricePresent = 12 => "price-present",
        /// The price stands on the tick.
        Tick = 13 => "tick",
        /// The price is inside the daily limit.
        PriceLimit = 14 => "price-limit",
        /// The day's buying of a risk-warning stock stays below its cap.
        DailyBuyCap = 15 => "daily-buy-cap",
        /// The Stock Connect quota is not used up.
        Quota = 16 => "quota",
        /// The value is inside the range that the core counts with.
        Value = 17 => "value",
        /// A reference exchange rate is known where one is needed.
        ExchangeRate = 18 => "exchange-rate",
        /// The account can pay for a buy, fees included.
        Cash = 19 => "cash",
        /// The account holds what it sells.
        Shares = 20 => "shares",
        /// No configured risk rule is broken.
        RiskRules = 21 => "risk-rules",
        /// The value is not above the account's own limit.
        OrderValue = 22 => "order-value",
        /// The venue's phase takes the order.
        Phase = 23 => "phase",
        /// The price is inside the valid declaration range around the live book 价格笼子.
        Cage = 24 => "cage",
    }
}

wire_enum! {
    /// What a value of a check means. Prices and amounts count in 1/10,000, quantities in the instrument's smallest
    /// unit, rates in 1e-8.
    pub enum InputName {
        /// Price asked, or the highest that the order can pay.
        Price = 1 => "price",
        /// Quantity asked.
        Quantity = 2 => "quantity",
        /// 1 if everybody is stopped.
        AllStopped = 3 => "all_stopped",
        /// 1 if the account is stopped.
        AccountStopped = 4 => "account_stopped",
        /// 1 if the instrument is stopped.
        InstrumentStopped = 5 => "instrument_stopped",
        /// Code of the account's status.
        Status = 6 => "status",
        /// Rights of the account, one bit each.
        RightsHeld = 7 => "rights_held",
        /// Rights that a buyer needs, one bit each.
        RightsNeeded = 8 => "rights_needed",
        /// Orders and cancels in the current second, this one included.
        Sent = 9 => "sent",
        /// Most orders and cancels in one second.
        SentMax = 10 => "sent_max",
        /// Code of the account's kind.
        Kind = 11 => "kind",
        /// 1 if the instrument is suspended or halted.
        Suspended = 12 => "suspended",
        /// Code of the order type.
        OrderType = 13 => "order_type",
        /// Order types taken, one bit each, by code.
        OrderTypes = 14 => "order_types",
        /// Smallest quantity.
        LotMin = 15 => "lot_min",
        /// Step of the quantity.
        LotStep = 16 => "lot_step",
        /// Shares that may be sold now.
        SharesAvailable = 17 => "shares_available",
        /// Shares that the order needs.
        SharesNeeded = 18 => "shares_needed",
        /// Largest quantity of one order.
        QuantityMax = 19 => "quantity_max",
        /// Tick.
        Tick = 20 => "tick",
        /// Lowest price of the day.
        LimitDown = 21 => "limit_down",
        /// Highest price of the day.
        LimitUp = 22 => "limit_up",
        /// Bought today, live buys included.
        Bought = 23 => "bought",
        /// Most that may be bought in a day.
        BuyMax = 24 => "buy_max",
        /// What is left of the quota.
        QuotaLeft = 25 => "quota_left",
        /// Value of the order.
        Value = 26 => "value",
        /// Highest value.
        ValueMax = 27 => "value_max",
        /// Yuan for one Hong Kong dollar.
        Rate = 28 => "rate",
        /// Cash that the order holds, fees included.
        CashNeeded = 29 => "cash_needed",
        /// Cash that the account may spend on it.
        CashAvailable = 30 => "cash_available",
        /// Number of configured rules.
        Rules = 31 => "rules",
        /// Number of the rule that is broken.
        RuleBroken = 32 => "rule_broken",
        /// Code of the venue's phase.
        Phase = 33 => "phase",
        /// Best bid of the live book.
        BestBid = 34 => "best_bid",
        /// Best ask of the live book.
        BestAsk = 35 => "best_ask",
        /// Last price.
        Last = 36 => "last",
        /// Reference price of the day.
        PrevClose = 37 => "prev_close",
        /// Highest price of a buy, or lowest of a sell, that the cage lets in.
        CageLimit = 38 => "cage_limit",
        /// Trading time of the order: nanoseconds since local midnight.
        TimeOfDay = 39 => "time_of_day",
        /// Live orders of the account.
        OpenOrders = 40 => "open_orders",
        /// Orders of the account today.
        OrdersToday = 41 => "orders_today",
        /// Cancels of the account today.
        CancelsToday = 42 => "cancels_today",
        /// Value bought today.
        BoughtToday = 43 => "bought_today",
        /// Value sold today.
        SoldToday = 44 => "sold_today",
        /// Total cash.
        CashBalance = 45 => "cash_balance",
        /// Cash frozen before the order.
        CashFrozen = 46 => "cash_frozen",
        /// Cash left after the hold.
        CashAfter = 47 => "cash_after",
        /// Holding after the order.
        HoldingAfter = 48 => "holding_after",
        /// Distance from the reference price, in 1/10,000 of it.
        Deviation = 49 => "deviation",
    }
}

/// How a value of a check is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputUnit {
    /// A price or an amount, 1/10,000.
    Money,
    /// A rate, 1e-8.
    Rate,
    /// A count, a code, a bit mask or a quantity.
    Number,
}

impl InputName {
    /// How its value is told.
    #[must_use]
    pub const fn unit(self) -> InputUnit {
        match self {
            Self::Price
            | Self::Tick
            | Self::LimitDown
            | Self::LimitUp
            | Self::QuotaLeft
            | Self::Value
            | Self::ValueMax
            | Self::CashNeeded
            | Self::CashAvailable
            | Self::BestBid
            | Self::BestAsk
            | Self::Last
            | Self::PrevClose
            | Self::CageLimit
            | Self::BoughtToday
            | Self::SoldToday
            | Self::CashBalance
            | Self::CashFrozen
            | Self::CashAfter => InputUnit::Money,
            Self::Rate => InputUnit::Rate,
            _ => InputUnit::Number,
        }
    }
}

wire_enum! {
    /// What a check came to.
    pub enum CheckOutcome {
        /// It lets the order pass.
        Passed = 1 => "passed",
        /// It refuses the order; the checks behind it were not run.
        Refused = 2 => "refused",
    }
}

wire_struct! {
    /// A value that a check looked at.
    #[derive(Copy)]
    pub struct CheckInput {
        /// What it means.
        pub name: InputName,
        /// The value, in the unit of its name.
        pub value: i64,
    }

    /// A check that was run.
    pub struct Check {
        /// Which.
        pub name: CheckName,
        /// What it came to.
        pub outcome: CheckOutcome,
        /// What it looked at.
        pub inputs: Vec<CheckInput>,
    }
}

//! The words of the market: exchanges, boards, sides, order types, phases.

use crate::wire_enum;

wire_enum! {
    /// Where an instrument trades.
    pub enum Exchange {
        /// Shanghai Stock Exchange 上交所.
        Sse = 1 => "sse",
        /// Shenzhen Stock Exchange 深交所.
        Szse = 2 => "szse",
        /// Beijing Stock Exchange 北交所.
        Bse = 3 => "bse",
        /// Stock Exchange of Hong Kong 港交所, through Stock Connect 港股通.
        Hk = 4 => "hk",
    }
}

wire_enum! {
    /// The board 板块, which decides limits, lots, sizes and gates.
    pub enum Board {
        /// SSE main board 沪市主板 (also SSE funds and bonds).
        SseMain = 1 => "sse-main",
        /// STAR market 科创板.
        Star = 2 => "star",
        /// SZSE main board 深市主板 (also SZSE funds and bonds).
        SzseMain = 3 => "szse-main",
        /// ChiNext 创业板.
        Chinext = 4 => "chinext",
        /// Beijing Stock Exchange 北交所.
        Bse = 5 => "bse",
        /// Hong Kong through Stock Connect 港股通.
        Hk = 6 => "hk",
    }
}

impl Board {
    /// The exchange that runs the board.
    #[must_use]
    pub const fn exchange(self) -> Exchange {
        match self {
            Self::SseMain | Self::Star => Exchange::Sse,
            Self::SzseMain | Self::Chinext => Exchange::Szse,
            Self::Bse => Exchange::Bse,
            Self::Hk => Exchange::Hk,
        }
    }
}

wire_enum! {
    /// What kind of security it is; with the board it selects the dated rules.
    pub enum InstrumentClass {
        /// Common stock 股票.
        Stock = 1 => "stock",
        /// B share B股.
        BShare = 2 => "b-share",
        /// Stock or sector ETF 股票ETF (T+1).
        StockEtf = 3 => "stock-etf",
        /// ETF on an index of 20%-limit boards only.
        WideLimitEtf = 4 => "wide-limit-etf",
        /// Bond, money, gold, commodity or cross-border ETF (T+0 round trip).
        T0Etf = 5 => "t0-etf",
        /// Listed open-ended fund LOF.
        Lof = 6 => "lof",
        /// REIT 公募REITs.
        Reit = 7 => "reit",
        /// Convertible bond 可转债.
        Convertible = 8 => "convertible",
        /// Bond 债券.
        Bond = 9 => "bond",
        /// Reverse repo 国债逆回购.
        Repo = 10 => "repo",
    }
}

wire_enum! {
    /// Currency of cash and quotation.
    pub enum Currency {
        /// Renminbi 人民币.
        Cny = 1 => "CNY",
        /// Hong Kong dollar 港币.
        Hkd = 2 => "HKD",
        /// US dollar 美元.
        Usd = 3 => "USD",
    }
}

impl Currency {
    /// How many currencies an account row holds.
    pub const COUNT: usize = 3;

    /// Index of the currency in an account row, 0…2.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

wire_enum! {
    /// Buy 买 or sell 卖.
    pub enum Side {
        /// Buy 买入.
        Buy = 1 => "buy",
        /// Sell 卖出.
        Sell = 2 => "sell",
    }
}

impl Side {
    /// The other side.
    #[must_use]
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

wire_enum! {
    /// Order types 委托类型 of DOMAIN B3 and B5. A market order carries its protective price where the
    /// exchange asks for one (SSE, BSE), else a price of zero.
    pub enum OrderType {
        /// 限价申报.
        Limit = 1 => "limit",
        /// 最优五档即时成交剩余撤销申报.
        Best5OrCancel = 2 => "best5-or-cancel",
        /// 最优五档即时成交剩余转限价申报.
        Best5OrLimit = 3 => "best5-or-limit",
        /// 本方最优价格申报.
        OwnBest = 4 => "own-best",
        /// 对手方最优价格申报.
        OppositeBest = 5 => "opposite-best",
        /// 即时成交剩余撤销申报.
        ImmediateOrCancel = 6 => "immediate-or-cancel",
        /// 全额成交或撤销申报.
        FillOrKill = 7 => "fill-or-kill",
        /// 盘后固定价格申报.
        AfterHoursFixed = 8 => "after-hours-fixed",
        /// HK at-auction limit order 竞价限价盘.
        AtAuctionLimit = 9 => "at-auction-limit",
        /// HK enhanced limit order 增强限价盘: matches up to ten price levels, the rest stays at its limit.
        EnhancedLimit = 10 => "enhanced-limit",
    }
}

impl OrderType {
    /// Whether the price is the client's limit (true) or at most a protective price (false).
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::Limit | Self::AfterHoursFixed | Self::AtAuctionLimit | Self::EnhancedLimit)
    }
}

wire_enum! {
    /// What happens when an order would trade with an order of the same account.
    pub enum SelfTrade {
        /// Not looked at; the exchange allows it.
        Allow = 1 => "allow",
        /// The incoming order is refused before it trades.
        Reject = 2 => "reject",
        /// The rest of the incoming order is cancelled.
        CancelNewest = 3 => "cancel-newest",
        /// The resting order is cancelled, matching goes on.
        CancelOldest = 4 => "cancel-oldest",
        /// Both are cancelled.
        CancelBoth = 5 => "cancel-both",
        /// Both shrink by the smaller quantity without a trade; the emptied one is cancelled.
        Decrement = 6 => "decrement",
    }
}

wire_enum! {
    /// Trading phases of an instrument, in the order of the day.
    pub enum Phase {
        /// Before the open; orders are not taken.
        Closed = 1 => "closed",
        /// Opening call auction, cancels allowed.
        OpenAuction = 2 => "open-auction",
        /// Opening call auction, no cancels.
        OpenAuctionNoCancel = 3 => "open-auction-no-cancel",
        /// Between auction and continuous trading (09:25–09:30); whether orders are taken is a rule.
        PreContinuous = 4 => "pre-continuous",
        /// Continuous trading 连续竞价.
        Continuous = 5 => "continuous",
        /// Lunch break 午间休市.
        Break = 6 => "break",
        /// Closing call auction, no cancels on the mainland.
        CloseAuction = 7 => "close-auction",
        /// Between close and after-hours trading.
        PostClose = 8 => "post-close",
        /// After-hours fixed-price trading 盘后固定价格交易.
        AfterHours = 9 => "after-hours",
        /// The day is over.
        Ended = 10 => "ended",
        /// HK closing auction, random-close period: no cancels, close may come at any moment.
        RandomClose = 11 => "random-close",
        /// HK closing auction, reference price fixing or no-cancel period.
        CloseAuctionNoCancel = 12 => "close-auction-no-cancel",
    }
}

impl Phase {
    /// Whether the phase collects orders for a single-price uncross.
    #[must_use]
    pub const fn is_auction(self) -> bool {
        matches!(
            self,
            Self::OpenAuction
                | Self::OpenAuctionNoCancel
                | Self::CloseAuction
                | Self::RandomClose
                | Self::CloseAuctionNoCancel
        )
    }
}

wire_enum! {
    /// Kinds of account; each has its own buying-power function.
    pub enum AccountKind {
        /// Ordinary cash account 普通账户.
        Cash = 1 => "cash",
        /// Margin (credit) account 信用账户.
        Credit = 2 => "credit",
        /// Option account 衍生品账户.
        Option = 3 => "option",
    }
}

wire_enum! {
    /// Whether an account may trade and move money.
    pub enum AccountStatus {
        /// Everything allowed.
        Normal = 1 => "normal",
        /// May cancel and sell, may not buy 限制买入.
        BuyBarred = 2 => "buy-barred",
        /// No orders, no money out 冻结; cancels allowed.
        Frozen = 3 => "frozen",
        /// Closed 销户.
        Closed = 4 => "closed",
    }
}

wire_enum! {
    /// States of an order. Numbers up to `PendingCancel` are live.
    pub enum OrderStatus {
        /// Held and sent to the venue, no answer yet.
        Routed = 1 => "routed",
        /// Sent, and the venue did not answer in time: unknown until an enquiry tells.
        SentUnknown = 2 => "sent-unknown",
        /// At the venue, nothing filled.
        Working = 3 => "working",
        /// At the venue, partly filled.
        PartlyFilled = 4 => "partly-filled",
        /// A cancel is under way.
        PendingCancel = 5 => "pending-cancel",
        /// Completely filled.
        Filled = 6 => "filled",
        /// Cancelled with nothing filled.
        Cancelled = 7 => "cancelled",
        /// Partly filled, the rest cancelled.
        PartlyCancelled = 8 => "partly-cancelled",
        /// Lapsed at the end of the day.
        Expired = 9 => "expired",
        /// Refused; nothing was ever held or the hold is released.
        Rejected = 10 => "rejected",
    }
}

impl OrderStatus {
    /// Whether the order can still fill, and so carries a hold.
    #[must_use]
    #[inline]
    pub const fn is_live(self) -> bool {
        (self as u8) <= Self::PendingCancel as u8
    }
}

wire_enum! {
    /// Why an order left the market unfilled.
    pub enum CancelReason {
        /// The client asked.
        Client = 1 => "client",
        /// A mass cancel or kill switch.
        Mass = 2 => "mass",
        /// The order type does not rest (rest of an immediate order).
        Unfilled = 3 => "unfilled",
        /// Self-trade prevention.
        SelfTrade = 4 => "self-trade",
        /// End of the day.
        DayEnd = 5 => "day-end",
        /// End of a phase in which alone the order lives (HK auction orders).
        PhaseEnd = 6 => "phase-end",
        /// The venue cancelled it.
        Venue = 7 => "venue",
    }
}

wire_enum! {
    /// Where a trade's money and shares stand (DESIGN section 3, Ledger).
    pub enum SettlementState {
        /// In our books by the execution report.
        Traded = 1 => "traded",
        /// Found in the exchange's trade file.
        Matched = 2 => "matched",
        /// Found in CSDC's result file.
        Confirmed = 3 => "confirmed",
        /// Money and shares have moved.
        Settled = 4 => "settled",
    }
}

/// Trading rights 交易权限 of an account, one bit each.
pub mod rights {
    /// Main boards.
    pub const MAIN: u32 = 1;
    /// STAR market.
    pub const STAR: u32 = 1 << 1;
    /// ChiNext.
    pub const CHINEXT: u32 = 1 << 2;
    /// Beijing Stock Exchange.
    pub const BSE: u32 = 1 << 3;
    /// Hong Kong through Stock Connect.
    pub const HK: u32 = 1 << 4;
    /// Risk-warning (ST) stocks, buying.
    pub const RISK_WARNING: u32 = 1 << 5;
    /// Delisting-period stocks, buying.
    pub const DELISTING: u32 = 1 << 6;
    /// Convertible bonds.
    pub const CONVERTIBLE: u32 = 1 << 7;
    /// REITs.
    pub const REIT: u32 = 1 << 8;
    /// Exchange repo.
    pub const REPO: u32 = 1 << 9;
    /// B shares.
    pub const B_SHARE: u32 = 1 << 10;
    /// Funds.
    pub const FUND: u32 = 1 << 11;
    /// Bonds.
    pub const BOND: u32 = 1 << 12;
    /// Programme trading reported to the exchange 程序化交易报告.
    pub const PROGRAMME: u32 = 1 << 13;
    /// Every right.
    pub const ALL: u32 = (1 << 14) - 1;
    /// Names by bit, for people.
    pub const NAMES: [&str; 14] = [
        "main",
        "star",
        "chinext",
        "bse",
        "hk",
        "risk-warning",
        "delisting",
        "convertible",
        "reit",
        "repo",
        "b-share",
        "fund",
        "bond",
        "programme",
    ];
}

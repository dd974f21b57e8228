//! What the dashboard says, in English and Chinese.

use clap::ValueEnum;
use heng_model::Phase;

/// Language of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese 中文.
    Zh,
}

/// One set of labels.
pub(super) struct Words {
    pub(super) market: &'static str,
    pub(super) flow: &'static str,
    pub(super) orders_per_s: &'static str,
    pub(super) orders: &'static str,
    pub(super) trades: &'static str,
    pub(super) durable: &'static str,
    pub(super) ledger: &'static str,
    pub(super) cash: &'static str,
    pub(super) securities: &'static str,
    pub(super) balanced: &'static str,
    pub(super) off: &'static str,
    pub(super) view: &'static str,
    pub(super) behind: &'static str,
    pub(super) parked: &'static str,
    pub(super) command: &'static str,
    pub(super) resting: &'static str,
    pub(super) book_heads: [&'static str; 7],
    pub(super) trade_heads: [&'static str; 4],
    pub(super) last_trades: &'static str,
    pub(super) books: &'static str,
    pub(super) try_it: &'static str,
    pub(super) quit: &'static str,
    pub(super) auction: &'static str,
}

const ENGLISH: Words = Words {
    market: "market",
    flow: "flow",
    orders_per_s: "orders/s",
    orders: "orders today",
    trades: "trades today",
    durable: "durable answer µs, p50 / p99 / p99.9",
    ledger: "ledger",
    cash: "cash",
    securities: "securities",
    balanced: "balanced (0)",
    off: "OFF BY",
    view: "view",
    behind: "s behind",
    parked: "PARKED",
    command: "command",
    resting: "resting orders",
    book_heads: ["symbol", "phase", "bid qty", "bid", "ask", "ask qty", "last"],
    trade_heads: ["time", "symbol", "price", "quantity"],
    last_trades: "last trades",
    books: "top of book",
    try_it: "try",
    quit: "q quits",
    auction: "auction",
};

const CHINESE: Words = Words {
    market: "行情时间",
    flow: "委托流",
    orders_per_s: "笔/秒",
    orders: "今日委托",
    trades: "今日成交",
    durable: "落盘应答 微秒 p50 / p99 / p99.9",
    ledger: "账务",
    cash: "资金",
    securities: "证券",
    balanced: "平衡（0）",
    off: "差额",
    view: "视图",
    behind: "秒滞后",
    parked: "已停靠",
    command: "指令号",
    resting: "在簿委托",
    book_heads: ["代码", "阶段", "买量", "买价", "卖价", "卖量", "最新"],
    trade_heads: ["时间", "代码", "价格", "数量"],
    last_trades: "最近成交",
    books: "最优五档之首",
    try_it: "试一试",
    quit: "q 退出",
    auction: "竞价",
};

impl Lang {
    pub(super) const fn words(self) -> &'static Words {
        match self {
            Self::En => &ENGLISH,
            Self::Zh => &CHINESE,
        }
    }

    pub(super) const fn phase(self, phase: Phase) -> &'static str {
        match self {
            Self::En => phase.name(),
            Self::Zh => match phase {
                Phase::Closed => "未开市",
                Phase::OpenAuction => "开盘集合竞价",
                Phase::OpenAuctionNoCancel => "开盘集合竞价（不可撤）",
                Phase::PreContinuous => "等待连续竞价",
                Phase::Continuous => "连续竞价",
                Phase::Break => "午间休市",
                Phase::CloseAuction => "收盘集合竞价",
                Phase::PostClose => "收盘后",
                Phase::AfterHours => "盘后固定价格",
                Phase::Ended => "已收市",
                Phase::RandomClose => "随机收市",
                Phase::CloseAuctionNoCancel => "收市竞价（不可撤）",
            },
        }
    }
}

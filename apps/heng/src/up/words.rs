//! What the dashboard says, in English and Chinese.

use clap::ValueEnum;
use heng_model::Phase;
use heng_trading::Parked;

/// Language of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese 中文.
    Zh,
}

/// What is said, each word beside its translation.
macro_rules! words {
    ($($name:ident: $type:ty = $english:expr, $chinese:expr;)+) => {
        /// One set of labels.
        pub(super) struct Words { $(pub(super) $name: $type,)+ }

        const ENGLISH: Words = Words { $($name: $english,)+ };

        const CHINESE: Words = Words { $($name: $chinese,)+ };
    };
}

words! {
    market: &'static str = "market", "行情时间";
    flow: &'static str = "flow", "委托流";
    orders_per_s: &'static str = "orders/s", "笔/秒";
    orders: &'static str = "orders today", "今日委托";
    trades: &'static str = "trades today", "今日成交";
    resting: &'static str = "resting", "在簿委托";
    latency: &'static str = "latency, µs", "延迟（微秒）";
    core: &'static str = "core per command", "核心处理每条指令";
    durable: &'static str = "durable answer", "落盘后应答";
    ledger: &'static str = "ledger", "账务";
    cash: &'static str = "cash", "资金";
    securities: &'static str = "securities", "证券";
    balanced: &'static str = "balanced (0)", "平衡（0）";
    off: &'static str = "OFF BY", "差额";
    command: &'static str = "command", "指令号";
    view: &'static str = "view", "视图";
    behind: &'static str = "s behind", "秒滞后";
    parked: &'static str = "PARKED", "已停靠";
    books: &'static str = "top of book", "最优买卖";
    last_trades: &'static str = "last trades", "最近成交";
    auction: &'static str = "auct.", "竞价";
    try_it: &'static str = "try", "试一试";
    quit: &'static str = "q quits", "q 退出";
    book_heads: [&'static str; 7] = ["symbol", "phase", "bid qty", "bid", "ask", "ask qty", "last"],
        ["代码", "阶段", "买量", "买价", "卖价", "卖量", "最新"];
    trade_heads: [&'static str; 4] = ["time", "symbol", "price", "quantity"], ["时间", "代码", "价格", "数量"];
}

impl Lang {
    pub(super) const fn words(self) -> &'static Words {
        match self {
            Self::En => &ENGLISH,
            Self::Zh => &CHINESE,
        }
    }

    /// Why and since when the view stands still.
    pub(super) fn parked(self, parked: &Parked) -> String {
        match self {
            Self::En => parked.english(),
            Self::Zh => parked.chinese(),
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

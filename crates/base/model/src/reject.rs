//! Every reason to say no (design rule 6): stable numbers in ranges by subsystem, ordered by precedence within a
//! range, with the text that people read in English and Chinese.

use core::fmt;

use crate::wire::{Reader, Value, Wire, WireError, Writer};

macro_rules! reject_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $english:literal, $chinese:literal;)+) => {
        /// A stable reason for a refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum RejectCode { $($(#[$doc])* #[doc = $english] $name = $code,)+ }

        impl RejectCode {
            /// Every code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($code => Some(Self::$name),)+ _ => None }
            }
            /// The name in the code, for exports and case files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
            /// What a person reads in English.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$name => $english,)+ }
            }
            /// What a person reads in Chinese.
            #[must_use]
            pub const fn chinese(self) -> &'static str {
                match self { $(Self::$name => $chinese,)+ }
            }
        }
    };
}

reject_codes! {
    // 100–199: the request itself.
    KeyReused = 101, "The client order id was used before with other content.", "客户委托编号已被使用且内容不同";
    KeyExpired = 102, "The trade date of the key is older than the previous trade date.", "委托键的交易日早于上一交易日";
    WrongTradeDate = 103, "The trade date is not the open one.", "交易日与当前交易日不符";
    UnknownAccount = 104, "No such account.", "账户不存在";
    UnknownInstrument = 105, "No such instrument.", "证券不存在";
    UnknownOrder = 106, "No such order of this account.", "该账户无此委托";
    BatchTooLarge = 107, "The batch holds no order or more orders than allowed.", "批量委托为空或超过上限";
    BadField = 108, "A field of the command is out of its range.", "命令字段超出范围";
    Quarantined = 109, "The command is quarantined by a four-eyes decision.", "该命令已经双人复核隔离";
    BasketRefused = 110, "Another order of the basket was refused, so none was placed.", "篮子中有委托被拒，整篮未报";
    // 200–299: the account.
    KillSwitch = 201, "Trading is stopped by the kill switch.", "已触发交易总闸，停止委托";
    AccountClosed = 202, "The account is closed.", "账户已销户";
    AccountFrozen = 203, "The account is frozen.", "账户已冻结";
    AccountBuyBarred = 204, "The account may not buy.", "账户限制买入";
    MissingRight = 205, "The account lacks the trading right for this instrument.", "账户未开通该证券交易权限";
    RateExceeded = 206, "The account sent more orders in one second than allowed.", "委托速率超过上限";
    AccountKindForbids = 207, "This kind of account may not place this order.", "该类账户不允许此委托";
    // 300–399: the instrument and the market.
    DayNotOpen = 301, "No trading day is open.", "交易日未开启";
    InstrumentSuspended = 302, "The instrument is suspended.", "证券停牌";
    PhaseForbids = 303, "The trading phase does not take this order.", "当前交易阶段不接受该委托";
    OrderTypeForbidden = 304, "The order type is not allowed for this instrument or phase.", "该证券或阶段不支持此委托类型";
    QuantityNotPositive = 305, "The quantity must be positive.", "委托数量必须为正";
    LotSize = 306, "The quantity is not a valid lot.", "委托数量不符合申报单位";
    OddLot = 307, "An odd lot must be sold in one order.", "零股须一次性卖出";
    OrderTooLarge = 308, "The quantity exceeds the largest order allowed.", "委托数量超过单笔上限";
    PriceMissing = 309, "The order needs a price or a protective price.", "缺少委托价格或保护限价";
    TickSize = 310, "The price is not a multiple of the tick.", "委托价格不符合最小变动价位";
    PriceLimit = 311, "The price is outside the daily limit.", "委托价格超出涨跌幅限制";
    PriceCage = 312, "The price is outside the valid declaration range.", "委托价格超出有效申报价格范围";
    RiskWarningCap = 313, "The daily buying cap of a risk-warning stock is reached.", "风险警示股票当日买入超过上限";
    NoCancelPhase = 314, "Orders cannot be cancelled in this phase.", "当前阶段不接受撤单";
    NoReference = 315, "The instrument has no reference price for today.", "证券当日无基准价";
    QuotaExhausted = 316, "The Stock Connect daily quota is used up.", "港股通当日额度已用尽";
    // 400–499: money and holdings.
    InsufficientCash = 401, "Not enough available cash.", "可用资金不足";
    InsufficientHoldings = 402, "Not enough sellable holdings.", "可卖数量不足";
    InsufficientWithdrawable = 403, "Not enough withdrawable cash.", "可取资金不足";
    ReceivableOpen = 404, "A receivable must be settled before money leaves.", "存在应收欠款，不能取款";
    NoExchangeRate = 405, "No reference exchange rate is known.", "缺少参考汇率";
    // 500–599: risk.
    SelfTrade = 501, "The order would trade with an order of the same owner.", "委托将与本人委托成交";
    RiskRule = 502, "A risk rule refuses the order.", "风控规则拒绝该委托";
    OrderValue = 503, "The value of the order exceeds the limit.", "委托金额超过上限";
    // 600–699: the state of an order.
    OrderDone = 601, "The order is already filled, cancelled or refused.", "委托已完成，不能撤单";
    CancelUnderWay = 602, "A cancel of the order is already under way.", "撤单处理中";
    OutcomeUnknown = 603, "The venue has not answered yet.", "交易所尚未答复，状态未知";
    // 700–799: parents.
    UnknownParent = 701, "No such parent order.", "母单不存在";
    ParentNotWorking = 702, "The parent order is not working.", "母单不在执行状态";
    ParentQuantity = 703, "The slice exceeds the quantity left of the parent.", "子单超过母单剩余数量";
    ParentValue = 704, "The slice exceeds the value left of the parent.", "子单超过母单剩余金额";
    StaleEpoch = 705, "The driver's epoch is not the current one.", "驱动方任期已失效";
    AlreadyTriggered = 706, "The condition was triggered before.", "条件单已触发";
    NotTriggered = 707, "The market event does not fulfil the condition.", "行情未满足触发条件";
    // 800–899: administration.
    AlreadyExists = 801, "It exists already.", "已存在";
    BadRulebook = 802, "The rule files are not valid.", "规则文件无效";
    DayAlreadyOpen = 803, "A trading day is already open.", "交易日已开启";
    NotATradingDay = 804, "The date is not a trading day, or not after the last one.", "非交易日或日期不递增";
    LevelUnsupported = 805, "The engine level is not supported by this version.", "引擎级别不受支持";
    TableFull = 806, "A table of the core is full.", "核心数据表已满";
    NoRulebook = 807, "No rulebook is active.", "尚未激活规则";
    OutOfOrder = 808, "The state does not allow this step yet.", "当前状态不允许该步骤";
    // 900–999: the doors.
    BadRequest = 901, "The request cannot be read.", "请求无法解析";
    Overloaded = 902, "The system is overloaded; try again.", "系统繁忙，请稍后再试";
    DiskFull = 903, "The journal's disk is full; new commands are refused.", "日志磁盘已满，暂停接收新命令";
    ViewsLag = 904, "Views lag more than ten seconds; new orders are refused.", "下游视图滞后超过十秒，暂停新委托";
    ShuttingDown = 905, "The system is shutting down.", "系统正在停止";
    Unauthenticated = 906, "Sign in, or send a valid token, key or session.", "请先登录，或提供有效的令牌、密钥或会话";
    Forbidden = 907, "This is not permitted.", "没有权限";
    RateLimited = 908, "Too many requests; slow down.", "请求过于频繁，请稍后再试";
    NotFound = 909, "There is no such thing.", "对象不存在";
    Conflict = 910, "This clashes with what is there.", "与现有内容冲突";
    CoreUnreachable = 911, "The core cannot be reached; nothing was sent.", "无法连接交易核心，指令未发出";
    StepUpNeeded = 912, "This takes a fresh proof for exactly this transaction.", "此操作需对交易内容再次验证身份";
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

impl RejectCode {
    /// The stable number.
    #[must_use]
    #[inline]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl Wire for RejectCode {
    const KIND: &'static str = "reject code (number)";
    #[inline]
    fn put(&self, out: &mut Writer) {
        out.put_u64(u64::from(self.number()));
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let code = from.get_u64()?;
        u16::try_from(code).ok().and_then(Self::from_number).ok_or(WireError::UnknownCode { of: "RejectCode", code })
    }
    fn show(&self) -> Value {
        Value::Unsigned(u64::from(self.number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_have_both_texts() {
        for pair in RejectCode::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number());
        }
        for code in RejectCode::ALL {
            assert_eq!(RejectCode::from_number(code.number()), Some(*code));
            assert!(code.english().ends_with('.') && !code.chinese().is_ascii());
        }
    }
}

//! What clients send: bodies and queries. Their fields are read strictly (`texts.rs`), unknown ones are refused.

use heng_model::command::{CancelOrder, NewOrder};
use heng_model::{ClientOrderId, InstrumentId, OrderId, OrderType, Price, SelfTrade, TradeDate};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::store::ListFilter;
use crate::texts::{
    AccountText, AmountText, ClientOrderText, DateText, OrderText, OrderTypeWord, ParentKindWord, ParentText,
    PriceText, QuantityText, SelfTradeWord, SideWord, SymbolText, TimeText,
};

/// Most rows of one answer.
pub(crate) const PAGE_MAX: u32 = 1_000;
/// Rows of one answer unless asked otherwise.
const PAGE: u32 = 100;
/// Most orders of one bulk or basket: they fit into one body with room to spare.
pub(crate) const BATCH_MAX: usize = 100;

/// A new order. With account and trade date, `client_order_id` is its key: sent again with the same content it returns
/// the first outcome and never makes a second order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderBody {
    pub(crate) account: AccountText,
    pub(crate) client_order_id: ClientOrderText,
    /// The open trade date if it is left out.
    pub(crate) trade_date: Option<DateText>,
    pub(crate) symbol: SymbolText,
    pub(crate) side: SideWord,
    /// `limit` if it is left out.
    #[serde(rename = "type")]
    pub(crate) order_type: Option<OrderTypeWord>,
    /// Limit, or protective price of a market order.
    pub(crate) price: Option<PriceText>,
    pub(crate) quantity: QuantityText,
    /// `reject` if it is left out.
    pub(crate) self_trade: Option<SelfTradeWord>,
}

impl OrderBody {
    pub(crate) fn order_type(&self) -> OrderType {
        self.order_type.map_or(OrderType::Limit, |word| word.0)
    }

    pub(crate) fn price(&self) -> Price {
        self.price.as_ref().map_or(Price::ZERO, |price| price.0)
    }

    pub(crate) fn self_trade(&self) -> SelfTrade {
        self.self_trade.map_or(SelfTrade::Reject, |word| word.0)
    }

    /// The trade date that is meant; `open` if none is given.
    pub(crate) fn trade_date(&self, open: TradeDate) -> TradeDate {
        self.trade_date.as_ref().map_or(open, |date| date.0)
    }

    /// The command, once the symbol is known.
    pub(crate) fn command(&self, instrument: InstrumentId, open: TradeDate) -> NewOrder {
        NewOrder {
            account: self.account.0,
            client_order: ClientOrderId::from_text(&self.client_order_id.0),
            trade_date: self.trade_date(open),
            instrument,
            side: self.side.0,
            order_type: self.order_type(),
            price: self.price(),
            quantity: self.quantity.0,
            self_trade: self.self_trade(),
        }
    }
}

/// Orders in one command.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrdersBody {
    /// The orders.
    #[schema(min_items = 1, max_items = 100)]
    #[serde(deserialize_with = "batch")]
    pub(crate) orders: Vec<OrderBody>,
}

fn batch<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<OrderBody>, D::Error> {
    let orders = Vec::<OrderBody>::deserialize(deserializer)?;
    let fits = (1..=BATCH_MAX).contains(&orders.len());
    if fits { Ok(orders) } else { Err(serde::de::Error::custom(format!("expected 1 to {BATCH_MAX} orders"))) }
}

/// An order to be estimated. Nothing is placed, and no key is taken.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstimateBody {
    pub(crate) account: AccountText,
    pub(crate) symbol: SymbolText,
    pub(crate) side: SideWord,
    /// `limit` if it is left out.
    #[serde(rename = "type")]
    pub(crate) order_type: Option<OrderTypeWord>,
    /// Limit, or protective price of a market order.
    pub(crate) price: Option<PriceText>,
    pub(crate) quantity: QuantityText,
}

/// Whose order is to be cancelled.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelBody {
    pub(crate) account: AccountText,
}

impl CancelBody {
    pub(crate) const fn command(&self, order: OrderId) -> CancelOrder {
        CancelOrder { account: self.account.0, order }
    }
}

/// Which live orders are to be cancelled.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelAllBody {
    pub(crate) account: AccountText,
    /// Only those in this instrument.
    pub(crate) symbol: Option<SymbolText>,
}

/// Stops or frees new orders. Cancels always pass.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KillSwitchBody {
    /// Only this account; not together with `symbol`.
    pub(crate) account: Option<AccountText>,
    /// Only this instrument.
    pub(crate) symbol: Option<SymbolText>,
    /// Stop (true) or free (false).
    pub(crate) on: bool,
    /// Also cancel the live orders in scope.
    pub(crate) cancel_live: bool,
}

/// A parent order. With account and trade date, `client_order_id` is its key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParentBody {
    pub(crate) account: AccountText,
    pub(crate) client_order_id: ClientOrderText,
    /// The open trade date if it is left out.
    pub(crate) trade_date: Option<DateText>,
    /// What drives it.
    pub(crate) kind: ParentKindWord,
    pub(crate) symbol: SymbolText,
    pub(crate) side: SideWord,
    /// Most that its children may fill and hold open.
    pub(crate) quantity: QuantityText,
    /// Highest value of what its children fill and hold open.
    pub(crate) value_max: Option<AmountText>,
    /// Limit of the children.
    pub(crate) price: Option<PriceText>,
    /// When it begins, on its trade date; at once if it is left out.
    pub(crate) start: Option<TimeText>,
    /// When it is to be done; 14:56:00 if it is left out.
    pub(crate) end: Option<TimeText>,
    /// TWAP, VWAP: number of slices; 10 if it is left out.
    #[schema(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "slices")]
    pub(crate) slices: Option<u32>,
    /// POV: share of the traded volume, in percent; 10 if it is left out.
    #[schema(minimum = 1, maximum = 50)]
    #[serde(default, deserialize_with = "percent")]
    pub(crate) participation_percent: Option<u32>,
    /// Iceberg, liquidity-following limit: largest visible quantity; a tenth of the quantity if it is left out.
    pub(crate) display_quantity: Option<QuantityText>,
    /// Condition: the watched symbol; its own if it is left out.
    pub(crate) watch: Option<SymbolText>,
    /// Condition: fires when the last price is at or above (true) or at or below (false) `trigger`.
    pub(crate) at_or_above: Option<bool>,
    /// Condition: the trigger price.
    pub(crate) trigger: Option<PriceText>,
}

fn between<'de, D: serde::Deserializer<'de>>(deserializer: D, most: u32) -> Result<Option<u32>, D::Error> {
    let number = Option::<u32>::deserialize(deserializer)?;
    let fits = number.is_none_or(|number| (1..=most).contains(&number));
    if fits { Ok(number) } else { Err(serde::de::Error::custom(format!("expected a number from 1 to {most}"))) }
}

fn slices<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    between(deserializer, 1_000)
}

fn percent<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    between(deserializer, 50)
}

/// A sequence to wait for.
pub(crate) fn sequence<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    bounded(deserializer, 0, crate::texts::ID_MAX)
}

fn limit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = bounded(deserializer, 1, u64::from(PAGE_MAX))?;
    Ok(number.and_then(|number| u32::try_from(number).ok()))
}

fn instrument<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = bounded(deserializer, 0, u64::from(heng_model::limits::INSTRUMENTS_MAX))?;
    Ok(number.and_then(|number| u32::try_from(number).ok()))
}

fn bounded<'de, D: serde::Deserializer<'de>>(deserializer: D, least: u64, most: u64) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    let fits = number.is_none_or(|number| (least..=most).contains(&number));
    let wrong = || format!("expected a whole number from {least} to {most}");
    if fits { Ok(number) } else { Err(serde::de::Error::custom(wrong())) }
}

/// Rows of a page, if they are left out.
pub(crate) fn page(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE)
}

/// The query of a read of one thing.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadQuery {
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

/// Which orders or parents are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Which {
    /// Those that may still trade.
    Live,
    /// All.
    #[default]
    All,
}

/// The query of a list of orders or parents.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Account number.
    #[param(inline)]
    pub(crate) account: AccountText,
    /// Only this one.
    #[param(inline)]
    pub(crate) client_order_id: Option<ClientOrderText>,
    /// Only of this date.
    #[param(inline)]
    pub(crate) trade_date: Option<DateText>,
    /// Only those that live, or all.
    #[param(inline)]
    pub(crate) status: Option<Which>,
    /// Only those with a smaller number: the next page.
    #[param(inline)]
    pub(crate) before: Option<OrderText>,
    /// Most rows.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "limit")]
    pub(crate) limit: Option<u32>,
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

impl ListQuery {
    pub(crate) fn filter(&self) -> ListFilter {
        ListFilter {
            account: self.account.0,
            client_order: self.client_order_id.as_ref().map(|id| ClientOrderId::from_text(&id.0)),
            trade_date: self.trade_date.as_ref().map(|date| date.0),
            live_only: self.status == Some(Which::Live),
            before: self.before.as_ref().map(|before| before.0.0),
            limit: page(self.limit),
        }
    }
}

/// The query of a look-up by key.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyQuery {
    /// Account number.
    #[param(inline)]
    pub(crate) account: AccountText,
    /// The client's own id.
    #[param(inline)]
    pub(crate) client_order_id: ClientOrderText,
    /// Trade date; the open one if it is left out.
    #[param(inline)]
    pub(crate) trade_date: Option<DateText>,
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

/// The query of a list of fills.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct FillQuery {
    /// Account number.
    #[param(inline)]
    pub(crate) account: AccountText,
    /// Only of this order.
    #[param(inline)]
    pub(crate) order: Option<OrderText>,
    /// Only on this trade date.
    #[param(inline)]
    pub(crate) trade_date: Option<DateText>,
    /// `next_before` of the page before.
    #[param(min_length = 3, max_length = 40, pattern = "^[1-9][0-9]{0,17}-[1-9][0-9]{0,17}$")]
    pub(crate) before: Option<String>,
    /// Most rows.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "limit")]
    pub(crate) limit: Option<u32>,
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

/// The query of a list of accounts.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountsQuery {
    /// Only those with a larger number: the next page.
    #[param(inline)]
    pub(crate) after: Option<AccountText>,
    /// Most rows.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "limit")]
    pub(crate) limit: Option<u32>,
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

/// The query of buying power.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct PowerQuery {
    /// Symbol.
    #[param(inline)]
    pub(crate) symbol: SymbolText,
    /// Price of the buy; the highest of the day if it is left out.
    #[param(inline)]
    pub(crate) price: Option<PriceText>,
    /// Only this side; both are told if it is left out.
    #[param(inline)]
    pub(crate) side: Option<SideWord>,
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

/// The query of a list of instruments.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstrumentQuery {
    /// The last number of the page before.
    #[param(minimum = 0, maximum = 65536)]
    #[serde(default, deserialize_with = "instrument")]
    pub(crate) after: Option<u32>,
    /// Most rows.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "limit")]
    pub(crate) limit: Option<u32>,
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

/// The query of a list of days.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DaysQuery {
    /// Most rows.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "limit")]
    pub(crate) limit: Option<u32>,
    /// The answer must hold at least this command.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) min_sequence: Option<u64>,
}

/// The query of trade events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// Only of this account; all accounts of the caller if it is left out.
    #[param(inline)]
    pub(crate) account: Option<AccountText>,
    /// Only of commands behind this sequence; 0 = from the beginning of the record. A stream without it begins now.
    #[param(minimum = 0, maximum = 999999999999999999_u64)]
    #[serde(default, deserialize_with = "sequence")]
    pub(crate) since: Option<u64>,
    /// Most commands of a page; a stream does not look at it.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "limit")]
    pub(crate) limit: Option<u32>,
}

/// The number of a parent in a path.
pub(crate) fn parent_id(text: &str) -> Result<heng_model::ParentId, heng_transport::Problem> {
    ParentText::read(text).map(|id| id.0).map_err(wrong_path)
}

/// The number of an order in a path.
pub(crate) fn order_id(text: &str) -> Result<OrderId, heng_transport::Problem> {
    OrderText::read(text).map(|id| id.0).map_err(wrong_path)
}

/// The number of an account in a path.
pub(crate) fn account_id(text: &str) -> Result<heng_model::AccountId, heng_transport::Problem> {
    AccountText::read(text).map(|id| id.0).map_err(wrong_path)
}

fn wrong_path(reason: &'static str) -> heng_transport::Problem {
    heng_transport::Problem::bad_request(format!("the number in the path: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heng_model::Qty;
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({
            "account": "1", "client_order_id": "a", "symbol": "600519.SH", "side": "buy", "price": "10.05",
            "quantity": "100",
        })
    }

    #[test]
    fn a_good_order_has_the_usual_defaults() {
        let body: OrderBody = serde_json::from_value(good()).expect("it is good");
        let order = body.command(InstrumentId(3), TradeDate::NONE);
        assert_eq!((order.price, order.quantity, order.order_type), (Price(100_500), Qty(100), OrderType::Limit));
        assert_eq!((order.self_trade, order.trade_date), (SelfTrade::Reject, TradeDate::NONE));
    }

    #[test]
    fn every_field_is_read_exactly_or_refused() {
        let check = |field: &str, value: Value| {
            let mut body = good();
            body[field] = value.clone();
            assert!(serde_json::from_value::<OrderBody>(body).is_err(), "{field} {value}");
        };
        check("price", json!("10.00001"));
        check("price", json!("-1"));
        check("price", json!(10.05));
        check("quantity", json!("-100"));
        check("quantity", json!(100));
        check("side", json!("BUY"));
        check("client_order_id", json!(""));
        check("symbol", json!("600519.SH 600519.SH"));
        check("account", json!("0"));
        check("account", json!(1));
        check("limit_price", json!("1"));
    }

    #[test]
    fn a_batch_has_its_bounds() {
        let read = |count: usize| serde_json::from_value::<OrdersBody>(json!({ "orders": vec![good(); count] }));
        assert!(read(0).is_err() && read(BATCH_MAX + 1).is_err());
        assert_eq!(read(BATCH_MAX).map(|body| body.orders.len()).ok(), Some(BATCH_MAX));
    }
}

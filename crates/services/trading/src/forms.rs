//! What clients send, read strictly into types that cannot be wrong.

use heng_model::command::{CancelOrder, NewOrder};
use heng_model::{
    AccountId, ClientOrderId, InstrumentId, OrderId, OrderType, Price, Qty, SelfTrade, Side, TradeDate, limits,
};
use heng_transport::{Fields, Problem};

use crate::store::ListFilter;

/// Longest client order id, in bytes.
const CLIENT_ORDER_MAX: usize = 128;
/// Most rows of one answer.
pub(crate) const PAGE_MAX: u64 = 1_000;
/// Rows of one answer unless asked otherwise.
const PAGE: u32 = 100;
/// Largest id: the partition stands in the upper bits, and SQL keeps 63.
const ID_MAX: u64 = i64::MAX as u64;
/// Largest quantity that is read; the core's own limit is lower and refuses by its reject code.
const QUANTITY_READ_MAX: u64 = 1_000_000_000_000;

/// A new order as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderForm {
    pub(crate) account: AccountId,
    /// As the client wrote it.
    pub(crate) client_order: String,
    pub(crate) trade_date: Option<TradeDate>,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) price: Price,
    pub(crate) quantity: Qty,
    pub(crate) self_trade: SelfTrade,
}

fn account(fields: &mut Fields) -> Option<AccountId> {
    fields.required_number("account", 1, ID_MAX).map(AccountId)
}

fn client_order(text: &str) -> Result<String, String> {
    match text.len() {
        1..=CLIENT_ORDER_MAX => Ok(text.to_owned()),
        0 => Err("must not be empty".to_owned()),
        _ => Err(format!("longer than {CLIENT_ORDER_MAX} bytes")),
    }
}

fn price(text: &str) -> Result<Price, String> {
    let price: Price = text.parse().map_err(|error: heng_model::quantity::ParseDecimalError| error.to_string())?;
    let inside = (0..=limits::PRICE_MAX).contains(&price.0);
    if inside { Ok(price) } else { Err(format!("outside 0 to {}", Price(limits::PRICE_MAX))) }
}

fn symbol(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.len() <= limits::SYMBOL_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    if plain {
        Ok(text.to_owned())
    } else {
        Err(format!("expected a symbol of 1 to {} characters", limits::SYMBOL_MAX))
    }
}

fn trade_date(text: &str) -> Result<TradeDate, String> {
    text.parse().map_err(|error: heng_model::date::ParseDateError| error.to_string())
}

impl OrderForm {
    /// Reads the body of `POST /v1/orders`.
    ///
    /// # Errors
    /// A problem that lists every field that is missing, wrong or unknown.
    pub(crate) fn read(mut fields: Fields) -> Result<Self, Problem> {
        let form = OrderFormFields {
            account: account(&mut fields),
            client_order: fields.required_text("client_order_id", client_order),
            trade_date: fields.text("trade_date", trade_date),
            symbol: fields.required_text("symbol", symbol),
            side: fields.required_text("side", str::parse::<Side>),
            order_type: fields.text("type", str::parse::<OrderType>),
            price: fields.text("price", price),
            quantity: fields.required_number("quantity", 0, QUANTITY_READ_MAX),
            self_trade: fields.text("self_trade", str::parse::<SelfTrade>),
        };
        fields.finish(form.whole())
    }

    /// The command, once symbol and date are known.
    pub(crate) fn command(&self, instrument: InstrumentId, trade_date: TradeDate) -> NewOrder {
        NewOrder {
            account: self.account,
            client_order: ClientOrderId::from_text(&self.client_order),
            trade_date,
            instrument,
            side: self.side,
            order_type: self.order_type,
            price: self.price,
            quantity: self.quantity,
            self_trade: self.self_trade,
        }
    }
}

/// The fields as they were read; `None` where one is absent or wrong.
struct OrderFormFields {
    account: Option<AccountId>,
    client_order: Option<String>,
    trade_date: Option<TradeDate>,
    symbol: Option<String>,
    side: Option<Side>,
    order_type: Option<OrderType>,
    price: Option<Price>,
    quantity: Option<u64>,
    self_trade: Option<SelfTrade>,
}

impl OrderFormFields {
    fn whole(self) -> Option<OrderForm> {
        Some(OrderForm {
            account: self.account?,
            client_order: self.client_order?,
            trade_date: self.trade_date,
            symbol: self.symbol?,
            side: self.side?,
            order_type: self.order_type.unwrap_or(OrderType::Limit),
            price: self.price.unwrap_or(Price::ZERO),
            quantity: Qty(self.quantity?.cast_signed()),
            self_trade: self.self_trade.unwrap_or(SelfTrade::Reject),
        })
    }
}

/// Reads the body of a cancel.
///
/// # Errors
/// A problem that lists every field that is missing, wrong or unknown.
pub(crate) fn read_cancel(mut fields: Fields, order: OrderId) -> Result<CancelOrder, Problem> {
    let account = account(&mut fields);
    fields.finish(account.map(|account| CancelOrder { account, order }))
}

/// What every read may ask: rows that hold at least this command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadForm {
    pub(crate) min_sequence: u64,
}

fn min_sequence(fields: &mut Fields) -> u64 {
    fields.number("min_sequence", 0, ID_MAX).unwrap_or(0)
}

/// Reads the query of a read of one thing.
///
/// # Errors
/// A problem that lists every parameter that is wrong or unknown.
pub(crate) fn read_one(mut fields: Fields) -> Result<ReadForm, Problem> {
    let form = ReadForm { min_sequence: min_sequence(&mut fields) };
    fields.finish(Some(form))
}

/// Reads the query of `GET /v1/orders` and `GET /v1/parents`.
///
/// # Errors
/// A problem that lists every parameter that is missing, wrong or unknown.
pub(crate) fn read_list(mut fields: Fields) -> Result<(ListFilter, ReadForm), Problem> {
    let account = account(&mut fields);
    let form = ReadForm { min_sequence: min_sequence(&mut fields) };
    let live = |text: &str| match text {
        "live" => Ok(true),
        "all" => Ok(false),
        _ => Err("expected live or all"),
    };
    let filter = ListFilter {
        account: account.unwrap_or_default(),
        client_order: fields.text("client_order_id", client_order).map(|text| ClientOrderId::from_text(&text)),
        trade_date: fields.text("trade_date", trade_date),
        live_only: fields.text("status", live).unwrap_or(false),
        before: fields.number("before", 1, ID_MAX),
        limit: limit(&mut fields),
    };
    fields.finish(account.map(|_| (filter, form)))
}

/// Reads the query of `GET /v1/instruments`: the last number of the page before, and the size of the page.
///
/// # Errors
/// A problem that lists every parameter that is wrong or unknown.
pub(crate) fn read_instruments(mut fields: Fields) -> Result<(i64, u32, ReadForm), Problem> {
    let form = ReadForm { min_sequence: min_sequence(&mut fields) };
    let after = fields.number("after", 0, u64::from(limits::INSTRUMENTS_MAX)).map_or(-1, u64::cast_signed);
    let limit = limit(&mut fields);
    fields.finish(Some((after, limit, form)))
}

/// Reads the query of `GET /v1/days`: how many.
///
/// # Errors
/// A problem that lists every parameter that is wrong or unknown.
pub(crate) fn read_days(mut fields: Fields) -> Result<(u32, ReadForm), Problem> {
    let form = ReadForm { min_sequence: min_sequence(&mut fields) };
    let limit = limit(&mut fields);
    fields.finish(Some((limit, form)))
}

fn limit(fields: &mut Fields) -> u32 {
    fields.number("limit", 1, PAGE_MAX).and_then(|limit| u32::try_from(limit).ok()).unwrap_or(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"account":1,"client_order_id":"a","symbol":"600519.SH","side":"buy","price":"10.05","quantity":"100"}"#;

    fn read(body: &str) -> Result<OrderForm, Vec<String>> {
        let fields = Fields::from_json(body.as_bytes()).expect("a JSON object");
        OrderForm::read(fields).map_err(|problem| {
            let document = problem.document(None);
            let errors = document["errors"].as_array().expect("a list").iter();
            errors.map(|e| format!("{} {}", e["pointer"].as_str().unwrap(), e["detail"].as_str().unwrap())).collect()
        })
    }

    fn check(change: (&str, &str), expected: &str) {
        let errors = read(&GOOD.replace(change.0, change.1)).expect_err("it is wrong");
        assert_eq!(errors, [expected], "{change:?}");
    }

    #[test]
    fn a_good_order_has_the_usual_defaults() {
        let form = read(GOOD).expect("it is good");
        assert_eq!((form.price, form.quantity, form.order_type), (Price(100_500), Qty(100), OrderType::Limit));
        assert_eq!((form.self_trade, form.trade_date), (SelfTrade::Reject, None));
    }

    #[test]
    fn every_field_is_read_exactly_or_refused() {
        check(("\"10.05\"", "\"10.00001\""), "/price more fractional digits than the scale holds");
        check(("\"10.05\"", "\"-1\""), "/price outside 0 to 900000.00");
        check(("\"10.05\"", "\"1e3\""), "/price not a decimal number");
        check(("\"10.05\"", "10.05"), "/price expected text, found a number; write amounts as text");
        check(("\"100\"", "\"-100\""), "/quantity expected a whole number from 0 to 1000000000000");
        check(("\"buy\"", "\"BUY\""), "/side \"BUY\" is none of: buy, sell");
        check(("\"a\"", "\"\""), "/client_order_id must not be empty");
        check(("600519.SH", "600519.SH 600519.SH"), "/symbol expected a symbol of 1 to 16 characters");
        check(("\"account\":1", "\"account\":0"), "/account expected a whole number from 1 to 9223372036854775807");
        let unknown = read(&GOOD.replace("\"price\"", "\"limit_price\"")).expect_err("it is wrong");
        assert!(unknown[0].starts_with("/limit_price unknown field"), "{unknown:?}");
    }
}

//! What the venue is told: NewOrderSingle, OrderCancelRequest, OrderStatusRequest, TradeCaptureReportRequest.

use heng_model::{OrderType, Price, Side};
use heng_transport::fix::FixBody;

use super::orders::Out;

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "1",
        Side::Sell => "2",
    }
}

/// OrdType (40) and TimeInForce (59) of an order; `None` where FIX 4.4 has no words for it.
///
/// A market order with a protective price is a limit order of the same life: the price bounds both alike.
pub(super) const fn words(order_type: OrderType, price: Price) -> Option<(&'static str, &'static str)> {
    let bounded = price.0 > 0;
    Some(match order_type {
        OrderType::Limit | OrderType::EnhancedLimit => ("2", "0"),
        OrderType::Best5OrCancel | OrderType::ImmediateOrCancel if bounded => ("2", "3"),
        OrderType::Best5OrCancel | OrderType::ImmediateOrCancel => ("1", "3"),
        OrderType::FillOrKill if bounded => ("2", "4"),
        OrderType::FillOrKill => ("1", "4"),
        OrderType::Best5OrLimit => ("K", "0"),
        OrderType::AtAuctionLimit => ("2", "2"),
        OrderType::OwnBest | OrderType::OppositeBest | OrderType::AfterHoursFixed => return None,
    })
}

/// A new order. `again`: the venue said that it does not have it, but the bytes may have left before.
pub(super) fn order(out: &Out, account: &str, again: bool, utc_ns: u64) -> FixBody {
    let (kind, time) = words(out.order_type, out.price).expect("orders without words are refused before");
    let mut body = FixBody::new("D");
    if again {
        body.header(97, b"Y");
    }
    body.text(11, &out.order.to_string()).text(1, account).text(55, &out.symbol).text(54, side(out.side));
    body.time(60, utc_ns).number(38, out.quantity.0.unsigned_abs()).text(40, kind);
    if out.price.0 > 0 {
        body.text(44, &out.price.to_string());
    }
    body.text(59, time);
    body
}

/// A cancel under the name `id`.
pub(super) fn cancel(out: &Out, id: &str, account: &str, utc_ns: u64) -> FixBody {
    let mut body = FixBody::new("F");
    body.text(41, &out.order.to_string()).text(11, id).text(1, account).text(55, &out.symbol);
    body.text(54, side(out.side)).time(60, utc_ns).number(38, out.quantity.0.unsigned_abs());
    body
}

/// A question after an order.
pub(super) fn enquiry(out: &Out, account: &str, number: u64) -> FixBody {
    let mut body = FixBody::new("H");
    body.text(11, &out.order.to_string()).text(790, &format!("{}-q{number}", out.order)).text(1, account);
    body.text(55, &out.symbol).text(54, side(out.side));
    body
}

/// A question after the trades of an order.
pub(super) fn trades(out: &Out, number: u64) -> FixBody {
    let mut body = FixBody::new("AD");
    // TradeRequestType: trades that match what is given; SubscriptionRequestType: once.
    body.text(568, &format!("{}-t{number}", out.order)).text(569, "1").text(263, "0");
    body.text(11, &out.order.to_string()).text(55, &out.symbol).text(54, side(out.side));
    body
}

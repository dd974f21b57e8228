//! Liquidity-following limit: takes what the other side shows inside the limit, and shows nothing itself.

use heng_model::{Price, Qty, Side};

use super::market::Quote;

/// Price and quantity to take now; `None` while nothing is offered inside the limit.
pub(super) fn next(quote: &Quote, side: Side, limit: Price, display: Qty, left: Qty) -> Option<(Price, Qty)> {
    let (price, offered) = quote.opposite(side);
    let inside = match side {
        Side::Buy => price > Price::ZERO && price <= limit,
        Side::Sell => price >= limit && price > Price::ZERO,
    };
    let quantity = offered.min(display).min(left);
    (inside && quantity > Qty::ZERO).then_some((price, quantity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_offered_inside_the_limit_is_taken() {
        let quote =
            Quote { bid: Price(99), bid_quantity: Qty(40), ask: Price(101), ask_quantity: Qty(70), ..Quote::default() };
        let buy = |limit: i64| next(&quote, Side::Buy, Price(limit), Qty(50), Qty(1_000));
        assert_eq!((buy(100), buy(101)), (None, Some((Price(101), Qty(50)))));
        let sell = |limit: i64| next(&quote, Side::Sell, Price(limit), Qty(50), Qty(30));
        assert_eq!((sell(100), sell(99)), (None, Some((Price(99), Qty(30)))));
        assert_eq!(next(&Quote::default(), Side::Buy, Price(101), Qty(50), Qty(10)), None);
        assert_eq!(next(&Quote::default(), Side::Sell, Price(1), Qty(50), Qty(10)), None);
    }
}

//! Decimal text of prices, dates and names: never a panic, and what is accepted prints to a text that means the same.
#![no_main]

use heng_model::{Money, OrderType, Price, Rate, TradeDate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(price) = text.parse::<Price>() {
        assert_eq!(price.to_string().parse(), Ok(price));
    }
    if let Ok(money) = text.parse::<Money>() {
        assert_eq!(money.to_string().parse(), Ok(money));
    }
    if let Ok(rate) = text.parse::<Rate>() {
        assert_eq!(rate.to_string().parse(), Ok(rate));
    }
    if let Ok(date) = text.parse::<TradeDate>() {
        assert_eq!(date.to_string(), text);
    }
    let _ = text.parse::<OrderType>();
});

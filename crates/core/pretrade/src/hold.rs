//! The hold of an order: one function of what is live, never a running sum of its own.

use heng_ledger::{Fees, Settle};
use heng_model::quantity::{MINOR, div_half_up};
use heng_model::{Board, Currency, Money, Price, Qty, Rate, Side, notional};
use heng_rulebook::FeeKind;

use crate::day::{InstrumentDay, Rates};

/// What an order holds: cash (of the settlement currency) for a buy, shares for a sell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Cash.
    pub cash: Money,
    /// Shares.
    pub shares: Qty,
}

/// The terms of an order that its hold depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// Buy or sell.
    pub side: Side,
    /// Highest price that a buy can pay: its limit or protective price, else limit-up.
    pub price: Price,
    /// Quantity that may still fill.
    pub remaining: Qty,
    /// Exact value of its fills so far, in the quotation's currency.
    pub filled_value: Money,
    /// The account's commission rate.
    pub commission: Rate,
}

/// Rounds an exact value half up to the minor unit; sums of values are rounded, not single fills.
#[must_use]
#[inline]
pub fn minor(value: Money) -> Money {
    if value.0 % MINOR == 0 {
        return value;
    }
    let units = div_half_up(i128::from(value.0), i128::from(MINOR));
    Money(i64::try_from(units).expect("shrinks") * MINOR)
}

/// How fills of this instrument settle for a buyer or a seller.
#[must_use]
#[inline]
pub fn settle_of(day: &InstrumentDay, side: Side, rates: Rates) -> Settle {
    let connect = day.board == Board::Hk;
    let rate = match (connect, side) {
        (false, _) => Rate(0),
        (true, Side::Buy) => rates.sell_reference,
        (true, Side::Sell) => rates.buy_reference,
    };
    Settle { quoted: day.rules.currency, rate, two_days: day.rules.cash_days >= 2 }
}

/// Fees of an order whose fills so far are worth `value`.
#[must_use]
#[inline]
pub fn fees_of(day: &InstrumentDay, side: Side, value: Money, commission: Rate) -> Fees {
    if value == Money::ZERO {
        return Fees::default();
    }
    let charges = day.rules.fees[side as usize - 1].charge(value, commission);
    Fees {
        commission: charges.of(FeeKind::Commission),
        stamp: charges.of(FeeKind::Stamp),
        transfer: charges.of(FeeKind::Transfer),
        handling: charges.of(FeeKind::Handling),
        regulatory: charges.of(FeeKind::Regulatory),
        sfc: charges.of(FeeKind::Sfc),
        afrc: charges.of(FeeKind::Afrc),
        trading: charges.of(FeeKind::Trading),
        settlement: charges.of(FeeKind::Settlement),
        total: charges.total,
    }
}

/// The hold of an order with these terms; `None` if its value does not fit.
///
/// A buy holds what its remaining quantity costs at its highest price and the fees that the whole order would then
/// have, less the fees posted so far. A sell holds the shares; its fees come out of the proceeds.
#[must_use]
#[inline]
pub fn hold_of(day: &InstrumentDay, terms: &OrderTerms, rates: Rates) -> Option<Hold> {
    if terms.side == Side::Sell {
        return Some(Hold { cash: Money::ZERO, shares: terms.remaining });
    }
    if terms.remaining == Qty::ZERO {
        return Some(Hold::default());
    }
    let rest = notional(day.rules.quotation, terms.price, terms.remaining)?;
    let whole = Money(terms.filled_value.0.checked_add(rest.0)?);
    let fees = |value| fees_of(day, terms.side, value, terms.commission).total;
    let quoted = minor(whole) - minor(terms.filled_value) + fees(whole) - fees(terms.filled_value);
    let settle = settle_of(day, Side::Buy, rates);
    let cash = if settle.rate.0 == 0 { quoted } else { quoted.times_rate_up(settle.rate, Money(MINOR)) };
    debug_assert!(settle.rate.0 == 0 || settle.currency() == Currency::Cny);
    Some(Hold { cash, shares: Qty::ZERO })
}

//! The hold of an order: one function of what is live, never a running sum of its own.

use heng_ledger::{Fees, Settle};
use heng_model::quantity::{MINOR, RATE_SCALE, div_half_up, div_up};
use heng_model::{Board, Money, Price, Qty, Quotation, Rate, Side, limits, notional};
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
    /// Exact worth of its fills so far ([`worth_of`]), in the quotation's currency.
    pub filled_worth: Money,
    /// Fees of those fills ([`fees_of`]), total.
    pub filled_fees: Money,
    /// The account's commission rate.
    pub commission: Rate,
}

/// What a fill adds to the exact worth of its order: price × quantity where the quotation asks for the price. For
/// prices per 100 of face that is a hundred times the amount, so that nothing is rounded before the end.
///
/// Returns `None` beyond `i64`.
#[must_use]
#[inline]
pub fn worth_of(quotation: Quotation, price: Price, quantity: Qty) -> Option<Money> {
    match quotation {
        Quotation::PerUnit | Quotation::PerHundredFace => notional(Quotation::PerUnit, price, quantity),
        Quotation::AnnualPercent => notional(Quotation::AnnualPercent, price, quantity),
    }
}

/// The amount of fills of this worth, rounded half up to the minor unit: sums are rounded, not single fills.
#[must_use]
#[inline]
pub fn amount_of(quotation: Quotation, worth: Money) -> Money {
    let unit = if quotation == Quotation::PerHundredFace { 100 * MINOR } else { MINOR };
    if unit == MINOR && worth.0 % MINOR == 0 {
        return worth;
    }
    let units = div_half_up(i128::from(worth.0), i128::from(unit));
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
    Settle { quoted: day.rules.currency, rate, connect, days: day.rules.cash_days }
}

/// Fees of an order whose fills so far have this worth.
#[must_use]
#[inline]
pub fn fees_of(day: &InstrumentDay, side: Side, worth: Money, commission: Rate) -> Fees {
    if worth == Money::ZERO {
        return Fees::default();
    }
    let quotation = day.rules.quotation;
    let value = if quotation == Quotation::PerHundredFace { amount_of(quotation, worth) } else { worth };
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

/// What the client paid (negative) or received for fills of this amount, fees included, in the quotation's currency.
#[must_use]
#[inline]
pub fn line_of(side: Side, amount: Money, fees: &Fees) -> Money {
    match side {
        Side::Buy => -(amount + fees.total),
        Side::Sell => amount - fees.total,
    }
}

/// The hold of an order with these terms; `None` if its value is beyond `limits::MONEY_MAX`.
///
/// A buy holds what its remaining quantity costs at its highest price and the fees that the whole order would then
/// have, less what it paid so far. Where the client pays in another currency, what was paid so far is rounded as the
/// ledger rounds it, over the order; so no sequence of fills can cost more than was held. A sell holds the shares; its
/// fees come out of the proceeds.
#[must_use]
#[inline]
pub fn hold_of(day: &InstrumentDay, terms: &OrderTerms, rates: Rates) -> Option<Hold> {
    if terms.side == Side::Sell {
        return Some(Hold { cash: Money::ZERO, shares: terms.remaining });
    }
    if terms.remaining == Qty::ZERO {
        return Some(Hold::default());
    }
    let quotation = day.rules.quotation;
    let rest = worth_of(quotation, terms.price, terms.remaining)?;
    let whole = Money(terms.filled_worth.0.checked_add(rest.0)?);
    if amount_of(quotation, whole).0 > limits::MONEY_MAX {
        return None;
    }
    let most = amount_of(quotation, whole) + fees_of(day, terms.side, whole, terms.commission).total;
    let paid = amount_of(quotation, terms.filled_worth) + terms.filled_fees;
    let rate = settle_of(day, Side::Buy, rates).rate;
    let cash = if rate.0 == 0 {
        most - paid
    } else {
        Money(converted_up(most, rate)?.0 - paid.times_rate_half_up(rate, Money(MINOR)).0)
    };
    Some(Hold { cash, shares: Qty::ZERO })
}

/// `amount × rate`, rounded up to the minor unit; `None` beyond `limits::MONEY_MAX`. `amount` ≥ 0.
fn converted_up(amount: Money, rate: Rate) -> Option<Money> {
    let product = i128::from(amount.0) * i128::from(rate.0);
    let units = div_up(product, i128::from(RATE_SCALE) * i128::from(MINOR));
    let converted = i64::try_from(units * i128::from(MINOR)).ok()?;
    (converted <= limits::MONEY_MAX).then_some(Money(converted))
}

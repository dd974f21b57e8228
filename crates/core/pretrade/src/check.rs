//! The checks, in the order of precedence of their codes.

use heng_ledger::{Account, AccountLimits, Cash, Position, Purpose, Settle, buying_power};
use heng_model::command::{NewOrder, RiskFeature};
use heng_model::market::{AccountKind, AccountStatus};
use heng_model::quantity::SCALE;
use heng_model::{Board, Money, OrderType, Price, Qty, RejectCode, Side, UnixNanos, limits, notional};
use heng_model::{CheckName as Name, InputName as Input};

use crate::day::{InstrumentDay, Rates};
use crate::hold::{Hold, OrderTerms, hold_of, settle_of};
use crate::risk_rules::{Features, RiskRules};
use crate::witness::{Witness, note};

/// Why an order is refused; `rule` is the number of a configurable rule, else 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: RejectCode,
    /// The rule.
    pub rule: u32,
}

impl From<RejectCode> for Refusal {
    fn from(code: RejectCode) -> Self {
        Self { code, rule: 0 }
    }
}

/// An order and all that the checks look at.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The order.
    pub order: &'a NewOrder,
    /// Its account.
    pub account: &'a Account,
    /// Its limits.
    pub limits: AccountLimits,
    /// The account's cash in the currency that the order settles in.
    pub cash: Cash,
    /// Its position in the instrument.
    pub position: Option<&'a Position>,
    /// The instrument today.
    pub day: &'a InstrumentDay,
    /// Exchange rates.
    pub rates: Rates,
    /// What is left of the Stock Connect quota; `None` = no tranche was leased, so there is no limit here.
    pub quota_left: Option<Money>,
    /// Everybody is stopped.
    pub all_stopped: bool,
    /// The command's time.
    pub now: UnixNanos,
    /// The configurable rules.
    pub rules: &'a RiskRules,
}

/// Runs all checks; says what to hold.
///
/// # Errors
/// The first refusal by precedence.
#[inline]
pub fn check(ask: &Ask<'_>) -> Result<Hold, Refusal> {
    check_watched(ask, &mut ())
}

/// Runs all checks and lets `witness` see what each looks at, before it decides: the check seen last is the one that
/// refuses.
///
/// # Errors
/// The first refusal by precedence.
#[inline]
pub fn check_watched<W: Witness>(ask: &Ask<'_>, witness: &mut W) -> Result<Hold, Refusal> {
    check_fields(ask.order, witness)?;
    check_account(ask, witness)?;
    check_instrument(ask, witness)?;
    let price = check_price(ask, witness)?;
    check_caps(ask, witness)?;
    let value = notional(ask.day.rules.quotation, price, ask.order.quantity);
    note(witness, Name::Value, || {
        [(Input::Value, value.map_or(i64::MAX, |value| value.0)), (Input::ValueMax, limits::MONEY_MAX)]
    });
    let value = value.filter(|value| value.0 <= limits::MONEY_MAX).ok_or(RejectCode::OrderValue)?;
    let hold = check_money(ask, price, witness)?;
    check_rules(ask, price, value, hold, witness)?;
    let most = ask.limits.order_value_max;
    note(witness, Name::OrderValue, || [(Input::Value, value.0), (Input::ValueMax, most.0)]);
    if most != Money::ZERO && value > most {
        return Err(RejectCode::OrderValue.into());
    }
    Ok(hold)
}

#[inline]
fn check_fields<W: Witness>(order: &NewOrder, witness: &mut W) -> Result<(), Refusal> {
    note(witness, Name::Fields, || [(Input::Quantity, order.quantity.0), (Input::Price, order.price.0)]);
    let in_range = order.quantity.0 <= limits::QUANTITY_MAX && (0..=limits::PRICE_MAX).contains(&order.price.0);
    if in_range { Ok(()) } else { Err(RejectCode::BadField.into()) }
}

#[inline]
fn check_account<W: Witness>(ask: &Ask<'_>, witness: &mut W) -> Result<(), Refusal> {
    let Ask { order, account, day, .. } = ask;
    let buying = order.side == Side::Buy;
    note(witness, Name::KillSwitch, || {
        [
            (Input::AllStopped, i64::from(ask.all_stopped)),
            (Input::AccountStopped, i64::from(account.stopped)),
            (Input::InstrumentStopped, i64::from(day.stopped)),
        ]
    });
    if ask.all_stopped || account.stopped || day.stopped {
        return Err(RejectCode::KillSwitch.into());
    }
    note(witness, Name::AccountStatus, || [(Input::Status, account.status as i64)]);
    match account.status {
        AccountStatus::Normal => {}
        AccountStatus::Closed => return Err(RejectCode::AccountClosed.into()),
        AccountStatus::Frozen => return Err(RejectCode::AccountFrozen.into()),
        AccountStatus::BuyBarred if buying => return Err(RejectCode::AccountBuyBarred.into()),
        AccountStatus::BuyBarred => {}
    }
    // Rights gate buying; whoever holds shares may always sell them.
    let needed = if buying { day.buy_rights } else { 0 };
    note(witness, Name::Rights, || {
        [(Input::RightsHeld, i64::from(account.rights)), (Input::RightsNeeded, i64::from(needed))]
    });
    if account.rights & needed != needed {
        return Err(RejectCode::MissingRight.into());
    }
    note(witness, Name::Rate, || {
        [(Input::Sent, i64::from(account.sent)), (Input::SentMax, i64::from(account.sent_max))]
    });
    if account.sent > account.sent_max {
        return Err(RejectCode::RateExceeded.into());
    }
    // Credit accounts trade mainland securities only; Stock Connect has no margin trading for them here.
    note(witness, Name::AccountKind, || [(Input::Kind, account.kind as i64)]);
    if account.kind == AccountKind::Credit && day.board == Board::Hk {
        return Err(RejectCode::AccountKindForbids.into());
    }
    Ok(())
}

#[inline]
fn check_instrument<W: Witness>(ask: &Ask<'_>, witness: &mut W) -> Result<(), Refusal> {
    let Ask { order, day, .. } = ask;
    note(witness, Name::Suspension, || [(Input::Suspended, i64::from(day.suspended))]);
    if day.suspended {
        return Err(RejectCode::InstrumentSuspended.into());
    }
    note(witness, Name::OrderType, || {
        [(Input::OrderType, order.order_type as i64), (Input::OrderTypes, i64::from(day.rules.order_types))]
    });
    if !day.rules.takes(order.order_type) {
        return Err(RejectCode::OrderTypeForbidden.into());
    }
    note(witness, Name::Quantity, || [(Input::Quantity, order.quantity.0)]);
    if order.quantity.0 <= 0 {
        return Err(RejectCode::QuantityNotPositive.into());
    }
    check_lot(ask, witness)?;
    let lot = &day.rules.lot;
    let mut most = match order.order_type {
        OrderType::AfterHoursFixed => lot.max_after_hours,
        kind if kind.is_limit() => lot.max_limit,
        _ => lot.max_market,
    };
    if lot.per_instrument {
        most = Qty(most.0.saturating_mul(day.board_lot.0.max(1)));
    }
    note(witness, Name::Size, || [(Input::Quantity, order.quantity.0), (Input::QuantityMax, most.0)]);
    if order.quantity > most { Err(RejectCode::OrderTooLarge.into()) } else { Ok(()) }
}

#[inline]
fn check_lot<W: Witness>(ask: &Ask<'_>, witness: &mut W) -> Result<(), Refusal> {
    let Ask { order, day, .. } = ask;
    let lot = &day.rules.lot;
    let held = ask.position.map_or(Qty::ZERO, |position| position.sellable);
    note(witness, Name::Lot, || {
        let (least, step) = match (lot.per_instrument, order.side) {
            (true, _) => (day.board_lot, day.board_lot),
            (false, Side::Buy) => (lot.buy_min, lot.buy_step),
            (false, Side::Sell) => (lot.sell_min, lot.sell_step),
        };
        [
            (Input::Quantity, order.quantity.0),
            (Input::LotMin, least.0),
            (Input::LotStep, step.0),
            (Input::SharesAvailable, held.0),
        ]
    });
    if order.side == Side::Buy {
        let right = lot.allows_buy(order.quantity, day.board_lot);
        return if right { Ok(()) } else { Err(RejectCode::LotSize.into()) };
    }
    // Too few shares is the later and plainer refusal, so the lot is judged as if there were enough.
    let held = held.max(order.quantity);
    if lot.allows_sell(order.quantity, held, day.board_lot) {
        return Ok(());
    }
    let step = if lot.per_instrument { day.board_lot } else { lot.sell_step };
    let odd = step.0 > 1 && order.quantity.0 % step.0 != 0;
    Err(if odd { RejectCode::OddLot.into() } else { RejectCode::LotSize.into() })
}

/// Checks the price; returns the highest price that a buy can pay.
#[inline]
fn check_price<W: Witness>(ask: &Ask<'_>, witness: &mut W) -> Result<Price, Refusal> {
    let Ask { order, day, .. } = ask;
    if order.price == Price::ZERO {
        return check_missing_price(ask, witness);
    }
    note(witness, Name::Tick, || [(Input::Price, order.price.0), (Input::Tick, day.rules.tick.at(order.price).0)]);
    if !day.rules.tick.allows(order.price) {
        return Err(RejectCode::TickSize.into());
    }
    if let Some((down, up)) = day.limits {
        note(witness, Name::PriceLimit, || {
            [
                (Input::Price, order.price.0),
                (Input::LimitDown, down.0),
                (Input::LimitUp, up.0),
                (Input::PrevClose, day.prev_close.0),
            ]
        });
        if order.price < down || order.price > up {
            return Err(RejectCode::PriceLimit.into());
        }
    }
    Ok(order.price)
}

/// A market order without a protective price is held at limit-up.
fn check_missing_price<W: Witness>(ask: &Ask<'_>, witness: &mut W) -> Result<Price, Refusal> {
    let Ask { order, day, .. } = ask;
    note(witness, Name::PricePresent, || {
        let (down, up) = day.limits.unwrap_or_default();
        [
            (Input::OrderType, order.order_type as i64),
            (Input::LimitDown, down.0),
            (Input::LimitUp, up.0),
            (Input::PrevClose, day.prev_close.0),
        ]
    });
    if order.order_type.is_limit() || day.rules.protective_price {
        return Err(RejectCode::PriceMissing.into());
    }
    match (order.side, day.limits) {
        (_, Some((_, up))) => Ok(up),
        (Side::Sell, None) => Ok(day.prev_close),
        (Side::Buy, None) => Err(RejectCode::PriceMissing.into()),
    }
}

/// What may be bought of an instrument, or through Stock Connect, in a day.
#[inline]
fn check_caps<W: Witness>(ask: &Ask<'_>, witness: &mut W) -> Result<(), Refusal> {
    let Ask { order, day, .. } = ask;
    if order.side == Side::Sell {
        return Ok(());
    }
    if day.risk_warning {
        note(witness, Name::DailyBuyCap, || {
            [
                (Input::Quantity, order.quantity.0),
                (Input::Bought, bought(ask).0),
                (Input::BuyMax, day.rules.daily_buy_cap.map_or(i64::MAX, |cap| cap.0)),
            ]
        });
        if is_over_cap(ask) {
            return Err(RejectCode::RiskWarningCap.into());
        }
    }
    if day.board == Board::Hk {
        note(witness, Name::Quota, || [(Input::QuotaLeft, ask.quota_left.map_or(i64::MAX, |left| left.0))]);
        if ask.quota_left.is_some_and(|left| left <= Money::ZERO) {
            return Err(RejectCode::QuotaExhausted.into());
        }
    }
    Ok(())
}

#[inline]
fn check_money<W: Witness>(ask: &Ask<'_>, price: Price, witness: &mut W) -> Result<Hold, Refusal> {
    let Ask { order, account, day, rates, .. } = ask;
    let settle = settle_of(day, order.side, *rates);
    if settle.connect {
        note(witness, Name::ExchangeRate, || [(Input::Rate, settle.rate.0)]);
        if settle.rate.0 == 0 {
            return Err(RejectCode::NoExchangeRate.into());
        }
    }
    let terms = OrderTerms {
        side: order.side,
        price,
        remaining: order.quantity,
        filled_worth: Money::ZERO,
        filled_fees: Money::ZERO,
        commission: account.commission(),
    };
    let hold = hold_of(day, &terms, *rates).ok_or(RejectCode::OrderValue)?;
    let purpose = if settle.connect { Purpose::StockConnect } else { Purpose::Mainland };
    let power =
        |settle: &Settle| buying_power(account.kind, ask.limits.credit_line, &ask.cash, settle.currency(), purpose);
    if order.side == Side::Buy {
        let power = power(&settle);
        note(witness, Name::Cash, || [(Input::CashNeeded, hold.cash.0), (Input::CashAvailable, power.0)]);
        if power < hold.cash {
            return Err(RejectCode::InsufficientCash.into());
        }
        return Ok(hold);
    }
    let sellable = ask.position.map_or(Qty::ZERO, |p| p.sellable);
    note(witness, Name::Shares, || [(Input::SharesNeeded, order.quantity.0), (Input::SharesAvailable, sellable.0)]);
    if sellable < order.quantity {
        return Err(RejectCode::InsufficientHoldings.into());
    }
    Ok(hold)
}

/// Bought today. Live buy orders count as bought, so that several of them together cannot pass the cap.
fn bought(ask: &Ask<'_>) -> Qty {
    ask.position.map_or(Qty::ZERO, |position| position.bought_today + position.buying)
}

fn is_over_cap(ask: &Ask<'_>) -> bool {
    ask.day.rules.daily_buy_cap.is_some_and(|cap| bought(ask) + ask.order.quantity > cap)
}

#[inline]
fn check_rules<W: Witness>(
    ask: &Ask<'_>,
    price: Price,
    value: Money,
    hold: Hold,
    witness: &mut W,
) -> Result<(), Refusal> {
    if ask.rules.is_empty() {
        return Ok(());
    }
    let features = measure(ask, price, value, hold);
    let broken = ask.rules.broken(ask.day.board, ask.order.side, &features);
    note(witness, Name::RiskRules, || risk_inputs(ask, &features, broken));
    match broken {
        Some(rule) => Err(Refusal { code: RejectCode::RiskRule, rule }),
        None => Ok(()),
    }
}

/// Every feature that a rule may bound, and the rule that is broken.
fn risk_inputs(ask: &Ask<'_>, features: &Features, broken: Option<u32>) -> [(Input, i64); 18] {
    const NAMES: [Input; RiskFeature::COUNT] = [
        Input::Quantity,
        Input::Price,
        Input::Value,
        Input::Deviation,
        Input::OpenOrders,
        Input::Sent,
        Input::HoldingAfter,
        Input::CashAfter,
        Input::TimeOfDay,
        Input::OrdersToday,
        Input::CancelsToday,
        Input::BoughtToday,
        Input::SoldToday,
        Input::CashBalance,
        Input::SharesAvailable,
        Input::CashFrozen,
    ];
    core::array::from_fn(|at| match at {
        0 => (Input::Rules, ask.rules.rules().len() as i64),
        1 => (Input::RuleBroken, broken.map_or(0, i64::from)),
        at => (NAMES[at - 2], features[at - 2]),
    })
}

/// Measures every feature that a rule may bound.
#[inline]
fn measure(ask: &Ask<'_>, price: Price, value: Money, hold: Hold) -> Features {
    let Ask { order, account, day, position, .. } = ask;
    let sellable = position.map_or(0, |p| p.sellable.0);
    let total = position.map_or(0, |p| p.total().0);
    let deviation = (price.0 - day.prev_close.0).saturating_mul(SCALE) / day.prev_close.0.max(1);
    let mut features = [0; RiskFeature::COUNT];
    let mut set = |feature: RiskFeature, value: i64| features[feature as usize - 1] = value;
    set(RiskFeature::Quantity, order.quantity.0);
    set(RiskFeature::Price, price.0);
    set(RiskFeature::Value, value.0);
    set(RiskFeature::Deviation, deviation);
    set(RiskFeature::OpenOrders, i64::from(account.open_orders));
    set(RiskFeature::OrdersThisSecond, i64::from(account.sent));
    let change = if order.side == Side::Buy { order.quantity.0 } else { -order.quantity.0 };
    set(RiskFeature::HoldingAfter, total.saturating_add(change));
    set(RiskFeature::CashAfter, ask.cash.available().0 - hold.cash.0);
    set(RiskFeature::TimeOfDay, ask.now.time_of_day());
    set(RiskFeature::OrdersToday, i64::from(account.orders_today));
    set(RiskFeature::CancelsToday, i64::from(account.cancels_today));
    set(RiskFeature::BoughtToday, account.bought_today.0);
    set(RiskFeature::SoldToday, account.sold_today.0);
    set(RiskFeature::CashBalance, ask.cash.balance.0);
    set(RiskFeature::Sellable, sellable);
    set(RiskFeature::FrozenCash, ask.cash.frozen.0);
    features
}

//! Questions about the state that whoever holds one may ask. Nothing here changes anything, and the core's own path
//! asks none of them.

use heng_ledger::{Fees, Purpose, buying_power};
use heng_model::command::{NewOrder, RouteOrder};
use heng_model::{
    AccountId, Check, CheckOutcome, ClientOrderId, InstrumentId, Money, OrderId, OrderType, ParentId, Price, Qty,
    RejectCode, SECOND, SelfTrade, Seq, Side, TradeDate,
};
use heng_pretrade::{Hold, InstrumentDay, OrderTerms, Rates, fees_of, hold_of, settle_of, worth_of};

use crate::entry::worst_price;
use crate::keys::{Target, content_of};
use crate::parents::Parent;
use crate::state::State;

/// The check that was seen last is the one that refuses.
pub(crate) fn mark_refused(checks: &mut [Check], refused: bool) {
    if let (true, Some(last)) = (refused, checks.last_mut()) {
        last.outcome = CheckOutcome::Refused;
    }
}

/// What an order would come to if it were sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Why it would be refused, by the checks or by this partition's venue as its book is now; `None` = it would not.
    pub code: Option<RejectCode>,
    /// Number of the risk rule that refuses it, else 0.
    pub rule: u32,
    /// What it would hold.
    pub hold: Hold,
    /// Its fees if all of it filled at its highest price.
    pub fees: Fees,
    /// Every check that ran, with what it looked at.
    pub checks: Vec<Check>,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOutcome {
    /// Sequence of the command that brought it.
    pub seq: Seq,
    /// Number of the order or parent.
    pub id: u64,
    /// Whether it is a parent.
    pub is_parent: bool,
    /// Why it was refused, if it was.
    pub code: Option<RejectCode>,
}

/// How much of an instrument an account can trade now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    /// The price that it is computed with: the highest that a buy can pay.
    pub price: Price,
    /// Largest buy order that cash, lot and size allow.
    pub buy_max: Qty,
    /// What that buy would hold, fees included.
    pub buy_cash: Money,
    /// Cash that may be spent on the instrument, in the currency that it settles in.
    pub cash: Money,
    /// Largest sell order that holdings, lot and size allow.
    pub sell_max: Qty,
    /// Shares that may be sold now.
    pub sellable: Qty,
}

impl State {
    /// What `order` would come to. Its key is not looked at.
    #[must_use]
    pub fn estimate(&self, order: &NewOrder) -> Estimate {
        let mut checks = Vec::new();
        let result = self.estimate_checked(order, &mut checks);
        let (code, rule) = match result {
            Ok(()) => (None, 0),
            Err(refusal) => (Some(refusal.code), refusal.rule),
        };
        let (hold, fees) = self.cost_of(order).unwrap_or_default();
        Estimate { code, rule, hold, fees, checks }
    }

    fn estimate_checked(&self, order: &NewOrder, checks: &mut Vec<Check>) -> Result<(), heng_pretrade::Refusal> {
        let row = self.ledger.row_of(order.account).ok_or(RejectCode::UnknownAccount)?;
        if !self.day_open {
            return Err(RejectCode::DayNotOpen.into());
        }
        let mut account = self.ledger.account(row).clone();
        let second = (self.time.0 / SECOND) as u32;
        account.sent = if account.rate_second == second { account.sent + 1 } else { 1 };
        account.orders_today += 1;
        let checked = self.check_order(row, &account, order, checks);
        mark_refused(checks, checked.is_err());
        checked?;
        let day = self.day_of(order.instrument).expect("the order was checked");
        if day.partition != self.partition {
            return Ok(());
        }
        let route = RouteOrder {
            order: OrderId(0),
            owner: account.owner,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            price: order.price,
            quantity: order.quantity,
            self_trade: order.self_trade,
        };
        let refusal = self.venue_refusal(&route);
        checks.extend(self.venue_checks(&route, refusal));
        refusal.map_or(Ok(()), |code| Err(code.into()))
    }

    /// Hold and fees of an order, whether it would be accepted or not.
    fn cost_of(&self, order: &NewOrder) -> Option<(Hold, Fees)> {
        let row = self.ledger.row_of(order.account)?;
        let day = self.day_of(order.instrument)?;
        let account = self.ledger.account(row);
        let quantity = Qty(order.quantity.0.clamp(0, heng_model::limits::QUANTITY_MAX));
        let price = worst_price(day, order.price);
        let hold = hold_of(day, &terms_of(order.side, price, quantity, account.commission()), self.rates)?;
        let worth = worth_of(day.rules.quotation, price, quantity)?;
        Some((hold, fees_of(day, order.side, worth, account.commission())))
    }

    /// How much of an instrument an account can buy at `price` (0 = at the highest) and sell. `None` if one of them is
    /// not known today.
    #[must_use]
    pub fn power(&self, account: AccountId, instrument: InstrumentId, price: Price) -> Option<Power> {
        let row = self.ledger.row_of(account)?;
        let day = self.day_of(instrument)?;
        let account = self.ledger.account(row);
        let settle = settle_of(day, Side::Buy, self.rates);
        let purpose = if settle.connect { Purpose::StockConnect } else { Purpose::Mainland };
        let (cash, line) = (self.ledger.cash(row, settle.currency()), self.ledger.limits(row).credit_line);
        let free = buying_power(account.kind, line, &cash, settle.currency(), purpose);
        let price = worst_price(day, price);
        let cost = |quantity: Qty| {
            let hold = hold_of(day, &terms_of(Side::Buy, price, quantity, account.commission()), self.rates);
            hold.map(|hold| hold.cash).filter(|_| !settle.connect || settle.rate.0 > 0)
        };
        let buy_max = most_lots(day, |quantity| cost(quantity).is_some_and(|cash| cash <= free));
        let sellable = self.ledger.position(row, instrument).map_or(Qty::ZERO, |position| position.sellable);
        let buy_cash = if buy_max == Qty::ZERO { Money::ZERO } else { cost(buy_max).unwrap_or_default() };
        Some(Power { price, buy_max, buy_cash, cash: free, sell_max: sell_max(day, sellable), sellable })
    }

    /// What became of a key of today or of the previous trade date.
    #[must_use]
    pub fn outcome_of(&self, account: AccountId, date: TradeDate, id: ClientOrderId) -> Option<KeyOutcome> {
        let row = self.ledger.row_of(account)?;
        if date != self.date {
            let (_, target) = (date == self.past_date).then(|| self.past_keys.get(row, id)).flatten()?;
            let (past, is_parent) = match target {
                Target::Order(at) => (self.past_orders.get(at as usize)?, false),
                Target::Parent(at) => (self.past_parents.get(at as usize)?, true),
            };
            return Some(KeyOutcome { seq: past.seq, id: past.id, is_parent, code: past.code });
        }
        let (_, target) = self.keys.get(row, id)?;
        Some(match target {
            Target::Order(at) => KeyOutcome {
                seq: self.orders.origin(at).seq,
                id: self.order_id(at).0,
                is_parent: false,
                code: self.orders.get(at).reject_code(),
            },
            Target::Parent(at) => {
                let (id, parent) = self.parents.at(at)?;
                KeyOutcome { seq: parent.seq, id: id.0, is_parent: true, code: parent.reject_code() }
            }
        })
    }

    /// Whether the key of `order` is known with its content.
    #[must_use]
    pub fn has_same_content(&self, order: &NewOrder) -> bool {
        let keys = if order.trade_date == self.date { &self.keys } else { &self.past_keys };
        let row = self.ledger.row_of(order.account);
        let known = row.and_then(|row| keys.get(row, order.client_order));
        known.is_some_and(|(content, _)| content == content_of(order))
    }

    /// Why an order can have no key: an unknown account, a closed day, a wrong date.
    #[must_use]
    pub fn key_refusal(&self, order: &NewOrder) -> Option<RejectCode> {
        self.admit(order).err()
    }

    /// Sequence and client order id of an order of the trade date.
    #[must_use]
    pub fn origin_of(&self, order: OrderId) -> Option<(Seq, ClientOrderId)> {
        let index = (order.partition() == self.partition).then(|| self.orders.index_of(order.number())).flatten()?;
        let origin = self.orders.origin(index);
        Some((origin.seq, self.keys.client_order(origin.key)))
    }

    /// The parent that owns an order of the trade date; 0 = none.
    #[must_use]
    pub fn parent_of(&self, order: OrderId) -> ParentId {
        let index = (order.partition() == self.partition).then(|| self.orders.index_of(order.number())).flatten();
        index.map_or(ParentId(0), |index| self.parents.of(index))
    }

    /// Smallest order of a side, and the step above it; zero where the instrument does not trade today.
    #[must_use]
    pub fn lot_of(&self, instrument: InstrumentId, side: Side) -> (Qty, Qty) {
        let Some(day) = self.day_of(instrument) else { return (Qty::ZERO, Qty::ZERO) };
        let lot = &day.rules.lot;
        match (lot.per_instrument, side) {
            (true, _) => (day.board_lot, day.board_lot),
            (false, Side::Buy) => (lot.buy_min, lot.buy_step),
            (false, Side::Sell) => (lot.sell_min, lot.sell_step),
        }
    }

    /// The parents of the trade date, refused ones included, oldest first.
    pub fn parents(&self) -> impl Iterator<Item = (ParentId, &Parent)> {
        (0..self.parents.len()).filter_map(|index| self.parents.at(index))
    }

    /// What the children of a parent have filled, and what is open of those that live.
    #[must_use]
    pub fn children_of(&self, parent: &Parent) -> (Qty, Qty) {
        let (mut filled, mut open) = (parent.filled, Qty::ZERO);
        for child in &parent.live {
            let record = self.orders.get(*child);
            filled += record.filled;
            open += record.remaining();
        }
        (filled, open)
    }

    /// The orders of a parent that live, oldest first.
    pub fn live_children<'a>(&'a self, parent: &'a Parent) -> impl Iterator<Item = OrderId> + 'a {
        parent.live.iter().map(|child| self.order_id(*child))
    }

    /// Stock Connect reference rates.
    #[must_use]
    pub const fn rates(&self) -> Rates {
        self.rates
    }

    /// What `account` asked with an order, for an estimate that has no key.
    #[must_use]
    pub const fn order_without_key(
        account: AccountId,
        instrument: InstrumentId,
        (side, order_type): (Side, OrderType),
        (price, quantity): (Price, Qty),
    ) -> NewOrder {
        NewOrder {
            account,
            client_order: ClientOrderId(0),
            trade_date: TradeDate::NONE,
            instrument,
            side,
            order_type,
            price,
            quantity,
            self_trade: SelfTrade::Reject,
        }
    }
}

const fn terms_of(side: Side, price: Price, remaining: Qty, commission: heng_model::Rate) -> OrderTerms {
    OrderTerms { side, price, remaining, filled_worth: Money::ZERO, filled_fees: Money::ZERO, commission }
}

/// The largest buy quantity on the lot, within the largest order, that `fits`; what fits a quantity fits less.
fn most_lots(day: &InstrumentDay, fits: impl Fn(Qty) -> bool) -> Qty {
    let lot = &day.rules.lot;
    let (least, step) = if lot.per_instrument { (day.board_lot, day.board_lot) } else { (lot.buy_min, lot.buy_step) };
    let most = largest(day);
    if step.0 <= 0 || most < least || !fits(least) {
        return Qty::ZERO;
    }
    let (mut good, mut bad) = (0, (most.0 - least.0) / step.0 + 1);
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if fits(Qty(least.0 + middle * step.0)) { good = middle } else { bad = middle }
    }
    Qty(least.0 + good * step.0)
}

/// The largest limit order of an instrument.
fn largest(day: &InstrumentDay) -> Qty {
    let lot = &day.rules.lot;
    if lot.per_instrument { Qty(lot.max_limit.0.saturating_mul(day.board_lot.0.max(1))) } else { lot.max_limit }
}

/// The largest sell order on the lot of somebody who can sell `sellable`: the rest below a lot goes with it.
fn sell_max(day: &InstrumentDay, sellable: Qty) -> Qty {
    let lot = &day.rules.lot;
    let most = largest(day).min(sellable);
    let allowed = |quantity: Qty| quantity > Qty::ZERO && lot.allows_sell(quantity, sellable, day.board_lot);
    if allowed(most) {
        return most;
    }
    let step = if lot.per_instrument { day.board_lot } else { lot.sell_step };
    let down = if step.0 > 0 { Qty(most.0 - most.0 % step.0) } else { Qty::ZERO };
    if allowed(down) { down } else { Qty::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heng_model::{CheckInput, CheckName, InputName};

    #[test]
    fn only_the_last_check_refuses() {
        let check = |name| Check {
            name,
            outcome: CheckOutcome::Passed,
            inputs: vec![CheckInput { name: InputName::Price, value: 1 }],
        };
        let mut checks = vec![check(CheckName::Tick), check(CheckName::PriceLimit)];
        mark_refused(&mut checks, false);
        assert!(checks.iter().all(|check| check.outcome == CheckOutcome::Passed));
        mark_refused(&mut checks, true);
        let outcomes: Vec<_> = checks.iter().map(|check| check.outcome).collect();
        assert_eq!(outcomes, [CheckOutcome::Passed, CheckOutcome::Refused]);
        mark_refused(&mut [], true);
    }
}

//! Several orders in one command: bulk (each on its own) and basket (all or none).

use heng_model::command::NewOrder;
use heng_model::{AccountId, Command, OrderId, ParentId, RejectCode, limits};
use heng_pretrade::{Hold, Refusal};

use crate::pipeline::Outcome;
use crate::sink::EventSink;
use crate::state::State;

/// An order of a basket that passed the checks.
struct Checked {
    row: u32,
    hold: Hold,
}

impl State {
    /// Each order on its own; the outcome tells the first order and the first refusal.
    pub(crate) fn bulk_orders<S: EventSink>(
        &mut self,
        command: &Command,
        orders: &[NewOrder],
        sink: &mut S,
    ) -> Outcome {
        if orders.is_empty() || orders.len() > limits::BATCH_ORDERS_MAX {
            return refuse_batch(command, orders, sink);
        }
        let mut outcome = Outcome { repeated: true, ..Outcome::DONE };
        for order in orders {
            let one = self.place(order, ParentId(0), sink);
            outcome.code = outcome.code.or(one.code);
            outcome.id = if outcome.id == 0 { one.id } else { outcome.id };
            outcome.repeated &= one.repeated;
        }
        outcome
    }

    /// All or none: every order is checked, with the holds of those before it, before any is placed.
    pub(crate) fn basket_orders<S: EventSink>(
        &mut self,
        command: &Command,
        orders: &[NewOrder],
        sink: &mut S,
    ) -> Outcome {
        if orders.is_empty() || orders.len() > limits::BATCH_ORDERS_MAX {
            return refuse_batch(command, orders, sink);
        }
        if let Some(outcome) = self.repeated_basket(orders) {
            return outcome;
        }
        match self.check_basket(orders, sink) {
            Ok(checked) => self.place_basket(orders, &checked, sink),
            Err((at, refusal)) => self.refuse_basket(orders, at, refusal, sink),
        }
    }

    /// A basket whose every key is known, with the same content, was sent before.
    fn repeated_basket(&self, orders: &[NewOrder]) -> Option<Outcome> {
        let mut outcome: Option<Outcome> = None;
        for order in orders {
            let row = self.admit(order).ok()?;
            let one = self.repeated(row, order).filter(|one| one.code != Some(RejectCode::KeyReused))?;
            let first = outcome.unwrap_or(one);
            outcome = Some(Outcome { code: telling(first.code, one.code), ..first });
        }
        outcome
    }

    fn check_basket<S: EventSink>(
        &mut self,
        orders: &[NewOrder],
        sink: &mut S,
    ) -> Result<Vec<Checked>, (usize, Refusal)> {
        let mut checked: Vec<Checked> = Vec::with_capacity(orders.len());
        let mut refusal = None;
        for (at, order) in orders.iter().enumerate() {
            match self.check_in_basket(&orders[..at], order, sink) {
                Ok(one) => {
                    self.occupy(&one, order, 1);
                    checked.push(one);
                }
                Err(why) => {
                    refusal = Some((at, why));
                    break;
                }
            }
        }
        for (one, order) in checked.iter().zip(orders) {
            self.occupy(one, order, -1);
        }
        refusal.map_or(Ok(checked), Err)
    }

    fn check_in_basket<S: EventSink>(
        &mut self,
        before: &[NewOrder],
        order: &NewOrder,
        sink: &mut S,
    ) -> Result<Checked, Refusal> {
        let row = self.admit(order)?;
        if let Some(known) = self.repeated(row, order) {
            return Err(known.code.unwrap_or(RejectCode::KeyReused).into());
        }
        if before.iter().any(|o| o.account == order.account && o.client_order == order.client_order) {
            return Err(RejectCode::KeyReused.into());
        }
        if self.orders.len() >= limits::ORDERS_PER_DAY_MAX {
            return Err(RejectCode::TableFull.into());
        }
        self.count_order(row);
        let hold = self.check_told(row, order, sink)?;
        Ok(Checked { row, hold })
    }

    /// Holds for an order of the basket, or releases, while the others are checked.
    fn occupy(&mut self, one: &Checked, order: &NewOrder, sign: i64) {
        self.apply_hold(one.row, order, one.hold, sign);
        let account = self.ledger.account_mut(one.row);
        account.open_orders = if sign > 0 { account.open_orders + 1 } else { account.open_orders - 1 };
    }

    fn place_basket<S: EventSink>(&mut self, orders: &[NewOrder], checked: &[Checked], sink: &mut S) -> Outcome {
        let mut routes = Vec::with_capacity(orders.len());
        for (order, one) in orders.iter().zip(checked) {
            routes.push(self.book_order(one.row, order, ParentId(0), one.hold, sink));
        }
        for (_, route) in &routes {
            self.route(route, sink);
        }
        let mut outcome = Outcome::order(routes[0].0, None);
        for (id, _) in &routes {
            let index = self.orders.index_of(id.number()).expect("the order was just placed");
            outcome.code = telling(outcome.code, self.orders.get(index).reject_code());
        }
        outcome
    }

    /// The order that was refused is told why; the others that they belong to a refused basket.
    fn refuse_basket<S: EventSink>(
        &mut self,
        orders: &[NewOrder],
        refused: usize,
        refusal: Refusal,
        sink: &mut S,
    ) -> Outcome {
        let mut outcome = Outcome::refused(refusal.code);
        for (at, order) in orders.iter().enumerate() {
            let why = if at == refused { refusal } else { RejectCode::BasketRefused.into() };
            let id = self.reject_unplaced(order, why, sink);
            outcome.id = if outcome.id == 0 { id } else { outcome.id };
        }
        outcome
    }

    /// Records and tells the refusal of an order that was never placed; returns its id, 0 if it can have no key.
    fn reject_unplaced<S: EventSink>(&mut self, order: &NewOrder, refusal: Refusal, sink: &mut S) -> u64 {
        match self.admit(order) {
            Ok(row) if order.trade_date == self.date && self.keys.get(row, order.client_order).is_none() => {
                self.reject(row, order, ParentId(0), refusal, sink).id
            }
            _ => {
                Self::tell_rejected(OrderId(0), order, ParentId(0), refusal, sink);
                0
            }
        }
    }
}

/// Of two codes the one that says more: that the basket was refused is told only if nothing else is known.
const fn telling(first: Option<RejectCode>, other: Option<RejectCode>) -> Option<RejectCode> {
    match (first, other) {
        (None | Some(RejectCode::BasketRefused), Some(_)) => other,
        _ => first,
    }
}

fn refuse_batch<S: EventSink>(command: &Command, orders: &[NewOrder], sink: &mut S) -> Outcome {
    let account = orders.first().map_or(AccountId(0), |order| order.account);
    crate::pipeline::refuse(command, account, RejectCode::BatchTooLarge, sink)
}

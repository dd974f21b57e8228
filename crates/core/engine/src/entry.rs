//! New orders: key, check, hold, route.

use heng_model::command::{NewOrder, RouteOrder};
use heng_model::event::{OrderPlaced, OrderRejected};
use heng_model::market::OrderStatus;
use heng_model::{Board, Money, OrderId, ParentId, Price, Qty, RejectCode, SECOND, Side, limits, notional};
use heng_pretrade::{Ask, Hold, Refusal, check, settle_of};

use crate::keys::{Target, content_of};
use crate::orders::{NO_VENUE_REF, OrderRecord};
use crate::pipeline::Outcome;
use crate::sink::EventSink;
use crate::state::State;

impl State {
    /// One order of a client.
    #[inline]
    pub(crate) fn new_order<S: EventSink>(&mut self, order: &NewOrder, sink: &mut S) -> Outcome {
        self.place(order, ParentId(0), sink)
    }

    /// Each order on its own; the outcome tells the first refusal.
    pub(crate) fn bulk_orders<S: EventSink>(&mut self, orders: &[NewOrder], sink: &mut S) -> Outcome {
        if orders.is_empty() || orders.len() > limits::BATCH_ORDERS_MAX {
            return self.refuse_batch(orders, RejectCode::BatchTooLarge, sink);
        }
        let mut outcome = Outcome::DONE;
        for order in orders {
            let one = self.place(order, ParentId(0), sink);
            outcome.code = outcome.code.or(one.code);
            outcome.id = if outcome.id == 0 { one.id } else { outcome.id };
        }
        outcome
    }

    /// All or none: every order is checked and held before any is sent.
    pub(crate) fn basket_orders<S: EventSink>(&mut self, orders: &[NewOrder], sink: &mut S) -> Outcome {
        if orders.is_empty() || orders.len() > limits::BATCH_ORDERS_MAX {
            return self.refuse_batch(orders, RejectCode::BatchTooLarge, sink);
        }
        if let Some(first) = self.repeated_basket(orders) {
            return first;
        }
        if let Some(code) = self.basket_refusal(orders) {
            for order in orders {
                self.reject_unplaced(order, ParentId(0), Refusal::from(code), sink);
            }
            return Outcome::refused(code);
        }
        let placed: Vec<(OrderId, RouteOrder)> = orders
            .iter()
            .map(|order| {
                let row = self.ledger.row_of(order.account).expect("the basket was checked");
                let hold = self.check_order(row, order).expect("the basket was checked on a copy of the rows");
                self.book_order(row, order, ParentId(0), hold, sink)
            })
            .collect();
        for (_, route) in &placed {
            self.route(route, sink);
        }
        Outcome::order(placed[0].0, None)
    }

    fn refuse_batch<S: EventSink>(&self, orders: &[NewOrder], code: RejectCode, sink: &mut S) -> Outcome {
        let account = orders.first().map_or(heng_model::AccountId(0), |order| order.account);
        sink.emit(heng_model::event::CommandRefused { command: 44, account, code }.into());
        Outcome::refused(code)
    }

    /// A basket whose first key is known was sent before: its first outcome is told again.
    fn repeated_basket(&self, orders: &[NewOrder]) -> Option<Outcome> {
        let first = &orders[0];
        let row = self.ledger.row_of(first.account)?;
        self.repeated(row, first)
    }

    /// Checks a basket against rows that already carry its earlier orders' holds, and restores them.
    fn basket_refusal(&mut self, orders: &[NewOrder]) -> Option<RejectCode> {
        let mut held: Vec<(u32, usize, Hold)> = Vec::with_capacity(orders.len());
        let mut refusal = None;
        for (at, order) in orders.iter().enumerate() {
            let result = self.admit(order).and_then(|row| {
                let hold = self.check_order(row, order).map_err(|refusal| refusal.code)?;
                let twice = orders[..at].iter().any(|o| o.account == order.account && o.client_order == order.client_order);
                if twice || self.keys.get(row, order.client_order).is_some() {
                    return Err(RejectCode::KeyReused);
                }
                Ok((row, at, hold))
            });
            match result {
                Ok(step) => {
                    self.apply_hold(step.0, order, step.2, 1);
                    held.push(step);
                }
                Err(_) if at > 0 => refusal = Some(RejectCode::BasketRefused),
                Err(code) => refusal = Some(code),
            }
            if refusal.is_some() {
                break;
            }
        }
        for (row, at, hold) in held {
            self.apply_hold(row, &orders[at], hold, -1);
        }
        refusal
    }

    /// The way of every order: key, check, hold, route.
    #[inline]
    pub(crate) fn place<S: EventSink>(&mut self, order: &NewOrder, parent: ParentId, sink: &mut S) -> Outcome {
        // Step 2. Before there is a row and a date there is no key.
        let row = match self.admit(order) {
            Ok(row) => row,
            Err(code) => return self.refuse_keyless(order, parent, code, sink),
        };
        if let Some(outcome) = self.repeated(row, order) {
            if outcome.code == Some(RejectCode::KeyReused) {
                Self::tell_rejected(OrderId(0), order, parent, RejectCode::KeyReused.into(), sink);
            }
            return outcome;
        }
        if self.orders.len() >= limits::ORDERS_PER_DAY_MAX {
            return self.refuse_keyless(order, parent, RejectCode::TableFull, sink);
        }
        self.count_order(row);
        // Step 3.
        let hold = match self.check_order(row, order) {
            Ok(hold) => hold,
            Err(refusal) => return self.reject(row, order, parent, refusal, sink),
        };
        // Steps 4 and 5.
        let (id, route) = self.book_order(row, order, parent, hold, sink);
        self.route(&route, sink);
        let index = self.orders.index_of(id.number()).expect("the order was just placed");
        Outcome::order(id, self.orders.get(index).reject_code())
    }

    /// The account's row, if the order may have a key at all.
    #[inline]
    fn admit(&self, order: &NewOrder) -> Result<u32, RejectCode> {
        let row = self.ledger.row_of(order.account).ok_or(RejectCode::UnknownAccount)?;
        if order.trade_date == self.date && (self.day_open || self.keys.get(row, order.client_order).is_some()) {
            return Ok(row);
        }
        if order.trade_date == self.date && self.date != heng_model::TradeDate::NONE {
            return Err(RejectCode::DayNotOpen);
        }
        if order.trade_date == self.past_date && self.past_keys.get(row, order.client_order).is_some() {
            return Ok(row);
        }
        Err(if order.trade_date < self.date { RejectCode::KeyExpired } else { RejectCode::WrongTradeDate })
    }

    /// The original outcome of a repeated key, or `KeyReused` if the content differs.
    #[inline]
    fn repeated(&self, row: u32, order: &NewOrder) -> Option<Outcome> {
        if order.trade_date != self.date {
            let (content, target) = self.past_keys.get(row, order.client_order)?;
            let outcome = self.past_outcome(target);
            return Some(Self::same_or_reused(content == content_of(order), outcome));
        }
        let (content, target) = self.keys.get(row, order.client_order)?;
        let Target::Order(index) = target else { return Some(Outcome::refused(RejectCode::KeyReused)) };
        let id = OrderId::of(self.partition, self.orders.base + u64::from(index));
        let outcome = Outcome { code: self.orders.get(index).reject_code(), id: id.0, repeated: true };
        Some(Self::same_or_reused(content == content_of(order), outcome))
    }

    pub(crate) const fn same_or_reused(same: bool, outcome: Outcome) -> Outcome {
        if same { outcome } else { Outcome { code: Some(RejectCode::KeyReused), id: outcome.id, repeated: true } }
    }

    pub(crate) fn past_outcome(&self, target: Target) -> Outcome {
        let past = match target {
            Target::Order(index) => &self.past_orders[index as usize],
            Target::Parent(index) => &self.past_parents[index as usize],
        };
        Outcome { code: past.code, id: past.id, repeated: true }
    }

    /// Counts an order or cancel in the account's second and day.
    #[inline]
    pub(crate) fn count_sent(&mut self, row: u32) {
        let second = self.time.0 / SECOND;
        let account = self.ledger.account_mut(row);
        if account.rate_second != second {
            account.rate_second = second;
            account.sent = 0;
        }
        account.sent += 1;
    }

    #[inline]
    fn count_order(&mut self, row: u32) {
        self.count_sent(row);
        self.ledger.account_mut(row).orders_today += 1;
    }

    /// Step 3: all checks of the account side.
    #[inline]
    pub(crate) fn check_order(&self, row: u32, order: &NewOrder) -> Result<Hold, Refusal> {
        let Some(day) = self.day_of(order.instrument) else {
            let known = self.instruments.contains_key(&order.instrument);
            let code = if known { RejectCode::NoReference } else { RejectCode::UnknownInstrument };
            return Err(code.into());
        };
        let currency = settle_of(day, order.side, self.rates).currency();
        let ask = Ask {
            order,
            account: self.ledger.account(row),
            cash: self.ledger.cash(row, currency),
            position: self.ledger.position(row, order.instrument),
            day,
            rates: self.rates,
            all_stopped: self.all_stopped,
            now: self.time,
            rules: &self.risk_rules,
        };
        let hold = check(&ask)?;
        if day.board == Board::Hk && order.side == Side::Buy && self.quota_left.is_some_and(|left| left <= Money::ZERO) {
            return Err(RejectCode::QuotaExhausted.into());
        }
        Ok(hold)
    }

    /// Step 4: holds (sign 1) or releases (sign -1).
    #[inline]
    pub(crate) fn apply_hold(&mut self, row: u32, order: &NewOrder, hold: Hold, sign: i64) {
        if order.side == Side::Sell {
            self.ledger.hold_shares(row, order.instrument, Qty(hold.shares.0 * sign));
        } else {
            let day = self.days[order.instrument.0 as usize].as_ref().expect("the order was checked");
            let currency = settle_of(day, order.side, self.rates).currency();
            self.ledger.hold_cash(row, currency, Money(hold.cash.0 * sign));
        }
    }

    /// Holds, records and tells an order that passed the checks; returns what goes to the venue.
    #[inline]
    fn book_order<S: EventSink>(
        &mut self,
        row: u32,
        order: &NewOrder,
        parent: ParentId,
        hold: Hold,
        sink: &mut S,
    ) -> (OrderId, RouteOrder) {
        self.apply_hold(row, order, hold, 1);
        let price = self.hold_price(order);
        let id = self.record_order(row, order, parent, OrderStatus::Routed, price, hold.cash);
        self.ledger.account_mut(row).open_orders += 1;
        sink.emit(
            OrderPlaced {
                order: id,
                account: order.account,
                client_order: order.client_order,
                trade_date: order.trade_date,
                instrument: order.instrument,
                side: order.side,
                order_type: order.order_type,
                price: order.price,
                quantity: order.quantity,
                self_trade: order.self_trade,
                parent,
                hold_cash: hold.cash,
                hold_quantity: hold.shares,
            }
            .into(),
        );
        let route = RouteOrder {
            order: id,
            owner: self.ledger.account(row).owner,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            price: order.price,
            quantity: order.quantity,
            self_trade: order.self_trade,
        };
        (id, route)
    }

    /// The highest price that a buy can pay: what its hold is computed with.
    #[inline]
    fn hold_price(&self, order: &NewOrder) -> Price {
        if order.price != Price::ZERO {
            return order.price;
        }
        let day = self.days[order.instrument.0 as usize].as_ref().expect("the order was checked");
        day.limits.map_or(day.prev_close, |(_, up)| up)
    }

    #[inline]
    fn record_order(
        &mut self,
        row: u32,
        order: &NewOrder,
        parent: ParentId,
        status: OrderStatus,
        price: Price,
        hold_cash: Money,
    ) -> OrderId {
        let previous = core::mem::replace(&mut self.last_order[row as usize], self.orders.len());
        let index = self.orders.push(OrderRecord {
            seq: self.seq,
            price,
            quantity: order.quantity,
            filled: Qty::ZERO,
            value: Money::ZERO,
            hold_cash,
            account_row: row,
            instrument: order.instrument,
            venue_ref: NO_VENUE_REF,
            previous,
            code: 0,
            status,
            side: order.side,
            order_type: order.order_type,
            self_trade: order.self_trade,
            has_parent: parent != ParentId(0),
        });
        self.keys.insert(row, order.client_order, content_of(order), Target::Order(index));
        if parent != ParentId(0) {
            self.parents.adopt(parent, index);
        }
        OrderId::of(self.partition, self.orders.base + u64::from(index))
    }

    /// Step 5: to the instrument's venue partition; its own venue is called at once.
    #[inline]
    pub(crate) fn route<S: EventSink>(&mut self, route: &RouteOrder, sink: &mut S) {
        let to = self.days[route.instrument.0 as usize].as_ref().expect("the order was checked").partition;
        if to == self.partition {
            self.enter_venue(route, sink);
        } else {
            sink.send(to, (*route).into());
        }
    }

    /// Refuses an order that has a key: it is recorded, so that a repeat gets the same answer.
    #[cold]
    fn reject<S: EventSink>(
        &mut self,
        row: u32,
        order: &NewOrder,
        parent: ParentId,
        refusal: Refusal,
        sink: &mut S,
    ) -> Outcome {
        let id = self.record_order(row, order, parent, OrderStatus::Rejected, order.price, Money::ZERO);
        let index = self.orders.index_of(id.number()).expect("the order was just recorded");
        self.orders.get_mut(index).code = refusal.code.number();
        Self::tell_rejected(id, order, parent, refusal, sink);
        Outcome::order(id, Some(refusal.code))
    }

    /// Refuses an order of a basket that was never placed.
    fn reject_unplaced<S: EventSink>(&mut self, order: &NewOrder, parent: ParentId, refusal: Refusal, sink: &mut S) {
        match self.admit(order) {
            Ok(row) if self.keys.get(row, order.client_order).is_none() => {
                self.reject(row, order, parent, refusal, sink);
            }
            _ => Self::tell_rejected(OrderId(0), order, parent, refusal, sink),
        }
    }

    /// Refuses an order that can have no key: unknown account, no open day, a wrong date.
    #[cold]
    fn refuse_keyless<S: EventSink>(&self, order: &NewOrder, parent: ParentId, code: RejectCode, sink: &mut S) -> Outcome {
        Self::tell_rejected(OrderId(0), order, parent, code.into(), sink);
        Outcome::refused(code)
    }

    pub(crate) fn tell_rejected<S: EventSink>(
        id: OrderId,
        order: &NewOrder,
        parent: ParentId,
        refusal: Refusal,
        sink: &mut S,
    ) {
        sink.emit(
            OrderRejected {
                order: id,
                account: order.account,
                client_order: order.client_order,
                trade_date: order.trade_date,
                instrument: order.instrument,
                side: order.side,
                order_type: order.order_type,
                price: order.price,
                quantity: order.quantity,
                parent,
                code: refusal.code,
                rule: refusal.rule,
            }
            .into(),
        );
    }

    /// The exact value of a fill.
    #[inline]
    pub(crate) fn value_of(&self, instrument: heng_model::InstrumentId, price: Price, quantity: Qty) -> Money {
        let day = self.days[instrument.0 as usize].as_ref().expect("fills come on days with a reference");
        notional(day.rules.quotation, price, quantity).expect("the order's value was checked at its highest price")
    }
}

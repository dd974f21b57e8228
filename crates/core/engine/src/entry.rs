//! New orders: key, check, hold, route.

use heng_ledger::Account;
use heng_model::command::{NewOrder, RouteOrder};
use heng_model::event::{OrderPlaced, OrderRejected};
use heng_model::market::OrderStatus;
use heng_model::{
    ClientOrderId, InstrumentId, Money, OrderId, ParentId, Price, Qty, RejectCode, SECOND, Side, TradeDate, limits,
};
use heng_pretrade::{Ask, Hold, InstrumentDay, Refusal, Witness, check_watched, settle_of, worth_of};

use crate::inspect::mark_refused;
use crate::keys::{Target, content_of};
use crate::orders::{OrderOrigin, OrderRecord};
use crate::pipeline::Outcome;
use crate::sink::EventSink;
use crate::state::State;

impl State {
    /// One order of a client.
    #[inline]
    pub(crate) fn new_order<S: EventSink>(&mut self, order: &NewOrder, sink: &mut S) -> Outcome {
        self.place(order, ParentId(0), sink)
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
        let hold = match self.check_told(row, order, sink) {
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
    pub(crate) fn admit(&self, order: &NewOrder) -> Result<u32, RejectCode> {
        let row = self.ledger.row_of(order.account).ok_or(RejectCode::UnknownAccount)?;
        self.admit_key(row, order.trade_date, order.client_order)?;
        Ok(row)
    }

    /// Whether a key of this date may be new, or is known: keys are kept for the last two trade dates.
    #[inline]
    pub(crate) fn admit_key(&self, row: u32, date: TradeDate, id: ClientOrderId) -> Result<(), RejectCode> {
        if date == self.date && date != TradeDate::NONE {
            let known = self.day_open || self.keys.get(row, id).is_some();
            return if known { Ok(()) } else { Err(RejectCode::DayNotOpen) };
        }
        if self.date == TradeDate::NONE {
            return Err(RejectCode::DayNotOpen);
        }
        if date == self.past_date && self.past_keys.get(row, id).is_some() {
            return Ok(());
        }
        Err(if date < self.past_date { RejectCode::KeyExpired } else { RejectCode::WrongTradeDate })
    }

    /// The original outcome of a repeated key, or `KeyReused` if the content differs.
    #[inline]
    pub(crate) fn repeated(&self, row: u32, order: &NewOrder) -> Option<Outcome> {
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
        if same { outcome } else { Outcome { code: Some(RejectCode::KeyReused), id: outcome.id, repeated: false } }
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
        let second = (self.time.0 / SECOND) as u32;
        let account = self.ledger.account_mut(row);
        if account.rate_second != second {
            account.rate_second = second;
            account.sent = 0;
        }
        account.sent += 1;
    }

    #[inline]
    pub(crate) fn count_order(&mut self, row: u32) {
        self.count_sent(row);
        self.ledger.account_mut(row).orders_today += 1;
    }

    /// Step 3: all checks of the account side; whoever watches is told what they looked at.
    #[inline]
    pub(crate) fn check_told<S: EventSink>(&self, row: u32, order: &NewOrder, sink: &mut S) -> Result<Hold, Refusal> {
        if !S::WATCHES {
            return self.check_order(row, self.ledger.account(row), order, &mut ());
        }
        let mut checks = Vec::new();
        let result = self.check_order(row, self.ledger.account(row), order, &mut checks);
        mark_refused(&mut checks, result.is_err());
        sink.checked(order, checks);
        result
    }

    /// The checks, as if `account` stood in the row of the account.
    #[inline]
    pub(crate) fn check_order<W: Witness>(
        &self,
        row: u32,
        account: &Account,
        order: &NewOrder,
        witness: &mut W,
    ) -> Result<Hold, Refusal> {
        let Some(day) = self.day_of(order.instrument) else {
            let known = self.instruments.contains_key(&order.instrument);
            let code = if known { RejectCode::NoReference } else { RejectCode::UnknownInstrument };
            return Err(code.into());
        };
        let currency = settle_of(day, order.side, self.rates).currency();
        let ask = Ask {
            order,
            account,
            limits: self.ledger.limits(row),
            cash: self.ledger.cash(row, currency),
            position: self.ledger.position(row, order.instrument),
            day,
            rates: self.rates,
            quota_left: self.quota_left,
            all_stopped: self.all_stopped,
            now: self.time,
            rules: &self.risk_rules,
        };
        check_watched(&ask, witness)
    }

    /// Step 4: holds (sign 1) or releases (sign -1).
    #[inline]
    pub(crate) fn apply_hold(&mut self, row: u32, order: &NewOrder, hold: Hold, sign: i64) {
        let quantity = Qty(order.quantity.0 * sign);
        self.move_hold(row, order.instrument, order.side, Money(hold.cash.0 * sign), quantity);
    }

    /// Holds, or releases if negative: cash for a buy of `quantity`, `quantity` shares for a sell.
    #[inline]
    pub(crate) fn move_hold(&mut self, row: u32, instrument: InstrumentId, side: Side, cash: Money, quantity: Qty) {
        if side == Side::Sell {
            return self.ledger.hold_shares(row, instrument, quantity);
        }
        let day = self.days[instrument.0 as usize].as_ref().expect("the order was checked");
        let (settle, capped) = (settle_of(day, side, self.rates), is_capped(day));
        self.ledger.hold_cash(row, settle.currency(), cash, settle.connect);
        if settle.connect {
            self.use_quota(-cash);
        }
        if capped {
            self.ledger.note_buying(row, instrument, quantity);
        }
    }

    /// Holds, records and tells an order that passed the checks; returns what goes to the venue.
    #[inline]
    pub(crate) fn book_order<S: EventSink>(
        &mut self,
        row: u32,
        order: &NewOrder,
        parent: ParentId,
        hold: Hold,
        sink: &mut S,
    ) -> (OrderId, RouteOrder) {
        self.apply_hold(row, order, hold, 1);
        let index = self.record_order(row, order);
        let record = self.orders.get_mut(index);
        record.hold_cash = hold.cash;
        if parent != ParentId(0) {
            record.has_parent = true;
            self.parents.adopt(parent, index);
        }
        let id = self.order_id(index);
        self.ledger.account_mut(row).open_orders += 1;
        sink.tell(OrderPlaced {
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
        });
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

    #[inline]
    fn record_order(&mut self, row: u32, order: &NewOrder) -> u32 {
        let previous = core::mem::replace(&mut self.last_order[row as usize], self.orders.len());
        let target = Target::Order(self.orders.len());
        let key = self.keys.insert(row, order.client_order, content_of(order), target);
        self.orders.push(OrderRecord::new(order, row), OrderOrigin { seq: self.seq, previous, key })
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
    pub(crate) fn reject<S: EventSink>(
        &mut self,
        row: u32,
        order: &NewOrder,
        parent: ParentId,
        refusal: Refusal,
        sink: &mut S,
    ) -> Outcome {
        let index = self.record_order(row, order);
        let record = self.orders.get_mut(index);
        record.status = OrderStatus::Rejected;
        record.code = refusal.code.number();
        let id = self.order_id(index);
        Self::tell_rejected(id, order, parent, refusal, sink);
        Outcome::order(id, Some(refusal.code))
    }

    /// Refuses an order that can have no key: unknown account, no open day, a wrong date.
    #[cold]
    fn refuse_keyless<S: EventSink>(
        &self,
        order: &NewOrder,
        parent: ParentId,
        code: RejectCode,
        sink: &mut S,
    ) -> Outcome {
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
        sink.tell(OrderRejected {
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
        });
    }

    /// What a fill adds to the exact worth of its order.
    #[inline]
    pub(crate) fn worth_of(&self, instrument: InstrumentId, price: Price, quantity: Qty) -> Money {
        let day = self.days[instrument.0 as usize].as_ref().expect("fills come on days with a reference");
        worth_of(day.rules.quotation, price, quantity).expect("QUANTITY_MAX times PRICE_MAX fits")
    }
}

/// Whether a daily cap on buying holds for the instrument, so that live buys are counted.
#[inline]
pub(crate) fn is_capped(day: &InstrumentDay) -> bool {
    day.risk_warning && day.rules.daily_buy_cap.is_some()
}

/// The highest price that an order can pay: what its hold is computed with.
#[inline]
pub(crate) fn worst_price(day: &InstrumentDay, asked: Price) -> Price {
    if asked == Price::ZERO { day.limits.map_or(day.prev_close, |(_, up)| up) } else { asked }
}

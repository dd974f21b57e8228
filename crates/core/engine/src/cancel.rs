//! Cancels: one order, many orders, kill switches.

use heng_model::command::{CancelOrder, KillSwitch, MassCancel, RouteCancel};
use heng_model::event::{CancelRejected, CancelRequested, KillSwitchSet};
use heng_model::market::{AccountStatus, CancelReason, OrderStatus};
use heng_model::{AccountId, InstrumentId, OrderId, RejectCode};

use crate::orders::NO_ORDER;
use crate::pipeline::Outcome;
use crate::sink::EventSink;
use crate::state::State;

impl State {
    /// Cancels one order. Frozen accounts may cancel; so may stopped ones.
    pub(crate) fn cancel_order<S: EventSink>(&mut self, cancel: &CancelOrder, sink: &mut S) -> Outcome {
        match self.cancellable(cancel) {
            Ok(index) => {
                let row = self.orders.get(index).account_row;
                self.count_sent(row);
                self.ledger.account_mut(row).cancels_today += 1;
                self.request_cancel(index, CancelReason::Client, sink);
                let still_live = self.orders.get(index).status.is_live();
                // A venue of our own answers at once: an order that still lives was refused its cancel.
                let own = self.is_own_venue(self.orders.get(index).instrument);
                let code = (own && still_live).then_some(RejectCode::NoCancelPhase);
                Outcome::order(cancel.order, code)
            }
            Err(code) => {
                sink.emit(CancelRejected { order: cancel.order, account: cancel.account, code }.into());
                Outcome::order(cancel.order, Some(code))
            }
        }
    }

    fn is_own_venue(&self, instrument: InstrumentId) -> bool {
        self.day_of(instrument).is_some_and(|day| day.partition == self.partition)
    }

    fn cancellable(&self, cancel: &CancelOrder) -> Result<u32, RejectCode> {
        let row = self.ledger.row_of(cancel.account).ok_or(RejectCode::UnknownAccount)?;
        if self.ledger.account(row).status == AccountStatus::Closed {
            return Err(RejectCode::AccountClosed);
        }
        if cancel.order.partition() != self.partition {
            return Err(RejectCode::UnknownOrder);
        }
        let index = self.orders.index_of(cancel.order.number()).ok_or(RejectCode::UnknownOrder)?;
        let record = self.orders.get(index);
        if record.account_row != row {
            return Err(RejectCode::UnknownOrder);
        }
        match record.status {
            OrderStatus::PendingCancel => Err(RejectCode::CancelUnderWay),
            // An enquiry tells first what became of it; a mass cancel and a kill switch reach it all the same.
            OrderStatus::SentUnknown => Err(RejectCode::OutcomeUnknown),
            status if !status.is_live() => Err(RejectCode::OrderDone),
            _ => Ok(index),
        }
    }

    /// Asks the venue to cancel a live order.
    pub(crate) fn request_cancel<S: EventSink>(&mut self, index: u32, reason: CancelReason, sink: &mut S) {
        let order = self.order_id(index);
        let record = self.orders.get_mut(index);
        record.status = OrderStatus::PendingCancel;
        let message = RouteCancel { order, instrument: record.instrument, venue_ref: record.venue_ref, reason };
        sink.tell(CancelRequested { order });
        let to = self.days[message.instrument.0 as usize].as_ref().expect("live orders have a reference").partition;
        if to == self.partition {
            self.cancel_at_venue(&message, sink);
        } else {
            sink.send(to, message.into());
        }
    }

    /// Cancels all live orders of an account and pauses its parents.
    pub(crate) fn mass_cancel<S: EventSink>(&mut self, cancel: &MassCancel, sink: &mut S) -> Result<(), RejectCode> {
        let row = self.ledger.row_of(cancel.account).ok_or(RejectCode::UnknownAccount)?;
        let only = cancel.by_instrument.then_some(cancel.instrument);
        self.cancel_all_of(row, only, sink);
        self.pause_parents(Some(cancel.account), only, sink);
        Ok(())
    }

    fn cancel_all_of<S: EventSink>(&mut self, row: u32, only: Option<InstrumentId>, sink: &mut S) {
        let mut next = self.last_order[row as usize];
        let mut live = Vec::new();
        while next != NO_ORDER {
            let record = self.orders.get(next);
            if record.status.is_live() && only.is_none_or(|instrument| record.instrument == instrument) {
                live.push(next);
            }
            next = self.orders.origin(next).previous;
        }
        // Oldest first, as they came.
        for index in live.into_iter().rev() {
            self.cancel_if_live(index, sink);
        }
    }

    fn cancel_if_live<S: EventSink>(&mut self, index: u32, sink: &mut S) {
        let status = self.orders.get(index).status;
        if status.is_live() && status != OrderStatus::PendingCancel {
            self.request_cancel(index, CancelReason::Mass, sink);
        }
    }

    /// Sets or frees a kill switch.
    pub(crate) fn kill_switch<S: EventSink>(&mut self, switch: &KillSwitch, sink: &mut S) -> Result<(), RejectCode> {
        let only = switch.by_instrument.then_some(switch.instrument);
        if only.is_some() && switch.account != AccountId(0) {
            return Err(RejectCode::BadField);
        }
        if let Some(id) = only {
            let instrument = self.instruments.get_mut(&id).ok_or(RejectCode::UnknownInstrument)?;
            instrument.stopped = switch.on;
            if let Some(Some(day)) = self.days.get_mut(id.0 as usize) {
                day.stopped = switch.on;
            }
        } else if switch.account == AccountId(0) {
            self.all_stopped = switch.on;
        } else {
            let row = self.ledger.row_of(switch.account).ok_or(RejectCode::UnknownAccount)?;
            self.ledger.account_mut(row).stopped = switch.on;
        }
        let KillSwitch { account, by_instrument, instrument, on, cancel_live } = *switch;
        sink.emit(KillSwitchSet { account, by_instrument, instrument, on }.into());
        if on {
            let whose = (account != AccountId(0)).then_some(account);
            self.pause_parents(whose, only, sink);
            if cancel_live {
                self.cancel_in_scope(whose, only, sink);
            }
        }
        Ok(())
    }

    fn cancel_in_scope<S: EventSink>(&mut self, whose: Option<AccountId>, only: Option<InstrumentId>, sink: &mut S) {
        if let Some(row) = whose.and_then(|account| self.ledger.row_of(account)) {
            return self.cancel_all_of(row, only, sink);
        }
        for index in 0..self.orders.len() {
            if only.is_none_or(|instrument| self.orders.get(index).instrument == instrument) {
                self.cancel_if_live(index, sink);
            }
        }
    }

    /// The account that a command names, for its refusal.
    pub(crate) fn account_named(&self, command: &heng_model::Command) -> AccountId {
        use heng_model::Command as C;
        match command {
            C::MassCancel(c) => c.account,
            C::KillSwitch(c) => c.account,
            C::ControlParent(c) => c.account,
            C::OpenAccount(c) => c.account,
            C::SetAccountStatus(c) => c.account,
            C::SetRights(c) => c.account,
            C::SetAccountLimits(c) => c.account,
            C::Deposit(c) => c.account,
            C::Withdraw(c) => c.account,
            C::TransferHolding(c) => c.account,
            C::PostCorporateAction(c) => c.account,
            C::PostDifference(c) => c.account,
            _ => AccountId(0),
        }
    }

    /// An order's id, if the number is of this trade date.
    #[must_use]
    pub fn order_by_number(&self, number: u64) -> Option<OrderId> {
        self.orders.index_of(number).map(|index| self.order_id(index))
    }
}

//! Step 7: what a venue reports changes hold, books and order.

use heng_ledger::{Fees, FillPosting};
use heng_model::command::{NewOrder, ReportKind, VenueReport};
use heng_model::event::{CancelRejected, OrderCancelled, OrderFilled, OrderUnknown};
use heng_model::market::{CancelReason, OrderStatus};
use heng_model::{AccountId, Money, OrderId, ParentId, Price, Qty, RejectCode, Side, limits};
use heng_pretrade::{OrderTerms, amount_of, fees_of, hold_of, line_of, settle_of};

use crate::entry::{is_capped, worst_price};
use crate::orders::OrderRecord;
use crate::pipeline::{Outcome, refuse};
use crate::sink::EventSink;
use crate::state::State;

impl State {
    /// A report from another partition: a venue of ours elsewhere, or a real one. What it says is looked at before it is
    /// believed; what cannot be is refused, for reconciliation to settle by a difference entry.
    pub(crate) fn report_arrives<S: EventSink>(&mut self, report: &VenueReport, sink: &mut S) -> Outcome {
        match self.check_report(report) {
            Ok(()) => {
                self.take_report(report, sink);
                self.note_reported(report);
                Outcome::order(report.order, None)
            }
            Err((account, code)) => refuse(&(*report).into(), account, code, sink),
        }
    }

    fn check_report(&self, report: &VenueReport) -> Result<(), (AccountId, RejectCode)> {
        let record = self.order(report.order).ok_or((AccountId(0), RejectCode::UnknownOrder))?;
        let refused = |code| Err((self.ledger.account(record.account_row).id, code));
        if !record.status.is_live() {
            return refused(RejectCode::OrderDone);
        }
        let day = self.days[record.instrument.0 as usize].as_ref().expect("live orders have a reference");
        if day.partition == self.partition {
            // Its own venue answers within the command that asks; nobody else may speak for it.
            return refused(RejectCode::BadField);
        }
        let index = self.orders.index_of(report.order.number()).expect("the order was just found");
        if report.kind == ReportKind::Fill && self.reported.is_repeat(index, report.trade) {
            // A fill that is reported again (a resend after a reconnection) must not post again.
            return refused(RejectCode::AlreadyExists);
        }
        let (quantity, remaining) = (report.quantity, record.remaining());
        let sound = match report.kind {
            ReportKind::Fill => {
                let price_is_kept = record.side == Side::Sell || report.price <= worst_price(day, record.price);
                let in_range = (1..=limits::PRICE_MAX).contains(&report.price.0);
                let part = quantity > Qty::ZERO && quantity <= remaining;
                in_range && price_is_kept && part && self.value_fits(record, report.price, quantity)
            }
            ReportKind::Reduced => quantity > Qty::ZERO && quantity < remaining,
            ReportKind::Cancelled => quantity >= Qty::ZERO && quantity <= remaining,
            _ => true,
        };
        if sound { Ok(()) } else { refused(RejectCode::BadField) }
    }

    /// Remembers the trade of a report that was taken, while its order lives.
    fn note_reported(&mut self, report: &VenueReport) {
        let index = self.orders.index_of(report.order.number()).expect("the report was just taken");
        if !self.orders.get(index).status.is_live() {
            self.reported.forget(index);
        } else if report.kind == ReportKind::Fill {
            self.reported.note(index, report.trade);
        }
    }

    fn value_fits(&self, record: &OrderRecord, price: Price, quantity: Qty) -> bool {
        let day = self.days[record.instrument.0 as usize].as_ref().expect("live orders have a reference");
        let worth = self.worth_of(record.instrument, price, quantity);
        let sum = record.worth.0.checked_add(worth.0);
        sum.is_some_and(|sum| amount_of(day.rules.quotation, Money(sum)).0 <= limits::MONEY_MAX)
    }

    /// Takes a report about a live order of this partition.
    #[inline]
    pub(crate) fn take_report<S: EventSink>(&mut self, report: &VenueReport, sink: &mut S) {
        let index = self.orders.index_of(report.order.number()).expect("venues report what was routed to them");
        assert!(self.orders.get(index).status.is_live(), "order {} is done", report.order);
        if report.kind == ReportKind::Working {
            return self.on_working(index, report);
        }
        let record = *self.orders.get(index);
        match report.kind {
            ReportKind::Working => {}
            ReportKind::Fill => self.on_fill(index, &record, report, sink),
            ReportKind::Rejected => self.on_rejected(index, &record, report, sink),
            ReportKind::Cancelled => self.on_cancelled(index, &record, report, sink),
            ReportKind::Reduced => self.on_reduced(index, &record, report, CancelReason::SelfTrade, sink),
            ReportKind::CancelRejected => self.on_cancel_rejected(index, &record, report, sink),
            ReportKind::Unknown => self.on_unknown(index, report, sink),
        }
    }

    #[inline]
    fn on_working(&mut self, index: u32, report: &VenueReport) {
        let record = self.orders.get_mut(index);
        record.venue_ref = report.detail;
        if record.status != OrderStatus::PendingCancel {
            record.status = if record.filled > Qty::ZERO { OrderStatus::PartlyFilled } else { OrderStatus::Working };
        }
    }

    /// The hold of an order in its present state.
    #[inline]
    fn hold_now(&self, record: &OrderRecord, remaining: Qty, worth: Money, fees: &Fees) -> heng_pretrade::Hold {
        let day = self.days[record.instrument.0 as usize].as_ref().expect("live orders have a reference");
        let terms = OrderTerms {
            side: record.side,
            price: worst_price(day, record.price),
            remaining,
            filled_worth: worth,
            filled_fees: fees.total,
            commission: self.ledger.account(record.account_row).commission(),
        };
        hold_of(day, &terms, self.rates).expect("less than what the order held before")
    }

    #[inline]
    fn on_fill<S: EventSink>(&mut self, index: u32, before: &OrderRecord, report: &VenueReport, sink: &mut S) {
        let row = before.account_row;
        let commission = self.ledger.account(row).commission();
        let worth = before.worth + self.worth_of(before.instrument, report.price, report.quantity);
        let filled = before.filled + report.quantity;
        assert!(filled <= before.quantity, "order {} filled beyond its quantity", report.order);
        let day = self.days[before.instrument.0 as usize].as_ref().expect("live orders have a reference");
        let fees_before = fees_of(day, before.side, before.worth, commission);
        let fees_now = fees_of(day, before.side, worth, commission);
        let fees = fees_now.since(&fees_before);
        let hold = self.hold_now(before, before.quantity - filled, worth, &fees_now);
        let quotation = day.rules.quotation;
        let amount_before = amount_of(quotation, before.worth);
        let posting = FillPosting {
            row,
            instrument: before.instrument,
            side: before.side,
            quantity: report.quantity,
            amount: amount_of(quotation, worth) - amount_before,
            fees,
            line_before: line_of(before.side, amount_before, &fees_before),
            settle: settle_of(day, before.side, self.rates),
            same_day_sale: day.rules.same_day_sell,
            release_cash: before.hold_cash - hold.cash,
        };
        let (connect, capped) = (posting.settle.connect, before.side == Side::Buy && is_capped(day));
        let cash = self.ledger.post_fill(&posting);
        self.note_fill(index, filled, worth, hold.cash, posting.amount);
        if connect {
            self.use_quota(cash + posting.release_cash);
        }
        if capped {
            self.ledger.note_buying(row, before.instrument, -report.quantity);
        }
        sink.tell(OrderFilled {
            order: report.order,
            account: self.ledger.account(row).id,
            instrument: before.instrument,
            trade: report.trade,
            side: before.side,
            price: report.price,
            quantity: report.quantity,
            filled,
            amount: posting.amount,
            commission: fees.commission,
            stamp: fees.stamp,
            transfer: fees.transfer,
            handling: fees.handling,
            regulatory: fees.regulatory,
            sfc: fees.sfc,
            afrc: fees.afrc,
            trading: fees.trading,
            settlement: fees.settlement,
            rate: posting.settle.rate,
            cash,
            hold_cash: hold.cash,
            hold_quantity: hold.shares,
        });
        if before.has_parent {
            self.parent_filled(index, sink);
        }
    }

    #[inline]
    fn note_fill(&mut self, index: u32, filled: Qty, worth: Money, hold_cash: Money, amount: Money) {
        let record = self.orders.get_mut(index);
        record.filled = filled;
        record.worth = worth;
        record.hold_cash = hold_cash;
        if filled == record.quantity {
            record.status = OrderStatus::Filled;
        } else if record.status != OrderStatus::PendingCancel {
            record.status = OrderStatus::PartlyFilled;
        }
        let done = !record.status.is_live();
        let (row, side) = (record.account_row, record.side);
        let account = self.ledger.account_mut(row);
        account.open_orders -= u32::from(done);
        let traded = match side {
            Side::Buy => &mut account.bought_today,
            Side::Sell => &mut account.sold_today,
        };
        // A turnover, not money: it may stop growing, it may not stop trading.
        traded.0 = traded.0.saturating_add(amount.0);
    }

    /// HK buying uses the quota tranche from its hold on; selling, and what is released, gives it back.
    #[inline]
    pub(crate) fn use_quota(&mut self, cash: Money) {
        if let Some(left) = &mut self.quota_left {
            *left += cash;
        }
    }

    /// Releases the whole hold of an order that leaves the market.
    #[inline]
    fn release<S: EventSink>(&mut self, index: u32, before: &OrderRecord, status: OrderStatus, sink: &mut S) {
        self.move_hold(before.account_row, before.instrument, before.side, -before.hold_cash, -before.remaining());
        let record = self.orders.get_mut(index);
        record.hold_cash = Money::ZERO;
        record.status = status;
        self.ledger.account_mut(before.account_row).open_orders -= 1;
        if before.has_parent {
            self.parent_filled(index, sink);
        }
    }

    fn on_rejected<S: EventSink>(&mut self, index: u32, before: &OrderRecord, report: &VenueReport, sink: &mut S) {
        if before.filled > Qty::ZERO {
            // What has traded cannot be refused any more: the rest is cancelled.
            let rest = VenueReport { quantity: Qty::ZERO, reason: CancelReason::Venue as u8, ..*report };
            return self.on_cancelled(index, before, &rest, sink);
        }
        let number = u16::try_from(report.detail).unwrap_or(0);
        let code = RejectCode::from_number(number).unwrap_or(RejectCode::PhaseForbids);
        self.orders.get_mut(index).code = code.number();
        let told = self.as_asked(index, before);
        let parent = if before.has_parent { self.parents.of(index) } else { ParentId(0) };
        Self::tell_rejected(report.order, &told, parent, code.into(), sink);
        self.release(index, before, OrderStatus::Rejected, sink);
    }

    /// The order as its client asked for it.
    fn as_asked(&self, index: u32, record: &OrderRecord) -> NewOrder {
        NewOrder {
            account: self.ledger.account(record.account_row).id,
            client_order: self.keys.client_order(self.orders.origin(index).key),
            trade_date: self.date,
            instrument: record.instrument,
            side: record.side,
            order_type: record.order_type,
            price: record.price,
            quantity: record.quantity,
            self_trade: record.self_trade,
        }
    }

    #[inline]
    fn on_cancelled<S: EventSink>(&mut self, index: u32, before: &OrderRecord, report: &VenueReport, sink: &mut S) {
        let reason = CancelReason::from_code(report.reason).unwrap_or(CancelReason::Venue);
        if report.quantity > Qty::ZERO && report.quantity < before.remaining() {
            // The venue cancelled less than we think is left: fills are still on their way, so the order lives on.
            return self.on_reduced(index, before, report, reason, sink);
        }
        sink.tell(OrderCancelled {
            order: report.order,
            account: self.ledger.account(before.account_row).id,
            quantity: before.remaining(),
            reason,
            hold_cash: Money::ZERO,
            hold_quantity: Qty::ZERO,
            shrunk: false,
        });
        self.release(index, before, before.status_after(reason), sink);
    }

    /// The order goes on with less: self-trade prevention by decrement, or a cancel that overtook fills.
    fn on_reduced<S: EventSink>(
        &mut self,
        index: u32,
        before: &OrderRecord,
        report: &VenueReport,
        reason: CancelReason,
        sink: &mut S,
    ) {
        let remaining = before.remaining() - report.quantity;
        let day = self.days[before.instrument.0 as usize].as_ref().expect("live orders have a reference");
        let commission = self.ledger.account(before.account_row).commission();
        let fees = fees_of(day, before.side, before.worth, commission);
        let hold = self.hold_now(before, remaining, before.worth, &fees);
        let cash = hold.cash - before.hold_cash;
        self.move_hold(before.account_row, before.instrument, before.side, cash, -report.quantity);
        let record = self.orders.get_mut(index);
        record.quantity -= report.quantity;
        record.hold_cash = hold.cash;
        sink.tell(OrderCancelled {
            order: report.order,
            account: self.ledger.account(before.account_row).id,
            quantity: report.quantity,
            reason,
            hold_cash: hold.cash,
            hold_quantity: hold.shares,
            shrunk: true,
        });
    }

    fn on_cancel_rejected<S: EventSink>(
        &mut self,
        index: u32,
        before: &OrderRecord,
        report: &VenueReport,
        sink: &mut S,
    ) {
        let number = u16::try_from(report.detail).unwrap_or(0);
        let code = RejectCode::from_number(number).unwrap_or(RejectCode::OrderDone);
        let record = self.orders.get_mut(index);
        if record.status == OrderStatus::PendingCancel {
            record.status = match (record.filled > Qty::ZERO, record.venue_ref) {
                (true, _) => OrderStatus::PartlyFilled,
                (false, crate::orders::NO_VENUE_REF) => OrderStatus::Routed,
                (false, _) => OrderStatus::Working,
            };
        }
        let account = self.ledger.account(before.account_row).id;
        sink.emit(CancelRejected { order: report.order, account, code }.into());
    }

    fn on_unknown<S: EventSink>(&mut self, index: u32, report: &VenueReport, sink: &mut S) {
        self.orders.get_mut(index).status = OrderStatus::SentUnknown;
        sink.emit(OrderUnknown { order: report.order }.into());
    }

    /// Sends a report to the order's account partition; to its own at once.
    #[inline]
    pub(crate) fn deliver<S: EventSink>(&mut self, report: &VenueReport, sink: &mut S) {
        let to = report.order.partition();
        if to == self.partition {
            self.take_report(report, sink);
        } else {
            sink.send(to, (*report).into());
        }
    }

    /// The id of an order by its index.
    pub(crate) fn order_id(&self, index: u32) -> OrderId {
        OrderId::of(self.partition, self.orders.base + u64::from(index))
    }
}

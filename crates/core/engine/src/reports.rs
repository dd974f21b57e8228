//! Step 7: what a venue reports changes hold, books and order.

use heng_ledger::FillPosting;
use heng_model::command::{NewOrder, ReportKind, VenueReport};
use heng_model::event::{CancelRejected, OrderCancelled, OrderFilled, OrderUnknown};
use heng_model::market::{CancelReason, OrderStatus};
use heng_model::{AccountId, Board, ClientOrderId, Money, OrderId, ParentId, Qty, RejectCode, Side};
use heng_pretrade::{OrderTerms, fees_of, hold_of, minor, settle_of};

use crate::orders::OrderRecord;
use crate::sink::EventSink;
use crate::state::State;

impl State {
    /// Takes a report about an order of this partition. A report about an order that is done, or unknown, changes
    /// nothing and is told as a refusal: what it says is for reconciliation to settle by a difference entry.
    #[inline]
    pub(crate) fn take_report<S: EventSink>(&mut self, report: &VenueReport, sink: &mut S) {
        let Some(index) = self.orders.index_of(report.order.number()) else {
            return Self::refuse_report(RejectCode::UnknownOrder, sink);
        };
        let record = *self.orders.get(index);
        match report.kind {
            _ if !record.status.is_live() => Self::refuse_report(RejectCode::OrderDone, sink),
            ReportKind::Fill => self.on_fill(index, &record, report, sink),
            ReportKind::Working => self.on_working(index, report),
            ReportKind::Rejected => self.on_rejected(index, &record, report, sink),
            ReportKind::Cancelled => self.on_cancelled(index, &record, report, sink),
            ReportKind::Reduced => self.on_reduced(index, &record, report, sink),
            ReportKind::CancelRejected => self.on_cancel_rejected(index, &record, report, sink),
            ReportKind::Unknown => self.on_unknown(index, report, sink),
        }
    }

    #[cold]
    fn refuse_report<S: EventSink>(code: RejectCode, sink: &mut S) {
        sink.emit(heng_model::event::CommandRefused { command: 82, account: AccountId(0), code }.into());
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
    fn hold_now(&self, record: &OrderRecord, remaining: Qty, value: Money) -> heng_pretrade::Hold {
        let terms = OrderTerms {
            side: record.side,
            price: record.price,
            remaining,
            filled_value: value,
            commission: self.ledger.account(record.account_row).commission,
        };
        let day = self.days[record.instrument.0 as usize].as_ref().expect("live orders have a reference");
        hold_of(day, &terms, self.rates).expect("less than what the order held before")
    }

    #[inline]
    fn on_fill<S: EventSink>(&mut self, index: u32, before: &OrderRecord, report: &VenueReport, sink: &mut S) {
        let row = before.account_row;
        let commission = self.ledger.account(row).commission;
        let value = before.value + self.value_of(before.instrument, report.price, report.quantity);
        let filled = before.filled + report.quantity;
        assert!(filled <= before.quantity, "order {} filled beyond its quantity", report.order);
        let hold = self.hold_now(before, before.quantity - filled, value);
        let day = self.days[before.instrument.0 as usize].as_ref().expect("live orders have a reference");
        let fees = fees_of(day, before.side, value, commission).since(&fees_of(day, before.side, before.value, commission));
        let posting = FillPosting {
            row,
            instrument: before.instrument,
            side: before.side,
            quantity: report.quantity,
            amount: minor(value) - minor(before.value),
            fees,
            settle: settle_of(day, before.side, self.rates),
            same_day_sale: day.rules.same_day_sell,
            release_cash: before.hold_cash - hold.cash,
        };
        let is_connect = day.board == Board::Hk;
        let cash = self.ledger.post_fill(&posting);
        self.note_fill(index, filled, value, hold.cash, posting.amount);
        if is_connect {
            self.use_quota(cash);
        }
        sink.emit(
            OrderFilled {
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
            }
            .into(),
        );
        if before.has_parent {
            self.parent_filled(index, sink);
        }
    }

    #[inline]
    fn note_fill(&mut self, index: u32, filled: Qty, value: Money, hold_cash: Money, amount: Money) {
        let record = self.orders.get_mut(index);
        record.filled = filled;
        record.value = value;
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
        match side {
            Side::Buy => account.bought_today += amount,
            Side::Sell => account.sold_today += amount,
        }
    }

    /// Net HK buying uses the quota tranche; selling gives it back.
    fn use_quota(&mut self, cash: Money) {
        if let Some(left) = &mut self.quota_left {
            *left += cash;
        }
    }

    /// Releases the whole hold of an order that leaves the market.
    #[inline]
    fn release<S: EventSink>(&mut self, index: u32, before: &OrderRecord, status: OrderStatus, sink: &mut S) {
        let remaining = before.remaining();
        match before.side {
            Side::Sell => self.ledger.hold_shares(before.account_row, before.instrument, -remaining),
            Side::Buy => {
                let day = self.days[before.instrument.0 as usize].as_ref().expect("live orders have a reference");
                let currency = settle_of(day, before.side, self.rates).currency();
                self.ledger.hold_cash(before.account_row, currency, -before.hold_cash);
            }
        }
        let record = self.orders.get_mut(index);
        record.hold_cash = Money::ZERO;
        record.status = status;
        self.ledger.account_mut(before.account_row).open_orders -= 1;
        if before.has_parent {
            self.parent_filled(index, sink);
        }
    }

    fn on_rejected<S: EventSink>(&mut self, index: u32, before: &OrderRecord, report: &VenueReport, sink: &mut S) {
        let number = u16::try_from(report.detail).unwrap_or(0);
        let code = RejectCode::from_number(number).unwrap_or(RejectCode::PhaseForbids);
        self.orders.get_mut(index).code = code.number();
        let account = self.ledger.account(before.account_row).id;
        let told = self.as_told(before, account);
        Self::tell_rejected(report.order, &told, ParentId(0), code.into(), sink);
        self.release(index, before, OrderStatus::Rejected, sink);
    }

    /// The order as its refusal by the venue tells it; what the placing event told is not repeated from memory.
    fn as_told(&self, record: &OrderRecord, account: AccountId) -> NewOrder {
        NewOrder {
            account,
            client_order: ClientOrderId(0),
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
        sink.emit(
            OrderCancelled {
                order: report.order,
                account: self.ledger.account(before.account_row).id,
                quantity: before.remaining(),
                reason,
                hold_cash: Money::ZERO,
                hold_quantity: Qty::ZERO,
                shrunk: false,
            }
            .into(),
        );
        self.release(index, before, before.status_after(reason), sink);
    }

    /// Self-trade prevention by decrement: the order goes on with less.
    fn on_reduced<S: EventSink>(&mut self, index: u32, before: &OrderRecord, report: &VenueReport, sink: &mut S) {
        let remaining = before.remaining() - report.quantity;
        let hold = self.hold_now(before, remaining, before.value);
        match before.side {
            Side::Sell => self.ledger.hold_shares(before.account_row, before.instrument, -report.quantity),
            Side::Buy => {
                let day = self.days[before.instrument.0 as usize].as_ref().expect("live orders have a reference");
                let currency = settle_of(day, before.side, self.rates).currency();
                self.ledger.hold_cash(before.account_row, currency, hold.cash - before.hold_cash);
            }
        }
        let record = self.orders.get_mut(index);
        record.quantity -= report.quantity;
        record.hold_cash = hold.cash;
        sink.emit(
            OrderCancelled {
                order: report.order,
                account: self.ledger.account(before.account_row).id,
                quantity: report.quantity,
                reason: CancelReason::SelfTrade,
                hold_cash: hold.cash,
                hold_quantity: hold.shares,
                shrunk: true,
            }
            .into(),
        );
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

//! What the venue's messages do to its orders, and what the core's answers do to what was filed.

use std::time::Duration;

use heng_model::command::ReportKind;
use heng_model::{CancelReason, OrderId, Qty, RejectCode};
use heng_ports::Answer;

use super::desk::{Desk, Doubt, Filed, Now};
use super::notes::NotedTrade;
use super::orders::{Stage, TradeState};
use super::says::{Heard, NoCancel, Says, Standing, Tells, Traded};

/// The pause before a report is filed again that the core did not take, or whose outcome is not known.
const AGAIN: Duration = Duration::from_millis(200);

impl Desk {
    /// A message of the venue.
    pub(super) fn hear(&mut self, heard: Heard, now: Now) {
        self.health.reports += 1;
        self.health.last_report_ns = now.utc_ns;
        let Some(order) = heard.order.filter(|order| self.outs.get(*order).is_some()) else {
            return self.hear_of_none(&heard);
        };
        let settles = Some(heard.number);
        match heard.says {
            Says::Trade(traded) => {
                self.heard_of(order);
                self.traded(order, &traded, None, settles, now);
            }
            Says::NoCancel(reason) => self.not_cancelled(order, reason, settles, now),
            Says::Execution { tells: Tells::NotThere, .. } => self.not_there(order, heard.question, settles, now),
            Says::Execution { tells, filled, quantity } => {
                self.heard_of(order);
                if let Some(out) = self.outs.get_mut(order) {
                    out.venue_filled = out.venue_filled.max(filled.min(out.quantity));
                }
                self.execution(order, tells, filled, quantity, settles, now);
            }
        }
        self.plan(order, now);
    }

    fn heard_of(&mut self, order: OrderId) {
        if let Some(out) = self.outs.get_mut(order) {
            out.stage = Stage::Heard;
            out.asked = 0;
        }
    }

    /// When the order is looked at again, after a message about it.
    fn plan(&mut self, order: OrderId, now: Now) {
        let times = self.options.times;
        let Some(out) = self.outs.get(order) else { return };
        let wait = if out.misses_trades() { times.trades_max } else { times.answer_max };
        let when = match out.due {
            _ if !out.waits() => None,
            // What was just sent about it has its own time.
            Some(due) if due > now.at => Some(due.min(now.at + wait)),
            _ => Some(now.at + wait),
        };
        self.outs.watch(order, when);
    }

    /// A message that names no live order.
    fn hear_of_none(&mut self, heard: &Heard) {
        let traded = match &heard.says {
            Says::Trade(traded) | Says::Execution { tells: Tells::Traded(traded), .. } => Some(traded),
            _ => None,
        };
        match (heard.order.filter(|order| self.done.contains(order)), traded) {
            (Some(order), Some(traded)) => match self.trades.find(order, &traded.exec) {
                Some(_) => self.health.repeats += 1,
                None => self.too_late(order, traded),
            },
            (Some(_), None) => self.health.repeats += 1,
            (None, _) => {
                self.health.strange += 1;
                tracing::error!(venue = self.options.name, ?heard, "a venue reports on an order that is not known");
            }
        }
        self.settle(Some(heard.number));
    }

    fn too_late(&mut self, order: OrderId, traded: &Traded) {
        self.health.late += 1;
        tracing::error!(venue = self.options.name, %order, ?traded, "a venue reports a trade of an order that is done");
    }

    fn execution(
        &mut self,
        order: OrderId,
        tells: Tells,
        filled: Qty,
        quantity: Option<Qty>,
        settles: Option<u64>,
        now: Now,
    ) {
        match tells {
            Tells::Working(place) => self.working(order, place, settles),
            Tells::Pending => {
                let unknown = self.outs.get(order).is_some_and(|out| out.unknown);
                if unknown { self.working(order, 0, settles) } else { self.settle(settles) }
            }
            Tells::Traded(traded) => self.traded(order, &traded, Some(filled), settles, now),
            Tells::Ended { expired } => self.ended(order, expired, filled, settles),
            Tells::Refused(code) => self.refused_by_venue(order, code, settles, now),
            Tells::Duplicate => {
                // It had arrived after all.
                self.enquire(order, now);
                self.settle(settles);
            }
            Tells::Stands(Standing::Live | Standing::Refused, place) => {
                self.working(order, place, settles);
                if self.outs.get(order).is_some_and(|out| out.cancel.is_some() && !out.ending) {
                    self.send_cancel(order, now);
                }
            }
            Tells::Stands(Standing::Filled, place) => self.working(order, place, settles),
            Tells::Stands(standing, _) => self.ended(order, standing == Standing::Expired, filled, settles),
            Tells::Reduced => self.reduced(order, quantity, settles),
            Tells::NotThere => self.settle(settles),
            Tells::Strange(what) => {
                self.health.strange += 1;
                tracing::error!(venue = self.options.name, %order, what, "a venue reports what a person must look at");
                self.settle(settles);
            }
        }
    }

    fn working(&mut self, order: OrderId, place: u32, settles: Option<u64>) {
        self.refusals = 0;
        let Some(out) = self.outs.get_mut(order) else { return self.settle(settles) };
        if (out.working && !out.unknown) || out.ending {
            self.health.repeats += u64::from(out.working);
            return self.settle(settles);
        }
        (out.working, out.unknown) = (true, false);
        self.file(order, ReportKind::Working, |report| report.detail = place, settles);
    }

    /// A trade, once. `sum` is what the venue says has traded with it.
    fn traded(&mut self, order: OrderId, traded: &Traded, sum: Option<Qty>, settles: Option<u64>, now: Now) {
        self.refusals = 0;
        let known = self.trades.find(order, &traded.exec);
        if known.is_some_and(|(_, state)| state != TradeState::Noted) {
            self.health.repeats += 1;
            return self.settle(settles);
        }
        let Some(out) = self.outs.get_mut(order) else { return self.settle(settles) };
        let after = out.claimed + traded.quantity;
        if after > out.quantity {
            self.health.strange += 1;
            tracing::error!(venue = self.options.name, %order, ?traded, "a venue reports more trades than the order had");
            return self.settle(settles);
        }
        if after > out.venue_filled.max(sum.unwrap_or(Qty::ZERO)) {
            // More than has traded by the sums heard so far: the same trade under another name, or one whose
            // followers came in an earlier life. The venue's sum decides; what is missing then is asked for.
            tracing::warn!(venue = self.options.name, %order, ?traded, "a venue reports more trades than their sum");
            self.enquire(order, now);
            return self.settle(settles);
        }
        out.claimed = after;
        // Whatever was unknown, it has traded.
        (out.unknown, out.working) = (false, true);
        let trade = match known {
            Some((trade, _)) => trade,
            None => self.number(order, &traded.exec),
        };
        self.trades.set(order, &traded.exec, TradeState::Flying);
        self.health.fills += 1;
        let report = heng_model::command::VenueReport {
            order,
            kind: ReportKind::Fill,
            detail: 0,
            trade,
            price: traded.price,
            quantity: traded.quantity,
            reason: 0,
        };
        self.submit(Filed { report, exec: Some(traded.exec.clone()), settles });
    }

    /// Gives a trade its number, which is noted before the fill is filed.
    fn number(&mut self, order: OrderId, exec: &str) -> heng_model::TradeId {
        let trade = self.next_trade();
        self.notes.trade(&NotedTrade { trade, order, exec: exec.to_owned() });
        self.trades.note(order, exec, trade, TradeState::Flying);
        trade
    }

    fn ended(&mut self, order: OrderId, expired: bool, filled: Qty, settles: Option<u64>) {
        let Some(out) = self.outs.get_mut(order) else { return self.settle(settles) };
        let asked = out.cancel.take().is_some();
        out.unknown = false;
        let reason = match out.order_type {
            _ if expired => CancelReason::DayEnd,
            _ if asked => CancelReason::Client,
            heng_model::OrderType::ImmediateOrCancel
            | heng_model::OrderType::FillOrKill
            | heng_model::OrderType::Best5OrCancel => CancelReason::Unfilled,
            _ => CancelReason::Venue,
        };
        self.end(order, reason, filled, settles);
    }

    fn reduced(&mut self, order: OrderId, quantity: Option<Qty>, settles: Option<u64>) {
        let Some(out) = self.outs.get_mut(order) else { return self.settle(settles) };
        let less = out.quantity - out.left - quantity.unwrap_or(out.quantity - out.left);
        if less <= Qty::ZERO || out.ending {
            self.health.repeats += 1;
            return self.settle(settles);
        }
        out.ending = true;
        self.file(order, ReportKind::Reduced, |report| report.quantity = less, settles);
    }

    fn refused_by_venue(&mut self, order: OrderId, code: RejectCode, settles: Option<u64>, now: Now) {
        if self.outs.get(order).is_none_or(|out| out.ending) {
            self.health.repeats += 1;
            return self.settle(settles);
        }
        self.health.refused += 1;
        self.refusals += 1;
        if self.refusals >= self.options.times.storm_refusals {
            self.refusals = 0;
            self.health.storms += 1;
            self.pause = Some(now.at + self.options.times.storm_pause);
            tracing::warn!(venue = self.options.name, "a venue refuses one order after the other; sending pauses");
        }
        self.refuse(order, code, settles);
    }

    /// The venue says that it does not have the order. It answers our messages in their order, so what was sent before
    /// the enquiry is not on its way any more.
    fn not_there(&mut self, order: OrderId, question: Option<u64>, settles: Option<u64>, now: Now) {
        let Some(out) = self.outs.get_mut(order) else { return self.settle(settles) };
        let asked = out.question;
        if out.ending || asked.is_none() || question.is_some_and(|number| Some(number) != asked) {
            // A repeat, or the answer to a question from before the order was sent again.
            self.health.repeats += 1;
            return self.settle(settles);
        }
        (out.question, out.asked) = (None, 0);
        out.denied += 1;
        let (heard, cancelling, denied, claimed) =
            (out.stage == Stage::Heard, out.cancel.is_some(), out.denied, out.claimed);
        if heard {
            // It had it, and lost it: nothing can trade there any more.
            self.end(order, CancelReason::Venue, claimed, settles);
        } else if cancelling {
            self.end(order, CancelReason::Client, claimed, settles);
        } else if denied == 1 {
            self.health.sent_again += 1;
            self.send_order(order, true, now);
            self.settle(settles);
        } else {
            self.refused_by_venue(order, RejectCode::PhaseForbids, settles, now);
        }
    }

    fn not_cancelled(&mut self, order: OrderId, reason: NoCancel, settles: Option<u64>, now: Now) {
        let Some(out) = self.outs.get_mut(order) else { return self.settle(settles) };
        if out.cancel.is_none() || out.ending {
            self.health.repeats += 1;
            return self.settle(settles);
        }
        let code = match reason {
            // How it ended is asked for: its own reports may have been lost.
            NoCancel::UnknownOrder => {
                self.enquire(order, now);
                return self.settle(settles);
            }
            NoCancel::UnderWay => return self.settle(settles),
            NoCancel::TooLate => {
                self.enquire(order, now);
                RejectCode::OrderDone
            }
            NoCancel::Other => RejectCode::NoCancelPhase,
        };
        if let Some(out) = self.outs.get_mut(order) {
            out.cancel = None;
        }
        let fill_in = |report: &mut heng_model::command::VenueReport| report.detail = u32::from(code.number());
        self.file(order, ReportKind::CancelRejected, fill_in, settles);
    }

    /// The counterparty refused our message of this number as such (Reject or BusinessMessageReject).
    pub(super) fn message_refused(&mut self, number: u64, now: Now) {
        let Some(order) = self.outs.iter().find(|out| out.number == number).map(|out| out.order) else { return };
        self.health.strange += 1;
        tracing::error!(venue = self.options.name, %order, number, "a venue refuses a message");
        let Some(out) = self.outs.get(order) else { return };
        // An order that cannot be read is not there; anything else leaves the order as it is.
        if out.stage == Stage::Sent && out.asked == 0 && out.cancel.is_none() {
            self.refused_by_venue(order, RejectCode::PhaseForbids, None, now);
        }
    }

    /// What became of a filed report.
    pub(super) fn answered(&mut self, ticket: u64, answer: Answer, now: Now) {
        let Some(filed) = self.filed.remove(&ticket) else { return };
        match answer {
            Answer::Accepted { .. } => self.settle(filed.settles),
            Answer::Rejected { sequence, code, .. } if sequence.0 > 0 => self.refused_by_core(filed, code, sequence.0),
            Answer::Rejected { .. } => self.later.push_back((now.at + AGAIN, filed)),
            Answer::Unknown => self.outcome_unknown(filed, now),
        }
    }

    /// Most reports are harmless when they come again. What takes a part of an order away is not: there the venue is
    /// asked anew, and the difference follows from what the record holds by then.
    fn outcome_unknown(&mut self, filed: Filed, now: Now) {
        let order = filed.report.order;
        let Some(out) = self.outs.get_mut(order) else { return self.settle(filed.settles) };
        let part = match filed.report.kind {
            ReportKind::Cancelled => filed.report.quantity < out.quantity - out.left - out.filled,
            ReportKind::Reduced => true,
            _ => false,
        };
        if !part {
            return self.later.push_back((now.at + AGAIN, filed));
        }
        out.ending = false;
        out.unknown = true;
        self.outs.watch(order, Some(now.at + self.options.times.answer_max));
        self.settle(filed.settles);
    }

    fn refused_by_core(&mut self, filed: Filed, code: RejectCode, seq: u64) {
        let order = filed.report.order;
        if filed.report.kind == ReportKind::Fill {
            self.doubts.push(Doubt { seq, code, filed });
            return self.settle_doubts();
        }
        if let Some(out) = self.outs.get_mut(order) {
            out.ending = false;
            if code != RejectCode::OrderDone {
                self.health.strange += 1;
                tracing::error!(venue = self.options.name, ?filed, ?code, "the core refuses a report");
            }
        }
        self.settle(filed.settles);
    }

    /// Fills that the core refused: those that the record holds were repeats, the others are filed under a new number
    /// or are lost to our books and named.
    pub(super) fn settle_doubts(&mut self) {
        let read = self.read;
        let (ready, doubts) = std::mem::take(&mut self.doubts).into_iter().partition(|doubt| doubt.seq <= read);
        self.doubts = doubts;
        let ready: Vec<Doubt> = ready;
        for Doubt { code, mut filed, .. } in ready {
            let (order, exec) = (filed.report.order, filed.exec.clone().unwrap_or_default());
            match self.trades.find(order, &exec) {
                Some((_, TradeState::Posted)) => {
                    self.health.repeats += 1;
                    self.settle(filed.settles);
                }
                _ if code == RejectCode::AlreadyExists => {
                    filed.report.trade = self.number(order, &exec);
                    self.submit(filed);
                }
                _ => {
                    self.trades.set(order, &exec, TradeState::Refused);
                    if let Some(out) = self.outs.get_mut(order) {
                        out.claimed -= filed.report.quantity;
                    }
                    self.health.late += u64::from(code == RejectCode::OrderDone);
                    self.health.strange += u64::from(code != RejectCode::OrderDone);
                    tracing::error!(venue = self.options.name, ?filed, ?code, "the core refuses a trade of a venue");
                    self.settle(filed.settles);
                }
            }
        }
    }
}

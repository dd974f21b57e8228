//! What the checks of orders looked at, noted while a replica executes them, and kept for a while.

use std::collections::VecDeque;

use heng_engine::{EventSink, EventWriter};
use heng_model::command::NewOrder;
use heng_model::wire::{Message, encode};
use heng_model::{AccountId, Check, ClientOrderId, Command, Event, OrderId, PartitionId, RejectCode, Seq, UnixNanos};
use heng_ports::{Explained, ExplainedNow, Explanation};

/// Explanations that are kept at most: some ten megabytes. Whoever keeps them for good asks many times a second.
const KEPT_MAX: usize = 65_536;

/// The sink of one command: its events go to the writer as ever, and its checks are noted.
pub(crate) struct Explaining<'a> {
    writer: &'a mut EventWriter,
    /// Checks of orders whose outcome was not told yet.
    waiting: Vec<(AccountId, ClientOrderId, Vec<Check>)>,
    told: Vec<(OrderId, Explanation)>,
}

impl<'a> Explaining<'a> {
    pub(crate) const fn new(writer: &'a mut EventWriter) -> Self {
        Self { writer, waiting: Vec::new(), told: Vec::new() }
    }

    /// The orders that the command explained.
    pub(crate) fn finish(self) -> Vec<(OrderId, Explanation)> {
        self.told
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::OrderPlaced(e) => self.outcome(e.order, (e.account, e.client_order), None, 0),
            Event::OrderRejected(e) => self.outcome(e.order, (e.account, e.client_order), Some(e.code), e.rule),
            _ => {}
        }
    }

    fn outcome(&mut self, order: OrderId, key: (AccountId, ClientOrderId), code: Option<RejectCode>, rule: u32) {
        let code = code.map_or(0, RejectCode::number);
        if let Some((_, known)) = self.told.iter_mut().rev().find(|(known, _)| *known == order) {
            // The venue refuses what the checks let pass.
            (known.code, known.rule) = (code, rule);
            return;
        }
        let at = self.waiting.iter().position(|(account, client, _)| (*account, *client) == key);
        let checks = at.map(|at| self.waiting.swap_remove(at).2).unwrap_or_default();
        if order != OrderId(0) {
            self.told.push((order, Explanation { code, rule, checks }));
        }
    }
}

impl EventSink for Explaining<'_> {
    const WATCHES: bool = true;

    fn begin(&mut self, seq: Seq, time: UnixNanos) {
        self.writer.begin(seq, time);
    }

    fn emit(&mut self, event: Event) {
        self.note(&event);
        self.writer.emit(event);
    }

    fn tell<E: Message<Event>>(&mut self, event: E) {
        self.emit(event.into());
    }

    fn send(&mut self, to: PartitionId, message: Command) {
        self.writer.send(to, message);
    }

    fn checked(&mut self, order: &NewOrder, checks: Vec<Check>) {
        self.waiting.push((order.account, order.client_order, checks));
    }

    fn venue_checked(&mut self, order: OrderId, checks: Vec<Check>) {
        // An order that waited for its phase was explained when it came.
        if let Some((_, known)) = self.told.iter_mut().rev().find(|(known, _)| *known == order) {
            known.checks.extend(checks);
        }
    }
}

/// The explanations that are kept, ascending.
#[derive(Default)]
pub(crate) struct Kept {
    list: VecDeque<Explained>,
    /// Explanations of commands before this one are not kept.
    from: Seq,
}

impl Kept {
    /// Nothing is kept of what came up to `seq`.
    pub(crate) fn from(seq: Seq) -> Self {
        Self { list: VecDeque::new(), from: seq.next() }
    }

    pub(crate) fn keep(&mut self, seq: Seq, told: Vec<(OrderId, Explanation)>) {
        for (order, explanation) in told {
            self.list.push_back(Explained { seq, order, bytes: encode(&explanation) });
        }
        // A command's orders leave together, so that nobody takes a part for the whole.
        while self.list.len() > KEPT_MAX {
            let Some(first) = self.list.front().map(|explained| explained.seq) else { return };
            while self.list.front().is_some_and(|explained| explained.seq == first) {
                self.list.pop_front();
            }
            self.from = first.next();
        }
    }

    /// What is kept of the commands behind `after`, of whole commands; `at` is the last command executed.
    pub(crate) fn after(&self, after: Seq, limit: usize, at: Seq) -> ExplainedNow {
        let begin = self.list.partition_point(|explained| explained.seq <= after);
        let end = self.list.len().min(begin.saturating_add(limit.max(1)));
        let last = self.list.get(end.wrapping_sub(1)).map(|explained| explained.seq);
        let end = last.map_or(begin, |last| self.list.partition_point(|explained| explained.seq <= last)).max(begin);
        let explained: Vec<Explained> = self.list.range(begin..end).cloned().collect();
        let through = if end < self.list.len() { last.unwrap_or(at) } else { at };
        ExplainedNow { explained, held_from: self.from, through }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(seqs: &[u64]) -> Kept {
        let mut kept = Kept::from(Seq(0));
        for (order, seq) in (1..).zip(seqs) {
            kept.keep(Seq(*seq), vec![(OrderId(order), Explanation { code: 0, rule: 0, checks: Vec::new() })]);
        }
        kept
    }

    fn orders(now: &ExplainedNow) -> Vec<u64> {
        now.explained.iter().map(|explained| explained.order.0).collect()
    }

    #[test]
    fn whole_commands_are_told_in_order() {
        let kept = kept(&[3, 5, 5, 5, 9]);
        let all = kept.after(Seq(0), 100, Seq(12));
        assert_eq!((orders(&all), all.through, all.held_from), (vec![1, 2, 3, 4, 5], Seq(12), Seq(1)));
        let page = kept.after(Seq(0), 2, Seq(12));
        assert_eq!((orders(&page), page.through), (vec![1, 2, 3, 4], Seq(5)));
        let next = kept.after(page.through, 2, Seq(12));
        assert_eq!((orders(&next), next.through), (vec![5], Seq(12)));
        let none = kept.after(Seq(12), 2, Seq(12));
        assert_eq!((orders(&none), none.through), (vec![], Seq(12)));
    }

    #[test]
    fn the_oldest_leave_by_whole_commands() {
        let mut kept = kept(&[]);
        for seq in 1..=KEPT_MAX as u64 / 2 + 2 {
            let told = |order| (OrderId(order), Explanation { code: 0, rule: 0, checks: Vec::new() });
            kept.keep(Seq(seq), vec![told(seq * 2), told(seq * 2 + 1)]);
        }
        let first = kept.after(Seq(0), 1, Seq(1 << 40));
        assert_eq!((orders(&first), first.held_from), (vec![6, 7], Seq(3)));
    }
}

//! Compares the exchange's snapshots with our book.
//!
//! A snapshot matches when it is equal to our picture after some event with the same traded volume, no later than one
//! second after its time. Pictures are looked up by content, so a long day costs no more than its events.

use std::collections::HashMap;

use heng_matching::call_auction::{AuctionRule, price_of_book};
use heng_matching::{Book, OrderBook};
use heng_model::Side;

use super::number::show_clock;
use super::report::Report;
use super::tape::{DEPTH, Snapshot, Top, View};

/// How long after its time a snapshot may still show an event.
const LATE_MS: u32 = 1_000;
/// Levels that auction pictures may look at in all: hostile flow may keep a huge crossed book alive. What is not
/// compared because of it is counted as not checkable.
const AUCTION_WORK_MAX: u64 = 1_000_000_000;

/// Our book at one moment.
pub(crate) struct Moment<'a> {
    pub(crate) book: &'a Book,
    /// Thousandths in a tick.
    pub(crate) quantum: i64,
    pub(crate) biz_index: u64,
    /// Milliseconds since midnight.
    pub(crate) time: u32,
    pub(crate) volume: i64,
}

impl Moment<'_> {
    fn top(&self) -> Top {
        let mut top = Top::EMPTY;
        for (place, side) in top.0.iter_mut().zip([Side::Buy, Side::Sell]) {
            for (place, level) in place.iter_mut().zip(self.book.levels(side).take(DEPTH)) {
                *place = (level.price * self.quantum, level.qty);
            }
        }
        top
    }

    /// In a call auction the exchange shows the price at which it would trade and the volume on both sides, and in the
    /// second place what is left unmatched, without a price. Where nothing would trade it shows nothing.
    fn auction_top(&self) -> Top {
        let mut top = Top::EMPTY;
        if let Some(found) = price_of_book(self.book, AuctionRule::Sse, 0) {
            for (place, left) in top.0.iter_mut().zip([found.buys_left, found.sells_left]) {
                place[0] = (found.price * self.quantum, found.volume);
                place[1] = (0, left);
            }
        }
        top
    }

    fn picture(&self, view: View) -> Top {
        if view == View::Auction { self.auction_top() } else { self.top() }
    }
}

/// What a snapshot must show to be equal: whether it is an auction's picture, volume, levels.
type Key = (bool, i64, Top);

/// The kinds of picture (auction or not) that a snapshot may be. The phase that it names changes a moment before or
/// after what it shows, so at a change of phase it may be either. A halt that shows nothing says nothing.
fn kinds(snapshots: &[Snapshot], at: usize) -> impl Iterator<Item = bool> {
    let view = snapshots[at].view;
    let changes = |other: Option<&Snapshot>| other.is_some_and(|other| other.view != view);
    let before = at.checked_sub(1).and_then(|at| snapshots.get(at));
    let unclear = view == View::Unclear;
    let either = unclear || changes(before) || changes(snapshots.get(at + 1));
    let silent = unclear && snapshots[at].top == Top::EMPTY;
    [false, true].into_iter().filter(move |auction| !silent && (either || *auction == (view == View::Auction)))
}

/// The snapshots of one security that wait for their moment.
pub(crate) struct Pictures<'a> {
    snapshots: &'a [Snapshot],
    security: &'a str,
    matched: Vec<bool>,
    by_content: HashMap<Key, Vec<usize>>,
    /// How many wait, by kind and volume.
    waiting: HashMap<(bool, i64), usize>,
    /// Snapshots before this one have been reported.
    due: usize,
    auction_work: u64,
}

impl<'a> Pictures<'a> {
    /// `snapshots` are in order of time.
    pub(crate) fn new(snapshots: &'a [Snapshot], security: &'a str) -> Self {
        let mut by_content: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut waiting = HashMap::new();
        for (at, snapshot) in snapshots.iter().enumerate() {
            for auction in kinds(snapshots, at) {
                by_content.entry((auction, snapshot.volume, snapshot.top)).or_default().push(at);
                *waiting.entry((auction, snapshot.volume)).or_insert(0) += 1;
            }
        }
        let matched = vec![false; snapshots.len()];
        Self { snapshots, security, matched, by_content, waiting, due: 0, auction_work: 0 }
    }

    /// Reports the snapshots that an event at `time` comes too late for. `now` is the moment before that event.
    pub(crate) fn close_before(&mut self, time: u32, now: &Moment<'_>, report: &mut Report) {
        while let Some(snapshot) = self.snapshots.get(self.due).filter(|s| s.time.saturating_add(LATE_MS) < time) {
            self.forget(self.due);
            self.report(snapshot, now, report);
            self.due += 1;
        }
    }

    fn report(&mut self, snapshot: &Snapshot, now: &Moment<'_>, report: &mut Report) {
        let levels = 2 * DEPTH as u64;
        if self.matched[self.due] {
            report.levels_checked += levels;
            report.levels_matched += levels;
            return;
        }
        if snapshot.view == View::Unclear || self.auction_work > AUCTION_WORK_MAX {
            report.not_checkable += 1;
            return;
        }
        let ours = now.picture(snapshot.view);
        report.levels_checked += levels;
        report.levels_matched += ours.equal_levels(&snapshot.top);
        let at = format!("snapshot of {} (line {})", show_clock(snapshot.time), snapshot.line);
        let expected = format!("{at}: volume {} {}", snapshot.volume, first_difference(&snapshot.top, &ours));
        let found = format!("volume {} {}", now.volume, first_difference(&ours, &snapshot.top));
        report.differs(now.biz_index, self.security, "snapshot", expected, found);
    }

    /// The snapshot waits no longer.
    fn forget(&mut self, at: usize) {
        for auction in kinds(self.snapshots, at) {
            let key = (auction, self.snapshots[at].volume);
            if let Some(count) = self.waiting.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.waiting.remove(&key);
                }
            }
        }
    }

    /// Looks for snapshots that show this moment.
    pub(crate) fn observe(&mut self, now: &Moment<'_>) {
        for auction in [false, true] {
            if !self.waiting.contains_key(&(auction, now.volume)) {
                continue;
            }
            if auction {
                self.auction_work += crossing_levels(now.book);
                if self.auction_work > AUCTION_WORK_MAX {
                    continue;
                }
            }
            let top = if auction { now.auction_top() } else { now.top() };
            let Some(same) = self.by_content.remove(&(auction, now.volume, top)) else { continue };
            for at in same {
                if now.time <= self.snapshots[at].time.saturating_add(LATE_MS) {
                    self.matched[at] = true;
                }
            }
        }
    }
}

/// At most this many price levels cross.
fn crossing_levels(book: &Book) -> u64 {
    match (book.best(Side::Buy), book.best(Side::Sell)) {
        (Some(bid), Some(ask)) if bid >= ask => (bid.abs_diff(ask) + 1).min(book.len() as u64),
        _ => 0,
    }
}

/// The first level of `one` that `other` does not show.
fn first_difference(one: &Top, other: &Top) -> String {
    for (name, (a, b)) in ["buy", "sell"].iter().zip(one.0.iter().zip(&other.0)) {
        if let Some(at) = (0..DEPTH).find(|at| a[*at] != b[*at]) {
            let (price, qty) = a[at];
            return format!("{name} level {} {}.{:03} × {qty}", at + 1, price / 1000, price % 1000);
        }
    }
    "equal levels".to_owned()
}

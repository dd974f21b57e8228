//! W1 and W2: one order book, one thread, our books and the peers on the same events.

use std::hint::black_box;
use std::time::Instant;

use heng_matching::workload::{Player, RANGE, Shape, Totals, WorkEvent, generate};
use heng_matching::{Execution, LadderBook, OrderBook, SparseBook};

/// A digest over the fills of a run, in order: equal fills, equal digest. Cheap enough to stay inside the timed loop,
/// and the same function for every engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fills {
    pub(crate) trades: u64,
    pub(crate) quantity: u64,
    digest: u64,
}

impl Fills {
    /// Adds one fill: the maker's number, the price in ticks, the quantity.
    #[inline]
    pub(crate) fn add(&mut self, maker: u64, price: u64, quantity: u64) {
        self.trades += 1;
        self.quantity += quantity;
        let word = (self.digest ^ maker).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (price << 20) ^ quantity;
        self.digest = word.rotate_left(23);
    }
}

/// Rate and fills of one engine on one workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookRun {
    /// Timed events per second.
    pub(crate) events_per_s: f64,
    /// Fills of the whole run, warm-up included.
    pub(crate) fills: Fills,
}

/// A generated workload.
pub(crate) struct Workload {
    pub(crate) shape: Shape,
    pub(crate) events: Vec<WorkEvent>,
    pub(crate) totals: Totals,
}

impl Workload {
    /// Generates a workload, and checks it by the sums that its text names.
    pub(crate) fn new(shape: Shape, trades: u64, quantity: i64) -> Self {
        let (events, totals) = generate(shape, SparseBook::new());
        assert_eq!((totals.trades, totals.quantity), (trades, quantity), "this is not the workload of the text");
        Self { shape, events, totals }
    }
}

/// Plays `events` with `play`, timing those behind the warm-up.
pub(crate) fn time<T>(shape: Shape, events: &[T], mut play: impl FnMut(&T, &mut Fills)) -> BookRun {
    let mut fills = Fills::default();
    let (warm_up, timed) = events.split_at(shape.warm_up);
    warm_up.iter().for_each(|event| play(event, &mut fills));
    let began = Instant::now();
    timed.iter().for_each(|event| play(event, &mut fills));
    let seconds = began.elapsed().as_secs_f64();
    BookRun { events_per_s: timed.len() as f64 / seconds, fills: black_box(fills) }
}

fn run_ours<B: OrderBook>(work: &Workload, book: B) -> (BookRun, Player<B>) {
    let mut player = Player::new(book, work.shape.warm_up + work.shape.timed);
    let run = time(work.shape, &work.events, |event, fills| {
        player.play(event);
        if let WorkEvent::Add { .. } = event {
            player.executions.iter().for_each(|execution| count(fills, execution));
        }
    });
    (run, player)
}

#[inline]
fn count(fills: &mut Fills, execution: &Execution) {
    fills.add(execution.maker.0, execution.price as u64, execution.qty as u64);
}

/// Our books on one workload.
pub(crate) struct Ours {
    pub(crate) ladder: BookRun,
    pub(crate) sparse: BookRun,
    pub(crate) naive: BookRun,
    /// Heap bytes per resting order at the end: ladder, sparse.
    pub(crate) bytes_per_order: (f64, f64),
}

/// Runs our books, the fast ones `repeats` times; the median run counts.
pub(crate) fn run(work: &Workload, repeats: usize) -> Ours {
    let (mut ladders, mut sparses) = (Vec::new(), Vec::new());
    let mut bytes = (0.0, 0.0);
    for _ in 0..repeats {
        let (run, player) = run_ours(work, LadderBook::new(RANGE.0, RANGE.1));
        assert_eq!(player.totals, work.totals, "the ladder book plays the workload as the sparse book does");
        bytes.0 = player.book.heap_bytes() as f64 / player.book.len() as f64;
        ladders.push(run);
        let (run, player) = run_ours(work, SparseBook::new());
        bytes.1 = player.book.heap_bytes() as f64 / player.book.len() as f64;
        sparses.push(run);
    }
    let naive = crate::reference::run(work);
    Ours { ladder: median(ladders), sparse: median(sparses), naive, bytes_per_order: bytes }
}

fn median(mut runs: Vec<BookRun>) -> BookRun {
    runs.sort_by(|a, b| a.events_per_s.total_cmp(&b.events_per_s));
    runs[runs.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_book_has_the_fills_of_the_reference() {
        let shape = Shape { warm_up: 2_000, floor: 1_000, timed: 30_000 };
        let (events, totals) = generate(shape, SparseBook::new());
        let work = Workload { shape, events, totals };
        let reference = crate::reference::run(&work).fills;
        assert!(reference.trades > 1_000, "there is something to compare");
        assert_eq!((reference.trades, reference.quantity), (totals.trades, totals.quantity as u64));
        assert_eq!(run_ours(&work, SparseBook::new()).0.fills, reference);
        assert_eq!(run_ours(&work, LadderBook::new(RANGE.0, RANGE.1)).0.fills, reference);
        let agree: Vec<bool> = (0..3).map(|at| crate::peers::run(at, &work).fills == reference).collect();
        // The third is known to trade through limits.
        assert_eq!(agree[..2], [true, true]);
    }
}

//! The naive order book that the published comparison names: `BTreeMap` of `VecDeque`s and a `HashMap` of orders.
//! It shares no code with our books, so equal fills mean something.

use std::collections::{BTreeMap, HashMap, VecDeque};

use heng_matching::workload::WorkEvent;
use heng_model::Side;

use crate::books::{BookRun, Fills, Workload, time};

type Levels = BTreeMap<i64, VecDeque<(u32, i64)>>;

/// The book. Buy levels stand under their negative price, so that the first level is the best on both sides.
#[derive(Default)]
struct Reference {
    sides: [Levels; 2],
    resting: HashMap<u32, (usize, i64)>,
}

const fn place(side: Side) -> usize {
    side as usize - 1
}

const fn key(side: Side, price: i64) -> i64 {
    match side {
        Side::Buy => -price,
        Side::Sell => price,
    }
}

impl Reference {
    fn add(&mut self, number: u32, side: Side, price: i64, qty: i64, fills: &mut Fills) {
        let mut left = qty;
        // The worst key of the other side that this limit still accepts.
        let worst = key(side.opposite(), price);
        let other = &mut self.sides[place(side.opposite())];
        while left > 0 {
            let Some(mut level) = other.first_entry() else { break };
            if *level.key() > worst {
                break;
            }
            let at = level.key().unsigned_abs();
            let queue = level.get_mut();
            while left > 0 {
                let Some((maker, has)) = queue.front_mut() else { break };
                let traded = left.min(*has);
                fills.add(u64::from(*maker), at, traded as u64);
                left -= traded;
                *has -= traded;
                if *has == 0 {
                    self.resting.remove(maker);
                    queue.pop_front();
                }
            }
            if queue.is_empty() {
                level.remove();
            }
        }
        if left > 0 {
            let key = key(side, price);
            self.sides[place(side)].entry(key).or_default().push_back((number, left));
            self.resting.insert(number, (place(side), key));
        }
    }

    fn cancel(&mut self, number: u32) {
        let Some((side, key)) = self.resting.remove(&number) else { return };
        let Some(queue) = self.sides[side].get_mut(&key) else { return };
        // Numbers grow along a queue.
        if let Ok(at) = queue.binary_search_by_key(&number, |(order, _)| *order) {
            queue.remove(at);
        }
        if queue.is_empty() {
            self.sides[side].remove(&key);
        }
    }
}

/// Plays a workload.
pub(crate) fn run(work: &Workload) -> BookRun {
    let (mut book, mut next) = (Reference::default(), 0);
    time(work.shape, &work.events, |event, fills| match *event {
        WorkEvent::Add { side, price, qty } => {
            book.add(next, side, price, qty, fills);
            next += 1;
        }
        WorkEvent::Cancel(number) => book.cancel(number),
    })
}

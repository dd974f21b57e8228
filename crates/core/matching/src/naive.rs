//! The oracle: one list of orders in order of arrival, searched from end to end for every question.

use heng_model::{OrderId, OwnerId, SelfTrade, Side};

use crate::book::{Execution, ExecutionKind, Handle, Level, OrderBook, Resting, TakeResult, Taker, Ticks};

/// A book that is slow and easy to believe.
#[derive(Clone, Debug, Default)]
pub struct NaiveBook {
    /// Orders in order of arrival, each with its handle.
    arrivals: Vec<(Handle, Resting)>,
    handles_given: u32,
}

impl NaiveBook {
    /// An empty book.
    #[must_use]
    pub const fn new() -> Self {
        Self { arrivals: Vec::new(), handles_given: 0 }
    }

    fn position(&self, handle: Handle, order: OrderId) -> Option<usize> {
        self.arrivals.iter().position(|(at, resting)| *at == handle && resting.order == order)
    }

    /// The order that has priority on a side: best price, then first arrival.
    fn first(&self, side: Side) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (i, (_, resting)) in self.arrivals.iter().enumerate() {
            if resting.side != side {
                continue;
            }
            if best.is_none_or(|b| better(side, resting.price, self.arrivals[b].1.price)) {
                best = Some(i);
            }
        }
        best
    }

    fn sorted(&self, side: Side) -> Vec<(Handle, Resting)> {
        let mut found: Vec<_> = self.arrivals.iter().filter(|(_, resting)| resting.side == side).copied().collect();
        // Stable, so that equal prices stay in order of arrival.
        found.sort_by(|(_, a), (_, b)| if side == Side::Buy { b.price.cmp(&a.price) } else { a.price.cmp(&b.price) });
        found
    }

    fn reduce_at(&mut self, i: usize, by: i64) -> i64 {
        self.arrivals[i].1.qty -= by;
        let left = self.arrivals[i].1.qty;
        if left == 0 {
            self.arrivals.remove(i);
        }
        left
    }
}

fn better(side: Side, price: Ticks, than: Ticks) -> bool {
    if side == Side::Buy { price > than } else { price < than }
}

impl OrderBook for NaiveBook {
    fn take(&mut self, taker: &Taker, out: &mut Vec<Execution>) -> TakeResult {
        assert!(taker.qty > 0, "a taker wants something");
        let mut result = TakeResult { remaining: taker.qty, filled: 0, last_price: None, stopped_by_self_trade: false };
        let mut levels_touched = 0;
        let mut level = None;
        while result.remaining > 0 {
            let Some(i) = self.first(taker.side.opposite()) else {
                break;
            };
            let maker = self.arrivals[i].1;
            let too_dear = taker.side == Side::Buy && maker.price > taker.limit;
            let too_cheap = taker.side == Side::Sell && maker.price < taker.limit;
            if too_dear || too_cheap {
                break;
            }
            if level != Some(maker.price) {
                if levels_touched == taker.levels_max {
                    break;
                }
                levels_touched += 1;
                level = Some(maker.price);
            }
            let own = maker.owner == taker.owner;
            let mut qty = maker.qty.min(result.remaining);
            let kind = match taker.self_trade {
                SelfTrade::Reject | SelfTrade::CancelNewest if own => {
                    result.stopped_by_self_trade = true;
                    break;
                }
                SelfTrade::CancelOldest | SelfTrade::CancelBoth if own => {
                    qty = maker.qty;
                    ExecutionKind::SelfTradeCancel
                }
                SelfTrade::Decrement if own => ExecutionKind::SelfTradeDecrement,
                _ => ExecutionKind::Fill,
            };
            let maker_remaining = self.reduce_at(i, qty);
            let (maker_owner, price) = (maker.owner, maker.price);
            out.push(Execution { maker: maker.order, price, qty, maker_remaining, maker_owner, kind });
            if kind != ExecutionKind::SelfTradeCancel {
                result.remaining -= qty;
            }
            if kind == ExecutionKind::Fill {
                result.filled += qty;
                result.last_price = Some(price);
            }
            if own && taker.self_trade == SelfTrade::CancelBoth {
                result.stopped_by_self_trade = true;
                break;
            }
        }
        result
    }

    fn rest(&mut self, order: OrderId, owner: OwnerId, side: Side, price: Ticks, qty: i64) -> Handle {
        assert!(qty > 0, "an order rests with something left");
        let handle = Handle(self.handles_given);
        self.handles_given = self.handles_given.checked_add(1).expect("the oracle runs for fewer than 2^32 orders");
        self.arrivals.push((handle, Resting { order, owner, side, price, qty }));
        handle
    }

    fn cancel(&mut self, handle: Handle, order: OrderId) -> Option<i64> {
        let i = self.position(handle, order)?;
        Some(self.arrivals.remove(i).1.qty)
    }

    fn reduce(&mut self, handle: Handle, order: OrderId, by: i64) -> Option<i64> {
        assert!(by > 0, "a reduction takes something");
        let i = self.position(handle, order)?;
        let by = by.min(self.arrivals[i].1.qty);
        Some(self.reduce_at(i, by))
    }

    fn find(&self, order: OrderId) -> Option<Handle> {
        self.arrivals.iter().find(|(_, resting)| resting.order == order).map(|(handle, _)| *handle)
    }

    fn get(&self, handle: Handle) -> Option<Resting> {
        self.arrivals.iter().find(|(at, _)| *at == handle).map(|(_, resting)| *resting)
    }

    fn front(&self, side: Side) -> Option<(Handle, Resting)> {
        self.first(side).map(|i| self.arrivals[i])
    }

    fn best(&self, side: Side) -> Option<Ticks> {
        self.first(side).map(|i| self.arrivals[i].1.price)
    }

    fn best_level(&self, side: Side) -> Option<(Ticks, i64)> {
        self.best(side).map(|price| (price, self.volume_at(side, price)))
    }

    fn volume_at(&self, side: Side, price: Ticks) -> i64 {
        let there = |resting: &Resting| resting.side == side && resting.price == price;
        self.arrivals.iter().filter(|(_, resting)| there(resting)).map(|(_, resting)| resting.qty).sum()
    }

    fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let mut levels: Vec<Level> = Vec::new();
        for (_, resting) in self.sorted(side) {
            match levels.last_mut() {
                Some(level) if level.price == resting.price => {
                    level.qty += resting.qty;
                    level.orders += 1;
                }
                _ => levels.push(Level { price: resting.price, qty: resting.qty, orders: 1 }),
            }
        }
        levels.into_iter()
    }

    fn orders(&self, side: Side) -> impl Iterator<Item = Resting> + '_ {
        self.sorted(side).into_iter().map(|(_, resting)| resting)
    }

    fn handles(&self, side: Side) -> impl Iterator<Item = (Handle, Resting)> + '_ {
        self.sorted(side).into_iter()
    }

    fn len(&self) -> usize {
        self.arrivals.len()
    }

    fn clear(&mut self) {
        self.arrivals.clear();
    }

    fn accepts(&self, _price: Ticks) -> bool {
        true
    }

    fn heap_bytes(&self) -> usize {
        self.arrivals.capacity() * core::mem::size_of::<(Handle, Resting)>()
    }
}

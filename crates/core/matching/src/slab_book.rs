//! The fast book: orders in a slab, levels behind [`Levels`]. One text for the ladder and for the sparse book.

use heng_model::{OrderId, OwnerId, SelfTrade, Side};

use crate::book::{Execution, ExecutionKind, Handle, Level, OrderBook, Resting, TakeResult, Taker, Ticks, acceptable};
use crate::slab::{NIL, Queue, Slab};

/// The price levels of one side. A *slot* is a level's place; it stays while the level holds an order.
pub trait Levels {
    /// The best level that holds orders, or `NIL`.
    fn best(&self) -> u32;
    /// The next worse level that holds orders, or `NIL`.
    fn worse(&self, slot: u32) -> u32;
    /// The price of a slot in use.
    fn price(&self, slot: u32) -> Ticks;
    /// The slot of a price that holds orders.
    fn find(&self, price: Ticks) -> Option<u32>;
    /// The slot of a price, made ready to hold orders.
    fn open(&mut self, price: Ticks) -> u32;
    /// Gives back a slot whose queue has become empty.
    fn close(&mut self, slot: u32);
    /// The orders of a slot.
    fn queue(&self, slot: u32) -> &Queue;
    /// The orders of a slot.
    fn queue_mut(&mut self, slot: u32) -> &mut Queue;
    /// Whether a price lies inside the range.
    fn accepts(&self, price: Ticks) -> bool;
    /// Starts the memory reads that [`Levels::find`] and [`Levels::open`] of a price will make.
    fn warm(&self, price: Ticks) {
        let _ = price;
    }
    /// Forgets all levels.
    fn clear(&mut self);
    /// Bytes on the heap.
    fn heap_bytes(&self) -> usize;
}

/// A book over some kind of levels.
#[derive(Clone, Debug)]
pub struct SlabBook<L> {
    slab: Slab,
    sides: [L; 2],
}

#[inline]
const fn row(side: Side) -> usize {
    side as usize - 1
}

/// What one taker has done so far.
struct Progress {
    remaining: i64,
    filled: i64,
    last_price: Option<Ticks>,
    stopped: bool,
}

impl<L: Levels> SlabBook<L> {
    pub(crate) const fn with_sides(buys: L, sells: L) -> Self {
        Self { slab: Slab::new(), sides: [buys, sells] }
    }

    /// Takes from the oldest orders of one level until it or the taker is used up.
    #[inline]
    fn sweep(
        slab: &mut Slab,
        queue: &mut Queue,
        price: Ticks,
        taker: &Taker,
        did: &mut Progress,
        out: &mut Vec<Execution>,
    ) {
        while did.remaining > 0 && !queue.is_empty() {
            let node = slab.node_mut(queue.head);
            if node.owner == taker.owner && taker.self_trade != SelfTrade::Allow {
                Self::meet_own(slab, queue, price, taker, did, out);
                if did.stopped {
                    return;
                }
                continue;
            }
            let qty = node.qty.min(did.remaining);
            let left = node.qty - qty;
            node.qty = left;
            did.remaining -= qty;
            did.filled += qty;
            did.last_price = Some(price);
            out.push(Execution {
                maker: node.order,
                price,
                qty,
                maker_remaining: left,
                maker_owner: node.owner,
                kind: ExecutionKind::Fill,
            });
            queue.qty -= qty;
            if left == 0 {
                slab.pop_front(queue);
            }
        }
    }

    /// The taker has met an order of its own owner at the head of a queue.
    #[cold]
    #[inline(never)]
    fn meet_own(
        slab: &mut Slab,
        queue: &mut Queue,
        price: Ticks,
        taker: &Taker,
        did: &mut Progress,
        out: &mut Vec<Execution>,
    ) {
        let at = queue.head;
        let node = *slab.node(at);
        let said = |kind, qty| Execution {
            maker: node.order,
            price,
            qty,
            maker_remaining: if kind == ExecutionKind::SelfTradeCancel { 0 } else { node.qty - qty },
            maker_owner: node.owner,
            kind,
        };
        match taker.self_trade {
            SelfTrade::Allow => unreachable!("checked by the caller"),
            SelfTrade::Reject | SelfTrade::CancelNewest => did.stopped = true,
            SelfTrade::CancelOldest | SelfTrade::CancelBoth => {
                out.push(said(ExecutionKind::SelfTradeCancel, node.qty));
                slab.unlink(queue, at);
                did.stopped = taker.self_trade == SelfTrade::CancelBoth;
            }
            SelfTrade::Decrement => {
                let qty = node.qty.min(did.remaining);
                out.push(said(ExecutionKind::SelfTradeDecrement, qty));
                did.remaining -= qty;
                queue.qty -= qty;
                slab.node_mut(at).qty -= qty;
                if qty == node.qty {
                    slab.pop_front(queue);
                }
            }
        }
    }

    fn resting(&self, at: u32) -> Option<Resting> {
        let node = self.slab.get(at)?;
        let price = self.sides[row(node.side())].price(node.slot());
        Some(Resting { order: node.order, owner: node.owner, side: node.side(), price, qty: node.qty })
    }
}

impl<L: Levels> OrderBook for SlabBook<L> {
    #[inline]
    fn take(&mut self, taker: &Taker, out: &mut Vec<Execution>) -> TakeResult {
        assert!(taker.qty > 0, "a taker wants something");
        let levels = &mut self.sides[row(taker.side.opposite())];
        let mut did = Progress { remaining: taker.qty, filled: 0, last_price: None, stopped: false };
        let mut levels_left = taker.levels_max;
        while did.remaining > 0 && levels_left > 0 && !did.stopped {
            let slot = levels.best();
            if slot == NIL {
                break;
            }
            let price = levels.price(slot);
            if !acceptable(taker.side, taker.limit, price) {
                break;
            }
            levels_left -= 1;
            let queue = levels.queue_mut(slot);
            Self::sweep(&mut self.slab, queue, price, taker, &mut did, out);
            if queue.is_empty() {
                levels.close(slot);
            }
        }
        TakeResult {
            remaining: did.remaining,
            filled: did.filled,
            last_price: did.last_price,
            stopped_by_self_trade: did.stopped,
        }
    }

    #[inline]
    fn rest(&mut self, order: OrderId, owner: OwnerId, side: Side, price: Ticks, qty: i64) -> Handle {
        assert!(qty > 0, "an order rests with something left");
        let levels = &mut self.sides[row(side)];
        let slot = levels.open(price);
        Handle(self.slab.push(levels.queue_mut(slot), order, owner, side, slot, qty))
    }

    #[inline]
    fn cancel(&mut self, handle: Handle, order: OrderId) -> Option<i64> {
        let node = self.slab.holding(handle.0, order)?;
        let (qty, slot, side) = (node.qty, node.slot(), node.side());
        let levels = &mut self.sides[row(side)];
        let queue = levels.queue_mut(slot);
        self.slab.unlink(queue, handle.0);
        if queue.is_empty() {
            levels.close(slot);
        }
        Some(qty)
    }

    #[inline]
    fn warm_order(&self, handle: Handle) {
        self.slab.warm(handle.0);
    }

    #[inline]
    fn warm_level(&self, side: Side, price: Ticks, link: u32) {
        let levels = &self.sides[row(side)];
        if link == 0 {
            levels.warm(price);
            return self.slab.warm_next();
        }
        if let Some(slot) = levels.find(price) {
            crate::prefetch(levels.queue(slot));
        }
    }

    #[inline]
    fn warm_best(&self, side: Side, link: u32) {
        let levels = &self.sides[row(side)];
        let slot = levels.best();
        if slot == NIL {
            return;
        }
        match link {
            0 => crate::prefetch(levels.queue(slot)),
            _ => self.slab.warm(levels.queue(slot).head),
        }
    }

    #[inline]
    fn first(&self, side: Side) -> Option<OrderId> {
        let levels = &self.sides[row(side)];
        let slot = levels.best();
        (slot != NIL).then(|| self.slab.node(levels.queue(slot).head).order)
    }

    fn reduce(&mut self, handle: Handle, order: OrderId, by: i64) -> Option<i64> {
        assert!(by > 0, "a reduction takes something");
        let node = self.slab.holding(handle.0, order)?;
        let (qty, slot, side) = (node.qty, node.slot(), node.side());
        if by >= qty {
            self.cancel(handle, order);
            return Some(0);
        }
        self.slab.node_mut(handle.0).qty = qty - by;
        self.sides[row(side)].queue_mut(slot).qty -= by;
        Some(qty - by)
    }

    fn find(&self, order: OrderId) -> Option<Handle> {
        self.slab.find(order).map(Handle)
    }

    fn get(&self, handle: Handle) -> Option<Resting> {
        self.resting(handle.0)
    }

    fn front(&self, side: Side) -> Option<(Handle, Resting)> {
        self.handles(side).next()
    }

    #[inline]
    fn best(&self, side: Side) -> Option<Ticks> {
        let levels = &self.sides[row(side)];
        let slot = levels.best();
        (slot != NIL).then(|| levels.price(slot))
    }

    #[inline]
    fn best_level(&self, side: Side) -> Option<(Ticks, i64)> {
        let levels = &self.sides[row(side)];
        let slot = levels.best();
        (slot != NIL).then(|| (levels.price(slot), levels.queue(slot).qty))
    }

    fn volume_at(&self, side: Side, price: Ticks) -> i64 {
        let levels = &self.sides[row(side)];
        levels.find(price).map_or(0, |slot| levels.queue(slot).qty)
    }

    fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let levels = &self.sides[row(side)];
        let mut slot = levels.best();
        core::iter::from_fn(move || {
            if slot == NIL {
                return None;
            }
            let queue = levels.queue(slot);
            let level = Level { price: levels.price(slot), qty: queue.qty, orders: queue.orders };
            slot = levels.worse(slot);
            Some(level)
        })
    }

    fn orders(&self, side: Side) -> impl Iterator<Item = Resting> + '_ {
        self.handles(side).map(|(_, resting)| resting)
    }

    fn handles(&self, side: Side) -> impl Iterator<Item = (Handle, Resting)> + '_ {
        let levels = &self.sides[row(side)];
        let first = |slot| {
            if slot == NIL { NIL } else { levels.queue(slot).head }
        };
        let mut slot = levels.best();
        let mut at = first(slot);
        core::iter::from_fn(move || {
            if slot == NIL {
                return None;
            }
            let node = self.slab.node(at);
            let price = levels.price(slot);
            let found = (Handle(at), Resting { order: node.order, owner: node.owner, side, price, qty: node.qty });
            at = node.next;
            if at == NIL {
                slot = levels.worse(slot);
                at = first(slot);
            }
            Some(found)
        })
    }

    #[inline]
    fn len(&self) -> usize {
        self.slab.live()
    }

    fn clear(&mut self) {
        self.slab.clear();
        self.sides.iter_mut().for_each(Levels::clear);
    }

    #[inline]
    fn accepts(&self, price: Ticks) -> bool {
        self.sides[0].accepts(price)
    }

    fn heap_bytes(&self) -> usize {
        self.slab.heap_bytes() + self.sides.iter().map(Levels::heap_bytes).sum::<usize>()
    }
}

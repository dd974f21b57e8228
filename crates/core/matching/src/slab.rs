//! Resting orders in one array, linked into first-in-first-out queues by index.

use heng_model::{OrderId, OwnerId, Side};

/// No order, no level.
pub(crate) const NIL: u32 = u32::MAX;
/// Top bit of `Node::place`: the order is a sell.
const SELL: u32 = 1 << 31;
/// First room of a book: most books hold few orders.
const ROOM_FIRST: usize = 16;

/// A resting order, or a free place (`qty` = 0) whose `next` is the next free one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) order: OrderId,
    pub(crate) qty: i64,
    pub(crate) owner: OwnerId,
    place: u32,
    pub(crate) next: u32,
    prev: u32,
}

const _: () = assert!(core::mem::size_of::<Node>() == 32, "two orders share a cache line");

impl Node {
    #[inline]
    pub(crate) const fn side(&self) -> Side {
        if self.place & SELL == 0 { Side::Buy } else { Side::Sell }
    }

    /// The level's slot on its side.
    #[inline]
    pub(crate) const fn slot(&self) -> u32 {
        self.place & !SELL
    }
}

/// The orders of one price level, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// Sum of the orders' quantities.
    pub qty: i64,
    /// The oldest order.
    pub head: u32,
    tail: u32,
    /// Number of orders.
    pub orders: u32,
}

impl Queue {
    pub(crate) const EMPTY: Self = Self { qty: 0, head: NIL, tail: NIL, orders: 0 };

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.head == NIL
    }
}

/// All resting orders of one book.
#[derive(Clone, Debug)]
pub(crate) struct Slab {
    nodes: Vec<Node>,
    free: u32,
    live: u32,
}

impl Slab {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: NIL, live: 0 }
    }

    #[inline]
    pub(crate) const fn live(&self) -> usize {
        self.live as usize
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * core::mem::size_of::<Node>()
    }

    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.free = NIL;
        self.live = 0;
    }

    #[inline]
    pub(crate) fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    #[inline]
    pub(crate) fn node_mut(&mut self, at: u32) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    /// The live node at `at`, if it holds `order`.
    #[inline]
    pub(crate) fn holding(&self, at: u32, order: OrderId) -> Option<&Node> {
        self.nodes.get(at as usize).filter(|node| node.order == order && node.qty > 0)
    }

    /// Starts the read of a node.
    #[inline]
    pub(crate) fn warm(&self, at: u32) {
        if let Some(node) = self.nodes.get(at as usize) {
            crate::prefetch(node);
        }
    }

    /// Starts the read of the place that the next order will take, if it was used before.
    #[inline]
    pub(crate) fn warm_next(&self) {
        self.warm(self.free);
    }

    /// The live node at `at`.
    pub(crate) fn get(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize).filter(|node| node.qty > 0)
    }

    pub(crate) fn find(&self, order: OrderId) -> Option<u32> {
        self.nodes.iter().position(|node| node.order == order && node.qty > 0).map(|at| at as u32)
    }

    /// Appends an order to a queue.
    #[inline]
    pub(crate) fn push(
        &mut self,
        queue: &mut Queue,
        order: OrderId,
        owner: OwnerId,
        side: Side,
        slot: u32,
        qty: i64,
    ) -> u32 {
        let place = slot | if side == Side::Sell { SELL } else { 0 };
        let node = Node { order, qty, owner, place, next: NIL, prev: queue.tail };
        let at = self.put(node);
        if queue.tail == NIL {
            queue.head = at;
        } else {
            self.node_mut(queue.tail).next = at;
        }
        queue.tail = at;
        queue.orders += 1;
        queue.qty = crate::book::checked_sum(queue.qty, qty);
        self.live += 1;
        at
    }

    #[inline]
    fn put(&mut self, node: Node) -> u32 {
        if self.free != NIL {
            let at = self.free;
            let place = self.node_mut(at);
            let next_free = place.next;
            *place = node;
            self.free = next_free;
            return at;
        }
        if self.nodes.len() == self.nodes.capacity() {
            self.grow();
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    /// Grows by a quarter, so that the reserve stays small beside the orders.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        assert!(self.nodes.len() < NIL as usize / 2, "a book holds fewer than two billion orders");
        self.nodes.reserve_exact((self.nodes.len() / 4).max(ROOM_FIRST));
    }

    /// Removes an order from the middle of its queue; what it had left goes off the queue's sum.
    #[inline]
    pub(crate) fn unlink(&mut self, queue: &mut Queue, at: u32) {
        let Node { prev, next, qty, .. } = *self.node(at);
        if prev == NIL {
            queue.head = next;
        } else {
            self.node_mut(prev).next = next;
        }
        if next == NIL {
            queue.tail = prev;
        } else {
            self.node_mut(next).prev = prev;
        }
        queue.orders -= 1;
        queue.qty -= qty;
        self.release(at);
    }

    /// Removes the oldest order, whose quantity has been taken off the queue's sum already.
    #[inline]
    pub(crate) fn pop_front(&mut self, queue: &mut Queue) {
        let at = queue.head;
        let next = self.node(at).next;
        queue.head = next;
        if next == NIL {
            queue.tail = NIL;
        } else {
            self.node_mut(next).prev = NIL;
        }
        queue.orders -= 1;
        self.release(at);
    }

    #[inline]
    fn release(&mut self, at: u32) {
        let free = self.free;
        let node = self.node_mut(at);
        node.qty = 0;
        node.next = free;
        self.free = at;
        self.live -= 1;
    }
}

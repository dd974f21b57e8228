//! Price levels in an ordered map, for instruments without a bounded price range.

use std::collections::BTreeMap;

use heng_model::Side;

use crate::book::{Ticks, key, price_of_key};
use crate::slab::{NIL, Queue};
use crate::slab_book::{Levels, SlabBook};

/// A book for any price.
pub type SparseBook = SlabBook<Sparse>;

impl SparseBook {
    /// An empty book.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_sides(Sparse::new(Side::Buy), Sparse::new(Side::Sell))
    }
}

impl Default for SparseBook {
    fn default() -> Self {
        Self::new()
    }
}

/// One side of a [`SparseBook`].
#[derive(Clone, Debug)]
pub struct Sparse {
    best_slot: u32,
    side: Side,
    /// Slots of the levels that hold orders, by key: the last is the best.
    by_key: BTreeMap<i64, u32>,
    levels: Vec<SparseLevel>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct SparseLevel {
    key: i64,
    queue: Queue,
}

impl Sparse {
    const fn new(side: Side) -> Self {
        Self { best_slot: NIL, side, by_key: BTreeMap::new(), levels: Vec::new(), free: Vec::new() }
    }

    fn last_slot(&self) -> u32 {
        self.by_key.last_key_value().map_or(NIL, |(_, slot)| *slot)
    }

    fn new_slot(&mut self, key: i64) -> u32 {
        let level = SparseLevel { key, queue: Queue::EMPTY };
        if let Some(slot) = self.free.pop() {
            self.levels[slot as usize] = level;
            return slot;
        }
        self.levels.push(level);
        (self.levels.len() - 1) as u32
    }
}

impl Levels for Sparse {
    #[inline]
    fn best(&self) -> u32 {
        self.best_slot
    }

    fn worse(&self, slot: u32) -> u32 {
        let key = self.levels[slot as usize].key;
        self.by_key.range(..key).next_back().map_or(NIL, |(_, slot)| *slot)
    }

    #[inline]
    fn price(&self, slot: u32) -> Ticks {
        price_of_key(self.side, self.levels[slot as usize].key)
    }

    fn find(&self, price: Ticks) -> Option<u32> {
        self.by_key.get(&key(self.side, price)).copied()
    }

    fn open(&mut self, price: Ticks) -> u32 {
        let key = key(self.side, price);
        // Most orders arrive at the best level or beside it.
        if self.best_slot != NIL && self.levels[self.best_slot as usize].key == key {
            return self.best_slot;
        }
        if let Some(slot) = self.by_key.get(&key) {
            return *slot;
        }
        let slot = self.new_slot(key);
        self.by_key.insert(key, slot);
        self.best_slot = self.last_slot();
        slot
    }

    fn close(&mut self, slot: u32) {
        self.by_key.remove(&self.levels[slot as usize].key);
        self.free.push(slot);
        if slot == self.best_slot {
            self.best_slot = self.last_slot();
        }
    }

    #[inline]
    fn queue(&self, slot: u32) -> &Queue {
        &self.levels[slot as usize].queue
    }

    #[inline]
    fn queue_mut(&mut self, slot: u32) -> &mut Queue {
        &mut self.levels[slot as usize].queue
    }

    #[inline]
    fn accepts(&self, _price: Ticks) -> bool {
        true
    }

    fn clear(&mut self) {
        *self = Self::new(self.side);
    }

    fn heap_bytes(&self) -> usize {
        // A B-tree node of the standard library holds up to 11 pairs and is at least half full.
        let map = self.by_key.len() * 2 * core::mem::size_of::<(i64, u32)>();
        map + self.levels.capacity() * core::mem::size_of::<SparseLevel>() + self.free.capacity() * 4
    }
}

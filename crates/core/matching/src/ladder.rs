//! Price levels as a dense array with a two-step bitmap for the best price.
//!
//! A-share prices are bounded each day, so a level is found by subtraction. Levels come in blocks of 64, the width of
//! one bitmap word, and a block is made when its first order arrives: a book with few orders stays small however
//! wide its range is. Both sides are kept so that a higher index is a better price.

use heng_model::Side;

use crate::book::{Ticks, key, price_of_key};
use crate::slab::{NIL, Queue};
use crate::slab_book::{Levels, SlabBook};

/// Widest range of a ladder, in ticks. Wider instruments use a sparse book.
pub const LADDER_TICKS_MAX: u64 = 65_536;
/// Levels in a block and bits in a word.
const BLOCK: u32 = 64;

/// A book whose prices lie in a range fixed at the start: the fastest.
pub type LadderBook = SlabBook<Ladder>;

impl LadderBook {
    /// A book for prices from `lower` to `upper`, both included.
    ///
    /// # Panics
    /// If the range is empty or wider than [`LADDER_TICKS_MAX`].
    #[must_use]
    pub fn new(lower: Ticks, upper: Ticks) -> Self {
        Self::with_sides(Ladder::new(Side::Buy, lower, upper), Ladder::new(Side::Sell, lower, upper))
    }

    /// Whether [`LadderBook::new`] takes this range.
    #[must_use]
    pub const fn fits(lower: Ticks, upper: Ticks) -> bool {
        lower <= upper && upper.abs_diff(lower) < LADDER_TICKS_MAX
    }
}

/// One side of a [`LadderBook`].
#[derive(Clone, Debug)]
pub struct Ladder {
    /// The best level's slot and index, or `NIL` and unused.
    best_slot: u32,
    best_index: u32,
    side: Side,
    /// Key of index 0.
    origin: i64,
    /// Number of indexes.
    width: u32,
    /// A bit per level that holds orders.
    words: Box<[u64]>,
    /// A bit per word that is not zero.
    summary: Box<[u64]>,
    /// Block of each word, or `NIL`.
    blocks: Box<[u32]>,
    /// Word of each block.
    block_words: Vec<u32>,
    /// 64 queues a block.
    queues: Vec<Queue>,
}

impl Ladder {
    fn new(side: Side, lower: Ticks, upper: Ticks) -> Self {
        assert!(LadderBook::fits(lower, upper), "a ladder spans 1 to {LADDER_TICKS_MAX} ticks");
        let width = (upper.abs_diff(lower) + 1) as u32;
        let words = width.div_ceil(BLOCK) as usize;
        Self {
            best_slot: NIL,
            best_index: 0,
            side,
            origin: key(side, lower).min(key(side, upper)),
            width,
            words: vec![0; words].into_boxed_slice(),
            summary: vec![0; words.div_ceil(BLOCK as usize)].into_boxed_slice(),
            blocks: vec![NIL; words].into_boxed_slice(),
            block_words: Vec::new(),
            queues: Vec::new(),
        }
    }

    #[inline]
    fn index_of(&self, price: Ticks) -> Option<u32> {
        let index = key(self.side, price).checked_sub(self.origin)?;
        u32::try_from(index).ok().filter(|index| *index < self.width)
    }

    #[inline]
    fn index_of_slot(&self, slot: u32) -> u32 {
        self.block_words[(slot / BLOCK) as usize] * BLOCK + slot % BLOCK
    }

    #[inline]
    fn slot_of_index(&self, index: u32) -> u32 {
        self.blocks[(index / BLOCK) as usize] * BLOCK + index % BLOCK
    }

    #[cold]
    #[inline(never)]
    fn add_block(&mut self, word: u32) -> u32 {
        let block = self.block_words.len() as u32;
        self.block_words.push(word);
        self.queues.reserve_exact(BLOCK as usize);
        self.queues.resize(self.queues.len() + BLOCK as usize, Queue::EMPTY);
        self.blocks[word as usize] = block;
        block
    }

    /// The highest index below `index` that holds orders.
    #[inline]
    fn index_below(&self, index: u32) -> Option<u32> {
        let word = index / BLOCK;
        let bits = self.words[word as usize] & low_bits(index % BLOCK);
        if bits != 0 {
            return Some(word * BLOCK + bits.ilog2());
        }
        let mut above = word / BLOCK;
        let mut marks = self.summary[above as usize] & low_bits(word % BLOCK);
        while marks == 0 {
            above = above.checked_sub(1)?;
            marks = self.summary[above as usize];
        }
        let word = above * BLOCK + marks.ilog2();
        Some(word * BLOCK + self.words[word as usize].ilog2())
    }
}

/// The bits below bit `count`, `count` < 64.
#[inline]
const fn low_bits(count: u32) -> u64 {
    (1 << count) - 1
}

impl Levels for Ladder {
    #[inline]
    fn best(&self) -> u32 {
        self.best_slot
    }

    #[inline]
    fn worse(&self, slot: u32) -> u32 {
        self.index_below(self.index_of_slot(slot)).map_or(NIL, |index| self.slot_of_index(index))
    }

    #[inline]
    fn price(&self, slot: u32) -> Ticks {
        price_of_key(self.side, self.origin + i64::from(self.index_of_slot(slot)))
    }

    #[inline]
    fn warm(&self, price: Ticks) {
        if let Some(index) = self.index_of(price) {
            crate::prefetch(&self.words[(index / BLOCK) as usize]);
            crate::prefetch(&self.blocks[(index / BLOCK) as usize]);
        }
    }

    #[inline]
    fn find(&self, price: Ticks) -> Option<u32> {
        let index = self.index_of(price)?;
        let bit = 1 << (index % BLOCK);
        (self.words[(index / BLOCK) as usize] & bit != 0).then(|| self.slot_of_index(index))
    }

    #[inline]
    fn open(&mut self, price: Ticks) -> u32 {
        let index = self.index_of(price).expect("the caller keeps prices inside the ladder's range");
        let word = index / BLOCK;
        let mut block = self.blocks[word as usize];
        if block == NIL {
            block = self.add_block(word);
        }
        let slot = block * BLOCK + index % BLOCK;
        if self.queues[slot as usize].is_empty() {
            self.words[word as usize] |= 1 << (index % BLOCK);
            self.summary[(word / BLOCK) as usize] |= 1 << (word % BLOCK);
            if self.best_slot == NIL || index > self.best_index {
                self.best_slot = slot;
                self.best_index = index;
            }
        }
        slot
    }

    #[inline]
    fn close(&mut self, slot: u32) {
        let index = self.index_of_slot(slot);
        let word = index / BLOCK;
        let bits = &mut self.words[word as usize];
        *bits &= !(1 << (index % BLOCK));
        if *bits == 0 {
            self.summary[(word / BLOCK) as usize] &= !(1 << (word % BLOCK));
        }
        if slot == self.best_slot {
            match self.index_below(index) {
                Some(next) => {
                    self.best_index = next;
                    self.best_slot = self.slot_of_index(next);
                }
                None => self.best_slot = NIL,
            }
        }
    }

    #[inline]
    fn queue(&self, slot: u32) -> &Queue {
        &self.queues[slot as usize]
    }

    #[inline]
    fn queue_mut(&mut self, slot: u32) -> &mut Queue {
        &mut self.queues[slot as usize]
    }

    #[inline]
    fn accepts(&self, price: Ticks) -> bool {
        self.index_of(price).is_some()
    }

    fn clear(&mut self) {
        self.best_slot = NIL;
        self.words.fill(0);
        self.summary.fill(0);
        self.queues.fill(Queue::EMPTY);
    }

    fn heap_bytes(&self) -> usize {
        (self.words.len() + self.summary.len()) * 8
            + (self.blocks.len() + self.block_words.capacity()) * 4
            + self.queues.capacity() * core::mem::size_of::<Queue>()
    }
}

//! A hash map with look-up and no iterator, so that no order of iteration can leak into results.
//!
//! Open addressing with linear probing and backward-shift deletion; keys are integers, values are `u32` row numbers.
//! The hash is fixed, so the memory picture is the same on every replica, though nothing depends on it.

/// Maps a 64-bit key to a row number. `u32::MAX` is not a valid row.
#[derive(Clone, Debug, Default)]
pub struct IdMap {
    slots: Vec<Slot>,
    len: usize,
    mask: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u64,
    row: u32,
}

const EMPTY: u32 = u32::MAX;

#[inline]
const fn spread(key: u64) -> u64 {
    let x = (key ^ (key >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^ (x >> 29)
}

impl IdMap {
    /// A map that takes `entries` without growing.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        let mut map = Self::default();
        map.resize((entries * 3 / 2 + 8).next_power_of_two());
        map
    }

    /// Makes room for `entries` in all.
    pub fn make_room(&mut self, entries: usize) {
        let wanted = (entries * 3 / 2 + 8).next_power_of_two();
        if wanted > self.slots.len() {
            self.resize(wanted);
        }
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.slots.capacity() * core::mem::size_of::<Slot>()
    }

    #[inline]
    fn find(&self, key: u64) -> Result<usize, usize> {
        let mut at = spread(key) as usize & self.mask;
        loop {
            let slot = &self.slots[at];
            if slot.row == EMPTY {
                return Err(at);
            }
            if slot.key == key {
                return Ok(at);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// The row of `key`.
    #[must_use]
    #[inline]
    pub fn get(&self, key: u64) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        self.find(key).ok().map(|at| self.slots[at].row)
    }

    /// The place that [`IdMap::get`] will read first, for a prefetch; what stands there means nothing.
    #[inline]
    #[must_use]
    pub fn place(&self, key: u64) -> Option<&u64> {
        self.slots.get(spread(key) as usize & self.mask).map(|slot| &slot.key)
    }

    /// Sets the row of `key`; returns the row that it had.
    ///
    /// # Panics
    /// If `row` is `u32::MAX`.
    pub fn insert(&mut self, key: u64, row: u32) -> Option<u32> {
        assert!(row != EMPTY, "the highest row number marks empty slots");
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.resize((self.slots.len() * 2).max(16));
        }
        match self.find(key) {
            Ok(at) => Some(core::mem::replace(&mut self.slots[at].row, row)),
            Err(at) => {
                self.slots[at] = Slot { key, row };
                self.len += 1;
                None
            }
        }
    }

    /// Removes `key`; returns its row.
    pub fn remove(&mut self, key: u64) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut hole = self.find(key).ok()?;
        let row = self.slots[hole].row;
        let mut at = (hole + 1) & self.mask;
        while self.slots[at].row != EMPTY {
            let home = spread(self.slots[at].key) as usize & self.mask;
            // The entry may move back if its home does not lie cyclically between the hole and itself.
            if (at.wrapping_sub(home) & self.mask) >= (at.wrapping_sub(hole) & self.mask) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = (at + 1) & self.mask;
        }
        self.slots[hole].row = EMPTY;
        self.len -= 1;
        Some(row)
    }

    /// Forgets all entries and keeps the room.
    pub fn clear(&mut self) {
        self.slots.fill(Slot { key: 0, row: EMPTY });
        self.len = 0;
    }

    fn resize(&mut self, size: usize) {
        let old = core::mem::replace(&mut self.slots, vec![Slot { key: 0, row: EMPTY }; size]);
        self.mask = size - 1;
        for slot in old {
            if slot.row != EMPTY {
                let at = self.find(slot.key).expect_err("keys are unique");
                self.slots[at] = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn equals_an_ordered_map_under_random_use() {
        let mut state = 1u64;
        let mut draw = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let (mut map, mut model) = (IdMap::default(), BTreeMap::new());
        for _ in 0..200_000 {
            let key = draw() % 997;
            if draw().is_multiple_of(3) {
                assert_eq!(map.remove(key), model.remove(&key));
            } else {
                let row = draw() as u32 % 1000;
                assert_eq!(map.insert(key, row), model.insert(key, row));
            }
            assert_eq!(map.len(), model.len());
            let probe = draw() % 997;
            assert_eq!(map.get(probe), model.get(&probe).copied());
        }
    }
}

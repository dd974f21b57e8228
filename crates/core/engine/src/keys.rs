//! Order keys (design rule 9): account and client order id, of today and of the previous trade date.

use heng_model::command::{NewOrder, NewParent};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{ClientOrderId, RejectCode, Seq};

use crate::pieces::Pieces;

/// What a key points at: an order, or a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Index of an order of today.
    Order(u32),
    /// Index of a parent.
    Parent(u32),
}

/// Client order id (two words), content, account row and target.
type Entry = [u64; 4];

/// Hash of a key and place of its entry plus one; all zero = empty, so that a large index costs nothing until it is
/// used.
pub(crate) type Slot = [u64; 2];

/// A piece takes 8 MiB of addresses, as those of the orders do.
const ENTRIES_SHIFT: u32 = 18;
/// Slots of the smallest index.
const SLOTS_MIN: usize = 1 << 12;
/// How much larger the next index is: sixteen million keys are five indexes at most.
const GROWTH: usize = 8;

const PARENT_BIT: u32 = 1 << 31;

/// The keys of one trade date.
///
/// Entries stand in the order in which they came. An index that is full stays and a larger one is put before it, so
/// that no order waits for a table to be rebuilt.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyTable {
    entries: Pieces<Entry, ENTRIES_SHIFT>,
    /// Newest last.
    indexes: Vec<Index>,
}

#[derive(Clone, Debug)]
struct Index {
    slots: Vec<Slot>,
    used: usize,
}

impl Index {
    fn new(slots: usize) -> Self {
        Self { slots: vec![[0; 2]; slots], used: 0 }
    }

    const fn is_full(&self) -> bool {
        (self.used + 1) * 4 > self.slots.len() * 3
    }

    /// The first slot behind a key's home that is empty or holds an entry with this hash that `is_it`.
    #[inline]
    fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let [word, place] = self.slots[at];
            if place == 0 {
                return Err(at);
            }
            if word == hash && is_it(place as usize - 1) {
                return Ok(place as usize - 1);
            }
            at = (at + 1) & mask;
        }
    }
}

#[inline]
fn hash_of(row: u32, id: ClientOrderId) -> u64 {
    let low = id.0 as u64 ^ (u64::from(row) << 32 | u64::from(row));
    let mixed = low.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((id.0 >> 64) as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    let x = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}

#[inline]
const fn pack(row: u32, target: Target) -> u64 {
    let code = match target {
        Target::Order(index) => index + 1,
        Target::Parent(index) => (index + 1) | PARENT_BIT,
    };
    (row as u64) << 32 | code as u64
}

#[inline]
const fn unpack(word: u64) -> Target {
    let code = word as u32;
    if code & PARENT_BIT == 0 { Target::Order(code - 1) } else { Target::Parent((code & !PARENT_BIT) - 1) }
}

impl KeyTable {
    /// A table that takes `keys` with one index.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { entries: Pieces::default(), indexes: vec![Index::new(slots_for(keys))] }
    }

    /// Makes room for `keys` before they come and has the system give the memory.
    pub(crate) fn make_room(&mut self, keys: usize) {
        let wanted = slots_for(keys);
        if self.indexes.iter().all(|index| index.slots.len() < wanted) {
            self.indexes.push(Index::new(wanted));
        }
        self.entries.make_room(keys, [0; 4]);
        // One write a page, of what stands there.
        let newest = self.indexes.last_mut().expect("there is one");
        for slot in newest.slots.iter_mut().step_by(256) {
            *slot = core::hint::black_box(*slot);
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// Place of a key's entry.
    #[inline]
    fn find(&self, row: u32, id: ClientOrderId) -> Option<usize> {
        let hash = hash_of(row, id);
        let (low, high) = (id.0 as u64, (id.0 >> 64) as u64);
        let is_it = |place: usize| {
            let entry = self.entries.get(place);
            entry[0] == low && entry[1] == high && (entry[3] >> 32) as u32 == row
        };
        self.indexes.iter().rev().find_map(|index| index.find(hash, is_it).ok())
    }

    /// Content and target of a key.
    #[inline]
    pub(crate) fn get(&self, row: u32, id: ClientOrderId) -> Option<(u64, Target)> {
        let entry = self.entries.get(self.find(row, id)?);
        Some((entry[2], unpack(entry[3])))
    }

    /// The client's own id, by the place that [`Self::insert`] told.
    pub(crate) fn client_order(&self, place: u32) -> ClientOrderId {
        let entry = self.entries.get(place as usize);
        ClientOrderId(u128::from(entry[1]) << 64 | u128::from(entry[0]))
    }

    /// Adds a key that is not there; returns its place.
    #[inline]
    pub(crate) fn insert(&mut self, row: u32, id: ClientOrderId, content: u64, target: Target) -> u32 {
        if self.indexes.last().is_none_or(Index::is_full) {
            self.add_index();
        }
        let place = self.entries.len();
        let index = self.indexes.last_mut().expect("there is one");
        let hash = hash_of(row, id);
        let at = index.find(hash, |_| false).expect_err("nothing is looked for but room");
        index.slots[at] = [hash, place as u64 + 1];
        index.used += 1;
        self.entries.push([id.0 as u64, (id.0 >> 64) as u64, content, pack(row, target)]);
        place as u32
    }

    #[cold]
    fn add_index(&mut self) {
        let slots = self.indexes.last().map_or(SLOTS_MIN, |index| index.slots.len() * GROWTH);
        self.indexes.push(Index::new(slots));
    }

    /// The place that a look-up reads first, for a prefetch.
    #[inline]
    pub(crate) fn home_of(&self, row: u32, id: ClientOrderId) -> Option<&Slot> {
        let slots = &self.indexes.last()?.slots;
        slots.get(hash_of(row, id) as usize & slots.len().wrapping_sub(1))
    }

    /// Forgets all keys and keeps room, with one index that takes `keys`.
    pub(crate) fn clear(&mut self, keys: usize) {
        self.entries.clear();
        self.indexes = vec![Index::new(slots_for(keys))];
    }

    pub(crate) fn write_state(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        (self.entries.len() as u64).put(out);
        for entry in self.entries.iter() {
            entry.iter().for_each(|word| word.put(out));
            flush(out);
        }
    }

    /// Whether every target exists, given how many orders and parents there are.
    pub(crate) fn targets_exist(&self, orders: u32, parents: u32) -> bool {
        self.entries.iter().all(|entry| match unpack(entry[3]) {
            Target::Order(index) => index < orders,
            Target::Parent(index) => index < parents,
        })
    }

    /// Number of keys.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let len = u64::get(from)?;
        let mut table = Self::with_capacity(usize::try_from(len).unwrap_or(0).min(1 << 16));
        for _ in 0..len {
            let entry: Entry = [u64::get(from)?, u64::get(from)?, u64::get(from)?, u64::get(from)?];
            if entry[3] as u32 & !PARENT_BIT == 0 {
                return Err(WireError::OutOfRange { of: "key target" });
            }
            let id = ClientOrderId(u128::from(entry[1]) << 64 | u128::from(entry[0]));
            let row = (entry[3] >> 32) as u32;
            if table.find(row, id).is_some() {
                return Err(WireError::OutOfRange { of: "key" });
            }
            table.insert(row, id, entry[2], unpack(entry[3]));
        }
        Ok(table)
    }
}

/// Slots of an index that `keys` fill to less than three quarters.
fn slots_for(keys: usize) -> usize {
    (keys * 4 / 3 + 16).next_power_of_two().max(SLOTS_MIN)
}

/// What became of a key of the previous trade date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PastOutcome {
    /// Sequence of the command.
    pub(crate) seq: Seq,
    /// Id of the order or parent.
    pub(crate) id: u64,
    /// The refusal, if it was refused.
    pub(crate) code: Option<RejectCode>,
}

#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    let x = (hash ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
    x ^ (x >> 29)
}

/// What an order asks, as 64 bits: same key and same content is a repeat.
#[inline]
pub(crate) fn content_of(order: &NewOrder) -> u64 {
    let codes =
        u64::from(order.side as u8) << 16 | u64::from(order.order_type as u8) << 8 | u64::from(order.self_trade as u8);
    let hash = mix(u64::from(order.instrument.0) << 32 | codes, order.price.0 as u64);
    mix(mix(hash, order.quantity.0 as u64), 1)
}

/// What a parent asks, as 64 bits.
pub(crate) fn content_of_parent(parent: &NewParent) -> u64 {
    let bytes = heng_model::wire::encode(parent);
    let digest = heng_model::hash::sha256(&bytes);
    u64::from_le_bytes(digest[..8].try_into().expect("eight of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_table_equals_an_ordered_map() {
        let (mut table, mut model) = (KeyTable::default(), BTreeMap::new());
        let mut draw = 9u64;
        for at in 0..20_000u32 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (row, id) = ((draw >> 60) as u32, ClientOrderId(u128::from(draw >> 50 & 0x3ff) << (draw >> 40 & 64)));
            let target = if at % 3 == 0 { Target::Parent(at) } else { Target::Order(at) };
            if let std::collections::btree_map::Entry::Vacant(entry) = model.entry((row, id)) {
                table.insert(row, id, draw, target);
                entry.insert((draw, target));
            }
            assert_eq!(table.get(row, id), model.get(&(row, id)).copied());
        }
        assert!(model.len() > 10_000 && table.targets_exist(20_000, 20_000) && !table.targets_exist(19_000, 20_000));
    }

    #[test]
    fn two_tables_of_equal_keys_write_equal_bytes_whatever_their_size() {
        let (mut small, mut large) = (KeyTable::default(), KeyTable::with_capacity(5_000));
        for at in 0..500u32 {
            small.insert(at % 7, ClientOrderId(u128::from(at)), 3, Target::Order(at));
        }
        for at in 0..500u32 {
            large.insert(at % 7, ClientOrderId(u128::from(at)), 3, Target::Order(at));
        }
        let bytes = |table: &KeyTable| {
            let mut out = Writer::default();
            table.write_state(&mut out, &mut |_| {});
            out.bytes().to_vec()
        };
        assert_eq!(bytes(&small), bytes(&large));
        let read = KeyTable::read_state(&mut Reader::new(&bytes(&small))).unwrap();
        assert_eq!(read.get(3, ClientOrderId(10)), Some((3, Target::Order(10))));
    }

    #[test]
    fn a_key_twice_in_a_snapshot_is_an_error() {
        let mut out = Writer::default();
        2u64.put(&mut out);
        for _ in 0..2 {
            [5u64, 0, 1, 1].iter().for_each(|word| word.put(&mut out));
        }
        assert!(KeyTable::read_state(&mut Reader::new(out.bytes())).is_err());
    }
}

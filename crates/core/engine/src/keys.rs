//! Order keys (design rule 9): account and client order id, of today and of the previous trade date.

use heng_model::command::{NewOrder, NewParent};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{ClientOrderId, RejectCode, Seq};

/// What a key points at: an order, or a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Index of an order of today.
    Order(u32),
    /// Index of a parent.
    Parent(u32),
}

/// A slot: client order id (two words), content, account row and target. All zero = empty, so that a large table
/// costs nothing until it is used.
pub(crate) type Slot = [u64; 4];

const PARENT_BIT: u32 = 1 << 31;

/// The keys of one trade date.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyTable {
    slots: Vec<Slot>,
    len: usize,
}

#[inline]
fn home(row: u32, id: ClientOrderId) -> u64 {
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
    /// A table that takes `keys` without growing.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { slots: vec![[0; 4]; (keys * 4 / 3 + 16).next_power_of_two()], len: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn place(&self, row: u32, id: ClientOrderId) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        let mut at = home(row, id) as usize & mask;
        let (low, high) = (id.0 as u64, (id.0 >> 64) as u64);
        loop {
            let slot = &self.slots[at];
            if slot[3] == 0 {
                return (at, false);
            }
            if slot[0] == low && slot[1] == high && (slot[3] >> 32) as u32 == row {
                return (at, true);
            }
            at = (at + 1) & mask;
        }
    }

    /// Content and target of a key.
    #[inline]
    pub(crate) fn get(&self, row: u32, id: ClientOrderId) -> Option<(u64, Target)> {
        if self.len == 0 {
            return None;
        }
        let (at, found) = self.place(row, id);
        found.then(|| (self.slots[at][2], unpack(self.slots[at][3])))
    }

    /// Adds a key that is not there.
    #[inline]
    pub(crate) fn insert(&mut self, row: u32, id: ClientOrderId, content: u64, target: Target) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let (at, found) = self.place(row, id);
        assert!(!found, "keys are looked up before they are added");
        self.slots[at] = [id.0 as u64, (id.0 >> 64) as u64, content, pack(row, target)];
        self.len += 1;
    }

    #[cold]
    fn grow(&mut self) {
        let old = core::mem::take(&mut self.slots);
        self.slots = vec![[0; 4]; (old.len() * 2).max(64)];
        for slot in old.into_iter().filter(|slot| slot[3] != 0) {
            let id = ClientOrderId(u128::from(slot[1]) << 64 | u128::from(slot[0]));
            let (at, _) = self.place((slot[3] >> 32) as u32, id);
            self.slots[at] = slot;
        }
    }

    /// The place that a look-up reads first, for a prefetch.
    #[inline]
    pub(crate) fn home_of(&self, row: u32, id: ClientOrderId) -> Option<&Slot> {
        self.slots.get(home(row, id) as usize & self.slots.len().wrapping_sub(1))
    }

    /// The entries in the order of their targets: canonical, whatever the table looks like.
    fn sorted(&self) -> Vec<Slot> {
        let mut entries: Vec<Slot> = self.slots.iter().filter(|slot| slot[3] != 0).copied().collect();
        entries.sort_unstable_by_key(|slot| (slot[3] as u32, slot[3] >> 32));
        entries
    }

    pub(crate) fn write_state(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        (self.len as u64).put(out);
        for slot in self.sorted() {
            slot.iter().for_each(|word| word.put(out));
            flush(out);
        }
    }

    /// Whether every target exists, given how many orders and parents there are.
    pub(crate) fn targets_exist(&self, orders: u32, parents: u32) -> bool {
        self.slots.iter().filter(|slot| slot[3] != 0).all(|slot| match unpack(slot[3]) {
            Target::Order(index) => index < orders,
            Target::Parent(index) => index < parents,
        })
    }

    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let len = u64::get(from)?;
        let mut table = Self::with_capacity(usize::try_from(len).unwrap_or(0).min(1 << 16));
        for _ in 0..len {
            let slot: Slot = [u64::get(from)?, u64::get(from)?, u64::get(from)?, u64::get(from)?];
            if slot[3] as u32 & !PARENT_BIT == 0 {
                return Err(WireError::OutOfRange { of: "key target" });
            }
            let id = ClientOrderId(u128::from(slot[1]) << 64 | u128::from(slot[0]));
            let row = (slot[3] >> 32) as u32;
            if table.get(row, id).is_some() {
                return Err(WireError::OutOfRange { of: "key" });
            }
            table.insert(row, id, slot[2], unpack(slot[3]));
        }
        Ok(table)
    }
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
        for at in (0..500u32).rev() {
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

//! A dated series: for each key, values in force one after the other, each day at most one.

use std::collections::BTreeMap;
use std::fmt::Debug;

use heng_model::TradeDate;

use crate::document::Head;
use crate::error::RuleError;

/// A value with the days on which it is in force: from `from` until the day before `to`.
#[derive(Clone, Debug)]
struct Dated<V> {
    from: TradeDate,
    to: Option<TradeDate>,
    /// Index of the entry in the rule book, for messages.
    entry: u32,
    value: V,
}

/// All values of one rule, by key.
#[derive(Clone, Debug)]
pub(crate) struct Series<K, V> {
    by_key: BTreeMap<K, Vec<Dated<V>>>,
}

impl<K, V> Default for Series<K, V> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new() }
    }
}

impl<K: Ord + Copy + Debug, V: Clone> Series<K, V> {
    /// Adds `value` for each of `keys`. Order and collisions are looked at by [`Self::problems`].
    pub(crate) fn insert(&mut self, keys: impl IntoIterator<Item = K>, head: &Head, value: &V) {
        for key in keys {
            let values = self.by_key.entry(key).or_default();
            values.push(Dated { from: head.from, to: head.to, entry: head.index, value: value.clone() });
        }
    }

    /// Puts each key's values in order of date and tells overlaps and gaps.
    pub(crate) fn problems(&mut self, heads: &[Head], out: &mut Vec<RuleError>) {
        for (key, values) in &mut self.by_key {
            values.sort_by_key(|dated| (dated.from, dated.entry));
            for pair in values.windows(2) {
                let (head, next) = (&heads[pair[0].entry as usize], &heads[pair[1].entry as usize]);
                let place = format!("{}:{} ({})", head.file, head.line, head.id);
                let reason = match pair[0].to {
                    Some(to) if to == pair[1].from => continue,
                    Some(to) if to < pair[1].from => format!(
                        "gap: no entry for {key:?} from {to} until {}, after {place}; close it or move a date",
                        pair[1].from
                    ),
                    _ => format!(
                        "overlap: \"{}\" from {} is in force for {key:?} together with {place}; end that one with to = \"{}\"",
                        next.id, pair[1].from, pair[1].from
                    ),
                };
                out.push(RuleError::new(&next.file, next.line, reason));
            }
        }
    }

    /// The value in force on `date`.
    pub(crate) fn at(&self, key: K, date: TradeDate) -> Option<&V> {
        let values = self.by_key.get(&key)?;
        let after = values.partition_point(|dated| dated.from <= date);
        let dated = &values[after.checked_sub(1)?];
        if dated.to.is_some_and(|to| date >= to) { None } else { Some(&dated.value) }
    }

    /// Whether the key has values at all.
    pub(crate) fn knows(&self, key: K) -> bool {
        self.by_key.contains_key(&key)
    }

    /// The first day of the key's first value.
    pub(crate) fn earliest(&self, key: K) -> Option<TradeDate> {
        self.by_key.get(&key).and_then(|values| values.first()).map(|dated| dated.from)
    }

    /// Every key with its values and the days on which they begin and end.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, TradeDate, Option<TradeDate>, &V)> {
        self.by_key.iter().flat_map(|(key, values)| values.iter().map(|d| (*key, d.from, d.to, &d.value)))
    }
}

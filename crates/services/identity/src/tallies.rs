//! What comes in floods is counted by the minute and not told one by one: failed signatures, requests beyond the rates,
//! malformed requests, failed handshakes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::audit::AuditRow;

const MINUTE: i64 = 60 * 1_000_000_000;
/// Different things of one minute that are counted apart; further ones are counted by their kind alone.
const APART_MAX: usize = 4_096;
/// Bytes of a name, an address or a word that are kept.
const TEXT_MAX: usize = 200;

/// One thing that is counted.
#[derive(Clone, Copy)]
pub(crate) struct Tally<'a> {
    pub(crate) action: &'static str,
    /// Id of the principal; 0 = nobody was identified.
    pub(crate) principal: u64,
    /// Who, or what they called themselves.
    pub(crate) name: &'a str,
    pub(crate) address: Option<IpAddr>,
    /// Where.
    pub(crate) resource: &'a str,
    /// Why the first of them was; the others may differ.
    pub(crate) detail: &'a str,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    minute: i64,
    action: &'static str,
    principal: u64,
    name: String,
    address: Option<IpAddr>,
    resource: String,
}

struct Count {
    times: u64,
    last: i64,
    detail: String,
}

/// Counts that are not written yet.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<HashMap<Key, Count>>);

fn kept(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{25a1}' } else { c };
    text.chars().take(TEXT_MAX / 4).map(plain).collect()
}

impl Tallies {
    /// Counts one.
    pub(crate) fn add(&self, tally: Tally<'_>, now: i64) {
        let minute = now.div_euclid(MINUTE);
        let Tally { action, principal, address, .. } = tally;
        let key = Key { minute, action, principal, name: kept(tally.name), address, resource: kept(tally.resource) };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let apart = counts.len() < APART_MAX || counts.contains_key(&key);
        let several =
            || Key { minute, action, principal: 0, name: "several".to_owned(), address: None, resource: String::new() };
        let key = if apart { key } else { several() };
        let fresh = || Count { times: 0, last: now, detail: kept(tally.detail) };
        let count = counts.entry(key).or_insert_with(fresh);
        count.times += 1;
        count.last = now;
    }

    /// Takes what can be written: minutes that are over, or everything.
    pub(crate) fn take(&self, now: i64, everything: bool) -> Vec<AuditRow> {
        let minute = now.div_euclid(MINUTE);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ripe = counts.extract_if(|key, _| everything || key.minute < minute);
        ripe.map(|(key, count)| AuditRow {
            name: key.name,
            principal: key.principal,
            times: count.times,
            ..AuditRow::of(count.last, key.action, "failed").on(key.resource).telling(count.detail).from(key.address)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(name: &str) -> Tally<'_> {
        Tally { action: "rate", principal: 0, name, address: None, resource: "placeOrder", detail: "too often" }
    }

    #[test]
    fn one_row_tells_a_minute() {
        let tallies = Tallies::default();
        for second in 0..90 {
            tallies.add(tally("a"), second * 1_000_000_000);
        }
        let rows = tallies.take(90 * 1_000_000_000, false);
        assert_eq!(rows.iter().map(|row| row.times).collect::<Vec<_>>(), [60], "the second minute goes on");
        assert_eq!((rows[0].name.as_str(), rows[0].outcome.as_str()), ("a", "failed"));
        assert_eq!(tallies.take(90 * 1_000_000_000, true)[0].times, 30);
        assert!(tallies.take(i64::MAX, true).is_empty());
    }

    #[test]
    fn names_without_end_fill_no_memory() {
        let tallies = Tallies::default();
        for number in 0..3 * APART_MAX {
            tallies.add(tally(&format!("{number}\n{}", "x".repeat(5_000))), 0);
        }
        let rows = tallies.take(0, true);
        assert_eq!(rows.len(), APART_MAX + 1);
        assert_eq!(rows.iter().map(|row| row.times).sum::<u64>(), 3 * APART_MAX as u64);
        assert!(rows.iter().all(|row| row.name.len() <= TEXT_MAX && !row.name.contains('\n')));
    }
}

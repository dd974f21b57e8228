//! Failed attempts, counted by user, by address and by both: each further failure costs a longer wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::error::IdentityError;

/// A count is forgotten after this long without a failure.
const FORGET_S: i64 = 3_600;
/// Users and addresses that are counted at once.
const COUNTED_MAX: usize = 50_000;
const SECOND: i64 = 1_000_000_000;

/// What failures cost.
#[derive(Clone, Copy)]
struct Cost {
    /// Failures that cost nothing.
    free: u32,
    /// The longest wait in seconds.
    wait_max_s: u32,
}

/// One user from one address: people mistype.
const PAIR: Cost = Cost { free: 5, wait_max_s: 300 };
/// One address: many people may stand behind it.
const ADDRESS: Cost = Cost { free: 20, wait_max_s: 300 };
/// One user from anywhere. Whoever signed in from their address before does not wait for the failures of others, so
/// that nobody can shut them out by naming them.
const USER: Cost = Cost { free: 20, wait_max_s: 60 };

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    last: i64,
    /// A sign-in succeeded.
    proven: bool,
}

impl Count {
    /// Seconds that are left of the wait after the last failure.
    fn wait_s(self, cost: Cost, now: i64) -> u32 {
        let beyond = self.failures.saturating_sub(cost.free);
        if beyond == 0 {
            return 0;
        }
        let wait = 1u32.checked_shl(beyond.min(30)).unwrap_or(u32::MAX).min(cost.wait_max_s);
        let left = self.last + i64::from(wait) * SECOND - now;
        u32::try_from((left + SECOND - 1).div_euclid(SECOND).max(0)).unwrap_or(0)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    User(String),
    Address(IpAddr),
    Pair(String, Option<IpAddr>),
}

/// Counts of failures. They are kept in memory: a restart forgives.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Who, Count>>);

impl Attempts {
    /// Whether `user` may try now from `address`.
    pub(crate) fn check(&self, user: &str, address: Option<IpAddr>, now: i64) -> Result<(), IdentityError> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |who: &Who| counts.get(who).copied().unwrap_or_default();
        let pair = of(&Who::Pair(user.to_owned(), address));
        let from = address.map_or(0, |address| of(&Who::Address(address)).wait_s(ADDRESS, now));
        let user = if pair.proven { 0 } else { of(&Who::User(user.to_owned())).wait_s(USER, now) };
        match pair.wait_s(PAIR, now).max(from).max(user) {
            0 => Ok(()),
            seconds => Err(IdentityError::Slow(seconds)),
        }
    }

    /// Notes a failure of `user` from `address`.
    pub(crate) fn failed(&self, user: &str, address: Option<IpAddr>, now: i64) {
        let pair = Who::Pair(user.to_owned(), address);
        self.note([Some(Who::User(user.to_owned())), address.map(Who::Address), Some(pair)], now);
    }

    /// Notes a failure of somebody from `address`.
    pub(crate) fn failed_from(&self, address: Option<IpAddr>, now: i64) {
        self.note([address.map(Who::Address), None, None], now);
    }

    fn note(&self, failed: [Option<Who>; 3], now: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut counts, now);
        for who in failed.into_iter().flatten() {
            let count = counts.entry(who).or_default();
            let old = now - count.last >= FORGET_S * SECOND;
            count.failures = if old { 1 } else { count.failures.saturating_add(1) };
            count.last = now;
        }
    }

    /// Forgets the failures of a user who has proven who they are. The address keeps its count: an attacker may own
    /// one account.
    pub(crate) fn succeeded(&self, user: &str, address: Option<IpAddr>, now: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut counts, now);
        counts.remove(&Who::User(user.to_owned()));
        counts.insert(Who::Pair(user.to_owned(), address), Count { failures: 0, last: now, proven: true });
    }
}

fn make_room(counts: &mut HashMap<Who, Count>, now: i64) {
    if counts.len() < COUNTED_MAX {
        return;
    }
    counts.retain(|_, count| now - count.last < FORGET_S * SECOND);
    if counts.len() >= COUNTED_MAX {
        // So many names and addresses at once are an attack; the hash pool still bounds its pace.
        counts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(attempts: &Attempts, user: &str, address: [u8; 4], now_s: i64) -> u32 {
        match attempts.check(user, Some(address.into()), now_s * SECOND) {
            Ok(()) => 0,
            Err(IdentityError::Slow(seconds)) => seconds,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn waits_double_and_end() {
        let attempts = Attempts::default();
        let failed = |now| attempts.failed("a", Some([1, 1, 1, 1].into()), now);
        for _ in 0..5 {
            failed(0);
        }
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 0), 0);
        failed(0);
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 0), 2);
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 2), 0);
        failed(2 * SECOND);
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 3), 3);
        assert_eq!(wait(&attempts, "b", [1, 1, 1, 1], 3), 0, "others do not wait");
        assert_eq!(wait(&attempts, "a", [2, 2, 2, 2], 3), 0, "nor do they elsewhere");
        for _ in 0..8 {
            failed(10 * SECOND);
        }
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 10), 300);
        attempts.succeeded("a", Some([1, 1, 1, 1].into()), 10 * SECOND);
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 10), 0);
    }

    #[test]
    fn nobody_is_shut_out_by_the_failures_of_others() {
        let attempts = Attempts::default();
        let (home, elsewhere) = ([1, 1, 1, 1], [2, 2, 2, 2]);
        attempts.succeeded("a", Some(home.into()), 0);
        for number in 0..30 {
            attempts.failed("a", Some([9, 9, 9, number].into()), 0);
        }
        assert_eq!(wait(&attempts, "a", home, 0), 0, "they signed in from here before");
        assert_eq!(wait(&attempts, "a", elsewhere, 0), 60);
        for _ in 0..6 {
            attempts.failed("a", Some(home.into()), 0);
        }
        assert_eq!(wait(&attempts, "a", home, 0), 2, "their own failures count");
    }

    #[test]
    fn an_address_that_tries_many_names_waits() {
        let attempts = Attempts::default();
        let from = [9, 9, 9, 9];
        for number in 0..21 {
            attempts.failed(&number.to_string(), Some(from.into()), 0);
        }
        assert_eq!(wait(&attempts, "new", from, 0), 2);
        assert_eq!(wait(&attempts, "new", [8, 8, 8, 8], 0), 0);
        attempts.succeeded("new", Some(from.into()), 0);
        assert_eq!(wait(&attempts, "new", from, 0), 2, "one account of its own does not free it");
        assert_eq!(wait(&attempts, "new", from, 3_601), 0);
    }
}

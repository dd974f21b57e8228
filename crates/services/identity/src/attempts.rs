//! Failed attempts, counted by user, by address and by both: each further failure costs a longer wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::error::IdentityError;
use crate::flood::{Flood, caller};
use crate::identity::IdentityOptions;
use crate::users::NAME_MAX;

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

/// A name as it is counted: those that nobody can have are one, so that long ones fill no memory.
fn counted(name: &str) -> &str {
    if name.len() <= NAME_MAX { name } else { "" }
}

/// Whom a try is for, as floods are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// A person signs in.
    SignIn,
    /// A partner asks for a token, or after one.
    Token,
}

impl Attempts {
    /// Whether `name` may knock at `door` from `address` once more: not too often from the address, nor by the name.
    /// A name that has proven itself from the address has a rate of its own there, so that nobody can shut its owner
    /// out by using it elsewhere.
    pub(crate) fn knock(
        &self,
        (flood, options): (&Flood, &IdentityOptions),
        door: Door,
        (name, address): (&str, Option<IpAddr>),
        now: i64,
    ) -> Result<(), IdentityError> {
        let name = counted(name);
        if let Some(address) = address {
            flood.take(&caller(address), options.address_per_s, now).map_err(IdentityError::Slow)?;
        }
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let proven = counts.get(&Who::Pair(name.to_owned(), address)).is_some_and(|count| count.proven);
        drop(counts);
        let from = address.filter(|_| proven);
        flood.take(&(door as u8, name, from), options.name_per_s, now).map_err(IdentityError::Slow)
    }

    /// Whether `user` may try now from `address`.
    pub(crate) fn check(&self, user: &str, address: Option<IpAddr>, now: i64) -> Result<(), IdentityError> {
        let user = counted(user);
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

    /// Whether `user` has signed in from `address`.
    pub(crate) fn proven(&self, user: &str, address: Option<IpAddr>) -> bool {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&Who::Pair(counted(user).to_owned(), address)).is_some_and(|count| count.proven)
    }

    /// Notes a failure of `user` from `address`.
    pub(crate) fn failed(&self, user: &str, address: Option<IpAddr>, now: i64) {
        let user = counted(user);
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
        // So many names and addresses at once are an attack. Those that failed most often stay, so that it cannot wash
        // away what it did before; the hash pool still bounds its pace.
        let mut failures: Vec<(u32, i64)> = counts.values().map(|count| (count.failures, count.last)).collect();
        let (_, middle, _) = failures.select_nth_unstable(COUNTED_MAX / 2);
        let middle = *middle;
        counts.retain(|_, count| (count.failures, count.last) > middle);
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
    fn names_without_end_fill_no_memory_and_wash_nothing_away() {
        let attempts = Attempts::default();
        let from = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        for _ in 0..30 {
            attempts.failed("alice", from(1), 0);
        }
        for number in 0..200_000u32 {
            attempts.failed(
                &format!("{number}{}", "x".repeat(60_000 * usize::from(number % 1_000 == 0))),
                from(number),
                1,
            );
        }
        let counts = attempts.0.lock().expect("nobody panicked");
        assert!(counts.len() <= COUNTED_MAX + 3, "{}", counts.len());
        let longest = |who: &Who| if let Who::User(name) | Who::Pair(name, _) = who { name.len() } else { 0 };
        assert!(counts.keys().all(|who| longest(who) <= NAME_MAX));
        drop(counts);
        assert_eq!(wait(&attempts, "alice", [9, 9, 9, 9], 1), 59, "failures by one name still count");
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

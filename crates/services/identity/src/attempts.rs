//! Failed attempts, counted by user and by address: each further failure costs a longer wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::error::IdentityError;

/// Failures of one user that cost nothing: people mistype.
const FREE_OF_USER: u32 = 5;
/// Failures of one address that cost nothing: many people may stand behind it.
const FREE_OF_ADDRESS: u32 = 20;
/// The longest wait. An attacker who knows a name can make its owner wait this long, not lock them out for good.
const WAIT_MAX_S: u32 = 300;
/// A count is forgotten after this long without a failure.
const FORGET_S: i64 = 3_600;
/// Users and addresses that are counted at once.
const COUNTED_MAX: usize = 50_000;
const SECOND: i64 = 1_000_000_000;

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    last: i64,
}

impl Count {
    /// Seconds that are left of the wait after the last failure.
    fn wait_s(self, free: u32, now: i64) -> u32 {
        let beyond = self.failures.saturating_sub(free);
        if beyond == 0 {
            return 0;
        }
        let wait = 1u32.checked_shl(beyond.min(30)).unwrap_or(WAIT_MAX_S).min(WAIT_MAX_S);
        let left = self.last + i64::from(wait) * SECOND - now;
        u32::try_from((left + SECOND - 1).div_euclid(SECOND).max(0)).unwrap_or(0)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    User(String),
    Address(IpAddr),
}

/// Counts of failures. They are kept in memory: a restart forgives.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Who, Count>>);

impl Attempts {
    /// Whether `user` may try now from `address`.
    pub(crate) fn check(&self, user: &str, address: Option<IpAddr>, now: i64) -> Result<(), IdentityError> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |who: &Who| counts.get(who).copied().unwrap_or_default();
        let user = of(&Who::User(user.to_owned())).wait_s(FREE_OF_USER, now);
        let address = address.map_or(0, |address| of(&Who::Address(address)).wait_s(FREE_OF_ADDRESS, now));
        match user.max(address) {
            0 => Ok(()),
            seconds => Err(IdentityError::Slow(seconds)),
        }
    }

    /// Notes a failure of `user` from `address`.
    pub(crate) fn failed(&self, user: &str, address: Option<IpAddr>, now: i64) {
        self.note([Some(Who::User(user.to_owned())), address.map(Who::Address)], now);
    }

    /// Notes a failure of somebody from `address`.
    pub(crate) fn failed_from(&self, address: Option<IpAddr>, now: i64) {
        self.note([None, address.map(Who::Address)], now);
    }

    fn note(&self, failed: [Option<Who>; 2], now: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED_MAX {
            counts.retain(|_, count| now - count.last < FORGET_S * SECOND);
            if counts.len() >= COUNTED_MAX {
                // So many names and addresses at once are an attack; the hash pool still bounds its pace.
                counts.clear();
            }
        }
        for who in failed.into_iter().flatten() {
            let count = counts.entry(who).or_default();
            let old = now - count.last >= FORGET_S * SECOND;
            count.failures = if old { 1 } else { count.failures.saturating_add(1) };
            count.last = now;
        }
    }

    /// Forgets the failures of a user who has proven who they are. The address keeps its count: an attacker may own
    /// one account.
    pub(crate) fn succeeded(&self, user: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Who::User(user.to_owned()));
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
        for _ in 0..5 {
            attempts.failed("a", None, 0);
        }
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 0), 0);
        attempts.failed("a", None, 0);
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 0), 2);
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 2), 0);
        attempts.failed("a", None, 2 * SECOND);
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 3), 3);
        assert_eq!(wait(&attempts, "b", [1, 1, 1, 1], 3), 0, "others do not wait");
        for _ in 0..40 {
            attempts.failed("a", None, 10 * SECOND);
        }
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 10), 300);
        attempts.succeeded("a");
        assert_eq!(wait(&attempts, "a", [1, 1, 1, 1], 10), 0);
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
        attempts.succeeded("new");
        assert_eq!(wait(&attempts, "new", from, 0), 2, "one account of its own does not free it");
        assert_eq!(wait(&attempts, "new", from, 3_601), 0);
    }
}

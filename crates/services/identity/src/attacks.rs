//! Attacks on sign-in that no single name or address shows: one source that tries many names (a spray), and failures of
//! many names from everywhere (stuffing with stolen passwords). Both are answered with the failure that completes the
//! pattern, not later.
//!
//! A source of a spray is shut out for a while; stuffing raises what a sign-in takes: whoever has no second factor and
//! did not sign in from there before must wait. Names that have proven themselves from an address go on from there, so
//! that nobody can shut an office out by attacking from inside of it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use crate::attempts::Attempts;
use crate::audit::AuditRow;
use crate::error::IdentityError;

const SECOND: i64 = 1_000_000_000;
/// Failures count together for this long.
const WINDOW_NANOS: i64 = 60 * SECOND;
/// Different names that fail from one network within the window make a spray.
const SPRAY_NAMES: usize = 12;
/// A source of a spray is shut out for this long; a failure from there begins it anew.
const BLOCK_NANOS: i64 = 15 * 60 * SECOND;
/// Different names that fail from anywhere within the window are stuffing.
const STUFFING_NAMES: usize = 100;
/// Names of the window that are counted at most.
const STUFFING_MAX: usize = 10_000;
/// Stuffing is over this long after its last sign.
const ALERT_NANOS: i64 = 10 * 60 * SECOND;
/// Networks that are watched at once.
const SOURCES_MAX: usize = 20_000;

#[derive(Default)]
struct Source {
    began: i64,
    /// Hashes of the names that failed, a few more than a spray takes.
    names: HashSet<u64>,
    blocked_until: i64,
}

#[derive(Default)]
struct Watched {
    sources: HashMap<IpAddr, Source>,
    began: i64,
    names: HashSet<u64>,
    alert_until: i64,
}

/// What is watched, in memory: a restart forgives.
#[derive(Default)]
pub(crate) struct Attacks {
    watched: Mutex<Watched>,
    hasher: RandomState,
}

/// The network that an address stands for: whoever has one address has its neighbours (/24, /56).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 72 << 72)),
    }
}

fn seconds(left: i64) -> u32 {
    u32::try_from((left + SECOND - 1) / SECOND).unwrap_or(u32::MAX)
}

impl Attacks {
    /// Whether `user` may try from `address`, as far as attacks are concerned.
    pub(crate) fn check(
        &self,
        user: &str,
        address: Option<IpAddr>,
        attempts: &Attempts,
        now: i64,
    ) -> Result<(), IdentityError> {
        let Some(from) = address else { return Ok(()) };
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let until = watched.sources.get(&network(from)).map_or(0, |source| source.blocked_until);
        drop(watched);
        if now < until && !attempts.proven(user, address) {
            return Err(IdentityError::Slow(seconds(until - now)));
        }
        Ok(())
    }

    /// Whether a right password is enough: under stuffing only with a second factor, or from where it was right before.
    pub(crate) fn password_right(
        &self,
        user: &str,
        (address, factor): (Option<IpAddr>, bool),
        attempts: &Attempts,
        now: i64,
    ) -> Result<(), IdentityError> {
        let until = self.watched.lock().unwrap_or_else(PoisonError::into_inner).alert_until;
        if now < until && !factor && !attempts.proven(user, address) {
            return Err(IdentityError::Slow(seconds(until - now)));
        }
        Ok(())
    }

    /// Notes a failure, and tells what the audit trail must know of it.
    pub(crate) fn failed(&self, user: &str, address: Option<IpAddr>, now: i64) -> Vec<AuditRow> {
        let name = self.hasher.hash_one(user);
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let spray = address.and_then(|address| watched.sprayed(name, address, now));
        let stuffing = watched.stuffed(name, now);
        spray.into_iter().chain(stuffing).map(|row| row.from(address)).collect()
    }
}

impl Watched {
    fn sprayed(&mut self, name: u64, address: IpAddr, now: i64) -> Option<AuditRow> {
        if self.sources.len() >= SOURCES_MAX {
            self.sources.retain(|_, source| now < source.blocked_until || now - source.began < WINDOW_NANOS);
        }
        let network = network(address);
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&network) {
            return None;
        }
        let source = self.sources.entry(network).or_default();
        if now - source.began >= WINDOW_NANOS {
            (source.began, source.names) = (now, HashSet::new());
        }
        if source.names.len() < SPRAY_NAMES {
            source.names.insert(name);
        }
        if source.names.len() < SPRAY_NAMES {
            return None;
        }
        let fresh = now >= source.blocked_until;
        source.blocked_until = now + BLOCK_NANOS;
        let told = format!("{SPRAY_NAMES} names failed within a minute; the source is shut out for 15 minutes");
        let row = AuditRow::of(now, "attack.spray", "denied").on(format!("network:{network}"));
        fresh.then(|| row.telling(told))
    }

    fn stuffed(&mut self, name: u64, now: i64) -> Option<AuditRow> {
        if now - self.began >= WINDOW_NANOS {
            (self.began, self.names) = (now, HashSet::new());
        }
        if self.names.len() < STUFFING_MAX {
            self.names.insert(name);
        }
        if self.names.len() < STUFFING_NAMES {
            return None;
        }
        let fresh = now >= self.alert_until;
        self.alert_until = now + ALERT_NANOS;
        let told = format!(
            "{STUFFING_NAMES} names failed within a minute; sign-in takes a second factor, or a known address, for 10 minutes"
        );
        fresh.then(|| AuditRow::of(now, "attack.stuffing", "denied").telling(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(a: u8, d: u8) -> Option<IpAddr> {
        Some(IpAddr::from([a, 1, 1, d]))
    }

    #[test]
    fn a_spray_shuts_out_its_network_and_nobody_else() {
        let (attacks, attempts) = (Attacks::default(), Attempts::default());
        attempts.succeeded("desk", at(9, 7), 0);
        for number in 0..SPRAY_NAMES - 1 {
            assert_eq!(attacks.failed(&number.to_string(), at(9, number as u8), 1), []);
            assert_eq!(attacks.failed(&number.to_string(), at(9, 1), 1), [], "the same name again");
        }
        assert!(attacks.check("new", at(9, 200), &attempts, 1).is_ok());
        let told = attacks.failed("one more", at(9, 3), 2);
        assert_eq!(told.iter().map(|row| row.action.as_str()).collect::<Vec<_>>(), ["attack.spray"]);
        assert_eq!(told[0].resource, "network:9.1.1.0");
        assert!(matches!(attacks.check("new", at(9, 200), &attempts, 2), Err(IdentityError::Slow(900))));
        assert!(attacks.check("desk", at(9, 7), &attempts, 2).is_ok(), "it has proven itself from there");
        assert!(attacks.check("new", at(8, 200), &attempts, 2).is_ok());
        assert_eq!(attacks.failed("two more", at(9, 3), 3), [], "told once");
        assert!(attacks.check("new", at(9, 200), &attempts, 3 + BLOCK_NANOS).is_ok(), "it ends");
    }

    #[test]
    fn slow_failures_are_no_spray() {
        let attacks = Attacks::default();
        for number in 0..100_i64 {
            assert_eq!(attacks.failed(&number.to_string(), at(9, 1), number * 10 * SECOND), []);
        }
    }

    #[test]
    fn stuffing_from_everywhere_raises_what_a_sign_in_takes() {
        let (attacks, attempts) = (Attacks::default(), Attempts::default());
        attempts.succeeded("old", at(1, 1), 0);
        let right = |user, from, factor, now| attacks.password_right(user, (from, factor), &attempts, now).is_ok();
        let mut told = Vec::new();
        for number in 0..STUFFING_NAMES {
            assert!(right("new", at(2, 2), false, 1));
            told.extend(attacks.failed(&number.to_string(), at(number as u8 + 10, 1), 1));
        }
        assert_eq!(told.iter().map(|row| row.action.as_str()).collect::<Vec<_>>(), ["attack.stuffing"]);
        assert!(!right("new", at(2, 2), false, 1));
        assert!(right("new", at(2, 2), true, 1), "with a second factor");
        assert!(right("old", at(1, 1), false, 1), "from where it was right before");
        assert!(!right("old", at(1, 2), false, 1));
        assert!(right("new", at(2, 2), false, 1 + ALERT_NANOS));
    }

    #[test]
    fn sources_without_end_fill_no_memory() {
        let attacks = Attacks::default();
        for number in 0..50_000_u32 {
            attacks.failed("a", Some(IpAddr::from((number << 8).to_be_bytes())), 1);
        }
        assert_eq!(attacks.watched.lock().expect("nobody panicked").sources.len(), SOURCES_MAX);
        assert_eq!(network("2001:db8::1".parse().expect("one")), network("2001:db8::2".parse().expect("one")));
    }
}

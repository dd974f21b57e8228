//! How often one address, and one name, may try to prove who they are.
//!
//! Every caller has a bucket that fills at a fixed rate (GCRA, as in ATM traffic control). The table of buckets has a
//! fixed size: whoever varies names or addresses pushes out the emptiest bucket of its set, which forgives that one and
//! costs nobody else anything. So memory is bounded, nobody waits for the flood of another, and the hash pool behind
//! this bounds what a flood from everywhere can cost.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

const SECOND: i64 = 1_000_000_000;
/// Sets of buckets, a power of two.
const SETS: usize = 8_192;
/// Buckets of one set.
const WAYS: usize = 8;
/// Seconds of its rate that a caller may use at once.
const BURST_S: i64 = 2;

/// A bucket: whose it is, and when it is empty again.
#[derive(Clone, Copy, Default)]
struct Bucket {
    who: u64,
    empty_at: i64,
}

/// The table: a mebibyte, whatever is asked.
pub(crate) struct Flood {
    hasher: RandomState,
    sets: Mutex<Box<[[Bucket; WAYS]]>>,
}

impl Flood {
    pub(crate) fn new() -> Self {
        let sets = vec![[Bucket::default(); WAYS]; SETS].into_boxed_slice();
        Self { hasher: RandomState::new(), sets: Mutex::new(sets) }
    }

    /// Lets `who` try once more, `per_s` times a second and twice as often at once; or tells the seconds to wait.
    pub(crate) fn take(&self, who: &impl Hash, per_s: NonZeroU32, now: i64) -> Result<(), u32> {
        // The hash is keyed afresh at every start: nobody outside can choose whose bucket they push out.
        let who = self.hasher.hash_one(who);
        let step = SECOND / i64::from(per_s.get());
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let set = &mut sets[who as usize % SETS];
        let at = set.iter().position(|bucket| bucket.who == who).unwrap_or_else(|| emptiest(set));
        let bucket = &mut set[at];
        if bucket.who != who {
            *bucket = Bucket { who, empty_at: now };
        }
        let full_at = bucket.empty_at.max(now) + step;
        let wait = full_at - now - BURST_S * SECOND;
        if wait > 0 {
            return Err(u32::try_from((wait + SECOND - 1) / SECOND).unwrap_or(u32::MAX));
        }
        bucket.empty_at = full_at;
        Ok(())
    }
}

fn emptiest(set: &[Bucket; WAYS]) -> usize {
    (0..WAYS).min_by_key(|at| set[*at].empty_at).expect("a set has buckets")
}

/// What stands for one caller: an IPv4 address, or the /64 that one subscriber of IPv6 gets at least (RFC 6177).
pub(crate) fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_s(rate: u32) -> NonZeroU32 {
        NonZeroU32::new(rate).expect("not zero")
    }

    #[test]
    fn a_caller_has_its_rate_and_a_burst_of_two_seconds() {
        let flood = Flood::new();
        let take = |who: &str, now: i64| flood.take(&who, per_s(5), now);
        for number in 0..10 {
            assert_eq!(take("a", 0), Ok(()), "{number}");
        }
        assert_eq!(take("a", 0), Err(1));
        assert_eq!(take("b", 0), Ok(()), "others do not wait");
        assert_eq!(take("a", SECOND / 5), Ok(()));
        assert_eq!(take("a", SECOND / 5), Err(1));
        let later = 100 * SECOND;
        assert_eq!((0..50).filter(|_| take("a", later).is_ok()).count(), 10);
        assert_eq!(flood.take(&"slow", per_s(1), 0).and(flood.take(&"slow", per_s(1), 0)), Ok(()));
        assert_eq!(flood.take(&"slow", per_s(1), 0), Err(1));
    }

    #[test]
    fn a_million_names_change_neither_memory_nor_the_lot_of_others() {
        let flood = Flood::new();
        let known = ("name", "alice");
        while flood.take(&known, per_s(5), 0).is_ok() {}
        for number in 0..1_000_000u32 {
            assert_eq!(flood.take(&("name", number), per_s(5), 0), Ok(()), "{number}");
        }
        let sets = flood.sets.lock().expect("nobody panicked");
        assert_eq!((sets.len(), std::mem::size_of_val(&**sets)), (SETS, 1 << 20));
        drop(sets);
        assert!(flood.take(&known, per_s(5), 0).is_err(), "whoever floods by one name is not forgiven by other names");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_caller() {
        let of = |text: &str| caller(text.parse().expect("an address")).to_string();
        assert_eq!(of("10.1.2.3"), "10.1.2.3");
        assert_eq!(of("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
    }
}

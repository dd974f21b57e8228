//! How much of something one principal has at once, and all together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Shares that are taken, of requests that run or of streams that are open.
#[derive(Debug)]
pub struct Shares {
    taken: Mutex<Taken>,
    own_max: usize,
    all_max: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_principal: HashMap<u64, usize>,
}

/// One share; it is free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    shares: Arc<Shares>,
    principal: u64,
}

impl Shares {
    /// At most `own_max` for one principal, and `all_max` together.
    #[must_use]
    pub fn up_to(own_max: usize, all_max: usize) -> Self {
        Self { taken: Mutex::default(), own_max, all_max }
    }

    /// A share for a principal; none if it, or all together, have as many as they may.
    pub fn take(self: &Arc<Self>, principal: u64) -> Option<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.by_principal.get(&principal).copied().unwrap_or(0);
        if own >= self.own_max || taken.all >= self.all_max {
            return None;
        }
        taken.all += 1;
        taken.by_principal.insert(principal, own + 1);
        Some(Share { shares: Arc::clone(self), principal })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(own) = taken.by_principal.get_mut(&self.principal) {
            *own -= 1;
            if *own == 0 {
                taken.by_principal.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_its_share_and_no_more() {
        let shares = Arc::new(Shares::up_to(2, 3));
        let [first, second] = [shares.take(1), shares.take(1)];
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(1).is_none(), "its share is taken");
        let other = shares.take(2);
        assert!(other.is_some() && shares.take(3).is_none(), "others have their own, up to what all may have");
        drop((first, other));
        assert!(shares.take(1).is_some(), "what ended is free again");
        drop(second);
        assert!(
            shares.taken.lock().expect("nobody panicked").by_principal.is_empty(),
            "nothing is kept of whoever is idle"
        );
    }
}

//! What waits for a second step: bounded, short-lived, taken once, and only by whom it was begun for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Steps that wait at once, of everybody.
const WAITING_MAX: usize = 20_000;
/// Steps that wait at once of one owner; a further one pushes out the oldest.
const OWNED_MAX: usize = 8;

struct Waiting<T> {
    owner: u64,
    until: i64,
    what: T,
}

/// Steps that wait, by id. They are kept in memory: a restart forgets them, and they are begun again.
pub(crate) struct Ceremonies<T>(Mutex<HashMap<String, Waiting<T>>>);

impl<T> Default for Ceremonies<T> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<T> Ceremonies<T> {
    /// Lets `what` wait for `owner` under `id` until `until`; false if too much waits.
    #[must_use]
    pub(crate) fn begin(&self, id: &str, owner: u64, (now, until): (i64, i64), what: T) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |one: &Waiting<T>| one.owner == owner;
        if waiting.values().filter(|one| own(one)).count() >= OWNED_MAX {
            let oldest = waiting.iter().filter(|(_, one)| own(one)).min_by_key(|(_, one)| one.until);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                waiting.remove(&id);
            }
        }
        if waiting.len() >= WAITING_MAX {
            waiting.retain(|_, one| one.until > now);
        }
        if waiting.len() >= WAITING_MAX {
            return false;
        }
        waiting.insert(id.to_owned(), Waiting { owner, until, what });
        true
    }

    /// Takes what waits under `id`, if it is `owner`'s and its time is not over. It waits no more then. Another's id
    /// takes nothing away.
    pub(crate) fn take(&self, id: &str, owner: u64, now: i64) -> Option<T> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(id).is_none_or(|one| one.owner != owner) {
            return None;
        }
        waiting.remove(id).filter(|one| now < one.until).map(|one| one.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_taken_once_in_time_by_its_owner() {
        let steps = Ceremonies::default();
        assert!(steps.begin("a", 1, (0, 10), "x"));
        assert_eq!(steps.take("a", 2, 5), None, "another's");
        assert_eq!(steps.take("a", 1, 5), Some("x"));
        assert_eq!(steps.take("a", 1, 5), None, "once");
        assert!(steps.begin("b", 1, (0, 10), "y"));
        assert_eq!(steps.take("b", 1, 10), None, "over");
    }

    #[test]
    fn they_are_bounded_for_each_and_for_all() {
        let steps = Ceremonies::default();
        for number in 0..20 {
            assert!(steps.begin(&number.to_string(), 1, (0, 100 + number), number));
        }
        assert_eq!(steps.take("11", 1, 1), None, "pushed out");
        assert_eq!(steps.take("12", 1, 1), Some(12));
        for owner in 0..30_000_u64 {
            let _ = steps.begin(&format!("n{owner}"), 1_000 + owner, (1, 50), 0);
        }
        assert_eq!(steps.0.lock().expect("nobody panicked").len(), WAITING_MAX);
        assert!(steps.begin("later", 7, (60, 100), 1), "what is over makes room");
    }
}

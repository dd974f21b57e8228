//! Requests that wait for their outcomes, found by ticket and by the order that they place: thousands wait at once, so
//! nobody may look through all of them.

use std::collections::HashMap;

use heng_model::{AccountId, ClientOrderId};

use super::requests::{Asked, Request};

/// An order by its key.
type Key = (AccountId, ClientOrderId);

/// What waits.
#[derive(Default)]
pub(super) struct Waiting {
    by_ticket: HashMap<u64, Asked>,
    /// How many placings wait for each key: a repeated order waits twice.
    placings: HashMap<Key, u32>,
    /// Cancels that wait for the number of the order that they name.
    held: HashMap<Key, Vec<Asked>>,
}

fn placed_by(asked: &Asked) -> Option<Key> {
    match &asked.request {
        Request::Place(place) => Some((place.command.account, place.command.client_order)),
        _ => None,
    }
}

impl Waiting {
    /// `asked` waits from now on.
    pub(super) fn add(&mut self, asked: Asked) {
        if let Some(key) = placed_by(&asked) {
            *self.placings.entry(key).or_default() += 1;
        }
        self.by_ticket.insert(asked.ticket, asked);
    }

    /// The request of `ticket` waits no more.
    pub(super) fn end(&mut self, ticket: u64) -> Option<Asked> {
        let asked = self.by_ticket.remove(&ticket)?;
        if let Some(key) = placed_by(&asked)
            && let Some(left) = self.placings.get_mut(&key)
        {
            *left -= 1;
            if *left == 0 {
                self.placings.remove(&key);
            }
        }
        Some(asked)
    }

    /// Whether an order of this key is on its way to a number.
    pub(super) fn places(&self, account: AccountId, key: ClientOrderId) -> bool {
        self.placings.contains_key(&(account, key))
    }

    /// Keeps the cancel `asked` until [`Self::release`] is called for the order that it names.
    pub(super) fn hold(&mut self, account: AccountId, key: ClientOrderId, asked: Asked) {
        self.held.entry((account, key)).or_default().push(asked);
    }

    /// The cancels that waited for this order, in the order in which they came.
    pub(super) fn release(&mut self, account: AccountId, key: ClientOrderId) -> Vec<Asked> {
        self.held.remove(&(account, key)).unwrap_or_default()
    }
}

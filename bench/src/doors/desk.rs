//! Good orders without end: a lot bought at the day's lowest price, by a client who can pay for it. What rests is
//! cancelled, the oldest first, from time to time, and with each order of a client who has half of the cash left.

use std::collections::VecDeque;

use super::spec::{Client, Listed};

/// A lot on the main boards.
pub(crate) const LOT: &str = "100";
/// One order in this many brings a cancel of the same client's oldest.
const CANCEL_EVERY: u64 = 20;
/// Clients that are drawn before the richest is taken.
const TRIES: usize = 8;

/// xorshift64*.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % end
    }
}

/// An order to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number, from 0 without gaps.
    pub(crate) number: u64,
    pub(crate) client: usize,
    pub(crate) instrument: usize,
}

/// An order that rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) client: usize,
    pub(crate) instrument: usize,
    /// What the door calls it.
    pub(crate) name: String,
}

/// What to send next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Place(Place),
    /// Cancels come beside the orders.
    Cancel(Resting),
}

#[derive(Debug, Default)]
struct Purse {
    began: i64,
    cash: i64,
    resting: VecDeque<Resting>,
}

/// Decides what is sent.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) clients: Vec<Client>,
    pub(crate) instruments: Vec<Listed>,
    prefix: String,
    purses: Vec<Purse>,
    random: Random,
    placed: u64,
    owes_cancel: Option<usize>,
}

impl Desk {
    /// A desk for these clients and instruments; there must be some of both.
    pub(crate) fn new(prefix: &str, clients: Vec<Client>, instruments: Vec<Listed>, seed: u64) -> Self {
        assert!(!clients.is_empty() && !instruments.is_empty(), "a desk needs clients and instruments");
        let purses =
            clients.iter().map(|client| Purse { began: client.cash, cash: client.cash, ..Purse::default() }).collect();
        let random = Random::new(seed);
        Self { clients, instruments, prefix: prefix.to_owned(), purses, random, placed: 0, owes_cancel: None }
    }

    /// The client order id of an order.
    pub(crate) fn name(&self, number: u64) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// The next thing to send. Behind at most one cancel comes an order.
    pub(crate) fn next(&mut self) -> Next {
        if let Some(resting) = self.owes_cancel.take().and_then(|client| self.purses[client].resting.pop_front()) {
            return Next::Cancel(resting);
        }
        let instrument = self.random.below(self.instruments.len());
        let hold = self.instruments[instrument].hold;
        let client = self.payer(hold);
        let purse = &mut self.purses[client];
        purse.cash -= hold;
        let place = Place { number: self.placed, client, instrument };
        self.placed += 1;
        // Cash comes back with the answer to the cancel, so that one is asked for long before it is needed.
        let scarce = purse.cash < purse.began / 2;
        self.owes_cancel = (scarce || self.placed.is_multiple_of(CANCEL_EVERY)).then_some(client);
        Next::Place(place)
    }

    /// A client at random who can pay; where none is found soon, the richest.
    fn payer(&mut self, hold: i64) -> usize {
        for _ in 0..TRIES {
            let client = self.random.below(self.clients.len());
            if self.purses[client].cash >= hold {
                return client;
            }
        }
        let richest = (0..self.purses.len()).max_by_key(|client| self.purses[*client].cash);
        richest.expect("a desk has clients")
    }

    /// The order rests under this name.
    pub(crate) fn rests(&mut self, place: Place, name: String) {
        let Place { client, instrument, .. } = place;
        self.purses[client].resting.push_back(Resting { client, instrument, name });
    }

    /// The order holds nothing any more, or never did.
    pub(crate) fn released(&mut self, client: usize, instrument: usize) {
        self.purses[client].cash += self.instruments[instrument].hold;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(cash: i64) -> Desk {
        let client = |account: &str| Client { account: account.into(), token: String::new(), cash };
        let listed = Listed { symbol: "600000.SH".into(), hold: 10, ..Listed::default() };
        Desk::new("t", vec![client("1"), client("2")], vec![listed], 1)
    }

    #[test]
    fn nobody_holds_more_than_the_purse() {
        let (mut desk, mut held) = (desk(35), [0i64; 2]);
        let mut cancels = 0;
        for _ in 0..10_000 {
            match desk.next() {
                Next::Place(place) => {
                    held[place.client] += 10;
                    assert!(held[place.client] <= 35, "order {}", place.number);
                    let name = desk.name(place.number);
                    desk.rests(place, name);
                }
                Next::Cancel(resting) => {
                    held[resting.client] -= 10;
                    cancels += 1;
                    desk.released(resting.client, resting.instrument);
                }
            }
        }
        assert!(cancels > 4_000, "every order beyond the first needs the cash of another, {cancels}");
    }

    #[test]
    fn the_rich_cancel_from_time_to_time_and_the_oldest_first() {
        let mut desk = desk(1_000_000);
        let mut cancelled = Vec::new();
        for _ in 0..1_000 {
            match desk.next() {
                Next::Place(place) => {
                    let name = desk.name(place.number);
                    desk.rests(place, name);
                }
                Next::Cancel(resting) => cancelled.push((resting.client, resting.name)),
            }
        }
        assert!((40..60).contains(&cancelled.len()), "{}", cancelled.len());
        let numbers = |client| {
            let of = cancelled.iter().filter(move |(of, _)| *of == client);
            of.map(|(_, name)| name["t-".len()..].parse::<u64>().unwrap()).collect::<Vec<_>>()
        };
        assert!(numbers(0).is_sorted() && numbers(1).is_sorted());
    }

    #[test]
    fn clients_are_drawn_evenly() {
        let mut random = Random::new(3);
        let mut counts = [0; 5];
        (0..10_000).for_each(|_| counts[random.below(5)] += 1);
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
    }
}

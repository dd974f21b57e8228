//! The benchmark workloads W1 and W2 of `BENCHMARKS.md`, for tests and for `cargo xtask bench`.

use heng_model::{OrderId, OwnerId, SelfTrade, Side};

use crate::book::{Execution, Handle, OrderBook, Taker, Ticks};

/// The generator of the workload's text: xorshift64*, upper 53 bits of the product.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// Starts from a seed other than 0.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        assert!(seed != 0, "xorshift stays at 0");
        Self(seed)
    }

    /// The next draw, 53 bits.
    #[inline]
    pub const fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// A draw below `bound`.
    #[inline]
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

/// One event of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkEvent {
    /// A limit order, numbered 0, 1, 2 … in order of arrival.
    Add {
        /// Its side.
        side: Side,
        /// Its limit.
        price: Ticks,
        /// Its quantity.
        qty: i64,
    },
    /// Cancels the order with this number, which rests.
    Cancel(u32),
}

/// Size of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Events before the clock runs: orders only.
    pub warm_up: usize,
    /// Orders are cancelled while more than this many rest.
    pub floor: usize,
    /// Events after that.
    pub timed: usize,
}

/// About 10,000 resting orders.
pub const W1: Shape = Shape { warm_up: 20_000, floor: 10_000, timed: 2_000_000 };
/// About 144,000 resting orders.
pub const W2: Shape = Shape { warm_up: 200_000, floor: 150_000, timed: 2_000_000 };

/// What a run of a workload adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Orders entered.
    pub adds: u64,
    /// Orders cancelled.
    pub cancels: u64,
    /// Trades.
    pub trades: u64,
    /// Quantity traded.
    pub quantity: i64,
}

/// Lowest and highest price that a workload may use, for a ladder book.
pub const RANGE: (Ticks, Ticks) = (70_000, 130_000);

/// The state of a book that plays a workload.
#[derive(Debug)]
pub struct Player<B> {
    /// The book.
    pub book: B,
    handles: Vec<Handle>,
    /// Executions of the last event.
    pub executions: Vec<Execution>,
    /// Sums so far.
    pub totals: Totals,
}

impl<B: OrderBook> Player<B> {
    /// Room for `orders` orders.
    pub fn new(book: B, orders: usize) -> Self {
        Self {
            book,
            handles: Vec::with_capacity(orders),
            executions: Vec::with_capacity(1024),
            totals: Totals::default(),
        }
    }

    /// Plays one event. Returns what rests of an order, or was cancelled.
    ///
    /// # Panics
    /// If a cancelled order does not rest.
    #[inline]
    pub fn play(&mut self, event: &WorkEvent) -> i64 {
        match *event {
            WorkEvent::Add { side, price, qty } => self.add(side, price, qty),
            WorkEvent::Cancel(number) => {
                self.totals.cancels += 1;
                let order = OrderId(u64::from(number));
                self.book.cancel(self.handles[number as usize], order).expect("the workload cancels resting orders")
            }
        }
    }

    #[inline]
    fn add(&mut self, side: Side, limit: Ticks, qty: i64) -> i64 {
        let order = OrderId(self.handles.len() as u64);
        let owner = OwnerId(0);
        let taker = Taker { order, owner, side, limit, qty, self_trade: SelfTrade::Allow, levels_max: u32::MAX };
        self.executions.clear();
        let left = self.book.take(&taker, &mut self.executions).remaining;
        self.totals.adds += 1;
        self.totals.trades += self.executions.len() as u64;
        self.totals.quantity += qty - left;
        let rests = left > 0;
        self.handles.push(if rests { self.book.rest(order, owner, side, limit, left) } else { Handle(u32::MAX) });
        left
    }
}

/// Orders that rest, for a fair draw among them.
#[derive(Default)]
struct Live {
    numbers: Vec<u32>,
    place: Vec<u32>,
}

impl Live {
    fn push(&mut self, number: u32) {
        self.place.resize(number as usize + 1, u32::MAX);
        self.place[number as usize] = self.numbers.len() as u32;
        self.numbers.push(number);
    }

    fn remove(&mut self, number: u32) {
        let at = self.place[number as usize];
        self.numbers.swap_remove(at as usize);
        if let Some(moved) = self.numbers.get(at as usize) {
            self.place[*moved as usize] = at;
        }
    }
}

/// Generates a workload. `book` plays along, so that cancels always name a resting order.
pub fn generate<B: OrderBook>(shape: Shape, book: B) -> (Vec<WorkEvent>, Totals) {
    let mut draws = Draws::new(0x9E37_79B9_7F4A_7C15);
    let mut player = Player::new(book, shape.warm_up + shape.timed);
    let mut live = Live::default();
    let mut events = Vec::with_capacity(shape.warm_up + shape.timed);
    let mut mid: Ticks = 100_000;
    for at in 0..shape.warm_up + shape.timed {
        if draws.below(256) == 0 {
            mid += if draws.draw() & 1 == 1 { -1 } else { 1 };
        }
        let u = if at < shape.warm_up { 0 } else { draws.below(100) };
        let side = if draws.draw() & 1 == 0 { Side::Buy } else { Side::Sell };
        let event = if (50..90).contains(&u) && live.numbers.len() > shape.floor {
            let number = live.numbers[draws.below(live.numbers.len() as u64) as usize];
            live.remove(number);
            WorkEvent::Cancel(number)
        } else {
            let qty = 100 * (1 + draws.below(10) as i64);
            let away = if u >= 90 { -20 } else { distance(&mut draws) };
            let price = if side == Side::Buy { mid - away } else { mid + away };
            WorkEvent::Add { side, price, qty }
        };
        let left = player.play(&event);
        if let WorkEvent::Add { .. } = event {
            if left > 0 {
                live.push(player.totals.adds as u32 - 1);
            }
            for filled in player.executions.iter().filter(|execution| execution.maker_remaining == 0) {
                live.remove(filled.maker.0 as u32);
            }
        }
        events.push(event);
    }
    (events, player.totals)
}

fn distance(draws: &mut Draws) -> Ticks {
    let mut away = 1;
    while away < 200 && draws.below(20) != 0 {
        away += 1;
    }
    away
}

//! The background flow of a day: market makers, retail and institutions, with cancels, halts and mistakes.

use heng_model::command::{CancelOrder, CloseDay, Halt, NewOrder, Tick};
use heng_model::{
    AccountId, Board, ClientOrderId, Command, InstrumentId, OrderId, OrderType, PartitionId, Price, Qty, SECOND,
    SelfTrade, Side, UnixNanos,
};

use super::rng::Rng;
use super::world::{World, is_market_maker};

/// How much flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowOptions {
    /// New orders, rejects included; cancels come on top.
    pub orders: u64,
    /// Number of the first order that the core will give (the sum of all earlier days).
    pub first_order: u64,
}

/// Parts of the mainland day, in seconds after midnight, and the share of orders in each, in 1/1,000.
const PARTS: [(i64, i64, u64); 6] = [
    (33_300, 33_899, 60),  // 09:15–09:25 opening auction
    (34_200, 41_399, 430), // 09:30–11:30
    (46_800, 53_819, 420), // 13:00–14:57
    (53_820, 53_999, 55),  // 14:57–15:00 closing auction
    (54_300, 55_799, 20),  // 15:05–15:30 after hours
    (55_800, 57_599, 15),  // to 16:00, Hong Kong alone
];

/// Recent orders that a cancel may pick from.
const RECENT: usize = 8_192;

/// The flow, as an iterator of timed commands; it ends with the close of the day.
pub struct Flow<'a> {
    world: &'a World,
    rng: Rng,
    mids: Vec<i64>,
    made: u64,
    first_order: u64,
    orders: u64,
    recent: Vec<(AccountId, OrderId)>,
    queued: Vec<(UnixNanos, Command)>,
    part: usize,
    part_made: u64,
    last: i64,
    tail: u8,
}

impl<'a> Flow<'a> {
    /// The flow of a world.
    #[must_use]
    pub fn new(world: &'a World, options: FlowOptions) -> Self {
        Self {
            world,
            rng: Rng::new(world.options.seed, 2),
            mids: world.instruments.iter().map(|i| i.reference.prev_close.0 / i.tick.0).collect(),
            made: 0,
            first_order: options.first_order,
            orders: options.orders,
            recent: Vec::with_capacity(RECENT),
            queued: Vec::new(),
            part: 0,
            part_made: 0,
            last: 0,
            tail: 0,
        }
    }

    fn part_size(&self, part: usize) -> u64 {
        let before = |parts: usize| self.orders * PARTS[..parts].iter().map(|part| part.2).sum::<u64>() / 1_000;
        before(part + 1) - before(part)
    }

    /// The time of the next order: evenly over its part of the day, in strict order.
    fn next_time(&mut self) -> Option<UnixNanos> {
        while self.part < PARTS.len() && self.part_made >= self.part_size(self.part) {
            // The clock strikes at the end of a part: an auction trades at its own time, not with the next order.
            let end = self.after((PARTS[self.part].1 + 1) * SECOND);
            self.queued.push((end, Tick {}.into()));
            self.part += 1;
            self.part_made = 0;
        }
        let (from, to, _) = *PARTS.get(self.part)?;
        let span = (to - from) * SECOND;
        let share = i128::from(span) * i128::from(self.part_made) / i128::from(self.part_size(self.part));
        let at = from * SECOND + i64::try_from(share).expect("a part of the span");
        self.part_made += 1;
        let jitter = self.rng.below(1_000) as i64;
        Some(self.after(at + jitter))
    }

    fn after(&mut self, time_of_day: i64) -> UnixNanos {
        self.last = time_of_day.max(self.last + 1);
        UnixNanos::at(self.world.options.date, self.last)
    }

    /// One step: queues an order, perhaps with a cancel or a halt behind it, and what the clock says before it.
    fn step(&mut self) {
        let Some(time) = self.next_time() else { return };
        let order = self.order();
        self.queued.push((time, order.into()));
        let id = OrderId::of(PartitionId(0), self.first_order + self.made);
        self.made += 1;
        if order.order_type == OrderType::Limit || order.order_type == OrderType::EnhancedLimit {
            self.remember(order.account, id);
        }
        if self.rng.chance(32) && !self.recent.is_empty() {
            let at = self.rng.below(self.recent.len() as u64) as usize;
            let (account, order) = self.recent.swap_remove(at);
            let time = self.after(self.last + 1);
            self.queued.push((time, CancelOrder { account, order }.into()));
        }
        if self.made.is_multiple_of((self.orders / 6).max(1_000)) {
            let instrument = InstrumentId(self.rng.below(self.mids.len() as u64) as u32);
            let time = self.after(self.last + 1);
            let until = UnixNanos(time.0 + 120 * SECOND);
            self.queued.push((time, Halt { instrument, until }.into()));
        }
    }

    fn remember(&mut self, account: AccountId, id: OrderId) {
        if self.recent.len() < RECENT {
            self.recent.push((account, id));
        } else {
            let at = self.rng.below(RECENT as u64) as usize;
            self.recent[at] = (account, id);
        }
    }

    fn order(&mut self) -> NewOrder {
        let clients = u64::from(self.world.options.clients);
        let kind = self.rng.below(100);
        let number = if kind < 35 {
            (self.rng.below(clients.div_ceil(100)) * 100) as u32
        } else {
            self.rng.below(clients) as u32
        };
        let side = if self.rng.chance(50) { Side::Buy } else { Side::Sell };
        let (instrument, held_lots) = self.pick(number, side);
        let mid = self.walk(instrument);
        let listed = &self.world.instruments[instrument as usize];
        let large = kind >= 85;
        let lots = if is_market_maker(number) {
            self.rng.between(1, 20)
        } else {
            self.rng.between(1, if large { 40 } else { 5 })
        };
        let lots = if side == Side::Sell { lots.min(held_lots.max(1)) } else { lots };
        let mut quantity = listed.lot + (lots - 1) * listed.lot.max(listed.step);
        if listed.lot == 200 && self.rng.chance(20) {
            quantity += self.rng.between(1, 99);
        }
        let order_type = self.order_type(listed.definition.board, large);
        let mut price = self.price(instrument, mid, side, order_type);
        if self.rng.chance(3) {
            (price, quantity) = self.mistake(instrument, price, quantity);
        }
        NewOrder {
            account: World::account(number),
            client_order: client_order(self.made + 1),
            trade_date: self.world.options.date,
            instrument: InstrumentId(instrument),
            side,
            order_type,
            price,
            quantity: Qty(quantity),
            self_trade: if self.rng.chance(70) { SelfTrade::Allow } else { SelfTrade::CancelNewest },
        }
    }

    /// Sellers mostly pick what they hold; buyers follow the crowd: low numbers trade more.
    fn pick(&mut self, number: u32, side: Side) -> (u32, i64) {
        let hong_kong_only = self.part == PARTS.len() - 1;
        if side == Side::Sell && self.rng.chance(95) && !hong_kong_only {
            let holdings = self.world.holdings(number);
            return holdings[self.rng.below(holdings.len() as u64) as usize];
        }
        let count = self.mids.len() as u64;
        let (a, b) = (self.rng.below(count), self.rng.below(count));
        let picked = a.min(b) as u32;
        if !hong_kong_only {
            return (picked, 1);
        }
        // Numbers 18 and 19 of every twenty are in Hong Kong.
        let hong_kong = picked / 20 * 20 + 18;
        (if u64::from(hong_kong) < count { hong_kong } else { picked }, 1)
    }

    /// The middle of an instrument walks by a tick now and then, inside the limits.
    fn walk(&mut self, instrument: u32) -> i64 {
        let listed = &self.world.instruments[instrument as usize];
        let reference = listed.reference.prev_close.0 / listed.tick.0;
        let (low, high) = listed
            .limits
            .map_or((reference / 2 + 1, reference * 2), |(low, high)| (low.0 / listed.tick.0, high.0 / listed.tick.0));
        let mid = &mut self.mids[instrument as usize];
        match self.rng.below(16) {
            0 => *mid += 1,
            1 => *mid -= 1,
            _ => {}
        }
        *mid = (*mid).clamp(low + 1, (high - 1).max(low + 1));
        *mid
    }

    fn order_type(&mut self, board: Board, large: bool) -> OrderType {
        let after_hours = self.part == 4;
        match board {
            Board::Hk => OrderType::EnhancedLimit,
            _ if after_hours => OrderType::AfterHoursFixed,
            _ if !(1..=2).contains(&self.part) || !large => OrderType::Limit,
            Board::SseMain | Board::Star | Board::Bse => {
                [OrderType::Best5OrCancel, OrderType::Best5OrLimit, OrderType::OwnBest, OrderType::Limit]
                    [self.rng.below(4) as usize]
            }
            _ => {
                [OrderType::Best5OrCancel, OrderType::ImmediateOrCancel, OrderType::FillOrKill, OrderType::OppositeBest]
                    [self.rng.below(4) as usize]
            }
        }
    }

    /// Near the middle: most rest a little away from it, some cross it.
    fn price(&mut self, instrument: u32, mid: i64, side: Side, order_type: OrderType) -> Price {
        let listed = &self.world.instruments[instrument as usize];
        let away = self.rng.between(-2, 6);
        let ticks = if side == Side::Buy { mid - away } else { mid + away };
        let mut price = Price(ticks.max(1) * listed.tick.0);
        if !order_type.is_limit() {
            // A protective price a few ticks through the market.
            price = Price((if side == Side::Buy { mid + 8 } else { (mid - 8).max(1) }) * listed.tick.0);
        }
        match listed.limits {
            Some((low, high)) => Price(price.0.clamp(low.0, high.0)),
            None => price,
        }
    }

    /// What people get wrong.
    fn mistake(&mut self, instrument: u32, price: Price, quantity: i64) -> (Price, i64) {
        let listed = &self.world.instruments[instrument as usize];
        match self.rng.below(5) {
            0 => (Price(price.0 + listed.tick.0 / 2 + 1), quantity),
            1 => (Price(price.0 * 2 / listed.tick.0 * listed.tick.0), quantity),
            2 => (price, quantity + 13),
            3 => (price, 400_000_000),
            _ => (price, quantity * 500),
        }
    }

    /// After the last order: time passes to the end of each phase, then the day closes.
    fn close(&mut self) -> Option<(UnixNanos, Command)> {
        let seconds = [55_860, 57_660, 58_260][usize::from(self.tail).min(2)];
        self.tail += 1;
        let time = self.after(seconds * SECOND);
        match self.tail {
            1..=3 => Some((time, Tick {}.into())),
            4 => Some((time, CloseDay { date: self.world.options.date }.into())),
            _ => None,
        }
    }
}

/// The client's own id of order `number`: the letter o and the number, as text.
fn client_order(number: u64) -> ClientOrderId {
    let mut id = u128::from(b'o');
    let mut scale = 1;
    while number / scale >= 10 {
        scale *= 10;
    }
    while scale > 0 {
        id = (id << 8) | u128::from(b'0' + (number / scale % 10) as u8);
        scale /= 10;
    }
    ClientOrderId(id)
}

impl Iterator for Flow<'_> {
    type Item = (UnixNanos, Command);

    fn next(&mut self) -> Option<Self::Item> {
        if self.queued.is_empty() {
            self.step();
        }
        if self.queued.is_empty() {
            return self.close();
        }
        Some(self.queued.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_order_ids_read_as_text() {
        for number in [1, 9, 10, 4_096, 100_000_000] {
            assert_eq!(client_order(number), ClientOrderId::from_text(&format!("o{number}")));
        }
    }
}

//! The flow of C1. A core executes it while it is made, so that cancels always name a live order.

use heng_core::CommandBatch;
use heng_engine::{EventSink, EventWriter, State, apply};
use heng_matching::workload::Draws;
use heng_model::command::{CancelOrder, NewOrder};
use heng_model::{
    Board, ClientOrderId, Command, Event, InstrumentId, OrderId, OrderType, PartitionId, Price, Qty, SelfTrade, Seq,
    Sequenced, Side, UnixNanos,
};

use super::BATCH;
use super::population::{Population, RULE_QUANTITY_MAX, account};

/// Time from one command to the next.
const STEP_NS: i64 = 1_000;

/// What the flow came to, for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    pub(crate) passive: u64,
    pub(crate) cancels: u64,
    pub(crate) marketable: u64,
    pub(crate) refused: u64,
    /// Orders beside the intended ones that were refused, and cancels that were.
    pub(crate) unintended_refusals: u64,
    /// Orders that went to another partition.
    pub(crate) crossed: u64,
    pub(crate) events: u64,
    pub(crate) postings: u64,
    pub(crate) trades: u64,
}

/// The flow of one partition.
pub(crate) struct Stream {
    /// The partition before the first timed command.
    pub(crate) start: State,
    capacity: heng_engine::Capacity,
    /// Its event writer there.
    pub(crate) digest: heng_model::hash::EventDigest,
    /// Set-up, then warm-up, as batches.
    pub(crate) before: Vec<Vec<u8>>,
    /// Timed commands, as batches. With more than one partition only those of clients.
    pub(crate) timed: Vec<Vec<u8>>,
    /// Hash of the state behind the last command.
    pub(crate) end_hash: [u8; 32],
}

impl Stream {
    /// The partition before the first timed command, with room for the day, as a core that starts has it.
    pub(crate) fn ready(&self) -> State {
        let mut state = self.start.clone();
        state.make_room(self.capacity);
        state
    }
}

/// C1, ready to run.
pub(crate) struct C1 {
    pub(crate) population: Population,
    pub(crate) streams: Vec<Stream>,
    pub(crate) made: Made,
}

/// Sees events pass and notes orders whose state may have changed.
#[derive(Default)]
struct Watch {
    writer: EventWriter,
    touched: Vec<OrderId>,
    refused: u64,
}

impl EventSink for Watch {
    fn begin(&mut self, seq: Seq, time: UnixNanos) {
        self.writer.begin(seq, time);
    }
    fn emit(&mut self, event: Event) {
        match &event {
            Event::OrderWorking(working) => self.touched.push(working.order),
            Event::OrderFilled(filled) => self.touched.push(filled.order),
            Event::OrderCancelled(cancelled) => self.touched.push(cancelled.order),
            Event::OrderRejected(_) | Event::CancelRejected(_) | Event::CommandRefused(_) => self.refused += 1,
            _ => {}
        }
        self.writer.emit(event);
    }
    fn send(&mut self, to: PartitionId, message: Command) {
        self.writer.send(to, message);
    }
}

/// Live orders of a partition, for a fair draw among them.
#[derive(Default)]
struct Live {
    orders: Vec<(u32, OrderId)>,
    place: Vec<u32>,
}

impl Live {
    fn set(&mut self, order: OrderId, account: Option<u32>) {
        let number = order.number() as usize;
        if number >= self.place.len() {
            self.place.resize((number + 1).next_power_of_two(), u32::MAX);
        }
        let at = self.place[number];
        match account {
            Some(account) if at == u32::MAX => {
                self.place[number] = self.orders.len() as u32;
                self.orders.push((account, order));
            }
            None if at != u32::MAX => {
                self.orders.swap_remove(at as usize);
                if let Some((_, moved)) = self.orders.get(at as usize) {
                    self.place[moved.number() as usize] = at;
                }
                self.place[number] = u32::MAX;
            }
            _ => {}
        }
    }
}

/// One partition while its flow is made.
struct Cell {
    partition: u16,
    state: State,
    watch: Watch,
    live: Live,
    batch: CommandBatch,
    before: Vec<Vec<u8>>,
    timed: Vec<Vec<u8>>,
    in_batch: usize,
    is_timed: bool,
    orders: u64,
}

impl Cell {
    fn new(partition: u16, population: &Population) -> Self {
        let state = State::new(PartitionId(partition), population.capacity());
        let (batch, watch, live) = (CommandBatch::default(), Watch::default(), Live::default());
        let (before, timed) = (Vec::new(), Vec::new());
        Self { partition, state, watch, live, batch, before, timed, in_batch: 0, is_timed: false, orders: 0 }
    }

    fn seal(&mut self) {
        if self.in_batch > 0 {
            let batches = if self.is_timed { &mut self.timed } else { &mut self.before };
            batches.push(self.batch.bytes().to_vec());
            self.in_batch = 0;
        }
    }

    /// Executes a command of a client, writes it down, returns whether it was refused.
    fn submit(&mut self, time: UnixNanos, command: Command) -> bool {
        let time = UnixNanos(time.0.max(self.state.time().0 + 1));
        if self.in_batch == 0 {
            self.batch.begin(self.state.seq().next(), self.watch.writer.digest(), self.state.time());
        }
        self.batch.add(time, &command);
        self.in_batch += 1;
        let refused = self.execute(time, command);
        if self.in_batch == BATCH {
            self.seal();
        }
        refused
    }

    fn execute(&mut self, time: UnixNanos, command: Command) -> bool {
        let before = self.watch.refused;
        let sequenced = Sequenced { seq: Seq(self.state.seq().0 + 1), time, command };
        apply(&mut self.state, &sequenced, &mut self.watch);
        self.watch.writer.finish();
        self.watch.writer.clear_frames();
        for order in self.watch.touched.drain(..) {
            if order.partition() == self.state.partition()
                && let Some(record) = self.state.order(order)
            {
                self.live.set(order, record.status.is_live().then_some(record.account_row));
            }
        }
        self.watch.refused > before
    }
}

/// Draws the commands.
struct Maker<'a> {
    population: &'a Population,
    draws: Draws,
    time: i64,
    made: Made,
}

impl Maker<'_> {
    fn next_time(&mut self) -> UnixNanos {
        self.time += STEP_NS;
        UnixNanos(self.time)
    }

    fn base(&mut self, cell: &mut Cell) -> NewOrder {
        let accounts = self.population.holdings[usize::from(cell.partition)].len() as u64;
        let number = if self.population.shape.hot { 0 } else { self.draws.below(accounts) as u32 };
        let side = if self.draws.draw() & 1 == 0 { Side::Buy } else { Side::Sell };
        let instrument = match side {
            Side::Buy => self.population.pick(cell.partition, &mut self.draws),
            Side::Sell if self.population.shape.hot => self.population.pick(cell.partition, &mut self.draws),
            Side::Sell => {
                let holdings = self.population.holdings[usize::from(cell.partition)][number as usize];
                holdings[self.draws.below(holdings.len() as u64) as usize]
            }
        };
        cell.orders += 1;
        let listed = &self.population.listed[instrument as usize];
        let hong_kong = listed.definition.board == Board::Hk;
        NewOrder {
            account: account(cell.partition, number),
            client_order: ClientOrderId(0x4f << 56 | u128::from(cell.orders)),
            trade_date: self.population.date,
            instrument: InstrumentId(instrument),
            side,
            order_type: if hong_kong { OrderType::EnhancedLimit } else { OrderType::Limit },
            price: Price(listed.mid * listed.tick),
            // From 200, so that every board's lot rule is met.
            quantity: Qty(200 + 100 * self.draws.below(9) as i64),
            self_trade: SelfTrade::Allow,
        }
    }

    fn away(&self, order: &mut NewOrder, ticks: i64) {
        let listed = &self.population.listed[order.instrument.0 as usize];
        let ticks = if order.side == Side::Buy { listed.mid - ticks } else { listed.mid + ticks };
        order.price = Price(ticks * listed.tick);
    }

    fn passive(&mut self, cell: &mut Cell) -> NewOrder {
        let mut order = self.base(cell);
        let mut distance = 1;
        while distance < 20 && self.draws.below(8) != 0 {
            distance += 1;
        }
        self.away(&mut order, distance);
        order
    }

    fn marketable(&mut self, cell: &mut Cell) -> NewOrder {
        let mut order = self.base(cell);
        self.away(&mut order, -8);
        order
    }

    /// An order that must be refused, for one of eight reasons.
    fn wrong(&mut self, cell: &mut Cell) -> NewOrder {
        let mut order = self.base(cell);
        let has_limits = self.population.listed[order.instrument.0 as usize].definition.board != Board::Hk;
        match self.draws.below(8) {
            0 if has_limits => order.price = Price(order.price.0 * 2),
            0 | 1 => order.price = Price(order.price.0 + 1),
            2 => (order.side, order.quantity) = (Side::Buy, Qty(1_000_000)),
            3 => (order.side, order.quantity) = (Side::Sell, Qty(900_000_000)),
            4 => (order.side, order.quantity) = (Side::Buy, Qty(50)),
            5 => (order.side, order.quantity) = (Side::Buy, Qty(RULE_QUANTITY_MAX + 10_000)),
            6 => order.instrument = InstrumentId(self.population.shape.instruments + 7),
            _ => order.account = account(cell.partition, self.population.shape.accounts + 7),
        }
        order
    }

    fn step(&mut self, cell: &mut Cell) {
        let time = self.next_time();
        let kind = self.draws.below(100);
        if (50..85).contains(&kind) && !cell.live.orders.is_empty() {
            let at = self.draws.below(cell.live.orders.len() as u64) as usize;
            let (row, order) = cell.live.orders[at];
            self.made.cancels += 1;
            let cancel = CancelOrder { account: account(cell.partition, row), order };
            self.made.unintended_refusals += u64::from(cell.submit(time, cancel.into()));
            return;
        }
        let must_fail = kind >= 95;
        let order = match kind {
            0..85 => self.passive(cell),
            85..95 => self.marketable(cell),
            _ => self.wrong(cell),
        };
        match kind {
            0..85 => self.made.passive += 1,
            85..95 => self.made.marketable += 1,
            _ => self.made.refused += 1,
        }
        let partitions = u32::from(self.population.shape.partitions);
        self.made.crossed += u64::from(!must_fail && order.instrument.0 % partitions != u32::from(cell.partition));
        let refused = cell.submit(time, order.into());
        assert!(!must_fail || refused, "an order that must be refused was taken: {order:?}");
        self.made.unintended_refusals += u64::from(refused && !must_fail);
    }
}

/// Hands every message between partitions on until there is none.
fn exchange(cells: &mut [Cell]) {
    loop {
        let messages: Vec<(PartitionId, Command)> =
            cells.iter_mut().flat_map(|cell| std::mem::take(cell.watch.writer.outbox())).collect();
        if messages.is_empty() {
            return;
        }
        for (to, message) in messages {
            let cell = &mut cells[usize::from(to.0)];
            cell.seal();
            let time = UnixNanos(cell.state.time().0 + 1);
            cell.execute(time, message);
        }
    }
}

/// Makes C1 of a shape. `keep_setup` keeps the set-up commands, for a replay from nothing.
pub(crate) fn generate(population: Population, keep_setup: bool) -> C1 {
    let mut cells: Vec<Cell> = (0..population.shape.partitions).map(|at| Cell::new(at, &population)).collect();
    for cell in &mut cells {
        for (time, command) in population.setup(cell.partition) {
            cell.submit(time, command);
            if !keep_setup {
                cell.before.clear();
            }
        }
        cell.seal();
        assert!(cell.watch.refused == 0, "the set-up is accepted");
    }
    let mut maker =
        Maker { population: &population, draws: Draws::new(0xF10), time: population.start().0, made: Made::default() };
    let count = cells.len();
    for at in 0..population.shape.warm_up as usize {
        let time = maker.next_time();
        let order = maker.passive(&mut cells[at % count]);
        cells[at % count].submit(time, order.into());
        exchange(&mut cells);
    }
    let starts: Vec<_> = cells
        .iter_mut()
        .map(|cell| {
            cell.seal();
            cell.is_timed = true;
            (cell.state.clone(), cell.watch.writer.digest())
        })
        .collect();
    let sums = |cells: &[Cell]| -> (u64, u64, u64) {
        let of = |cell: &Cell| (cell.watch.writer.total(), cell.state.ledger().postings(), cell.state.venue().trades());
        cells.iter().map(of).fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2))
    };
    let before = sums(&cells);
    for at in 0..population.shape.commands as usize {
        maker.step(&mut cells[at % count]);
        exchange(&mut cells);
    }
    cells.iter_mut().for_each(Cell::seal);
    let after = sums(&cells);
    let made =
        Made { events: after.0 - before.0, postings: after.1 - before.1, trades: after.2 - before.2, ..maker.made };
    let streams = cells
        .into_iter()
        .zip(starts)
        .map(|(cell, (start, digest))| {
            let end_hash = cell.state.hash();
            Stream { start, capacity: population.capacity(), digest, before: cell.before, timed: cell.timed, end_hash }
        })
        .collect();
    C1 { population, streams, made }
}

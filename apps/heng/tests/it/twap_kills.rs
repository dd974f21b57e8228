//! A TWAP whose core and driver are killed a hundred times in the middle of it: what its children filled and hold open
//! never exceeds the parent, and the parent is filled in the end.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use heng::market::{Rng, World, WorldOptions};
use heng_core::{Completion, CoreError, CoreOptions, CoreSteps, EventTail, Layout, Request, answer_from};
use heng_engine::Capacity;
use heng_journal::{Crash, SimStorage};
use heng_model::command::{ControlParent, NewOrder, NewParent, ParentAction, ParentKind, Tick, TransferHolding};
use heng_model::event::ParentStatus;
use heng_model::{
    AccountId, ClientOrderId, Command, InstrumentId, Money, OrderType, ParentId, PartitionId, Price, Qty, SECOND,
    SelfTrade, Seq, Side, TradeDate, UnixNanos,
};
use heng_ports::{Answer, CommandEvents, ParentNow, ParentsOf, Reply};
use heng_runtime::SystemClock;
use heng_store::StoreOptions;
use heng_trading::{Driven, Driver, Kept, MarketBook, Terms, TermsStore};
use tokio::runtime::Runtime;

const KILLS: u64 = 100;
const QUANTITY: Qty = Qty(20_000);
const SLICES: u32 = 100;
/// Seconds from one look of the driver to the next, and of the whole schedule.
const STEP_S: i64 = 5;
const LENGTH_S: i64 = 2_000;
const BEGINS_S: i64 = 34_260;

/// How far a command gets before the kill.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nothing,
    Submitted,
    Written,
    Durable,
    Released,
}

const STAGES: [Stage; 5] = [Stage::Nothing, Stage::Submitted, Stage::Written, Stage::Durable, Stage::Released];

/// What a kill takes away.
struct Life {
    core: CoreSteps,
    answers: Sender<Vec<Completion>>,
    completed: Receiver<Vec<Completion>>,
    tail: EventTail,
    market: MarketBook,
    driver: Driver,
    terms: TermsStore,
}

/// What stays.
struct Test {
    runtime: Runtime,
    disk: SimStorage,
    options: CoreOptions,
    folder: tempfile::TempDir,
    world: World,
    rng: Rng,
    now: UnixNanos,
    kills: u64,
    /// Parts of the work that were done between kills: what a restart found still to do.
    claims: u64,
}

/// The parties and what they trade.
#[derive(Clone, Copy)]
struct Trade {
    buyer: AccountId,
    seller: AccountId,
    instrument: InstrumentId,
    price: Price,
    date: TradeDate,
}

impl Test {
    fn new() -> Self {
        let disk = SimStorage::new();
        let date = TradeDate::new(2026, 7, 6).expect("a date");
        let options = CoreOptions {
            data: PathBuf::from("/twap"),
            partition: PartitionId(0),
            capacity: Capacity::default(),
            clock: std::sync::Arc::new(SystemClock),
            follows_clock: false,
            storage: disk.shared(),
            segment_bytes: 1 << 20,
            snapshots: None,
            on_fatal: |error| panic!("{error}"),
        };
        let world = WorldOptions { clients: 30, instruments: 20, seed: 5, date };
        Self {
            runtime: Runtime::new().expect("a runtime"),
            disk,
            options,
            folder: tempfile::tempdir().expect("a folder"),
            world: World::new(world, &heng_rulebook::Rulebook::embedded_files()).expect("a world"),
            rng: Rng::new(17, 3),
            now: UnixNanos(0),
            kills: 0,
            claims: 0,
        }
    }

    /// Recovers everything from files, as a start of the process does.
    fn begin(&mut self) -> Life {
        let core = CoreSteps::recover(&self.options).expect("it recovers");
        let (answers, completed) = channel();
        let events = Layout::new(&self.options.data).events;
        let tail = EventTail::open(&self.disk.shared(), &events, 1).expect("the record is there");
        let file = StoreOptions::at(self.folder.path().join("terms.db"));
        let terms = self.runtime.block_on(TermsStore::open(&file)).expect("the terms open");
        let mut life =
            Life { core, answers, completed, tail, market: MarketBook::default(), driver: Driver::new(Seq(0)), terms };
        if life.core.state().has_live_parents() {
            let (account, parent) = (AccountId(0), ParentId(0));
            let pause = ControlParent { account, parent, action: ParentAction::Pause, epoch: 0 };
            self.send(&mut life, pause.into(), Stage::Released);
        }
        life.driver = Driver::new(life.core.state().seq());
        life
    }

    fn kill(&mut self, life: Life) -> Life {
        self.kills += 1;
        self.runtime.block_on(life.terms.close());
        drop(life);
        self.disk.crash(match self.rng.below(3) {
            0 => Crash::ProcessOnly,
            1 => Crash::DropUnsynced,
            _ => Crash::KeepSome(self.rng.draw()),
        });
        self.begin()
    }

    /// Sends a command as far as `stage`; its answer if it got that far.
    fn send(&mut self, life: &mut Life, command: Command, stage: Stage) -> Option<Answer> {
        if stage == Stage::Nothing {
            return None;
        }
        self.now = UnixNanos(self.now.0 + 1_000_000);
        let request = Request { command, ticket: 0, time: Some(self.now) };
        life.core.submit(vec![request], &life.answers).expect("the core runs");
        if stage >= Stage::Written {
            life.core.append().expect("it is written");
        }
        if stage >= Stage::Durable {
            life.core.sync().expect("it is durable");
        }
        if stage < Stage::Released {
            return None;
        }
        assert!(life.core.release().expect("it is released"));
        let completion = life.completed.recv().expect("an answer")[0];
        let Completion { seq: sequence, id, code, repeated, .. } = completion;
        Some(match code {
            None => Answer::Accepted { sequence, id, repeated },
            Some(code) => Answer::Rejected { sequence, id, code, repeated },
        })
    }

    fn set_up(&mut self, life: &mut Life) -> Trade {
        let date = self.world.options.date;
        for (time, command) in self.world.setup().collect::<Vec<_>>() {
            self.now = UnixNanos(time.0.max(self.now.0));
            self.send(life, command, Stage::Released);
        }
        for second in [29_700, 33_300, 33_900, 34_200] {
            self.now = UnixNanos(UnixNanos::at(date, second * SECOND).0.max(self.now.0));
            self.send(life, Tick {}.into(), Stage::Released);
        }
        let trade = parties(life, date);
        let quantity = Qty(1_000_000);
        let give = TransferHolding { account: trade.seller, instrument: trade.instrument, quantity, reference: 77 };
        let given = self.send(life, give.into(), Stage::Released);
        assert!(matches!(given, Some(Answer::Accepted { .. })), "{given:?}");
        self.now = UnixNanos::at(date, BEGINS_S * SECOND);
        trade
    }

    /// The client asks for the parent until there is an answer, killed on the way.
    fn place(&mut self, mut life: Life, terms: &Terms) -> (Life, ParentId) {
        for stage in STAGES {
            let kept = self.runtime.block_on(life.terms.keep(terms)).expect("the terms are kept");
            assert_eq!(kept == Kept::New, stage == Stage::Nothing, "terms are kept once");
            let answer = self.send(&mut life, terms.parent.clone().into(), stage);
            if let Some(Answer::Accepted { id, .. }) = answer {
                return (life, ParentId(id));
            }
            life = self.kill(life);
        }
        unreachable!("the last stage is answered")
    }

    /// One look of the driver. True if the process was killed in it.
    fn step(&mut self, life: &mut Life, id: ParentId, dies_at: Option<Stage>) -> bool {
        follow(life);
        let parent = parent_now(life, id);
        let found = life.terms.of(parent.account, parent.trade_date, parent.client_order);
        let terms = self.runtime.block_on(found).expect("the terms are read").expect("the terms are there");
        let begun = life.market.begun(id).expect("the record tells of the parent");
        let (as_of, driven) = (life.core.state().seq(), Driven { parent, terms, held: false, begun });
        let Some(command) = life.driver.propose(&driven, as_of, self.now, &life.market) else {
            return dies_at.is_some();
        };
        self.claims += u64::from(matches!(&command, Command::ControlParent(_)));
        let answer = self.send(life, command, dies_at.unwrap_or(Stage::Released));
        if dies_at.is_some() {
            return true;
        }
        life.driver.told(id, self.now, answer.unwrap_or(Answer::Unknown));
        false
    }
}

fn parties(life: &Life, date: TradeDate) -> Trade {
    let state = life.core.state();
    let stock = state.instruments().map(|instrument| instrument.definition.instrument).find(|id| {
        let plain = state.day_of(*id).is_some_and(|day| !day.suspended && !day.risk_warning && day.limits.is_some());
        plain && state.lot_of(*id, Side::Buy) == (Qty(100), Qty(100))
    });
    let instrument = stock.expect("the world has a plain stock");
    let today = state.day_of(instrument).expect("it trades");
    let rich = state.ledger().accounts().iter().filter(|account| {
        account.rights & today.buy_rights == today.buy_rights && account.cny.available().0 > 10_000_000_000
    });
    let rich: Vec<_> = rich.collect();
    let buyer = rich.first().expect("somebody is rich");
    let seller = rich.iter().find(|account| account.owner != buyer.owner).expect("somebody else is rich");
    Trade { buyer: buyer.id, seller: seller.id, instrument, price: today.prev_close, date }
}

/// Lets the market of the driver take what has left the gate.
fn follow(life: &mut Life) {
    let Life { tail, market, .. } = life;
    while tail
        .next_block::<CoreError>(|frame| {
            market.take(&CommandEvents { seq: frame.seq, time: frame.time, events: frame.events });
            Ok(())
        })
        .expect("the record is sound")
    {}
}

fn parent_now(life: &Life, parent: ParentId) -> ParentNow {
    let ask = ParentsOf { account: AccountId(0), parent, live_only: false, after: ParentId(0), limit: 10 };
    let Reply::ParentsNow(found) = answer_from(life.core.state(), &ask.into()).reply else { panic!("parents") };
    found.parents[0]
}

/// Filled and open, added up from the orders themselves.
fn committed(life: &Life, trade: Trade) -> (Qty, Qty) {
    let state = life.core.state();
    let row = state.ledger().row_of(trade.buyer).expect("the buyer is there");
    let children = state.orders_of(row).filter(|(_, order)| order.has_parent);
    children.fold((Qty::ZERO, Qty::ZERO), |(filled, open), (_, order)| {
        let rests = if order.status.is_live() { order.remaining() } else { Qty::ZERO };
        (filled + order.filled, open + rests)
    })
}

fn sell(trade: Trade, number: u64, quantity: Qty) -> Command {
    NewOrder {
        account: trade.seller,
        client_order: ClientOrderId::from_text(&format!("s-{number}")),
        trade_date: trade.date,
        instrument: trade.instrument,
        side: Side::Sell,
        order_type: OrderType::Limit,
        price: trade.price,
        quantity,
        self_trade: SelfTrade::Allow,
    }
    .into()
}

#[test]
fn a_twap_that_is_killed_a_hundred_times_is_filled_exactly() {
    let mut test = Test::new();
    let mut life = test.begin();
    let trade = test.set_up(&mut life);
    let at = |second: i64| UnixNanos::at(trade.date, second * SECOND);
    let parent = NewParent {
        account: trade.buyer,
        client_order: ClientOrderId::from_text("twap"),
        trade_date: trade.date,
        kind: ParentKind::Twap,
        instrument: trade.instrument,
        side: Side::Buy,
        order_type: OrderType::Limit,
        price: trade.price,
        quantity: QUANTITY,
        value_max: Money::ZERO,
        watch: InstrumentId(0),
        at_or_above: false,
        trigger: Price::ZERO,
        expires: UnixNanos(0),
    };
    let (start, end) = (at(BEGINS_S), at(BEGINS_S + LENGTH_S));
    let terms = Terms { parent, start, end, slices: SLICES, participation: 10, display: Qty(100) };
    let (mut alive, id) = test.place(life, &terms);
    let mut looks: i64 = 0;
    let mut was_open = false;
    while parent_now(&alive, id).status != ParentStatus::Done {
        looks += 1;
        assert!(looks < 1_000, "the parent ends: {:?}", parent_now(&alive, id));
        test.now = UnixNanos(at(BEGINS_S + looks * STEP_S).0.max(test.now.0));
        // Now and then somebody sells, sometimes less than is wanted.
        if test.rng.chance(30) {
            let lots = 1 + test.rng.below(3) as i64;
            test.send(&mut alive, sell(trade, looks as u64, Qty(lots * 100)), Stage::Released);
        }
        let dies = test.kills < KILLS && test.rng.chance(35);
        let dies_at = dies.then(|| STAGES[test.rng.below(5) as usize]);
        if test.step(&mut alive, id, dies_at) {
            alive = test.kill(alive);
        }
        let (filled, open) = committed(&alive, trade);
        assert!(filled + open <= QUANTITY, "{filled} filled and {open} open of {QUANTITY}");
        was_open |= open > Qty::ZERO && filled < QUANTITY;
        let told = parent_now(&alive, id);
        assert_eq!((told.filled, told.open), (filled, open), "the parent knows its children");
    }
    assert_eq!(committed(&alive, trade), (QUANTITY, Qty::ZERO));
    assert_eq!(test.kills, KILLS, "all kills fell into the middle of it: {looks} looks");
    assert!(was_open && test.claims > 50, "{} claims", test.claims);
}

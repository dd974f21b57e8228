//! Who trades what in C1, and the commands that set it up.

use heng_matching::workload::Draws;
use heng_model::command::{
    ActivateRulebook, DefineInstrument, Deposit, OpenAccount, OpenDay, RiskFeature, RiskRule, SetAccountLimits,
    SetExchangeRates, SetReference, SetRiskRules, Tick, TransferHolding,
};
use heng_model::{
    AccountId, AccountKind, Board, Command, Currency, InstrumentClass, InstrumentId, Money, OwnerId, PartitionId,
    Price, Qty, Rate, SECOND, TradeDate, UnixNanos, rights,
};
use heng_rulebook::{Rulebook, bundle, bundle_hash};

/// Configured risk rules.
pub(crate) const RISK_RULES: usize = 200;
/// The one rule that refused orders break: no order above this quantity.
pub(crate) const RULE_QUANTITY_MAX: i64 = 50_000;
/// Holdings that every account begins with.
pub(crate) const HOLDINGS: usize = 3;
/// Cash of an account: ten million yuan.
const CASH: Money = Money(10_000_000 * 10_000);
/// Shares of one holding.
const SHARES: Qty = Qty(10_000_000);

/// How large C1 is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Accounts, over all partitions.
    pub(crate) accounts: u32,
    /// Instruments, over all partitions.
    pub(crate) instruments: u32,
    /// Passive orders before the clock runs, over all partitions.
    pub(crate) warm_up: u32,
    /// Commands behind them, over all partitions.
    pub(crate) commands: u32,
    /// Partitions that share the load.
    pub(crate) partitions: u16,
    /// Of 100 orders, how many go to an instrument of another partition.
    pub(crate) crossing: u64,
    /// Every command comes from one account.
    pub(crate) hot: bool,
}

impl Shape {
    /// The full size: a million accounts, 5,000 instruments.
    pub(crate) const fn full(commands: u32) -> Self {
        Self {
            accounts: 1_000_000,
            instruments: 5_000,
            warm_up: 250_000,
            commands,
            partitions: 1,
            crossing: 0,
            hot: false,
        }
    }

    /// The small size that a quick run may use, and says so.
    pub(crate) const fn small(commands: u32) -> Self {
        Self { accounts: 20_000, instruments: 300, warm_up: 20_000, commands, partitions: 1, crossing: 0, hot: false }
    }
}

/// An instrument.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) definition: DefineInstrument,
    pub(crate) reference: SetReference,
    /// Price step.
    pub(crate) tick: i64,
    /// Reference price in ticks: passive orders stand around it.
    pub(crate) mid: i64,
}

/// Draws places 0…n-1 with weights 1/1, 1/2, 1/3 …
#[derive(Clone, Debug)]
pub(crate) struct Zipf(Vec<u64>);

impl Zipf {
    pub(crate) fn new(count: u32) -> Self {
        let mut sum = 0;
        Self(
            (1..=u64::from(count))
                .map(|rank| {
                    sum += (1 << 40) / rank;
                    sum
                })
                .collect(),
        )
    }

    pub(crate) fn draw(&self, draws: &mut Draws) -> u32 {
        let at = draws.below(*self.0.last().expect("there is an instrument"));
        self.0.partition_point(|sum| *sum <= at) as u32
    }
}

/// The world of C1.
pub(crate) struct Population {
    pub(crate) shape: Shape,
    pub(crate) date: TradeDate,
    pub(crate) listed: Vec<Listed>,
    /// Per partition: the first holdings of each account, as instrument numbers.
    pub(crate) holdings: Vec<Vec<[u32; HOLDINGS]>>,
    zipf: Zipf,
    bundle: Vec<u8>,
}

fn board_of(number: u32) -> Board {
    match number % 20 {
        0..=6 => Board::SseMain,
        7..=9 => Board::Star,
        10..=14 => Board::SzseMain,
        15..=17 => Board::Chinext,
        18 => Board::Bse,
        _ => Board::Hk,
    }
}

impl Population {
    /// Makes the world of a shape; the same shape makes the same world.
    ///
    /// # Panics
    /// If the built-in rules do not cover the fixed date: then this benchmark must be changed with them.
    pub(crate) fn new(shape: Shape) -> Self {
        let files = Rulebook::embedded_files();
        let rulebook = Rulebook::parse(&files).expect("the built-in rules are valid");
        let date: TradeDate = "2026-07-08".parse().expect("a date");
        let mut draws = Draws::new(0x00C1_5EED);
        let listed = (0..shape.instruments).map(|number| list(&rulebook, number, date, shape, &mut draws)).collect();
        let zipf = Zipf::new(shape.instruments / u32::from(shape.partitions));
        let mut population = Self { shape, date, listed, holdings: Vec::new(), zipf, bundle: bundle(&files) };
        population.holdings = (0..shape.partitions)
            .map(|partition| {
                let accounts = shape.accounts / u32::from(shape.partitions);
                (0..accounts).map(|_| population.draw_holdings(partition, &mut draws)).collect()
            })
            .collect();
        population
    }

    fn draw_holdings(&self, partition: u16, draws: &mut Draws) -> [u32; HOLDINGS] {
        core::array::from_fn(|_| self.pick(partition, draws))
    }

    /// An instrument for an order or a holding of this partition.
    pub(crate) fn pick(&self, partition: u16, draws: &mut Draws) -> u32 {
        let Shape { partitions, crossing, instruments, .. } = self.shape;
        let crosses = crossing > 0 && draws.below(100) < crossing;
        let venue = if crosses { (partition + 1) % partitions } else { partition };
        let count = instruments / u32::from(partitions);
        // Neighbours by rank are not neighbours in memory: 7,919 is prime and divides no count in use.
        let place = u64::from(self.zipf.draw(draws)) * 7_919 % u64::from(count);
        place as u32 * u32::from(partitions) + u32::from(venue)
    }

    /// Room that a state of one partition needs for `commands` more commands.
    pub(crate) fn capacity(&self) -> heng_engine::Capacity {
        let partitions = usize::from(self.shape.partitions);
        let (accounts, commands) = (self.shape.accounts as usize, (self.shape.commands + self.shape.warm_up) as usize);
        heng_engine::Capacity {
            accounts: accounts / partitions,
            positions: (accounts * HOLDINGS + commands / 5) / partitions,
            orders: commands * 7 / 10 / partitions,
        }
    }

    /// The commands that set a partition up, open its day and let the clock reach continuous trading.
    pub(crate) fn setup(&self, partition: u16) -> impl Iterator<Item = (UnixNanos, Command)> + '_ {
        let before = UnixNanos::at(self.date, 6 * 3_600 * SECOND).0;
        let rules = ActivateRulebook { hash: bundle_hash(&self.bundle), bytes: self.bundle.clone(), from: self.date };
        let rates = SetExchangeRates { sell_reference: Rate(93_150_000), buy_reference: Rate(92_050_000) };
        let open = OpenDay { date: self.date, random_close_s: 60 };
        [Command::from(rules), rates.into(), SetRiskRules { rules: risk_rules() }.into()]
            .into_iter()
            .chain(self.listed.iter().flat_map(|i| [i.definition.clone().into(), i.reference.into()]))
            .chain((0..self.holdings[usize::from(partition)].len() as u32).flat_map(move |n| self.client(partition, n)))
            .chain([Command::from(open)])
            .zip(1..)
            .map(move |(command, step)| (UnixNanos(before + step * 1_000), command))
            .chain([(self.start(), Tick {}.into())])
    }

    /// When the flow begins: 10:00, all boards trade continuously.
    pub(crate) fn start(&self) -> UnixNanos {
        UnixNanos::at(self.date, 10 * 3_600 * SECOND)
    }

    fn client(&self, partition: u16, number: u32) -> Vec<Command> {
        let account = account(partition, number);
        let open = OpenAccount {
            account,
            owner: OwnerId(number + 1),
            kind: AccountKind::Cash,
            rights: rights::ALL,
            commission: Rate(if number.is_multiple_of(2) { 25_000 } else { 12_000 }),
        };
        let transfer = |instrument| {
            TransferHolding { account, instrument: InstrumentId(instrument), quantity: SHARES, reference: 0 }.into()
        };
        let cash = |amount| Deposit { account, currency: Currency::Cny, amount, reference: 0 };
        let mut commands: Vec<Command> = vec![open.into(), cash(CASH).into()];
        commands.extend(self.holdings[usize::from(partition)][number as usize].map(transfer));
        if self.shape.hot && number == 0 {
            commands.extend((0..self.shape.instruments).map(transfer));
            commands.push(cash(Money(CASH.0 * 1_000)).into());
            let (order_value_max, credit_line) = (Money::ZERO, Money::ZERO);
            commands
                .push(SetAccountLimits { account, orders_per_second: u32::MAX, order_value_max, credit_line }.into());
        }
        commands
    }
}

/// The account with this number, from 0.
pub(crate) const fn account(partition: u16, number: u32) -> AccountId {
    AccountId::of(PartitionId(partition), number as u64 + 1)
}

fn list(rulebook: &Rulebook, number: u32, date: TradeDate, shape: Shape, draws: &mut Draws) -> Listed {
    let (board, class) = (board_of(number / u32::from(shape.partitions)), InstrumentClass::Stock);
    let rules = rulebook.instrument_rules(board, class, false, date).expect("the rules cover the date");
    // Between 12 and 18 yuan every board's tick is one value, and every price of the flow is inside limits and cage.
    let rough = Price(120_000 + draws.below(60_000) as i64);
    let tick = rules.tick.at(rough).0;
    let prev_close = Price(rough.0 / tick * tick);
    let instrument = InstrumentId(number);
    let definition = DefineInstrument {
        instrument,
        symbol: format!("{number:06}.C1"),
        board,
        class,
        partition: PartitionId((number % u32::from(shape.partitions)) as u16),
        board_lot: if board == Board::Hk { 100 } else { 0 },
    };
    let reference = SetReference {
        instrument,
        prev_close,
        risk_warning: false,
        listing_day: 0,
        delisting_day: 0,
        suspended: false,
    };
    Listed { definition, reference, tick, mid: prev_close.0 / tick }
}

/// Two hundred rules over all boards, sides and features. All are wide but the first, which refused orders break.
fn risk_rules() -> Vec<RiskRule> {
    (0..RISK_RULES as u32)
        .map(|number| {
            let feature = RiskFeature::ALL[number as usize % RiskFeature::COUNT];
            let most = if number == 0 { RULE_QUANTITY_MAX } else { i64::MAX / 4 + i64::from(number) };
            let (board, side) = if number == 0 { (0, 0) } else { ((number % 7) as u8, (number % 3) as u8) };
            RiskRule { number: number + 1, board, side, feature, least: i64::MIN / 4 - i64::from(number), most }
        })
        .collect()
}

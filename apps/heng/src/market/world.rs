//! Who trades what: clients with cash and holdings, instruments on five boards and in Hong Kong.

use anyhow::{Context as _, bail};
use heng_model::command::{
    ActivateRulebook, DefineInstrument, Deposit, OpenAccount, OpenDay, SetExchangeRates, SetReference, TransferHolding,
};
use heng_model::{
    AccountId, AccountKind, Board, Command, Currency, InstrumentClass, InstrumentId, Money, OwnerId, PartitionId,
    Price, Qty, Rate, SECOND, Side, TradeDate, UnixNanos, rights,
};
use heng_rulebook::{LimitQuery, Rulebook, bundle, bundle_hash};

use super::rng::Rng;

/// How large the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldOptions {
    /// Client accounts, 1 to 5,000,000.
    pub clients: u32,
    /// Instruments, 1 to 20,000.
    pub instruments: u32,
    /// Seed.
    pub seed: u64,
    /// Trade date; mainland and Hong Kong should both trade, or the one that does not stays closed.
    pub date: TradeDate,
}

/// An instrument of the world.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Definition as the core gets it.
    pub definition: DefineInstrument,
    /// Reference data as the core gets it.
    pub reference: SetReference,
    /// Price step near the reference price.
    pub tick: Price,
    /// Lowest and highest price; `None` on a day without limit.
    pub limits: Option<(Price, Price)>,
    /// Smallest buy order.
    pub lot: i64,
    /// Step above it.
    pub step: i64,
}

/// The world before the day begins.
#[derive(Clone, Debug)]
pub struct World {
    /// How it was made.
    pub options: WorldOptions,
    /// The instruments, by number.
    pub instruments: Vec<Listed>,
    bundle: Vec<u8>,
}

/// Holdings that every client begins with.
const HOLDINGS: u64 = 3;

fn board_of(number: u32) -> Board {
    match number % 20 {
        0..=5 => Board::SseMain,
        6..=8 => Board::Star,
        9..=13 => Board::SzseMain,
        14..=16 => Board::Chinext,
        17 => Board::Bse,
        _ => Board::Hk,
    }
}

fn symbol_of(board: Board, number: u32) -> String {
    match board {
        Board::SseMain => format!("{}.SH", 600_000 + number),
        Board::Star => format!("{}.SH", 688_000 + number % 1_000),
        Board::SzseMain => format!("{:06}.SZ", 1 + number),
        Board::Chinext => format!("{}.SZ", 300_000 + number),
        Board::Bse => format!("{}.BJ", 920_000 + number),
        Board::Hk => format!("{:05}.HK", 1 + number),
    }
}

/// The rule book that rule files make.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn rulebook_of(files: &[(String, String)]) -> anyhow::Result<Rulebook> {
    Rulebook::parse(files).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the rule files are not valid:\n{}", lines.join("\n"))
    })
}

impl World {
    /// Makes the world from its options and rule files.
    ///
    /// # Errors
    /// If the options are out of range or the rules do not cover the date.
    pub fn new(options: WorldOptions, files: &[(String, String)]) -> anyhow::Result<Self> {
        if !(1..=5_000_000).contains(&options.clients) || !(1..=20_000).contains(&options.instruments) {
            bail!("clients must be 1 to 5000000 and instruments 1 to 20000");
        }
        let rulebook = rulebook_of(files)?;
        let mut rng = Rng::new(options.seed, 1);
        let instruments = (0..options.instruments)
            .map(|number| list(&rulebook, &mut rng, number, options.date))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { options, instruments, bundle: bundle(files) })
    }

    /// The account of client `number` (from 0).
    #[must_use]
    pub const fn account(number: u32) -> AccountId {
        AccountId::of(PartitionId(0), number as u64 + 1)
    }

    /// The instruments that client `number` begins with, and how many lots of each.
    #[must_use]
    pub fn holdings(&self, number: u32) -> [(u32, i64); HOLDINGS as usize] {
        let mut rng = Rng::new(self.options.seed ^ 0x4f1b, u64::from(number) + 7);
        core::array::from_fn(|_| {
            let instrument = rng.below(self.instruments.len() as u64) as u32;
            (instrument, rng.between(20, 400) * if is_market_maker(number) { 200 } else { 1 })
        })
    }

    /// The commands that set the world up and open the day, with their times.
    pub fn setup(&self) -> impl Iterator<Item = (UnixNanos, Command)> + '_ {
        let start = UnixNanos::at(self.options.date, 6 * 3_600 * SECOND).0;
        let rules =
            ActivateRulebook { hash: bundle_hash(&self.bundle), bytes: self.bundle.clone(), from: self.options.date };
        let rates = SetExchangeRates { sell_reference: Rate(93_150_000), buy_reference: Rate(92_050_000) };
        let open = OpenDay { date: self.options.date, random_close_s: (self.options.seed % 120) as u32 };
        [Command::from(rules), rates.into()]
            .into_iter()
            .chain(self.instruments.iter().flat_map(|i| [i.definition.clone().into(), i.reference.into()]))
            .chain((0..self.options.clients).flat_map(|number| self.client(number)))
            .chain([open.into()])
            .zip(1..)
            .map(move |(command, step)| (UnixNanos(start + step * 1_000), command))
    }

    fn client(&self, number: u32) -> Vec<Command> {
        let mut rng = Rng::new(self.options.seed ^ 0x77aa, u64::from(number));
        let account = Self::account(number);
        let wealth = if is_market_maker(number) { 2_000_000_000 } else { 20_000 + rng.below(2_000_000) as i64 };
        let rights = if rng.chance(90) { rights::ALL } else { rights::MAIN | rights::FUND };
        let open = OpenAccount {
            account,
            owner: OwnerId(number + 1),
            kind: if rng.chance(4) { AccountKind::Credit } else { AccountKind::Cash },
            rights,
            commission: Rate(if rng.chance(50) { 25_000 } else { 12_000 }),
        };
        let cash = Deposit { account, currency: Currency::Cny, amount: Money(wealth * 10_000), reference: 1 };
        let mut commands = vec![open.into(), cash.into()];
        for ((instrument, lots), reference) in self.holdings(number).into_iter().zip(1..) {
            let listed = &self.instruments[instrument as usize];
            let quantity = Qty(listed.lot.max(100) * lots);
            commands
                .push(TransferHolding { account, instrument: InstrumentId(instrument), quantity, reference }.into());
        }
        commands
    }
}

/// The first of every hundred clients quotes both sides.
pub(super) const fn is_market_maker(number: u32) -> bool {
    number.is_multiple_of(100)
}

fn list(rulebook: &Rulebook, rng: &mut Rng, number: u32, date: TradeDate) -> anyhow::Result<Listed> {
    let board = board_of(number);
    let fund = matches!(board, Board::SseMain | Board::SzseMain) && number % 20 == 5;
    let class = if fund { InstrumentClass::T0Etf } else { InstrumentClass::Stock };
    let risk_warning = !fund && board == Board::SseMain && number % 40 == 2;
    let fresh = !fund && board != Board::Hk && number % 60 == 7;
    let yuan = match board {
        _ if fund => rng.between(1, 5),
        Board::Star => rng.between(20, 180),
        Board::Hk => rng.between(2, 300),
        _ if risk_warning => rng.between(2, 6),
        _ => rng.between(3, 90),
    };
    let rules =
        rulebook.instrument_rules(board, class, risk_warning, date).with_context(|| format!("instrument {number}"))?;
    for side in [Side::Buy, Side::Sell] {
        rulebook.fee_schedule(board, class, side, date).with_context(|| format!("instrument {number}"))?;
    }
    let rough = Price(yuan * 10_000 + rng.between(0, 9_999));
    let tick = rules.tick.at(rough);
    let prev_close = Price(rough.0 / tick.0 * tick.0);
    let listing_day = if fresh { 1 } else { 0 };
    let query = LimitQuery {
        board,
        class,
        st: risk_warning,
        listing_day: fresh.then_some(1),
        delisting_day: None,
        prev: prev_close,
        date,
    };
    let limits = rulebook.price_limits(query).with_context(|| format!("instrument {number}"))?;
    let board_lot = if board == Board::Hk { [100, 200, 500, 1_000][rng.below(4) as usize] } else { 0 };
    let instrument = InstrumentId(number);
    Ok(Listed {
        definition: DefineInstrument {
            instrument,
            symbol: symbol_of(board, number),
            board,
            class,
            partition: PartitionId(0),
            board_lot,
        },
        reference: SetReference {
            instrument,
            prev_close,
            risk_warning,
            listing_day,
            delisting_day: 0,
            suspended: false,
        },
        tick,
        limits: limits.map(|(up, down)| (down, up)),
        lot: if board_lot > 0 { i64::from(board_lot) } else { rules.lot.buy_min.0 },
        step: if board_lot > 0 { i64::from(board_lot) } else { rules.lot.buy_step.0 },
    })
}

//! A past for the simulated market, so that its charts are full from the first second: trading days before the first
//! one of the record, made from a seed.
//!
//! Prices go back from the reference with which the record begins. Every day lies on the calendar, inside the price
//! limits and on the price steps of the rule files that were in force on it; a stock goes ex dividend once a year. Days
//! are the sum of their minutes. Nothing of this is stored; answers that hold it say that it was generated.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use heng_core::RecordSource;
use heng_marketdata::{Bar, Flow, InOut, Minute, Past, PastDay, PastMinute, Session};
use heng_model::quantity::SCALE;
use heng_model::{
    Board, Event, Exchange, InstrumentClass, InstrumentId, Money, Price, Qty, Quotation, Seq, TradeDate, notional,
};
use heng_ports::{EventSource, FeedError};
use heng_rulebook::{LimitQuery, Rulebook};
use tokio::sync::watch;

use crate::market::Rng;

/// Trading days that are made.
const DAYS: usize = 260;
/// Instruments whose days are remembered at once.
const REMEMBERED_MAX: usize = 256;
/// A day's return in hundredths of a percent stays within this part of its price limit.
const LIMIT_PART: i64 = 60;
/// Trading days between two ex-dividend days.
const EX_DIVIDEND_EVERY: usize = 244;

/// Between two looks at a record that has nothing new.
const PAUSE: Duration = Duration::from_millis(2);
/// Minutes of a morning in Hong Kong, which is all that a half day has.
const HK_MORNING: u16 = 150;

/// An instrument as the record begins with it.
#[derive(Clone, Copy, Debug)]
struct Listed {
    board: Board,
    class: InstrumentClass,
    risk_warning: bool,
    prev_close: Price,
}

/// How the record begins.
struct Beginning {
    listed: BTreeMap<InstrumentId, Listed>,
    /// Trading days of the mainland and of Hong Kong before it, oldest first.
    dates: [Vec<TradeDate>; 2],
}

/// The past of the demo instruments; none until the begin of the record was read.
pub(crate) struct DemoPast {
    rules: Rulebook,
    beginning: OnceLock<Beginning>,
    remembered: Mutex<HashMap<InstrumentId, Arc<[PastDay]>>>,
}

/// A day before its minutes are made.
#[derive(Clone, Copy, Debug)]
struct Plan {
    date: TradeDate,
    reference: Price,
    close: Price,
}

impl DemoPast {
    /// The past of the market whose record is `source`. Its begin is read in the background, until `stop` turns true.
    pub(crate) fn begin(
        source: RecordSource,
        rules: Rulebook,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<Arc<Self>> {
        let past = Arc::new(Self { rules, beginning: OnceLock::new(), remembered: Mutex::default() });
        let told = Arc::clone(&past);
        std::thread::Builder::new().name("demo-past".into()).spawn(move || match first_day(&source, &stop) {
            Ok(Some((first, listed))) => told.begins(first, listed),
            Ok(None) => {}
            // Charts begin with the record then.
            Err(error) => tracing::warn!(%error, "read the begin of the record for the past of the charts"),
        })?;
        Ok(past)
    }

    fn begins(&self, first: TradeDate, listed: BTreeMap<InstrumentId, Listed>) {
        let dates = [Exchange::Sse, Exchange::Hk].map(|exchange| trading_days(&self.rules, exchange, first));
        // It is told once.
        let _ = self.beginning.set(Beginning { listed, dates });
    }

    /// Waits until the begin of the record was read, `most` at most.
    pub(crate) fn wait(&self, most: Duration) {
        let until = Instant::now() + most;
        while self.beginning.get().is_none() && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
    }

    fn make(&self, instrument: InstrumentId) -> Vec<PastDay> {
        let known = self.beginning.get().and_then(|begin| Some((begin, begin.listed.get(&instrument)?)));
        let Some((begin, listed)) = known.filter(|(_, listed)| listed.prev_close.0 > 0) else { return Vec::new() };
        let plans = self.plans(instrument, *listed, &begin.dates[usize::from(listed.board == Board::Hk)]);
        let day = |plan: &Plan| {
            let mut bar = Bar::default();
            self.day_minutes(instrument, *listed, *plan).iter().for_each(|minute| bar.join(&minute.minute.bar));
            PastDay { date: plan.date, prev_close: plan.reference, bar }
        };
        plans.iter().map(day).collect()
    }

    /// References and closes, from the newest day back to the oldest, told oldest first.
    fn plans(&self, instrument: InstrumentId, listed: Listed, dates: &[TradeDate]) -> Vec<Plan> {
        let mut rng = Rng::new(0x9a57_0001, u64::from(instrument.0));
        let ex_day = rng.below(EX_DIVIDEND_EVERY as u64) as usize;
        let drift = rng.between(-6, 8);
        let mut close = listed.prev_close;
        let mut plans = Vec::with_capacity(dates.len());
        for (back, date) in dates.iter().rev().enumerate() {
            let stock = listed.class == InstrumentClass::Stock;
            let eve = dates.len().checked_sub(back + 2).map_or(*date, |at| dates[at]);
            let reference = self.reference(listed, (eve, *date), close, (&mut rng, drift));
            plans.push(Plan { date: *date, reference, close });
            // The close of the day before is the reference, and the dividend that was taken off it.
            let dividend = if stock && back % EX_DIVIDEND_EVERY == ex_day { reference.0 / 50 } else { 0 };
            close =
                if dividend == 0 { reference } else { self.on_step(listed, (eve, eve), Price(reference.0 + dividend)) };
        }
        plans.reverse();
        plans
    }

    /// A reference from which `close` could be reached on `date`, and which the day before could close at.
    fn reference(
        &self,
        listed: Listed,
        (eve, date): (TradeDate, TradeDate),
        close: Price,
        (rng, drift): (&mut Rng, i64),
    ) -> Price {
        let most = self
            .limits(listed, date, close)
            .map_or(800, |(low, high)| (high.0 - low.0).saturating_mul(5_000) / close.0.max(1) * LIMIT_PART / 100);
        // Twelve dice make a bell; a typical day of a mainland stock moves by one and a half percent.
        let bell: i64 = (0..12).map(|_| rng.between(-50, 50)).sum();
        let moved = (bell * 3 / 2 + drift).clamp(-most, most);
        let rough = Price(close.0 * 10_000 / (10_000 + moved));
        let reference = self.on_step(listed, (eve, date), rough);
        let reached = self.limits(listed, date, reference).is_none_or(|(low, high)| (low..=high).contains(&close));
        if reached && reference.0 > 0 { reference } else { close }
    }

    /// Lowest and highest price of a day.
    fn limits(&self, listed: Listed, date: TradeDate, prev: Price) -> Option<(Price, Price)> {
        let Listed { board, class, risk_warning: st, .. } = listed;
        let query = LimitQuery { board, class, st, listing_day: None, delisting_day: None, prev, date };
        self.rules.price_limits(query).ok().flatten().map(|(high, low)| (low, high))
    }

    fn step(&self, listed: Listed, date: TradeDate, price: Price) -> i64 {
        let rules = self.rules.instrument_rules(listed.board, listed.class, listed.risk_warning, date);
        rules.map_or(100, |rules| rules.tick.at(price).0).max(1)
    }

    /// `price` on the price steps of both dates, rounded down; at least one step.
    fn on_step(&self, listed: Listed, (eve, date): (TradeDate, TradeDate), price: Price) -> Price {
        let (one, other) = (self.step(listed, eve, price), self.step(listed, date, price));
        let step = one / common(one, other) * other;
        Price((price.0 / step * step).max(step))
    }

    /// The minutes of a day: a walk from the open to the close inside the limits.
    fn day_minutes(&self, instrument: InstrumentId, listed: Listed, plan: Plan) -> Vec<PastMinute> {
        let Plan { date, reference, close } = plan;
        let mut rng = Rng::new(0x9a57_0002 ^ u64::from(date.number()), u64::from(instrument.0));
        let session = Session::of(listed.board);
        let short = listed.board == Board::Hk && self.rules.is_half_day(Exchange::Hk, date) == Ok(true);
        let end = if short { HK_MORNING } else { session.minutes() };
        let slots: Vec<u16> = (0..end).filter(|slot| trades_in(listed.board, *slot)).collect();
        let (low, high) = self.limits(listed, date, reference).unwrap_or((Price(1), Price(i64::MAX)));
        let tick = self.rules.instrument_rules(listed.board, listed.class, listed.risk_warning, date);
        let step = |price: Price| tick.as_ref().map_or(100, |rules| rules.tick.at(price).0).max(1);
        let inside = |price: i64| {
            let step = step(Price(price.max(1)));
            let (floor, ceiling) = ((low.0 + step - 1) / step * step, high.0 / step * step);
            Price((price / step * step).clamp(floor.max(step), ceiling.max(step)))
        };
        let open = inside(reference.0 + (close.0 - reference.0) * rng.between(10, 60) / 100);
        let (count, spread) = (slots.len() as i64, (reference.0 / 700).max(step(reference)));
        let steps: Vec<i64> = slots.iter().map(|_| rng.between(-spread, spread)).collect();
        let sum: i64 = steps.iter().sum();
        let volume = day_volume(&mut rng, reference, close);
        let shares: Vec<i64> = slots.iter().map(|slot| weight(session, *slot) * rng.between(40, 160)).collect();
        let whole: i64 = shares.iter().sum::<i64>().max(1);
        let (mut before, mut walked) = (open, 0);
        let mut minutes = Vec::with_capacity(slots.len());
        for (number, slot) in (1i64..).zip(&slots) {
            let at = number as usize - 1;
            walked += steps[at];
            let bridge = open.0 + (close.0 - open.0) * number / count + walked - sum * number / count;
            let last = if number == count { close } else { inside(bridge) };
            let reach = rng.below(3) as i64 * step(last);
            let auction = *slot + 1 == session.minutes() && listed.board != Board::Hk;
            let first = if auction { last } else { before };
            let (up, down) = (inside(first.0.max(last.0) + reach), inside(first.0.min(last.0) - reach));
            let (up, down) = if auction { (last, last) } else { (up.max(first).max(last), down.min(first).min(last)) };
            let traded = Qty((volume * shares[at] / whole / 100).max(1) * 100);
            let bar = bar_of([first, up, down, last], traded, inside);
            let flow = if auction { Flow::default() } else { flow_of(&mut rng, &bar) };
            minutes.push(PastMinute { slot: *slot, minute: Minute { bar, flow } });
            before = last;
        }
        minutes
    }
}

impl Past for DemoPast {
    fn days(&self, instrument: InstrumentId) -> Arc<[PastDay]> {
        let known = |past: &Self| {
            past.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&instrument).map(Arc::clone)
        };
        if let Some(days) = known(self) {
            return days;
        }
        if self.beginning.get().is_none() {
            return Arc::new([]);
        }
        let days: Arc<[PastDay]> = self.make(instrument).into();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(instrument, Arc::clone(&days));
        days
    }

    fn minutes(&self, instrument: InstrumentId, date: TradeDate) -> Vec<PastMinute> {
        let days = self.days(instrument);
        let day = days.iter().find(|day| day.date == date);
        let listed = self.beginning.get().and_then(|begin| begin.listed.get(&instrument));
        let Some((day, listed)) = day.zip(listed) else { return Vec::new() };
        let plan = Plan { date, reference: day.prev_close, close: day.bar.close };
        self.day_minutes(instrument, *listed, plan)
    }
}

/// The greatest common divisor.
const fn common(one: i64, other: i64) -> i64 {
    let (mut one, mut other) = (one, other);
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// From 14:57 on the mainland orders gather for the closing auction, which trades at 15:00.
fn trades_in(board: Board, slot: u16) -> bool {
    board == Board::Hk || !(237..239).contains(&slot)
}

/// How busy a minute is: the first and the last ones most, around the break least.
fn weight(session: Session, slot: u16) -> i64 {
    let (slot, last) = (i64::from(slot), i64::from(session.minutes()) - 1);
    let middle = (slot * 2 - last).abs();
    20 + 60 * middle * middle / (last * last) + if slot == 0 || slot == last { 120 } else { 0 }
}

/// Shares of a day: of thirty to three hundred million yuan, more when the price moves.
fn day_volume(rng: &mut Rng, reference: Price, close: Price) -> i64 {
    let moved = ((close.0 - reference.0) * 100 / reference.0.max(1)).abs();
    let yuan = rng.between(30, 120) * 1_000_000 * (10 + moved * 3) / 10;
    yuan * SCALE / reference.0.max(1)
}

fn bar_of([open, high, low, close]: [Price; 4], volume: Qty, inside: impl Fn(i64) -> Price) -> Bar {
    let mean = inside((open.0 + high.0 + low.0 + close.0) / 4).clamp(low, high);
    let turnover = notional(Quotation::PerUnit, mean, volume).unwrap_or(Money(0));
    // A trade of the retail market is a few hundred shares.
    Bar { open, high, low, close, volume, turnover, trades: (volume.0 / 600).max(1).unsigned_abs() }
}

/// Who was active in a minute: buyers a little more when it rises.
fn flow_of(rng: &mut Rng, bar: &Bar) -> Flow {
    let lean = (bar.close.0 - bar.open.0).signum() * 8;
    let mut part = |percent: i64| {
        let all = bar.turnover.0 / 100 * percent;
        let bought = all / 100 * (50 + lean + rng.between(-12, 12));
        InOut { bought: Money(bought), sold: Money(all - bought) }
    };
    Flow { large: part(18), medium: part(34), small: part(48) }
}

/// A trade date, and the instruments that are listed on it.
type FirstDay = (TradeDate, BTreeMap<InstrumentId, Listed>);

/// The first trade date of the record, and the instruments that it begins with; `None` if `stop` turned true before. A
/// new listing has no past: it is one of the mainland's that has no price limit.
fn first_day(source: &dyn EventSource, stop: &watch::Receiver<bool>) -> Result<Option<FirstDay>, FeedError> {
    let mut feed = source.open(Seq(1))?;
    let mut kinds = BTreeMap::new();
    while !*stop.borrow() {
        let Some(block) = feed.next_block()? else {
            std::thread::sleep(PAUSE);
            continue;
        };
        for command in &block.commands {
            let day = command.events.iter().find_map(|event| match event {
                Event::DayOpened(opened) => Some(opened.date),
                _ => None,
            });
            if let Some(date) = day {
                // The references stand beside the day that they are for.
                return Ok(Some((date, command.events.iter().filter_map(|event| listed_in(event, &kinds)).collect())));
            }
            kinds.extend(command.events.iter().filter_map(|event| match event {
                Event::InstrumentDefined(defined) => Some((defined.instrument, (defined.board, defined.class))),
                _ => None,
            }));
        }
    }
    Ok(None)
}

fn listed_in(
    event: &Event,
    kinds: &BTreeMap<InstrumentId, (Board, InstrumentClass)>,
) -> Option<(InstrumentId, Listed)> {
    let Event::ReferenceSet(set) = event else { return None };
    let &(board, class) = kinds.get(&set.instrument)?;
    let (risk_warning, prev_close) = (set.risk_warning, set.prev_close);
    let old = board == Board::Hk || set.limit_up.0 > 0;
    old.then_some((set.instrument, Listed { board, class, risk_warning, prev_close }))
}

/// The last trading days before `first` that the calendar knows, oldest first.
fn trading_days(rules: &Rulebook, exchange: Exchange, first: TradeDate) -> Vec<TradeDate> {
    let back = (1..=DAYS as i64 * 2).map_while(|days| first.plus_days(-days));
    let known = back.map_while(|date| rules.is_trading_day(exchange, date).ok().map(|trades| (date, trades)));
    let mut dates: Vec<TradeDate> = known.filter(|(_, trades)| *trades).map(|(date, _)| date).take(DAYS).collect();
    dates.reverse();
    dates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{World, WorldOptions};

    fn world() -> (World, DemoPast) {
        let files = crate::rules::rule_files(None).expect("the built-in rule files");
        let date = "2026-07-06".parse().expect("a date");
        let world = World::new(WorldOptions { clients: 1, instruments: 60, seed: 1, date }, &files).expect("a world");
        let rules = crate::market::rulebook_of(&files).expect("they are valid");
        let listed = (world.instruments.iter()).filter(|i| i.reference.listing_day == 0).map(|i| {
            let (board, class, risk_warning) = (i.definition.board, i.definition.class, i.reference.risk_warning);
            (i.definition.instrument, Listed { board, class, risk_warning, prev_close: i.reference.prev_close })
        });
        let past = DemoPast { rules, beginning: OnceLock::new(), remembered: Mutex::default() };
        assert!(past.days(InstrumentId(0)).is_empty(), "nothing is known yet, and nothing is remembered");
        past.begins(date, listed.collect());
        (world, past)
    }

    #[test]
    fn the_past_keeps_the_rules_of_its_days_and_joins_the_record() {
        let (world, past) = world();
        let mut ex_rights = 0;
        for listed in &world.instruments {
            let days = past.days(listed.definition.instrument);
            if listed.reference.listing_day > 0 {
                assert!(days.is_empty(), "a new listing has no past");
                continue;
            }
            let (board, class, st) = (listed.definition.board, listed.definition.class, listed.reference.risk_warning);
            let exchange = if board == Board::Hk { Exchange::Hk } else { Exchange::Sse };
            assert_eq!(days.len(), DAYS, "{}", listed.definition.symbol);
            assert_eq!(days.last().expect("a day").bar.close, listed.reference.prev_close);
            for day in days.iter() {
                let PastDay { date, prev_close: prev, bar } = *day;
                assert_eq!(past.rules.is_trading_day(exchange, date), Ok(true), "{date}");
                let rules = past.rules.instrument_rules(board, class, st, date).expect("rules of the day");
                let query = LimitQuery { board, class, st, listing_day: None, delisting_day: None, prev, date };
                let limits = past.rules.price_limits(query).expect("limits of the day");
                for price in [bar.open, bar.high, bar.low, bar.close] {
                    let name = &listed.definition.symbol;
                    assert_eq!(price.0 % rules.tick.at(price).0, 0, "{name} {date} {price}");
                    assert!(limits.is_none_or(|(up, down)| (down..=up).contains(&price)), "{name} {date} {price}");
                    assert!((bar.low..=bar.high).contains(&price), "{name} {date} {price}");
                }
                assert!(bar.volume.0 > 0 && bar.turnover.0 > 0 && bar.trades > 0);
            }
            ex_rights += days.windows(2).filter(|pair| pair[0].bar.close != pair[1].prev_close).count();
        }
        assert!(ex_rights > 30, "a stock goes ex dividend about once: {ex_rights}");
    }

    #[test]
    fn days_are_the_sum_of_their_minutes_and_the_same_every_time() {
        let (_, past) = world();
        let (_, again) = world();
        for number in [0, 5, 6, 17, 18] {
            let instrument = InstrumentId(number);
            let days = past.days(instrument);
            assert_eq!(days, again.days(instrument));
            for day in days.iter().rev().take(5) {
                let minutes = past.minutes(instrument, day.date);
                assert_eq!(minutes, again.minutes(instrument, day.date));
                assert!(minutes.len() > 200 && minutes.is_sorted_by_key(|minute| minute.slot));
                let mut bar = Bar::default();
                minutes.iter().for_each(|minute| bar.join(&minute.minute.bar));
                assert_eq!(bar, day.bar);
            }
        }
        assert!(past.minutes(InstrumentId(0), "2026-07-06".parse().expect("a date")).is_empty());
    }
}

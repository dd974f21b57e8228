//! The market's own thread: it opens and closes days, paces the clock, and lets the background flow trade.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use heng_core::{CoreError, CorePort};
use heng_model::command::{CloseDay, OpenDay, Tick};
use heng_model::{Command, Exchange, SECOND, TradeDate, UnixNanos};
use heng_ports::{Answer, CommandPort as _};
use heng_rulebook::Rulebook;
use heng_runtime::Clock as _;
use tokio::sync::watch;

use super::begin::{ADMIN_MAX, Found};
use super::clock::MarketClock;
use super::flow::LiveFlow;
use crate::serve::core_side::Lag;

const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;
/// When a day is opened and when it is closed, in seconds after midnight.
const OPENS: i64 = 8 * HOUR;
const AUCTION: i64 = 9 * HOUR + 15 * MINUTE;
const AUCTION_ENDS: i64 = 9 * HOUR + 25 * MINUTE;
const TRADING: i64 = 9 * HOUR + 30 * MINUTE;
const CLOSES: i64 = 16 * HOUR + 15 * MINUTE;
/// How often the thread looks at clock and market.
const STEP: Duration = Duration::from_millis(50);
/// How often the flow looks at the market.
const LOOK: Duration = Duration::from_millis(500);
/// The flow waits while the view is further behind than this, so that it never makes the doors refuse clients.
const FLOW_LAG_MAX: Duration = Duration::from_millis(1_000);
/// Days in a row without trading at most: the long holidays have eleven.
const CLOSED_DAYS_MAX: i64 = 25;

/// Pace of the time that people do not come for: the whole break takes nine seconds.
const FAST: u32 = 600;

/// How fast the clock runs at a time of day: breaks and the time behind the close pass quickly.
const fn pace(second_of_day: i64) -> u32 {
    const BREAK: i64 = 11 * HOUR + 30 * MINUTE;
    const AFTERNOON: i64 = 13 * HOUR;
    const CLOSE: i64 = 15 * HOUR;
    match second_of_day {
        BREAK..AFTERNOON | CLOSE.. => FAST,
        _ => 1,
    }
}

/// Drives the market.
pub(crate) struct MarketDay {
    pub(crate) port: CorePort,
    pub(crate) clock: Arc<MarketClock>,
    /// How far the slowest view lags.
    pub(crate) lag: Lag,
    pub(crate) flow: LiveFlow,
    /// Orders of the background flow in a second.
    pub(crate) rate: u32,
    pub(crate) seed: u64,
}

/// What the market tells once it trades.
pub(crate) type Live = Sender<()>;

impl MarketDay {
    /// Runs until told to stop. Tells `live` when continuous trading has begun for the first time.
    ///
    /// # Errors
    /// If the core has stopped or refuses to open or close a day.
    pub(crate) fn run(mut self, found: &Found, live: &Live, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut date = self.resume(found)?;
        let mut live = Some(live);
        let (mut looked, mut stepped, mut owed) = (Instant::now(), Instant::now(), 0.0);
        while !*stop.borrow() {
            std::thread::sleep(STEP);
            if self.second_of_day() >= CLOSES {
                let Some(next) = self.roll(date)? else {
                    tracing::warn!(%date, "the calendar of the rule files ends: the market stays closed");
                    self.wait(stop);
                    return Ok(());
                };
                date = next;
            }
            let pace = pace(self.second_of_day());
            self.clock.run(pace);
            if looked.elapsed() >= LOOK {
                self.flow.refresh()?;
                looked = Instant::now();
            }
            owed = (owed + stepped.elapsed().as_secs_f64() * f64::from(self.rate)).min(f64::from(self.rate));
            stepped = Instant::now();
            if pace != 1 {
                continue;
            }
            if let Some(live) = live.take() {
                // Whoever waits for it may be gone, because the process is stopping.
                let _ = live.send(());
            }
            if (self.lag)() < FLOW_LAG_MAX {
                let whole = owed.floor();
                owed -= whole;
                ignore_full_disk(self.flow.trade(whole as usize))?;
            }
        }
        Ok(())
    }

    /// Closes a day and opens the next one; `None` where the calendar ends.
    fn roll(&mut self, date: TradeDate) -> anyhow::Result<Option<TradeDate>> {
        self.close(date)?;
        let next = self.next_date(date)?;
        if let Some(next) = next {
            self.open(next)?;
        }
        Ok(next)
    }

    fn wait(&self, stop: &watch::Receiver<bool>) {
        while !*stop.borrow() {
            std::thread::sleep(STEP);
        }
    }

    fn second_of_day(&self) -> i64 {
        UnixNanos(self.clock.now()).time_of_day() / SECOND
    }

    /// Goes on where the journal ends.
    fn resume(&mut self, found: &Found) -> anyhow::Result<TradeDate> {
        self.clock.hold(found.time);
        if !found.day_open {
            let next = self.next_date(found.date)?.context("the calendar of the rule files ends")?;
            self.open(next)?;
            return Ok(next);
        }
        if self.second_of_day() < TRADING && found.time.date() == Some(found.date) {
            self.call_auction(found.date)?;
        }
        self.flow.refresh()?;
        self.clock.run(pace(self.second_of_day()));
        Ok(found.date)
    }

    /// Opens a day and lets its call auction pass at once: people come for continuous trading.
    fn open(&mut self, date: TradeDate) -> anyhow::Result<()> {
        self.clock.hold(UnixNanos::at(date, OPENS * SECOND));
        let random_close_s = u32::try_from((self.seed ^ u64::from(date.number())) % 120).expect("below 120");
        self.submit(OpenDay { date, random_close_s }.into())?;
        self.call_auction(date)
    }

    fn call_auction(&mut self, date: TradeDate) -> anyhow::Result<()> {
        self.pass_to(date, AUCTION)?;
        self.flow.refresh()?;
        let instruments = self.port.inspect(|state| state.instruments().count())?;
        ignore_full_disk(self.flow.auction((instruments * 10).min(5_000)))?;
        // Answered behind the orders: all of them are stamped before time passes.
        self.submit(Tick {}.into())?;
        self.pass_to(date, AUCTION_ENDS)?;
        self.pass_to(date, TRADING)?;
        self.flow.refresh()?;
        self.clock.run(1);
        Ok(())
    }

    /// Lets time pass to a second of the day; timers that are due fire.
    fn pass_to(&self, date: TradeDate, second: i64) -> anyhow::Result<()> {
        self.clock.hold(UnixNanos::at(date, second * SECOND));
        self.submit(Tick {}.into())
    }

    fn close(&self, date: TradeDate) -> anyhow::Result<()> {
        self.submit(CloseDay { date }.into())
    }

    fn submit(&self, command: Command) -> anyhow::Result<()> {
        let name = command.name();
        match self.port.submit(command, ADMIN_MAX) {
            Answer::Accepted { .. } => Ok(()),
            Answer::Rejected { code, .. } => bail!("{name} was refused: {code}, {}", code.english()),
            Answer::Unknown => bail!("the core did not answer to {name}"),
        }
    }

    /// The next date on which the mainland trades, by the rule files that are active; `None` where they end.
    fn next_date(&self, date: TradeDate) -> anyhow::Result<Option<TradeDate>> {
        let bytes = self.port.inspect(|state| state.rule_bytes().map(<[u8]>::to_vec))?;
        let bytes = bytes.context("the core holds no rule files")?;
        let book =
            Rulebook::from_bundle(&bytes).map_err(|_| anyhow::anyhow!("the active rule files cannot be read"))?;
        let days = (1..=CLOSED_DAYS_MAX).filter_map(|days| date.plus_days(days));
        Ok(days.into_iter().find(|date| book.is_trading_day(Exchange::Sse, *date) == Ok(true)))
    }
}

/// A full disk refuses new commands by name and is no reason to stop: the flow goes on when space returns.
fn ignore_full_disk(sent: Result<(), CoreError>) -> Result<(), CoreError> {
    match sent {
        Err(CoreError::Refused { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use heng_engine::State;
    use heng_journal::OsStorage;
    use heng_model::Phase;

    use super::super::begin::{self, WorldAsk};
    use super::*;

    #[test]
    fn breaks_pass_quickly_and_trading_does_not() {
        let check =
            |hour, minute, expected| assert_eq!(pace(hour * HOUR + minute * MINUTE), expected, "{hour}:{minute}");
        check(9, 30, 1);
        check(11, 29, 1);
        check(11, 30, FAST);
        check(13, 0, 1);
        check(14, 59, 1);
        check(15, 0, FAST);
        check(16, 15, FAST);
    }

    #[test]
    fn days_follow_one_another_over_a_weekend() {
        let folder = std::env::temp_dir().join(format!("heng-days-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let (storage, clock) = (OsStorage::shared(), Arc::new(MarketClock::new()));
        let core = begin::start_core(&folder, &storage, &clock).expect("the core starts");
        let port = core.port();
        let args = WorldAsk { clients: Some(50), instruments: Some(20), ..WorldAsk::default() };
        let found = Found::look(&port).expect("the core runs");
        begin::begin(&args, &port, &found).expect("the world is set up");
        let found = Found::look(&port).expect("the core runs");
        let flow = LiveFlow::new(port.clone(), 1, 5, 1);
        let mut day = MarketDay { port: port.clone(), clock, lag: Box::new(|| Duration::ZERO), flow, rate: 0, seed: 1 };
        let mut date = day.resume(&found).expect("the first day opens");
        for expected in ["2026-07-07", "2026-07-08", "2026-07-09", "2026-07-10", "2026-07-13"] {
            day.flow.trade(50).expect("the flow trades");
            day.clock.hold(UnixNanos::at(date, CLOSES * SECOND));
            date = day.roll(date).expect("the day rolls").expect("the calendar goes on");
            assert_eq!(date.to_string(), expected);
            let known = port
                .inspect(|state| (state.trade_date(), heng_engine::invariants::violations(state), demo_phase(state)));
            assert_eq!(known.expect("the core runs"), ((date, true), Vec::new(), Some(Phase::Continuous)));
        }
        let trades = port.inspect(|state| state.venue().trades()).expect("the core runs");
        assert!(trades > 100, "auctions and flow trade: {trades}");
        core.stop().expect("the core stops");
        std::fs::remove_dir_all(&folder).expect("the folder is removed");
    }

    fn demo_phase(state: &State) -> Option<Phase> {
        state.venue().phase(heng_model::InstrumentId(0))
    }
}

//! Runs the driver: follows the record, asks for live parents, submits what is proposed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heng_model::{AccountId, Command, ParentId, Seq, TradeDate, UnixNanos};
use heng_ports::{
    About, Answer, CommandPort, CoreQueries, EventFeed, EventSource, FeedError, NoAnswer, ParentNow, ParentsOf,
    Question, ROWS_MAX, Reply,
};
use heng_store::StoreError;
use tokio::sync::{oneshot, watch};

use super::driver::{Driven, Driver};
use super::market::MarketBook;
use super::terms::{Terms, TermsStore};
use crate::store;
use crate::view::ViewReader;

/// Pieces of the record that are read in one step: a driver that is far behind reads on in the next.
const BLOCKS_MAX: usize = 1_000;
/// Pages of live parents in one step.
const PAGES_MAX: usize = 64;

/// How a driver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionOptions {
    /// How often it looks at market and parents.
    pub every: Duration,
    /// How long the core may take to answer; then the outcome is unknown, and the same is sent again.
    pub answer_max: Duration,
}

impl Default for ExecutionOptions {
    fn default() -> Self {
        Self { every: Duration::from_millis(250), answer_max: Duration::from_secs(5) }
    }
}

/// Smart execution of one partition's parents.
pub struct Execution {
    /// The way to the core.
    pub port: Arc<dyn CommandPort>,
    /// The parents as they are now.
    pub queries: Arc<dyn CoreQueries>,
    /// The record, from which the market is followed.
    pub source: Arc<dyn EventSource>,
    /// The view, which knows where the trade date begins.
    pub view: ViewReader,
    /// How parents are driven.
    pub terms: TermsStore,
    /// How it behaves.
    pub options: ExecutionOptions,
}

/// Why a step could not be done; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("read the record: {0}")]
    Record(FeedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("ask for live parents: {0}")]
    Query(#[from] NoAnswer),
    #[error("a thread of the step has ended")]
    Ended,
}

/// What a running driver holds.
struct Running {
    driver: Driver,
    market: MarketBook,
    feed: Option<Box<dyn EventFeed>>,
    /// The next command of the record.
    next: u64,
    /// Time of the last command, and when it was read: the market's time goes on from there.
    seen: (UnixNanos, Instant),
    /// The last answer: parents are asked for as they are behind it.
    answered: Seq,
    /// The core did not answer: it may have started anew, and paused what this driver had claimed.
    silent: bool,
}

impl Running {
    /// The market's time: that of the last command that said something, and what has passed since.
    fn now(&self) -> UnixNanos {
        let (time, read) = self.seen;
        UnixNanos(time.0.saturating_add(i64::try_from(read.elapsed().as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Execution {
    /// Drives parents until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut running = None;
        while !*stop.borrow_and_update() {
            let result = match running.take() {
                None => self.begin().await,
                Some(running) => self.step(running).await,
            };
            match result {
                Ok(held) => running = Some(held),
                // Everything but memory is kept elsewhere: the driver begins anew, with an epoch of its own.
                Err(error) => tracing::warn!(%error, "drive parents"),
            }
            tokio::select! {
                () = tokio::time::sleep(self.options.every) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    async fn begin(&self) -> Result<Running, StepError> {
        let head = self.source.head();
        let mut look = self.view.snapshot().await?;
        let next = store::day_of_sequence(look.connection(), head.0).await?;
        let (driver, market) = (Driver::new(head), MarketBook::default());
        let seen = (UnixNanos(0), Instant::now());
        Ok(Running { driver, market, feed: None, next, seen, answered: head, silent: false })
    }

    async fn step(&self, running: Running) -> Result<Running, StepError> {
        let mut running = self.follow(running).await?;
        if running.silent {
            running.driver = Driver::new(self.source.head());
            running.silent = false;
        }
        let (as_of, date, parents) = self.live_parents(running.answered).await?;
        running.driver.keep_only(&parents);
        if parents.is_empty() {
            return Ok(running);
        }
        let held = self.terms.held(date).await?;
        let now = running.now();
        let mut sent = Vec::new();
        for parent in parents {
            let Some(driven) = self.driven(parent, &running.market, &held).await? else { continue };
            if let Some(command) = running.driver.propose(&driven, as_of, now, &running.market) {
                sent.push((driven.parent.parent, self.submit(command)));
            }
        }
        for (parent, outcome) in sent {
            let answer = tokio::time::timeout(self.options.answer_max, outcome).await;
            let answer = answer.ok().and_then(Result::ok).unwrap_or(Answer::Unknown);
            // Neither does a core that cannot be reached.
            running.silent |= matches!(answer, Answer::Unknown | Answer::Rejected { sequence: Seq(0), .. });
            if let Answer::Accepted { sequence, .. } | Answer::Rejected { sequence, .. } = answer {
                running.answered = running.answered.max(sequence);
            }
            running.driver.told(parent, now, answer);
        }
        Ok(running)
    }

    fn submit(&self, command: Command) -> oneshot::Receiver<Answer> {
        let (told, outcome) = oneshot::channel();
        let done = Box::new(move |answer| {
            // Whoever waited may have reached its deadline.
            let _ = told.send(answer);
        });
        self.port.begin(command, done);
        outcome
    }

    /// Takes what the record has gained, on a thread that may block.
    async fn follow(&self, mut running: Running) -> Result<Running, StepError> {
        let source = Arc::clone(&self.source);
        let read = tokio::task::spawn_blocking(move || {
            let mut feed = match running.feed.take() {
                Some(feed) => feed,
                None => source.open(Seq(running.next))?,
            };
            for _ in 0..BLOCKS_MAX {
                let Some(block) = feed.next_block()? else { break };
                for command in block.commands.iter().filter(|command| command.seq.0 >= running.next) {
                    running.market.take(command);
                    running.seen = (command.time, Instant::now());
                }
                running.next = running.next.max(block.through.0 + 1);
            }
            running.feed = Some(feed);
            Ok(running)
        });
        read.await.map_err(|_| StepError::Ended)?.map_err(StepError::Record)
    }

    /// Live parents of all accounts, and the command and date that they are true at.
    async fn live_parents(&self, at: Seq) -> Result<(Seq, TradeDate, Vec<ParentNow>), StepError> {
        let (mut as_of, mut date, mut parents) = (at, TradeDate::NONE, Vec::new());
        let mut after = ParentId(0);
        for _ in 0..PAGES_MAX {
            let (account, parent, limit) = (AccountId(0), ParentId(0), ROWS_MAX);
            let about = About::from(ParentsOf { account, parent, live_only: true, after, limit });
            let question = Question { min_sequence: as_of, about };
            let (queries, deadline) = (Arc::clone(&self.queries), self.options.answer_max);
            let asked = tokio::task::spawn_blocking(move || queries.ask(question, deadline)).await;
            let answered = asked.map_err(|_| StepError::Ended)??;
            let Reply::ParentsNow(page) = answered.reply else { return Err(StepError::Ended) };
            (as_of, date) = (answered.as_of, page.trade_date);
            after = page.parents.last().map_or(after, |parent| parent.parent);
            parents.extend(page.parents);
            if !page.more {
                break;
            }
        }
        Ok((as_of, date, parents))
    }

    /// A parent with how it is to be driven; `None` while the record was not read up to it.
    async fn driven(
        &self,
        parent: ParentNow,
        market: &MarketBook,
        held: &BTreeSet<(AccountId, String)>,
    ) -> Result<Option<Driven>, StepError> {
        let Some(begun) = market.begun(parent.parent) else { return Ok(None) };
        let found = self.terms.of(parent.account, parent.trade_date, parent.client_order).await?;
        // One that came through another door has the usual schedule of its kind.
        let terms = found.unwrap_or_else(|| Terms::usual(&parent));
        let held = held.contains(&(parent.account, parent.client_order.to_text()));
        Ok(Some(Driven { parent, terms, held, begun }))
    }
}

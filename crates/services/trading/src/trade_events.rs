//! Trade events: what happened to orders and parents, command by command, as the record tells it. A page or a stream
//! may begin at any sequence, and tells everything behind it, in order, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use heng_model::{AccountId, Event, OrderId, ParentId, Seq};
use heng_ports::{Accounts, CommandEvents, EventBlock, EventFeed, EventSource, FeedError};
use heng_store::{Connection, StoreError};
use tokio::sync::broadcast;

use crate::directory::Owned;
use crate::event_shapes::{self, CommandShown};
use crate::fold::order_of;
use crate::follow::joined;
use crate::store;
use crate::view::ViewReader;

/// Commands of the record that one page looks at, so that a page for an account that seldom trades ends soon.
const LOOKED_MAX: u64 = 50_000;
/// Commands that are read to find out whose orders these are, where the view does not know any more.
const OWNERS_MAX: u64 = 4_000_000;
/// How long a stream waits for the view to tell of more until it looks at the record itself.
const QUIET: Duration = Duration::from_secs(1);

/// What can go wrong while the record is read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The record.
    #[error("read the record: {0}")]
    Record(FeedError),
    /// The view.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The thread that reads has ended.
    #[error("the thread that reads the record has ended")]
    Ended,
}

/// Whose events are told.
#[derive(Clone, Debug)]
pub(crate) struct Scope(Accounts);

impl Scope {
    /// Of everybody whom the caller may see.
    pub(crate) const fn of(accounts: Accounts) -> Self {
        Self(accounts)
    }

    /// Of one account.
    pub(crate) fn one(account: AccountId) -> Self {
        Self(Accounts::These(vec![account]))
    }

    fn holds(&self, account: AccountId) -> bool {
        self.0.hold(account)
    }
}

/// Where a page ends.
pub(crate) struct Page {
    pub(crate) commands: Vec<CommandShown>,
    /// Everything up to this command was looked at.
    pub(crate) through: u64,
    /// Whether that is the end of the record.
    pub(crate) caught_up: bool,
}

/// Reads the record for one reader.
pub(crate) struct Replay {
    source: Arc<dyn EventSource>,
    view: ViewReader,
    scope: Scope,
    /// The next command that is looked at.
    next: u64,
    feed: Option<Box<dyn EventFeed>>,
    /// Whose orders and parents are, of those that are told, or of a date that the view does not keep.
    owners: BTreeMap<Owned, AccountId>,
    /// Whether the whole day was read to find owners.
    searched: bool,
}

impl Replay {
    /// A reader of everything behind the command `since`.
    pub(crate) fn after(source: Arc<dyn EventSource>, view: ViewReader, scope: Scope, since: u64) -> Self {
        Self {
            source,
            view,
            scope,
            next: since.saturating_add(1),
            feed: None,
            owners: BTreeMap::new(),
            searched: false,
        }
    }

    /// Commands of the record that were not looked at.
    pub(crate) fn behind(&self) -> u64 {
        self.source.head().0.saturating_sub(self.through())
    }

    /// The last command that was looked at.
    pub(crate) const fn through(&self) -> u64 {
        self.next - 1
    }

    /// The next page of at most `limit` commands.
    pub(crate) async fn page(&mut self, limit: usize) -> Result<Page, ReplayError> {
        let mut commands = Vec::new();
        let began = self.next;
        loop {
            let Some(block) = self.next_block(limit - commands.len()).await? else {
                return Ok(Page { commands, through: self.through(), caught_up: true });
            };
            let through = block.through.0;
            let told = self.tell(&block, limit - commands.len()).await?;
            let full = told.cut_at.is_some();
            commands.extend(told.commands);
            self.next = told.cut_at.unwrap_or(through) + 1;
            if full || commands.len() >= limit || self.next - began >= LOOKED_MAX {
                // The feed stands behind the block; the next page begins inside it.
                self.feed = if full { None } else { self.feed.take() };
                return Ok(Page { commands, through: self.through(), caught_up: false });
            }
        }
    }

    /// The next pieces of the record as one: a piece is as large as one group of the journal, and each way to the
    /// thread that may block costs more than a small piece. `wanted` bounds what is read for a small page.
    async fn next_block(&mut self, wanted: usize) -> Result<Option<EventBlock>, ReplayError> {
        let (source, feed, next) = (Arc::clone(&self.source), self.feed.take(), self.next);
        let read = tokio::task::spawn_blocking(move || {
            let mut feed = match feed {
                Some(feed) => feed,
                None if next > source.head().0 => return Ok((None, None)),
                None => source.open(Seq(next))?,
            };
            let mut whole = feed.next_block()?;
            while whole.as_ref().is_some_and(|whole| whole.commands.len() < wanted && reach(whole) < LOOKED_MAX) {
                let Some(more) = feed.next_block()? else { break };
                whole = joined(whole, Some(more));
            }
            Ok((Some(feed), whole))
        });
        let (feed, block) = read.await.map_err(|_| ReplayError::Ended)?.map_err(ReplayError::Record)?;
        self.feed = feed;
        Ok(block)
    }

    /// What a block tells this reader, of at most `limit` commands.
    async fn tell(&mut self, block: &EventBlock, limit: usize) -> Result<Told, ReplayError> {
        let new: Vec<&CommandEvents> = block.commands.iter().filter(|command| command.seq.0 >= self.next).collect();
        let mut told = Told { commands: Vec::new(), cut_at: None };
        // A piece may hold the end of one trade date and the opening of the next, which clears whose the orders were.
        for day in new.chunk_by(|_, next| !opens_day(next)) {
            self.next = day[0].seq.0;
            self.learn(day).await?;
            self.tell_day(day, limit, &mut told);
            if told.cut_at.is_some() {
                break;
            }
        }
        Ok(told)
    }

    fn tell_day(&self, commands: &[&CommandEvents], limit: usize, told: &mut Told) {
        for command in commands {
            let events = command.events.iter().filter(|event| self.is_theirs(event));
            let events: Vec<_> = events.filter_map(|event| event_shapes::event(event, &self.view.directory)).collect();
            if events.is_empty() {
                continue;
            }
            if told.commands.len() == limit {
                told.cut_at = Some(command.seq.0 - 1);
                break;
            }
            told.commands.push(CommandShown::new(command.seq.0, command.time, events));
        }
    }

    fn is_theirs(&self, event: &Event) -> bool {
        let owner = owner_told(event).or_else(|| owned(event).and_then(|of| self.owner(of)));
        owner.is_some_and(|account| self.scope.holds(account))
    }

    fn owner(&self, of: Owned) -> Option<AccountId> {
        self.owners.get(&of).copied().or_else(|| self.view.directory.owner(of))
    }

    /// Finds out whose orders and parents the events name.
    async fn learn(&mut self, commands: &[&CommandEvents]) -> Result<(), ReplayError> {
        let mut unknown = BTreeSet::new();
        let applied = self.view.status.applied();
        let placed = commands.iter().flat_map(|command| command.events.iter().map(|event| (command.seq.0, event)));
        for (sequence, event) in placed {
            self.note(event, sequence > applied);
            if let Some(of) = owned(event).filter(|of| owner_told(event).is_none() && self.owner(*of).is_none()) {
                unknown.insert(of);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let mut look = self.view.snapshot().await?;
        self.look_up(look.connection(), &unknown).await?;
        if !self.searched && unknown.iter().any(|of| self.owner(*of).is_none()) {
            let from = store::day_of_sequence(look.connection(), self.next).await?;
            drop(look);
            self.search(from).await?;
        }
        Ok(())
    }

    async fn look_up(&mut self, connection: &mut Connection, unknown: &BTreeSet<Owned>) -> Result<(), StoreError> {
        let orders =
            unknown.iter().filter_map(|of| if let Owned::Order(id) = of { Some(id.0.cast_signed()) } else { None });
        let parents =
            unknown.iter().filter_map(|of| if let Owned::Parent(id) = of { Some(id.0.cast_signed()) } else { None });
        let orders = store::accounts_of_orders(connection, &orders.collect::<Vec<_>>()).await?;
        let parents = store::accounts_of_parents(connection, &parents.collect::<Vec<_>>()).await?;
        let account = |account: i64| AccountId(account.cast_unsigned());
        let orders = orders.into_iter().map(|(id, of)| (Owned::Order(OrderId(id.cast_unsigned())), account(of)));
        let parents = parents.into_iter().map(|(id, of)| (Owned::Parent(ParentId(id.cast_unsigned())), account(of)));
        self.view.directory.note_owners(false, orders.chain(parents));
        Ok(())
    }

    /// Reads the trade date from its beginning up to here: the view does not keep its orders any more.
    async fn search(&mut self, from: u64) -> Result<(), ReplayError> {
        self.searched = true;
        let (source, until) = (Arc::clone(&self.source), self.next);
        let first = from.max(until.saturating_sub(OWNERS_MAX));
        let read = tokio::task::spawn_blocking(move || {
            let mut owners = BTreeMap::new();
            let mut feed = source.open(Seq(first))?;
            while let Some(block) = feed.next_block()? {
                owners.extend(block.commands.iter().flat_map(|command| &command.events).filter_map(begun));
                if block.through.0 >= until {
                    break;
                }
            }
            Ok(owners)
        });
        self.owners.extend(read.await.map_err(|_| ReplayError::Ended)?.map_err(ReplayError::Record)?);
        Ok(())
    }

    fn note(&mut self, event: &Event, ahead_of_view: bool) {
        if let Event::DayOpened(_) = event {
            // Orders and parents live for one trade date.
            self.owners.clear();
            self.searched = false;
        }
        // What the view does not know, any more or yet, must be known here; else only what is told.
        let all = self.searched || ahead_of_view;
        if let Some((of, account)) = begun(event).filter(|(_, account)| all || self.scope.holds(*account)) {
            self.owners.insert(of, account);
        }
    }

    /// Waits until there may be more: the view tells what it has taken, and the record is looked at from time to time.
    /// What the view handed over in memory is told at once.
    pub(crate) async fn wait(
        &mut self,
        blocks: &mut broadcast::Receiver<Arc<EventBlock>>,
    ) -> Result<Vec<CommandShown>, ReplayError> {
        match tokio::time::timeout(QUIET, blocks.recv()).await {
            Ok(Ok(block)) if block.first.0 <= self.next && block.through.0 >= self.next => {
                let told = self.tell(&block, usize::MAX).await?;
                self.next = block.through.0 + 1;
                self.feed = None;
                Ok(told.commands)
            }
            // An old block, a gap, a view that stands or is gone: the record knows.
            Ok(Err(broadcast::error::RecvError::Closed)) => {
                tokio::time::sleep(QUIET).await;
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }
}

struct Told {
    commands: Vec<CommandShown>,
    /// The limit was reached: the commands behind this one were not looked at.
    cut_at: Option<u64>,
}

/// Whose order or parent begins with an event.
pub(crate) const fn begun(event: &Event) -> Option<(Owned, AccountId)> {
    match event {
        Event::OrderPlaced(e) => Some((Owned::Order(e.order), e.account)),
        Event::OrderRejected(e) => Some((Owned::Order(e.order), e.account)),
        Event::ParentAccepted(e) => Some((Owned::Parent(e.parent), e.account)),
        _ => None,
    }
}

/// How many commands of the record a piece covers.
const fn reach(block: &EventBlock) -> u64 {
    block.through.0 - block.first.0
}

fn opens_day(command: &CommandEvents) -> bool {
    command.events.iter().any(|event| matches!(event, Event::DayOpened(_)))
}

/// The account that an event names itself.
const fn owner_told(event: &Event) -> Option<AccountId> {
    match event {
        Event::OrderPlaced(e) => Some(e.account),
        Event::OrderRejected(e) => Some(e.account),
        Event::OrderFilled(e) => Some(e.account),
        Event::OrderCancelled(e) => Some(e.account),
        Event::CancelRejected(e) => Some(e.account),
        Event::ParentAccepted(e) => Some(e.account),
        _ => None,
    }
}

/// What an event is about.
const fn owned(event: &Event) -> Option<Owned> {
    match event {
        Event::ParentAccepted(e) => Some(Owned::Parent(e.parent)),
        Event::ParentChanged(e) => Some(Owned::Parent(e.parent)),
        other => match order_of(other) {
            Some(order) => Some(Owned::Order(order)),
            None => None,
        },
    }
}

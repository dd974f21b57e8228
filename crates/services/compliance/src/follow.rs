//! The follower: a thread of its own takes the record, makes the leaves, and publishes checkpoints.
//!
//! The order of leaves: by command; of one command, by client, the house first; the actions that people took meanwhile
//! behind the last command of a step, by number, at a place that is written down first. On what it cannot explain it
//! parks visibly, tries again from the disk, and never skips.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heng_model::Seq;
use heng_ports::{ActionSource, ActionTaken, CommandEvents, EventBlock, EventFeed, EventSource};
use heng_security::evidence::{SALT_LEN, commitment, salt};
use heng_store::OwnedStore;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::concerns::{ACTIONS, Owners};
use crate::error::{ComplianceError, Result};
use crate::files::Files;
use crate::keys::{KeyRing, period_of, random};
use crate::publish::{Published, Publisher};
use crate::record::{action_record, command_record};
use crate::status::EvidenceStatus;
use crate::store::{self, ActionPlace, KeyOf};
use crate::tree_log::{LeafRow, TreeLog};

/// How long the thread rests when the record has nothing new.
const IDLE: Duration = Duration::from_millis(2);
/// How often a step is closed while there is something new.
const STEP: Duration = Duration::from_millis(400);
/// How often the position is stored while commands say nothing.
const SILENT_STEP: Duration = Duration::from_secs(5);
/// Leaves of one step at most; then it is closed early.
const LEAVES_MAX: usize = 32_768;
/// Actions of one step at most.
const ACTIONS_MAX: u32 = 5_000;
/// Wait before the first new attempt after a failure, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A leaf before its commitment.
pub(crate) struct Draft {
    pub(crate) sequence: u64,
    pub(crate) client: u64,
    pub(crate) action: u64,
    pub(crate) period: u32,
    pub(crate) record: Vec<u8>,
}

impl Draft {
    /// Whose key hides it.
    pub(crate) const fn key(&self) -> KeyOf {
        (self.client, self.period)
    }

    /// What the salt is made of besides the key and the client.
    pub(crate) const fn number(&self) -> u64 {
        if self.client == ACTIONS { self.action } else { self.sequence }
    }

    /// One for each client whom a command concerns.
    pub(crate) fn of_command(command: &CommandEvents, owners: &mut Owners, into: &mut Vec<Self>) -> Result<()> {
        let (sequence, period) = (command.seq.0, period_of(command.time));
        for (client, parts) in owners.divide(command)? {
            let record = command_record(sequence, command.time, client, &command.events, &parts);
            into.push(Self { sequence, client, action: 0, period, record });
        }
        Ok(())
    }

    /// Of an action, behind a command.
    pub(crate) fn of_action(action: &ActionTaken, sequence: u64) -> Self {
        let (period, record) = (period_of(action.at), action_record(action));
        Self { sequence, client: ACTIONS, action: action.number, period, record }
    }
}

/// What a follower is made with.
pub(crate) struct Follower {
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) actions: Option<Arc<dyn ActionSource>>,
    pub(crate) store: OwnedStore,
    pub(crate) keys: KeyRing,
    pub(crate) files: Files,
    pub(crate) publisher: Publisher,
    pub(crate) published: watch::Sender<Option<Arc<Published>>>,
    pub(crate) runtime: Handle,
    pub(crate) status: Arc<EvidenceStatus>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// Where the follower is.
struct Place {
    log: TreeLog,
    owners: Owners,
    drafts: Vec<Draft>,
    /// The last command that was taken.
    applied: u64,
    /// The last action that was taken.
    action: u64,
    /// Places that were written down before a stop, and are not in the log yet.
    promised: VecDeque<ActionPlace>,
    /// When the last step was looked at, and when the position was stored last.
    stepped: Instant,
    marked: Instant,
}

impl Follower {
    /// Follows until it is told to stop.
    pub(crate) fn run(self) {
        let mut wait = RETRY.0;
        while !self.stopped() {
            let began = self.status.covered();
            // A bug of ours costs this attempt, not the service; the log goes on from the disk.
            let followed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.follow()));
            // A core that was away may be back at any moment; what fails for another reason is tried less and less often.
            let away = matches!(followed, Ok(Err(ComplianceError::Feed(_))));
            match followed {
                Ok(Ok(())) => return,
                Ok(Err(error)) => self.status.park(error.to_string(), away),
                Err(_) => self.status.park("the follower panicked; the log tells where".to_owned(), false),
            }
            wait = if away || self.status.covered() > began { RETRY.0 } else { (wait * 2).min(RETRY.1) };
            let until = Instant::now() + wait;
            while !self.stopped() && Instant::now() < until {
                std::thread::sleep(IDLE);
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn begin(&self) -> Result<(Place, Box<dyn EventFeed>)> {
        let log = TreeLog::open(&self.files)?;
        let owners = Owners::open(&self.files.owners(), true)?;
        let (next, action) = (log.mark().next_sequence, log.mark().action);
        let head = self.source.head().0;
        if next > head + 1 {
            let told = format!("the log is at command {}, the record ends at {head}", next - 1);
            return Err(ComplianceError::Damaged(format!("{told}: it lost commands, or belongs to another log")));
        }
        let promised = self
            .runtime
            .block_on(async { store::places_after(&mut self.store.read().await?, action).await.map(VecDeque::from) })?;
        let feed = self.source.open(Seq(next)).map_err(ComplianceError::Feed)?;
        let (applied, now) = (next - 1, Instant::now());
        let drafts = Vec::new();
        Ok((Place { log, owners, drafts, applied, action, promised, stepped: now, marked: now }, feed))
    }

    fn follow(&self) -> Result<()> {
        let (mut place, mut feed) = self.begin()?;
        self.publish(&place)?;
        while !self.stopped() {
            match feed.next_block().map_err(ComplianceError::Feed)? {
                Some(block) => self.take_block(&mut place, &block)?,
                None => {
                    // What was promised behind the last command has no command behind it that would call for it.
                    self.keep_promises(&mut place, None)?;
                    std::thread::sleep(IDLE);
                }
            }
            if place.drafts.len() >= LEAVES_MAX || place.stepped.elapsed() >= STEP {
                self.step(&mut place)?;
            }
        }
        self.step(&mut place)
    }

    fn take_block(&self, place: &mut Place, block: &EventBlock) -> Result<()> {
        if block.first.0 > place.applied + 1 {
            let (found, needed) = (block.first.0, place.applied + 1);
            return Err(ComplianceError::Feed(format!("it goes on at command {found}, needed is {needed}").into()));
        }
        for command in &block.commands {
            if command.seq.0 <= place.applied {
                continue;
            }
            self.keep_promises(place, Some(command.seq.0))?;
            Draft::of_command(command, &mut place.owners, &mut place.drafts)?;
            place.applied = command.seq.0;
            if place.drafts.len() >= LEAVES_MAX {
                self.close(place)?;
            }
        }
        place.applied = place.applied.max(block.through.0);
        Ok(())
    }

    /// Puts actions where they were promised to stand: behind commands before `next`.
    fn keep_promises(&self, place: &mut Place, next: Option<u64>) -> Result<()> {
        while let Some(promise) = place.promised.front().copied() {
            let due = next.map_or(promise.after <= place.applied, |next| promise.after < next);
            if !due {
                return Ok(());
            }
            let count = promise.last + 1 - promise.first;
            let actions = self.actions_after(promise.first - 1, u32::try_from(count).unwrap_or(u32::MAX))?;
            if actions.last().map(|action| action.number) != Some(promise.last) {
                let told =
                    format!("actions {} to {} are in the log, but not in the trail", promise.first, promise.last);
                return Err(ComplianceError::Damaged(told));
            }
            place.take_actions(&actions, promise.after);
            place.promised.pop_front();
        }
        Ok(())
    }

    fn actions_after(&self, number: u64, limit: u32) -> Result<Vec<ActionTaken>> {
        let Some(actions) = &self.actions else { return Ok(Vec::new()) };
        let taken = self.runtime.block_on(actions.actions_after(number, limit)).map_err(ComplianceError::Feed)?;
        let expected = (number + 1..).zip(&taken);
        if let Some((expected, found)) = expected.into_iter().find(|(number, action)| *number != action.number) {
            let told = format!("the trail of actions goes on at {}, needed is {expected}", found.number);
            return Err(ComplianceError::Damaged(told));
        }
        Ok(taken)
    }

    /// Takes what people did meanwhile, behind the last command.
    fn take_new_actions(&self, place: &mut Place) -> Result<()> {
        if !place.promised.is_empty() {
            return Ok(());
        }
        let actions = self.actions_after(place.action, ACTIONS_MAX)?;
        let (Some(first), Some(last)) = (actions.first(), actions.last()) else { return Ok(()) };
        let promise = ActionPlace { first: first.number, last: last.number, after: place.applied };
        self.runtime.block_on(async {
            let mut change = self.store.begin().await?;
            store::add_place(change.connection(), promise).await?;
            Ok::<(), ComplianceError>(change.commit().await?)
        })?;
        place.take_actions(&actions, promise.after);
        Ok(())
    }

    /// Closes a step and publishes what is new.
    fn step(&self, place: &mut Place) -> Result<()> {
        place.stepped = Instant::now();
        self.keep_promises(place, None)?;
        self.take_new_actions(place)?;
        if place.drafts.is_empty() {
            if place.applied >= place.log.mark().next_sequence && place.marked.elapsed() >= SILENT_STEP {
                place.log.commit(place.applied + 1, place.action)?;
                place.marked = Instant::now();
            }
            self.status.cover(place.applied);
            return Ok(());
        }
        self.close(place)?;
        self.publish(place)
    }

    /// Makes leaves of the drafts and marks them as whole.
    fn close(&self, place: &mut Place) -> Result<()> {
        let wanted: BTreeSet<KeyOf> = place.drafts.iter().map(Draft::key).collect();
        let keys = self.runtime.block_on(self.keys.of(&wanted, true))?;
        for draft in place.drafts.drain(..) {
            let salt = salt_of(&keys, &draft)?.map_or_else(random::<SALT_LEN>, Ok)?;
            let Draft { sequence, client, action, period, record } = draft;
            let commitment = commitment(&salt, &record);
            place.log.append(&LeafRow { sequence, client, action, period, commitment })?;
        }
        place.owners.write()?;
        place.owners.sync()?;
        place.log.commit(place.applied + 1, place.action)?;
        place.marked = Instant::now();
        Ok(())
    }

    fn publish(&self, place: &Place) -> Result<()> {
        let published = self.publisher.publish(place.log.tree()?)?;
        self.status.published(published.tree.size());
        self.published.send_replace(Some(Arc::new(published)));
        self.status.cover(place.log.mark().next_sequence - 1);
        Ok(())
    }
}

/// The salt of a leaf; `None` if its key was destroyed. A leaf that comes after that is hidden by a salt that nobody
/// keeps.
pub(crate) fn salt_of(
    keys: &BTreeMap<KeyOf, Option<store::ClientKey>>,
    draft: &Draft,
) -> Result<Option<[u8; SALT_LEN]>> {
    let unasked = || ComplianceError::Damaged("a client's key was not asked for".into());
    let key = keys.get(&draft.key()).ok_or_else(unasked)?;
    Ok(key.as_ref().map(|key| salt(key, draft.number(), draft.client)))
}

impl Place {
    fn take_actions(&mut self, actions: &[ActionTaken], after: u64) {
        self.drafts.extend(actions.iter().map(|action| Draft::of_action(action, after)));
        self.action = actions.last().map_or(self.action, |action| action.number);
    }
}

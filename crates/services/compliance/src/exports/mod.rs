//! Exports: data that leave the house as a file. One person asks, another decides, the file is made in the background,
//! carries a mark that can be seen and one that cannot, and is there for its asker alone for seven days.

mod file;
mod job;
mod kept;
mod rows;
mod watermark;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use heng_model::AccountId;
use heng_ports::{Accounts, ExportAsk, ExportKind, ExportSource, Principal};
use heng_security::privacy::{Personal, SignInName};
use tokio::sync::Semaphore;

use crate::error::{ComplianceError, Result};
use crate::keys::random;
use crate::service::Compliance;

use kept::Kept;
pub(crate) use rows::{ExportFilter, ExportRow, State, list};
pub(crate) use watermark::{Found, Seen, TEXT_MAX};

/// Rows of a file at most.
pub(crate) const ROWS_MAX: u64 = 500_000;
/// Bytes of a file at most.
pub(crate) const BYTES_MAX: usize = 64 << 20;
/// Files that are made at once; further ones wait.
const JOBS_MAX: usize = 2;
/// Exports of one asker that wait for a decision or are made, at most.
const OPEN_MAX: usize = 10;
/// How long a file is there.
pub(crate) const KEPT_NANOS: i64 = 7 * 86_400 * 1_000_000_000;
/// Exports among which a leaked file is looked for, the newest.
const LOOKED_AT_MAX: u32 = 5_000;

/// How far a file is: rows that are made, and about how many there are.
pub(crate) type Progress = (u64, Option<u64>);

/// What exports need besides the tables.
pub(crate) struct Exports {
    pub(crate) sources: Vec<Arc<dyn ExportSource>>,
    pub(crate) running: Arc<Semaphore>,
    progress: Mutex<BTreeMap<u64, Progress>>,
}

impl Exports {
    pub(crate) fn new(sources: Vec<Arc<dyn ExportSource>>) -> Self {
        Self { sources, running: Arc::new(Semaphore::new(JOBS_MAX)), progress: Mutex::default() }
    }

    /// A kind with the source that has it.
    pub(crate) fn kind(&self, name: &str) -> Option<(ExportKind, Arc<dyn ExportSource>)> {
        let of = |source: &Arc<dyn ExportSource>| {
            let kind = source.kinds().iter().find(|kind| kind.name == name);
            kind.map(|kind| (*kind, Arc::clone(source)))
        };
        self.sources.iter().find_map(of)
    }

    pub(crate) fn progress(&self, number: u64) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).get(&number).copied()
    }

    fn set_progress(&self, number: u64, progress: Option<Progress>) {
        let mut all = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Some(progress) => all.insert(number, progress),
            None => all.remove(&number),
        };
    }
}

/// What is asked for.
pub(crate) struct NewExport {
    pub(crate) ask: ExportAsk,
    pub(crate) reason: String,
    pub(crate) bom: bool,
}

/// The mask of a name, as files and tables tell it.
fn mask_of(principal: &Principal) -> String {
    Personal::<SignInName>::held(&principal.name).masked()
}

/// Refuses filters that the kind does not take, and staff who ask beyond the accounts in their care.
fn check_filters(kind: &ExportKind, ask: &ExportAsk, accounts: &Accounts) -> Result<()> {
    let given = [
        ("from", "/filter/from", ask.from.is_some()),
        ("to", "/filter/to", ask.to.is_some()),
        ("account", "/filter/account", ask.account.is_some()),
        ("principal", "/filter/principal", ask.principal.is_some()),
        ("action", "/filter/action", ask.action.is_some()),
    ];
    if let Some((name, pointer, _)) = given.iter().find(|(name, _, given)| *given && !kind.filters.contains(name)) {
        return Err(ComplianceError::field(pointer, format!("{} cannot be filtered by {name}", kind.name)));
    }
    if ask.from.zip(ask.to).is_some_and(|(from, to)| from > to) {
        return Err(ComplianceError::field("/filter/to", "is before from"));
    }
    match (accounts, ask.account) {
        (Accounts::All, _) => Ok(()),
        (Accounts::These(list), Some(account)) if list.contains(&account) => Ok(()),
        _ => Err(ComplianceError::field("/filter/account", "must be an account in your care")),
    }
}

impl Compliance {
    /// The kind of this name.
    pub(crate) fn export_kind(&self, name: &str) -> Result<ExportKind> {
        let unknown = || ComplianceError::field("/kind", "is no kind of export here");
        self.exports.kind(name).map(|(kind, _)| kind).ok_or_else(unknown)
    }

    /// Asks for an export; another one decides.
    pub(crate) async fn request_export(&self, by: &Principal, new: NewExport) -> Result<ExportRow> {
        let kind = self.export_kind(&new.ask.kind)?;
        check_filters(&kind, &new.ask, &by.accounts)?;
        let mut change = self.store.begin().await?;
        let open = rows::open_of(change.connection(), by.id, OPEN_MAX).await?;
        if open >= OPEN_MAX {
            return Err(ComplianceError::Clash(format!("{OPEN_MAX} of your exports wait or are made: let these end")));
        }
        let mut row = ExportRow {
            reason: new.reason,
            bom: new.bom,
            requested_by: by.id,
            requested_as: mask_of(by),
            requested_at: self.clock.now(),
            ..ExportRow::of(new.ask)
        };
        row.mark = self.kept().seal_mark(&row, &random::<32>()?)?;
        let row = rows::insert(change.connection(), row).await?;
        change.commit().await?;
        let resource = format!("export:{}", row.number);
        self.note(Some(by), "export.requested", resource, &format!("{}: {}", row.kind, row.reason)).await?;
        Ok(row)
    }

    /// Approves or refuses an export. What is approved is made in the background.
    pub(crate) async fn decide_export(
        self: &Arc<Self>,
        by: &Principal,
        number: u64,
        approve: bool,
    ) -> Result<ExportRow> {
        let mut change = self.store.begin().await?;
        let mut row = rows::one(change.connection(), number).await?;
        if row.requested_by == by.id {
            return Err(ComplianceError::Clash("whoever asked for an export cannot decide on it".into()));
        }
        if row.state != State::Requested {
            return Err(ComplianceError::Clash("this was decided before".into()));
        }
        row.state = if approve { State::Running } else { State::Refused };
        (row.decided_by, row.decided_as, row.decided_at) = (Some(by.id), mask_of(by), Some(self.clock.now()));
        rows::update(change.connection(), &row).await?;
        change.commit().await?;
        let action = if approve { "export.approved" } else { "export.refused" };
        self.note(Some(by), action, format!("export:{number}"), &row.kind).await?;
        if approve {
            job::begin(self, number);
        }
        Ok(row)
    }

    /// An export.
    pub(crate) async fn export(&self, number: u64) -> Result<ExportRow> {
        rows::one(&mut self.store.read().await?, number).await
    }

    /// The file of an export, for its asker while it is there. Each time is in the trail.
    pub(crate) async fn export_file(&self, by: &Principal, number: u64) -> Result<(ExportRow, Vec<u8>)> {
        let row = self.export(number).await?;
        if row.requested_by != by.id {
            return Err(ComplianceError::Forbidden("the file is for whoever asked for it"));
        }
        let over = row.ends_at.is_some_and(|ends| self.clock.now() >= ends);
        match row.state {
            State::Ended => return Err(ComplianceError::Gone("the file was there for seven days")),
            State::Ready if over => return Err(ComplianceError::Gone("the file was there for seven days")),
            State::Ready => {}
            _ => return Err(ComplianceError::Clash("there is no file of it (yet)".into())),
        }
        let kept = self.kept();
        let read = tokio::task::spawn_blocking(move || kept.read(number)).await;
        let bytes = read.map_err(|failure| ComplianceError::Damaged(format!("the file was not read: {failure}")))??;
        if file::hashes(&bytes).0 != row.sha256 {
            return Err(ComplianceError::Damaged(format!("the file of export {number} is not the one that was made")));
        }
        self.note(Some(by), "export.downloaded", format!("export:{number} sha256:{}", row.sha256), &row.kind).await?;
        Ok((row, bytes))
    }

    /// From which exports a text came, by the marks that cannot be seen.
    pub(crate) async fn find_watermark(&self, text: String) -> Result<(Seen, usize, Vec<(ExportRow, Found)>)> {
        let filter = ExportFilter { limit: LOOKED_AT_MAX, made: true, ..ExportFilter::default() };
        let known = rows::list(&mut self.store.read().await?, &filter).await?;
        let looked_at = known.len();
        let kept = self.kept();
        let work = move || {
            let seen = watermark::observe(&text);
            let mut found: Vec<(ExportRow, Found)> =
                known.into_iter().filter_map(|row| judged(&kept, &row, &seen).map(|of| (row, of))).collect();
            found.sort_by_key(|(row, of)| (std::cmp::Reverse(of.matches), row.number));
            (seen, found)
        };
        let judged = tokio::task::spawn_blocking(work).await;
        let (seen, found) = judged.map_err(|failure| ComplianceError::Damaged(format!("not looked for: {failure}")))?;
        Ok((seen, looked_at, found))
    }

    fn kept(&self) -> Kept {
        Kept { folder: self.exports_folder.clone(), seals: self.store.seals().clone() }
    }

    /// Ends exports whose time is over, but for those about an account on hold. Called every minute.
    ///
    /// # Errors
    /// If the tables or the files fail.
    pub async fn end_exports(&self) -> Result<()> {
        let due = rows::due(&mut self.store.read().await?, self.clock.now()).await?;
        for mut row in due {
            let held = match row.account {
                Some(account) => crate::holds::check_free(&mut self.store.read().await?, account).await.is_err(),
                None => false,
            };
            if held {
                continue;
            }
            self.kept().remove(row.number)?;
            row.state = State::Ended;
            let mut change = self.store.begin().await?;
            rows::update(change.connection(), &row).await?;
            change.commit().await?;
            self.note(None, "export.ended", format!("export:{}", row.number), &row.kind).await?;
        }
        Ok(())
    }

    /// Seals a page of marks that were written before there were keys; answers whether there were any.
    async fn seal_marks(&self) -> Result<bool> {
        let mut change = self.store.begin().await?;
        let rows = rows::plain_marks(change.connection()).await?;
        for row in &rows {
            let mark =
                row.mark.as_slice().try_into().map_err(|_| ComplianceError::Damaged("a mark is no mark".into()))?;
            rows::set_mark(change.connection(), row.number, self.kept().seal_mark(row, mark)?).await?;
        }
        change.commit().await?;
        Ok(!rows.is_empty())
    }

    /// Goes on with what a stop interrupted, and looks after the files from now on.
    pub(crate) async fn begin_exports(self: &Arc<Self>) -> Result<()> {
        while self.store.seals().are_there() && self.seal_marks().await? {}
        for number in rows::running(&mut self.store.read().await?).await? {
            job::begin(self, number);
        }
        tokio::spawn(job::keep_house(Arc::downgrade(self)));
        Ok(())
    }
}

/// How well the mark of an export fits what was seen of a text. A mark that cannot be opened fits nothing, and is told.
fn judged(kept: &Kept, row: &ExportRow, seen: &Seen) -> Option<Found> {
    let mark = kept.mark(row).inspect_err(|error| tracing::error!(%error, number = row.number, "open a mark")).ok()?;
    watermark::Mark::of(&mark)?.judge(seen)
}

/// An account of a filter.
pub(crate) fn account_id(account: Option<u64>) -> Option<AccountId> {
    account.map(AccountId)
}

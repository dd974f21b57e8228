//! Legal holds 法律保全: while an account is on hold, nothing of it is deleted. One person puts it on, another lifts it.

use heng_model::AccountId;
use heng_ports::{ActionDone, FeedError, Later, LegalHolds, Principal};
use heng_store::{Connection, FromRow, OwnedStore, Row, Sql, StoreError};

use crate::error::{ComplianceError, Result};
use crate::service::Compliance;

/// Accounts on hold that are told at most; more of them are a flaw, and then nothing is deleted at all.
const HELD_MAX: u32 = 100_000;

/// A hold.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HoldRow {
    pub(crate) number: u64,
    pub(crate) account: u64,
    pub(crate) reason: String,
    pub(crate) authority: String,
    pub(crate) placed_by: u64,
    pub(crate) placed_at: i64,
    pub(crate) released_by: Option<u64>,
    pub(crate) released_at: Option<i64>,
    pub(crate) release_reason: String,
}

impl FromRow for HoldRow {
    fn from_row(row: &Row) -> std::result::Result<Self, StoreError> {
        let unsigned = |place| row.get::<i64>(place).map(i64::cast_unsigned);
        Ok(Self {
            number: unsigned(0)?,
            account: unsigned(1)?,
            reason: row.get(2)?,
            authority: row.get(3)?,
            placed_by: unsigned(4)?,
            placed_at: row.get(5)?,
            released_by: row.get::<Option<i64>>(6)?.map(i64::cast_unsigned),
            released_at: row.get(7)?,
            release_reason: row.get(8)?,
        })
    }
}

/// Which holds are asked for, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HoldFilter {
    pub(crate) account: Option<u64>,
    /// Those that count, or those that were lifted.
    pub(crate) held: Option<bool>,
    pub(crate) before: u64,
    pub(crate) limit: u32,
}

const SELECT: &str = "SELECT number, account, reason, authority, placed_by, placed_at, released_by, released_at,
    release_reason FROM legal_holds WHERE number < ";

pub(crate) async fn list(connection: &mut Connection, filter: HoldFilter) -> Result<Vec<HoldRow>> {
    let mut sql = Sql::new(SELECT);
    sql.push_bind(filter.before);
    if let Some(account) = filter.account {
        sql.push(" AND account = ").push_bind(account.cast_signed());
    }
    match filter.held {
        Some(true) => sql.push(" AND released_at IS NULL"),
        Some(false) => sql.push(" AND released_at IS NOT NULL"),
        None => &mut sql,
    };
    sql.push(" ORDER BY number DESC LIMIT ").push_bind(i64::from(filter.limit));
    Ok(connection.load(sql).await?)
}

async fn one(connection: &mut Connection, number: u64) -> Result<HoldRow> {
    let mut sql = Sql::new(SELECT);
    sql.push_bind(number.saturating_add(1)).push(" AND number = ").push_bind(number);
    connection.find(sql).await?.ok_or(ComplianceError::Absent("such legal hold"))
}

/// Refuses what would delete something of an account that is on hold.
pub(crate) async fn check_free(connection: &mut Connection, account: u64) -> Result<()> {
    let filter = HoldFilter { account: Some(account), held: Some(true), before: i64::MAX.cast_unsigned(), limit: 1 };
    match list(connection, filter).await?.first() {
        None => Ok(()),
        Some(hold) => Err(ComplianceError::Held(format!("the account is on legal hold {}", hold.number))),
    }
}

/// What is asked for.
pub(crate) struct NewHold {
    pub(crate) account: u64,
    pub(crate) reason: String,
    pub(crate) authority: String,
}

impl Compliance {
    /// Puts an account on hold. The same once more, while it counts, is the same; `true` = it is a new one.
    pub(crate) async fn place_hold(&self, by: &Principal, new: NewHold) -> Result<(HoldRow, bool)> {
        let mut change = self.store.begin().await?;
        let last = i64::MAX.cast_unsigned();
        let filter = HoldFilter { account: Some(new.account), held: Some(true), before: last, limit: 1_000 };
        let known = list(change.connection(), filter).await?;
        let same = |row: &HoldRow| (&row.reason, &row.authority) == (&new.reason, &new.authority);
        if let Some(row) = known.into_iter().find(same) {
            return Ok((row, false));
        }
        let text = "SELECT COALESCE(MAX(number), 0) FROM legal_holds";
        let (last,): (i64,) = change.connection().find(text).await?.unwrap_or_default();
        let row = HoldRow {
            number: last.cast_unsigned() + 1,
            account: new.account,
            reason: new.reason,
            authority: new.authority,
            placed_by: by.id,
            placed_at: self.clock.now(),
            released_by: None,
            released_at: None,
            release_reason: String::new(),
        };
        let text = "INSERT INTO legal_holds (number, account, reason, authority, placed_by, placed_at, release_reason)
            VALUES ($1, $2, $3, $4, $5, $6, '')";
        let insert = Sql::new(text).bind(row.number).bind(row.account.cast_signed()).bind(row.reason.as_str());
        let insert = insert.bind(row.authority.as_str()).bind(row.placed_by).bind(row.placed_at);
        change.connection().execute(insert).await?;
        change.commit().await?;
        self.note(Some(by), "hold.placed", format!("hold:{} account:{}", row.number, row.account), &row.authority)
            .await?;
        Ok((row, true))
    }

    /// Lifts a hold that somebody else put on.
    pub(crate) async fn release_hold(&self, by: &Principal, number: u64, reason: String) -> Result<HoldRow> {
        let mut change = self.store.begin().await?;
        let mut row = one(change.connection(), number).await?;
        if row.released_at.is_some() {
            return Err(ComplianceError::Clash("it was released before".into()));
        }
        if row.placed_by == by.id {
            return Err(ComplianceError::Clash("whoever put an account on hold cannot release it".into()));
        }
        (row.released_by, row.released_at, row.release_reason) = (Some(by.id), Some(self.clock.now()), reason);
        let text = "UPDATE legal_holds SET released_by = $2, released_at = $3, release_reason = $4 WHERE number = $1";
        let update = Sql::new(text).bind(number).bind(by.id).bind(row.released_at).bind(row.release_reason.as_str());
        change.connection().execute(update).await?;
        change.commit().await?;
        let resource = format!("hold:{number} account:{}", row.account);
        self.note(Some(by), "hold.released", resource, &row.release_reason).await?;
        Ok(row)
    }

    /// Writes into the trail, if there is one.
    pub(crate) async fn note(
        &self,
        by: Option<&Principal>,
        action: &'static str,
        resource: String,
        detail: &str,
    ) -> Result<()> {
        let Some(trail) = &self.trail else { return Ok(()) };
        let done = ActionDone { by, action, resource, detail: detail.to_owned() };
        trail.record(done).await.map_err(ComplianceError::Feed)
    }
}

/// Tells other services what is on hold.
pub(crate) struct HoldsKept(pub(crate) OwnedStore);

impl LegalHolds for HoldsKept {
    fn held(&self) -> Later<'_, std::result::Result<Vec<AccountId>, FeedError>> {
        Box::pin(async move {
            let text = "SELECT DISTINCT account FROM legal_holds WHERE released_at IS NULL ORDER BY account LIMIT $1";
            let rows: Vec<(i64,)> = self.0.read().await?.load(Sql::new(text).bind(HELD_MAX)).await?;
            if rows.len() == HELD_MAX as usize {
                return Err("more accounts are on hold than can be told".into());
            }
            Ok(rows.into_iter().map(|(account,)| AccountId(account.cast_unsigned())).collect())
        })
    }
}

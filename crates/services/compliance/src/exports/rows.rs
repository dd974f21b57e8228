//! The table of exports.

use heng_ports::ExportAsk;
use heng_store::{Connection, FromRow, Row, Sql, StoreError};

use super::account_id;
use crate::error::{ComplianceError, Result};

/// Exports of a step of house keeping at most.
const STEP_MAX: u32 = 1_000;

/// Where an export is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Requested,
    Running,
    Ready,
    Refused,
    Failed,
    Ended,
}

impl State {
    const ALL: [Self; 6] = [Self::Requested, Self::Running, Self::Ready, Self::Refused, Self::Failed, Self::Ended];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An export. It has the key of its mark, so it has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ExportRow {
    pub(crate) number: u64,
    pub(crate) kind: String,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) account: Option<u64>,
    pub(crate) principal: Option<u64>,
    pub(crate) action: Option<String>,
    pub(crate) reason: String,
    pub(crate) masked: bool,
    pub(crate) bom: bool,
    pub(crate) state: State,
    pub(crate) requested_by: u64,
    pub(crate) requested_as: String,
    pub(crate) requested_at: i64,
    pub(crate) decided_by: Option<u64>,
    pub(crate) decided_as: String,
    pub(crate) decided_at: Option<i64>,
    pub(crate) ready_at: Option<i64>,
    pub(crate) ends_at: Option<i64>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) sm3: String,
    pub(crate) mark: Vec<u8>,
    pub(crate) trouble: String,
}

impl ExportRow {
    /// What is asked for.
    pub(crate) fn of(ask: ExportAsk) -> Self {
        let ExportAsk { kind, from, to, account, principal, action, masked } = ask;
        let account = account.map(|account| account.0);
        Self { kind, from, to, account, principal, action, masked, ..Self::default() }
    }

    /// The same, as sources are asked.
    pub(crate) fn ask(&self) -> ExportAsk {
        ExportAsk {
            kind: self.kind.clone(),
            from: self.from,
            to: self.to,
            account: account_id(self.account),
            principal: self.principal,
            action: self.action.clone(),
            masked: self.masked,
        }
    }
}

const SELECT: &str = "SELECT number, kind, from_time, to_time, account, principal, action, reason, masked, bom, state,
    requested_by, requested_as, requested_at, decided_by, decided_as, decided_at, ready_at, ends_at, row_count, bytes,
    sha256, sm3, mark, trouble FROM exports WHERE ";

impl FromRow for ExportRow {
    fn from_row(row: &Row) -> std::result::Result<Self, StoreError> {
        let unsigned = |place| row.get::<i64>(place).map(i64::cast_unsigned);
        let maybe = |place| Ok(row.get::<Option<i64>>(place)?.map(i64::cast_unsigned));
        Ok(Self {
            number: unsigned(0)?,
            kind: row.get(1)?,
            from: row.get(2)?,
            to: row.get(3)?,
            account: maybe(4)?,
            principal: maybe(5)?,
            action: row.get(6)?,
            reason: row.get(7)?,
            masked: row.get(8)?,
            bom: row.get(9)?,
            state: State::of(&row.get::<String>(10)?).ok_or(StoreError::Missing("a known state of an export"))?,
            requested_by: unsigned(11)?,
            requested_as: row.get(12)?,
            requested_at: row.get(13)?,
            decided_by: maybe(14)?,
            decided_as: row.get(15)?,
            decided_at: row.get(16)?,
            ready_at: row.get(17)?,
            ends_at: row.get(18)?,
            rows: unsigned(19)?,
            bytes: unsigned(20)?,
            sha256: row.get(21)?,
            sm3: row.get(22)?,
            mark: row.get(23)?,
            trouble: row.get(24)?,
        })
    }
}

/// Which exports are asked for, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExportFilter {
    /// Of this asker alone.
    pub(crate) by: Option<u64>,
    pub(crate) state: Option<State>,
    /// Those alone of which a file was made.
    pub(crate) made: bool,
    pub(crate) before: Option<u64>,
    pub(crate) limit: u32,
}

pub(crate) async fn list(connection: &mut Connection, filter: &ExportFilter) -> Result<Vec<ExportRow>> {
    let mut sql = Sql::new(SELECT);
    sql.push("number < ").push_bind(filter.before.unwrap_or(i64::MAX.cast_unsigned()));
    if let Some(by) = filter.by {
        sql.push(" AND requested_by = ").push_bind(by);
    }
    if let Some(state) = filter.state {
        sql.push(" AND state = ").push_bind(state.name());
    }
    if filter.made {
        sql.push(" AND state IN ('ready', 'ended')");
    }
    sql.push(" ORDER BY number DESC LIMIT ").push_bind(i64::from(filter.limit));
    Ok(connection.load(sql).await?)
}

pub(crate) async fn one(connection: &mut Connection, number: u64) -> Result<ExportRow> {
    let mut sql = Sql::new(SELECT);
    sql.push("number = ").push_bind(number);
    connection.find(sql).await?.ok_or(ComplianceError::Absent("such export"))
}

/// How many exports of an asker wait or are made; it counts to `limit`.
pub(crate) async fn open_of(connection: &mut Connection, by: u64, limit: usize) -> Result<usize> {
    let text = "SELECT number FROM exports WHERE requested_by = $1 AND state IN ('requested', 'running') LIMIT $2";
    let rows: Vec<(i64,)> = connection.load(Sql::new(text).bind(by).bind(limit as u64)).await?;
    Ok(rows.len())
}

/// Marks that were written before there were keys, with whose they are.
pub(crate) async fn plain_marks(connection: &mut Connection) -> Result<Vec<ExportRow>> {
    let mut sql = Sql::new(SELECT);
    sql.push("length(mark) <= 44 ORDER BY number LIMIT ").push_bind(i64::from(STEP_MAX));
    Ok(connection.load(sql).await?)
}

/// Sets the form in which a mark stands.
pub(crate) async fn set_mark(connection: &mut Connection, number: u64, mark: Vec<u8>) -> Result<()> {
    connection.execute(Sql::new("UPDATE exports SET mark = $2 WHERE number = $1").bind(number).bind(mark)).await?;
    Ok(())
}

/// Exports whose time is over.
pub(crate) async fn due(connection: &mut Connection, now: i64) -> Result<Vec<ExportRow>> {
    let mut sql = Sql::new(SELECT);
    sql.push("state = 'ready' AND ends_at <= ").push_bind(now);
    sql.push(" ORDER BY number LIMIT ").push_bind(i64::from(STEP_MAX));
    Ok(connection.load(sql).await?)
}

/// Exports that were being made when the program stopped.
pub(crate) async fn running(connection: &mut Connection) -> Result<Vec<u64>> {
    let text = "SELECT number FROM exports WHERE state = 'running' ORDER BY number LIMIT $1";
    let rows: Vec<(i64,)> = connection.load(Sql::new(text).bind(i64::from(STEP_MAX))).await?;
    Ok(rows.into_iter().map(|(number,)| number.cast_unsigned()).collect())
}

/// Writes a new row; it gets its number here.
pub(crate) async fn insert(connection: &mut Connection, row: ExportRow) -> Result<ExportRow> {
    let (last,): (i64,) = connection.find("SELECT COALESCE(MAX(number), 0) FROM exports").await?.unwrap_or_default();
    let row = ExportRow { number: last.cast_unsigned() + 1, ..row };
    let text = "INSERT INTO exports (number, kind, from_time, to_time, account, principal, action, reason, masked, bom,
        state, requested_by, requested_as, requested_at, decided_as, row_count, bytes, sha256, sm3, mark, trouble)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '', 0, 0, '', '', $15, '')";
    let signed = |value: Option<u64>| value.map(u64::cast_signed);
    let insert = Sql::new(text).bind(row.number).bind(row.kind.as_str()).bind(row.from).bind(row.to);
    let insert = insert.bind(signed(row.account)).bind(signed(row.principal)).bind(row.action.clone());
    let insert = insert.bind(row.reason.as_str()).bind(row.masked).bind(row.bom).bind(row.state.name());
    let insert = insert.bind(row.requested_by).bind(row.requested_as.as_str()).bind(row.requested_at);
    connection.execute(insert.bind(row.mark.clone())).await?;
    Ok(row)
}

/// Sets what may change of an export.
pub(crate) async fn update(connection: &mut Connection, row: &ExportRow) -> Result<()> {
    let text = "UPDATE exports SET state = $2, decided_by = $3, decided_as = $4, decided_at = $5, ready_at = $6,
        ends_at = $7, row_count = $8, bytes = $9, sha256 = $10, sm3 = $11, trouble = $12 WHERE number = $1";
    let update = Sql::new(text).bind(row.number).bind(row.state.name()).bind(row.decided_by.map(u64::cast_signed));
    let update = update.bind(row.decided_as.as_str()).bind(row.decided_at).bind(row.ready_at).bind(row.ends_at);
    let update = update.bind(row.rows).bind(row.bytes).bind(row.sha256.as_str()).bind(row.sm3.as_str());
    connection.execute(update.bind(row.trouble.as_str())).await?;
    Ok(())
}

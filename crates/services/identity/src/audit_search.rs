//! Questions to the audit trail. Pages follow the number, which never changes, so that a cursor stays good whatever is
//! written meanwhile.
//!
//! One filter leads, and an index brings its rows in the order of the pages; the others are looked at row by row, in a
//! form that no index serves, so that no planner sorts a million rows to spare some of them. Free text has no index: of
//! each page a bounded number of rows is looked at, and the next page goes on behind them.

use heng_store::{Connection, FromRow as _, Sql, StoreError};

use crate::audit::AuditRow;
use crate::store::unsigned;

/// Rows that one page looks at for a text at most.
const LOOKED_AT_MAX: u64 = 100_000;
/// How much later than it happened a row may be written, and how far a clock may be set back, for a search by time to
/// find it. Rows wait seconds at most.
const WRITTEN_WITHIN: i64 = 3_600 * 1_000_000_000;
/// Different actions below one prefix that are looked at at most.
const ACTIONS_MAX: usize = 200;

/// Which rows are asked for, newest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct AuditFilter {
    pub(crate) before: Option<u64>,
    pub(crate) principal: Option<u64>,
    pub(crate) name: Option<String>,
    /// Exact, or all that begin so if it ends in `.*`.
    pub(crate) action: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) account: Option<u64>,
    pub(crate) address: Option<String>,
    /// First and last nanosecond.
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    /// Stands in the detail or the resource.
    pub(crate) text: Option<String>,
    pub(crate) limit: u32,
}

/// Some rows with their numbers, newest first.
pub(crate) struct AuditPage {
    pub(crate) rows: Vec<(u64, AuditRow)>,
    /// Where the next page begins; none = there is no more.
    pub(crate) next_before: Option<u64>,
}

/// Numbers between which the rows are, both excluded.
#[derive(Clone, Copy)]
struct Span {
    above: u64,
    below: u64,
}

async fn number(connection: &mut Connection, sql: Sql) -> Result<Option<u64>, StoreError> {
    let found: Option<(i64,)> = connection.find(sql).await?;
    Ok(found.map(|(number,)| number.cast_unsigned()))
}

/// Between which numbers rows of the filter's time can be.
async fn span(connection: &mut Connection, filter: &AuditFilter) -> Result<Span, StoreError> {
    let mut span = Span { above: 0, below: filter.before.unwrap_or(i64::MAX.cast_unsigned()) };
    if let Some(from) = filter.from {
        let text = "SELECT number FROM audit WHERE at < $1 ORDER BY at DESC, number DESC LIMIT 1";
        let earlier = Sql::new(text).bind(from.saturating_sub(WRITTEN_WITHIN));
        span.above = number(connection, earlier).await?.unwrap_or(0);
    }
    if let Some(to) = filter.to {
        let text = "SELECT number FROM audit WHERE at > $1 ORDER BY at, number LIMIT 1";
        let later = Sql::new(text).bind(to.saturating_add(WRITTEN_WITHIN));
        span.below = number(connection, later).await?.map_or(span.below, |later| span.below.min(later));
    }
    Ok(span)
}

/// The span of a page that looks at rows one by one; true if rows of the whole span are left out.
async fn bounded(connection: &mut Connection, span: Span) -> Result<(Span, bool), StoreError> {
    let text = "SELECT number FROM audit WHERE number < $1 ORDER BY number DESC LIMIT 1";
    let top = number(connection, Sql::new(text).bind(span.below)).await?.unwrap_or(0);
    let above = top.saturating_sub(LOOKED_AT_MAX);
    Ok((Span { above: span.above.max(above), ..span }, above > span.above))
}

/// The actions of the trail that begin so, by stepping through the index from one to the next.
async fn actions_of(connection: &mut Connection, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = Vec::new();
    let mut last = prefix.to_owned();
    while found.len() < ACTIONS_MAX {
        let text = "SELECT action FROM audit WHERE action > $1 ORDER BY action LIMIT 1";
        let next: Option<(String,)> = connection.find(Sql::new(text).bind(last.as_str())).await?;
        let Some((next,)) = next.filter(|(next,)| next.starts_with(prefix)) else { break };
        last.clone_from(&next);
        found.push(next);
    }
    Ok(found)
}

/// About how many rows there are of the filter's time.
pub(crate) async fn rows_in(connection: &mut Connection, filter: &AuditFilter) -> Result<u64, StoreError> {
    let span = span(connection, filter).await?;
    let text = "SELECT number FROM audit WHERE number < $1 ORDER BY number DESC LIMIT 1";
    let top = number(connection, Sql::new(text).bind(span.below)).await?.unwrap_or(0);
    Ok(top.saturating_sub(span.above))
}

const SELECT: &str = "SELECT number, at, principal, name, credential, action, resource, outcome, detail, address, times
    FROM audit WHERE number > ";

/// Columns and values that rows must have, the one that leads first: what names few rows before what names many.
fn equal(filter: &AuditFilter, action: Option<&str>) -> Vec<(&'static str, String)> {
    let account = filter.account.map(|account| format!("account:{account}"));
    let all = [
        ("resource", account),
        ("address", filter.address.clone()),
        ("name", filter.name.clone()),
        ("action", action.map(str::to_owned)),
        ("outcome", filter.outcome.clone()),
    ];
    all.into_iter().filter_map(|(column, value)| Some((column, value?))).collect()
}

fn question(filter: &AuditFilter, span: Span, action: Option<&str>) -> Sql {
    let mut sql = Sql::new(SELECT);
    sql.push_bind(span.above).push(" AND number < ").push_bind(span.below);
    let mut led = false;
    if let Some(principal) = filter.principal {
        sql.push(" AND principal = ").push_bind(principal);
        led = true;
    }
    for (column, value) in equal(filter, action) {
        // What is joined with nothing is the same to read, and no index is kept of it.
        sql.push(" AND ").push(column).push(if led { " || '' = " } else { " = " }).push_bind(value);
        led = true;
    }
    if let Some(from) = filter.from {
        sql.push(" AND at + 0 >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND at + 0 <= ").push_bind(to);
    }
    if let Some(text) = &filter.text {
        sql.push(" AND (REPLACE(detail, ").push_bind(text.as_str()).push(", '') <> detail OR REPLACE(resource, ");
        sql.push_bind(text.as_str()).push(", '') <> resource)");
    }
    sql.push(" ORDER BY number DESC LIMIT ").push_bind(i64::from(filter.limit));
    sql
}

async fn ask(connection: &mut Connection, sql: Sql) -> Result<Vec<(u64, AuditRow)>, StoreError> {
    let rows = connection.rows(sql).await?;
    rows.iter().map(|row| Ok((unsigned(row, 0)?, AuditRow::from_row(row)?))).collect()
}

/// A page of the audit trail.
pub(crate) async fn search(connection: &mut Connection, filter: &AuditFilter) -> Result<AuditPage, StoreError> {
    let whole = span(connection, filter).await?;
    let (span, cut) = if filter.text.is_some() { bounded(connection, whole).await? } else { (whole, false) };
    let mut rows = match filter.action.as_deref().map(|action| (action, action.strip_suffix('*'))) {
        Some((_, Some(prefix))) => {
            let mut rows = Vec::new();
            for action in actions_of(connection, prefix).await? {
                rows.append(&mut ask(connection, question(filter, span, Some(&action))).await?);
            }
            rows.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
            rows
        }
        action => ask(connection, question(filter, span, action.map(|(action, _)| action))).await?,
    };
    rows.truncate(filter.limit as usize);
    let full = rows.len() == filter.limit as usize;
    let next_before = if full { rows.last().map(|row| row.0) } else { cut.then_some(span.above + 1) };
    Ok(AuditPage { rows, next_before })
}

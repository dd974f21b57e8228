//! Questions to the tables of links and of sessions by the provider.

use heng_store::{Connection, FromRow, Row, Sql, StoreError};

/// The tables.
pub(crate) const MIGRATION_SQL: &str = include_str!("tables.sql");

/// Sessions of one logout at most.
const ENDED_MAX: u32 = 1_000;

/// Whom a subject of an issuer is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkRow {
    pub(crate) principal: u64,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) linked_by: u64,
    pub(crate) linked_at: i64,
    pub(crate) confirmed_at: Option<i64>,
}

macro_rules! link_sql {
    ($rest:literal) => {
        concat!("SELECT principal, issuer, subject, linked_by, linked_at, confirmed_at FROM provider_links", $rest)
    };
}

impl FromRow for LinkRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            principal: row.get::<i64>(0)?.cast_unsigned(),
            issuer: row.get(1)?,
            subject: row.get(2)?,
            linked_by: row.get::<i64>(3)?.cast_unsigned(),
            linked_at: row.get(4)?,
            confirmed_at: row.get(5)?,
        })
    }
}

pub(crate) async fn link_of(connection: &mut Connection, principal: u64) -> Result<Option<LinkRow>, StoreError> {
    connection.find(Sql::new(link_sql!(" WHERE principal = $1")).bind(principal)).await
}

pub(crate) async fn link_by_subject(
    connection: &mut Connection,
    (issuer, subject): (&str, &str),
) -> Result<Option<LinkRow>, StoreError> {
    connection.find(Sql::new(link_sql!(" WHERE issuer = $1 AND subject = $2")).bind(issuer).bind(subject)).await
}

pub(crate) async fn insert_link(connection: &mut Connection, row: &LinkRow) -> Result<(), StoreError> {
    let insert = "INSERT INTO provider_links (principal, issuer, subject, linked_by, linked_at, confirmed_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let insert = Sql::new(insert).bind(row.principal).bind(row.issuer.as_str()).bind(row.subject.as_str());
    let insert = insert.bind(row.linked_by).bind(row.linked_at).bind(row.confirmed_at);
    connection.execute(insert).await.map(|_| ())
}

/// Notes that the user proved over this link what Heng knows of them.
pub(crate) async fn confirm_link(connection: &mut Connection, row: &LinkRow, now: i64) -> Result<(), StoreError> {
    let confirm = "UPDATE provider_links SET confirmed_at = $1
        WHERE principal = $2 AND issuer = $3 AND subject = $4 AND confirmed_at IS NULL";
    let confirm = Sql::new(confirm).bind(now).bind(row.principal).bind(row.issuer.as_str());
    connection.execute(confirm.bind(row.subject.as_str())).await.map(|_| ())
}

pub(crate) async fn remove_link(connection: &mut Connection, principal: u64) -> Result<(), StoreError> {
    let remove = Sql::new("DELETE FROM provider_links WHERE principal = $1").bind(principal);
    connection.execute(remove).await.map(|_| ())
}

/// A session that began by the provider.
pub(crate) struct ProviderSessionRow<'a> {
    pub(crate) session: u64,
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) sid: &'a str,
    pub(crate) until: i64,
}

pub(crate) async fn insert_session(
    connection: &mut Connection,
    row: &ProviderSessionRow<'_>,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO provider_sessions (session, issuer, subject, sid, until) VALUES ($1, $2, $3, $4, $5)";
    let insert = Sql::new(insert).bind(row.session).bind(row.issuer).bind(row.subject).bind(row.sid).bind(row.until);
    connection.execute(insert).await.map(|_| ())
}

/// Sessions by the provider that a logout names; an empty word names all.
pub(crate) async fn sessions_named(
    connection: &mut Connection,
    issuer: &str,
    (subject, sid): (&str, &str),
) -> Result<Vec<u64>, StoreError> {
    let find = "SELECT session FROM provider_sessions
        WHERE issuer = $1 AND ($2 = '' OR subject = $2) AND ($3 = '' OR sid = $3) ORDER BY session DESC LIMIT $4";
    let find = Sql::new(find).bind(issuer).bind(subject).bind(sid).bind(i64::from(ENDED_MAX));
    let found: Vec<(i64,)> = connection.load(find).await?;
    Ok(found.into_iter().map(|(session,)| session.cast_unsigned()).collect())
}

/// Removes what ended before `ended_before`.
pub(crate) async fn forget_sessions(connection: &mut Connection, ended_before: i64) -> Result<u64, StoreError> {
    let forget = "DELETE FROM provider_sessions WHERE session IN
        (SELECT session FROM provider_sessions WHERE until < $1 ORDER BY until LIMIT 1000)";
    connection.execute(Sql::new(forget).bind(ended_before)).await
}

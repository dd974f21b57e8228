//! The owned tables of this service, and every question that it asks them.

use heng_store::sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};
use heng_store::{Connection, FromRow, Migration, Row, Sql, StoreError, insert_rows};

use crate::audit::AuditRow;

/// Steps of the tables.
pub(crate) const MIGRATIONS: [Migration; 5] = [
    Migration { version: 1, name: "who may come in", sql: include_str!("tables.sql") },
    Migration { version: 2, name: "what more they prove", sql: include_str!("second_tables.sql") },
    Migration { version: 3, name: "sign-on by a provider", sql: crate::oidc::MIGRATION_SQL },
    Migration { version: 4, name: "ways into the audit trail", sql: include_str!("audit_tables.sql") },
    Migration { version: 5, name: "passwords that others know", sql: include_str!("reset_tables.sql") },
];

/// A person or a program. It holds secrets, so it has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct PrincipalRow {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) roles: String,
    pub(crate) accounts: String,
    pub(crate) scopes: String,
    pub(crate) password: Option<String>,
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) totp: Option<Vec<u8>>,
    pub(crate) totp_pending: Option<Vec<u8>>,
    pub(crate) totp_step: i64,
    pub(crate) disabled: bool,
    pub(crate) created_at: i64,
    pub(crate) changed_at: i64,
    /// Until when a password that its owner did not choose counts; none = they chose it.
    pub(crate) initial_until: Option<i64>,
}

const PRINCIPAL: [&str; 15] = [
    "id",
    "kind",
    "name",
    "roles",
    "accounts",
    "scopes",
    "password",
    "secret",
    "totp",
    "totp_pending",
    "totp_step",
    "disabled",
    "created_at",
    "changed_at",
    "initial_until",
];

pub(crate) fn unsigned(row: &Row, place: usize) -> Result<u64, StoreError> {
    row.get::<i64>(place).map(i64::cast_unsigned)
}

impl FromRow for PrincipalRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: unsigned(row, 0)?,
            kind: row.get(1)?,
            name: row.get(2)?,
            roles: row.get(3)?,
            accounts: row.get(4)?,
            scopes: row.get(5)?,
            password: row.get(6)?,
            secret: row.get(7)?,
            totp: row.get(8)?,
            totp_pending: row.get(9)?,
            totp_step: row.get(10)?,
            disabled: row.get(11)?,
            created_at: row.get(12)?,
            changed_at: row.get(13)?,
            initial_until: row.get(14)?,
        })
    }
}

/// A session of a person, or an access token of a partner.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) id: u64,
    pub(crate) principal: u64,
    pub(crate) kind: String,
    pub(crate) token: Vec<u8>,
    pub(crate) scopes: String,
    pub(crate) address: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) idle_nanos: i64,
    pub(crate) used_at: i64,
    pub(crate) revoked_at: Option<i64>,
    pub(crate) means: String,
    pub(crate) device: String,
}

const SESSION: [&str; 13] = [
    "id",
    "principal",
    "kind",
    "token",
    "scopes",
    "address",
    "created_at",
    "expires_at",
    "idle_nanos",
    "used_at",
    "revoked_at",
    "means",
    "device",
];

impl FromRow for SessionRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: unsigned(row, 0)?,
            principal: unsigned(row, 1)?,
            kind: row.get(2)?,
            token: row.get(3)?,
            scopes: row.get(4)?,
            address: row.get(5)?,
            created_at: row.get(6)?,
            expires_at: row.get(7)?,
            idle_nanos: row.get(8)?,
            used_at: row.get(9)?,
            revoked_at: row.get(10)?,
            means: row.get(11)?,
            device: row.get(12)?,
        })
    }
}

/// An API key. It holds a secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) principal: u64,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) secret: Vec<u8>,
    pub(crate) scopes: String,
    pub(crate) networks: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
}

const KEY: [&str; 11] = [
    "id",
    "number",
    "principal",
    "name",
    "kind",
    "secret",
    "scopes",
    "networks",
    "created_at",
    "expires_at",
    "revoked_at",
];

impl FromRow for KeyRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            number: unsigned(row, 1)?,
            principal: unsigned(row, 2)?,
            name: row.get(3)?,
            kind: row.get(4)?,
            secret: row.get(5)?,
            scopes: row.get(6)?,
            networks: row.get(7)?,
            created_at: row.get(8)?,
            expires_at: row.get(9)?,
            revoked_at: row.get(10)?,
        })
    }
}

/// The next number of its kind; call it inside a change.
pub(crate) async fn next_number(connection: &mut Connection, name: &'static str, step: u64) -> Result<u64, StoreError> {
    let update = Sql::new("UPDATE numbers SET last = last + $1 WHERE name = $2").bind(step).bind(name);
    connection.execute(update).await?;
    let found: Option<(i64,)> =
        connection.find(Sql::new("SELECT last FROM numbers WHERE name = $1").bind(name)).await?;
    found.map(|(last,)| last.cast_unsigned()).ok_or(StoreError::Missing("the last number of its kind"))
}

fn principals() -> SelectStatement {
    Query::select().columns(PRINCIPAL).from("principals").take()
}

pub(crate) async fn principal(connection: &mut Connection, id: u64) -> Result<Option<PrincipalRow>, StoreError> {
    connection.find(principals().and_where(Expr::col("id").eq(id))).await
}

pub(crate) async fn principal_named(
    connection: &mut Connection,
    name: &str,
) -> Result<Option<PrincipalRow>, StoreError> {
    connection.find(principals().and_where(Expr::col("name").eq(name))).await
}

/// Principals of these kinds with a greater id than `after`, ascending, at most `limit`.
pub(crate) async fn list_principals(
    connection: &mut Connection,
    kinds: &[&str],
    after: u64,
    limit: u32,
) -> Result<Vec<PrincipalRow>, StoreError> {
    let mut query = principals();
    query.and_where(Expr::col("kind").is_in(kinds.iter().copied())).and_where(Expr::col("id").gt(after));
    connection.load(query.order_by("id", Order::Asc).limit(limit.into())).await
}

pub(crate) async fn insert_principals(connection: &mut Connection, rows: &[PrincipalRow]) -> Result<(), StoreError> {
    let head = "INSERT INTO principals (id, kind, name, roles, accounts, scopes, password, secret, totp, totp_pending,
        totp_step, disabled, created_at, changed_at, initial_until)";
    insert_rows(connection, (head, ""), PRINCIPAL.len(), rows, |values, row| {
        values.push_bind(row.id).push_bind(row.kind.as_str()).push_bind(row.name.as_str());
        values.push_bind(row.roles.as_str()).push_bind(row.accounts.as_str()).push_bind(row.scopes.as_str());
        values.push_bind(row.password.clone()).push_bind(row.secret.clone()).push_bind(row.totp.clone());
        values.push_bind(row.totp_pending.clone()).push_bind(row.totp_step).push_bind(row.disabled);
        values.push_bind(row.created_at).push_bind(row.changed_at).push_bind(row.initial_until);
    })
    .await
}

/// Sets what may change of a principal.
pub(crate) async fn update_principal(connection: &mut Connection, row: &PrincipalRow) -> Result<(), StoreError> {
    let update = "UPDATE principals SET password = $1, totp = $2, totp_pending = $3, totp_step = $4, disabled = $5,
        changed_at = $6, initial_until = $7 WHERE id = $8";
    let update = Sql::new(update).bind(row.password.clone()).bind(row.totp.clone()).bind(row.totp_pending.clone());
    let update =
        update.bind(row.totp_step).bind(row.disabled).bind(row.changed_at).bind(row.initial_until).bind(row.id);
    connection.execute(update).await.map(|_| ())
}

/// Sets what a principal may do, and for whom.
pub(crate) async fn set_roles(
    connection: &mut Connection,
    id: u64,
    (roles, accounts): (&str, &str),
    now: i64,
) -> Result<(), StoreError> {
    let update = "UPDATE principals SET roles = $1, accounts = $2, changed_at = $3 WHERE id = $4";
    connection.execute(Sql::new(update).bind(roles).bind(accounts).bind(now).bind(id)).await.map(|_| ())
}

pub(crate) async fn insert_sessions(connection: &mut Connection, rows: &[SessionRow]) -> Result<(), StoreError> {
    let head = "INSERT INTO sessions (id, principal, kind, token, scopes, address, created_at, expires_at, idle_nanos,
        used_at, revoked_at, means, device)";
    insert_rows(connection, (head, ""), SESSION.len(), rows, |values, row| {
        values.push_bind(row.id).push_bind(row.principal).push_bind(row.kind.as_str()).push_bind(row.token.clone());
        values.push_bind(row.scopes.as_str()).push_bind(row.address.as_str()).push_bind(row.created_at);
        values.push_bind(row.expires_at).push_bind(row.idle_nanos).push_bind(row.used_at).push_bind(row.revoked_at);
        values.push_bind(row.means.as_str()).push_bind(row.device.as_str());
    })
    .await
}

fn sessions() -> SelectStatement {
    Query::select().columns(SESSION).from("sessions").take()
}

pub(crate) async fn session_of_token(
    connection: &mut Connection,
    token: &[u8],
) -> Result<Option<SessionRow>, StoreError> {
    connection.find(sessions().and_where(Expr::col("token").eq(token))).await
}

pub(crate) async fn session(connection: &mut Connection, id: u64) -> Result<Option<SessionRow>, StoreError> {
    connection.find(sessions().and_where(Expr::col("id").eq(id))).await
}

/// Sessions of a principal that have not ended, newest first, below `before`.
pub(crate) async fn live_sessions(
    connection: &mut Connection,
    principal: u64,
    before: u64,
    now: i64,
    limit: u32,
) -> Result<Vec<SessionRow>, StoreError> {
    let mut query = sessions();
    query.and_where(Expr::col("principal").eq(principal)).and_where(Expr::col("id").lt(before));
    query.and_where(Expr::col("revoked_at").is_null()).and_where(Expr::col("expires_at").gt(now));
    query.and_where(Expr::col("idle_nanos").eq(0).or(Expr::col("used_at").add(Expr::col("idle_nanos")).gt(now)));
    connection.load(query.order_by("id", Order::Desc).limit(limit.into())).await
}

pub(crate) async fn revoke_session(connection: &mut Connection, id: u64, now: i64) -> Result<bool, StoreError> {
    let revoke = "UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
    connection.execute(Sql::new(revoke).bind(now).bind(id)).await.map(|changed| changed == 1)
}

/// Ends all sessions of a principal but `kept`.
pub(crate) async fn revoke_sessions_of(
    connection: &mut Connection,
    principal: u64,
    kept: u64,
    now: i64,
) -> Result<u64, StoreError> {
    let revoke = "UPDATE sessions SET revoked_at = $1 WHERE principal = $2 AND id <> $3 AND revoked_at IS NULL";
    connection.execute(Sql::new(revoke).bind(now).bind(principal).bind(kept)).await
}

/// From which address a principal was last seen, and when, in nanoseconds since 1970.
pub(crate) async fn last_use(connection: &mut Connection, principal: u64) -> Result<Option<(String, i64)>, StoreError> {
    let last = "SELECT address, used_at FROM sessions WHERE principal = $1 AND address <> '' \
                ORDER BY used_at DESC, id DESC LIMIT 1";
    connection.find(Sql::new(last).bind(principal)).await
}

/// Ends all sessions of a principal but `kept` that a person began; those that the start gave to its tools go on.
pub(crate) async fn revoke_signed_in(
    connection: &mut Connection,
    principal: u64,
    kept: u64,
    now: i64,
) -> Result<u64, StoreError> {
    let revoke = "UPDATE sessions SET revoked_at = $1
        WHERE principal = $2 AND id <> $3 AND means <> 'given' AND revoked_at IS NULL";
    connection.execute(Sql::new(revoke).bind(now).bind(principal).bind(kept)).await
}

/// Notes when sessions were last used; never back.
pub(crate) async fn touch_sessions(connection: &mut Connection, used: &[(u64, i64)]) -> Result<(), StoreError> {
    for (id, at) in used {
        let touch = Sql::new("UPDATE sessions SET used_at = $1 WHERE id = $2 AND used_at < $1").bind(*at).bind(*id);
        connection.execute(touch).await?;
    }
    Ok(())
}

/// Removes sessions that ended before `ended_before`, at most `limit`, but none of the principals that are `kept`.
pub(crate) async fn forget_sessions(
    connection: &mut Connection,
    ended_before: i64,
    kept: &[u64],
    limit: u32,
) -> Result<u64, StoreError> {
    let mut forget = Sql::new("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ");
    forget.push_bind(ended_before).push(" AND principal NOT IN (0");
    for principal in kept {
        forget.push(", ").push_bind(*principal);
    }
    forget.push(") ORDER BY expires_at LIMIT ").push_bind(limit).push(")");
    connection.execute(forget).await
}

/// Clients and partners who act for `account` by name, at most `limit`.
pub(crate) async fn holders(connection: &mut Connection, account: u64, limit: u32) -> Result<Vec<u64>, StoreError> {
    let holders = Sql::new("SELECT id FROM principals WHERE ',' || accounts || ',' LIKE $1 ORDER BY id LIMIT $2");
    let rows: Vec<(i64,)> = connection.load(holders.bind(format!("%,{account},%")).bind(limit)).await?;
    Ok(rows.into_iter().map(|(id,)| id.cast_unsigned()).collect())
}

fn keys() -> SelectStatement {
    Query::select().columns(KEY).from("api_keys").take()
}

pub(crate) async fn key(connection: &mut Connection, id: &str) -> Result<Option<KeyRow>, StoreError> {
    connection.find(keys().and_where(Expr::col("id").eq(id))).await
}

/// Keys of a principal that are not revoked, newest first, below `before`.
pub(crate) async fn list_keys(
    connection: &mut Connection,
    principal: u64,
    before: u64,
    limit: u32,
) -> Result<Vec<KeyRow>, StoreError> {
    let mut query = keys();
    query.and_where(Expr::col("principal").eq(principal)).and_where(Expr::col("number").lt(before));
    query.and_where(Expr::col("revoked_at").is_null());
    connection.load(query.order_by("number", Order::Desc).limit(limit.into())).await
}

/// How many keys of a principal are not revoked.
pub(crate) async fn count_keys(connection: &mut Connection, principal: u64) -> Result<u64, StoreError> {
    let count = Sql::new("SELECT count(*) FROM api_keys WHERE principal = $1 AND revoked_at IS NULL").bind(principal);
    let found: Option<(i64,)> = connection.find(count).await?;
    Ok(found.map_or(0, |(count,)| count.cast_unsigned()))
}

pub(crate) async fn insert_key(connection: &mut Connection, row: &KeyRow) -> Result<(), StoreError> {
    let head = "INSERT INTO api_keys (id, number, principal, name, kind, secret, scopes, networks, created_at,
        expires_at, revoked_at)";
    insert_rows(connection, (head, ""), KEY.len(), std::slice::from_ref(row), |values, row| {
        values.push_bind(row.id.as_str()).push_bind(row.number).push_bind(row.principal).push_bind(row.name.as_str());
        values.push_bind(row.kind.as_str()).push_bind(row.secret.clone()).push_bind(row.scopes.as_str());
        values.push_bind(row.networks.as_str()).push_bind(row.created_at);
        values.push_bind(row.expires_at).push_bind(row.revoked_at);
    })
    .await
}

pub(crate) async fn revoke_key(connection: &mut Connection, id: &str, now: i64) -> Result<bool, StoreError> {
    let revoke = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
    connection.execute(Sql::new(revoke).bind(now).bind(id)).await.map(|changed| changed == 1)
}

/// Writes rows of the audit trail; they get their numbers here.
pub(crate) async fn insert_audit(connection: &mut Connection, rows: &[AuditRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let count = rows.len() as u64;
    let first = next_number(connection, "audit", count).await? + 1 - count;
    let numbered: Vec<(u64, &AuditRow)> = (first..).zip(rows).collect();
    let head = "INSERT INTO audit (number, at, principal, name, credential, action, resource, outcome, detail, address,
        times)";
    insert_rows(connection, (head, ""), 11, &numbered, |values, (number, row)| {
        values.push_bind(*number).push_bind(row.at).push_bind(row.principal).push_bind(row.name.as_str());
        values.push_bind(row.credential.as_str()).push_bind(row.action.as_str()).push_bind(row.resource.as_str());
        values.push_bind(row.outcome.as_str()).push_bind(row.detail.as_str()).push_bind(row.address.as_str());
        values.push_bind(row.times);
    })
    .await
}

/// Rows of the audit trail above `number`, ascending, at most `limit`.
pub(crate) async fn audit_after(
    connection: &mut Connection,
    number: u64,
    limit: u32,
) -> Result<Vec<(u64, AuditRow)>, StoreError> {
    let text = "SELECT number, at, principal, name, credential, action, resource, outcome, detail, address, times \
                FROM audit WHERE number > $1 ORDER BY number LIMIT $2";
    let rows = connection.rows(Sql::new(text).bind(number).bind(i64::from(limit))).await?;
    rows.iter().map(|row| Ok((unsigned(row, 0)?, AuditRow::from_row(row)?))).collect()
}

impl FromRow for AuditRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            at: row.get(1)?,
            principal: unsigned(row, 2)?,
            name: row.get(3)?,
            credential: row.get(4)?,
            action: row.get(5)?,
            resource: row.get(6)?,
            outcome: row.get(7)?,
            detail: row.get(8)?,
            address: row.get(9)?,
            times: unsigned(row, 10)?,
        })
    }
}

/// Sets what a session that was held back may do now.
pub(crate) async fn set_scopes(connection: &mut Connection, id: u64, scopes: &str) -> Result<(), StoreError> {
    connection
        .execute(Sql::new("UPDATE sessions SET scopes = $1 WHERE id = $2").bind(scopes).bind(id))
        .await
        .map(|_| ())
}

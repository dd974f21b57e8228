//! Questions to the tables of passkeys, recovery codes, consents, role changes and access reviews.

use heng_store::{Connection, FromRow, Row, Sql, StoreError};

fn unsigned(row: &Row, place: usize) -> Result<u64, StoreError> {
    row.get::<i64>(place).map(i64::cast_unsigned)
}

fn unsigned_or_none(row: &Row, place: usize) -> Result<Option<u64>, StoreError> {
    row.get::<Option<i64>>(place).map(|found| found.map(i64::cast_unsigned))
}

/// A passkey: a public key, so it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PasskeyRow {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) principal: u64,
    pub(crate) name: String,
    pub(crate) credential: String,
    pub(crate) counter: i64,
    pub(crate) created_at: i64,
    pub(crate) used_at: Option<i64>,
}

macro_rules! passkey_sql {
    ($rest:literal) => {
        concat!("SELECT id, number, principal, name, credential, counter, created_at, used_at FROM passkeys", $rest)
    };
}

impl FromRow for PasskeyRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            number: unsigned(row, 1)?,
            principal: unsigned(row, 2)?,
            name: row.get(3)?,
            credential: row.get(4)?,
            counter: row.get(5)?,
            created_at: row.get(6)?,
            used_at: row.get(7)?,
        })
    }
}

/// Passkeys of a principal in the order in which they were made.
pub(crate) async fn passkeys(connection: &mut Connection, principal: u64) -> Result<Vec<PasskeyRow>, StoreError> {
    let query = passkey_sql!(" WHERE principal = $1 ORDER BY number LIMIT 100");
    connection.load(Sql::new(query).bind(principal)).await
}

pub(crate) async fn passkey(connection: &mut Connection, id: &str) -> Result<Option<PasskeyRow>, StoreError> {
    connection.find(Sql::new(passkey_sql!(" WHERE id = $1")).bind(id)).await
}

pub(crate) async fn insert_passkey(connection: &mut Connection, row: &PasskeyRow) -> Result<(), StoreError> {
    let insert = "INSERT INTO passkeys (id, number, principal, name, credential, counter, created_at, used_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let insert = Sql::new(insert).bind(row.id.as_str()).bind(row.number).bind(row.principal).bind(row.name.as_str());
    let insert = insert.bind(row.credential.as_str()).bind(row.counter).bind(row.created_at).bind(row.used_at);
    connection.execute(insert).await.map(|_| ())
}

/// Notes a use with this counter; false if the passkey is gone or has shown this counter or a later one before.
pub(crate) async fn use_passkey(
    connection: &mut Connection,
    (id, credential, counter): (&str, &str, i64),
    now: i64,
) -> Result<bool, StoreError> {
    let note = "UPDATE passkeys SET credential = $1, counter = $2, used_at = $3
        WHERE id = $4 AND (counter < $2 OR (counter = 0 AND $2 = 0))";
    let note = Sql::new(note).bind(credential).bind(counter).bind(now).bind(id);
    connection.execute(note).await.map(|changed| changed == 1)
}

pub(crate) async fn name_passkey(connection: &mut Connection, id: &str, name: &str) -> Result<(), StoreError> {
    connection.execute(Sql::new("UPDATE passkeys SET name = $1 WHERE id = $2").bind(name).bind(id)).await.map(|_| ())
}

pub(crate) async fn remove_passkey(connection: &mut Connection, id: &str) -> Result<(), StoreError> {
    connection.execute(Sql::new("DELETE FROM passkeys WHERE id = $1").bind(id)).await.map(|_| ())
}

pub(crate) async fn remove_passkeys_of(connection: &mut Connection, principal: u64) -> Result<u64, StoreError> {
    connection.execute(Sql::new("DELETE FROM passkeys WHERE principal = $1").bind(principal)).await
}

/// A recovery code that was not used: its place and its argon2id.
pub(crate) async fn recovery_codes(
    connection: &mut Connection,
    principal: u64,
) -> Result<Vec<(i64, String)>, StoreError> {
    let query =
        "SELECT place, code FROM recovery_codes WHERE principal = $1 AND used_at IS NULL ORDER BY place LIMIT 100";
    connection.load(Sql::new(query).bind(principal)).await
}

/// Puts these codes in the place of all that there were.
pub(crate) async fn set_recovery_codes(
    connection: &mut Connection,
    principal: u64,
    codes: &[String],
) -> Result<(), StoreError> {
    connection.execute(Sql::new("DELETE FROM recovery_codes WHERE principal = $1").bind(principal)).await?;
    for (place, code) in (1_i64..).zip(codes) {
        let insert = Sql::new("INSERT INTO recovery_codes (principal, place, code) VALUES ($1, $2, $3)");
        connection.execute(insert.bind(principal).bind(place).bind(code.as_str())).await?;
    }
    Ok(())
}

/// Notes that a code was used; false if it was before.
pub(crate) async fn use_recovery_code(
    connection: &mut Connection,
    principal: u64,
    place: i64,
    now: i64,
) -> Result<bool, StoreError> {
    let note = "UPDATE recovery_codes SET used_at = $1 WHERE principal = $2 AND place = $3 AND used_at IS NULL";
    connection.execute(Sql::new(note).bind(now).bind(principal).bind(place)).await.map(|changed| changed == 1)
}

/// Who agreed to which text. It tells of persons, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ConsentRow {
    pub(crate) number: u64,
    pub(crate) at: i64,
    pub(crate) principal: u64,
    pub(crate) document: String,
    pub(crate) version: String,
    pub(crate) language: String,
    pub(crate) text: Vec<u8>,
    pub(crate) agreed: bool,
    pub(crate) credential: String,
    pub(crate) address: String,
}

impl FromRow for ConsentRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: unsigned(row, 0)?,
            at: row.get(1)?,
            principal: unsigned(row, 2)?,
            document: row.get(3)?,
            version: row.get(4)?,
            language: row.get(5)?,
            text: row.get(6)?,
            agreed: row.get(7)?,
            credential: row.get(8)?,
            address: row.get(9)?,
        })
    }
}

/// Consents of a principal, newest first, below `before`.
pub(crate) async fn consents(
    connection: &mut Connection,
    principal: u64,
    before: u64,
    limit: u32,
) -> Result<Vec<ConsentRow>, StoreError> {
    let query = "SELECT number, at, principal, document, version, language, text, agreed, credential, address
        FROM consents WHERE principal = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
    connection.load(Sql::new(query).bind(principal).bind(before).bind(limit)).await
}

pub(crate) async fn insert_consent(connection: &mut Connection, row: &ConsentRow) -> Result<(), StoreError> {
    let insert = "INSERT INTO consents (number, at, principal, document, version, language, text, agreed, credential,
        address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let insert = Sql::new(insert).bind(row.number).bind(row.at).bind(row.principal).bind(row.document.as_str());
    let insert = insert.bind(row.version.as_str()).bind(row.language.as_str()).bind(row.text.clone());
    let insert = insert.bind(row.agreed).bind(row.credential.as_str()).bind(row.address.as_str());
    connection.execute(insert).await.map(|_| ())
}

/// A change of roles and accounts that one asks for and another decides. It tells of persons, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RoleChangeRow {
    pub(crate) number: u64,
    pub(crate) principal: u64,
    pub(crate) roles: String,
    pub(crate) accounts: String,
    pub(crate) reason: String,
    pub(crate) proposed_by: u64,
    pub(crate) proposed_at: i64,
    pub(crate) state: String,
    pub(crate) decided_by: Option<u64>,
    pub(crate) decided_at: Option<i64>,
}

macro_rules! role_change_sql {
    ($rest:literal) => {
        concat!(
            "SELECT number, principal, roles, accounts, reason, proposed_by, proposed_at, state,
    decided_by, decided_at FROM role_changes",
            $rest
        )
    };
}

impl FromRow for RoleChangeRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: unsigned(row, 0)?,
            principal: unsigned(row, 1)?,
            roles: row.get(2)?,
            accounts: row.get(3)?,
            reason: row.get(4)?,
            proposed_by: unsigned(row, 5)?,
            proposed_at: row.get(6)?,
            state: row.get(7)?,
            decided_by: unsigned_or_none(row, 8)?,
            decided_at: row.get(9)?,
        })
    }
}

/// Changes, newest first, below `before`.
pub(crate) async fn role_changes(
    connection: &mut Connection,
    before: u64,
    limit: u32,
) -> Result<Vec<RoleChangeRow>, StoreError> {
    let query = role_change_sql!(" WHERE number < $1 ORDER BY number DESC LIMIT $2");
    connection.load(Sql::new(query).bind(before).bind(limit)).await
}

pub(crate) async fn role_change(connection: &mut Connection, number: u64) -> Result<Option<RoleChangeRow>, StoreError> {
    connection.find(Sql::new(role_change_sql!(" WHERE number = $1")).bind(number)).await
}

pub(crate) async fn insert_role_change(connection: &mut Connection, row: &RoleChangeRow) -> Result<(), StoreError> {
    let insert =
        "INSERT INTO role_changes (number, principal, roles, accounts, reason, proposed_by, proposed_at, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let insert = Sql::new(insert).bind(row.number).bind(row.principal).bind(row.roles.as_str());
    let insert = insert.bind(row.accounts.as_str()).bind(row.reason.as_str()).bind(row.proposed_by);
    connection.execute(insert.bind(row.proposed_at).bind(row.state.as_str())).await.map(|_| ())
}

/// Decides a change; false if it was decided before.
pub(crate) async fn decide_role_change(
    connection: &mut Connection,
    number: u64,
    (state, by, now): (&'static str, u64, i64),
) -> Result<bool, StoreError> {
    let decide = "UPDATE role_changes SET state = $1, decided_by = $2, decided_at = $3
        WHERE number = $4 AND state = 'proposed'";
    let decide = Sql::new(decide).bind(state).bind(by).bind(now).bind(number);
    connection.execute(decide).await.map(|changed| changed == 1)
}

/// A review of who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReviewRow {
    pub(crate) number: u64,
    pub(crate) begun_by: u64,
    pub(crate) begun_at: i64,
    pub(crate) due_at: i64,
    /// Items that nobody has decided.
    pub(crate) open: u64,
}

impl FromRow for ReviewRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: unsigned(row, 0)?,
            begun_by: unsigned(row, 1)?,
            begun_at: row.get(2)?,
            due_at: row.get(3)?,
            open: unsigned(row, 4)?,
        })
    }
}

macro_rules! review_sql {
    ($rest:literal) => {
        concat!(
            "SELECT r.number, r.begun_by, r.begun_at, r.due_at, (SELECT count(*) FROM review_items i
    WHERE i.review = r.number AND i.state = 'open') FROM reviews r",
            $rest
        )
    };
}

/// Reviews, newest first, below `before`.
pub(crate) async fn reviews(
    connection: &mut Connection,
    before: u64,
    limit: u32,
) -> Result<Vec<ReviewRow>, StoreError> {
    let query = review_sql!(" WHERE r.number < $1 ORDER BY r.number DESC LIMIT $2");
    connection.load(Sql::new(query).bind(before).bind(limit)).await
}

pub(crate) async fn review(connection: &mut Connection, number: u64) -> Result<Option<ReviewRow>, StoreError> {
    connection.find(Sql::new(review_sql!(" WHERE r.number = $1")).bind(number)).await
}

/// One user of a review, as they were when it began. It tells of persons, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReviewItemRow {
    pub(crate) principal: u64,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) roles: String,
    pub(crate) accounts: String,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) state: String,
    pub(crate) decided_by: Option<u64>,
    pub(crate) decided_at: Option<i64>,
}

impl FromRow for ReviewItemRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            principal: unsigned(row, 0)?,
            name: row.get(1)?,
            kind: row.get(2)?,
            roles: row.get(3)?,
            accounts: row.get(4)?,
            last_used_at: row.get(5)?,
            state: row.get(6)?,
            decided_by: unsigned_or_none(row, 7)?,
            decided_at: row.get(8)?,
        })
    }
}

/// Items of a review with a greater principal than `after`, ascending.
pub(crate) async fn review_items(
    connection: &mut Connection,
    review: u64,
    after: u64,
    limit: u32,
) -> Result<Vec<ReviewItemRow>, StoreError> {
    let query = "SELECT principal, name, kind, roles, accounts, last_used_at, state, decided_by, decided_at
        FROM review_items WHERE review = $1 AND principal > $2 ORDER BY principal LIMIT $3";
    connection.load(Sql::new(query).bind(review).bind(after).bind(limit)).await
}

/// Begins a review of all staff who may come in; tells how many there are.
pub(crate) async fn begin_review(connection: &mut Connection, row: &ReviewRow) -> Result<u64, StoreError> {
    let insert = "INSERT INTO reviews (number, begun_by, begun_at, due_at) VALUES ($1, $2, $3, $4)";
    let insert = Sql::new(insert).bind(row.number).bind(row.begun_by).bind(row.begun_at).bind(row.due_at);
    connection.execute(insert).await?;
    let items = "INSERT INTO review_items (review, principal, name, kind, roles, accounts, last_used_at, state)
        SELECT $1, p.id, p.name, p.kind, p.roles, p.accounts,
            (SELECT max(s.used_at) FROM sessions s WHERE s.principal = p.id), 'open'
        FROM principals p WHERE (p.kind = 'staff' OR p.kind = 'partner') AND p.disabled = $2";
    connection.execute(Sql::new(items).bind(row.number).bind(false)).await
}

/// Decides one item; false if it was decided before or is not there.
pub(crate) async fn decide_item(
    connection: &mut Connection,
    (review, principal): (u64, u64),
    (state, by, now): (&'static str, u64, i64),
) -> Result<bool, StoreError> {
    let decide = "UPDATE review_items SET state = $1, decided_by = $2, decided_at = $3
        WHERE review = $4 AND principal = $5 AND state = 'open'";
    let decide = Sql::new(decide).bind(state).bind(by).bind(now).bind(review).bind(principal);
    connection.execute(decide).await.map(|changed| changed == 1)
}

/// What a person confirmed with a fresh proof.
pub(crate) struct StepUpRow<'a> {
    pub(crate) number: u64,
    pub(crate) at: i64,
    pub(crate) principal: u64,
    pub(crate) session: u64,
    pub(crate) operation: &'a str,
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: [u8; 32],
    pub(crate) english: &'a str,
    pub(crate) chinese: &'a str,
    pub(crate) means: &'a str,
    pub(crate) passkey: &'a str,
    pub(crate) assertion: &'a str,
}

pub(crate) async fn insert_step_up(connection: &mut Connection, row: &StepUpRow<'_>) -> Result<(), StoreError> {
    let insert = "INSERT INTO step_ups (number, at, principal, session, operation, method, target, body, english,
        chinese, means, passkey, assertion) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let insert = Sql::new(insert).bind(row.number).bind(row.at).bind(row.principal).bind(row.session);
    let insert = insert.bind(row.operation).bind(row.method).bind(row.target).bind(row.body.to_vec());
    let insert = insert.bind(row.english).bind(row.chinese).bind(row.means).bind(row.passkey).bind(row.assertion);
    connection.execute(insert).await.map(|_| ())
}

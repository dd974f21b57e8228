//! The owned tables of this service, and every question that it asks them. Secrets enter and leave the tables in
//! the store's [`Seals`] alone.

use std::collections::BTreeMap;

use heng_security::evidence::{Algorithm, KEY_LEN, NoteSigner, SECRET_LEN, VerifierKey};
use heng_store::{Connection, FromRow, Migration, OwnedStore, Row, Seals, Sql, StoreError, insert_rows, load_rows};
use zeroize::Zeroizing;

use crate::error::{ComplianceError, Result};

/// Steps of the tables.
pub(crate) const MIGRATIONS: [Migration; 2] = [
    Migration { version: 1, name: "keys of the evidence log", sql: include_str!("tables.sql") },
    Migration { version: 2, name: "legal holds and exports", sql: include_str!("protection_tables.sql") },
];
/// Rows of a list at most.
const LIST_MAX: i64 = 1_000;
/// Runs of actions that are read at once.
const PLACES_MAX: i64 = 10_000;

/// What overwrites a key: as long as a sealed one, so that the row stays in its place.
const SEALED_LEN: usize = KEY_LEN + 44;

/// A client and a year.
pub(crate) type KeyOf = (u64, u32);
/// A client's key.
pub(crate) type ClientKey = Zeroizing<[u8; KEY_LEN]>;

const CLIENT_KEYS: &str = "compliance/client-keys";
const SIGNING_KEYS: &str = "compliance/signing-keys";
/// Rows that are sealed in one change.
const SEALED_PAGE: i64 = 500;

/// The secret that stands in the tables.
fn unseal<const N: usize>(
    seals: &Seals,
    (table, about): (&'static str, &str),
    stored: Vec<u8>,
) -> Result<Zeroizing<[u8; N]>> {
    let stored = seals.unseal(table, about, stored)?;
    let secret = <[u8; N]>::try_from(stored.as_slice());
    secret.map(Zeroizing::new).map_err(|_| ComplianceError::Damaged("a key in the tables has another length".into()))
}

/// What the sealed key of a client and a year is bound to.
fn about((client, period): KeyOf) -> String {
    format!("{client} {period}")
}

/// Seals what was written before there were keys.
pub(crate) async fn seal_all(store: &OwnedStore) -> Result<()> {
    let seals = store.seals();
    if !seals.are_there() {
        return Ok(());
    }
    let mut change = store.begin().await?;
    let plain = "SELECT number, verifier, secret FROM signing_keys WHERE length(secret) <= 44 ORDER BY number LIMIT $1";
    let rows: Vec<(i64, String, Vec<u8>)> = change.connection().load(Sql::new(plain).bind(LIST_MAX)).await?;
    for (number, verifier, secret) in rows {
        let sealed = seals.seal(SIGNING_KEYS, &verifier, &secret)?;
        let update = Sql::new("UPDATE signing_keys SET secret = $1 WHERE number = $2").bind(sealed).bind(number);
        change.connection().execute(update).await?;
    }
    change.commit().await?;
    while seal_client_keys(store).await? {}
    Ok(())
}

/// Seals a page of clients' keys; answers whether there were any.
async fn seal_client_keys(store: &OwnedStore) -> Result<bool> {
    let mut change = store.begin().await?;
    let plain = "SELECT client, period, secret FROM client_keys WHERE length(secret) <= 44 LIMIT $1";
    let rows: Vec<ClientKeyRow> = change.connection().load(Sql::new(plain).bind(SEALED_PAGE)).await?;
    for ClientKeyRow(of, secret) in &rows {
        let sealed = store.seals().seal(CLIENT_KEYS, &about(*of), secret)?;
        let update = Sql::new("UPDATE client_keys SET secret = $1 WHERE client = $2 AND period = $3").bind(sealed);
        change.connection().execute(update.bind(of.0.cast_signed()).bind(i64::from(of.1))).await?;
    }
    change.commit().await?;
    Ok(!rows.is_empty())
}

fn unsigned(row: &Row, place: usize) -> std::result::Result<u64, StoreError> {
    row.get::<i64>(place).map(i64::cast_unsigned)
}

// ---------------------------------------------------------------- settings and signing keys

pub(crate) async fn setting(connection: &mut Connection, name: &str) -> Result<Option<String>> {
    let row: Option<(String,)> =
        connection.find(Sql::new("SELECT value FROM settings WHERE name = $1").bind(name)).await?;
    Ok(row.map(|(value,)| value))
}

pub(crate) async fn set(connection: &mut Connection, name: &str, value: &str) -> Result<()> {
    let text =
        "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection.execute(Sql::new(text).bind(name).bind(value)).await?;
    Ok(())
}

/// A signing key as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) verifier: VerifierKey,
    pub(crate) created_at: i64,
    pub(crate) retired_at: Option<i64>,
}

/// All signing keys, newest first, without secrets.
pub(crate) async fn keys(connection: &mut Connection) -> Result<Vec<KeyRow>> {
    let text = "SELECT verifier, created_at, retired_at FROM signing_keys ORDER BY number DESC LIMIT $1";
    let rows: Vec<(String, i64, Option<i64>)> = connection.load(Sql::new(text).bind(LIST_MAX)).await?;
    let key = |(verifier, created_at, retired_at): (String, _, _)| {
        Ok(KeyRow { verifier: verifier.parse()?, created_at, retired_at })
    };
    rows.into_iter().map(key).collect()
}

/// The keys that sign now.
pub(crate) async fn signers(connection: &mut Connection, seals: &Seals) -> Result<Vec<NoteSigner>> {
    let text = "SELECT name, algorithm, verifier, secret FROM signing_keys WHERE retired_at IS NULL ORDER BY number";
    let rows: Vec<(String, String, String, Vec<u8>)> = connection.load(text).await?;
    let signer = |(name, algorithm, verifier, secret): (String, String, String, Vec<u8>)| {
        let unknown = || ComplianceError::Damaged(format!("the key {name} is of the unknown kind {algorithm}"));
        let algorithm = Algorithm::of_name(&algorithm).ok_or_else(unknown)?;
        Ok(NoteSigner::new(&name, algorithm, *unseal::<SECRET_LEN>(seals, (SIGNING_KEYS, &verifier), secret)?)?)
    };
    rows.into_iter().map(signer).collect()
}

pub(crate) async fn add_signer(
    connection: &mut Connection,
    seals: &Seals,
    verifier: &VerifierKey,
    secret: &[u8; SECRET_LEN],
    now: i64,
) -> Result<()> {
    let text = "INSERT INTO signing_keys (number, name, algorithm, verifier, secret, created_at) \
                SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5 FROM signing_keys";
    let insert = Sql::new(text).bind(verifier.name()).bind(verifier.algorithm().name()).bind(verifier.to_string());
    let sealed = seals.seal(SIGNING_KEYS, &verifier.to_string(), secret)?;
    connection.execute(insert.bind(sealed).bind(now)).await?;
    Ok(())
}

pub(crate) async fn retire_signers(connection: &mut Connection, now: i64) -> Result<()> {
    let text = "UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL";
    connection.execute(Sql::new(text).bind(now)).await?;
    Ok(())
}

// ---------------------------------------------------------------- clients' keys

struct ClientKeyRow(KeyOf, Vec<u8>);

impl FromRow for ClientKeyRow {
    fn from_row(row: &Row) -> std::result::Result<Self, StoreError> {
        let period = u32::try_from(row.get::<i64>(1)?).unwrap_or(0);
        Ok(Self((unsigned(row, 0)?, period), row.get(2)?))
    }
}

struct DestroyedRow(KeyOf);

impl FromRow for DestroyedRow {
    fn from_row(row: &Row) -> std::result::Result<Self, StoreError> {
        Ok(Self((unsigned(row, 0)?, u32::try_from(row.get::<i64>(1)?).unwrap_or(0))))
    }
}

/// What is known of these keys: `None` of a destroyed one; nothing of one that was never made.
pub(crate) async fn client_keys(
    connection: &mut Connection,
    seals: &Seals,
    wanted: &[KeyOf],
) -> Result<BTreeMap<KeyOf, Option<ClientKey>>> {
    let head = ("SELECT client, period, secret FROM client_keys", "(client, period)");
    let push = |values: &mut heng_store::RowValues<'_>, (client, period): &KeyOf| {
        values.push_bind(client.cast_signed()).push_bind(i64::from(*period));
    };
    let mut known = BTreeMap::new();
    for ClientKeyRow(of, secret) in load_rows(connection, head, 2, wanted, push).await? {
        known.insert(of, Some(unseal::<KEY_LEN>(seals, (CLIENT_KEYS, &about(of)), secret)?));
    }
    let head = ("SELECT client, period FROM destroyed_keys", "(client, period)");
    for DestroyedRow(of) in load_rows(connection, head, 2, wanted, push).await? {
        known.insert(of, None);
    }
    Ok(known)
}

pub(crate) async fn add_client_keys(
    connection: &mut Connection,
    seals: &Seals,
    keys: &[(KeyOf, ClientKey)],
) -> Result<()> {
    let sealed = keys.iter().map(|(of, secret)| Ok((*of, seals.seal(CLIENT_KEYS, &about(*of), secret.as_slice())?)));
    let sealed = sealed.collect::<Result<Vec<(KeyOf, Vec<u8>)>>>()?;
    let head = ("INSERT INTO client_keys (client, period, secret)", "");
    insert_rows(connection, head, 3, &sealed, |values, ((client, period), secret)| {
        values.push_bind(client.cast_signed()).push_bind(i64::from(*period)).push_bind(secret.clone());
    })
    .await?;
    Ok(())
}

/// Destroys the keys of a client up to a year; tells how many there were. They are overwritten before they go.
pub(crate) async fn destroy_client_keys(
    connection: &mut Connection,
    client: u64,
    through: u32,
    destruction: u64,
) -> Result<u64> {
    let which = "WHERE client = $1 AND period <= $2";
    let about = |text: String| {
        let mut sql = Sql::new("");
        sql.push(&text);
        sql.bind(client.cast_signed()).bind(i64::from(through))
    };
    let remember = "INSERT INTO destroyed_keys (client, period, destruction) \
                    SELECT client, period, $3 FROM client_keys WHERE client = $1 AND period <= $2";
    let remember = Sql::new(remember).bind(client.cast_signed()).bind(i64::from(through)).bind(destruction);
    let count = connection.execute(remember).await?;
    connection.execute(about(format!("UPDATE client_keys SET secret = $3 {which}")).bind(vec![0; SEALED_LEN])).await?;
    connection.execute(about(format!("DELETE FROM client_keys {which}"))).await?;
    Ok(count)
}

// ---------------------------------------------------------------- destructions

/// A lawful deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestructionRow {
    pub(crate) number: u64,
    pub(crate) client: u64,
    pub(crate) through: u32,
    pub(crate) basis: String,
    pub(crate) requested_by: u64,
    pub(crate) requested_at: i64,
    pub(crate) approved_by: u64,
    pub(crate) approved_at: i64,
    pub(crate) keys: u64,
}

impl FromRow for DestructionRow {
    fn from_row(row: &Row) -> std::result::Result<Self, StoreError> {
        Ok(Self {
            number: unsigned(row, 0)?,
            client: unsigned(row, 1)?,
            through: u32::try_from(row.get::<i64>(2)?).unwrap_or(0),
            basis: row.get(3)?,
            requested_by: unsigned(row, 4)?,
            requested_at: row.get(5)?,
            approved_by: unsigned(row, 6)?,
            approved_at: row.get(7)?,
            keys: unsigned(row, 8)?,
        })
    }
}

const DESTRUCTIONS: &str = "SELECT number, client, through_period, basis, requested_by, requested_at, approved_by, \
                            approved_at, keys_destroyed FROM destructions";

pub(crate) async fn add_destruction(connection: &mut Connection, row: &DestructionRow) -> Result<u64> {
    let (last,): (i64,) =
        connection.find("SELECT COALESCE(MAX(number), 0) FROM destructions").await?.unwrap_or_default();
    let text = "INSERT INTO destructions (number, client, through_period, basis, requested_by, requested_at, \
                approved_by, approved_at, keys_destroyed) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0)";
    let insert = Sql::new(text).bind(last + 1).bind(row.client.cast_signed()).bind(i64::from(row.through));
    connection.execute(insert.bind(row.basis.as_str()).bind(row.requested_by).bind(row.requested_at)).await?;
    Ok((last + 1).cast_unsigned())
}

pub(crate) async fn destruction(connection: &mut Connection, number: u64) -> Result<Option<DestructionRow>> {
    let mut sql = Sql::new(DESTRUCTIONS);
    sql.push(" WHERE number = $1");
    Ok(connection.find(sql.bind(number)).await?)
}

pub(crate) async fn destructions(connection: &mut Connection) -> Result<Vec<DestructionRow>> {
    let mut sql = Sql::new(DESTRUCTIONS);
    sql.push(" ORDER BY number DESC LIMIT $1");
    Ok(connection.load(sql.bind(LIST_MAX)).await?)
}

pub(crate) async fn approve(connection: &mut Connection, row: &DestructionRow) -> Result<()> {
    let text = "UPDATE destructions SET approved_by = $2, approved_at = $3, keys_destroyed = $4 WHERE number = $1";
    let update = Sql::new(text).bind(row.number).bind(row.approved_by).bind(row.approved_at).bind(row.keys);
    connection.execute(update).await?;
    Ok(())
}

// ---------------------------------------------------------------- places of actions

/// Actions `first..=last` stand behind the command `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActionPlace {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) after: u64,
}

impl FromRow for ActionPlace {
    fn from_row(row: &Row) -> std::result::Result<Self, StoreError> {
        Ok(Self { first: unsigned(row, 0)?, last: unsigned(row, 1)?, after: unsigned(row, 2)? })
    }
}

/// Places of the actions above `number`, ascending; a page.
pub(crate) async fn places_after(connection: &mut Connection, number: u64) -> Result<Vec<ActionPlace>> {
    let text = "SELECT first_action, last_action, after_sequence FROM action_places WHERE first_action > $1 \
                ORDER BY first_action LIMIT $2";
    Ok(connection.load(Sql::new(text).bind(number).bind(PLACES_MAX)).await?)
}

/// Where an action stands, if it is in the log.
pub(crate) async fn place_of(connection: &mut Connection, action: u64) -> Result<Option<ActionPlace>> {
    let text = "SELECT first_action, last_action, after_sequence FROM action_places WHERE first_action <= $1 \
                ORDER BY first_action DESC LIMIT 1";
    let found: Option<ActionPlace> = connection.find(Sql::new(text).bind(action)).await?;
    Ok(found.filter(|place| place.last >= action))
}

pub(crate) async fn add_place(connection: &mut Connection, place: ActionPlace) -> Result<()> {
    let text = "INSERT INTO action_places (first_action, last_action, after_sequence) VALUES ($1, $2, $3)";
    connection.execute(Sql::new(text).bind(place.first).bind(place.last).bind(place.after)).await?;
    Ok(())
}

//! The system of record: migrations, commits, separate files.

use heng_store::{Migration, OwnedStore, StoreError, StoreOptions, StoreUrl};
use sqlx::Row as _;

const FIRST: Migration = Migration { version: 1, name: "notes", sql: "CREATE TABLE notes (id BIGINT PRIMARY KEY)" };
const SECOND: Migration =
    Migration { version: 2, name: "text", sql: "ALTER TABLE notes ADD COLUMN text TEXT NOT NULL DEFAULT 'none'" };

async fn first_note(store: &OwnedStore) -> Option<String> {
    let mut reader = store.read().await.expect("a reader");
    let row = sqlx::query("SELECT text FROM notes WHERE id = 1").fetch_optional(&mut *reader).await.expect("a query");
    row.map(|row| row.get(0))
}

#[tokio::test]
async fn steps_are_applied_once_and_never_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = StoreOptions::at(folder.path().join("owned.db"));
    let store = OwnedStore::open(&options, &[FIRST]).await.expect("it opens");
    let mut change = store.begin().await.expect("a change");
    sqlx::query("INSERT INTO notes VALUES (1)").execute(&mut *change).await.expect("a row");
    change.commit().await.expect("a commit");
    store.close().await;

    let store = OwnedStore::open(&options, &[FIRST, SECOND]).await.expect("the second step is applied");
    assert_eq!(first_note(&store).await.as_deref(), Some("none"));
    store.close().await;

    let changed = Migration { sql: "CREATE TABLE other (id BIGINT PRIMARY KEY)", ..FIRST };
    let refused = OwnedStore::open(&options, &[changed, SECOND]).await;
    assert!(matches!(refused, Err(StoreError::Migrate { .. })), "a changed step is refused");
    let older = OwnedStore::open(&options, &[FIRST]).await;
    assert!(matches!(older, Err(StoreError::Migrate { .. })), "a file of a newer version is refused");
}

#[tokio::test]
async fn a_dropped_change_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store =
        OwnedStore::open(&StoreOptions::at(folder.path().join("owned.db")), &[FIRST, SECOND]).await.expect("it opens");
    let mut change = store.begin().await.expect("a change");
    sqlx::query("INSERT INTO notes VALUES (1, 'x')").execute(&mut *change).await.expect("a row");
    drop(change);
    assert_eq!(first_note(&store).await, None);
    let mut row = store.begin().await.expect("the writer is free again");
    let mode = sqlx::query("PRAGMA synchronous").fetch_one(&mut *row).await.expect("a pragma");
    assert_eq!(mode.get::<i64, _>(0), 2, "owned tables are synced in full");
}

#[test]
fn addresses_are_told_apart() {
    let check = |url: &str| url.parse::<StoreUrl>().map_err(|error| error.to_string());
    assert_eq!(check("sqlite:/data/x.db"), Ok(StoreUrl::Sqlite("/data/x.db".into())));
    assert!(check("postgres://h/db").unwrap_err().contains("PostgreSQL is not built into this version"));
    assert!(check("sqlite::memory:").unwrap_err().contains("a store needs a file"));
    assert!(check("mysql://x").unwrap_err().contains("expected sqlite:PATH"));
}

//! Rows and position move together, or not at all.

use heng_store::{DerivedStore, Opened, Position, Schema, StoreError, StoreOptions, insert_rows, load_rows};
use sqlx::Row as _;
use tempfile::TempDir;

const SCHEMA: Schema =
    Schema { view: "notes", version: 1, sql: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT NOT NULL);" };

fn folder() -> (TempDir, StoreOptions) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = StoreOptions::at(folder.path().join("inner/notes.db"));
    (folder, options)
}

async fn open(options: &StoreOptions) -> (DerivedStore, Opened) {
    DerivedStore::open(options, SCHEMA).await.expect("the store opens")
}

async fn add(store: &DerivedStore, ids: std::ops::Range<i64>, to: Position) -> Result<(), StoreError> {
    let mut batch = store.begin().await?;
    let rows: Vec<i64> = ids.collect();
    insert_rows(batch.connection(), ("INSERT INTO notes (id, text)", ""), 2, &rows, |values, id| {
        values.push_bind(*id).push_bind(format!("note {id}"));
    })
    .await?;
    batch.commit(to).await
}

async fn count(store: &DerivedStore) -> (i64, u64) {
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let row = sqlx::query("SELECT count(*) FROM notes").fetch_one(snapshot.connection()).await.expect("rows");
    (row.get(0), snapshot.as_of())
}

#[tokio::test]
async fn a_store_goes_on_where_it_committed() {
    let (_folder, options) = folder();
    let (store, opened) = open(&options).await;
    assert_eq!(opened, Opened::New);
    assert_eq!(count(&store).await, (0, 0));
    add(&store, 0..10_000, Position::after(7)).await.expect("a batch of more rows than one statement takes");
    store.close().await;
    let (store, opened) = open(&options).await;
    assert_eq!(opened, Opened::Resumed(Position { sequence: 8, index: 0 }));
    assert_eq!(count(&store).await, (10_000, 7));
}

#[tokio::test]
async fn a_batch_that_fails_leaves_neither_rows_nor_position() {
    let (_folder, options) = folder();
    let (store, _) = open(&options).await;
    add(&store, 5..6, Position::after(1)).await.expect("one row");
    let doubled = add(&store, 0..10, Position::after(2)).await;
    assert!(matches!(doubled, Err(StoreError::Sql { .. })), "{doubled:?}");
    assert_eq!(count(&store).await, (1, 1));
    drop(store.begin().await.expect("the writer is free again"));
    assert_eq!(count(&store).await, (1, 1));
}

#[tokio::test]
async fn a_reader_sees_one_position_while_the_writer_goes_on() {
    let (_folder, options) = folder();
    let (store, _) = open(&options).await;
    add(&store, 0..5, Position::after(1)).await.expect("rows");
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    add(&store, 5..9, Position { sequence: 3, index: 4 }).await.expect("the writer does not wait for readers");
    let row = sqlx::query("SELECT count(*) FROM notes").fetch_one(snapshot.connection()).await.expect("rows");
    assert_eq!((row.get::<i64, _>(0), snapshot.as_of()), (5, 1));
    assert_eq!(count(&store).await, (9, 2));
    assert_eq!(store.position().await.expect("a position"), Position { sequence: 3, index: 4 });
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_folder, options) = folder();
    let (store, _) = open(&options).await;
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let written = sqlx::query("INSERT INTO notes VALUES (1, 'x')").execute(snapshot.connection()).await;
    assert!(written.is_err());
}

#[tokio::test]
async fn tables_of_another_version_are_made_again() {
    let (_folder, options) = folder();
    let (store, _) = open(&options).await;
    add(&store, 0..5, Position::after(9)).await.expect("rows");
    store.close().await;
    let newer = Schema { version: 2, sql: "CREATE TABLE notes (id BIGINT PRIMARY KEY);", ..SCHEMA };
    let (store, opened) = DerivedStore::open(&options, newer).await.expect("the store opens");
    assert_eq!(opened, Opened::Outdated(1));
    assert_eq!(count(&store).await, (0, 0));
    store.close().await;
    let store = DerivedStore::rebuild(&options, SCHEMA).await.expect("the store is made again");
    assert_eq!(count(&store).await, (0, 0));
}

#[tokio::test]
async fn rows_are_found_by_keys_of_two_columns() {
    let (_folder, options) = folder();
    let (store, _) = open(&options).await;
    add(&store, 0..5_000, Position::after(1)).await.expect("rows");
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let keys: Vec<(i64, String)> = (4_000..9_000).map(|id| (id, format!("note {}", id / 2 * 2))).collect();
    let select = ("SELECT id, text FROM notes", "(id, text)");
    let found: Vec<(i64, String)> = load_rows(snapshot.connection(), select, 2, &keys, |values, (id, text)| {
        values.push_bind(*id).push_bind(text.clone());
    })
    .await
    .expect("rows");
    assert_eq!(found.len(), 500);
    assert!(found.iter().all(|(id, _)| id % 2 == 0));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let (_folder, options) = folder();
    std::fs::create_dir_all(options.path.parent().expect("it has a folder")).expect("the folder");
    std::fs::write(&options.path, vec![b'x'; 8_192]).expect("the file");
    let opened = DerivedStore::open(&options, SCHEMA).await;
    assert!(matches!(opened, Err(StoreError::Sql { .. })));
}

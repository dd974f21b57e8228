//! Rows and position move together, or not at all.

use std::ops::Range;

use heng_store::{DerivedStore, Opened, OwnedStore, Position, Schema, StoreError, StoreOptions, insert_rows};

use crate::Places;

pub(crate) const SCHEMA: Schema = Schema {
    view: "notes",
    version: 1,
    sql: "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
        CREATE INDEX notes_by_text ON notes (text) WHERE id > 0;",
};

async fn open(options: &StoreOptions) -> (DerivedStore, Opened) {
    DerivedStore::open(options, SCHEMA).await.expect("the store opens")
}

async fn add(store: &DerivedStore, ids: Range<i64>, to: Position) -> Result<(), StoreError> {
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
    let found: Option<(i64,)> = snapshot.connection().find("SELECT count(*) FROM notes").await.expect("a count");
    (found.expect("a row").0, snapshot.as_of())
}

pub(crate) async fn a_store_goes_on_where_it_committed(places: &Places) {
    let options = places.store("notes");
    let (store, opened) = open(&options).await;
    assert_eq!(opened, Opened::New);
    assert_eq!(count(&store).await, (0, 0));
    add(&store, 0..10_000, Position::after(7)).await.expect("a batch of more rows than one statement takes");
    store.close().await;
    let (store, opened) = open(&options).await;
    assert_eq!(opened, Opened::Resumed(Position { sequence: 8, index: 0 }));
    assert_eq!(count(&store).await, (10_000, 7));
    store.close().await;
}

pub(crate) async fn a_failed_batch_leaves_neither_rows_nor_position(places: &Places) {
    let (store, _) = open(&places.store("notes")).await;
    add(&store, 5..6, Position::after(1)).await.expect("one row");
    let doubled = add(&store, 0..10, Position::after(2)).await;
    assert!(matches!(doubled, Err(StoreError::Sql { .. })), "{doubled:?}");
    assert_eq!(count(&store).await, (1, 1));
    drop(store.begin().await.expect("the writer is free again"));
    assert_eq!(count(&store).await, (1, 1));
    store.close().await;
}

pub(crate) async fn a_reader_sees_one_position_while_the_writer_goes_on(places: &Places) {
    let (store, _) = open(&places.store("notes")).await;
    add(&store, 0..5, Position::after(1)).await.expect("rows");
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    add(&store, 5..9, Position { sequence: 3, index: 4 }).await.expect("the writer does not wait for readers");
    let found: Option<(i64,)> = snapshot.connection().find("SELECT count(*) FROM notes").await.expect("a count");
    assert_eq!((found, snapshot.as_of()), (Some((5,)), 1));
    drop(snapshot);
    assert_eq!(count(&store).await, (9, 2));
    assert_eq!(store.position().await.expect("a position"), Position { sequence: 3, index: 4 });
    store.close().await;
}

pub(crate) async fn readers_cannot_write(places: &Places) {
    let (store, _) = open(&places.store("notes")).await;
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    assert!(snapshot.connection().execute("INSERT INTO notes (id, text) VALUES (1, 'x')").await.is_err());
    drop(snapshot);
    assert_eq!(count(&store).await, (0, 0));
    store.close().await;
}

pub(crate) async fn tables_of_another_version_are_made_again(places: &Places) {
    let options = places.store("notes");
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
    store.close().await;
}

pub(crate) async fn tables_without_a_version_are_made_again(places: &Places) {
    let options = places.store("notes");
    // Tables that nobody gave a position: an owned store left them here.
    OwnedStore::open(&options, &[]).await.expect("it opens").close().await;
    let (store, opened) = open(&options).await;
    assert_eq!(opened, Opened::Outdated(0));
    assert_eq!(count(&store).await, (0, 0));
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    assert!(snapshot.connection().rows("SELECT number FROM outbox").await.is_err(), "the old tables are gone");
    drop(snapshot);
    store.close().await;
}

pub(crate) async fn a_second_writer_is_found_out(places: &Places) {
    let options = places.store("notes");
    let (store, _) = open(&options).await;
    let mut batch = store.begin().await.expect("a batch");
    // As if another process had moved the position while this batch was open.
    batch.connection().execute("UPDATE view_position SET sequence = 9").await.expect("the position moves");
    let from = batch.from();
    let refused = batch.commit(Position::after(3)).await;
    assert!(matches!(refused, Err(StoreError::Moved { expected, .. }) if expected == from), "{refused:?}");
    assert_eq!(store.position().await.expect("a position"), Position::START);
    store.close().await;
}

/// Niceness of the threads of this process whose name begins with `prefix`.
#[cfg(target_os = "linux")]
fn niceness(prefix: &str) -> Vec<i64> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let of = |stat: String| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        // State is the first field behind the name, niceness the seventeenth.
        name.starts_with(prefix).then(|| rest.split_whitespace().nth(16)?.parse().ok()).flatten()
    };
    stats.filter_map(of).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_of_derived_tables_go_behind_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, _) = open(&heng_store::StoreUrl::Sqlite(folder.path().join("inner")).store("notes")).await;
    assert!(niceness("sqlite-").contains(&10), "{:?}", niceness("sqlite-"));
    store.close().await;
}

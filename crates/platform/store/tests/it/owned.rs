//! The system of record: steps, commits, outbox, write keys.

use std::time::Duration;

use heng_store::{Known, Migration, Outbox, OwnedStore, Publication, Sql, StoreError, WRITE_KEY_NANOS, WriteKey};

use crate::Places;

const FIRST: Migration =
    Migration { version: 1, name: "notes", sql: "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY);" };
const SECOND: Migration =
    Migration { version: 2, name: "text", sql: "ALTER TABLE notes ADD COLUMN text TEXT NOT NULL DEFAULT 'none';" };

async fn open(places: &Places) -> OwnedStore {
    OwnedStore::open(&places.store("notes"), &[FIRST, SECOND]).await.expect("the store opens")
}

async fn texts(store: &OwnedStore) -> Vec<String> {
    let mut look = store.read().await.expect("a look");
    let found: Vec<(String,)> = look.load("SELECT text FROM notes ORDER BY id").await.expect("rows");
    found.into_iter().map(|(text,)| text).collect()
}

async fn insert(store: &OwnedStore, id: i64, text: &str) -> Result<(), StoreError> {
    let mut change = store.begin().await?;
    let insert = Sql::new("INSERT INTO notes (id, text) VALUES ($1, $2)").bind(id).bind(text);
    change.connection().execute(insert).await?;
    change.commit().await
}

pub(crate) async fn steps_are_applied_once_and_never_changed(places: &Places) {
    let options = places.store("notes");
    let store = OwnedStore::open(&options, &[FIRST]).await.expect("it opens");
    let mut change = store.begin().await.expect("a change");
    change.connection().execute("INSERT INTO notes (id) VALUES (1)").await.expect("a row");
    change.commit().await.expect("a commit");
    store.close().await;

    let store = open(places).await;
    assert_eq!(texts(&store).await, ["none"]);
    store.close().await;

    let changed = Migration { sql: "CREATE TABLE other (id BIGINT PRIMARY KEY)", ..FIRST };
    let refused = OwnedStore::open(&options, &[changed, SECOND]).await.expect_err("a changed step is refused");
    assert!(refused.to_string().contains("step 1 of service: its text was changed"), "{refused}");
    let refused = OwnedStore::open(&options, &[FIRST]).await.expect_err("steps of a newer program are refused");
    assert!(refused.to_string().contains("step 2 of service: it was applied by a newer program"), "{refused}");
}

pub(crate) async fn a_step_that_fails_leaves_nothing(places: &Places) {
    let options = places.store("notes");
    let wrong = Migration { sql: "CREATE TABLE half (id BIGINT); CREATE TABLE half (id BIGINT);", ..SECOND };
    let refused = OwnedStore::open(&options, &[FIRST, wrong]).await.expect_err("the step fails");
    assert!(matches!(refused, StoreError::Migrate { version: 2, .. }), "{refused}");
    assert!(texts(&open(places).await).await.is_empty(), "the right steps apply afterwards");
}

pub(crate) async fn a_dropped_change_leaves_nothing(places: &Places) {
    let store = open(places).await;
    let mut change = store.begin().await.expect("a change");
    change.connection().execute("INSERT INTO notes (id, text) VALUES (1, 'x')").await.expect("a row");
    drop(change);
    assert!(texts(&store).await.is_empty());
    insert(&store, 1, "kept").await.expect("the writer is free again");
    assert_eq!(texts(&store).await, ["kept"]);
    store.close().await;
}

pub(crate) async fn commits_are_synced(places: &Places) {
    let store = open(places).await;
    let mut change = store.begin().await.expect("a change");
    if places.is_postgres() {
        let mode: Option<(String,)> = change.connection().find("SHOW synchronous_commit").await.expect("a setting");
        assert_eq!(mode, Some(("on".to_owned(),)));
    } else {
        let mode: Option<(i64,)> = change.connection().find("PRAGMA synchronous").await.expect("a pragma");
        assert_eq!(mode, Some((2,)), "2 = full");
    }
    drop(change);
    store.close().await;
}

pub(crate) async fn writers_take_turns(places: &Places) {
    let first = open(places).await;
    let second = open(places).await;
    let counted = |store: OwnedStore| async move {
        for _ in 0..20 {
            // Reads, then writes what it read plus one: two at once would lose a count.
            let mut change = store.begin().await.expect("a change");
            let found: Option<(i64,)> = change.connection().find("SELECT count(*) FROM notes").await.expect("a count");
            let id = found.expect("a row").0;
            change.connection().execute(Sql::new("INSERT INTO notes (id) VALUES ($1)").bind(id)).await.expect("a row");
            change.commit().await.expect("a commit");
        }
    };
    let both = async { tokio::join!(counted(first.clone()), counted(second.clone())) };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("nobody waits for ever");
    assert_eq!(texts(&first).await.len(), 40);
    first.close().await;
    second.close().await;
}

async fn publish(store: &OwnedStore, key: &str) -> u64 {
    let mut change = store.begin().await.expect("a change");
    let row = Publication { topic: "note.changed", key, payload: b"{\0}", created_at: 5 };
    let number = change.publish(row).await.expect("a row");
    change.commit().await.expect("a commit");
    number
}

async fn keys(outbox: &Outbox) -> Vec<(u64, String)> {
    outbox.next(10).await.expect("rows").into_iter().map(|row| (row.number, row.key)).collect()
}

pub(crate) async fn the_outbox_keeps_order_until_all_have_taken(places: &Places) {
    let store = open(places).await;
    let (fast, slow) = (store.outbox("fast"), store.outbox("slow"));
    fast.join().await.expect("it joins");
    slow.join().await.expect("it joins");
    for (key, number) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(publish(&store, key).await, number);
    }
    let all = vec![(1, "a".to_owned()), (2, "b".to_owned()), (3, "c".to_owned())];
    assert_eq!(keys(&fast).await, all);
    assert_eq!(keys(&fast).await, all, "what is not acknowledged comes again");
    let first = fast.next(1).await.expect("a row").remove(0);
    assert_eq!((first.topic.as_str(), first.payload.as_slice(), first.created_at), ("note.changed", &b"{\0}"[..], 5));
    fast.acknowledge(3).await.expect("it is noted");
    fast.acknowledge(1).await.expect("going back changes nothing");
    assert!(keys(&fast).await.is_empty());
    assert_eq!(keys(&slow).await, all, "rows wait for the slow one");
    slow.acknowledge(2).await.expect("it is noted");
    assert_eq!(keys(&slow).await, all[2..]);
    assert_eq!(keys(&store.outbox("late")).await, all[2..], "what all had taken is gone");
    slow.acknowledge(3).await.expect("it is noted");
    assert_eq!(publish(&store, "d").await, 4, "numbers go on when the table is empty");
    store.close().await;
}

pub(crate) async fn an_undone_change_publishes_nothing(places: &Places) {
    let store = open(places).await;
    let mut change = store.begin().await.expect("a change");
    let row = Publication { topic: "t", key: "k", payload: b"", created_at: 1 };
    change.publish(row).await.expect("a row");
    drop(change);
    assert!(keys(&store.outbox("one")).await.is_empty());
    assert_eq!(publish(&store, "a").await, 1);
    store.close().await;
}

pub(crate) async fn a_write_key_gets_its_first_answer_for_seven_days(places: &Places) {
    let store = open(places).await;
    let first = WriteKey { principal: 7, key: "k-1", request: [1; 32], now: 1_000 };
    let ask = |write: WriteKey<'static>| {
        let store = store.clone();
        async move { store.begin().await.expect("a change").known(write).await.expect("an answer") }
    };
    let remember = |write: WriteKey<'static>, answer: &'static [u8]| {
        let store = store.clone();
        async move {
            let mut change = store.begin().await.expect("a change");
            change.remember(write, 201, answer).await?;
            change.commit().await
        }
    };
    assert_eq!(ask(first).await, Known::New);
    remember(first, b"made").await.expect("it is remembered");
    assert_eq!(ask(first).await, Known::Same { status: 201, answer: b"made".to_vec() });
    assert_eq!(ask(WriteKey { request: [2; 32], ..first }).await, Known::Reused);
    assert_eq!(ask(WriteKey { principal: 8, ..first }).await, Known::New, "a key belongs to its principal");
    assert!(remember(first, b"again").await.expect_err("the key is taken").is_taken());
    let last = WriteKey { now: 1_000 + WRITE_KEY_NANOS - 1, ..first };
    assert!(matches!(ask(last).await, Known::Same { .. }));
    let later = WriteKey { now: 1_000 + WRITE_KEY_NANOS, ..first };
    assert_eq!(ask(later).await, Known::New);
    remember(later, b"new").await.expect("an old key may be used again");
    assert_eq!(ask(later).await, Known::Same { status: 201, answer: b"new".to_vec() });
    store.close().await;
}

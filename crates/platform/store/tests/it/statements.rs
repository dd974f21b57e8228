//! What goes in comes out, on both engines.

use heng_store::sea_query::{Expr, ExprTrait as _, Order, Query};
use heng_store::{Migration, OwnedStore, Sql, StoreError, insert_rows, load_rows};

use crate::Places;

const TABLES: Migration = Migration {
    version: 1,
    name: "things",
    sql: "CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY, text TEXT, bytes BYTEA, truth BOOLEAN);",
};

type Thing = (i64, Option<String>, Option<Vec<u8>>, Option<bool>);

async fn open(places: &Places) -> OwnedStore {
    OwnedStore::open(&places.store("things"), &[TABLES]).await.expect("the store opens")
}

async fn insert(store: &OwnedStore, things: &[Thing], tail: &'static str) -> Result<(), StoreError> {
    let mut change = store.begin().await?;
    let head = "INSERT INTO things (id, text, bytes, truth)";
    insert_rows(change.connection(), (head, tail), 4, things, |values, (id, text, bytes, truth)| {
        values.push_bind(*id).push_bind(text.clone()).push_bind(bytes.clone()).push_bind(*truth);
    })
    .await?;
    change.commit().await
}

async fn all(store: &OwnedStore) -> Vec<Thing> {
    let mut look = store.read().await.expect("a look");
    look.load("SELECT id, text, bytes, truth FROM things ORDER BY id").await.expect("rows")
}

pub(crate) async fn values_come_back_as_they_went_in(places: &Places) {
    let store = open(places).await;
    let things: Vec<Thing> = vec![
        (i64::MIN, Some("茅台 'quoted' \"$1\" ?".into()), Some(vec![0, 255, b'\'']), Some(true)),
        (0, Some(String::new()), Some(Vec::new()), Some(false)),
        (i64::MAX, None, None, None),
    ];
    insert(&store, &things, "").await.expect("rows");
    assert_eq!(all(&store).await, things);
    let by_truth = Sql::new("SELECT id FROM things WHERE truth = $1 AND text <> $2").bind(true).bind("x");
    let found: Vec<(i64,)> = store.read().await.expect("a look").load(by_truth).await.expect("rows");
    assert_eq!(found, [(i64::MIN,)]);
    let wrong: Result<Option<(bool,)>, _> =
        store.read().await.expect("a look").find("SELECT text FROM things WHERE id = 0").await;
    assert!(wrong.is_err(), "text is no truth value");
    store.close().await;
}

pub(crate) async fn many_rows_go_in_and_come_out(places: &Places) {
    let store = open(places).await;
    let things: Vec<Thing> = (0..5_000).map(|id| (id, Some(format!("thing {id}")), None, Some(id % 2 == 0))).collect();
    insert(&store, &things, "").await.expect("rows of more than one statement");
    let keys: Vec<(i64, String)> = (4_000..9_000).map(|id| (id, format!("thing {}", id / 2 * 2))).collect();
    let select = ("SELECT id, text FROM things", "(id, text)");
    let mut look = store.read().await.expect("a look");
    let found: Vec<(i64, String)> = load_rows(&mut look, select, 2, &keys, |values, (id, text)| {
        values.push_bind(*id).push_bind(text.as_str());
    })
    .await
    .expect("rows");
    assert_eq!(found.len(), 500);
    assert!(found.iter().all(|(id, text)| id % 2 == 0 && *text == format!("thing {id}")));
    let none: Result<Vec<(i64,)>, _> =
        load_rows(&mut look, ("SELECT id FROM things", "id"), 1, &[], |values, id: &i64| {
            values.push_bind(*id);
        })
        .await;
    let none = none.expect("no rows");
    assert!(none.is_empty());
    drop(look);
    store.close().await;
}

pub(crate) async fn rows_are_replaced(places: &Places) {
    let store = open(places).await;
    let replace = "ON CONFLICT (id) DO UPDATE SET text = excluded.text";
    insert(&store, &[(1, Some("old".into()), None, Some(true))], replace).await.expect("a row");
    let newer = [(1, Some("new".into()), None, None), (2, Some("other".into()), None, None)];
    insert(&store, &newer, replace).await.expect("rows");
    let expected: Vec<Thing> = vec![(1, Some("new".into()), None, Some(true)), (2, Some("other".into()), None, None)];
    assert_eq!(all(&store).await, expected);
    store.close().await;
}

pub(crate) async fn built_statements_run_on_both(places: &Places) {
    let store = open(places).await;
    let things: Vec<Thing> = (1..=9).map(|id| (id, Some(format!("t{}", id % 3)), None, Some(id > 4))).collect();
    insert(&store, &things, "").await.expect("rows");
    let mut query = Query::select();
    query.columns(["id", "text"]).from("things").order_by("id", Order::Desc).limit(2);
    query.and_where(Expr::col("text").is_in(["t1", "t2"])).and_where(Expr::col("truth").eq(true));
    let found: Vec<(i64, String)> = store.read().await.expect("a look").load(&query).await.expect("rows");
    assert_eq!(found, [(8, "t2".to_owned()), (7, "t1".to_owned())]);

    let mut change = store.begin().await.expect("a change");
    let mut update = Query::update();
    update.table("things").value("text", "changed").and_where(Expr::col("id").lt(4));
    assert_eq!(change.connection().execute(&update).await.expect("an update"), 3);
    let mut insert = Query::insert();
    insert.into_table("things").columns(["id", "bytes"]).values_panic([10.into(), vec![1u8, 2].into()]);
    assert_eq!(change.connection().execute(&insert).await.expect("an insert"), 1);
    let mut delete = Query::delete();
    delete.from_table("things").and_where(Expr::col("id").between(4, 9));
    assert_eq!(change.connection().execute(&delete).await.expect("a delete"), 6);
    change.commit().await.expect("a commit");
    let ids: Vec<i64> = all(&store).await.into_iter().map(|thing| thing.0).collect();
    assert_eq!(ids, [1, 2, 3, 10]);
    store.close().await;
}

pub(crate) async fn a_taken_key_is_told_from_other_failures(places: &Places) {
    let store = open(places).await;
    insert(&store, &[(1, None, None, None)], "").await.expect("a row");
    assert!(insert(&store, &[(1, None, None, None)], "").await.expect_err("the key is taken").is_taken());
    let mut change = store.begin().await.expect("a change");
    let error = change.connection().execute("INSERT INTO nowhere (id) VALUES (1)").await.expect_err("no such table");
    assert!(!error.is_taken());
    drop(change);
    store.close().await;
}

pub(crate) async fn a_value_is_never_part_of_the_text(places: &Places) {
    let store = open(places).await;
    let hostile = "x'; DROP TABLE things; --";
    insert(&store, &[(1, Some(hostile.into()), None, None)], "").await.expect("a row");
    let mut sql = Sql::new("SELECT id FROM things WHERE text = ");
    sql.push_bind(hostile).push(" AND id < ").push_bind(11i64);
    let found: Vec<(i64,)> = store.read().await.expect("a look").load(sql).await.expect("rows");
    assert_eq!(found, [(1,)]);
    let mut query = Query::select();
    query.column("id").from("things").and_where(Expr::col("text").eq(hostile));
    let found: Vec<(i64,)> = store.read().await.expect("a look").load(&query).await.expect("rows");
    assert_eq!(found, [(1,)]);
    store.close().await;
}

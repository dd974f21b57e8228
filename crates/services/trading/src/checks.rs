//! What the checks of orders looked at, kept for the time line: the replica tells it for a while, this file keeps it
//! as long as the orders are kept. It has a file of its own, so that making the view again costs no explanation; after
//! a crash the replica tells again from here on, as far as the journal reaches.

use std::sync::Arc;
use std::time::Duration;

use heng_model::wire::decode_all;
use heng_model::{Check, InputUnit, Money, OrderId, Rate, Seq};
use heng_ports::{About, CoreQueries, Explained, ExplainedAfter, ExplainedNow, Explanation, Question, Reply};
use heng_store::{DerivedStore, Opened, Position, Schema, Sql, StoreError, StoreOptions, insert_rows};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::store;
use crate::view::ViewReader;

const SCHEMA: Schema = Schema {
    view: "checks",
    version: 1,
    sql: "CREATE TABLE checks (order_id BIGINT NOT NULL PRIMARY KEY, sequence BIGINT NOT NULL, explained BYTEA NOT NULL)",
};

/// How often the replica is asked when it had nothing new.
const IDLE: Duration = Duration::from_millis(100);
/// How long the replica may take.
const ASK_MAX: Duration = Duration::from_secs(1);
/// Orders of one question.
const PAGE: u32 = 1_000;
/// How often explanations of orders that are not kept are removed, and how many at once.
const FORGET_EVERY: Duration = Duration::from_secs(10);
const FORGET_MAX: i64 = 5_000;

/// A value that a check looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct InputShown {
    /// What it means.
    pub(crate) name: String,
    /// Its value: an amount or rate as decimal text, a count or code as digits. The largest number stands for no limit.
    pub(crate) value: String,
}

/// A check that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CheckShown {
    /// Which.
    pub(crate) check: String,
    /// What it came to: passed or refused. The checks behind one that refused were not run.
    pub(crate) outcome: String,
    /// What it looked at.
    pub(crate) inputs: Vec<InputShown>,
}

/// The checks as they are shown.
pub(crate) fn shown(checks: &[Check]) -> Vec<CheckShown> {
    let value = |unit: InputUnit, value: i64| match unit {
        InputUnit::Money => Money(value).to_string(),
        InputUnit::Rate => Rate(value).to_string(),
        InputUnit::Number => value.to_string(),
    };
    checks
        .iter()
        .map(|check| CheckShown {
            check: check.name.name().into(),
            outcome: check.outcome.name().into(),
            inputs: check
                .inputs
                .iter()
                .map(|input| InputShown {
                    name: input.name.name().into(),
                    value: value(input.name.unit(), input.value),
                })
                .collect(),
        })
        .collect()
}

/// The file of explanations. One per process writes it.
#[derive(Clone)]
pub struct CheckLog {
    store: DerivedStore,
}

impl CheckLog {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn open(file: &StoreOptions) -> Result<(Self, Opened), StoreError> {
        let (store, opened) = DerivedStore::open(file, SCHEMA).await?;
        Ok((Self { store }, opened))
    }

    /// Drops the file and begins again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn rebuild(file: &StoreOptions) -> Result<Self, StoreError> {
        Ok(Self { store: DerivedStore::rebuild(file, SCHEMA).await? })
    }

    /// Closes the tables, for all that read and write them here.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// The last command whose explanations are in the file: a replica explains what came behind it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn through(&self) -> Result<Seq, StoreError> {
        Ok(Seq(self.store.position().await?.as_of()))
    }

    /// Keeps what the replica tells until `stop` turns true. A replica that does not answer is asked again.
    pub async fn follow(self, queries: Arc<dyn CoreQueries>, view: ViewReader, mut stop: watch::Receiver<bool>) {
        let mut forgot = tokio::time::Instant::now();
        while !*stop.borrow_and_update() {
            let more = match self.take_some(&queries).await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "keep what checks looked at");
                    false
                }
            };
            if forgot.elapsed() >= FORGET_EVERY {
                forgot = tokio::time::Instant::now();
                if let Err(error) = self.forget(&view).await {
                    tracing::warn!(%error, "forget what checks looked at");
                }
            }
            if !more {
                tokio::select! {
                    () = tokio::time::sleep(IDLE) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
        }
        self.store.close().await;
    }

    /// Takes one page; whether there may be more at once.
    async fn take_some(&self, queries: &Arc<dyn CoreQueries>) -> Result<bool, StoreError> {
        let after = self.through().await?;
        let about = About::from(ExplainedAfter { after, limit: PAGE });
        let (queries, question) = (Arc::clone(queries), Question { min_sequence: Seq(0), about });
        let asked = tokio::task::spawn_blocking(move || queries.ask(question, ASK_MAX)).await;
        let Ok(Ok(answered)) = asked else { return Ok(false) };
        let Reply::ExplainedNow(told) = answered.reply else { return Ok(false) };
        if told.through <= after {
            return Ok(false);
        }
        let full = told.explained.len() >= PAGE as usize;
        self.keep(after, &told).await?;
        if told.held_from > after.next() {
            let (from, before) = (after.next().0, told.held_from.0);
            tracing::warn!(from, before, "what the checks of these commands looked at is not known any more");
        }
        Ok(full)
    }

    /// One transaction: explanations of what came behind `after` and position, or neither.
    async fn keep(&self, after: Seq, told: &ExplainedNow) -> Result<(), StoreError> {
        let mut batch = self.store.begin().await?;
        // Between the question and now the file may have been set back: then the replica is asked for more.
        let expected = Position::after(after.0);
        if batch.from() != expected {
            return Err(StoreError::Moved { view: SCHEMA.view, expected });
        }
        let head = ("INSERT INTO checks (order_id, sequence, explained)", "ON CONFLICT (order_id) DO NOTHING");
        insert_rows(batch.connection(), head, 3, &told.explained, |values, row: &Explained| {
            values.push_bind(row.order.0.cast_signed());
            values.push_bind(row.seq.0.cast_signed());
            values.push_bind(row.bytes.clone());
        })
        .await?;
        batch.commit(Position::after(told.through.0)).await
    }

    /// Removes some explanations of orders that the view does not keep any more.
    async fn forget(&self, view: &ViewReader) -> Result<(), StoreError> {
        let oldest = store::oldest_order(view.snapshot().await?.connection()).await?;
        let mut batch = self.store.begin().await?;
        let text = "DELETE FROM checks WHERE order_id IN
            (SELECT order_id FROM checks WHERE order_id < $1 ORDER BY order_id LIMIT $2)";
        batch.connection().execute(Sql::new(text).bind(oldest).bind(FORGET_MAX)).await?;
        let from = batch.from();
        batch.commit(from).await
    }

    /// What the checks of an order looked at; `None` if it is not kept (any more, or yet).
    pub(crate) async fn of(&self, order: OrderId) -> Result<Option<Explanation>, StoreError> {
        let mut look = self.store.snapshot().await?;
        let query = Sql::new("SELECT explained FROM checks WHERE order_id = $1").bind(order.0.cast_signed());
        let Some((bytes,)) = look.connection().find::<(Vec<u8>,)>(query).await? else { return Ok(None) };
        // Bytes of another version are as good as none.
        Ok(decode_all(&bytes).ok())
    }
}

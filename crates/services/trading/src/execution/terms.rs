//! How parents are driven: owned rows, written before the parent is asked for. The parent's key is the row's key, so a
//! crash between the two leaves a row without a parent, which the repeat of the request finds with the same content.

use std::collections::BTreeSet;
use std::time::Duration;

use heng_model::command::NewParent;
use heng_model::wire::{decode_all, encode};
use heng_model::{AccountId, ClientOrderId, InstrumentId, Qty, TradeDate, UnixNanos, wire_struct};
use heng_ports::ParentNow;
use heng_store::{Connection, Migration, OwnedStore, Sql, StoreError, StoreOptions};

wire_struct! {
    /// What a client asked of a parent.
    pub struct Terms {
        /// What the core enforces.
        pub parent: NewParent,
        /// When slices begin; 0 = at once.
        pub start: UnixNanos,
        /// When it is to be done; 0 = by the end of continuous trading.
        pub end: UnixNanos,
        /// TWAP, VWAP: number of slices.
        pub slices: u32,
        /// POV: share of the traded volume, in percent.
        pub participation: u32,
        /// Iceberg, liquidity-following limit: largest visible quantity.
        pub display: Qty,
    }
}

impl Terms {
    /// The usual terms of a parent that came without any.
    #[must_use]
    pub fn usual(parent: &ParentNow) -> Self {
        let (start, end) = (UnixNanos(0), parent.expires);
        let display = Qty((parent.quantity.0 / 10).max(1));
        let parent = NewParent {
            account: parent.account,
            client_order: parent.client_order,
            trade_date: parent.trade_date,
            kind: parent.kind,
            instrument: parent.instrument,
            side: parent.side,
            order_type: parent.order_type,
            price: parent.price,
            quantity: parent.quantity,
            value_max: parent.value_max,
            watch: parent.watch,
            at_or_above: parent.at_or_above,
            trigger: parent.trigger,
            expires: parent.expires,
        };
        Self { parent, start, end, slices: 10, participation: 10, display }
    }
}

/// Which parents of a date are meant; `None` = all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// The trade date.
    pub trade_date: TradeDate,
    /// Of this account.
    pub account: Option<AccountId>,
    /// In this instrument.
    pub instrument: Option<InstrumentId>,
    /// With this id of the client's.
    pub client_order: Option<String>,
}

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "parent terms",
    sql: "CREATE TABLE parent_terms (
        account BIGINT NOT NULL,
        trade_date BIGINT NOT NULL,
        client_order TEXT NOT NULL,
        instrument BIGINT NOT NULL,
        held BOOLEAN NOT NULL,
        terms BYTEA NOT NULL,
        PRIMARY KEY (account, trade_date, client_order)
    ) WITHOUT ROWID",
}];

/// Rows of trade dates older than this many dates of the calendar are removed: no key of theirs is answered any more.
const KEPT_DAYS: i64 = 400;

/// How long a cancel waits for the note that parents are to stand.
pub(crate) const HOLD_MAX: Duration = Duration::from_secs(1);

/// What was found when terms were to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They are new.
    New,
    /// The same were there.
    Same,
    /// Others were there under the same key.
    Others,
}

/// The terms of parents: a system of record.
#[derive(Clone)]
pub struct TermsStore {
    store: OwnedStore,
}

type Key = (i64, i64, String);

fn key(account: AccountId, date: TradeDate, id: ClientOrderId) -> Key {
    (account.0.cast_signed(), i64::from(date.number()), id.to_text())
}

const READ: &str = "SELECT terms FROM parent_terms WHERE account = $1 AND trade_date = $2 AND client_order = $3";

async fn read(connection: &mut Connection, (account, date, client): Key) -> Result<Option<Vec<u8>>, StoreError> {
    let found: Option<(Vec<u8>,)> = connection.find(Sql::new(READ).bind(account).bind(date).bind(client)).await?;
    Ok(found.map(|(bytes,)| bytes))
}

impl TermsStore {
    /// Opens the table, or makes it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn open(file: &StoreOptions) -> Result<Self, StoreError> {
        Ok(Self { store: OwnedStore::open(file, MIGRATIONS).await? })
    }

    /// Keeps terms; they are on the disk when this returns.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn keep(&self, terms: &Terms) -> Result<Kept, StoreError> {
        let NewParent { account, trade_date, client_order, .. } = terms.parent;
        let place = key(account, trade_date, client_order);
        let bytes = encode(terms);
        let mut change = self.store.begin().await?;
        if let Some(found) = read(change.connection(), place.clone()).await? {
            return Ok(if found == bytes { Kept::Same } else { Kept::Others });
        }
        let (account, date, client) = place;
        let insert = "INSERT INTO parent_terms (account, trade_date, client_order, instrument, held, terms)
            VALUES ($1, $2, $3, $4, $5, $6)";
        let insert = Sql::new(insert).bind(account).bind(date).bind(client);
        let insert = insert.bind(terms.parent.instrument.0).bind(false).bind(bytes);
        change.connection().execute(insert).await?;
        let oldest = trade_date.plus_days(-KEPT_DAYS).unwrap_or_default().number();
        change.connection().execute(Sql::new("DELETE FROM parent_terms WHERE trade_date < $1").bind(oldest)).await?;
        change.commit().await?;
        Ok(Kept::New)
    }

    /// Removes terms whose parent was refused before it could have a key.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn remove(&self, terms: &Terms) -> Result<(), StoreError> {
        let NewParent { account, trade_date, client_order, .. } = terms.parent;
        let (account, date, client) = key(account, trade_date, client_order);
        let mut change = self.store.begin().await?;
        let delete = "DELETE FROM parent_terms WHERE account = $1 AND trade_date = $2 AND client_order = $3";
        change.connection().execute(Sql::new(delete).bind(account).bind(date).bind(client)).await?;
        change.commit().await
    }

    /// The terms behind a key, if they were kept here.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(
        &self,
        account: AccountId,
        trade_date: TradeDate,
        client_order: ClientOrderId,
    ) -> Result<Option<Terms>, StoreError> {
        self.by_text(account, trade_date, &client_order.to_text()).await
    }

    /// The same, by the id as rows hold it.
    pub(crate) async fn by_text(
        &self,
        account: AccountId,
        trade_date: TradeDate,
        client_order: &str,
    ) -> Result<Option<Terms>, StoreError> {
        let place = (account.0.cast_signed(), i64::from(trade_date.number()), client_order.to_owned());
        let found = read(&mut self.store.read().await?, place).await?;
        Ok(found.and_then(|bytes| decode_all(&bytes).ok()))
    }

    /// Notes that parents are to stand, or may go on. It is on the disk before the core is told to pause them, so that
    /// no driver claims them after a restart: the core itself pauses all parents then, and does not tell these apart.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn hold(&self, which: &Which, held: bool) -> Result<(), StoreError> {
        let mut query = Sql::new("UPDATE parent_terms SET held = ");
        query.push_bind(held);
        query.push(" WHERE trade_date = ").push_bind(i64::from(which.trade_date.number()));
        if let Some(account) = which.account {
            query.push(" AND account = ").push_bind(account.0.cast_signed());
        }
        if let Some(instrument) = which.instrument {
            query.push(" AND instrument = ").push_bind(i64::from(instrument.0));
        }
        if let Some(client_order) = &which.client_order {
            query.push(" AND client_order = ").push_bind(client_order.clone());
        }
        let mut change = self.store.begin().await?;
        change.connection().execute(query).await?;
        change.commit().await
    }

    /// The keys of the parents of a date that are to stand: account, and the client's own id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn held(&self, trade_date: TradeDate) -> Result<BTreeSet<(AccountId, String)>, StoreError> {
        let mut look = self.store.read().await?;
        let select = "SELECT account, client_order FROM parent_terms WHERE trade_date = $1 AND held";
        let rows: Vec<(i64, String)> = look.load(Sql::new(select).bind(trade_date.number())).await?;
        Ok(rows.into_iter().map(|(account, id)| (AccountId(account.cast_unsigned()), id)).collect())
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

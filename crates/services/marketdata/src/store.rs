//! The derived tables: listings, bars, flow and trades, with the position that they were made from.
//!
//! A day's bars follow from the day's events alone. So a view that starts again reads the events of the open day from
//! its begin, makes the same bars, and writes on where the position is; books come back on the way.

use heng_model::{Board, InstrumentClass, InstrumentId, Money, Price, Qty, Side, TradeDate, TradeId, UnixNanos};
use heng_store::{Connection, DerivedStore, FromRow, Position, Row, Schema, Sql, StoreError, insert_rows};

use crate::bars::{Bar, Minute};
use crate::flow::{Flow, InOut};
use crate::market::{Listing, Print, TradeRow};

/// The tables of this service.
pub(crate) const SCHEMA: Schema = Schema { view: "marketdata", version: 1, sql: include_str!("tables.sql") };

/// What one transaction stores.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) listings: Vec<(u32, Listing)>,
    pub(crate) day: Option<(TradeDate, u64)>,
    pub(crate) minutes: Vec<MinuteRow>,
    pub(crate) days: Vec<DayRow>,
    pub(crate) trades: Vec<TradeRow>,
    /// Rows of these are removed: an instrument, and the first dates that are kept of its trades and minutes.
    pub(crate) forget: Vec<(InstrumentId, TradeDate, TradeDate)>,
}

/// A stored minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MinuteRow {
    pub(crate) instrument: InstrumentId,
    pub(crate) date: TradeDate,
    pub(crate) slot: u16,
    pub(crate) minute: Minute,
}

/// A stored day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DayRow {
    pub(crate) instrument: InstrumentId,
    pub(crate) date: TradeDate,
    pub(crate) prev_close: Price,
    pub(crate) bar: Bar,
    /// Prices between which the exchange's closing price lies.
    pub(crate) tail: (Price, Price),
}

/// What a view starts from.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) position: Position,
    pub(crate) date: TradeDate,
    pub(crate) opened_sequence: u64,
    pub(crate) listings: Vec<Listing>,
}

/// Reads what a view starts from.
pub(crate) async fn load(store: &DerivedStore) -> Result<Start, StoreError> {
    let mut snapshot = store.snapshot().await?;
    let connection = snapshot.connection();
    let day = Sql::new("SELECT trade_date, opened_sequence FROM market_day WHERE number = 1");
    let (date, opened): (i64, i64) = connection.find(day).await?.unwrap_or((0, 0));
    let listings = Sql::new(
        "SELECT instrument, symbol, board, class, prev_close, limit_up, limit_down, suspended \
         FROM market_instruments ORDER BY place",
    );
    let listings = connection.load(listings).await?;
    // A batch of this view holds whole commands. The position is that of the rows above, also if they are set back now.
    let position = Position::after(snapshot.as_of());
    Ok(Start { position, date: date_of(date), opened_sequence: opened.cast_unsigned(), listings })
}

fn date_of(number: i64) -> TradeDate {
    u32::try_from(number).ok().and_then(TradeDate::from_number).unwrap_or_default()
}

fn number(row: &Row, at: usize) -> Result<i64, StoreError> {
    row.get(at)
}

fn code(row: &Row, at: usize) -> Result<u8, StoreError> {
    Ok(u8::try_from(number(row, at)?).unwrap_or(0))
}

impl FromRow for Listing {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: InstrumentId(u32::try_from(number(row, 0)?).unwrap_or(0)),
            symbol: row.get(1)?,
            board: Board::from_code(code(row, 2)?).ok_or(StoreError::Missing("a board of this version"))?,
            class: InstrumentClass::from_code(code(row, 3)?).ok_or(StoreError::Missing("a class of this version"))?,
            prev_close: Price(number(row, 4)?),
            limit_up: Price(number(row, 5)?),
            limit_down: Price(number(row, 6)?),
            suspended: number(row, 7)? != 0,
        })
    }
}

fn date_number(date: TradeDate) -> i64 {
    i64::from(date.number())
}

/// Stores a batch together with its position, where the rows still are as `from` says.
pub(crate) async fn write(
    store: DerivedStore,
    batch: Batch,
    (from, to): (Position, Position),
) -> Result<(), StoreError> {
    let mut begun = store.begin().await?;
    // Rows that were set back lack what was committed since; rows that somebody else wrote are nothing to go on from.
    if begun.from() != from {
        return Err(StoreError::Moved { view: SCHEMA.view, expected: from });
    }
    let connection = begun.connection();
    write_listings(connection, &batch).await?;
    write_minutes(connection, &batch.minutes).await?;
    write_days(connection, &batch.days).await?;
    let head =
        "INSERT INTO trades (instrument, sequence, event, trade_date, trade_id, traded_at, price, quantity, side)";
    insert_rows(connection, (head, ""), 9, &batch.trades, |values, row| {
        let print = &row.print;
        values.push_bind(i64::from(row.instrument)).push_bind(print.sequence.cast_signed());
        values.push_bind(i64::from(row.index)).push_bind(date_number(row.date));
        values.push_bind(print.trade.0.cast_signed()).push_bind(print.time.0);
        values.push_bind(print.price.0).push_bind(print.quantity.0);
        values.push_bind(print.side.map_or(0, |side| side as i64));
    })
    .await?;
    for (instrument, trades_from, minutes_from) in &batch.forget {
        let texts = [
            ("DELETE FROM trades WHERE instrument = $1 AND trade_date < $2", trades_from),
            ("DELETE FROM minute_bars WHERE instrument = $1 AND trade_date < $2", minutes_from),
        ];
        for (text, from) in texts {
            connection.execute(Sql::new(text).bind(i64::from(instrument.0)).bind(date_number(*from))).await?;
        }
    }
    begun.commit(to).await
}

async fn write_listings(connection: &mut Connection, batch: &Batch) -> Result<(), StoreError> {
    if let Some((date, opened)) = batch.day {
        let text = "INSERT INTO market_day (number, trade_date, opened_sequence) VALUES (1, $1, $2) \
                    ON CONFLICT (number) DO UPDATE SET trade_date = excluded.trade_date, \
                    opened_sequence = excluded.opened_sequence";
        connection.execute(Sql::new(text).bind(date_number(date)).bind(opened.cast_signed())).await?;
    }
    let head = "INSERT INTO market_instruments (instrument, place, symbol, board, class, prev_close, limit_up, \
                limit_down, suspended)";
    let tail = "ON CONFLICT (instrument) DO UPDATE SET place = excluded.place, symbol = excluded.symbol, \
                board = excluded.board, class = excluded.class, prev_close = excluded.prev_close, \
                limit_up = excluded.limit_up, limit_down = excluded.limit_down, suspended = excluded.suspended";
    insert_rows(connection, (head, tail), 9, &batch.listings, |values, (place, listing)| {
        values.push_bind(i64::from(listing.id.0)).push_bind(i64::from(*place)).push_bind(listing.symbol.clone());
        values.push_bind(listing.board as i64).push_bind(listing.class as i64).push_bind(listing.prev_close.0);
        values.push_bind(listing.limit_up.0).push_bind(listing.limit_down.0);
        values.push_bind(i64::from(listing.suspended));
    })
    .await
}

async fn write_minutes(connection: &mut Connection, rows: &[MinuteRow]) -> Result<(), StoreError> {
    let head = "INSERT INTO minute_bars (instrument, trade_date, slot, open, high, low, close, volume, turnover, \
                trades, large_bought, large_sold, medium_bought, medium_sold, small_bought, small_sold)";
    let tail = "ON CONFLICT (instrument, trade_date, slot) DO UPDATE SET open = excluded.open, \
                high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume, \
                turnover = excluded.turnover, trades = excluded.trades, large_bought = excluded.large_bought, \
                large_sold = excluded.large_sold, medium_bought = excluded.medium_bought, \
                medium_sold = excluded.medium_sold, small_bought = excluded.small_bought, \
                small_sold = excluded.small_sold";
    insert_rows(connection, (head, tail), 16, rows, |values, row| {
        values.push_bind(i64::from(row.instrument.0)).push_bind(date_number(row.date)).push_bind(i64::from(row.slot));
        bar_values(&row.minute.bar).into_iter().for_each(|value| _ = values.push_bind(value));
        let Flow { large, medium, small } = row.minute.flow;
        for class in [large, medium, small] {
            values.push_bind(class.bought.0).push_bind(class.sold.0);
        }
    })
    .await
}

async fn write_days(connection: &mut Connection, rows: &[DayRow]) -> Result<(), StoreError> {
    let head = "INSERT INTO day_bars (instrument, trade_date, prev_close, open, high, low, close, volume, turnover, \
                trades, tail_low, tail_high)";
    let tail = "ON CONFLICT (instrument, trade_date) DO UPDATE SET prev_close = excluded.prev_close, \
                open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, \
                volume = excluded.volume, turnover = excluded.turnover, trades = excluded.trades, \
                tail_low = excluded.tail_low, tail_high = excluded.tail_high";
    insert_rows(connection, (head, tail), 12, rows, |values, row| {
        values.push_bind(i64::from(row.instrument.0)).push_bind(date_number(row.date)).push_bind(row.prev_close.0);
        bar_values(&row.bar).into_iter().for_each(|value| _ = values.push_bind(value));
        values.push_bind(row.tail.0.0).push_bind(row.tail.1.0);
    })
    .await
}

fn bar_values(bar: &Bar) -> [i64; 7] {
    let Bar { open, high, low, close, volume, turnover, trades } = *bar;
    [open.0, high.0, low.0, close.0, volume.0, turnover.0, trades.cast_signed()]
}

fn bar(row: &Row, at: usize) -> Result<Bar, StoreError> {
    Ok(Bar {
        open: Price(number(row, at)?),
        high: Price(number(row, at + 1)?),
        low: Price(number(row, at + 2)?),
        close: Price(number(row, at + 3)?),
        volume: Qty(number(row, at + 4)?),
        turnover: Money(number(row, at + 5)?),
        trades: number(row, at + 6)?.cast_unsigned(),
    })
}

/// Dates from and to which rows are asked for, both included.
pub(crate) type Span = (TradeDate, TradeDate);

/// Minutes of an instrument, newest first, at most `limit`.
pub(crate) async fn minutes(
    connection: &mut Connection,
    instrument: InstrumentId,
    span: Span,
    limit: i64,
) -> Result<Vec<MinuteRow>, StoreError> {
    let text = "SELECT trade_date, slot, open, high, low, close, volume, turnover, trades, large_bought, large_sold, \
                medium_bought, medium_sold, small_bought, small_sold FROM minute_bars WHERE instrument = $1 \
                AND trade_date >= $2 AND trade_date <= $3 ORDER BY trade_date DESC, slot DESC LIMIT $4";
    let query = Sql::new(text).bind(i64::from(instrument.0)).bind(date_number(span.0)).bind(date_number(span.1));
    let rows = connection.rows(query.bind(limit)).await?;
    let minute = |row: &Row| {
        let flow =
            |at| Ok::<_, StoreError>(InOut { bought: Money(number(row, at)?), sold: Money(number(row, at + 1)?) });
        let flow = Flow { large: flow(9)?, medium: flow(11)?, small: flow(13)? };
        let slot = u16::try_from(number(row, 1)?).unwrap_or(0);
        let minute = Minute { bar: bar(row, 2)?, flow };
        Ok(MinuteRow { instrument, date: date_of(number(row, 0)?), slot, minute })
    };
    rows.iter().map(minute).collect()
}

/// Days of an instrument, newest first, at most `limit`.
pub(crate) async fn days(
    connection: &mut Connection,
    instrument: InstrumentId,
    span: Span,
    limit: i64,
) -> Result<Vec<DayRow>, StoreError> {
    let text = "SELECT trade_date, prev_close, open, high, low, close, volume, turnover, trades, tail_low, tail_high \
                FROM day_bars WHERE instrument = $1 AND trade_date >= $2 AND trade_date <= $3 \
                ORDER BY trade_date DESC LIMIT $4";
    let query = Sql::new(text).bind(i64::from(instrument.0)).bind(date_number(span.0)).bind(date_number(span.1));
    let rows = connection.rows(query.bind(limit)).await?;
    let day = |row: &Row| {
        let date = date_of(number(row, 0)?);
        let tail = (Price(number(row, 9)?), Price(number(row, 10)?));
        Ok(DayRow { instrument, date, prev_close: Price(number(row, 1)?), bar: bar(row, 2)?, tail })
    };
    rows.iter().map(day).collect()
}

/// Trades of an instrument, newest first, at most `limit`: those before (`sequence`, `event`). With its event.
pub(crate) async fn trades(
    connection: &mut Connection,
    instrument: InstrumentId,
    before: (i64, i64),
    limit: i64,
) -> Result<Vec<(u32, Print)>, StoreError> {
    let text = "SELECT sequence, event, trade_id, traded_at, price, quantity, side FROM trades WHERE instrument = $1 \
                AND (sequence < $2 OR (sequence = $2 AND event < $3)) ORDER BY sequence DESC, event DESC LIMIT $4";
    let query = Sql::new(text).bind(i64::from(instrument.0)).bind(before.0).bind(before.1).bind(limit);
    let rows = connection.rows(query).await?;
    let trade = |row: &Row| {
        let print = Print {
            trade: TradeId(number(row, 2)?.cast_unsigned()),
            time: UnixNanos(number(row, 3)?),
            price: Price(number(row, 4)?),
            quantity: Qty(number(row, 5)?),
            side: Side::from_code(code(row, 6)?),
            sequence: number(row, 0)?.cast_unsigned(),
        };
        Ok((u32::try_from(number(row, 1)?).unwrap_or(0), print))
    };
    rows.iter().map(trade).collect()
}

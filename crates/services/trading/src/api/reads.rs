//! Fills, accounts, instruments and days.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use heng_model::market::AccountKind;
use heng_model::{AccountId, AccountStatus, Money, Price, RejectCode, Side};
use heng_ports::{Accounts, PowerOf, Reply};
use heng_store::Snapshot;
use heng_transport::{Api, Caller, Operation, Params, PathText, Problem};

use super::{Inner, Shared, internal, other_reply};
use crate::answer::{reason, refused};
use crate::forms::{self, AccountsQuery, DaysQuery, FillQuery, InstrumentQuery, PAGE_MAX, PowerQuery, ReadQuery, page};
use crate::shapes::{self, DayList, FillOfOrder, FillPage, InstrumentPage, OneInstrument, name};
use crate::shapes_account::{self, AccountListed, AccountPage, AccountRows, AccountShown, BuyingPower};
use crate::store::{self, FillFilter};
use crate::texts::SymbolText;

const NOT_THERE_YET: &str = "No command has that sequence yet.";

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let get = |path, id| Operation::get(path, id).refuses(404, NOT_THERE_YET);
    let operation = get("/v1/fills", "listFills").heavy().tag("orders").needs("fill.read").query::<FillQuery>();
    let operation = operation.summary("Fills of an account, by order and trade number, newest first.");
    api.add(operation.answers::<FillPage>(200, "A page of fills."), fills);
    let operation =
        get("/v1/accounts", "listAccounts").heavy().tag("accounts").needs("account.read").query::<AccountsQuery>();
    let operation = operation.summary("The accounts that the caller may see, by number.");
    api.add(operation.answers::<AccountPage>(200, "A page of accounts."), accounts);
    let operation = get("/v1/accounts/{id}", "showAccount").tag("accounts").needs("account.read");
    let operation = operation.summary("One account with its cash and holdings.").path_id("id", "Account number.");
    let operation = operation.query::<ReadQuery>().answers::<AccountShown>(200, "The account.");
    api.add(operation.refuses(404, "There is no such account or sequence."), account);
    let operation = get("/v1/accounts/{id}/buying-power", "buyingPower").tag("accounts").needs("account.read");
    let operation = operation.summary("How much of an instrument the account can buy and sell now.");
    let operation = operation.path_id("id", "Account number.").query::<PowerQuery>();
    let operation = operation.answers::<BuyingPower>(200, "How much.");
    let operation = operation.refuses(404, "There is no such account, symbol or sequence.");
    api.add(operation.refuses(409, "The instrument does not trade today."), buying_power);
    let operation = get("/v1/instruments", "listInstruments").heavy().tag("market").needs("market.read");
    let operation =
        operation.summary("Instruments, by number, with today's reference data.").query::<InstrumentQuery>();
    api.add(operation.answers::<InstrumentPage>(200, "A page of instruments."), instruments);
    let operation = get("/v1/instruments/{symbol}", "showInstrument").tag("market").needs("market.read");
    let symbol = serde_json::json!({ "type": "string", "pattern": "^[0-9A-Za-z.]{1,16}$" });
    let operation = operation.summary("One instrument.").path_as("symbol", "Symbol.", symbol).query::<ReadQuery>();
    let operation = operation.answers::<OneInstrument>(200, "The instrument.");
    api.add(operation.refuses(404, "There is no such symbol or sequence."), instrument);
    let operation = get("/v1/days", "listDays").heavy().tag("market").needs("market.read").query::<DaysQuery>();
    let operation = operation.summary("Trade dates, newest first.");
    api.add(operation.answers::<DayList>(200, "The dates."), days);
}

fn cursor(text: &str) -> Option<(i64, i64)> {
    let (order, trade) = text.split_once('-')?;
    let read = |text: &str| crate::texts::OrderText::read(text).ok().map(|id| id.0.0.cast_signed());
    Some((read(order)?, read(trade)?))
}

async fn fills(
    State(inner): Shared,
    caller: Caller,
    Params(query): Params<FillQuery>,
) -> Result<Json<FillPage>, Problem> {
    caller.may_on(query.account.0)?;
    let before = query.before.as_deref().map(|text| {
        cursor(text).ok_or_else(|| Problem::bad_request("before: expected next_before of the page before"))
    });
    let filter = FillFilter {
        account: query.account.0,
        order: query.order.as_ref().map(|order| order.0),
        trade_date: query.trade_date.as_ref().map(|date| date.0),
        before: before.transpose()?,
        limit: page(query.limit),
    };
    let mut look = inner.look(query.min_sequence).await?;
    let rows = store::fills_of(look.connection(), &filter).await.map_err(|error| internal(&error))?;
    let full = rows.len() == filter.limit as usize;
    let directory = &inner.doors.view.directory;
    let told = rows.iter().map(|row| FillOfOrder {
        order_id: shapes::id(row.order_id),
        account: shapes::id(row.account),
        symbol: directory.symbol(row.instrument),
        fill: shapes::fill(row),
    });
    Ok(Json(FillPage {
        as_of_sequence: look.as_of(),
        fills: told.collect(),
        next_before: rows.last().filter(|_| full).map(|row| format!("{}-{}", row.order_id, row.trade_id)),
    }))
}

async fn accounts(
    State(inner): Shared,
    caller: Caller,
    Params(query): Params<AccountsQuery>,
) -> Result<Json<AccountPage>, Problem> {
    let only = match &caller.principal.accounts {
        Accounts::All => None,
        Accounts::These(list) => Some(list.as_slice()),
    };
    let (after, limit) = (query.after.as_ref().map_or(0, |after| after.0.0), page(query.limit));
    let mut look = inner.look(query.min_sequence).await?;
    let rows = store::accounts(look.connection(), after, only, limit).await.map_err(|error| internal(&error))?;
    let full = rows.len() == limit as usize;
    let next_after = rows.last().filter(|_| full).map(|(row, ..)| shapes::id(row.account));
    let told = rows.into_iter().map(|(row, balance, open_orders)| AccountListed {
        account: shapes::id(row.account),
        kind: name!(AccountKind, row.kind),
        status: name!(AccountStatus, row.status),
        stopped: row.stopped,
        balance: Money(balance).to_string(),
        open_orders,
    });
    Ok(Json(AccountPage { as_of_sequence: look.as_of(), accounts: told.collect(), next_after }))
}

fn no_account(as_of: u64) -> Problem {
    let detail = format!("as of command {as_of}");
    Problem::new(StatusCode::NOT_FOUND, reason(RejectCode::UnknownAccount), detail)
}

async fn account(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
    Params(query): Params<ReadQuery>,
) -> Result<Json<AccountShown>, Problem> {
    let account = forms::account_id(&id)?;
    caller.may_on(account)?;
    let mut look = inner.look(query.min_sequence).await?;
    let rows = account_rows(&mut look, account).await.map_err(|error| internal(&error))?;
    let rows = rows.ok_or_else(|| no_account(look.as_of()))?;
    Ok(Json(shapes_account::account(&rows, &inner.doors.view.directory, look.as_of())))
}

async fn account_rows(look: &mut Snapshot, id: AccountId) -> Result<Option<AccountRows>, heng_store::StoreError> {
    let connection = look.connection();
    let Some(account) = store::account(connection, id).await? else { return Ok(None) };
    let cash = store::cash(connection, id).await?;
    let mut holdings = store::holdings(connection, id, PAGE_MAX + 1).await?;
    let more = holdings.len() > PAGE_MAX as usize;
    holdings.truncate(PAGE_MAX as usize);
    let [held_cash, held_connect, held_shares] = store::holds(connection, id).await?;
    Ok(Some(AccountRows { account, cash, holdings, held_cash, held_connect, held_shares, more }))
}

async fn buying_power(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
    Params(query): Params<PowerQuery>,
) -> Result<Json<BuyingPower>, Problem> {
    let account = forms::account_id(&id)?;
    caller.may_on(account)?;
    let instrument = inner.instrument(&query.symbol)?;
    let price = query.price.as_ref().map_or(Price::ZERO, |price| price.0);
    let (as_of_sequence, reply) = inner.ask(PowerOf { account, instrument, price }, query.min_sequence).await?;
    let Reply::PowerNow(found) = reply else { return Err(other_reply()) };
    if !found.known {
        let mut look = inner.look(None).await?;
        let known = store::account(look.connection(), account).await.map_err(|error| internal(&error))?;
        return Err(match known {
            None => no_account(as_of_sequence),
            Some(_) => refused(RejectCode::NoReference, format!("as of command {as_of_sequence}")),
        });
    }
    let asked = |side: Side| query.side.is_none_or(|word| word.0 == side);
    let (buys, sells) = (asked(Side::Buy), asked(Side::Sell));
    Ok(Json(BuyingPower {
        account: account.to_string(),
        symbol: query.symbol.0,
        price: found.price.to_string(),
        buy_max: buys.then(|| found.buy_max.to_string()),
        buy_cash: buys.then(|| found.buy_cash.to_string()),
        cash_available: found.cash.to_string(),
        sell_max: sells.then(|| found.sell_max.to_string()),
        sellable: found.sellable.to_string(),
        as_of_sequence,
    }))
}

async fn instruments(
    State(inner): Shared,
    Params(query): Params<InstrumentQuery>,
) -> Result<Json<InstrumentPage>, Problem> {
    let (after, limit) = (query.after.map_or(-1, i64::from), page(query.limit));
    let mut look = inner.look(query.min_sequence).await?;
    let phases = store::phases(look.connection()).await.map_err(|error| internal(&error))?;
    let market = store::market(look.connection()).await.map_err(|error| internal(&error))?;
    let rows = store::instruments(look.connection(), after, limit).await.map_err(|error| internal(&error))?;
    let full = rows.len() == limit as usize;
    let date = crate::directory::date(market.trade_date);
    Ok(Json(InstrumentPage {
        as_of_sequence: look.as_of(),
        trade_date: (market.trade_date != 0).then(|| date.to_string()),
        day_open: market.day_open,
        stopped: market.stopped,
        instruments: rows.iter().map(|row| shapes::instrument(row, &phases)).collect(),
        next_after: rows.last().filter(|_| full).map(|row| row.instrument),
    }))
}

async fn instrument(
    State(inner): Shared,
    PathText(symbol): PathText,
    Params(query): Params<ReadQuery>,
) -> Result<Json<OneInstrument>, Problem> {
    let symbol = SymbolText::read(&symbol).map_err(|reason| Problem::bad_request(format!("the path: {reason}")))?;
    let mut look = inner.look(query.min_sequence).await?;
    let found = store::instrument_of(look.connection(), &symbol.0).await.map_err(|error| internal(&error))?;
    let Some(row) = found else {
        let detail = format!("there is no symbol {}", symbol.0);
        return Err(Problem::new(StatusCode::NOT_FOUND, reason(RejectCode::UnknownInstrument), detail));
    };
    let phases = store::phases(look.connection()).await.map_err(|error| internal(&error))?;
    let instrument = shapes::instrument(&row, &phases);
    Ok(Json(OneInstrument { instrument, as_of_sequence: look.as_of() }))
}

async fn days(State(inner): Shared, Params(query): Params<DaysQuery>) -> Result<Json<DayList>, Problem> {
    let mut look = inner.look(query.min_sequence).await?;
    let market = store::market(look.connection()).await.map_err(|error| internal(&error))?;
    let rows = store::days(look.connection(), page(query.limit)).await.map_err(|error| internal(&error))?;
    let days = rows.iter().map(|row| shapes::day(row, market.kept_from)).collect();
    Ok(Json(DayList { as_of_sequence: look.as_of(), days }))
}

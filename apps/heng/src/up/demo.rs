//! A first order that a person can paste.

use heng_core::CorePort;
use heng_engine::State;
use heng_model::{AccountKind, AccountStatus, Board, Currency, Money, Phase, Price, Qty, notional, rights};

/// An order that the market takes now.
struct FirstOrder {
    account: u64,
    symbol: String,
    price: Price,
    quantity: Qty,
}

/// A demo client who can pay for one lot of a stock that trades.
fn first_order(state: &State) -> Option<FirstOrder> {
    let stock = state.instruments().find(|instrument| {
        let id = instrument.definition.instrument;
        let day = state.day_of(id);
        instrument.definition.board == Board::SseMain
            && state.venue().phase(id) == Some(Phase::Continuous)
            && day.is_some_and(|day| !day.suspended && !day.risk_warning && day.limits.is_some())
    })?;
    let id = stock.definition.instrument;
    let day = state.day_of(id)?;
    let (_, ask, last) = state.venue().quote(id)?;
    let price = ask.or(last).unwrap_or(day.prev_close);
    let quantity = day.rules.lot.buy_min;
    let cost = notional(day.rules.quotation, price, quantity)?;
    // The token is the first client's.
    let accounts = state.ledger().accounts().iter().take(1);
    let mut rows = (0u32..).zip(accounts);
    let (_, account) = rows.find(|(row, account)| {
        account.kind == AccountKind::Cash
            && account.status == AccountStatus::Normal
            && account.rights & rights::MAIN != 0
            && state.ledger().cash(*row, Currency::Cny).available() > cost + cost + Money(1_000_000)
    })?;
    Some(FirstOrder { account: account.id.0, symbol: stock.definition.symbol.clone(), price, quantity })
}

/// What to paste: an order if one can be placed now, else a look at the instruments. Its pieces are short enough for
/// a narrow terminal; they may be pasted as lines, or joined to one.
pub(super) fn curl(port: &CorePort, address: &str, token: &str) -> anyhow::Result<Vec<String>> {
    let bearer = format!("-H 'authorization: Bearer {token}' ");
    let Some(order) = port.inspect(first_order)? else {
        return Ok(vec![format!("curl -s {address}/v1/instruments "), bearer]);
    };
    let FirstOrder { account, symbol, price, quantity } = order;
    Ok(vec![
        // 78 cells with the longest port: it must not be cut in a terminal of 80.
        format!("curl -s {address}/v1/orders "),
        bearer,
        "-H content-type:application/json -d '".to_owned(),
        format!("{{\"account\":\"{account}\",\"client_order_id\":\"my-first\",\"symbol\":\"{symbol}\","),
        format!("\"side\":\"buy\",\"type\":\"limit\",\"price\":\"{price}\",\"quantity\":\"{quantity}\"}}'"),
    ])
}

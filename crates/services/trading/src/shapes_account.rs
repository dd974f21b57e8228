//! What clients are shown of accounts: cash, holdings, and how much they can trade.

use heng_model::market::AccountKind;
use heng_model::{AccountStatus, Currency, Money, Rate};
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::Directory;
use crate::shapes::{id, name};
use crate::tables::{AccountRow, CashRow, HoldingRow};

/// Rows of one account, as they belong together.
pub(crate) struct AccountRows {
    pub(crate) account: AccountRow,
    pub(crate) cash: Vec<CashRow>,
    pub(crate) holdings: Vec<HoldingRow>,
    /// Cash held by live orders, by currency.
    pub(crate) held_cash: Vec<(i64, i64)>,
    /// The part of it that Stock Connect buys hold.
    pub(crate) held_connect: Vec<(i64, i64)>,
    /// Shares held by live orders, by instrument.
    pub(crate) held_shares: Vec<(i64, i64)>,
    /// Whether there are more holdings than are shown.
    pub(crate) more: bool,
}

/// Cash of an account in one currency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CashShown {
    /// Currency.
    pub(crate) currency: String,
    /// Everything, sale proceeds included; negative = the client owes.
    pub(crate) balance: String,
    /// Held for live orders.
    pub(crate) frozen: String,
    /// What mainland buying may use.
    pub(crate) available: String,
    /// What Stock Connect buying may use.
    pub(crate) available_hk: String,
    /// Proceeds that are due on the next trading day.
    pub(crate) due_next_day: String,
    /// Proceeds that are due later.
    pub(crate) due_later: String,
    /// What may leave for the bank.
    pub(crate) withdrawable: String,
}

/// Shares of an account in one instrument.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct HoldingShown {
    /// Symbol.
    pub(crate) symbol: String,
    /// All shares.
    pub(crate) total: String,
    /// Free to sell now.
    pub(crate) sellable: String,
    /// Held for live sell orders.
    pub(crate) frozen: String,
    /// Bought today and sellable from the next trading day.
    pub(crate) unsellable: String,
}

/// An account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AccountShown {
    /// Account number.
    pub(crate) account: String,
    /// Kind.
    pub(crate) kind: String,
    /// Status.
    pub(crate) status: String,
    /// Stopped by the kill switch.
    pub(crate) stopped: bool,
    /// Commission rate, a fraction of the amount.
    pub(crate) commission: String,
    /// Cash by currency.
    pub(crate) cash: Vec<CashShown>,
    /// Holdings, at most 1,000.
    pub(crate) holdings: Vec<HoldingShown>,
    /// Whether there are more holdings than are shown.
    pub(crate) more_holdings: bool,
    /// The command that this is true at.
    pub(crate) as_of_sequence: u64,
}

/// An account in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AccountListed {
    /// Account number.
    pub(crate) account: String,
    /// Kind.
    pub(crate) kind: String,
    /// Status.
    pub(crate) status: String,
    /// Stopped by the kill switch.
    pub(crate) stopped: bool,
    /// Cash balance in yuan.
    pub(crate) balance: String,
    /// Live orders.
    pub(crate) open_orders: i64,
}

/// Accounts, by number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AccountPage {
    /// The command that the page is true at.
    pub(crate) as_of_sequence: u64,
    /// The accounts.
    pub(crate) accounts: Vec<AccountListed>,
    /// `after` of the next page; null at the end.
    pub(crate) next_after: Option<String>,
}

/// How much of an instrument an account can trade now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BuyingPower {
    /// Account number.
    pub(crate) account: String,
    /// Symbol.
    pub(crate) symbol: String,
    /// The price that the buy is computed with: the highest that it can pay.
    pub(crate) price: String,
    /// Largest buy order that cash, lot and size allow; null if only the other side was asked about.
    pub(crate) buy_max: Option<String>,
    /// What that buy would hold, fees included; null as well then.
    pub(crate) buy_cash: Option<String>,
    /// Cash that may be spent on the instrument; negative = the client owes.
    pub(crate) cash_available: String,
    /// Largest sell order that holdings, lot and size allow; null if only the other side was asked about.
    pub(crate) sell_max: Option<String>,
    /// Shares that may be sold now.
    pub(crate) sellable: String,
    /// The command that this is true at.
    pub(crate) as_of_sequence: u64,
}

fn held(pairs: &[(i64, i64)], key: i64) -> i64 {
    pairs.iter().find(|(found, _)| *found == key).map_or(0, |(_, amount)| *amount)
}

pub(crate) fn account(rows: &AccountRows, directory: &Directory, as_of_sequence: u64) -> AccountShown {
    let account = &rows.account;
    AccountShown {
        account: id(account.account),
        kind: name!(AccountKind, account.kind),
        status: name!(AccountStatus, account.status),
        stopped: account.stopped,
        commission: Rate(account.commission).to_string(),
        cash: rows.cash.iter().map(|row| cash_of(rows, row)).collect(),
        holdings: rows
            .holdings
            .iter()
            .map(|row| holding(row, held(&rows.held_shares, row.instrument), directory))
            .collect(),
        more_holdings: rows.more,
        as_of_sequence,
    }
}

fn cash_of(rows: &AccountRows, row: &CashRow) -> CashShown {
    let held = Held { all: held(&rows.held_cash, row.currency), connect: held(&rows.held_connect, row.currency) };
    // An option account keeps its margin requirement untouched; the requirement is in yuan.
    let option = rows.account.kind == i64::from(AccountKind::Option as u8);
    let reserve = if option && row.currency == i64::from(Currency::Cny as u8) { rows.account.credit_line } else { 0 };
    cash(row, held, reserve)
}

/// Cash held by live orders of an account in a currency.
#[derive(Clone, Copy)]
struct Held {
    /// By all of them.
    all: i64,
    /// By Stock Connect buys.
    connect: i64,
}

/// `available` is what mainland buying may use, `available_hk` what Stock Connect buying may use. Proceeds that are
/// not due yet and holds overlap: a buy uses the proceeds of its own market first.
fn cash(row: &CashRow, held: Held, reserve: i64) -> CashShown {
    let kept = row.connect_due().max(held.connect);
    let available = row.balance - (held.all - held.connect) - kept;
    let settled = row.balance - (held.all - held.connect).max(row.mainland_due()) - kept - reserve;
    let withdrawable = if row.balance < 0 { 0 } else { settled.max(0) };
    let text = |amount: i64| Money(amount).to_string();
    CashShown {
        currency: name!(Currency, row.currency),
        balance: text(row.balance),
        frozen: text(held.all),
        available: text(available - reserve),
        available_hk: text(row.balance - held.all - reserve),
        due_next_day: text(row.due_1 + row.hk_due_1),
        due_later: text(row.due_2 + row.due_3 + row.hk_due_2),
        withdrawable: text(withdrawable),
    }
}

fn holding(row: &HoldingRow, frozen: i64, directory: &Directory) -> HoldingShown {
    HoldingShown {
        symbol: directory.symbol(row.instrument),
        total: (row.settled + row.unsellable).to_string(),
        sellable: (row.settled - frozen).to_string(),
        frozen: frozen.to_string(),
        unsellable: row.unsellable.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cash_and_shares_add_up() {
        let row = CashRow {
            account: 1,
            currency: 1,
            balance: 1_000_000,
            due_1: 200_000,
            hk_due_1: 30_000,
            hk_due_2: 4_000,
            ..CashRow::default()
        };
        let told = cash(&row, Held { all: 100_000, connect: 0 }, 0);
        assert_eq!((told.available.as_str(), told.available_hk.as_str()), ("86.60", "90.00"));
        // The hold is paid from the proceeds that are not due yet, so both keep money back only once.
        assert_eq!(told.withdrawable, "76.60");
        assert_eq!((told.due_next_day.as_str(), told.due_later.as_str()), ("23.00", "0.40"));
        let told = cash(&row, Held { all: 150_000, connect: 50_000 }, 0);
        assert_eq!((told.available.as_str(), told.available_hk.as_str()), ("85.00", "85.00"));
        let row = HoldingRow { account: 1, instrument: 5, settled: 300, unsellable: 100 };
        let told = holding(&row, 200, &Directory::default());
        assert_eq!((told.total.as_str(), told.sellable.as_str(), told.symbol.as_str()), ("400", "100", "5"));
    }
}

//! Administration: rules, accounts, instruments, money and shares from outside.

use std::sync::Arc;

use heng_ledger::AccountLimits;
use heng_model::command::{
    ActivateRulebook, AdvanceSettlement, DefineInstrument, Deposit, Memo, OpenAccount, PostCorporateAction,
    PostDifference, RiskRule, SetReference, TransferHolding, Withdraw,
};
use heng_model::event::{
    AccountLimitsSet, AccountOpened, AccountStatusSet, CashPosted, EngineLevelSet, ExchangeRatesSet, HoldingPosted,
    HouseAccount, InstrumentDefined, MemoKept, PostingReason, QuotaSet, RightsSet, RiskRulesSet, RulebookActivated,
    SettlementAdvanced,
};
use heng_model::quantity::{MINOR, RATE_SCALE};
use heng_model::{
    AccountId, AccountStatus, Board, Command, Currency, Money, Price, Qty, RejectCode, Side, TradeDate, hash, limits,
    rights,
};
use heng_pretrade::{Rates, RiskRules};
use heng_rulebook::Rulebook;

use crate::instruments::Instrument;
use crate::orders::{NO_ORDER, OrderRecord};
use crate::pipeline::{CURRENT_LEVEL, OLDEST_LEVEL};
use crate::sink::EventSink;
use crate::state::{ActiveRules, State};

/// Most memo topics.
const MEMOS_MAX: usize = 1_000;
/// Most rule bundles that wait for their date.
const RULEBOOKS_MAX: usize = 64;
/// Highest commission rate of a fee package, a tenth of the amount; the mainland's legal cap is 0.3%.
const COMMISSION_MAX: i64 = RATE_SCALE / 10;
/// Highest reference rate, yuan for one Hong Kong dollar: keeps every conversion inside `i64`.
const HKD_RATE_MAX: i64 = 10 * RATE_SCALE;

type Done = Result<(), RejectCode>;

/// A cash movement outside fills.
struct CashMove {
    account: AccountId,
    currency: Currency,
    amount: Money,
    reason: PostingReason,
    house: HouseAccount,
    reference: u64,
}

impl State {
    pub(crate) fn administer<S: EventSink>(&mut self, command: &Command, sink: &mut S) -> Done {
        match command {
            Command::Tick(_) => Ok(()),
            Command::Memo(memo) => self.keep_memo(memo, sink),
            Command::ActivateRulebook(rules) => self.activate_rules(rules, sink),
            Command::SetEngineLevel(set) => self.set_level(set.level, sink),
            Command::OpenAccount(open) => self.open_account(open, sink),
            Command::DefineInstrument(define) => self.define_instrument(define, sink),
            Command::SetReference(reference) => self.set_reference(reference),
            Command::Deposit(deposit) => self.deposit(deposit, sink),
            Command::Withdraw(withdraw) => self.withdraw(withdraw, sink),
            Command::TransferHolding(transfer) => self.transfer(transfer, sink),
            Command::PostCorporateAction(action) => self.corporate_action(action, sink),
            Command::PostDifference(difference) => self.difference(difference, sink),
            Command::AdvanceSettlement(advance) => self.advance_settlement(advance, sink),
            Command::MarkPrices(marks) => self.mark_prices(&marks.marks, sink),
            other => self.set_limits_and_rates(other, sink),
        }
    }

    fn set_limits_and_rates<S: EventSink>(&mut self, command: &Command, sink: &mut S) -> Done {
        match command {
            Command::SetAccountStatus(set) => {
                let row = self.ledger.row_of(set.account).ok_or(RejectCode::UnknownAccount)?;
                self.ledger.account_mut(row).status = set.status;
                sink.emit(AccountStatusSet { account: set.account, status: set.status }.into());
            }
            Command::SetRights(set) => {
                let row = self.ledger.row_of(set.account).ok_or(RejectCode::UnknownAccount)?;
                self.ledger.account_mut(row).rights = set.rights & rights::ALL;
                sink.emit(RightsSet { account: set.account, rights: set.rights & rights::ALL }.into());
            }
            Command::SetAccountLimits(set) => {
                let row = self.ledger.row_of(set.account).ok_or(RejectCode::UnknownAccount)?;
                let in_range = 0..=limits::MONEY_MAX;
                if !in_range.contains(&set.order_value_max.0) || !in_range.contains(&set.credit_line.0) {
                    return Err(RejectCode::BadField);
                }
                let per_second =
                    if set.orders_per_second == 0 { limits::ORDERS_PER_SECOND_DEFAULT } else { set.orders_per_second };
                self.ledger.account_mut(row).sent_max = per_second;
                let limits = AccountLimits { order_value_max: set.order_value_max, credit_line: set.credit_line };
                self.ledger.set_limits(row, limits);
                let told = AccountLimitsSet {
                    account: set.account,
                    orders_per_second: per_second,
                    order_value_max: set.order_value_max,
                    credit_line: set.credit_line,
                };
                sink.emit(told.into());
            }
            Command::SetExchangeRates(set) => {
                let in_range = 1..=HKD_RATE_MAX;
                if !in_range.contains(&set.sell_reference.0) || !in_range.contains(&set.buy_reference.0) {
                    return Err(RejectCode::BadField);
                }
                if self.connect_orders_live() {
                    // What a live order holds and has paid was computed with the rates that it was placed under.
                    return Err(RejectCode::OutOfOrder);
                }
                self.rates = Rates { sell_reference: set.sell_reference, buy_reference: set.buy_reference };
                let told = ExchangeRatesSet { sell_reference: set.sell_reference, buy_reference: set.buy_reference };
                sink.emit(told.into());
            }
            Command::SetRiskRules(set) => {
                if set.rules.len() > limits::RISK_RULES_MAX {
                    return Err(RejectCode::BatchTooLarge);
                }
                let known = |rule: &RiskRule| Board::from_code(rule.board).is_some() || rule.board == 0;
                let sided = |rule: &RiskRule| Side::from_code(rule.side).is_some() || rule.side == 0;
                if !set.rules.iter().all(|rule| known(rule) && sided(rule)) {
                    return Err(RejectCode::BadField);
                }
                self.risk_rules = RiskRules::new(set.rules.clone());
                let count = u32::try_from(set.rules.len()).expect("bounded just above");
                sink.emit(RiskRulesSet { count }.into());
            }
            Command::SetQuota(set) => {
                if !(0..=limits::MONEY_MAX).contains(&set.amount.0) {
                    return Err(RejectCode::BadField);
                }
                self.quota_left = Some(set.amount);
                sink.emit(QuotaSet { amount: set.amount }.into());
            }
            _ => return Err(RejectCode::BadField),
        }
        Ok(())
    }

    /// Whether a live order settles through Stock Connect.
    fn connect_orders_live(&self) -> bool {
        let connect = |record: &OrderRecord| self.day_of(record.instrument).is_some_and(|day| day.board == Board::Hk);
        self.orders.records().any(|record| record.status.is_live() && connect(record))
    }

    fn keep_memo<S: EventSink>(&mut self, memo: &Memo, sink: &mut S) -> Done {
        if memo.topic.len() > 64 || memo.content.len() > limits::MEMO_MAX {
            return Err(RejectCode::BadField);
        }
        if self.memos.len() >= MEMOS_MAX && !self.memos.contains_key(&memo.topic) {
            return Err(RejectCode::TableFull);
        }
        self.memos.insert(memo.topic.clone(), memo.content.clone());
        sink.emit(MemoKept { topic: memo.topic.clone(), content: memo.content.clone() }.into());
        Ok(())
    }

    /// Rule files are parsed here, from the bytes of the command: the same on every replica.
    fn activate_rules<S: EventSink>(&mut self, rules: &ActivateRulebook, sink: &mut S) -> Done {
        if hash::sha256(&rules.bytes) != rules.hash || (self.day_open && rules.from <= self.date) {
            return Err(RejectCode::BadRulebook);
        }
        let book = Rulebook::from_bundle(&rules.bytes).map_err(|_| RejectCode::BadRulebook)?;
        // A day that was opened keeps its rules, also after its close: it is compiled again when a snapshot is read.
        let next_day = self.date.plus_days(1).filter(|_| self.date != TradeDate::NONE);
        let from = next_day.map_or(rules.from, |next| next.max(rules.from));
        self.drop_old_rules();
        if self.rulebooks.len() >= RULEBOOKS_MAX {
            return Err(RejectCode::TableFull);
        }
        self.rulebooks.push(ActiveRules {
            hash: rules.hash,
            from,
            bytes: Arc::from(rules.bytes.as_slice()),
            book: Arc::new(book),
        });
        sink.emit(RulebookActivated { hash: rules.hash, from }.into());
        Ok(())
    }

    /// Rule files before the ones in force can never be chosen again.
    fn drop_old_rules(&mut self) {
        if let Some(at) = self.rulebooks.iter().rposition(|rules| rules.from <= self.date) {
            self.rulebooks.drain(..at);
        }
    }

    fn set_level<S: EventSink>(&mut self, level: u16, sink: &mut S) -> Done {
        if !(OLDEST_LEVEL..=CURRENT_LEVEL).contains(&level) || level < self.level {
            return Err(RejectCode::LevelUnsupported);
        }
        self.level = level;
        sink.emit(EngineLevelSet { level }.into());
        Ok(())
    }

    fn open_account<S: EventSink>(&mut self, open: &OpenAccount, sink: &mut S) -> Done {
        let id_is_ours = open.account.partition() == self.partition && open.account.number() > 0;
        let commission_fits = (0..=COMMISSION_MAX).contains(&open.commission.0);
        if !id_is_ours || open.rights & !rights::ALL != 0 || !commission_fits {
            return Err(RejectCode::BadField);
        }
        if self.ledger.row_of(open.account).is_some() {
            return Err(RejectCode::AlreadyExists);
        }
        self.ledger.open(open).ok_or(RejectCode::TableFull)?;
        self.last_order.push(NO_ORDER);
        let OpenAccount { account, owner, kind, rights, commission } = *open;
        sink.emit(AccountOpened { account, owner, kind, rights, commission }.into());
        Ok(())
    }

    fn define_instrument<S: EventSink>(&mut self, define: &DefineInstrument, sink: &mut S) -> Done {
        let symbol_fits = !define.symbol.is_empty() && define.symbol.len() <= limits::SYMBOL_MAX;
        let partition_fits = define.partition.0 < limits::PARTITIONS_MAX;
        if define.instrument.0 >= limits::INSTRUMENTS_MAX || !symbol_fits || !partition_fits {
            return Err(RejectCode::BadField);
        }
        match self.instruments.get_mut(&define.instrument) {
            Some(_) if self.day_open => return Err(RejectCode::DayAlreadyOpen),
            // The last day is over, but it is compiled again when a snapshot is read.
            Some(instrument) if instrument.today.is_some() => instrument.next_definition = Some(define.clone()),
            Some(instrument) => instrument.definition = define.clone(),
            None => {
                let definition = define.clone();
                let instrument =
                    Instrument { definition, next_definition: None, next: None, today: None, stopped: false };
                self.instruments.insert(define.instrument, instrument);
            }
        }
        let DefineInstrument { instrument, ref symbol, board, class, partition, board_lot } = *define;
        sink.emit(InstrumentDefined { instrument, symbol: symbol.clone(), board, class, partition, board_lot }.into());
        Ok(())
    }

    /// Reference data takes effect, and is told, when the next day opens.
    fn set_reference(&mut self, reference: &SetReference) -> Done {
        let instrument = self.instruments.get_mut(&reference.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if reference.prev_close <= Price::ZERO || reference.prev_close.0 > limits::PRICE_MAX {
            return Err(RejectCode::BadField);
        }
        instrument.next = Some(*reference);
        Ok(())
    }

    fn move_cash<S: EventSink>(&mut self, row: u32, step: &CashMove, sink: &mut S) {
        let balance = self.ledger.post_cash(row, step.currency, step.amount, step.house);
        sink.emit(
            CashPosted {
                account: step.account,
                currency: step.currency,
                amount: step.amount,
                reason: step.reason,
                house: step.house,
                reference: step.reference,
                balance,
            }
            .into(),
        );
    }

    fn deposit<S: EventSink>(&mut self, deposit: &Deposit, sink: &mut S) -> Done {
        let Deposit { account, currency, amount, reference } = *deposit;
        let row = self.ledger.row_of(account).ok_or(RejectCode::UnknownAccount)?;
        if amount <= Money::ZERO || amount.0 % MINOR != 0 {
            return Err(RejectCode::BadField);
        }
        if self.ledger.has_posted(13, account, reference) {
            return Err(RejectCode::AlreadyExists);
        }
        if self.ledger.account(row).status == AccountStatus::Closed {
            return Err(RejectCode::AccountClosed);
        }
        if !self.ledger.has_room_for_cash(row, currency, amount, HouseAccount::Bank) {
            return Err(RejectCode::BadField);
        }
        self.ledger.claim_reference(13, account, reference);
        let (reason, house) = (PostingReason::Deposit, HouseAccount::Bank);
        self.move_cash(row, &CashMove { account, currency, amount, reason, house, reference }, sink);
        Ok(())
    }

    fn withdraw<S: EventSink>(&mut self, withdraw: &Withdraw, sink: &mut S) -> Done {
        let Withdraw { account, currency, amount, reference } = *withdraw;
        let row = self.ledger.row_of(account).ok_or(RejectCode::UnknownAccount)?;
        if amount <= Money::ZERO || amount.0 % MINOR != 0 {
            return Err(RejectCode::BadField);
        }
        if self.ledger.has_posted(14, account, reference) {
            return Err(RejectCode::AlreadyExists);
        }
        self.check_outflow(row)?;
        if Currency::ALL.iter().any(|one| self.ledger.cash(row, *one).receivable() > Money::ZERO) {
            return Err(RejectCode::ReceivableOpen);
        }
        if self.ledger.withdrawable(row, currency) < amount {
            return Err(RejectCode::InsufficientWithdrawable);
        }
        if !self.ledger.has_room_for_cash(row, currency, -amount, HouseAccount::Bank) {
            return Err(RejectCode::BadField);
        }
        self.ledger.claim_reference(14, account, reference);
        let (reason, house) = (PostingReason::Withdrawal, HouseAccount::Bank);
        self.move_cash(row, &CashMove { account, currency, amount: -amount, reason, house, reference }, sink);
        Ok(())
    }

    /// Neither money nor shares leave a frozen or closed account.
    fn check_outflow(&self, row: u32) -> Done {
        match self.ledger.account(row).status {
            AccountStatus::Frozen => Err(RejectCode::AccountFrozen),
            AccountStatus::Closed => Err(RejectCode::AccountClosed),
            AccountStatus::Normal | AccountStatus::BuyBarred => Ok(()),
        }
    }

    fn transfer<S: EventSink>(&mut self, transfer: &TransferHolding, sink: &mut S) -> Done {
        let TransferHolding { account, instrument, quantity, reference } = *transfer;
        let row = self.ledger.row_of(account).ok_or(RejectCode::UnknownAccount)?;
        if self.ledger.has_posted(15, account, reference) {
            return Err(RejectCode::AlreadyExists);
        }
        if quantity < Qty::ZERO {
            self.check_outflow(row)?;
        }
        self.check_shares(row, instrument, quantity)?;
        self.ledger.claim_reference(15, account, reference);
        self.move_shares(row, transfer, PostingReason::Transfer, sink);
        Ok(())
    }

    /// Whether shares may be added or taken.
    fn check_shares(&self, row: u32, instrument: heng_model::InstrumentId, quantity: Qty) -> Done {
        if !self.instruments.contains_key(&instrument) {
            return Err(RejectCode::UnknownInstrument);
        }
        if quantity == Qty::ZERO || !self.ledger.has_room_for_shares(row, instrument, quantity) {
            return Err(RejectCode::BadField);
        }
        let sellable = self.ledger.position(row, instrument).map_or(Qty::ZERO, |position| position.sellable);
        if sellable + quantity < Qty::ZERO { Err(RejectCode::InsufficientHoldings) } else { Ok(()) }
    }

    fn move_shares<S: EventSink>(&mut self, row: u32, step: &TransferHolding, reason: PostingReason, sink: &mut S) {
        let TransferHolding { account, instrument, quantity, reference } = *step;
        let total = self.ledger.post_shares(row, instrument, quantity).expect("checked before");
        sink.emit(HoldingPosted { account, instrument, quantity, reason, reference, total }.into());
    }

    /// Cash and shares of a corporate action. A tax may make a receivable; shares can only go if they are there.
    fn corporate_action<S: EventSink>(&mut self, action: &PostCorporateAction, sink: &mut S) -> Done {
        let PostCorporateAction { action: reference, account, instrument, currency, cash, quantity } = *action;
        let (reason, house) = (PostingReason::CorporateAction, HouseAccount::Issuer);
        let step = CashMove { account, currency, amount: cash, reason, house, reference };
        let shares = TransferHolding { account, instrument, quantity, reference };
        self.post_both(16, &step, &shares, sink)
    }

    /// A difference against official files adds an entry; nothing is overwritten.
    fn difference<S: EventSink>(&mut self, difference: &PostDifference, sink: &mut S) -> Done {
        let PostDifference { account, currency, cash, instrument, quantity, reference } = *difference;
        let (reason, house) = (PostingReason::Difference, HouseAccount::Difference);
        let step = CashMove { account, currency, amount: cash, reason, house, reference };
        let shares = TransferHolding { account, instrument, quantity, reference };
        self.post_both(18, &step, &shares, sink)
    }

    fn post_both<S: EventSink>(&mut self, kind: u8, step: &CashMove, shares: &TransferHolding, sink: &mut S) -> Done {
        let row = self.ledger.row_of(step.account).ok_or(RejectCode::UnknownAccount)?;
        if step.reference == 0 || step.amount.0 % MINOR != 0 {
            return Err(RejectCode::BadField);
        }
        if self.ledger.has_posted(kind, step.account, step.reference) {
            return Err(RejectCode::AlreadyExists);
        }
        if !self.ledger.has_room_for_cash(row, step.currency, step.amount, step.house) {
            return Err(RejectCode::BadField);
        }
        if shares.quantity != Qty::ZERO {
            self.check_shares(row, shares.instrument, shares.quantity)?;
        }
        self.ledger.claim_reference(kind, step.account, step.reference);
        if step.amount != Money::ZERO {
            self.move_cash(row, step, sink);
        }
        if shares.quantity != Qty::ZERO {
            self.move_shares(row, shares, step.reason, sink);
        }
        Ok(())
    }

    fn advance_settlement<S: EventSink>(&mut self, advance: &AdvanceSettlement, sink: &mut S) -> Done {
        let AdvanceSettlement { date, exchange, state } = *advance;
        if !self.ledger.advance_settlement(date, exchange, state) {
            return Err(RejectCode::OutOfOrder);
        }
        sink.emit(SettlementAdvanced { date, exchange, state }.into());
        Ok(())
    }
}

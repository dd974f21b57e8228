//! The words of case files become commands.

use std::str::FromStr;

use heng_model::command::{
    AdvanceSettlement, BasketOrders, BulkOrders, CancelOrder, CloseDay, ControlParent, DefineInstrument, Deposit, Halt,
    KillSwitch, Mark, MarkPrices, MassCancel, Memo, NewOrder, NewParent, OpenAccount, OpenDay, ParentAction,
    ParentKind, PostCorporateAction, PostDifference, ReportKind, Resume, RiskFeature, RiskRule, SetAccountLimits,
    SetAccountStatus, SetEngineLevel, SetExchangeRates, SetQuota, SetReference, SetRights, SetRiskRules, SliceParent,
    Tick, TransferHolding, TriggerParent, VenueReport, Withdraw,
};
use heng_model::market::{AccountStatus, CancelReason, OrderType, SelfTrade, SettlementState};
use heng_model::{
    AccountKind, Board, ClientOrderId, Command, Currency, Exchange, InstrumentClass, InstrumentId, Money, OwnerId,
    ParentId, PartitionId, Price, Qty, Rate, RejectCode, SECOND, Seq, Side, TradeDate, TradeId, UnixNanos, rights,
};

use crate::show;
use crate::world::{World, restarted, rules_from};

type Parsed<T> = Result<T, String>;

/// The words of a line, taken from the left; options are looked up by their name.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn take(&mut self) -> Parsed<&'a str> {
        if self.0.is_empty() { Err("a word is missing".to_owned()) } else { Ok(self.0.remove(0)) }
    }
    fn get<T: FromStr>(&mut self) -> Parsed<T> {
        let word = self.take()?;
        word.parse().map_err(|_| format!("{word:?} is not what is wanted here"))
    }
    /// The value after `name`, wherever it stands.
    fn option<T: FromStr>(&mut self, name: &str) -> Parsed<Option<T>> {
        let Some(at) = self.0.iter().position(|word| *word == name) else { return Ok(None) };
        self.0.remove(at);
        if at >= self.0.len() {
            return Err(format!("nothing after {name}"));
        }
        let word = self.0.remove(at);
        word.parse().map(Some).map_err(|_| format!("{word:?} is no {name}"))
    }
    fn flag(&mut self, name: &str) -> bool {
        let found = self.0.iter().position(|word| *word == name);
        found.map(|at| self.0.remove(at)).is_some()
    }
    fn done(&self) -> Parsed<()> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("left over: {:?}", self.0)) }
    }
}

fn time_of_day(word: &str) -> Option<i64> {
    let parts: Vec<i64> = word.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = parts[..] else { return None };
    Some((hour * 3_600 + minute * 60 + second) * SECOND)
}

fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, word: &str) -> Parsed<T> {
    all.iter().copied().find(|one| name(*one) == word).ok_or_else(|| format!("{word:?} is no known name"))
}

/// Runs a line; returns what happened.
pub(crate) fn run_line(world: &mut World, line: &str) -> Parsed<String> {
    let mut words = Words(line.split_whitespace().collect());
    let time = words.0.first().and_then(|word| time_of_day(word));
    if time.is_some() {
        words.take()?;
    }
    let quarantined = words.flag("quarantined");
    let verb = words.take()?;
    if let Some(text) = look(world, verb, &mut words)? {
        words.done()?;
        return Ok(text);
    }
    let times: Option<u32> = words.option("times")?;
    let command = command(world, verb, &mut words)?;
    words.done()?;
    for _ in 1..times.unwrap_or(1) {
        let key = world.fresh_key();
        world.apply(time, renewed(key, &command), false);
    }
    let of_parent = matches!(command, Command::NewParent(_));
    let outcome = world.apply(time, command, quarantined);
    Ok(show::outcome(world, outcome, of_parent))
}

/// The same command under another key or name, for `times`.
fn renewed(key: String, command: &Command) -> Command {
    let mut command = command.clone();
    match &mut command {
        Command::NewOrder(order) => order.client_order = ClientOrderId::from_text(&key),
        Command::Memo(memo) => memo.topic = key,
        _ => {}
    }
    command
}

/// Lines that only look.
fn look(world: &mut World, verb: &str, words: &mut Words<'_>) -> Parsed<Option<String>> {
    Ok(Some(match verb {
        "cash" => {
            let account = words.take()?.to_owned();
            show::cash(world, &account, currency(words.take()?)?)
        }
        "holding" => show::holding(world, words.take()?, words.take()?),
        "order" => show::order(world, words.take()?),
        "book" => show::book(world, words.take()?),
        "fees" => show::fees(world, words.take()?),
        "phase" => {
            let phase = world.state.venue().phase(world.instrument(words.take()?));
            phase.map_or("none".to_owned(), |phase| phase.to_string())
        }
        "reference" if words.0.len() == 1 => {
            let id = world.instrument(words.take()?);
            let text = |r: &SetReference| format!("{}, listing day {}", r.prev_close, r.listing_day);
            world.state.reference(id).map_or("none".to_owned(), text)
        }
        "limits-of" => match world.state.day_of(world.instrument(words.take()?)) {
            Some(day) => day.limits.map_or("no limit".to_owned(), |(down, up)| format!("{down} to {up}")),
            None => "not listed".to_owned(),
        },
        "parent" if words.0.len() == 1 => {
            let id = world.parent(words.take()?);
            let text = |p: &heng_engine::Parent| format!("{} filled {} epoch {}", p.status, p.filled, p.epoch);
            world.state.parent(id).map_or("unknown".to_owned(), text)
        }
        "settlement" => {
            let date = words.get()?;
            let state = world.state.ledger().settlement(date, exchange(words.take()?)?);
            state.map_or("none".to_owned(), |state| state.to_string())
        }
        "restart" => {
            let read = restarted(&world.state);
            assert_eq!(read.hash(), world.state.hash(), "a restart changes nothing");
            world.state = read;
            "ok".to_owned()
        }
        _ => return Ok(None),
    }))
}

fn currency(word: &str) -> Parsed<Currency> {
    named(Currency::ALL, Currency::name, word)
}

fn exchange(word: &str) -> Parsed<Exchange> {
    named(Exchange::ALL, Exchange::name, word)
}

fn rights_of(word: &str) -> Parsed<u32> {
    match word {
        "all" => Ok(rights::ALL),
        "none" => Ok(0),
        list => list.split(',').try_fold(0, |mask, name| {
            let bit = rights::NAMES.iter().position(|known| *known == name);
            bit.map(|bit| mask | 1 << bit).ok_or_else(|| format!("{name:?} is no right"))
        }),
    }
}

fn code_named(word: &str) -> Parsed<RejectCode> {
    named(RejectCode::ALL, RejectCode::name, word)
}

fn command(world: &mut World, verb: &str, words: &mut Words<'_>) -> Parsed<Command> {
    Ok(match verb {
        "buy" | "sell" => order(world, verb, words)?.into(),
        "cancel" => {
            let account = world.account(words.take()?);
            CancelOrder { account, order: world.order(words.take()?) }.into()
        }
        "mass-cancel" => {
            let account = world.account(words.take()?);
            let only: Option<String> = words.option("in")?;
            let instrument = only.as_ref().map_or(InstrumentId(0), |symbol| world.instrument(symbol));
            MassCancel { account, by_instrument: only.is_some(), instrument }.into()
        }
        "bulk" => BulkOrders { orders: orders(world, words)? }.into(),
        "basket" => BasketOrders { orders: orders(world, words)? }.into(),
        "kill" | "free" => kill(world, verb == "kill", words)?.into(),
        "halt" => {
            let instrument = world.instrument(words.take()?);
            let until: Option<String> = words.option("until")?;
            let until =
                until.and_then(|word| time_of_day(&word)).map_or(UnixNanos(0), |t| UnixNanos::at(world.date, t));
            Halt { instrument, until }.into()
        }
        "resume" => Resume { instrument: world.instrument(words.take()?) }.into(),
        "tick" => Tick {}.into(),
        "report" => report(world, words)?.into(),
        "settle" => {
            let (date, on) = (words.get()?, exchange(words.take()?)?);
            let state = named(SettlementState::ALL, SettlementState::name, words.take()?)?;
            AdvanceSettlement { date, exchange: on, state }.into()
        }
        other => return administration(world, other, words),
    })
}

fn administration(world: &mut World, verb: &str, words: &mut Words<'_>) -> Parsed<Command> {
    Ok(match verb {
        "rulebook" => {
            let mut rules = rules_from(words.option("from")?.unwrap_or("2020-01-02".parse().unwrap()));
            if words.flag("damaged") {
                rules.bytes.truncate(1_000);
                rules.hash = heng_model::hash::sha256(&rules.bytes);
            }
            rules.into()
        }
        "open" => {
            let date: TradeDate = words.get()?;
            OpenDay { date, random_close_s: words.option("random-close")?.unwrap_or(0) }.into()
        }
        "close" => CloseDay { date: words.option("date")?.unwrap_or(world.date) }.into(),
        "level" => SetEngineLevel { level: words.get()? }.into(),
        "memo" => Memo { topic: words.take()?.to_owned(), content: words.take()?.as_bytes().to_vec() }.into(),
        "instrument" => define(world, words)?.into(),
        "reference" => reference(world, words)?.into(),
        "mark" => {
            let instrument = world.instrument(words.take()?);
            let (bid, ask, last) = (words.get()?, words.get()?, words.get()?);
            MarkPrices { marks: vec![Mark { instrument, bid, ask, last }] }.into()
        }
        "rates" => {
            let (sell, buy) = (words.option("sell")?, words.option("buy")?);
            SetExchangeRates { sell_reference: sell.unwrap_or(Rate(0)), buy_reference: buy.unwrap_or(Rate(0)) }.into()
        }
        "quota" => SetQuota { amount: words.get()? }.into(),
        "rules" => SetRiskRules { rules: risk_rules(words)? }.into(),
        "parent" => parent(world, words)?.into(),
        "slice" => slice(world, words)?.into(),
        "trigger" => {
            let parent = world.parent(words.take()?);
            let event = words.option("event")?.unwrap_or(world.state.seq().0);
            TriggerParent { parent, event: Seq(event), price: words.option("price")?.unwrap_or_default() }.into()
        }
        "pause" | "continue" | "claim" | "drop" => control(world, verb, words)?.into(),
        other => return account(world, other, words),
    })
}

fn account(world: &mut World, verb: &str, words: &mut Words<'_>) -> Parsed<Command> {
    let name = words.take()?;
    if verb == "account" {
        let account = world.open_account(name);
        let kind = named(AccountKind::ALL, AccountKind::name, words.take()?)?;
        let rights = words.option::<String>("rights")?.map_or(Ok(rights::ALL), |list| rights_of(&list))?;
        let owner = OwnerId(words.option("owner")?.unwrap_or(account.number() as u32));
        let commission = words.option("commission")?.unwrap_or(Rate(25_000));
        return Ok(OpenAccount { account, owner, kind, rights, commission }.into());
    }
    let account = world.account(name);
    let reference: Option<u64> = words.option("ref")?;
    let reference = reference.unwrap_or(world.state.seq().0 + 1_000_000);
    Ok(match verb {
        "deposit" | "withdraw" => {
            let (amount, currency) = (words.get()?, currency(words.take()?)?);
            match verb {
                "deposit" => Deposit { account, currency, amount, reference }.into(),
                _ => Withdraw { account, currency, amount, reference }.into(),
            }
        }
        "transfer" => {
            let instrument = world.instrument(words.take()?);
            TransferHolding { account, instrument, quantity: words.get()?, reference }.into()
        }
        "corporate-action" | "difference" => {
            let instrument = world.instrument(words.take()?);
            let cash = words.option("cash")?.unwrap_or(Money::ZERO);
            let quantity = words.option("shares")?.unwrap_or(Qty::ZERO);
            let currency = words.option::<String>("in")?.map_or(Ok(Currency::Cny), |word| currency(&word))?;
            match verb {
                "difference" => PostDifference { account, currency, cash, instrument, quantity, reference }.into(),
                _ => PostCorporateAction { action: reference, account, instrument, currency, cash, quantity }.into(),
            }
        }
        "status" => {
            let status = named(AccountStatus::ALL, AccountStatus::name, words.take()?)?;
            SetAccountStatus { account, status }.into()
        }
        "rights" => SetRights { account, rights: rights_of(words.take()?)? }.into(),
        "limits" => SetAccountLimits {
            account,
            orders_per_second: words.option("per-second")?.unwrap_or(0),
            order_value_max: words.option("order-value")?.unwrap_or(Money::ZERO),
            credit_line: words.option("credit")?.unwrap_or(Money::ZERO),
        }
        .into(),
        other => return Err(format!("{other:?} is no command")),
    })
}

fn order(world: &mut World, verb: &str, words: &mut Words<'_>) -> Parsed<NewOrder> {
    let account = world.account(words.take()?);
    let instrument = world.instrument(words.take()?);
    let quantity = words.get()?;
    let price = words.option("@")?.unwrap_or(Price::ZERO);
    let key: Option<String> = words.option("key")?;
    let self_trade = words.option::<String>("own")?;
    let self_trade = self_trade.map_or(Ok(SelfTrade::Allow), |w| named(SelfTrade::ALL, SelfTrade::name, &w))?;
    let trade_date = words.option("date")?.unwrap_or(world.date);
    let order_type = if words.0.is_empty() { "limit" } else { words.take()? };
    let order_type = named(OrderType::ALL, OrderType::name, order_type)?;
    let key = key.unwrap_or_else(|| world.fresh_key());
    let client_order = ClientOrderId::from_text(&key);
    let side = if verb == "buy" { Side::Buy } else { Side::Sell };
    Ok(NewOrder { account, client_order, trade_date, instrument, side, order_type, price, quantity, self_trade })
}

fn orders(world: &mut World, words: &mut Words<'_>) -> Parsed<Vec<NewOrder>> {
    let all = core::mem::take(&mut words.0);
    let parts = all.split(|word| *word == ";").filter(|part| !part.is_empty());
    let mut orders = Vec::new();
    for part in parts {
        let mut words = Words(part.to_vec());
        let verb = words.take()?;
        orders.push(order(world, verb, &mut words)?);
        words.done()?;
    }
    Ok(orders)
}

fn kill(world: &mut World, on: bool, words: &mut Words<'_>) -> Parsed<KillSwitch> {
    let cancel_live = words.flag("and-cancel");
    let account: Option<String> = words.option("account")?;
    let only: Option<String> = words.option("instrument")?;
    Ok(KillSwitch {
        account: account.map_or(heng_model::AccountId(0), |name| world.account(&name)),
        by_instrument: only.is_some(),
        instrument: only.map_or(InstrumentId(0), |symbol| world.instrument(&symbol)),
        on,
        cancel_live,
    })
}

fn report(world: &mut World, words: &mut Words<'_>) -> Parsed<VenueReport> {
    let order = world.order(words.take()?);
    let kind = named(ReportKind::ALL, ReportKind::name, words.take()?)?;
    let because: Option<String> = words.option("because")?;
    let detail = because.map_or(Ok(0), |word| code_named(&word).map(|code| u32::from(code.number())))?;
    let price = words.option("@")?.unwrap_or(Price::ZERO);
    // Without a number it is a trade of its own, later than all before.
    let trade = TradeId(words.option("trade")?.unwrap_or(world.state.seq().0 + 1_000_000));
    let quantity = if words.0.is_empty() { Qty::ZERO } else { words.get()? };
    Ok(VenueReport { order, kind, detail, trade, price, quantity, reason: CancelReason::Venue as u8 })
}

fn define(world: &mut World, words: &mut Words<'_>) -> Parsed<DefineInstrument> {
    let symbol = words.take()?.to_owned();
    let next = InstrumentId(world.instruments.len() as u32);
    let instrument = *world.instruments.entry(symbol.clone()).or_insert(next);
    let board = named(Board::ALL, Board::name, words.take()?)?;
    let class = named(InstrumentClass::ALL, InstrumentClass::name, words.take()?)?;
    let partition = PartitionId(words.option("venue")?.unwrap_or(0));
    Ok(DefineInstrument { instrument, symbol, board, class, partition, board_lot: words.option("lot")?.unwrap_or(0) })
}

fn reference(world: &mut World, words: &mut Words<'_>) -> Parsed<SetReference> {
    Ok(SetReference {
        instrument: world.instrument(words.take()?),
        prev_close: words.get()?,
        risk_warning: words.flag("st"),
        listing_day: words.option("listing-day")?.unwrap_or(0),
        delisting_day: words.option("delisting-day")?.unwrap_or(0),
        suspended: words.flag("suspended"),
    })
}

/// `NUMBER BOARD SIDE FEATURE LEAST MOST`, several with `;` between; nothing for no rules.
fn risk_rules(words: &mut Words<'_>) -> Parsed<Vec<RiskRule>> {
    let mut rules = Vec::new();
    while !words.0.is_empty() {
        let number = words.get()?;
        let (board, side) = (words.take()?, words.take()?);
        let board = if board == "any" { 0 } else { named(Board::ALL, Board::name, board)? as u8 };
        let side = if side == "any" { 0 } else { named(Side::ALL, Side::name, side)? as u8 };
        let feature = named(RiskFeature::ALL, RiskFeature::name, words.take()?)?;
        rules.push(RiskRule { number, board, side, feature, least: words.get()?, most: words.get()? });
        words.flag(";");
    }
    Ok(rules)
}

fn parent(world: &mut World, words: &mut Words<'_>) -> Parsed<NewParent> {
    let account = world.account(words.take()?);
    let kind = named(ParentKind::ALL, ParentKind::name, words.take()?)?;
    let side = named(Side::ALL, Side::name, words.take()?)?;
    let instrument = world.instrument(words.take()?);
    let quantity = words.get()?;
    let key: Option<String> = words.option("key")?;
    let key = key.unwrap_or_else(|| world.fresh_key());
    let (above, below): (Option<Price>, Option<Price>) = (words.option("above")?, words.option("below")?);
    let watch: Option<String> = words.option("watch")?;
    let expires: Option<String> = words.option("expires")?;
    Ok(NewParent {
        account,
        client_order: ClientOrderId::from_text(&key),
        trade_date: words.option("date")?.unwrap_or(world.date),
        kind,
        instrument,
        side,
        order_type: OrderType::Limit,
        price: words.option("@")?.unwrap_or(Price::ZERO),
        quantity,
        value_max: words.option("value")?.unwrap_or(Money::ZERO),
        watch: watch.map_or(instrument, |symbol| world.instrument(&symbol)),
        at_or_above: above.is_some(),
        trigger: above.or(below).unwrap_or(Price::ZERO),
        expires: expires.and_then(|w| time_of_day(&w)).map_or(UnixNanos(0), |t| UnixNanos::at(world.date, t)),
    })
}

fn slice(world: &mut World, words: &mut Words<'_>) -> Parsed<SliceParent> {
    let parent = world.parent(words.take()?);
    let (slice, quantity) = (words.get()?, words.get()?);
    let price = words.option("@")?.unwrap_or(Price::ZERO);
    let epoch = words.option("epoch")?.unwrap_or(0);
    let order_type = if words.0.is_empty() { "limit" } else { words.take()? };
    let order_type = named(OrderType::ALL, OrderType::name, order_type)?;
    Ok(SliceParent { parent, slice, epoch, order_type, price, quantity })
}

fn control(world: &mut World, verb: &str, words: &mut Words<'_>) -> Parsed<ControlParent> {
    let account = world.account(words.take()?);
    let parent = if words.0.is_empty() { ParentId(0) } else { world.parent(words.take()?) };
    let action = match verb {
        "pause" => ParentAction::Pause,
        "continue" => ParentAction::Resume,
        "claim" => ParentAction::Claim,
        _ => ParentAction::Cancel,
    };
    Ok(ControlParent { account, parent, action, epoch: words.option("epoch")?.unwrap_or(0) })
}

#!/usr/bin/env python3
"""Recomputes a broker's day from its exported event log alone.

Reads `heng events export --from 1 --json` (a file, or stdin) and checks balances, holds, fees, price-time priority,
T+1, due money and quantities, as docs/events.md describes them. It shares no code and no tables with the core: fees come from
rates.json beside it. Plain Python 3.9 or later, no packages.

Exit code: 0 everything agrees, 1 a violation, 2 the input cannot be read.
"""

import argparse
import json
import os
import sys
from collections import defaultdict, deque
from heapq import heappop, heappush

SCALE = 10_000
MINOR = 100
RATE_SCALE = 100_000_000
FEE_KINDS = ("commission", "stamp", "transfer", "handling", "regulatory", "sfc", "afrc", "trading", "settlement")
HK_LEVIES = ("sfc", "afrc", "trading", "settlement")
ANY_PRICE_CLASSES = {"bond": 100, "repo": 0}
SHOWN_MAX = 20


def half_up(numerator, denominator):
    """Quotient, halves away from zero."""
    quotient = (abs(numerator) * 2 + denominator) // (denominator * 2)
    return -quotient if numerator < 0 else quotient


def up(numerator, denominator):
    """Quotient, away from zero."""
    quotient = (abs(numerator) + denominator - 1) // denominator
    return -quotient if numerator < 0 else quotient


def minor(value):
    """An exact value in whole minor units."""
    return half_up(value, MINOR) * MINOR


def decimal(text, scale):
    """Decimal text as an integer; exact or an error."""
    whole, _, fraction = text.partition(".")
    digits = len(str(scale)) - 1
    if len(fraction) > digits:
        raise ValueError(f"{text} has more than {digits} decimals")
    return int(whole) * scale + int(fraction.ljust(digits, "0") or "0")


class Rates:
    """Fee schedules by board, class, side and date."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            table = json.load(file)
        self.commission, self.fees, self.known = table["commission"], table["fees"], {}

    def schedule(self, board, kind, side, date):
        """Commission minimum and cap, and the other fees; None if the table does not know the class on that date."""
        key = (board, kind, side, date)
        if key not in self.known:
            self.known[key] = self._compile(board, kind, side, date)
        return self.known[key]

    def _compile(self, board, kind, side, date):
        def holds(row):
            in_time = row["from"] <= date and (row.get("to") is None or date < row["to"])
            return in_time and board in row["boards"] and kind in row["classes"]

        rows = [row for row in self.commission if holds(row)]
        if not rows:
            return None
        fees = []
        for row in self.fees:
            if holds(row) and side in row["sides"]:
                unit = decimal(row["unit"], SCALE)
                most = decimal(row["max"], SCALE) if "max" in row else None
                divide = up if row.get("rounding") == "up" else half_up
                inside = bool(row.get("inside_commission"))
                fees.append((FEE_KINDS.index(row["kind"]), decimal(row["rate"], RATE_SCALE), unit, divide,
                             decimal(row.get("min", "0"), SCALE), most, inside))
        return decimal(rows[0]["min"], SCALE), decimal(rows[0]["cap"], RATE_SCALE), fees


def in_yuan(amount, rate):
    """An amount of the quotation's currency in yuan, half up to the minor unit."""
    return half_up(amount * rate, RATE_SCALE * MINOR) * MINOR


NO_FEES = (0,) * len(FEE_KINDS)


def fees_on(schedule, value, commission_rate):
    """Every fee of an order whose fills so far are worth `value`."""
    if value == 0:
        return NO_FEES
    least, cap, rows = schedule
    fees = [0] * len(FEE_KINDS)
    inside = 0
    for place, rate, unit, divide, low, high, is_inside in rows:
        fee = max(divide(value * rate, RATE_SCALE * unit) * unit, low)
        if high is not None and fee > high:
            fee = high
        fees[place] = fee
        if is_inside:
            inside += fee
    commission = half_up(value * min(commission_rate, cap), RATE_SCALE * MINOR) * MINOR
    fees[0] = max(commission, least, inside)
    return tuple(fees)


def total_of(fees):
    """What the client pays: handling and regulatory fees are inside the commission."""
    return sum(fees) - fees[3] - fees[4]


class Cash:
    """Money of one account in one currency."""

    __slots__ = ("balance", "frozen", "frozen_hk", "due", "hk_due")

    def __init__(self):
        # Of what is frozen, `frozen_hk` is held for Hong Kong buys, which use Hong Kong proceeds first.
        self.balance = self.frozen = self.frozen_hk = 0
        # Proceeds that are due in one, two and three days; those of Hong Kong in one and two of its settlement days.
        self.due, self.hk_due = [0, 0, 0], [0, 0]

    def roll(self, hk_settles):
        self.due = [self.due[1], self.due[2], 0]
        if hk_settles:
            self.hk_due = [self.hk_due[1], 0]

    def settle(self, amount, connect, days):
        """What a fill paid or received: proceeds become due later, payments use what is not due yet, latest first."""
        self.balance += amount
        due = self.hk_due if connect else self.due
        if amount > 0:
            due[min(max(days, 1), len(due)) - 1] += amount
            return
        for place in reversed(range(len(due))):
            used = min(-amount, due[place])
            due[place] -= used
            amount += used

    def kept_for_hk(self):
        return max(sum(self.hk_due), self.frozen_hk)

    def available(self):
        return self.balance - (self.frozen - self.frozen_hk) - self.kept_for_hk()

    def available_hk(self):
        return self.balance - self.frozen

    def settled(self):
        """What is neither held, nor due, nor kept: negative if even that is not there."""
        return self.balance - max(self.frozen - self.frozen_hk, sum(self.due)) - self.kept_for_hk()


class Account:
    __slots__ = ("kind", "commission", "line", "cash", "positions")

    def __init__(self, kind, commission):
        self.kind, self.commission, self.line = kind, commission, 0
        self.cash = defaultdict(Cash)
        # Per instrument: sellable, frozen, unsellable.
        self.positions = defaultdict(lambda: [0, 0, 0])


class Instrument:
    __slots__ = ("board", "kind", "reference", "levels", "prices", "after", "halted")

    def __init__(self, board, kind):
        self.board, self.kind, self.reference = board, kind, None
        self.clear()

    def clear(self):
        self.levels = {"buy": {}, "sell": {}}
        self.prices = {"buy": [], "sell": []}
        self.after = {"buy": deque(), "sell": deque()}
        self.halted = False

    def join(self, side, order):
        level = self.levels[side].get(order.book_price)
        if level is None:
            level = self.levels[side][order.book_price] = deque()
            heappush(self.prices[side], -order.book_price if side == "buy" else order.book_price)
        level.append(order)

    def best(self, side):
        """The first order of the best price, or None."""
        prices, levels = self.prices[side], self.levels[side]
        while prices:
            price = -prices[0] if side == "buy" else prices[0]
            level = levels[price]
            while level and level[0].resting == 0:
                level.popleft()
            if level:
                return level[0]
            heappop(prices)
            del levels[price]
        return None

    def first_after_hours(self, side, price):
        """The first after-hours order that takes this price."""
        queue = self.after[side]
        while queue and queue[0].resting == 0:
            queue.popleft()
        for order in queue:
            if order.resting and (order.price >= price if side == "buy" else order.price <= price):
                return order
        return None


class Order:
    __slots__ = ("number", "account", "instrument", "side", "kind", "price", "highest", "left", "filled", "value",
                 "fees", "schedule", "hold_cash", "hold_shares", "currency", "resting", "book_price", "live", "line")


class Checker:
    """State that follows from the events, and what disagrees with it."""

    def __init__(self, rates):
        self.rates, self.accounts, self.instruments, self.orders = rates, {}, {}, {}
        self.house_cash, self.house_shares = defaultdict(int), defaultdict(int)
        self.phases, self.keys, self.trades = {}, set(), {}
        self.auctions, self.live, self.date = {}, 0, ""
        self.sell_reference = 0
        self.place = (0, 0)
        self.counts, self.checks, self.not_checkable = defaultdict(int), defaultdict(int), defaultdict(int)
        self.violations, self.violation_count = [], 0
        self.handlers = {name[3:]: getattr(self, name) for name in dir(self) if name.startswith("on_")}

    def bad(self, rule, message):
        self.violation_count += 1
        if len(self.violations) < SHOWN_MAX:
            self.violations.append({"seq": self.place[0], "index": self.place[1], "rule": rule, "message": message})

    def same(self, rule, what, found, wanted):
        self.checks[rule] += 1
        if found != wanted:
            self.bad(rule, f"{what} is {found}, recomputed {wanted}")

    def holds_true(self, rule, good, message):
        self.checks[rule] += 1
        if not good:
            self.bad(rule, message)

    def take(self, event):
        seq, index = event["seq"], event["index"]
        last_seq, last_index = self.place
        if seq != last_seq:
            if self.auctions:
                self.end_auctions()
            if seq < last_seq or index != 0:
                self.bad("sequence", f"event {seq}/{index} follows {last_seq}/{last_index}")
        elif index != last_index + 1:
            self.bad("sequence", f"event {seq}/{index} follows {last_seq}/{last_index}")
        self.place = (seq, index)
        self.counts[event["event"]] += 1
        handler = self.handlers.get(event["event"])
        if handler is not None:
            handler(event)

    # Administration.

    def on_AccountOpened(self, e):
        self.accounts[e["account"]] = Account(e["kind"], e["commission"])

    def on_AccountLimitsSet(self, e):
        self.accounts[e["account"]].line = e["credit_line"]

    def on_InstrumentDefined(self, e):
        self.instruments[e["instrument"]] = Instrument(e["board"], e["class"])

    def on_ReferenceSet(self, e):
        self.instruments[e["instrument"]].reference = e

    def on_ExchangeRatesSet(self, e):
        self.sell_reference = e["sell_reference"]

    def on_PhaseChanged(self, e):
        self.phases[e["board"], e["class"]] = e["phase"]

    def on_Halted(self, e):
        self.instruments[e["instrument"]].halted = True

    def on_Resumed(self, e):
        self.instruments[e["instrument"]].halted = False

    def on_DayOpened(self, e):
        self.date = e["date"]
        self.phases, self.keys, self.orders, self.trades = {}, set(), {}, {}
        for instrument in self.instruments.values():
            instrument.clear()
        for account in self.accounts.values():
            for cash in account.cash.values():
                cash.roll(e["hk_settles"])
            for position in account.positions.values():
                position[0] += position[2]
                position[2] = 0

    def on_DayClosed(self, e):
        self.holds_true("day-end", self.live == 0, f"{self.live} orders live after the day closed")
        self.same("day-end", "trades of the day", e["trades"], len(self.trades))
        for account in self.accounts.values():
            frozen = any(cash.frozen for cash in account.cash.values()) or any(p[1] for p in account.positions.values())
            self.holds_true("day-end", not frozen, "something is held after the day closed")
        self.check_trades_reported()

    # Money and shares outside fills.

    def on_CashPosted(self, e):
        account = self.accounts[e["account"]]
        cash = account.cash[e["currency"]]
        if e["reason"] == "withdrawal":
            self.check_withdrawal(e, account, cash)
        cash.balance += e["amount"]
        self.house_cash[e["house"], e["currency"]] -= e["amount"]
        self.same("balances", f"balance of account {e['account']}", e["balance"], cash.balance)

    def check_withdrawal(self, e, account, cash):
        """No more leaves than is withdrawable, and nothing while the client owes anything in any currency."""
        owed = any(one.balance < 0 for one in account.cash.values())
        self.holds_true("withdrawals", not owed, f"account {e['account']} withdrew while it owed money")
        free = self.withdrawable(account, e["currency"])
        self.holds_true("withdrawals", -e["amount"] <= free,
                        f"account {e['account']} withdrew {-e['amount']}, withdrawable {free}")

    @staticmethod
    def withdrawable(account, currency):
        """An option account keeps its margin requirement, which is in yuan."""
        kept = account.line if account.kind == "option" and currency == "CNY" else 0
        return max(account.cash[currency].settled() - kept, 0)

    def on_HoldingPosted(self, e):
        position = self.accounts[e["account"]].positions[e["instrument"]]
        position[0] += e["quantity"]
        self.house_shares["depository", e["instrument"]] -= e["quantity"]
        self.same("balances", f"shares of account {e['account']}", e["total"], sum(position))
        self.holds_true("t+1", position[0] >= 0, f"account {e['account']} gave away shares that it could not")

    # Orders.

    def value_of(self, instrument, price, quantity):
        if instrument.kind == "bond":
            return half_up(price * quantity, 100 * MINOR) * MINOR
        return quantity * 100 * SCALE if instrument.kind == "repo" else price * quantity

    def hold_of(self, order):
        """Cash that a live buy holds; None if the fees are not in the table."""
        if order.side == "sell" or order.left == 0:
            return 0
        if order.schedule is None:
            return None
        whole = order.value + self.value_of(order.instrument, order.highest, order.left)
        most = minor(whole) + total_of(fees_on(order.schedule, whole, order.account.commission))
        paid = minor(order.value) + total_of(order.fees)
        if order.instrument.board == "hk":
            return up(most * self.sell_reference, RATE_SCALE * MINOR) * MINOR - in_yuan(paid, self.sell_reference)
        return most - paid

    def check_hold(self, order, e):
        """Compares what is held with what the live order asks for, and moves the account's frozen cash."""
        wanted = self.hold_of(order)
        if wanted is None:
            self.not_checkable["holds"] += 1
        else:
            self.same("holds", f"cash held for order {order.number}", e["hold_cash"], wanted)
        shares = order.left if order.side == "sell" else 0
        self.same("holds", f"shares held for order {order.number}", e["hold_quantity"], shares)
        if order.side == "buy":
            cash = order.account.cash[order.currency]
            cash.frozen += e["hold_cash"] - order.hold_cash
            if order.instrument.board == "hk":
                cash.frozen_hk += e["hold_cash"] - order.hold_cash
            self.holds_true("holds", cash.frozen >= cash.frozen_hk >= 0 and e["hold_cash"] >= 0, f"negative hold after order {order.number}")
        order.hold_cash = e["hold_cash"]

    def on_OrderPlaced(self, e):
        instrument, account = self.instruments[e["instrument"]], self.accounts[e["account"]]
        reference = instrument.reference
        order = Order()
        order.line = 0
        order.number, order.account, order.instrument = e["order"], account, instrument
        order.side, order.kind, order.price = e["side"], e["order_type"], e["price"]
        order.highest = e["price"] or reference["limit_up"] or reference["prev_close"]
        order.left, order.filled, order.value, order.fees = e["quantity"], 0, 0, NO_FEES
        order.schedule = self.rates.schedule(instrument.board, instrument.kind, order.side, self.date)
        order.hold_cash = order.resting = order.book_price = 0
        order.currency = "CNY" if instrument.board == "hk" else reference["currency"]
        order.live = True
        key = (e["account"], e["trade_date"], e["client_order"])
        self.holds_true("orders", key not in self.keys, f"the key of order {order.number} was placed before")
        self.holds_true("orders", order.number not in self.orders, f"order {order.number} was placed before")
        self.keys.add(key)
        self.orders[order.number] = order
        self.live += 1
        self.check_hold(order, e)
        if order.side == "sell":
            position = account.positions[e["instrument"]]
            position[0] -= order.left
            position[1] += order.left
            self.holds_true("t+1", position[0] >= 0, f"order {order.number} sells shares that are not sellable")
        elif account.kind == "cash":
            cash = account.cash[order.currency]
            free = cash.available_hk() if instrument.board == "hk" else cash.available()
            self.holds_true("holds", free >= 0, f"order {order.number} holds more cash than account {e['account']} has")

    def on_OrderWorking(self, e):
        order = self.orders.get(e["order"])
        if order is None or not order.live:
            return self.bad("orders", f"order {e['order']} joins the book but is not live")
        self.same("orders", f"quantity of order {order.number} in the book", e["quantity"], order.left)
        order.resting, order.book_price = e["quantity"], e["price"]
        if order.kind == "after-hours-fixed":
            order.instrument.after[order.side].append(order)
            return None
        self.check_not_crossing(order)
        order.instrument.join(order.side, order)
        return None

    def check_not_crossing(self, order):
        instrument = order.instrument
        phase = self.phases.get((instrument.board, instrument.kind))
        if phase != "continuous" or instrument.halted or order.kind != "limit":
            return
        other = instrument.best("sell" if order.side == "buy" else "buy")
        if other is not None:
            crossing = other.book_price <= order.book_price if order.side == "buy" else other.book_price >= order.book_price
            self.holds_true("priority", not crossing, f"order {order.number} rests although order {other.number} matches it")

    def on_Trade(self, e):
        buy, sell = self.orders.get(e["buy"]), self.orders.get(e["sell"])
        if buy is None or sell is None:
            return self.bad("orders", f"trade {e['trade']} of an unknown order")
        number, price, quantity = e["trade"], e["price"], e["quantity"]
        # What the two fills must say; each takes its side out.
        self.trades[number] = [price, quantity, e["instrument"], e["buy"], e["sell"]]
        right = buy.side == "buy" and sell.side == "sell" and buy.instrument is sell.instrument
        self.holds_true("orders", right, f"trade {number} joins orders that do not face each other")
        within = (not buy.price or price <= buy.price) and (not sell.price or price >= sell.price)
        self.holds_true("priority", within, f"trade {number} at {price} lies beyond an order's limit")
        reference = buy.instrument.reference
        inside = (not reference["limit_up"] or price <= reference["limit_up"]) and price >= reference["limit_down"]
        self.holds_true("priority", inside, f"trade {number} at {price} lies outside the daily limits")
        if buy.kind == "after-hours-fixed" or sell.kind == "after-hours-fixed":
            self.match_after_hours(e, buy, sell)
        elif e["auction"]:
            self.match_auction(e, buy, sell)
        else:
            maker, taker = (buy, sell) if e["maker"] == "buy" else (sell, buy)
            first = maker.instrument.best(maker.side)
            self.holds_true("priority", first is maker, f"trade {number} passes over order {first and first.number}")
            self.same("priority", f"price of trade {number}", price, maker.book_price)
            self.holds_true("priority", taker.resting == 0, f"the taker of trade {number} rests in the book")
        for order in (buy, sell):
            if order.resting:
                order.resting -= quantity
                self.holds_true("orders", order.resting >= 0, f"trade {number} takes more than order {order.number} has")
        return None

    def match_after_hours(self, e, buy, sell):
        for order in (buy, sell):
            if order.resting:
                first = order.instrument.first_after_hours(order.side, e["price"])
                self.holds_true("priority", first is order, f"trade {e['trade']} passes over order {first and first.number}")

    def match_auction(self, e, buy, sell):
        for order in (buy, sell):
            first = order.instrument.best(order.side)
            self.holds_true("priority", first is order, f"trade {e['trade']} passes over order {first and first.number}")
        printed = self.auctions.get(e["instrument"])
        if printed is None:
            return self.bad("auctions", f"trade {e['trade']} of an auction that was not printed")
        self.same("auctions", f"price of trade {e['trade']}", e["price"], printed[0])
        printed[2] += e["quantity"]
        return None

    def on_AuctionPrinted(self, e):
        self.auctions[e["instrument"]] = [e["price"], e["volume"], 0]

    def end_auctions(self):
        """After the command of an auction: its volume is that of its trades, and the book is not crossed."""
        for number, (price, volume, traded) in self.auctions.items():
            self.same("auctions", f"volume of the auction in instrument {number}", volume, traded)
            instrument = self.instruments[number]
            buy, sell = instrument.best("buy"), instrument.best("sell")
            crossed = buy and sell and buy.book_price >= sell.book_price
            self.holds_true("auctions", not crossed, f"the book of instrument {number} is crossed after its auction")
            passed = price and ((buy and buy.book_price > price) or (sell and sell.book_price < price))
            self.holds_true("auctions", not passed, f"the auction in instrument {number} left a better order unfilled")
        self.auctions = {}

    def on_OrderFilled(self, e):
        order = self.orders.get(e["order"])
        if order is None or not order.live:
            return self.bad("orders", f"order {e['order']} fills but is not live")
        self.match_fill_to_trade(e, order)
        quantity = e["quantity"]
        order.filled += quantity
        order.left -= quantity
        self.same("orders", f"filled of order {order.number}", e["filled"], order.filled)
        self.holds_true("orders", quantity > 0 and order.left >= 0, f"order {order.number} is filled beyond its quantity")
        before, order.value = order.value, order.value + self.value_of(order.instrument, e["price"], quantity)
        self.same("fees", f"amount of a fill of order {order.number}", e["amount"], minor(order.value) - minor(before))
        self.check_fees(e, order)
        self.post_fill(e, order)
        self.check_hold(order, e)
        if order.left == 0:
            self.end_order(order)
        return None

    def match_fill_to_trade(self, e, order):
        trade = self.trades.get(e["trade"])
        place = 3 if order.side == "buy" else 4
        agrees = (trade is not None and trade[:3] == [e["price"], e["quantity"], e["instrument"]]
                  and trade[place] == e["order"] and e["side"] == order.side)
        self.holds_true("orders", agrees, f"the fill of order {order.number} is not what trade {e['trade']} says")
        if trade is not None:
            trade[place] = None

    def check_fees(self, e, order):
        if order.schedule is None:
            self.not_checkable["fees"] += 1
            order.fees = tuple(had + e[kind] for had, kind in zip(order.fees, FEE_KINDS))
            return
        fees = fees_on(order.schedule, order.value, order.account.commission)
        for kind, now, had in zip(FEE_KINDS, fees, order.fees):
            if e[kind] != now - had:
                self.bad("fees", f"{kind} of a fill of order {order.number} is {e[kind]}, recomputed {now - had}")
        self.checks["fees"] += 1
        order.fees = fees

    def post_fill(self, e, order):
        """Both sides of every posting; the client's cash is recomputed, the house follows from the fields."""
        fees = tuple(e[kind] for kind in FEE_KINDS)
        sign = 1 if order.side == "buy" else -1
        gross = -sign * e["amount"] - total_of(fees)
        quoted, rate, cash = order.instrument.reference["currency"], e["rate"], e["cash"]
        # Yuan of a Stock Connect order are rounded over the order, not fill by fill.
        before, order.line = order.line, order.line + gross
        wanted = gross if rate == 0 else in_yuan(order.line, rate) - in_yuan(before, rate)
        self.same("balances", f"cash of a fill of order {order.number}", cash, wanted)
        house = self.house_cash
        if rate:
            house["exchange", order.currency] -= cash
            house["exchange", quoted] += gross
        house["clearing", quoted] += sign * e["amount"]
        house["commission", quoted] += fees[0] - fees[3] - fees[4]
        house["stamp", quoted] += fees[1]
        house["transfer", quoted] += fees[2]
        house["handling", quoted] += fees[3]
        house["regulatory", quoted] += fees[4]
        house["hk-levies", quoted] += sum(fees[5:])
        days = order.instrument.reference["settlement_days"]
        order.account.cash[order.currency].settle(cash, order.instrument.board == "hk", days)
        position = order.account.positions[e["instrument"]]
        if order.side == "buy":
            position[0 if order.instrument.reference["same_day_sale"] else 2] += e["quantity"]
        else:
            position[1] -= e["quantity"]
            self.holds_true("t+1", position[1] >= 0, f"order {order.number} sold shares that were not frozen for it")
        self.house_shares["clearing", e["instrument"]] -= sign * e["quantity"]

    def on_OrderCancelled(self, e):
        order = self.orders.get(e["order"])
        if order is None or not order.live:
            return self.bad("orders", f"order {e['order']} is cancelled but is not live")
        quantity = e["quantity"]
        self.holds_true("orders", 0 < quantity <= order.left, f"order {order.number} is cancelled by more than is left")
        if order.resting:
            order.resting -= quantity
            self.holds_true("orders", order.resting >= 0, f"more of order {order.number} is cancelled than rests")
        self.leave(order, e["shrunk"], quantity, e)
        return None

    def on_OrderRejected(self, e):
        order = self.orders.get(e["order"])
        if order is not None and order.live:
            order.resting = 0
            self.leave(order, False, order.left, {"hold_cash": 0, "hold_quantity": 0})

    def leave(self, order, shrunk, quantity, holds):
        order.left -= quantity
        if not shrunk:
            self.same("orders", f"rest of order {order.number} after its cancel", order.left, 0)
        if order.side == "sell":
            position = order.account.positions[self.number_of(order.instrument)]
            position[0] += quantity
            position[1] -= quantity
            self.holds_true("t+1", position[1] >= 0, f"order {order.number} freed shares that were not frozen")
        self.check_hold(order, holds)
        if not shrunk:
            self.end_order(order)

    def number_of(self, instrument):
        return instrument.reference["instrument"]

    def end_order(self, order):
        order.live = False
        self.live -= 1
        order.resting = 0 if order.left == 0 else order.resting

    # The end.

    def check_trades_reported(self):
        for number, trade in self.trades.items():
            reported = trade[3] is None and trade[4] is None
            self.holds_true("orders", reported, f"trade {number} was not reported to both orders")

    def finish(self):
        self.end_auctions()
        self.check_trades_reported()
        clients, shares = defaultdict(int), defaultdict(int)
        for account in self.accounts.values():
            for currency, cash in account.cash.items():
                clients[currency] += cash.balance
            for instrument, position in account.positions.items():
                shares[instrument] += sum(position)
        for (_, currency), amount in self.house_cash.items():
            clients[currency] += amount
        for (_, instrument), quantity in self.house_shares.items():
            shares[instrument] += quantity
        for currency, amount in clients.items():
            self.same("balances", f"clients and house together in {currency}", amount, 0)
        for instrument, quantity in shares.items():
            self.same("balances", f"shares of instrument {instrument}, clients and house together", quantity, 0)
        return sum(map(abs, clients.values())), sum(map(abs, shares.values()))

    def money(self):
        """Every account's money as it stands, one row for each currency that ever moved, by account and currency."""
        for number, account in sorted(self.accounts.items()):
            for currency, cash in sorted(account.cash.items()):
                line = account.line if currency == "CNY" else 0
                change = {"credit": line, "option": -line}.get(account.kind, 0)
                yield {"account": number, "currency": currency, "balance": cash.balance, "frozen": cash.frozen,
                       "due": cash.due, "hk_due": cash.hk_due, "available": cash.available() + change,
                       "available_hk": cash.available_hk() + change,
                       "withdrawable": self.withdrawable(account, currency)}

    def summary(self, cash_imbalance, securities_imbalance):
        house = {f"{name} {currency}": amount for (name, currency), amount in sorted(self.house_cash.items())}
        return {
            "events": sum(self.counts.values()),
            "orders": self.counts["OrderPlaced"],
            "rejected": self.counts["OrderRejected"],
            "trades": self.counts["Trade"],
            "fills": self.counts["OrderFilled"],
            "accounts": len(self.accounts),
            "instruments": len(self.instruments),
            "checks": dict(sorted(self.checks.items())),
            "not_checkable": dict(sorted(self.not_checkable.items())),
            "house": house,
            "cash_imbalance": cash_imbalance,
            "securities_imbalance": securities_imbalance,
            "violation_count": self.violation_count,
            "violations": self.violations,
        }


def read(stream, checker):
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            checker.take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SystemExit(f"line {number}: not an event that docs/events.md describes: {error!r}") from error


def main():
    parser = argparse.ArgumentParser(description="Checks an exported event log; see docs/events.md.")
    parser.add_argument("file", nargs="?", default="-", help="JSON lines; - or nothing = stdin")
    parser.add_argument("--rates", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "rates.json"))
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--money", action="store_true", help="also every account's money as it stands at the end")
    options = parser.parse_args()
    checker = Checker(Rates(options.rates))
    try:
        if options.file == "-":
            read(sys.stdin, checker)
        else:
            with open(options.file, encoding="utf-8") as stream:
                read(stream, checker)
    except SystemExit as error:
        print(error, file=sys.stderr)
        return 2
    summary = checker.summary(*checker.finish())
    if options.money:
        summary["money"] = list(checker.money())
    if options.json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        for name, value in summary.items():
            if name not in ("violations", "money"):
                print(f"{name}: {value}")
        for row in summary.get("money", ()):
            print("money: " + ", ".join(f"{name} {value}" for name, value in row.items()))
        for bad in summary["violations"]:
            print(f"VIOLATION {bad['seq']}/{bad['index']} [{bad['rule']}] {bad['message']}")
    empty = summary["events"] == 0
    if empty:
        print("no events were read", file=sys.stderr)
    return 2 if empty else min(checker.violation_count, 1)


if __name__ == "__main__":
    sys.exit(main())

"""Tests of the outside checker: a small right day passes, and each kind of wrong day is found.

Run: python3 -m unittest discover -s tests/outside
"""

import copy
import os
import unittest

import check_events

RATES = check_events.Rates(os.path.join(os.path.dirname(os.path.abspath(__file__)), "rates.json"))
YUAN = 10_000
FEE_FIELDS = dict.fromkeys(check_events.FEE_KINDS, 0)


class Day:
    """Writes events command by command."""

    def __init__(self):
        self.events, self.seq, self.index = [], 0, 0

    def command(self):
        self.seq, self.index = self.seq + 1, 0
        return self

    def tell(self, event, **fields):
        self.events.append({"seq": self.seq, "index": self.index, "time": self.seq, "event": event, **fields})
        self.index += 1
        return self

    def phase(self, phase):
        self.command().tell("PhaseChanged", board="sse-main", **{"class": "stock"}, phase=phase)


def opened():
    """Two clients, one share at 10.00, a day that is open: client 1 has cash, client 2 has 1,000 shares."""
    day = Day()
    for account in (1, 2):
        day.command().tell("AccountOpened", account=account, owner=account, kind="cash", rights=1, commission=25_000)
    day.command().tell("InstrumentDefined", instrument=0, symbol="600001.SH", board="sse-main", **{"class": "stock"})
    day.command().tell("CashPosted", account=1, currency="CNY", amount=50_000 * YUAN, reason="deposit", house="bank",
                       reference=1, balance=50_000 * YUAN)
    day.command().tell("HoldingPosted", account=2, instrument=0, quantity=1_000, reason="transfer", reference=1, total=1_000)
    day.command().tell("DayOpened", date="2026-07-06", hk_settles=True)
    day.tell("ReferenceSet", instrument=0, prev_close=10 * YUAN, limit_up=11 * YUAN, limit_down=9 * YUAN, tick=100,
             risk_warning=False, same_day_sale=False, settlement_days=1, currency="CNY", suspended=False)
    return day


def place(day, order, account, side, price, quantity, hold_cash=0, kind="limit"):
    day.command().tell("OrderPlaced", order=order, account=account, client_order=f"c{order}", trade_date="2026-07-06",
                       instrument=0, side=side, order_type=kind, price=price, quantity=quantity, self_trade="reject",
                       parent=0, hold_cash=hold_cash, hold_quantity=quantity if side == "sell" else 0)


def working(day, order, side, price, quantity):
    day.tell("OrderWorking", order=order, instrument=0, side=side, price=price, quantity=quantity)


def trade(day, number, price, quantity, buy, sell, maker="sell", auction=False):
    day.tell("Trade", trade=number, instrument=0, price=price, quantity=quantity, buy=buy, sell=sell, maker=maker,
             auction=auction)


def filled(day, order, account, number, side, price, quantity, so_far, fees, hold_cash=0, hold_quantity=0):
    """Fees are written out by hand in the tests, in 1/10,000 yuan."""
    amount = price * quantity
    all_fees = {**FEE_FIELDS, **fees}
    paid = all_fees["commission"] + all_fees["stamp"] + all_fees["transfer"]
    cash = -amount - paid if side == "buy" else amount - paid
    day.tell("OrderFilled", order=order, account=account, instrument=0, trade=number, side=side, price=price,
             quantity=quantity, filled=so_far, amount=amount, **all_fees, rate=0, cash=cash, hold_cash=hold_cash,
             hold_quantity=hold_quantity)


def right_day():
    """Client 2 sells 1,000 at 10.00; client 1 buys 400 and 600: the minimum of 5 yuan counts once."""
    day = opened()
    day.phase("continuous")
    place(day, 1, 2, "sell", 10 * YUAN, 1_000)
    working(day, 1, "sell", 10 * YUAN, 1_000)
    # 4,000 yuan and fees of 5.00 commission and 0.04 transfer.
    place(day, 2, 1, "buy", 10 * YUAN, 400, hold_cash=4_005 * YUAN + 400)
    trade(day, 1, 10 * YUAN, 400, 2, 1)
    filled(day, 2, 1, 1, "buy", 10 * YUAN, 400, 400,
           {"commission": 5 * YUAN, "transfer": 400, "handling": 1_400, "regulatory": 800})
    filled(day, 1, 2, 1, "sell", 10 * YUAN, 400, 400,
           {"commission": 5 * YUAN, "stamp": 2 * YUAN, "transfer": 400, "handling": 1_400, "regulatory": 800},
           hold_quantity=600)
    # 6,000 yuan at 10.50, of which the fill at 10.00 leaves nothing: the limit is above the price.
    place(day, 3, 1, "buy", 105_000, 600, hold_cash=6_300 * YUAN + 5 * YUAN + 600)
    trade(day, 2, 10 * YUAN, 600, 3, 1)
    filled(day, 3, 1, 2, "buy", 10 * YUAN, 600, 600,
           {"commission": 5 * YUAN, "transfer": 600, "handling": 2_000, "regulatory": 1_200})
    # The seller's order is now worth 10,000 yuan: still the one minimum of 5 yuan.
    filled(day, 1, 2, 2, "sell", 10 * YUAN, 600, 1_000,
           {"commission": 0, "stamp": 3 * YUAN, "transfer": 600, "handling": 2_000, "regulatory": 1_200})
    day.command().tell("DayClosed", date="2026-07-06", orders=3, trades=2)
    return day


def auction_day():
    """An opening auction: 500 buy at 10.10, 300 sell at 9.90, printed at 10.10."""
    day = opened()
    day.phase("open-auction")
    place(day, 1, 1, "buy", 101_000, 500, hold_cash=5_050 * YUAN + 5 * YUAN + 500)
    working(day, 1, "buy", 101_000, 500)
    place(day, 2, 2, "sell", 99_000, 300)
    working(day, 2, "sell", 99_000, 300)
    day.command().tell("AuctionPrinted", instrument=0, price=101_000, volume=300)
    trade(day, 1, 101_000, 300, 1, 2, maker="buy", auction=True)
    filled(day, 1, 1, 1, "buy", 101_000, 300, 300,
           {"commission": 5 * YUAN, "transfer": 300, "handling": 1_000, "regulatory": 600},
           hold_cash=2_020 * YUAN + 200)
    filled(day, 2, 2, 1, "sell", 101_000, 300, 300,
           {"commission": 5 * YUAN, "stamp": 15_200, "transfer": 300, "handling": 1_000, "regulatory": 600})
    day.tell("PhaseChanged", board="sse-main", **{"class": "stock"}, phase="continuous")
    day.command().tell("CancelRequested", order=1)
    day.tell("OrderCancelled", order=1, account=1, quantity=200, reason="client", hold_cash=0, hold_quantity=0, shrunk=False)
    day.command().tell("DayClosed", date="2026-07-06", orders=2, trades=1)
    return day


def check(events):
    checker = check_events.Checker(RATES)
    for event in events:
        checker.take(event)
    return checker.summary(*checker.finish())


class Right(unittest.TestCase):
    def test_right_days_pass(self):
        for day in (right_day(), auction_day()):
            summary = check(day.events)
            self.assertEqual(summary["violations"], [])
            self.assertEqual((summary["cash_imbalance"], summary["securities_imbalance"]), (0, 0))
            self.assertEqual(summary["not_checkable"], {})
            for rule in ("balances", "fees", "holds", "orders", "priority", "t+1"):
                self.assertGreater(summary["checks"][rule], 0, rule)

    def test_shares_bought_yesterday_may_be_sold(self):
        day = right_day()
        day.command().tell("DayOpened", date="2026-07-07", hk_settles=True)
        place(day, 4, 1, "sell", 10 * YUAN, 1_000)
        self.assertEqual(check(day.events)["violations"], [])

    def test_golden_fees(self):
        # Sell 1,000 at 12.34 with 0.025%: commission 5.00, stamp 6.17, transfer 0.12, handling 0.42, regulatory 0.25.
        schedule = RATES.schedule("sse-main", "stock", "sell", "2026-07-06")
        fees = check_events.fees_on(schedule, 12_340 * YUAN, 25_000)
        self.assertEqual(fees[:5], (50_000, 61_700, 1_200, 4_200, 2_500))
        # Hong Kong, 31,340 dollars: stamp 32, SFC 0.85, AFRC 0.05, trading 1.77, settlement 1.32.
        fees = check_events.fees_on(RATES.schedule("hk", "stock", "buy", "2026-07-06"), 31_340 * YUAN, 0)
        self.assertEqual((fees[1], *fees[5:]), (320_000, 8_500, 500, 17_700, 13_200))


def hong_kong_days(*settles):
    """Client 1 has 100,000 yuan and sells 400 shares at 78.35 dollars, 0.92 yuan each; then a day for each of
    `settles`, which tells whether Hong Kong settles on it."""
    day = Day()
    for account in (1, 2):
        day.command().tell("AccountOpened", account=account, owner=account, kind="cash", rights=1, commission=0)
    day.command().tell("InstrumentDefined", instrument=0, symbol="00700.HK", board="hk", **{"class": "stock"})
    for account in (1, 2):
        day.command().tell("CashPosted", account=account, currency="CNY", amount=100_000 * YUAN, reason="deposit",
                           house="bank", reference=1, balance=100_000 * YUAN)
    day.command().tell("HoldingPosted", account=1, instrument=0, quantity=400, reason="transfer", reference=1, total=400)
    day.command().tell("ExchangeRatesSet", sell_reference=93_000_000, buy_reference=92_000_000)
    day.command().tell("DayOpened", date="2026-07-06", hk_settles=True)
    day.tell("ReferenceSet", instrument=0, prev_close=78 * YUAN, limit_up=0, limit_down=0, tick=500,
             risk_warning=False, same_day_sale=True, settlement_days=2, currency="HKD", suspended=False)
    day.command().tell("PhaseChanged", board="hk", **{"class": "stock"}, phase="continuous")
    place(day, 1, 1, "sell", 783_500, 400, kind="enhanced-limit")
    working(day, 1, "sell", 783_500, 400)
    # 31,340 dollars and fees of 35.99 are 31,375.99; at 0.93 yuan, up to the fen.
    place(day, 2, 2, "buy", 783_500, 400, hold_cash=291_796_800, kind="enhanced-limit")
    trade(day, 1, 783_500, 400, 2, 1)
    fees = {**FEE_FIELDS, "stamp": 32 * YUAN, "sfc": 8_500, "afrc": 500, "trading": 17_700, "settlement": 13_200}
    for order, account, side, rate, cash in ((2, 2, "buy", 93_000_000, -291_796_700), (1, 1, "sell", 92_000_000, 287_996_900)):
        day.tell("OrderFilled", order=order, account=account, instrument=0, trade=1, side=side, price=783_500,
                 quantity=400, filled=400, amount=31_340 * YUAN, **fees, rate=rate, cash=cash, hold_cash=0,
                 hold_quantity=0)
    for number, hk_settles in enumerate(settles, 7):
        day.command().tell("DayClosed", date=f"2026-07-{number - 1:02}", orders=0, trades=1 if number == 7 else 0)
        day.command().tell("DayOpened", date=f"2026-07-{number:02}", hk_settles=hk_settles)
    return day


def withdraw(day, amount, balance):
    day.command().tell("CashPosted", account=1, currency="CNY", amount=-amount, reason="withdrawal", house="bank",
                       reference=2, balance=balance - amount)


class Due(unittest.TestCase):
    """Money that is due later, over several days, from the events alone."""

    def money(self, day):
        checker = check_events.Checker(RATES)
        for event in day.events:
            checker.take(event)
        self.assertEqual(checker.violations, [])
        return next(row for row in checker.money() if row["account"] == 1)

    def test_hong_kong_proceeds_wait_for_days_on_which_hong_kong_settles(self):
        balance = 100_000 * YUAN + 287_996_900
        for settles, withdrawable in (((), 100_000 * YUAN), ((True,), 100_000 * YUAN), ((True, True), balance),
                                      ((False, True), 100_000 * YUAN), ((False, True, False, True), balance)):
            row = self.money(hong_kong_days(*settles))
            found = (row["balance"], row["available"], row["available_hk"], row["withdrawable"])
            self.assertEqual(found, (balance, withdrawable, balance, withdrawable), settles)

    def test_a_withdrawal_takes_what_is_settled_and_no_more(self):
        balance = 100_000 * YUAN + 287_996_900
        for settles, amount, good in (((True,), 100_000 * YUAN, True), ((True,), 100_000 * YUAN + 100, False),
                                      ((True, True), balance, True), ((True, False), balance, False)):
            day = hong_kong_days(*settles)
            withdraw(day, amount, balance)
            rules = {bad["rule"] for bad in check(day.events)["violations"]}
            self.assertEqual(rules, set() if good else {"withdrawals"}, (settles, amount))

    def test_nothing_is_withdrawn_while_anything_is_owed(self):
        day = hong_kong_days(True, True)
        day.command().tell("CashPosted", account=1, currency="USD", amount=-100, reason="corporate-action",
                           house="issuer", reference=3, balance=-100)
        withdraw(day, 100, 100_000 * YUAN + 287_996_900)
        self.assertEqual({bad["rule"] for bad in check(day.events)["violations"]}, {"withdrawals"})

    def test_a_buy_uses_what_is_due_latest_first_and_each_day_brings_the_rest_closer(self):
        cash = check_events.Cash()
        for amount, days in ((300, 3), (100, 1), (-350, 1)):
            cash.settle(amount, False, days)
        self.assertEqual((cash.balance, cash.due, cash.settled()), (50, [50, 0, 0], 0))
        cash.settle(20, False, 3)
        for expected in ([0, 20, 0], [20, 0, 0], [0, 0, 0]):
            cash.roll(True)
            self.assertEqual(cash.due, expected)
        self.assertEqual((cash.settled(), cash.available()), (70, 70))

    def test_holds_and_proceeds_of_the_same_way_overlap(self):
        cash = check_events.Cash()
        cash.settle(1_000, True, 2)
        cash.balance += 500
        cash.frozen = cash.frozen_hk = 1_200
        # The Hong Kong hold is covered by the proceeds first: 200 of the 500 are needed besides.
        self.assertEqual((cash.available(), cash.available_hk(), cash.settled()), (300, 300, 300))


class Wrong(unittest.TestCase):
    def expect(self, rule, events):
        summary = check(events)
        self.assertIn(rule, {bad["rule"] for bad in summary["violations"]}, summary["violations"])

    def changed(self, day, name, number, **fields):
        """The day with one event altered."""
        events = copy.deepcopy(day.events)
        chosen = [event for event in events if event["event"] == name][number]
        chosen.update(fields)
        return events

    def without(self, day, name, number):
        events = copy.deepcopy(day.events)
        chosen = [event for event in events if event["event"] == name][number]
        events.remove(chosen)
        return events

    def test_a_cent_too_much(self):
        day = right_day()
        self.expect("balances", self.changed(day, "OrderFilled", 0, cash=-40_051_400))
        self.expect("balances", self.changed(day, "CashPosted", 0, balance=1))
        self.expect("fees", self.changed(day, "OrderFilled", 0, transfer=500))
        self.expect("fees", self.changed(day, "OrderFilled", 0, amount=40_000_100))

    def test_the_minimum_charged_per_fill(self):
        self.expect("fees", self.changed(right_day(), "OrderFilled", 3, commission=5 * YUAN))

    def test_a_wrong_hold(self):
        self.expect("holds", self.changed(right_day(), "OrderPlaced", 1, hold_cash=4_000 * YUAN))
        self.expect("holds", self.changed(right_day(), "OrderFilled", 1, hold_quantity=500))
        self.expect("holds", self.changed(auction_day(), "OrderCancelled", 0, hold_cash=100))

    def test_more_cash_held_than_there_is(self):
        self.expect("holds", self.changed(right_day(), "CashPosted", 0, amount=4_000 * YUAN, balance=4_000 * YUAN))

    def test_shares_sold_on_the_day_they_were_bought(self):
        day = right_day()
        day.events.pop()
        place(day, 4, 1, "sell", 10 * YUAN, 100)
        self.expect("t+1", day.events)

    def test_shares_that_nobody_has(self):
        self.expect("t+1", self.changed(right_day(), "HoldingPosted", 0, quantity=900, total=900))

    def test_a_later_order_first(self):
        day = opened()
        day.phase("continuous")
        for order in (1, 2):
            place(day, order, 2, "sell", 10 * YUAN, 100)
            working(day, order, "sell", 10 * YUAN, 100)
        place(day, 3, 1, "buy", 10 * YUAN, 100, hold_cash=1_005 * YUAN + 100)
        trade(day, 1, 10 * YUAN, 100, 3, 2)
        self.expect("priority", day.events)

    def test_a_worse_price_first(self):
        day = opened()
        day.phase("continuous")
        for order, price in ((1, 10 * YUAN), (2, 99_900)):
            place(day, order, 2, "sell", price, 100)
            working(day, order, "sell", price, 100)
        place(day, 3, 1, "buy", 10 * YUAN, 100, hold_cash=1_005 * YUAN + 100)
        trade(day, 1, 10 * YUAN, 100, 3, 1)
        self.expect("priority", day.events)

    def test_a_price_beyond_limits(self):
        self.expect("priority", self.changed(right_day(), "Trade", 0, price=100_100))
        self.expect("priority", self.changed(right_day(), "ReferenceSet", 0, limit_up=99_900))

    def test_a_crossed_book(self):
        day = opened()
        day.phase("continuous")
        place(day, 1, 2, "sell", 10 * YUAN, 100)
        working(day, 1, "sell", 10 * YUAN, 100)
        place(day, 2, 1, "buy", 10 * YUAN, 100, hold_cash=1_005 * YUAN + 100)
        working(day, 2, "buy", 10 * YUAN, 100)
        self.expect("priority", day.events)

    def test_a_wrong_auction(self):
        self.expect("auctions", self.changed(auction_day(), "AuctionPrinted", 0, volume=400))
        self.expect("auctions", self.changed(auction_day(), "AuctionPrinted", 0, price=100_500))
        # Sold out below a buyer who was left.
        left = self.changed(auction_day(), "AuctionPrinted", 0, price=100_000)
        self.expect("auctions", left)

    def test_more_filled_than_ordered(self):
        self.expect("orders", self.changed(right_day(), "OrderFilled", 0, filled=500))
        self.expect("orders", self.changed(right_day(), "OrderPlaced", 0, quantity=900, hold_quantity=900))

    def test_a_trade_told_to_one_side_only(self):
        self.expect("orders", self.without(right_day(), "OrderFilled", 3))

    def test_an_order_that_outlives_the_day(self):
        events = self.without(auction_day(), "OrderCancelled", 0)
        self.expect("day-end", events)

    def test_lost_and_repeated_events(self):
        self.expect("sequence", self.without(right_day(), "Trade", 0))
        day = right_day()
        self.expect("sequence", day.events[:5] + day.events[4:])


if __name__ == "__main__":
    unittest.main()

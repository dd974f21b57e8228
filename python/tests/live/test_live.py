"""Every part of the client against a running heng."""

from __future__ import annotations

import asyncio
import os
import re
import time
from itertools import islice
from pathlib import Path
from typing import Any, Dict, List

import pytest

from heng import (
    AsyncClient, BadRequest, Client, Conflict, Ed25519Key, Forbidden, HengError, HmacKey, Instrument, NotFound, Refused,
    StepUpNeeded, Unauthenticated, new_client_order_id, totp,
)
from heng.models import StepUp


def buy(account: str, instrument: Instrument, **more: Any) -> Dict[str, Any]:
    return {
        "account": account, "symbol": instrument.symbol, "side": "buy", "quantity": 100,
        "price": instrument.limit_down, **more,
    }


def test_people_sign_in(ready: Dict[str, Any], url: str) -> None:
    with Client(url) as client:
        with pytest.raises(Unauthenticated) as raised:
            client.sign_in(ready["client"]["user"], "certainly wrong")
        assert raised.value.code == 906 and raised.value.title_zh
        answer = client.sign_in(ready["client"]["user"], ready["client"]["password"])
        assert answer.token and not answer.totp_required
        assert ready["client"]["account_id"] in client.me().accounts
        client.sign_out()
        with pytest.raises(Unauthenticated):
            client.me()


def test_staff_need_their_second_factor(ready: Dict[str, Any], url: str) -> None:
    staff = ready["staff"]
    with Client(url) as client:
        assert client.sign_in(staff["user"], staff["password"]).totp_required
        try:
            client.sign_in(staff["user"], staff["password"], totp(staff["totp_secret"]))
        except Unauthenticated:
            # A code is good once: somebody has used this one just now.
            time.sleep(31 - time.time() % 30)
            client.sign_in(staff["user"], staff["password"], totp(staff["totp_secret"]))
        assert client.me().kind == "staff"


def test_an_order_lives_and_is_cancelled(client: Client, account: str, instrument: Instrument) -> None:
    order = buy(account, instrument)
    estimate = client.estimate(**order)
    assert estimate.accepted and estimate.hold_cash >= 100 * (instrument.limit_down or 0) and estimate.checks
    power = client.buying_power(account, instrument.symbol, price=instrument.limit_down)
    assert power.buy_max is not None and power.buy_max >= 100 and power.cash_available > 0
    other = client.buying_power(account, instrument.symbol, side="sell")
    assert other.buy_max is None and other.sell_max is not None

    placed = client.place_order(**order)
    assert not placed.repeated and placed.sequence is not None
    shown = client.order(placed.order_id, min_sequence=placed.sequence)
    assert shown.is_live and shown.client_order_id and shown.quantity == 100
    assert placed.order_id in [o.order_id for o in client.orders(account, status="live").orders]
    assert placed.order_id in [o.order_id for o in islice(client.iter_orders(account), 50)]

    cancelled = client.cancel_order(account, placed.order_id)
    for _ in range(50):
        shown = client.order(placed.order_id, min_sequence=cancelled.sequence)
        if not shown.is_live:
            break
    assert shown.status == "cancelled" and shown.reason == "client"
    with pytest.raises(Refused) as raised:
        client.cancel_order(account, placed.order_id)
    assert raised.value.code_name == "OrderDone"


def test_one_key_is_one_order(client: Client, account: str, instrument: Instrument) -> None:
    order = buy(account, instrument, client_order_id=new_client_order_id())
    first, second = client.place_order(**order), client.place_order(**order)
    assert second.order_id == first.order_id and second.repeated and second.sequence == first.sequence
    with pytest.raises(Conflict) as raised:
        client.place_order(**{**order, "quantity": 200})
    assert raised.value.code_name == "KeyReused"
    outcome = client.order_by_key(account, order["client_order_id"], first.trade_date, min_sequence=first.sequence)
    assert (outcome.order_id, outcome.outcome) == (first.order_id, "accepted")
    with pytest.raises(NotFound):
        client.order_by_key(account, new_client_order_id())
    client.cancel_all(account)


def test_refusals_tell_their_code_in_both_languages(client: Client, account: str, instrument: Instrument) -> None:
    with pytest.raises(Refused) as raised:
        client.place_order(**{**buy(account, instrument), "price": "899999.99"})
    assert (raised.value.code, raised.value.code_name) == (311, "PriceLimit")
    assert raised.value.title and re.search("[\u4e00-\u9fff]", raised.value.title_zh)
    with pytest.raises(BadRequest) as wrong:
        client.place_order(**{**buy(account, instrument), "side": "BUY"})
    assert any("side" in error.pointer for error in wrong.value.errors)


def test_batches(client: Client, account: str, instrument: Instrument) -> None:
    good, bad = buy(account, instrument), {**buy(account, instrument), "price": "899999.99"}
    outcome = client.place_bulk([good, bad])
    assert [result.outcome for result in outcome.results] == ["accepted", "refused"]
    assert outcome.results[1].reject is not None and outcome.results[1].reject.code == 311
    with pytest.raises(Refused):
        client.place_basket([good, bad])
    assert all(result.outcome == "accepted" for result in client.place_basket([good, good]).results)
    client.cancel_all(account)


def test_events_are_told_once_and_in_order(client: Client, account: str, instrument: Instrument) -> None:
    since = client.trade_events(since=0, limit=1).as_of_sequence
    placed = client.place_order(**buy(account, instrument))
    client.cancel_order(account, placed.order_id)
    seen: List[str] = []
    sequences: List[int] = []
    for command in client.stream_trade_events(since, account=account):
        sequences.append(command.sequence)
        seen += [event.type for event in command.events if event.order_id == placed.order_id]
        if "order-cancelled" in seen:
            break
    assert seen[0] == "order-placed" and seen[-1] == "order-cancelled"
    assert sequences == sorted(set(sequences))
    replayed = [c.sequence for c in client.iter_trade_events(since, account=account)]
    assert replayed[: len(sequences)] == sequences
    # The stream is ahead of the tables: a read that must hold what was seen says so.
    timeline = client.timeline(placed.order_id, min_sequence=sequences[-1])
    assert [step.event.type for step in timeline.events][0] == "order-placed"


def test_an_asynchronous_client_sees_its_order(ready: Dict[str, Any], url: str, account: str, instrument: Instrument) -> None:
    async def trade() -> None:
        async with AsyncClient(url, token=ready["token"]["client"]) as client:
            stream = client.stream_trade_events(account=account)
            following = asyncio.ensure_future(stream.__anext__())
            await asyncio.sleep(1.0)
            placed = await client.place_order(**buy(account, instrument))
            command = await asyncio.wait_for(following, 10)
            assert placed.order_id in [event.order_id for event in command.events]
            await client.cancel_order(account, placed.order_id)

    asyncio.run(trade())


def test_smart_execution(client: Client, account: str, instrument: Instrument) -> None:
    parent = client.place_parent(
        account=account, kind="twap", symbol=instrument.symbol, side="buy", quantity=1000,
        price=instrument.limit_down, slices=5,
    )
    shown = client.parent(parent.parent_id, min_sequence=parent.sequence)
    assert shown.quantity == 1000 and shown.side == "buy"
    client.pause_parent(parent.parent_id)
    client.resume_parent(parent.parent_id)
    client.cancel_parent(parent.parent_id)
    assert parent.parent_id in [p.parent_id for p in client.parents(account).parents]
    client.cancel_all(account)


def test_accounts_and_market_are_read(client: Client, account: str, instrument: Instrument) -> None:
    shown = client.account(account)
    assert shown.account == account and shown.cash and shown.cash[0].balance > 0
    assert account in [row.account for row in client.accounts().accounts]
    client.fills(account, limit=5)
    assert client.days().days
    symbol = instrument.symbol
    assert symbol in [item.symbol for item in client.market(limit=1000).items]
    assert client.instrument(symbol).symbol == symbol
    depth = client.depth(symbol, levels=5).depth
    assert len(depth.bids) <= 5 and depth.bids == sorted(depth.bids, key=lambda level: -level[0])
    assert client.snapshot(symbol).symbol == symbol
    client.trades(symbol, limit=10)
    for period in ("1m", "5m", "15m", "30m", "60m", "1d", "1w", "1M"):
        client.candles(symbol, period=period, adjust="forward", limit=10)
    client.intraday(symbol)
    client.fund_flow(symbol)
    for name in ("ma", "ema", "macd", "rsi", "kdj", "boll", "atr", "vwap"):
        assert client.indicator(symbol, name, period="1m", limit=20).lines
    with pytest.raises(NotFound):
        client.depth("999999.SH")


def test_the_market_stream_moves(client: Client, instrument: Instrument) -> None:
    changes = list(islice(client.stream_market([instrument.symbol], ["depth", "snapshot"]), 3))
    assert changes[0].type == "snapshot" and not changes[-1].book.stale
    assert changes[-1].book.bids or changes[-1].book.asks


def test_clients_reach_no_further_than_their_own(client: Client, account: str) -> None:
    other = "2" if account != "2" else "3"
    with pytest.raises(Forbidden):
        client.account(other)
    with pytest.raises(Forbidden):
        client.system()


def test_staff_see_the_system(staff: Client) -> None:
    system = staff.system()
    assert system.roles and system.core.reachable and system.limits
    staff.stats(seconds=5)
    staff.logs(limit=5)
    assert any(reject.name == "PriceLimit" for reject in staff.rejects())
    assert staff.schemas() and staff.schema(staff.schemas()[0])
    assert staff.openapi()["openapi"].startswith("3.1")
    assert staff.policies().roles
    assert staff.health()


def test_api_keys_sign_every_request(ready: Dict[str, Any], url: str, account: str) -> None:
    key = HmacKey(ready["api_key"]["id"], ready["api_key"]["secret"])
    with Client(url, credential=key) as signed:
        assert signed.me().name
        assert signed.orders(account, limit=1).as_of_sequence >= 0
    with Client(url, credential=HmacKey(ready["api_key"]["id"], "wrong")) as signed, pytest.raises(Unauthenticated):
        signed.me()
    with Client(url) as person:
        # Only a person who signed in makes keys.
        person.sign_in(ready["client"]["user"], ready["client"]["password"])
        with pytest.raises(StepUpNeeded):
            person.create_api_key("without a fresh proof")
        read: List[str] = []

        def prove(asked: StepUp) -> str:
            assert asked.means == "password"
            read.append(asked.text.en)
            return str(ready["client"]["password"])

        person.step_up = prove
        pair = Ed25519Key.generate()
        made = person.create_api_key(
            "live test", kind="ed25519", public_key=pair.public_key, scopes=["order.read"], days=1,
            idempotency_key=new_client_order_id(),
        )
        assert read[0].startswith("Make an API key\nName: live test\n"), read
        pair.key_id = made.id
        with Client(url, credential=pair) as signed:
            signed.orders(account, limit=1)
            with pytest.raises(Forbidden):
                signed.account(account)
        assert made.id in [key.id for key in person.api_keys().keys]
        person.revoke_api_key(made.id)
        with Client(url, credential=pair) as signed, pytest.raises(Unauthenticated):
            signed.me()
        assert any(session.current for session in person.sessions().sessions)
        person.sign_out()


def test_oversight_is_read(staff: Client, client: Client, account: str) -> None:
    note = staff.evidence_checkpoint()
    keys = staff.evidence_keys()
    assert note.splitlines()[0] == keys.origin == staff.evidence().origin
    assert f"\n\n\u2014 {keys.origin} " in note and keys.keys
    bundle = client.evidence_proof(account=account, limit=3)
    assert bundle.leaves and all(leaf.record and leaf.salt for leaf in bundle.leaves)
    rows = staff.audit(limit=5, action="sign-in", from_time="2020-01-01").rows
    assert {row.action for row in rows} <= {"sign-in"}
    assert staff.storage_keys().officers == [] or staff.storage_keys().configured
    assert staff.venues().venues is not None
    assert all(one.state == "requested" for one in staff.destructions().destructions)
    assert staff.find_watermark("1,2,3").found == []
    assert staff.sign_in_methods().password and staff.factors().totp


def test_what_one_asks_for_waits_for_another(staff: Client, account: str) -> None:
    asked = staff.request_export("audit", reason="live test", from_time="2026-07-01", account=account)
    assert (asked.state, asked.filter.account, asked.masked) == ("requested", account, True)
    assert asked.id in [export.id for export in staff.exports(state="requested").exports]
    assert staff.export(asked.id).reason == "live test"
    with pytest.raises(HengError):
        staff.download_export(asked.id)
    hold = staff.place_legal_hold(account, reason="live test", authority="test 1")
    assert staff.place_legal_hold(account, reason="live test", authority="test 1").id == hold.id
    assert hold.id in [one.id for one in staff.legal_holds(account=account, state="held").holds]
    assert staff.role_changes().changes is not None and staff.password_resets().resets is not None
    review = staff.begin_access_review(14)
    assert review.id in [one.id for one in staff.access_reviews().reviews]
    assert staff.access_review(review.id).items


def test_consents_are_kept(client: Client) -> None:
    told = {"version": "2026-07", "language": "en", "text_sha256": "44" * 32}
    given = client.note_consent("terms", agreed=True, **told)
    taken = client.note_consent("terms", agreed=False, **told)
    assert [(one.id, one.agreed) for one in client.consents(limit=2).consents] == [(taken.id, False), (given.id, True)]


def test_the_market_stream_moves_over_server_sent_events(client: Client, instrument: Instrument) -> None:
    changes = list(islice(client.stream_market_events([instrument.symbol]), 3))
    assert changes[0].type == "snapshot" and not changes[-1].book.stale


BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=["order", "trade events", "market", "proof"])
def test_the_examples_of_the_readme_run(
    block: str, ready: Dict[str, Any], url: str, account: str, instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"HENG_URL": url, "HENG_TOKEN": ready["token"]["client"], "HENG_ACCOUNT": account, "HENG_SYMBOL": instrument.symbol}
    for name, value in told.items():
        monkeypatch.setitem(os.environ, name, value)
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})

"""What is repeated, how, and what never is."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any, Dict, List, Tuple

import pytest

from heng import (
    AsyncClient, Client, Conflict, NotFound, OutcomeUnknown, RateLimited, Refused, RetryPolicy, TransportError,
    Unavailable,
)

from .conftest import Answer, Asked, Server, problem

DAY = {"as_of_sequence": 1, "instruments": [], "trade_date": "2026-07-06", "day_open": True, "next_after": None}
ORDER: Dict[str, Any] = {"account": 1, "symbol": "600519.SH", "side": "buy", "quantity": 100, "price": "10.05"}


def accepted(asked: Asked, repeated: bool = False) -> Tuple[int, Any, Dict[str, str]]:
    body = asked.json
    return (200 if repeated else 201), {
        "order_id": "7", "sequence": 42, "status": "accepted", "repeated": repeated, "self_trade": "reject", **body,
    }, {}


def by_key(outcome: str = "accepted", **more: Any) -> Tuple[int, Any, Dict[str, str]]:
    return 200, {
        "account": "1", "trade_date": "2026-07-06", "client_order_id": "x", "order_id": "7", "parent_id": None,
        "sequence": 42, "outcome": outcome, "reject": None, "as_of_sequence": 43, **more,
    }, {}


class Broker:
    """Answers orders by a list, and keys by another."""

    def __init__(self, server: Server, posts: List[Any], keys: List[Any]) -> None:
        self.server, self.posts, self.keys = server, posts, keys
        self.dates = ["2026-07-06"]
        server.script = self.answer

    def answer(self, asked: Asked) -> Answer:
        if asked.target.startswith("/v1/instruments"):
            date = self.dates.pop(0) if len(self.dates) > 1 else self.dates[0]
            return 200, {**DAY, "trade_date": date}, {}
        scripted = self.keys if asked.target.startswith("/v1/orders/by-key") else self.posts
        found = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        answer: Answer = found(asked) if callable(found) else found
        return answer

    @property
    def sent(self) -> List[Any]:
        return [asked.json for asked in self.server.asked if asked.method == "POST"]


UNKNOWN = problem(503, 603, "OutcomeUnknown", outcome="unknown")
NO_KEY = problem(404, 909, "NotFound")


def test_reads_are_repeated_until_an_answer_comes(server: Server, quick: RetryPolicy) -> None:
    server.answers(None, problem(503, None, "NotYet"), (200, DAY, {}))
    with Client(server.url, retry=quick) as client:
        assert client.instruments().trade_date == "2026-07-06"
    assert len(server.asked) == 3


def test_a_refused_read_is_not_repeated(server: Server, quick: RetryPolicy) -> None:
    server.answers(problem(404, 909, "NotFound", detail="there is no such thing here"))
    with Client(server.url, retry=quick) as client, pytest.raises(NotFound) as raised:
        client.order(5)
    assert len(server.asked) == 1
    assert (raised.value.code, raised.value.code_name, raised.value.title_zh) == (909, "NotFound", "拒绝")
    assert "there is no such thing here" in str(raised.value)


def test_attempts_are_bounded(server: Server, quick: RetryPolicy) -> None:
    server.answers(problem(503, 902, "Overloaded"))
    with Client(server.url, retry=quick) as client, pytest.raises(Unavailable):
        client.days()
    assert len(server.asked) == quick.attempts


def test_retry_after_is_waited_for(server: Server) -> None:
    server.answers(problem(429, 908, "RateLimited", retry_after=1), (200, DAY, {}))
    began = time.monotonic()
    with Client(server.url, retry=RetryPolicy(base_s=0.01)) as client:
        client.instruments()
    assert 1.0 <= time.monotonic() - began < 3.0


def test_a_retry_after_beyond_the_deadline_is_raised_at_once(server: Server) -> None:
    server.answers(problem(429, 908, "RateLimited", retry_after=60))
    began = time.monotonic()
    with Client(server.url, retry=RetryPolicy(deadline_s=5)) as client, pytest.raises(RateLimited) as raised:
        client.instruments()
    assert time.monotonic() - began < 2.0 and raised.value.retry_after == 60.0


def test_waits_grow_are_jittered_and_bounded() -> None:
    policy = RetryPolicy(attempts=10, base_s=0.1, most_s=1.0, deadline_s=100, random=lambda: 1.0)
    error = TransportError("x")
    assert [policy.wait(attempt, error, 0) for attempt in (1, 2, 3, 4, 5, 6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert RetryPolicy(random=lambda: 0.0).wait(3, error, 0) == 0.0
    assert policy.wait(10, error, 0) is None
    assert policy.wait(1, error, 99.95) is None


def test_writes_are_repeated_with_an_idempotency_key_only(server: Server, quick: RetryPolicy) -> None:
    made: Dict[str, Any] = {
        "id": "k", "name": "n", "kind": "hmac-sha256", "user": "1", "scopes": [], "networks": [],
        "created_at": "t", "expires_at": None, "secret": "s",
    }
    server.answers(None, (201, made, {}))
    with Client(server.url, retry=quick) as client:
        with pytest.raises(TransportError):
            client.create_api_key("n")
        assert len(server.asked) == 1
        server.answers(None, (201, made, {}))
        assert client.create_api_key("n", idempotency_key="once").secret == "s"
    assert [asked.headers.get("idempotency-key") for asked in server.asked[1:]] == ["once", "once"]


def test_an_order_is_sent_with_a_key_of_its_own(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [accepted], [NO_KEY])
    with Client(server.url, retry=quick) as client:
        first = client.place_order(**ORDER)
        second = client.place_order(**ORDER)
    assert first.order_id == "7" and first.price == Decimal("10.05") and not first.repeated
    assert broker.sent[0] == {
        "account": "1", "symbol": "600519.SH", "side": "buy", "type": "limit", "price": "10.05", "quantity": "100",
        "trade_date": "2026-07-06", "client_order_id": first.client_order_id,
    }
    assert first.client_order_id != second.client_order_id


def test_a_lost_answer_is_found_by_its_key(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [None], [by_key()])
    with Client(server.url, retry=quick) as client:
        placed = client.place_order(**ORDER)
    assert placed.order_id == "7" and placed.repeated and placed.sequence == 42
    assert len(broker.sent) == 1


def test_a_lost_order_is_sent_again_under_the_same_key(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [None, UNKNOWN, lambda asked: accepted(asked, True)], [NO_KEY])
    with Client(server.url, retry=quick) as client:
        placed = client.place_order(**ORDER)
    assert placed.repeated and len(broker.sent) == 3
    assert broker.sent[0] == broker.sent[1] == broker.sent[2]


def test_the_key_that_finds_a_refusal_tells_it(server: Server, quick: RetryPolicy) -> None:
    reject = {"code": 401, "code_name": "InsufficientCash", "title": "No cash.", "title_zh": "资金不足"}
    Broker(server, [None], [by_key("refused", reject=reject)])
    with Client(server.url, retry=quick) as client, pytest.raises(Refused) as raised:
        client.place_order(**ORDER)
    assert (raised.value.code, raised.value.title_zh, raised.value.order_id) == (401, "资金不足", "7")


def test_what_stays_open_is_told_with_its_key(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [None, UNKNOWN], [problem(503, None, "NoAnswer")])
    with Client(server.url, retry=quick) as client, pytest.raises(OutcomeUnknown) as raised:
        client.place_order(**ORDER, client_order_id="mine")
    assert raised.value.key == {"account": "1", "trade_date": "2026-07-06", "client_order_id": "mine"}
    assert len(broker.sent) == quick.attempts
    assert all(sent == broker.sent[0] for sent in broker.sent)


def test_a_refused_order_is_never_repeated(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [problem(409, 311, "PriceLimit", order_id="9")], [NO_KEY])
    with Client(server.url, retry=quick) as client, pytest.raises(Refused) as raised:
        client.place_order(**ORDER)
    assert raised.value.order_id == "9" and len(broker.sent) == 1
    broker.posts = [problem(409, 101, "KeyReused")]
    with Client(server.url, retry=quick) as client, pytest.raises(Conflict):
        client.place_order(**ORDER, client_order_id="used")


def test_overload_is_no_doubt(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [problem(429, 902, "Overloaded"), problem(503, 904, "ViewsLag"), accepted], [NO_KEY])
    with Client(server.url, retry=quick) as client:
        client.place_order(**ORDER)
    assert len(broker.sent) == 3
    assert not [asked for asked in server.asked if "by-key" in asked.target]


def test_a_new_day_is_noticed_before_anything_stands(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [problem(409, 103, "WrongTradeDate"), accepted], [NO_KEY])
    broker.dates = ["2026-07-06", "2026-07-07"]
    with Client(server.url, retry=quick) as client:
        placed = client.place_order(**ORDER)
    assert [sent["trade_date"] for sent in broker.sent] == ["2026-07-06", "2026-07-07"]
    assert placed.trade_date == "2026-07-07"


def test_after_a_lost_answer_the_date_is_never_changed(server: Server, quick: RetryPolicy) -> None:
    wrong_date = problem(409, 103, "WrongTradeDate")
    broker = Broker(server, [None, wrong_date], [NO_KEY, by_key()])
    broker.dates = ["2026-07-06", "2026-07-07"]
    with Client(server.url, retry=quick) as client:
        assert client.place_order(**ORDER).order_id == "7"
    assert {sent["trade_date"] for sent in broker.sent} == {"2026-07-06"}
    # Where the key is not known, the refusal holds: the day is over, and the order never stood.
    Broker(server, [None, wrong_date], [NO_KEY])
    with Client(server.url, retry=quick) as client, pytest.raises(Refused):
        client.place_order(**ORDER)


def test_a_batch_is_repeated_with_the_same_keys(server: Server, quick: RetryPolicy) -> None:
    outcome = {"sequence": 5, "trade_date": "2026-07-06", "results": []}
    broker = Broker(server, [None, (200, outcome, {})], [NO_KEY])
    with Client(server.url, retry=quick) as client:
        client.place_bulk([ORDER, {**ORDER, "client_order_id": "mine", "order_type": "own-best", "price": None}])
    assert broker.sent[0] == broker.sent[1]
    first, second = broker.sent[0]["orders"]
    assert len(first["client_order_id"]) == 15 and first["trade_date"] == "2026-07-06"
    assert second["client_order_id"] == "mine" and second["type"] == "own-best" and "price" not in second


def test_a_cancel_whose_answer_was_lost_is_done(server: Server, quick: RetryPolicy) -> None:
    server.answers(None, problem(409, 602, "CancelUnderWay"))
    with Client(server.url, retry=quick) as client:
        assert client.cancel_order(1, 7).order_id == "7"
    server.answers(problem(409, 602, "CancelUnderWay"))
    with Client(server.url, retry=quick) as client, pytest.raises(Refused):
        client.cancel_order(1, 7)


def test_floats_are_refused(server: Server) -> None:
    with Client(server.url) as client, pytest.raises(TypeError):
        client.place_order(**{**ORDER, "price": 10.05}, trade_date="2026-07-06")
    assert server.asked == []


def test_the_asynchronous_client_does_the_same(server: Server, quick: RetryPolicy) -> None:
    broker = Broker(server, [None, lambda asked: accepted(asked, True)], [NO_KEY])

    async def place() -> bool:
        async with AsyncClient(server.url, retry=quick) as client:
            return (await client.place_order(**ORDER)).repeated

    assert asyncio.run(place()) and broker.sent[0] == broker.sent[1]


def test_a_file_comes_as_it_was_sent_after_a_repeat(server: Server, quick: RetryPolicy) -> None:
    content = "\ufeffaccount,数量\r\n1,100\r\n".encode()
    server.answers(problem(503, 920, "NotNow"), content)
    with Client(server.url, retry=quick) as client:
        assert client.download_export("7") == content
    assert [asked.target for asked in server.asked] == ["/v1/exports/7/file"] * 2
    assert server.asked[0].headers["accept"] == "text/csv"


def test_a_decision_is_never_repeated_on_its_own(server: Server, quick: RetryPolicy) -> None:
    server.answers(None)
    with Client(server.url, retry=quick) as client, pytest.raises(TransportError):
        client.decide_export("7", "approve")
    assert len(server.asked) == 1

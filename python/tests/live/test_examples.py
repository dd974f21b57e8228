"""The examples of the API document run: each body that it shows is sent, and answered as the document says."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple

import httpx
import pytest

from heng import Instrument, new_client_order_id

Document = Dict[str, Any]

#: Passwords are hashed at low priority, so an answer may wait for whatever else the machine does.
PATIENCE_S = 120

#: Operations whose example, with an account and an instrument of this market, must succeed.
SUCCEED = {
    "placeOrder", "placeBulk", "placeBasket", "estimateOrder", "cancelAllOrders", "placeParent", "setKillSwitch",
    "createApiKey", "createUser", "createPartner",
}


class Shown(NamedTuple):
    """A request body as the document shows it."""

    operation: str
    method: str
    path: str
    media: str
    statuses: Set[int]
    public: bool
    body: Any


@pytest.fixture(scope="module")
def document(url: str) -> Document:
    answer = httpx.get(f"{url}/openapi.json", timeout=PATIENCE_S)
    assert answer.status_code == 200
    found: Document = answer.json()
    return found


def bodies(document: Document) -> Iterator[Tuple[str, str, Document, str, Document]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                yield path, method, operation, media, content


@pytest.fixture(scope="module")
def shown(document: Document) -> List[Shown]:
    found = []
    for path, method, operation, media, content in bodies(document):
        statuses = {int(status) for status in operation["responses"]}
        public = operation.get("security") == []
        found.append(Shown(operation["operationId"], method, path, media, statuses, public, content.get("example")))
    return found


def send(shown: Shown, body: Any, url: str, token: str) -> httpx.Response:
    # An id that nothing has, where the path wants one.
    target = url + shown.path.replace("{id}", "999999999")
    headers = {} if shown.public else {"authorization": f"Bearer {token}"}
    if "json" in shown.media:
        return httpx.request(shown.method, target, json=body, headers=headers, timeout=PATIENCE_S)
    return httpx.request(shown.method, target, data=body, headers=headers, timeout=PATIENCE_S)


def here(value: Any, account: str, instrument: Instrument) -> Any:
    """The example with an account and an instrument that are there, at a price that rests."""
    if isinstance(value, list):
        return [here(one, account, instrument) for one in value]
    if not isinstance(value, dict):
        return value
    own: Dict[str, Any] = {key: here(one, account, instrument) for key, one in value.items()}
    told: Dict[str, Any] = {
        "account": account, "symbol": instrument.symbol, "price": str(instrument.limit_down),
        "client_order_id": new_client_order_id(),
    }
    return {**own, **{key: one for key, one in told.items() if key in own}}


def test_every_request_body_has_an_example(shown: List[Shown]) -> None:
    assert len(shown) >= 15
    assert [one.operation for one in shown if one.body is None] == []


def fault(one: Shown, answer: httpx.Response) -> bool:
    malformed = answer.status_code in (400, 413, 415, 422)
    return answer.status_code not in one.statuses or malformed or answer.status_code >= 500


def test_the_examples_as_they_stand_are_well_formed(shown: List[Shown], ready: Dict[str, Any], url: str) -> None:
    token = ready["token"]["staff"]
    wrong = []
    for one in shown:
        answer = send(one, one.body, url, token)
        if fault(one, answer):
            wrong.append((one.operation, answer.status_code, answer.text))
        if one.operation == "setKillSwitch":
            assert send(one, {**one.body, "on": False}, url, token).status_code == 200
    assert wrong == []


def test_the_examples_with_an_account_and_an_instrument_of_this_market_succeed(
    shown: List[Shown], ready: Dict[str, Any], url: str, account: str, instrument: Instrument
) -> None:
    sent = set()
    for one in shown:
        if one.operation not in SUCCEED:
            continue
        body = here(one.body, account, instrument)
        if "name" in body:
            body["name"] = new_client_order_id()
        if one.operation == "setKillSwitch":
            body["on"] = False
        answer = send(one, body, url, ready["token"]["staff"])
        assert answer.status_code in one.statuses and answer.status_code in (200, 201), (one.operation, answer.text)
        sent.add(one.operation)
    assert sent == SUCCEED

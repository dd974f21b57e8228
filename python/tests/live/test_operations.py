"""The client has a method for each operation of the running broker, and sends what its document knows.

Each public method is called once, with every argument, against a transport that only keeps the request. So what counts
is what a method really sends; there is no table beside the methods that could tell something else.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, NoReturn, Optional, Set, Tuple, Type, Union
from typing import get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import httpx
import pytest

from heng import Client, HengError
from heng import _io_sync as io
from heng.errors import BadRequest

Document = Dict[str, Any]

#: Operations for browsers alone: the reference, and the way through an OpenID provider, which needs its pages.
FOR_BROWSERS = {
    "showReference", "showReferenceScript", "beginSignOn", "finishSignOn", "proveSignOn", "logoutByProvider",
}
#: What the document does not tell of.
UNDOCUMENTED = {("GET", "/healthz")}
#: Streams go on for ever; they take no limit.
WITHOUT_LIMIT = {"streamTradeEvents", "streamDropCopy"}
#: A session as a cookie alone is for browsers; the kind of a token is a mere hint.
WITHOUT_FIELD = {("signIn", "cookie_only"), ("introspectToken", "token_type_hint"), ("revokeToken", "token_type_hint")}


class Sent(NamedTuple):
    """A request as a method made it."""

    by: str
    method: str
    path: str
    query: Dict[str, str]
    fields: Optional[Set[str]]
    headers: Set[str]


def value_of(kind: Any) -> Any:
    """Something of this kind."""
    if get_origin(kind) is Union:
        kinds = get_args(kind)
        return "7" if str in kinds else value_of(kinds[0])
    if get_origin(kind) is not None:
        inner = get_args(kind)
        if len(inner) == 1:
            return [value_of(inner[0])]
        # The fields of an order, as a batch takes them.
        return {"account": "7", "quantity": 7, "price": "7", "symbol": "7", "side": "buy"}
    return {str: "7", int: 7, bool: True, Decimal: Decimal(7)}[kind]


def operation_methods() -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Names of the public methods, with a value for every argument."""
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if name.startswith("_") or name == "close":
            continue
        hints = get_type_hints(method)
        yield name, {arg: value_of(hints[arg]) for arg in inspect.signature(method).parameters if arg != "self"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> List[Sent]:
    kept: List[Sent] = []
    calling = ""

    def keep(request: httpx.Request) -> httpx.Response:
        form = "urlencoded" in request.headers.get("content-type", "")
        text = request.content.decode()
        fields = None if not text else set(dict(parse_qsl(text)) if form else json.loads(text))
        path, query = request.url.raw_path.decode().partition("?")[::2]
        kept.append(Sent(calling, request.method, path, dict(parse_qsl(query)), fields, set(request.headers)))
        if path == "/v1/instruments" and calling != "instruments":
            # A batch asks for the open date first.
            return httpx.Response(200, json={"trade_date": "2026-07-06", "as_of_sequence": 1, "instruments": []})
        return httpx.Response(404, json={"code_name": "NotFound"})

    def open_socket(address: str, headers: Mapping[str, str], timeout_s: float) -> NoReturn:
        path = httpx.URL(address).path
        kept.append(Sent(calling, "GET", path, {}, None, set()))
        raise BadRequest(400, {})

    monkeypatch.setattr(io, "connect", open_socket)
    with Client("http://broker", http_options={"transport": httpx.MockTransport(keep)}) as client:
        for calling, arguments in operation_methods():
            try:
                answer = getattr(client, calling)(**arguments)
                if inspect.isgenerator(answer):
                    next(answer, None)
            except HengError:
                pass
    return kept


@pytest.fixture
def document(url: str) -> Document:
    with Client(url) as client:
        return client.openapi()


def template(document: Document, sent: Sent) -> Optional[str]:
    """The path of the document that a request belongs to; one that has the same words goes before one with ``{id}``."""

    def fits(path: str) -> bool:
        parts, own = path.split("/"), sent.path.split("/")
        return len(parts) == len(own) and all(p[:1] == "{" or p == o for p, o in zip(parts, own))

    found = [path for path, told in document["paths"].items() if sent.method.lower() in told and fits(path)]
    return min(found, key=lambda path: path.count("{"), default=None)


def operations(document: Document) -> Iterator[Tuple[str, str, Document]]:
    for path, told in document["paths"].items():
        for method, operation in told.items():
            yield method.upper(), path, operation


def test_every_operation_has_a_method(sent: List[Sent], document: Document) -> None:
    called = {(one.method, template(document, one)) for one in sent}
    all_of_them = {(method, path): told["operationId"] for method, path, told in operations(document)}
    assert FOR_BROWSERS <= set(all_of_them.values())
    without = {key: name for key, name in all_of_them.items() if key not in called and name not in FOR_BROWSERS}
    assert without == {}
    strange = {(one.by, one.method, one.path) for one in sent if template(document, one) is None}
    assert {(method, path) for _, method, path in strange} == UNDOCUMENTED, strange


def fields_of(document: Document, schema: Document) -> Tuple[Document, Set[str]]:
    """The fields of an object, and those of them that always have a value."""
    if "$ref" in schema:
        return fields_of(document, document["components"]["schemas"][schema["$ref"].split("/")[-1]])
    fields, told = dict(schema.get("properties", {})), set(schema.get("required", []))
    for part in [*schema.get("allOf", []), *(p for p in schema.get("oneOf", []) if p.get("type") != "null")]:
        more, more_told = fields_of(document, part)
        fields, told = {**fields, **more}, told | more_told
    return fields, {name for name in told if not may_be_null(fields[name])}


def may_be_null(schema: Document) -> bool:
    return "null" in schema.get("type", ()) or any(part.get("type") == "null" for part in schema.get("oneOf", []))


def test_methods_send_what_the_document_knows(sent: List[Sent], document: Document) -> None:
    wrong = []
    for method, path, told in operations(document):
        ours = [one for one in sent if (one.method, template(document, one)) == (method, path)]
        name, parameters = told["operationId"], told.get("parameters", [])
        if not ours:
            continue
        query = {p["name"] for p in parameters if p["in"] == "query"} - ({"limit"} if name in WITHOUT_LIMIT else set())
        asked = {key for one in ours for key in one.query} - ({"limit"} if name in WITHOUT_LIMIT else set())
        if asked != query:
            wrong.append((name, "query", asked ^ query))
        if any(p["name"] == "idempotency-key" for p in parameters) != any("idempotency-key" in s.headers for s in ours):
            wrong.append((name, "header", {"idempotency-key"}))
        for content in told.get("requestBody", {}).get("content", {}).values():
            known = {field for field in fields_of(document, content["schema"])[0] if (name, field) not in WITHOUT_FIELD}
            fields = {field for one in ours for field in one.fields or ()}
            if fields != known:
                wrong.append((name, "body", fields ^ known))
    assert wrong == []


def differences(document: Document, kind: Type[Any], schema: Document) -> Iterator[Tuple[str, str]]:
    """Fields that the model lacks, and those that it wrongly counts on. A model may serve two answers, so it may have
    more than one of them tells."""
    fields, told = fields_of(document, schema)
    hints = get_type_hints(kind)
    own = {str(field.metadata.get("json", field.name)): field for field in dataclasses.fields(kind)}
    for name in set(fields) - set(own):
        yield kind.__name__, f"{name} is not in the model"
    for name, field in own.items():
        hint, needed = hints[field.name], field.default is field.default_factory is dataclasses.MISSING
        if needed and get_origin(hint) is not Union and name not in told:
            yield kind.__name__, f"{name} may be absent"
        inner = next((arg for arg in get_args(hint) if dataclasses.is_dataclass(arg)), hint)
        if name in fields and isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from differences(document, inner, fields[name].get("items", fields[name]))


def test_models_are_what_the_document_tells(sent: List[Sent], document: Document) -> None:
    asked = {one.by: (one.method, template(document, one)) for one in sent}
    compared, wrong = set(), set()
    for method, path, told in operations(document):
        for name, operation in asked.items():
            kind = get_type_hints(getattr(Client, name))["return"]
            if operation != (method, path) or not dataclasses.is_dataclass(kind) or not isinstance(kind, type):
                continue
            for status, answer in told["responses"].items():
                for content in answer.get("content", {}).values() if status.startswith("2") else ():
                    wrong |= set(differences(document, kind, content["schema"]))
                    compared.add(kind)
    assert wrong == set()
    assert len(compared) > 60

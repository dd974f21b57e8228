"""The synchronous client. Made from ``aio.py`` by ``tools/unasync.py``; edit that file instead.

Long because: it holds one method for each operation of the API.
"""


from __future__ import annotations

import json
import secrets
import time
from decimal import Decimal
from types import TracebackType
from typing import Any, Generator, Iterator, Callable, Dict, List, Mapping, Optional, Sequence, Type, TypeVar, Union
from urllib.parse import quote, urlencode

import httpx

from . import _io_sync as io
from . import models as m
from .book import Book, MarketChange
from .decode import decode
from .errors import (
    ApiError, BadRequest, HengError, NotFound, OutcomeUnknown, Refused, StepUpNeeded, TransportError, error_of,
    outcome_is_unknown,
)
from .retry import RetryPolicy, is_passing
from .signing import BearerToken, Credential
from .sse import EventParser, LineSplitter

__all__ = ["Client"]

T = TypeVar("T")
#: An amount, price or quantity; text and ``Decimal`` are exact, floats are refused.
Number = Union[Decimal, int, str]
Id = Union[int, str]

#: Codes of refusals that say nothing about an earlier attempt: unknown account, wrong date, closed day.
_KEYLESS = frozenset({102, 103, 104, 105, 301})
_WRONG_TRADE_DATE = 103
_ORDER_DONE = 601
_CANCEL_UNDER_WAY = 602
#: The server sends something every ten seconds; silence for longer means that the connection is dead.
_SILENT_S = 35.0


def _text(value: Optional[Number]) -> Optional[str]:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, float)):
        raise TypeError("write amounts as text, int or Decimal: floats are not exact")
    return format(value, "f")


def _whole(value: Number) -> str:
    text = _text(value) or ""
    return text.split(".")[0] if "." in text and not text.split(".")[1].strip("0") else text


def _given(**values: Any) -> Dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _target(path: str, query: Optional[Mapping[str, Any]] = None) -> str:
    told = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in (query or {}).items() if v is not None}
    return f"{path}?{urlencode(told)}" if told else path


def _retry_after(response: httpx.Response) -> Optional[float]:
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _document(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


def new_client_order_id() -> str:
    """A client order id that nobody else makes: 15 characters, which the core keeps readable, of 72 random bits."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "p" + "".join(secrets.choice(letters) for _ in range(14))


class Client:
    """Talks to one Heng.

    ``base_url`` is the server's address, for example ``http://127.0.0.1:8080``. ``token`` is a bearer token; an API
    key is given as ``credential`` (:class:`heng.HmacKey`, :class:`heng.Ed25519Key`). Without either, call
    :meth:`sign_in`.

    A person who signed in proves grave operations afresh, for exactly what will happen. ``step_up`` is called with it
    (:class:`heng.models.StepUp`) and returns the one-time code or password that ``means`` asks for; without it such
    operations raise :class:`heng.StepUpNeeded`. Passkeys are for browsers.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: Optional[str] = None,
        credential: Optional[Credential] = None,
        retry: Optional[RetryPolicy] = None,
        timeout_s: float = 10.0,
        http_options: Optional[Mapping[str, Any]] = None,
        step_up: Optional[Callable[[m.StepUp], str]] = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self.credential: Optional[Credential] = BearerToken(token) if token else credential
        self.retry = retry or RetryPolicy()
        self.step_up = step_up
        self._timeout_s = timeout_s
        self._http = io.http(httpx.Timeout(timeout_s), http_options or {})
        self._trade_date: Optional[str] = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    # ----------------------------------------------------------------------------------------------------------------
    # One request, and its repeats

    def _request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> httpx.Request:
        request = self._http.build_request(method, self._base + target, content=body or None, headers=dict(headers))
        if self.credential is not None:
            # What is signed is what is sent, after all quoting; each attempt has a nonce of its own.
            sent = request.url.raw_path.decode("ascii")
            request.headers.update(self.credential.headers(method, sent, body))
        return request

    def _once(
        self, method: str, target: str, *, body: Any = None, headers: Optional[Mapping[str, str]] = None,
    ) -> Any:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        told = {"accept": "application/json", **(headers or {})}
        if content:
            told.setdefault("content-type", "application/json")
        try:
            return self._exchange(method, target, content, told)
        except StepUpNeeded as error:
            if self.step_up is None or not error.operation:
                raise
            told["step-up"] = self._prove(self.step_up, error.operation, target, content)
            return self._exchange(method, target, content, told)

    def _prove(self, ask: Callable[[m.StepUp], str], operation: str, target: str, content: bytes) -> str:
        wish = {"operation": operation, "target": target, "body": content.decode()}
        begun = decode(m.StepUp, self._once("POST", "/v1/step-up", body=wish))
        proof = {"code" if begun.means == "totp" else "password": ask(begun)}
        given = self._once("POST", f"/v1/step-up/{quote(begun.id, safe='')}", body=proof)
        return str(given["step_up"])

    def _exchange(self, method: str, target: str, content: bytes, headers: Mapping[str, str]) -> Any:
        request = self._request(method, target, content, headers)
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            raise TransportError(f"{method} {target}: {type(error).__name__}: {error}") from error
        document = _document(response.content)
        if response.is_success:
            return document
        raise error_of(response.status_code, document if isinstance(document, dict) else {}, _retry_after(response))

    def _call(
        self, method: str, target: str, *, body: Any = None, headers: Optional[Mapping[str, str]] = None,
        repeatable: bool,
    ) -> Any:
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                return self._once(method, target, body=body, headers=headers)
            except HengError as error:
                # 429 tells that nothing was done; everything else may have happened.
                refused_early = isinstance(error, ApiError) and error.status == 429
                if not (refused_early or (repeatable and is_passing(error))):
                    raise
                wait = self.retry.wait(attempt, error, time.monotonic() - began)
                if wait is None:
                    raise
                io.sleep(wait)

    def _get(self, kind: Type[T], path: str, query: Optional[Mapping[str, Any]] = None) -> T:
        return decode(kind, self._call("GET", _target(path, query), repeatable=True))

    def _post(
        self, kind: Type[T], path: str, body: Any = None, *, repeatable: bool = False, key: Optional[str] = None,
    ) -> T:
        headers = {"idempotency-key": key} if key else None
        told = self._call("POST", path, body=body, headers=headers, repeatable=repeatable or key is not None)
        return decode(kind, told)

    # ----------------------------------------------------------------------------------------------------------------
    # Who

    def sign_in(self, user: str, password: str, totp: Optional[str] = None) -> m.SignIn:
        """Signs in; the token is used from then on. With ``totp_required`` in the answer, call again with a code;
        with ``password_change_required``, call :meth:`change_password` before anything else."""
        body = _given(user=user, password=password, totp=totp)
        answer = decode(m.SignIn, self._call("POST", "/v1/sign-in", body=body, repeatable=False))
        if answer.token:
            self.credential = BearerToken(answer.token)
        return answer

    def sign_out(self) -> None:
        """Ends the session."""
        self._call("POST", "/v1/sign-out", repeatable=False)
        self.credential = None

    def me(self) -> m.Me:
        """Who the caller is, and what the policy lets them do."""
        return self._get(m.Me, "/v1/me")

    def change_password(self, current_password: str, new_password: str) -> None:
        """Changes the password; at least 12 characters."""
        body = {"current_password": current_password, "new_password": new_password}
        self._call("POST", "/v1/me/password", body=body, repeatable=False)

    def enrol_totp(self, password: str) -> m.SecondFactor:
        """Makes a second factor, which waits for :meth:`confirm_totp`."""
        return self._post(m.SecondFactor, "/v1/me/totp", {"password": password})

    def confirm_totp(self, code: str) -> None:
        """Confirms the second factor by a code of it."""
        self._call("POST", "/v1/me/totp/confirm", body={"code": code}, repeatable=False)

    def remove_totp(self) -> None:
        """Removes the one-time codes, which takes a fresh proof (``step_up``), and ends other sessions; staff may not."""
        self._call("DELETE", "/v1/me/totp", repeatable=False)

    def use_password_reset(self, user: str, code: str, new_password: str) -> None:
        """Chooses a new password with a code that staff made; all sessions of the user end."""
        body = {"user": user, "code": code, "new_password": new_password}
        self._call("POST", "/v1/password-reset", body=body, repeatable=False)

    def sessions(
        self, *, user: Optional[Id] = None, limit: Optional[int] = None, before: Optional[Id] = None
    ) -> m.SessionPage:
        """Sessions that have not ended, newest first."""
        return self._get(m.SessionPage, "/v1/sessions", _given(user=user, limit=limit, before=before))

    def end_session(self, session_id: Id) -> None:
        """Ends a session. Ending it twice changes nothing."""
        self._delete(f"/v1/sessions/{session_id}")

    def api_keys(
        self, *, user: Optional[Id] = None, limit: Optional[int] = None, before: Optional[Id] = None
    ) -> m.ApiKeyPage:
        """API keys that are not revoked, newest first."""
        return self._get(m.ApiKeyPage, "/v1/api-keys", _given(user=user, limit=limit, before=before))

    def create_api_key(
        self, name: str, *, kind: Optional[str] = None, public_key: Optional[str] = None,
        scopes: Sequence[str] = (), networks: Sequence[str] = (), days: Optional[int] = None,
        idempotency_key: Optional[str] = None,
    ) -> m.ApiKeyMade:
        """Makes an API key. A repeat under the same ``idempotency_key`` gets the same key, without its secret."""
        body = {
            "name": name, "scopes": list(scopes), "networks": list(networks),
            **_given(kind=kind, public_key=public_key, days=days),
        }
        return self._post(m.ApiKeyMade, "/v1/api-keys", body, key=idempotency_key)

    def revoke_api_key(self, key_id: str) -> None:
        """Revokes an API key."""
        self._delete(f"/v1/api-keys/{quote(key_id, safe='')}")

    def _delete(self, path: str) -> None:
        began, attempt, doubt = time.monotonic(), 0, False
        while True:
            attempt += 1
            try:
                self._once("DELETE", path)
                return
            except HengError as error:
                if doubt and isinstance(error, NotFound):
                    # The attempt whose answer was lost has done it.
                    return
                if not is_passing(error):
                    raise
                doubt = doubt or outcome_is_unknown(error)
                wait = self.retry.wait(attempt, error, time.monotonic() - began)
                if wait is None:
                    raise
                io.sleep(wait)

    def users(self, *, limit: Optional[int] = None, after: Optional[Id] = None) -> m.UserPage:
        """Clients and staff."""
        return self._get(m.UserPage, "/v1/users", _given(limit=limit, after=after))

    def user(self, user_id: Id) -> m.User:
        """One user."""
        return self._get(m.User, f"/v1/users/{user_id}")

    def create_user(
        self, name: str, *, kind: str, roles: Sequence[str], accounts: Sequence[str] = (),
        password: Optional[str] = None, idempotency_key: Optional[str] = None,
    ) -> m.UserMade:
        """Makes a user."""
        body = {
            "name": name, "kind": kind, "roles": list(roles), "accounts": list(accounts), **_given(password=password),
        }
        return self._post(m.UserMade, "/v1/users", body, key=idempotency_key)

    def disable_user(self, user_id: Id) -> m.User:
        """Shuts a user out."""
        return self._post(m.User, f"/v1/users/{user_id}/disable", repeatable=True)

    def enable_user(self, user_id: Id) -> m.User:
        """Lets a user in again."""
        return self._post(m.User, f"/v1/users/{user_id}/enable", repeatable=True)

    def partners(self, *, limit: Optional[int] = None, after: Optional[Id] = None) -> m.PartnerPage:
        """Partners."""
        return self._get(m.PartnerPage, "/v1/partners", _given(limit=limit, after=after))

    def create_partner(
        self, name: str, *, scopes: Sequence[str] = (), accounts: Sequence[str] = (),
        idempotency_key: Optional[str] = None,
    ) -> m.PartnerMade:
        """Makes a partner."""
        body = {"name": name, "scopes": list(scopes), "accounts": list(accounts)}
        return self._post(m.PartnerMade, "/v1/partners", body, key=idempotency_key)

    def disable_partner(self, partner_id: Id) -> None:
        """Shuts a partner out."""
        self._delete(f"/v1/partners/{partner_id}")

    def audit(
        self, *, limit: Optional[int] = None, before: Optional[Id] = None, principal: Optional[Id] = None,
        action: Optional[str] = None, outcome: Optional[str] = None,
    ) -> m.AuditPage:
        """The audit trail, newest first."""
        query = _given(limit=limit, before=before, principal=principal, action=action, outcome=outcome)
        return self._get(m.AuditPage, "/v1/audit", query)

    def policies(self) -> m.Policies:
        """Who may do what."""
        return self._get(m.Policies, "/v1/policies")

    def client_credentials(
        self, client_id: str, client_secret: str, scope: Optional[str] = None, *, use: bool = True
    ) -> m.OAuthToken:
        """An access token of a partner (OAuth 2.1 client credentials); ``use`` it from then on."""
        form = _given(grant_type="client_credentials", client_id=client_id, client_secret=client_secret, scope=scope)
        token = decode(m.OAuthToken, self._form("/oauth/token", form))
        if use:
            self.credential = BearerToken(token.access_token)
        return token

    def introspect(self, token: str, client_id: str, client_secret: str) -> m.Introspection:
        """Whether a token counts."""
        form = {"token": token, "client_id": client_id, "client_secret": client_secret}
        return decode(m.Introspection, self._form("/oauth/introspect", form))

    def revoke_token(self, token: str, client_id: str, client_secret: str) -> None:
        """Ends a token."""
        self._form("/oauth/revoke", {"token": token, "client_id": client_id, "client_secret": client_secret})

    def _form(self, path: str, form: Mapping[str, str]) -> Any:
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        credential, self.credential = self.credential, None
        try:
            # The form itself proves who asks.
            return self._exchange("POST", path, urlencode(form).encode(), headers)
        finally:
            self.credential = credential

    # ----------------------------------------------------------------------------------------------------------------
    # Orders

    def _open_date(self, renew: bool = False) -> Optional[str]:
        if self._trade_date is None or renew:
            page = self._get(m.InstrumentPage, "/v1/instruments", {"limit": 1})
            self._trade_date = page.trade_date
        return self._trade_date

    def place_order(
        self, *, account: Id, symbol: str, side: str, quantity: Number, price: Optional[Number] = None,
        order_type: str = "limit", self_trade: Optional[str] = None, client_order_id: Optional[str] = None,
        trade_date: Optional[str] = None,
    ) -> m.OrderAccepted:
        """Places an order, at most once.

        If an answer is lost, the order is looked up by its key and sent again under the same key, which never makes a
        second order. If it stays open what became of it, :class:`heng.OutcomeUnknown` tells the key. The trade date
        is part of the key; without one, the open one is asked for and held over all attempts.
        """
        body = _given(
            account=str(account), symbol=symbol, side=side, quantity=_whole(quantity), price=_text(price),
            type=order_type, self_trade=self_trade,
        )
        told = self._place("/v1/orders", body, client_order_id, trade_date, "order_id")
        return decode(m.OrderAccepted, told)

    def place_parent(
        self, *, account: Id, kind: str, symbol: str, side: str, quantity: Number, price: Optional[Number] = None,
        value_max: Optional[Number] = None, start: Optional[str] = None, end: Optional[str] = None,
        slices: Optional[int] = None, participation_percent: Optional[int] = None,
        display_quantity: Optional[Number] = None, watch: Optional[str] = None, at_or_above: Optional[bool] = None,
        trigger: Optional[Number] = None, client_order_id: Optional[str] = None, trade_date: Optional[str] = None,
    ) -> m.ParentAccepted:
        """Places an algorithmic (twap, vwap, pov, iceberg, liquidity) or condition order, at most once."""
        body = _given(
            account=str(account), kind=kind, symbol=symbol, side=side, quantity=_whole(quantity), price=_text(price),
            value_max=_text(value_max), start=start, end=end, slices=slices,
            participation_percent=participation_percent, watch=watch, at_or_above=at_or_above, trigger=_text(trigger),
            display_quantity=None if display_quantity is None else _whole(display_quantity),
        )
        told = self._place("/v1/parents", body, client_order_id, trade_date, "parent_id")
        return decode(m.ParentAccepted, told)

    def _place(
        self, path: str, body: Dict[str, Any], client_order_id: Optional[str], trade_date: Optional[str], id_name: str
    ) -> Any:
        date = trade_date or self._open_date()
        key = {"account": str(body["account"]), "client_order_id": client_order_id or new_client_order_id()}
        began, attempt = time.monotonic(), 0
        doubt, renewed = False, False
        while True:
            attempt += 1
            if date is not None:
                key["trade_date"] = date
            try:
                return self._once("POST", path, body={**body, **key})
            except (Refused, NotFound) as error:
                if doubt and error.code in _KEYLESS:
                    # This refusal says nothing of the attempt whose answer was lost.
                    found = self._found(key, id_name)
                    if found is not None:
                        return found
                if error.code != _WRONG_TRADE_DATE or trade_date or doubt or renewed:
                    raise
                # The day has turned since the date was asked for, and nothing was placed.
                renewed, date = True, self._open_date(renew=True)
            except HengError as error:
                if not is_passing(error):
                    raise
                doubt = doubt or outcome_is_unknown(error)
                if doubt:
                    found = self._found(key, id_name)
                    if found is not None:
                        return found
                wait = self.retry.wait(attempt, error, time.monotonic() - began)
                if wait is None:
                    if doubt:
                        raise OutcomeUnknown(key, error) from error
                    raise
                io.sleep(wait)

    def _found(self, key: Mapping[str, str], id_name: str) -> Optional[Dict[str, Any]]:
        """The outcome of a key, if the core tells it now."""
        try:
            outcome = decode(m.KeyOutcome, self._once("GET", _target("/v1/orders/by-key", key)))
        except HengError:
            return None
        if outcome.outcome == "refused":
            reject = outcome.reject
            told = vars(reject) if reject else {"title": "refused"}
            raise Refused(409, {**told, "order_id": outcome.order_id, "sequence": outcome.sequence, "repeated": True})
        found: Dict[str, Any] = {
            **key, "trade_date": outcome.trade_date, "sequence": outcome.sequence, "repeated": True,
            id_name: outcome.order_id if id_name == "order_id" else outcome.parent_id,
        }
        return found if found[id_name] else None

    def place_bulk(self, orders: Sequence[Mapping[str, Any]]) -> m.BatchOutcome:
        """Places up to 100 orders, each accepted or refused on its own. Fields are those of :meth:`place_order`."""
        body = self._batch(orders)
        return self._post(m.BatchOutcome, "/v1/orders/bulk", body, repeatable=True)

    def place_basket(self, orders: Sequence[Mapping[str, Any]]) -> m.BatchOutcome:
        """Places up to 100 orders, all or none."""
        body = self._batch(orders)
        return self._post(m.BatchOutcome, "/v1/orders/basket", body, repeatable=True)

    def _batch(self, orders: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
        """Every order with its key, so that a repeat of the batch places nothing twice."""
        date = self._open_date()
        batch = []
        for order in orders:
            given = dict(order)
            kind = given.pop("order_type", None)
            batch.append(_given(**{
                "type": kind, "trade_date": date, "client_order_id": new_client_order_id(), **given,
                "account": str(given["account"]), "quantity": _whole(given["quantity"]),
                "price": _text(given.get("price")),
            }))
        return {"orders": batch}

    def estimate(
        self, *, account: Id, symbol: str, side: str, quantity: Number, price: Optional[Number] = None,
        order_type: str = "limit",
    ) -> m.Estimate:
        """What an order would come to: checks, hold, fees. Nothing is placed."""
        body = _given(
            account=str(account), symbol=symbol, side=side, quantity=_whole(quantity), price=_text(price),
            type=order_type,
        )
        return self._post(m.Estimate, "/v1/orders/estimate", body, repeatable=True)

    def cancel_order(self, account: Id, order_id: Id) -> m.CancelAccepted:
        """Cancels an order. It is repeated if an answer is lost: a second cancel changes nothing."""
        began, attempt, doubt = time.monotonic(), 0, False
        while True:
            attempt += 1
            try:
                told = self._once("POST", f"/v1/orders/{order_id}/cancel", body={"account": str(account)})
                return decode(m.CancelAccepted, told)
            except Refused as error:
                # After a lost answer, "under way" and "cancelled" are our own doing.
                if doubt and error.code == _CANCEL_UNDER_WAY:
                    return m.CancelAccepted(str(order_id))
                if doubt and error.code == _ORDER_DONE:
                    order = self.order(order_id)
                    if order.status in ("cancelled", "partly-cancelled"):
                        return m.CancelAccepted(str(order_id))
                raise
            except HengError as error:
                if not is_passing(error):
                    raise
                doubt = doubt or outcome_is_unknown(error)
                wait = self.retry.wait(attempt, error, time.monotonic() - began)
                if wait is None:
                    raise
                io.sleep(wait)

    def cancel_all(self, account: Id, symbol: Optional[str] = None) -> m.MassCancelAccepted:
        """Cancels all live orders of an account, or those in one instrument, and pauses its parents."""
        body = _given(account=str(account), symbol=symbol)
        return self._post(m.MassCancelAccepted, "/v1/orders/cancel-all", body, repeatable=True)

    def order(self, order_id: Id, *, min_sequence: Optional[int] = None) -> m.OrderWithFills:
        """One order with its fills."""
        return self._get(m.OrderWithFills, f"/v1/orders/{order_id}", _given(min_sequence=min_sequence))

    def orders(
        self, account: Id, *, status: Optional[str] = None, client_order_id: Optional[str] = None,
        trade_date: Optional[str] = None, before: Optional[Id] = None, limit: Optional[int] = None,
        min_sequence: Optional[int] = None,
    ) -> m.OrderPage:
        """Orders of an account, newest first; ``status`` is ``live`` or ``all``."""
        query = _given(
            account=account, status=status, client_order_id=client_order_id, trade_date=trade_date, before=before,
            limit=limit, min_sequence=min_sequence,
        )
        return self._get(m.OrderPage, "/v1/orders", query)

    def iter_orders(self, account: Id, *, status: Optional[str] = None) -> Iterator[m.Order]:
        """All orders of an account, page by page, newest first."""
        before: Optional[str] = None
        while True:
            page = self.orders(account, status=status, before=before, limit=1000)
            for order in page.orders:
                yield order
            if page.next_before is None:
                return
            before = page.next_before

    def order_by_key(
        self, account: Id, client_order_id: str, trade_date: Optional[str] = None, *,
        min_sequence: Optional[int] = None,
    ) -> m.KeyOutcome:
        """What became of an order key. :class:`heng.NotFound` if the core does not know it (yet)."""
        query = _given(
            account=account, client_order_id=client_order_id, trade_date=trade_date, min_sequence=min_sequence
        )
        return self._get(m.KeyOutcome, "/v1/orders/by-key", query)

    def timeline(self, order_id: Id, *, min_sequence: Optional[int] = None) -> m.Timeline:
        """Everything that happened to an order, and what each check looked at."""
        return self._get(m.Timeline, f"/v1/orders/{order_id}/timeline", _given(min_sequence=min_sequence))

    def fills(
        self, account: Id, *, order: Optional[Id] = None, trade_date: Optional[str] = None,
        before: Optional[str] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None,
    ) -> m.FillPage:
        """Fills of an account, newest first."""
        query = _given(
            account=account, order=order, trade_date=trade_date, before=before, limit=limit, min_sequence=min_sequence
        )
        return self._get(m.FillPage, "/v1/fills", query)

    def parents(
        self, account: Id, *, status: Optional[str] = None, trade_date: Optional[str] = None,
        before: Optional[Id] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None,
    ) -> m.ParentPage:
        """Parent orders of an account, newest first."""
        query = _given(
            account=account, status=status, trade_date=trade_date, before=before, limit=limit,
            min_sequence=min_sequence,
        )
        return self._get(m.ParentPage, "/v1/parents", query)

    def parent(self, parent_id: Id, *, min_sequence: Optional[int] = None) -> m.ParentWithOrders:
        """One parent with the orders placed for it."""
        return self._get(m.ParentWithOrders, f"/v1/parents/{parent_id}", _given(min_sequence=min_sequence))

    def pause_parent(self, parent_id: Id) -> m.ParentControlled:
        """No more slices until it is resumed."""
        return self._post(m.ParentControlled, f"/v1/parents/{parent_id}/pause", repeatable=True)

    def resume_parent(self, parent_id: Id) -> m.ParentControlled:
        """Slices may go on."""
        return self._post(m.ParentControlled, f"/v1/parents/{parent_id}/resume", repeatable=True)

    def cancel_parent(self, parent_id: Id) -> m.ParentControlled:
        """Ends it and cancels its live children."""
        return self._post(m.ParentControlled, f"/v1/parents/{parent_id}/cancel", repeatable=True)

    def kill_switch(
        self, *, on: bool, cancel_live: bool = False, account: Optional[Id] = None, symbol: Optional[str] = None
    ) -> m.KillSwitch:
        """Stops or frees new orders of everybody, an account, or an instrument. Cancels always pass."""
        body = {"on": on, "cancel_live": cancel_live, **_given(account=_text(account), symbol=symbol)}
        return self._post(m.KillSwitch, "/v1/kill-switch", body, repeatable=True)

    # ----------------------------------------------------------------------------------------------------------------
    # Accounts, instruments, days

    def accounts(
        self, *, after: Optional[Id] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None
    ) -> m.AccountPage:
        """Accounts that the caller may see, by number."""
        query = _given(after=after, limit=limit, min_sequence=min_sequence)
        return self._get(m.AccountPage, "/v1/accounts", query)

    def account(self, account: Id, *, min_sequence: Optional[int] = None) -> m.Account:
        """One account with its cash and holdings."""
        return self._get(m.Account, f"/v1/accounts/{account}", _given(min_sequence=min_sequence))

    def buying_power(
        self, account: Id, symbol: str, *, price: Optional[Number] = None, side: Optional[str] = None,
        min_sequence: Optional[int] = None,
    ) -> m.BuyingPower:
        """How much of an instrument the account can buy and sell now."""
        query = _given(symbol=symbol, price=_text(price), side=side, min_sequence=min_sequence)
        return self._get(m.BuyingPower, f"/v1/accounts/{account}/buying-power", query)

    def instruments(
        self, *, after: Optional[int] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None
    ) -> m.InstrumentPage:
        """Instruments with the day's reference data, by number."""
        query = _given(after=after, limit=limit, min_sequence=min_sequence)
        return self._get(m.InstrumentPage, "/v1/instruments", query)

    def iter_instruments(self) -> Iterator[m.Instrument]:
        """All instruments, page by page."""
        after: Optional[int] = None
        while True:
            page = self.instruments(after=after, limit=1000)
            for instrument in page.instruments:
                yield instrument
            if page.next_after is None:
                return
            after = page.next_after

    def instrument(self, symbol: str, *, min_sequence: Optional[int] = None) -> m.Instrument:
        """One instrument."""
        path = f"/v1/instruments/{quote(symbol, safe='')}"
        return self._get(m.Instrument, path, _given(min_sequence=min_sequence))

    def days(self, *, limit: Optional[int] = None) -> m.DayList:
        """Trade dates, newest first."""
        return self._get(m.DayList, "/v1/days", _given(limit=limit))

    # ----------------------------------------------------------------------------------------------------------------
    # Market

    def _market(self, symbol: str, what: str) -> str:
        return f"/v1/market/{quote(symbol, safe='')}/{what}"

    def market(
        self, *, after: Optional[str] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None
    ) -> m.MarketPage:
        """Instruments with last price, change, volume and phase, by symbol."""
        query = _given(after=after, limit=limit, min_sequence=min_sequence)
        return self._get(m.MarketPage, "/v1/market", query)

    def depth(self, symbol: str, *, levels: Optional[int] = None) -> m.MarketDepth:
        """The book of an instrument."""
        return self._get(m.MarketDepth, self._market(symbol, "depth"), _given(levels=levels))

    def snapshot(self, symbol: str, *, min_sequence: Optional[int] = None) -> m.Snapshot:
        """Book, last trade and figures of the day."""
        return self._get(m.Snapshot, self._market(symbol, "snapshot"), _given(min_sequence=min_sequence))

    def trades(
        self, symbol: str, *, before: Optional[str] = None, limit: Optional[int] = None
    ) -> m.TradePage:
        """Trades of an instrument, newest first."""
        return self._get(m.TradePage, self._market(symbol, "trades"), _given(before=before, limit=limit))

    def candles(
        self, symbol: str, *, period: str = "1d", adjust: str = "none", from_date: Optional[str] = None,
        to_date: Optional[str] = None, limit: Optional[int] = None,
    ) -> m.CandleList:
        """Candles (1m, 5m, 15m, 30m, 60m, 1d, 1w, 1M), oldest first; ``adjust`` is none, forward or backward."""
        query = {"period": period, "adjust": adjust, "from": from_date, "to": to_date, "limit": limit}
        return self._get(m.CandleList, self._market(symbol, "candles"), query)

    def intraday(self, symbol: str, *, date: Optional[str] = None) -> m.Intraday:
        """Price and average price by the minute."""
        return self._get(m.Intraday, self._market(symbol, "intraday"), _given(date=date))

    def fund_flow(self, symbol: str, *, date: Optional[str] = None) -> m.FundFlow:
        """Active buying and selling by order size."""
        return self._get(m.FundFlow, self._market(symbol, "fund-flow"), _given(date=date))

    def indicator(
        self, symbol: str, name: str, *, period: str = "1d", adjust: str = "none",
        params: Optional[Sequence[int]] = None, from_date: Optional[str] = None, to_date: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> m.Indicator:
        """An indicator over candles: ma, ema, macd, rsi, kdj, boll, atr, vwap."""
        listed = ",".join(str(p) for p in params) if params else None
        query = {
            "name": name, "period": period, "adjust": adjust, "params": listed, "from": from_date, "to": to_date,
            "limit": limit,
        }
        return self._get(m.Indicator, self._market(symbol, "indicators"), query)

    # ----------------------------------------------------------------------------------------------------------------
    # The system

    def system(self) -> m.System:
        """Roles, versions, health, limits and lag."""
        return self._get(m.System, "/v1/system")

    def stats(self, *, seconds: Optional[int] = None) -> m.Stats:
        """Rates and latency of the last seconds."""
        return self._get(m.Stats, "/v1/system/stats", _given(seconds=seconds))

    def logs(self, *, since: Optional[int] = None, limit: Optional[int] = None) -> m.LogPage:
        """Warnings and errors of the process that answers."""
        return self._get(m.LogPage, "/v1/system/logs", _given(since=since, limit=limit))

    def rejects(self) -> List[m.RejectCode]:
        """Every reject code with its texts."""
        told = self._call("GET", "/v1/rejects", repeatable=True)
        return [decode(m.RejectCode, row) for row in told["rejects"]]

    def schemas(self) -> List[str]:
        """Names of the messages that streams carry."""
        told = self._call("GET", "/v1/schemas", repeatable=True)
        return [str(name) for name in told["schemas"]]

    def schema(self, name: str) -> Dict[str, Any]:
        """The JSON Schema of one message."""
        told: Dict[str, Any] = self._call("GET", f"/v1/schemas/{quote(name, safe='')}", repeatable=True)
        return told

    def openapi(self) -> Dict[str, Any]:
        """The API's document (OpenAPI 3.1)."""
        told: Dict[str, Any] = self._call("GET", "/openapi.json", repeatable=True)
        return told

    def health(self) -> Dict[str, Any]:
        """What ``/healthz`` tells."""
        told: Dict[str, Any] = self._call("GET", "/healthz", repeatable=True)
        return told

    # ----------------------------------------------------------------------------------------------------------------
    # Trade events

    def trade_events(
        self, *, since: Optional[int] = None, account: Optional[Id] = None, limit: Optional[int] = None
    ) -> m.EventPage:
        """A page of what happened to orders and parents behind the command ``since``."""
        return self._get(m.EventPage, "/v1/trade-events", _given(since=since, account=account, limit=limit))

    def drop_copy(
        self, *, since: Optional[int] = None, account: Optional[Id] = None, limit: Optional[int] = None
    ) -> m.EventPage:
        """The same of every account that the caller may see, for staff and partners."""
        return self._get(m.EventPage, "/v1/drop-copy", _given(since=since, account=account, limit=limit))

    def iter_trade_events(
        self, since: int = 0, *, account: Optional[Id] = None
    ) -> Iterator[m.CommandEvents]:
        """Everything behind the command ``since`` up to now, page by page."""
        while True:
            page = self.trade_events(since=since, account=account, limit=1000)
            for command in page.commands:
                yield command
            if page.caught_up:
                return
            since = page.next_since

    def stream_trade_events(
        self, since: Optional[int] = None, *, account: Optional[Id] = None
    ) -> Iterator[m.CommandEvents]:
        """Trade events as they happen, behind the command ``since`` (from now on without it), for ever.

        It comes back by itself after any break and goes on where it was: nothing is missed and nothing told twice.
        Keep ``sequence`` of what you have handled, and begin there after a restart of your own.
        """
        for command in self._stream_events("/v1/stream/trade-events", "/v1/trade-events", since, account):
            yield command

    def stream_drop_copy(
        self, since: Optional[int] = None, *, account: Optional[Id] = None
    ) -> Iterator[m.CommandEvents]:
        """Drop copy as it happens; as :meth:`stream_trade_events`."""
        for command in self._stream_events("/v1/stream/drop-copy", "/v1/drop-copy", since, account):
            yield command

    def _stream_events(
        self, path: str, page_path: str, since: Optional[int], account: Optional[Id]
    ) -> Iterator[m.CommandEvents]:
        if since is None:
            # "Now" is fixed once: a break before the first event must not move it.
            page = self._get(m.EventPage, page_path, _given(since=0, limit=1, account=account))
            since = page.as_of_sequence
        failures = 0
        while True:
            commands = self._read_events(path, since, account)
            try:
                for command in commands:
                    failures = 0
                    if command.sequence > since:
                        since = command.sequence
                        yield command
            except (TransportError, ApiError) as error:
                # A core that has just come back may not hold the newest commands in its record yet.
                beyond = isinstance(error, ApiError) and error.code_name == "BeyondTheRecord"
                if not (beyond or is_passing(error)):
                    raise
                failures += 1
                io.sleep(self._pause(failures, error))
            finally:
                commands.close()

    def _pause(self, failures: int, error: BaseException) -> float:
        policy = self.retry
        jittered = policy.random() * min(policy.most_s, policy.base_s * 2.0 ** min(failures, 16))
        asked = error.retry_after if isinstance(error, ApiError) and error.retry_after else 0.0
        return asked + jittered

    def _read_events(
        self, path: str, since: int, account: Optional[Id]
    ) -> Generator[m.CommandEvents, None]:
        target = _target(path, _given(since=since, account=account))
        headers = {"accept": "text/event-stream", "last-event-id": str(since)}
        request = self._request("GET", target, b"", headers)
        request.extensions["timeout"] = httpx.Timeout(self._timeout_s, read=_SILENT_S).as_dict()
        try:
            response = self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise TransportError(f"GET {target}: {type(error).__name__}: {error}") from error
        try:
            if not response.is_success:
                document = _document(response.read())
                raise error_of(
                    response.status_code, document if isinstance(document, dict) else {}, _retry_after(response)
                )
            lines, parser = LineSplitter(), EventParser()
            for piece in response.iter_bytes():
                for line in lines.push(piece):
                    event = parser.line(line)
                    if event is not None and event.event == "trade":
                        yield decode(m.CommandEvents, json.loads(event.data))
        except (httpx.HTTPError, ValueError) as error:
            raise TransportError(f"read {target}: {type(error).__name__}: {error}") from error
        finally:
            response.close()

    # ----------------------------------------------------------------------------------------------------------------
    # The market stream

    def stream_market(
        self, symbols: Sequence[str], what: Sequence[str] = ("depth", "trades", "snapshot")
    ) -> Iterator[MarketChange]:
        """The market over WebSocket, for ever: each change with the picture that it left behind.

        ``what``: depth, trades, snapshot, candle.1m … candle.1d. A missed update is healed by a resync, a break by
        connecting again. Only books that are not ``stale`` are told. Needs the extra ``heng[streams]``.
        """
        books = {symbol: Book(symbol) for symbol in symbols}
        failures = 0
        while True:
            changes = self._read_market(books, list(what))
            try:
                for change in changes:
                    failures = 0
                    yield change
            except (TransportError, ApiError) as error:
                if not is_passing(error):
                    raise
                failures += 1
                io.sleep(self._pause(failures, error))
            finally:
                changes.close()

    def _read_market(self, books: Dict[str, Book], what: List[str]) -> Generator[MarketChange, None]:
        for book in books.values():
            book.stale = True
        scheme, rest = self._base.split("://", 1)
        headers = self.credential.headers("GET", "/v1/stream", b"") if self.credential else {}
        address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/v1/stream"
        socket = io.connect(address, headers, self._timeout_s)
        try:
            io.send(socket, {
                "op": "subscribe", "id": 1, "channel": "market", "symbols": list(books), "what": what,
            })
            pinged = False
            while True:
                text = io.receive(socket, _SILENT_S / 2)
                if text is None:
                    if pinged:
                        raise TransportError("the market stream is silent")
                    pinged = True
                    io.send(socket, {"op": "ping"})
                    continue
                pinged = False
                # A frame holds one message, or several in a list.
                frame = json.loads(text) if text else []
                for message in frame if isinstance(frame, list) else [frame]:
                    change = self._heard(books, message)
                    if isinstance(change, str):
                        io.send(socket, {"op": "resync", "symbol": change})
                    elif change is not None:
                        yield change
        except (ValueError, KeyError) as error:
            raise TransportError(f"read the market stream: {error!r}") from error
        finally:
            socket.close()

    def _heard(self, books: Mapping[str, Book], message: Mapping[str, Any]) -> Union[MarketChange, str, None]:
        """What a message brings: a change, the symbol that needs a resync, or nothing."""
        kind = str(message.get("type"))
        if kind == "dropped":
            raise TransportError(f"the market stream was dropped: {message.get('reason')}")
        if kind == "error" and message.get("id") == 1:
            raise BadRequest(400, {"title": "The subscription was refused.", **message})
        book = books.get(str(message.get("symbol", "")))
        if book is None or kind not in ("snapshot", "update", "candle"):
            return None
        if kind == "candle":
            candle = decode(m.Candle, message["candle"])
            return MarketChange(book.symbol, book, kind, dict(message), candle, str(message["period"]))
        if not book.take(message):
            return book.symbol
        return None if book.stale else MarketChange(book.symbol, book, kind, dict(message))

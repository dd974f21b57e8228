"""One request, its repeats, and the fresh proof that a grave one takes.

Made from ``_async/requests.py`` by ``tools/unasync.py``; edit that file instead.
"""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Mapping, Optional, Type, TypeVar
from urllib.parse import quote, urlencode

import httpx

from .. import _io_sync as io
from .. import models as m
from .._wire import _document, _given, _retry_after, _target
from ..decode import decode
from ..errors import (
    ApiError, HengError, NotFound, StepUpNeeded, TransportError, error_of, outcome_is_unknown,
)
from ..retry import RetryPolicy, is_passing
from ..signing import BearerToken, Credential

T = TypeVar("T")


class Requests:
    """What all operations share."""

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

    def _request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> httpx.Request:
        request = self._http.build_request(method, self._base + target, content=body or None, headers=dict(headers))
        if self.credential is not None:
            # What is signed is what is sent, after all quoting; each attempt has a nonce of its own.
            sent = request.url.raw_path.decode("ascii")
            request.headers.update(self.credential.headers(method, sent, body))
        return request

    def _once(
        self, method: str, target: str, *, body: Any = None, headers: Optional[Mapping[str, str]] = None,
        read: Callable[[bytes], Any] = _document,
    ) -> Any:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        told = {"accept": "application/json", **(headers or {})}
        if content:
            told.setdefault("content-type", "application/json")
        try:
            return self._exchange(method, target, content, told, read)
        except StepUpNeeded as error:
            if self.step_up is None or not error.operation:
                raise
            told["step-up"] = self._prove(self.step_up, error.operation, target, content)
            return self._exchange(method, target, content, told, read)

    def begin_step_up(self, operation: str, target: str, body: str = "") -> m.StepUp:
        """Asks for a fresh proof of one request: its operation id, its path and its exact body.

        Only for requests that something else sends. What this client sends, it proves by itself through ``step_up``.
        """
        wish = {"operation": operation, "target": target, "body": body}
        return decode(m.StepUp, self._once("POST", "/v1/step-up", body=wish))

    def finish_step_up(
        self, step_up_id: str, *, code: Optional[str] = None, password: Optional[str] = None,
        credential: Optional[Mapping[str, Any]] = None,
    ) -> m.StepUpGiven:
        """Shows the proof, exactly one of the three. It is tried once; the answer goes into the header ``step-up``."""
        proof = _given(code=code, password=password, credential=credential)
        return decode(m.StepUpGiven, self._once("POST", f"/v1/step-up/{quote(step_up_id, safe='')}", body=proof))

    def _prove(self, ask: Callable[[m.StepUp], str], operation: str, target: str, content: bytes) -> str:
        begun = self.begin_step_up(operation, target, content.decode())
        shown = ask(begun)
        if begun.means == "totp":
            return (self.finish_step_up(begun.id, code=shown)).step_up
        return (self.finish_step_up(begun.id, password=shown)).step_up

    def _exchange(
        self, method: str, target: str, content: bytes, headers: Mapping[str, str],
        read: Callable[[bytes], Any] = _document,
    ) -> Any:
        request = self._request(method, target, content, headers)
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            raise TransportError(f"{method} {target}: {type(error).__name__}: {error}") from error
        if response.is_success:
            return read(response.content)
        document = _document(response.content)
        raise error_of(response.status_code, document if isinstance(document, dict) else {}, _retry_after(response))

    def _call(
        self, method: str, target: str, *, body: Any = None, headers: Optional[Mapping[str, str]] = None,
        repeatable: bool, read: Callable[[bytes], Any] = _document,
    ) -> Any:
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                return self._once(method, target, body=body, headers=headers, read=read)
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

    def _get_file(self, media: str, path: str, query: Optional[Mapping[str, Any]] = None) -> bytes:
        """An answer that is no JSON, byte by byte as it came."""
        target, headers = _target(path, query), {"accept": media}
        return bytes(self._call("GET", target, headers=headers, repeatable=True, read=bytes))

    def _post(
        self, kind: Type[T], path: str, body: Any = None, *, repeatable: bool = False, key: Optional[str] = None,
    ) -> T:
        headers = {"idempotency-key": key} if key else None
        told = self._call("POST", path, body=body, headers=headers, repeatable=repeatable or key is not None)
        return decode(kind, told)

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

    def _form(self, path: str, form: Mapping[str, str]) -> Any:
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        credential, self.credential = self.credential, None
        try:
            # The form itself proves who asks.
            return self._exchange("POST", path, urlencode(form).encode(), headers)
        finally:
            self.credential = credential

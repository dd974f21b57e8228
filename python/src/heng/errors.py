"""What can go wrong, by what the caller can do about it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

__all__ = [
    "ApiError", "BadRequest", "Conflict", "DecodeError", "FieldError", "Forbidden", "HengError", "NotFound",
    "OutcomeUnknown", "RateLimited", "Refused", "ServerError", "TransportError", "Unauthenticated",
    "Unavailable", "error_of",
]


class HengError(Exception):
    """Everything that this package raises."""


class TransportError(HengError):
    """No answer came: the server cannot be reached, or the connection broke. A change may or may not have happened."""


class DecodeError(HengError):
    """An answer does not have the shape that this version knows."""


class FieldError(NamedTuple):
    """What is wrong with one field of a request."""

    pointer: str
    detail: str


class ApiError(HengError):
    """A refusal or failure that the server told, as a problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, Any], retry_after: Optional[float] = None) -> None:
        self.status = status
        #: The whole document.
        self.document: Dict[str, Any] = dict(document)
        code = document.get("code")
        #: Stable number of the reason; ``None`` for a failure.
        self.code: Optional[int] = code if isinstance(code, int) else None
        #: Stable name of the reason.
        self.code_name: str = str(document.get("code_name") or document.get("error") or "")
        #: English text.
        self.title: str = str(document.get("title") or document.get("error") or f"HTTP {status}")
        #: Chinese text.
        self.title_zh: str = str(document.get("title_zh") or self.title)
        self.detail: str = str(document.get("detail") or document.get("error_description") or "")
        found = document.get("errors")
        self.errors: List[FieldError] = [
            FieldError(str(e.get("pointer", "")), str(e.get("detail", "")))
            for e in (found if isinstance(found, list) else [])
            if isinstance(e, dict)
        ]
        #: Names the request, for those who read the log.
        self.instance: str = str(document.get("instance") or "")
        #: Seconds after which the server wants to be asked again.
        self.retry_after = retry_after
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.status} {self.code or ''} {self.code_name}".replace("  ", " ").strip()
        tail = "; ".join([self.detail, *(f"{e.pointer}: {e.detail}" for e in self.errors)]).strip("; ")
        return f"{head}: {self.title}" + (f" ({tail})" if tail else "")

    @property
    def order_id(self) -> Optional[str]:
        """Number of the order that was refused, where it got one."""
        found = self.document.get("order_id")
        return found if isinstance(found, str) else None


class BadRequest(ApiError):
    """The request cannot be read; ``errors`` points at the fields."""


class Unauthenticated(ApiError):
    """Nobody is signed in, or the proof is not good."""


class Forbidden(ApiError):
    """The policy says no."""


class StepUpNeeded(Forbidden):
    """This takes a fresh proof for exactly this request: give the client a ``step_up``."""

    @property
    def operation(self) -> str:
        """The operation, as ``POST /v1/step-up`` takes it; empty if the caller has nothing to prove it with."""
        told = self.document.get("step_up")
        return str(told.get("operation", "")) if isinstance(told, Mapping) else ""


class NotFound(ApiError):
    """There is no such thing."""


class Conflict(ApiError):
    """It clashes with what is there, for example a key that was used with other content."""


class Refused(ApiError):
    """The broker's checks said no. That is an answer: the order does not stand."""


class RateLimited(ApiError):
    """Too often; ``retry_after`` tells when to try again."""


class Unavailable(ApiError):
    """Not now; nothing was changed unless it is an :class:`OutcomeUnknown`."""


class ServerError(ApiError):
    """The server failed."""


class OutcomeUnknown(HengError):
    """The order may or may not stand, and looking up its key did not tell.

    Ask ``order_by_key`` with :attr:`key` later, or send the same order again with the same ``client_order_id`` and
    ``trade_date``: that never places a second one. Never send it under another id.
    """

    def __init__(self, key: Mapping[str, str], cause: Optional[BaseException] = None) -> None:
        #: ``account``, ``trade_date`` and ``client_order_id``.
        self.key: Dict[str, str] = dict(key)
        self.cause = cause
        super().__init__(f"the outcome of order {self.key} is unknown: {cause}")


_BY_STATUS = {
    400: BadRequest, 401: Unauthenticated, 403: Forbidden, 404: NotFound, 405: BadRequest, 408: Unavailable,
    409: Conflict, 410: NotFound, 413: BadRequest, 415: BadRequest, 422: BadRequest, 429: RateLimited, 502: Unavailable,
    503: Unavailable, 504: Unavailable,
}


#: The key of the order was used with other content: nothing to do with the checks.
_KEY_REUSED = 101


def error_of(status: int, document: Mapping[str, Any], retry_after: Optional[float] = None) -> ApiError:
    """The error for a status and its problem document."""
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else BadRequest)
    code = document.get("code")
    # Reject codes up to 899 come from the broker's checks; the doors' own begin at 900.
    if status in (409, 422) and isinstance(code, int) and code < 900 and code != _KEY_REUSED:
        kind = Refused
    if document.get("code_name") == "StepUpNeeded":
        kind = StepUpNeeded
    return kind(status, document, retry_after)


def outcome_is_unknown(error: BaseException) -> bool:
    """Whether a change may have happened although this came instead of an answer."""
    if isinstance(error, TransportError):
        return True
    if not isinstance(error, ApiError):
        return False
    told = error.code_name in ("OutcomeUnknown", "NoAnswer") or error.document.get("outcome") == "unknown"
    return told or error.status in (500, 502, 504)

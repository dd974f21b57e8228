"""How values are written into requests, and what both clients share about them."""

from __future__ import annotations

import json
import secrets
from decimal import Decimal
from typing import Any, Dict, Mapping, Optional, Union
from urllib.parse import urlencode

import httpx

__all__ = ["Id", "Number", "new_client_order_id"]

#: An amount, price or quantity; text and ``Decimal`` are exact, floats are refused.
Number = Union[Decimal, int, str]
Id = Union[int, str]


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

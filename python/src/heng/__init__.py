"""Python client of Heng, the back office of an internet securities broker.

>>> from heng import Client
>>> with Client("http://127.0.0.1:8080", token="…") as heng:                                   # doctest: +SKIP
...     heng.place_order(account=1, symbol="600519.SH", side="buy", quantity=100, price="10.05")
"""

from .aio import AsyncClient, new_client_order_id
from .book import Book, Level, MarketChange, MarketTrade
from .client import Client
from .errors import (
    ApiError,
    BadRequest,
    Conflict,
    DecodeError,
    FieldError,
    Forbidden,
    HengError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerError,
    StepUpNeeded,
    TransportError,
    Unauthenticated,
    Unavailable,
)
from .models import *  # noqa: F403
from .models import __all__ as _models
from .retry import RetryPolicy
from .signing import BearerToken, Credential, Ed25519Key, HmacKey, signing_input, totp

__version__ = "0.1.0"
__all__ = [
    "ApiError", "AsyncClient", "BadRequest", "BearerToken", "Book", "Client", "Conflict", "Credential", "DecodeError",
    "Ed25519Key", "FieldError", "Forbidden", "HengError", "HmacKey", "Level", "MarketChange", "MarketTrade",
    "NotFound", "OutcomeUnknown", "RateLimited", "Refused", "RetryPolicy", "ServerError", "StepUpNeeded", "TransportError",
    "Unauthenticated", "Unavailable", "new_client_order_id", "signing_input", "totp",
]
__all__ += _models

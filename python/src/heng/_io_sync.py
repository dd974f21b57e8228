"""What differs between the two clients, for threads."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Mapping, Optional

import httpx

from ._io_async import _refusal
from .errors import TransportError

sleep = time.sleep


def http(timeout: httpx.Timeout, options: Mapping[str, Any]) -> httpx.Client:
    """A connection pool."""
    return httpx.Client(timeout=timeout, **options)


def connect(url: str, headers: Dict[str, str], timeout_s: float) -> Any:
    """Opens the market stream."""
    try:
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import connect as open_socket
        from websockets.typing import Subprotocol
    except ImportError as error:
        raise ImportError("market streams need the extra: pip install 'heng[streams]'") from error
    try:
        # Entered, not used directly: newer versions connect in a context manager only. `close` ends it.
        return open_socket(
            url, subprotocols=[Subprotocol("heng.json.v1")], additional_headers=headers, open_timeout=timeout_s,
            max_size=8 * 1024 * 1024,
        ).__enter__()
    except InvalidStatus as error:
        raise _refusal(error.response.status_code, error.response.body) from error
    except (OSError, WebSocketException) as error:
        raise TransportError(f"open {url}: {error}") from error


def receive(socket: Any, timeout_s: float) -> Optional[str]:
    """The next text; ``None`` if none came in time."""
    from websockets.exceptions import WebSocketException

    try:
        message = socket.recv(timeout=timeout_s)
    except TimeoutError:
        return None
    except (OSError, WebSocketException) as error:
        raise TransportError(f"read the stream: {error}") from error
    return message if isinstance(message, str) else ""


def send(socket: Any, message: Mapping[str, Any]) -> None:
    """Sends a message."""
    from websockets.exceptions import WebSocketException

    try:
        socket.send(json.dumps(message))
    except (OSError, WebSocketException) as error:
        raise TransportError(f"write to the stream: {error}") from error

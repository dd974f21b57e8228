"""What differs between the two clients, for asyncio."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Dict, Mapping, Optional, Union

import httpx

from .errors import TransportError, error_of

sleep = asyncio.sleep


def http(timeout: httpx.Timeout, options: Mapping[str, Any]) -> httpx.AsyncClient:
    """A connection pool."""
    return httpx.AsyncClient(timeout=timeout, **options)


async def connect(url: str, headers: Dict[str, str], timeout_s: float) -> Any:
    """Opens the market stream."""
    try:
        from websockets.asyncio.client import connect as open_socket
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.typing import Subprotocol
    except ImportError as error:
        raise ImportError("market streams need the extra: pip install 'heng[streams]'") from error
    try:
        return await open_socket(
            url, subprotocols=[Subprotocol("heng.json.v1")], additional_headers=headers, open_timeout=timeout_s,
            max_size=8 * 1024 * 1024,
        )
    except InvalidStatus as error:
        raise _refusal(error.response.status_code, error.response.body) from error
    except (OSError, WebSocketException, asyncio.TimeoutError) as error:
        raise TransportError(f"open {url}: {error}") from error


async def receive(socket: Any, timeout_s: float) -> Optional[str]:
    """The next text; ``None`` if none came in time."""
    from websockets.exceptions import WebSocketException

    try:
        message = await asyncio.wait_for(socket.recv(), timeout_s)
    except asyncio.TimeoutError:
        return None
    except (OSError, WebSocketException) as error:
        raise TransportError(f"read the stream: {error}") from error
    return message if isinstance(message, str) else ""


async def send(socket: Any, message: Mapping[str, Any]) -> None:
    """Sends a message."""
    from websockets.exceptions import WebSocketException

    try:
        await socket.send(json.dumps(message))
    except (OSError, WebSocketException) as error:
        raise TransportError(f"write to the stream: {error}") from error


def _refusal(status: int, body: Union[bytes, bytearray, None]) -> Exception:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        document = {}
    return error_of(status, document if isinstance(document, dict) else {})

"""The asynchronous client. Its operations stand in ``_async``, by subject.

``client.py`` and ``_sync`` are made from this file and from ``_async`` by ``tools/unasync.py``.
"""

from __future__ import annotations

from types import TracebackType
from typing import Optional, Type

from ._async.entry import EntryOperations
from ._async.market import MarketOperations
from ._async.oversight import OversightOperations
from ._async.people import PeopleOperations
from ._async.streams import StreamOperations
from ._async.system import SystemOperations
from ._async.trading import TradingOperations
from ._wire import Id, Number, new_client_order_id

__all__ = ["AsyncClient", "Id", "Number", "new_client_order_id"]


class AsyncClient(
    EntryOperations, TradingOperations, MarketOperations, StreamOperations, PeopleOperations, OversightOperations,
    SystemOperations,
):
    """Talks to one Heng.

    ``base_url`` is the server's address, for example ``http://127.0.0.1:8080``. ``token`` is a bearer token; an API
    key is given as ``credential`` (:class:`heng.HmacKey`, :class:`heng.Ed25519Key`). Without either, call
    :meth:`sign_in`.

    A person who signed in proves grave operations afresh, for exactly what will happen. ``step_up`` is called with it
    (:class:`heng.models.StepUp`) and returns the one-time code or password that ``means`` asks for; without it such
    operations raise :class:`heng.StepUpNeeded`. Passkeys are for browsers.
    """

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

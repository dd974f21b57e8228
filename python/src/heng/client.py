"""The synchronous client.

Made from ``aio.py`` by ``tools/unasync.py``; edit that file instead.
"""

from __future__ import annotations

from types import TracebackType
from typing import Optional, Type

from ._sync.entry import EntryOperations
from ._sync.market import MarketOperations
from ._sync.oversight import OversightOperations
from ._sync.people import PeopleOperations
from ._sync.streams import StreamOperations
from ._sync.system import SystemOperations
from ._sync.trading import TradingOperations
from ._wire import Id, Number, new_client_order_id

__all__ = ["Client", "Id", "Number", "new_client_order_id"]


class Client(
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

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

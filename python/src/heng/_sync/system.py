"""The system itself, and what describes its API.

Made from ``_async/system.py`` by ``tools/unasync.py``; edit that file instead.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional
from urllib.parse import quote

from .. import models as m
from .._wire import _given
from ..decode import decode
from .requests import Requests


class SystemOperations(Requests):
    """The system itself."""

    def system(self) -> m.System:
        """Roles, versions, health, limits and lag."""
        return self._get(m.System, "/v1/system")

    def stats(self, *, seconds: Optional[int] = None) -> m.Stats:
        """Rates and latency of the last seconds."""
        return self._get(m.Stats, "/v1/system/stats", _given(seconds=seconds))

    def venues(self) -> m.VenueList:
        """Venues elsewhere: session, last report, orders that are held or unknown."""
        return self._get(m.VenueList, "/v1/system/venues")

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

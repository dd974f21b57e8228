"""Tests against a running heng; HENG_READY names the file that `heng up --ready-file` wrote."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, Iterator

import pytest

from heng import Client, Instrument, RetryPolicy

# Without a server there is nothing to collect.
collect_ignore_glob = [] if os.environ.get("HENG_READY") else ["test_*.py"]


@pytest.fixture(scope="session")
def ready() -> Dict[str, Any]:
    with open(os.environ["HENG_READY"], encoding="utf-8") as file:
        found: Dict[str, Any] = json.load(file)
    return found


@pytest.fixture(scope="session")
def url(ready: Dict[str, Any]) -> str:
    return os.environ.get("HENG_URL") or str(ready["http"])


@pytest.fixture(scope="session")
def account(ready: Dict[str, Any]) -> str:
    return str(ready["client"]["account_id"])


@pytest.fixture
def client(ready: Dict[str, Any], url: str) -> Iterator[Client]:
    with Client(url, token=ready["token"]["client"], retry=RetryPolicy(deadline_s=60)) as made:
        yield made


@pytest.fixture
def staff(ready: Dict[str, Any], url: str) -> Iterator[Client]:
    with Client(url, token=ready["token"]["staff"]) as made:
        yield made


@pytest.fixture
def instrument(client: Client) -> Instrument:
    """A main-board stock that trades continuously now: a buy at its lower limit rests."""
    for _ in range(240):
        for found in client.instruments(limit=1000).instruments:
            usable = not (found.suspended or found.halted or found.risk_warning)
            if usable and found.phase == "continuous" and found.limit_down and found.board in ("sse-main", "szse-main"):
                return found
        time.sleep(0.5)
    raise AssertionError("nothing came into continuous trading within two minutes")

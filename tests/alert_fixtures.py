"""Fixtures of the alert desk: a store, a clock, and desks on demand.

Test files load them with ``pytest_plugins``; nothing is imported from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from profiles.clock import ManualClock
from profiles.settings import Settings
from profiles.store.client import Client, connect
from profiles.store.desk_reads import DeskReads
from streams.alerts import AlertDesk
from streams.sms import FileProvider, SmsProvider
from tests.alert_parts import NOW, RULES, SECRET, Open


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def desk_clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Client]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def reads(redis: Client) -> DeskReads:
    return DeskReads(redis)


@pytest.fixture
async def opened(redis: Client, desk_clock: ManualClock, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens desks that share the store; SMS go to a file."""
    desks: list[AlertDesk] = []
    to_file = FileProvider(tmp_path / "sms.log", desk_clock)
    async with httpx2.AsyncClient(trust_env=False) as http:

        def one(sms: SmsProvider | None = to_file, client: Client = redis, **settings: Any) -> AlertDesk:
            given = Settings(webhook_secret=SECRET, webhook_private=True, **settings)
            desks.append(AlertDesk(given, client, desk_clock, RULES, http, sms, names={"days_silent": "沉默天数"}))
            return desks[-1]

        yield one
        for desk in desks:
            await desk.close(grace=0)

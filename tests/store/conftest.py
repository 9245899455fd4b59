"""The two stores that keep one contract, as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from profiles.store.base import ProfileStore
from profiles.store.memory import MemoryStore
from profiles.store.redis import RedisStore, connect
from tests.store.parts import Opener


@pytest.fixture(params=["memory", "server"])
def opened(request: pytest.FixtureRequest) -> Opener:
    """A way to open the store; open it inside the event loop that uses it."""
    if request.param == "memory":
        store = MemoryStore()

        @asynccontextmanager
        async def memory() -> AsyncIterator[ProfileStore]:
            yield store

        return memory
    url: str = request.getfixturevalue("redis_url")

    @asynccontextmanager
    async def server() -> AsyncIterator[ProfileStore]:
        client = connect(url)
        try:
            yield RedisStore(client)
        finally:
            await client.aclose()

    return server

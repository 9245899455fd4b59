"""Fixtures of customers behind several ids: a shop of real buckets, on each kind of store.

Test files load them with ``pytest_plugins``; nothing is imported from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from profiles.store.memory import MemoryStore
from profiles.store.redis import RedisStore
from tests.bucket_house import House, open_house
from tests.identity_town import Shop


@pytest.fixture(scope="module")
def house(valkey: str) -> Iterator[House]:
    with open_house(valkey) as made:
        yield made


@pytest.fixture(params=["memory", "valkey"])
def shop(house: House, request: pytest.FixtureRequest) -> Shop:
    house.empty()
    store: Any = MemoryStore() if request.param == "memory" else RedisStore(house.client)
    return Shop(house, store)

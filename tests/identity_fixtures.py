"""Fixtures of customers behind several ids: a shop of real buckets, on each kind of store.

Test files load them with ``pytest_plugins``, so they are there for every file that runs after these: their names must be
nobody else's.  Nothing is imported from here.
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
def town_house(valkey: str) -> Iterator[House]:
    with open_house(valkey) as made:
        yield made


@pytest.fixture(params=["memory", "valkey"])
def town(town_house: House, request: pytest.FixtureRequest) -> Shop:
    town_house.empty()
    store: Any = MemoryStore() if request.param == "memory" else RedisStore(town_house.client)
    return Shop(town_house, store)

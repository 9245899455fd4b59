"""A shop at a fixed moment, for tests of the API that crank its clock by hand: a plug-in of those that name it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from profiles.clock import ManualClock
from tests.api_shop import NOW, Shop, serving


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def shop(redis_url: str, clock: ManualClock) -> Iterator[Shop]:
    with Shop(redis_url, clock) as opened:
        yield opened.open()


@pytest.fixture
def http(shop: Shop, clock: ManualClock) -> Iterator[httpx.Client]:
    """Whoever may read."""
    headers = {"Authorization": f"Bearer {shop.key('read')}"}
    with serving(shop.settings, clock) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client

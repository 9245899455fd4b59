"""A shop at a fixed moment, for tests of the API that crank its clock by hand: a plug-in of those that name it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from profiles.clock import ManualClock
from tests.api_shop import NOW, Shop


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def shop(redis_url: str, clock: ManualClock) -> Iterator[Shop]:
    with Shop(redis_url, clock) as opened:
        yield opened.open()

"""A replay ends when nothing more can come, and a pause is not the end: another worker may be frozen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from profiles import inputs
from profiles.clock import DAY, MINUTE, SECOND
from profiles.store.memory import MemoryStore
from streams.bucket import LONG_QUIET, QUIET, Bucket
from tests.bucket_house import HERE, House, Letters, batch
from tests.laws.lives import END
from tests.laws.shop import life

LIFE = list(enumerate(life(9, 20)))


@pytest.fixture
def house(redis_url: str) -> Iterator[House]:
    with capture_logs(), asyncio.Runner() as runner:
        house = House(redis_url, runner)
        house.empty()
        house.clock.advance(400 * DAY)  # what is replayed is long ago
        yield house
        house.run(house.client.aclose())


def waiting(house: House, store: MemoryStore) -> Bucket:
    """A bucket of two sources that has heard of one."""
    aside = house.aside(Letters())
    bucket = Bucket(0, store, house.worlds, house.clock, HERE, replay=True, sources=2, aside=aside)
    house.run(bucket.apply([(0, inputs.encode(batch(LIFE, clock=END)))]))
    return bucket


def applied(house: House, store: MemoryStore) -> int:
    checkpoint = house.run(store.checkpoint(0))
    return checkpoint.applied + checkpoint.duplicates


def test_a_pause_is_no_end_while_something_may_be_under_way(house: House) -> None:
    store = MemoryStore()
    bucket = waiting(house, store)
    assert not bucket.quiet
    house.clock.advance(QUIET + SECOND)
    assert bucket.quiet
    house.run(bucket.hurry())
    house.run(bucket.hurry(end=2))  # its log has a record that it has not read
    assert applied(house, store) == 0
    house.run(bucket.hurry(end=1))
    assert applied(house, store) == len(LIFE)
    assert not bucket.quiet


def test_after_minutes_without_anything_it_is_the_end_all_the_same(house: House) -> None:
    """Who cannot say whether something is under way, such as a log that ends in markers, must not wait for ever."""
    store = MemoryStore()
    bucket = waiting(house, store)
    house.clock.advance(LONG_QUIET - MINUTE)
    house.run(bucket.hurry())
    assert applied(house, store) == 0
    house.clock.advance(2 * MINUTE)
    house.run(bucket.hurry())
    assert applied(house, store) == len(LIFE)

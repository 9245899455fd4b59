"""Two workers that both believe in one bucket: every piece of work counts once, whoever does it and in whatever order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.clock import DAY
from profiles.errors import Stale
from profiles.store.memory import MemoryStore
from streams.bucket import Behind, Bucket
from tests.bucket_house import House, Letters, open_house, records
from tests.laws.shop import life

LIFE = records(list(enumerate(life(4, 60))), 4)


@pytest.fixture(scope="module")
def house(valkey: str) -> Iterator[House]:
    with open_house(valkey) as house:
        yield house


@dataclass
class Writer:
    """A worker as far as one bucket can tell: it reads on from where it is, and goes back when it is told to."""

    bucket: Bucket
    at: int = 0

    async def read(self, count: int) -> None:
        """Apply some more records; a refused commit is tried again with what is stored, as the worker does."""
        try:
            await settled(lambda: self.bucket.apply(LIFE[self.at : self.at + count]))
            self.at = min(self.at + count, len(LIFE))
        except Behind as behind:
            self.at = behind.wanted

    async def sweep(self) -> None:
        await settled(self.bucket.sweep)


async def settled(work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except Stale:
            continue
        return


def told(store: MemoryStore) -> tuple[object, ...]:
    """What is stored of customers and of progress, however many commits it took."""
    bucket = store._buckets[0]
    progress = {name: value for name, value in bucket.fields.items() if name in ("applied", "duplicates", "next")}
    tags = {name: held for name, held in bucket.tags.items() if held}
    return progress, bucket.blobs, bucket.sidecars, bucket.due, tags, {k: n for k, n in bucket.counts.items() if n}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6)), max_size=25))
def test_any_interleaving_of_two_writers_is_one_writer(house: House, acts: list[tuple[int, int]]) -> None:
    """Also if one of them slept through most of it."""
    torn, calm = MemoryStore(), MemoryStore()
    alone = Writer(house.bucket(calm, Letters()))
    both = [Writer(house.bucket(torn, Letters())) for _ in range(2)]

    async def live() -> None:
        for who, count in acts:
            await both[who].read(count)
        for writer in (*both, alone):
            while writer.at < len(LIFE):
                await writer.read(5)
        for writer in (*both, alone):
            await writer.sweep()

    house.run(live())
    assert told(torn) == told(calm)


def test_a_bucket_that_went_to_somebody_else_is_refused_and_reads_itself_again(house: House) -> None:
    """Its events, and silence: what it was about to write is dropped, what it does afterwards is right."""
    store = MemoryStore()
    zombie, heir = house.bucket(store, Letters()), house.bucket(store, Letters())
    house.run(zombie.apply(LIFE[:3]))
    house.run(heir.apply(LIFE[:9]))
    with pytest.raises(Stale):
        house.run(zombie.apply(LIFE[3:6]))
    house.run(zombie.apply(LIFE[3:6]))
    checkpoint = house.run(store.checkpoint(0))
    assert (checkpoint.next, checkpoint.applied + checkpoint.duplicates) == (9, 36)
    house.run(zombie.apply(LIFE[9:]))
    house.clock.advance(90 * DAY)
    try:
        with pytest.raises(Stale):
            house.run(heir.sweep())
        assert house.run(heir.sweep()).swept > 0
        assert house.run(zombie.sweep()).swept == 0
    finally:
        house.clock.advance(-90 * DAY)

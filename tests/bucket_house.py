"""Buckets for tests, and what they stand on: a real store for rules, dead letters in a list.

Knows: how a bucket is put together.  Must not know: what a test does to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from profiles import inputs
from profiles.clock import ManualClock, zone
from profiles.intake import Event
from profiles.rules.parts import SHIPPED
from profiles.settings import Settings
from profiles.store.alarms import Alarms
from profiles.store.memory import MemoryStore
from profiles.store.redis import connect
from profiles.store.registry import Registry
from profiles.store.worlds import Worlds
from profiles.timeline import Note, decode
from streams.bell import Bell
from streams.bucket import Bucket
from streams.quarantine import Limit, Quarantine
from tests.laws.lives import END
from tests.laws.machine import book_of

R = TypeVar("R")
HERE: Final = zone("Asia/Shanghai")
TOPIC: Final = "events.behavior"


@dataclass
class Letters:
    """The dead-letter topic as a list; ``down`` sends fail first."""

    sent: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    down: int = 0

    async def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:
        assert (topic, key, partition) == ("dead-letters", None, None)
        if self.down:
            self.down -= 1
            raise KafkaConnectionError
        self.sent.append(({name: said.decode() for name, said in headers or ()}, value or b""))

    def offsets(self, reason: str) -> list[int]:
        return sorted(int(said["offset"]) for said, _ in self.sent if said["reason"] == reason)


async def gone(_topic: str, _partition: int, _offset: int) -> bytes | None:
    """A log that has none of its records any more."""
    return None


class House:
    """What buckets stand on: published rules in a real Valkey, letters in a list."""

    def __init__(self, redis_url: str, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.settings = Settings(redis=redis_url, buckets=1)
        self.client: Any = connect(redis_url)
        self.worlds = Worlds(Registry(self.client), self.settings)
        self.clock = ManualClock(END)

    def empty(self) -> None:
        """A store that has nothing but the first rules; and it is the end of the lives again."""
        self.clock = ManualClock(END)
        self.run(self.client.flushall())
        self.run(self.worlds.open())

    def run(self, work: Awaitable[R]) -> R:
        async def done() -> R:
            return await work

        return self.runner.run(done())

    def aside(self, letters: Letters, most: int = 0) -> Quarantine:
        return Quarantine(letters, Limit(most), gone, Bell(Alarms(self.client), self.clock))

    def bucket(self, store: Any, letters: Letters, *, replay: bool = False, most: int = 0, weeks: int = 1) -> Bucket:
        aside = self.aside(letters, most)
        return Bucket(0, store, self.worlds, self.clock, HERE, replay=replay, sources=1, aside=aside, weeks=weeks)


@contextmanager
def open_house(redis_url: str) -> Iterator[House]:
    """An empty house on a loop of its own, with the logs kept quiet."""
    with capture_logs(), asyncio.Runner() as runner:
        house = House(redis_url, runner)
        house.empty()
        yield house
        house.run(house.client.aclose())


def notes_of(store: MemoryStore, profile: str) -> list[Note]:
    """The timeline of a customer of a bucket that stands on the first rules, newest first."""
    words = book_of(SHIPPED).words
    return [decode(entry, 0, profile, lambda _: words) for entry in store._buckets[0].timeline[profile]]


def batch(log: Sequence[tuple[int, Event]], clock: int = END) -> inputs.Batch:
    """Events at their source offsets as one record of profile-inputs."""
    draft = inputs.Draft()
    for offset, event in log:
        draft.add(event, offset)
    return draft.batch(TOPIC, 0, clock, END)


def records(log: Sequence[tuple[int, Event]], size: int) -> list[tuple[int, bytes]]:
    cuts = [log[start : start + size] for start in range(0, len(log), size)]
    return [(offset, inputs.encode(batch(part))) for offset, part in enumerate(cuts)]

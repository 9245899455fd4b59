"""Cutting logs that hold what apps wrote, up to where all of it has been worked with.

Knows: how far intake is, how far buckets are, in which order these have to be asked so that nothing is lost.
Must not know: what is in a record, how findings are shown.

Intake commits a record once all that came of it is acknowledged in ``profile-inputs`` or among the dead letters
(``streams.reading``).  So: the ends of the event topics; until intake has committed them; the ends of ``profile-inputs``;
until every bucket has applied these.  Then records below what intake has committed are wanted by nobody, and every
order that was given before is obeyed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from kafka import TopicPartition
from kafka.errors import PolicyViolationError
from rich.progress import Progress

from profiles.errors import MienError
from profiles.settings import Settings
from profiles.store.base import ProfileStore
from profiles.store.erasure import Regulations
from streams.group import begins
from streams.lookup import Lookup
from streams.topics import (
    DEAD_LETTERS,
    DEADLINE_SECONDS,
    PROFILE_INPUTS,
    asking,
    is_private,
    logs,
    matching,
    partitions_of,
)

LOOK_EVERY = 0.25  #: seconds
LOOKS = 3  #: for a record, before it is believed that there is none
COMMITS = 4.0  #: seconds, longer than a worker takes between two commits
Partition = tuple[str, int]


class Unfinished(MienError):
    """Work is behind, so nothing can be cut yet; the message says whose."""


class CannotCut(MienError):
    """The broker does not cut this log."""


@dataclass(frozen=True)
class Stretch:
    """What goes of one partition: the records from ``start`` up to but without ``upto``."""

    topic: str
    partition: int
    start: int
    upto: int
    behind: int = 0  #: records that are not worked with yet

    @property
    def records(self) -> int:
        """How many go."""
        return max(self.upto - self.start, 0)


def is_cuttable(settings: Settings) -> bool:
    """Whether this broker can cut logs; the private one cannot, it hangs up.

    Raises:
        BrokerDown: no broker answered.
    """
    with asking(settings, DEADLINE_SECONDS) as admin:
        return not is_private(admin)


def of_events(settings: Settings) -> list[Stretch]:
    """What could go now of every event topic, and what intake has not handed on yet.

    Raises:
        BrokerDown: no broker answered.
    """
    with asking(settings, DEADLINE_SECONDS) as admin:
        counts = partitions_of(admin)
    places = [(name, number) for name in matching(settings.event_topics, counts) for number in range(counts[name])]
    seen, done = logs(settings, places)[1], begins(settings, places)
    return [
        Stretch(*place, seen[place].start, done[place], max(seen[place].end - done[place], 0)) for place in sorted(seen)
    ]


def of_letters(settings: Settings) -> list[Stretch]:
    """All dead letters there are now.

    Raises:
        BrokerDown: no broker answered.
    """
    with asking(settings, DEADLINE_SECONDS) as admin:
        count = partitions_of(admin).get(DEAD_LETTERS, 0)
    seen = logs(settings, [(DEAD_LETTERS, number) for number in range(count)])[1]
    return [Stretch(*place, log.start, log.end) for place, log in sorted(seen.items())]


def cut(settings: Settings, stretches: Iterable[Stretch]) -> int:
    """Delete these records; returns how many there were.  Safe to repeat.

    Raises:
        BrokerDown: the broker failed.
        CannotCut: it does not do this to one of the topics; the message names the fix.
    """
    wanted = [each for each in stretches if each.records]
    with asking(settings, DEADLINE_SECONDS) as admin:
        for each in wanted:  # one by one: who is refused is named then
            try:
                admin.delete_records({TopicPartition(each.topic, each.partition): each.upto})
            except PolicyViolationError as error:
                raise CannotCut(
                    f"{each.topic} does not have cleanup.policy=delete, so Kafka cuts nothing of it; "
                    "events need no compaction: change the policy and run this again"
                ) from error
    return sum(each.records for each in wanted)


class Waiting:
    """Waits until all that was there at the beginning has been worked with."""

    def __init__(
        self,
        settings: Settings,
        store: ProfileStore,
        regulations: Regulations,
        progress: Progress,
        seconds: float,
    ) -> None:
        """``seconds``: how long each of the waits may take."""
        self._settings = settings
        self._store = store
        self._regulations = regulations
        self._progress = progress
        self._seconds = seconds
        self._lookup = Lookup(settings.broker)
        self._stood: dict[Partition, tuple[int, float]] = {}  #: where intake was last seen, and since when

    async def worked_with(self, wanted: Iterable[Stretch]) -> list[Stretch]:
        """The stretches that may go: all records there were when ``wanted`` was looked at, and perhaps later ones.

        Raises:
            Unfinished: it takes too long.
            BrokerDown, StoreDown: one of them does not answer.
        """
        starts = {(each.topic, each.partition): each.start for each in wanted}
        ends = {(each.topic, each.partition): each.upto + each.behind for each in wanted}
        await self._until("intake hands on", ends, lambda: self._handed_on(ends), _INTAKE)
        committed = await asyncio.to_thread(begins, self._settings, ends)
        inputs = await asyncio.to_thread(
            logs, self._settings, [(PROFILE_INPUTS, bucket) for bucket in range(self._settings.buckets)]
        )
        await self._until("buckets apply", {at: log.end for at, log in inputs[1].items()}, self._applied, _BUCKETS)
        return [Stretch(*place, starts[place], upto) for place, upto in committed.items()]

    async def _handed_on(self, ends: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """How far intake is; where it stands still before markers of transactions, which are no records, at the end."""
        done = await asyncio.to_thread(begins, self._settings, ends)
        for place, end in ends.items():
            if (
                done[place] < end
                and self._stood_still(place, done[place])
                and await self._has_none(place, done[place], end)
            ):
                done[place] = end
        return done

    def _stood_still(self, place: Partition, at: int) -> bool:
        before, since = self._stood.get(place, (-1, 0.0))
        if before != at:
            self._stood[place] = at, time.monotonic()
        return before == at and time.monotonic() - since > COMMITS

    async def _has_none(self, place: Partition, at: int, end: int) -> bool:
        """Whether nothing is there to be read; one look may just have been too short."""
        for _ in range(LOOKS):
            try:
                found = await self._lookup.next(*place, at)
            except (KafkaError, TimeoutError, OSError):
                return False
            if found is not None:
                return found >= end
        return True

    async def obeyed(self) -> list[str]:
        """Wait for orders that the alert desk still has to hear of; returns those that are not obeyed everywhere.

        Raises:
            StoreDown: the store does not answer.
        """
        open_ = await self._regulations.unfinished()
        names = [name for name, state in open_.items() if state == "RUNNING"]

        async def look() -> dict[Partition, int]:
            left = await self._regulations.unfinished(names)
            return {(name, 0): int(name not in left) for name in names}

        with suppress(Unfinished):
            await self._until("the alert desk forgets", {(name, 0): 1 for name in names}, look, "")
        return sorted(await self._regulations.unfinished(open_))

    async def _applied(self) -> dict[Partition, int]:
        each = [await self._store.checkpoint(bucket) for bucket in range(self._settings.buckets)]
        return {(PROFILE_INPUTS, bucket): checkpoint.next for bucket, checkpoint in enumerate(each)}

    async def _until(
        self,
        what: str,
        wanted: Mapping[Partition, int],
        look: Callable[[], Awaitable[Mapping[Partition, int]]],
        cure: str,
    ) -> Mapping[Partition, int]:
        deadline, task, first = time.monotonic() + self._seconds, self._progress.add_task(what, total=None), -1
        while True:
            now = await look()
            left = {at: end - now.get(at, 0) for at, end in wanted.items() if now.get(at, 0) < end}
            first = max(first, sum(left.values()))
            self._progress.update(task, total=max(first, 1), completed=max(first, 1) - sum(left.values()))
            if not left:
                return now
            if time.monotonic() > deadline:
                where = ", ".join(f"{topic}/{number} by {n}" for (topic, number), n in sorted(left.items())[:5])
                raise Unfinished(f"after {self._seconds:g} s still behind: {where}; nothing was cut. {cure}")
            await asyncio.sleep(LOOK_EVERY)


_INTAKE = (
    "Is a worker running, and does MIEN_GROUP name its group? It commits every few seconds; `mien doctor`, then again"
)
_BUCKETS = "Is a worker running for every bucket? `mien doctor` says how many are tended; then again, or with --wait"

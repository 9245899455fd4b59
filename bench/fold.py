"""The update path, called without Kafka: the one file of the bench that knows how Mien's parts fit together.

Knows: intake, buckets, steps, the store.  Must not know: what is measured, or where events come from.
``UpdatePath`` is what a worker does, minus Faust.  ``OneByOne`` is the same intake, fold, rules and commit as a function
of one event: what is given to the peers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import numpy as np

from bench.ticks import WatchedBucket
from profiles import step
from profiles.clock import Clock, Int64s, zone
from profiles.errors import Rejected
from profiles.features import factors
from profiles.inputs import Work
from profiles.intake import Event, Intake, exponent_of
from profiles.kernels.__main__ import warm
from profiles.kernels.advance import World
from profiles.kernels.fold import Events
from profiles.landing import Landing
from profiles.population import Cuts, population
from profiles.rules import assign_slots, compile_rules, shipped
from profiles.settings import Settings
from profiles.stable import bucket_of
from profiles.store import keys
from profiles.store.base import Commit, Entry
from profiles.store.redis import RedisStore, connect
from profiles.store.registry import Registry
from profiles.store.worlds import Worlds
from streams.intake import STRETCH, IntakeHop
from streams.shoppers.batch import Batch
from streams.topics import PROFILE_INPUTS

BUCKETS: Final = 8
TIMEZONE: Final = "Asia/Shanghai"
PARTITIONS: Final = 4  #: of each event topic
AT_ONCE: Final = 32  #: records of profile-inputs that one fetch brings while a backlog is read
ONE: Final = 256  #: notes there is room for where a fold is called for one event: more than there are tags and rungs
CLONED: Final = 2000  #: profiles written by one commit when a store is filled


Offsets = defaultdict[tuple[str, int], Iterator[int]]  #: what comes next in each source partition


@dataclass(slots=True)
class Record:
    """An event as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def stretches(batches: Iterable[Batch], offsets: Offsets) -> Iterator[list[Record]]:
    """Events as intake is given them while a backlog is read: runs of one source partition, in order."""
    open_runs: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
    for batch in batches:
        for topic, key, value, at in zip(batch.topics, batch.keys, batch.values, batch.times, strict=True):
            source = topic, sum(key) % PARTITIONS
            run = open_runs[source]
            run.append(Record(*source, next(offsets[source]), at, value))
            if len(run) == STRETCH:
                yield open_runs.pop(source)
    yield from open_runs.values()


class _Log:
    """Takes what intake sends, as Kafka would: a list a partition of profile-inputs."""

    def __init__(self) -> None:
        self.partitions: list[list[bytes]] = [[] for _ in range(BUCKETS)]
        self.dead = 0

    async def send_and_wait(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:  # fmt: skip
        del key, headers
        if topic == PROFILE_INPUTS and partition is not None and value is not None:
            self.partitions[partition].append(value)
        else:
            self.dead += 1


@dataclass
class Counted:
    """What updates came to."""

    applied: int = 0
    duplicates: int = 0
    dead: int = 0  #: records that intake refused since the last update
    told: int = 0  #: transitions and samples
    ticks: int = 0  #: silences that were decided before events, because they had fallen due


class UpdatePath:
    """All buckets of one worker on one store.

    Call ``open`` first, ``intake`` to fill the log, ``update`` to apply what was not applied yet.
    """

    def __init__(self, redis: str, clock: Clock, currency: str = "CNY") -> None:
        self.settings = Settings(redis=redis, buckets=BUCKETS, timezone=TIMEZONE, currency=currency)
        self.client: Any = connect(redis, timeout=30.0)
        self.store = RedisStore(self.client)
        self.log = _Log()
        self._offsets: Offsets = defaultdict(count)
        self._clock = clock
        self._worlds = Worlds(Registry(self.client), self.settings)
        self._hop = IntakeHop(Landing(Intake(currency, TIMEZONE)), BUCKETS, self.log)
        self._read = [0] * BUCKETS
        self._buckets: list[WatchedBucket] = []

    async def open(self) -> None:
        """Compile, publish the shipped rules, and begin with cold buckets."""
        warm()
        await self._worlds.open()
        self.chill()

    def chill(self) -> None:
        """Forget whatever the buckets remember of customers, as a worker that has just started."""
        here = zone(TIMEZONE)
        self._buckets = [
            WatchedBucket(number, self.store, self._worlds, self._clock, here) for number in range(BUCKETS)
        ]

    def records(self, batches: Iterable[Batch]) -> list[list[Record]]:
        """Events as the next records of their source partitions."""
        return list(stretches(batches, self._offsets))

    async def intake(self, runs: Iterable[list[Record]]) -> None:
        """Understand events and put them into the log of each bucket."""
        for run in runs:
            await self._hop.handle(run)

    async def update(self, at_once: int = AT_ONCE) -> Counted:
        """Apply everything in the log, ``at_once`` records a call, buckets in turn."""
        out, decided = Counted(), self._decided()
        while any(self._read[b] < len(self.log.partitions[b]) for b in range(BUCKETS)):
            for bucket in self._buckets:
                log, start = self.log.partitions[bucket.number], self._read[bucket.number]
                stop = min(start + at_once, len(log))
                if start == stop:
                    continue
                done = await bucket.apply([(offset, log[offset]) for offset in range(start, stop)])
                self._read[bucket.number] = stop
                out.applied += done.applied
                out.duplicates += done.duplicates
                out.told += done.transitions
        out.ticks = self._decided() - decided - out.applied
        out.dead, self.log.dead = self.log.dead, 0
        return out

    def _decided(self) -> int:
        return sum(bucket.decided for bucket in self._buckets)

    async def sweep(self) -> int:
        """Let silence act on everybody who is due by the clock, as a worker does twice a second; how many that were."""
        swept = 0
        for bucket in self._buckets:
            while (done := await bucket.sweep()).swept:
                swept += done.swept
        await self.relayed()
        return swept

    async def relayed(self) -> None:
        """Empty the outboxes, as the relay would once Kafka has everything."""
        for bucket in range(BUCKETS):
            checkpoint = await self.store.checkpoint(bucket)
            await self.store.published(bucket, checkpoint.seq)

    async def fill(self, names: Iterable[str], like: Sequence[tuple[bytes, int]]) -> None:
        """Write profiles by the thousand: copies of ``like`` (blob, due) under other names."""
        waiting: defaultdict[int, list[Entry]] = defaultdict(list)
        for number, name in enumerate(names):
            bucket = bucket_of(name, BUCKETS)
            waiting[bucket].append(Entry(name, *like[number % len(like)]))
            if len(waiting[bucket]) == CLONED:
                await self._write(bucket, waiting.pop(bucket))
        for bucket, entries in waiting.items():
            await self._write(bucket, entries)
        self.chill()

    async def _write(self, bucket: int, entries: list[Entry]) -> None:
        before = await self.store.checkpoint(bucket)
        await self.store.commit(Commit(bucket=bucket, expect=before.version, entries=entries, set=_kept(before)))

    async def profiles(self, limit: int) -> list[tuple[bytes, int]]:
        """Some stored profiles (blob, due), to be copied."""
        found: list[tuple[bytes, int]] = []
        for bucket in range(BUCKETS):
            _, names = await self.store.roster(bucket, 0, limit)
            for name, blob in zip(names, await self.store.load(bucket, names), strict=True):
                due = await self.client.zscore(keys.due(bucket), name)
                found += [(blob, int(due))] if blob is not None and due is not None else []
        return found[:limit]

    async def customers(self) -> int:
        """How many customers the store knows."""
        return sum([int(await self.client.zcard(keys.due(bucket))) for bucket in range(BUCKETS)])

    async def close(self) -> None:
        """Let go of the store."""
        await self.client.aclose()


def _kept(before: Any) -> dict[str, int]:
    """Fields that a first commit must set; later ones leave them."""
    return {"rules": 1, "renewed": 1} if before.version == 0 else {}


class OneByOne:
    """Intake, fold, rules and commit of one event at a time, with as little around them as can be.

    The columns of a single event are laid out directly, without the packing that batches travel in, and the room for
    notes is small: a peer shall pay for the work, not for our batches.
    """

    def __init__(self, currency: str = "CNY", known: Sequence[bytes] = ()) -> None:
        """``known``: profiles of customers who are met for the first time here, by their number (see ``filling``)."""
        self._known = known
        step.ROOM = ONE  # type: ignore[misc] # its usual room is for the notes of thousands of events
        warm()
        document, self._zone = shipped(), zone(TIMEZONE)
        self._book = compile_rules(document, assign_slots(document, {}))
        people = population(Cuts())
        digits = exponent_of(currency)
        self._world = World(factors(digits), people, self._book.rules, self._zone.since, self._zone.offset, 1)
        self._intake = Intake(currency, TIMEZONE)

    def read(self, raw: bytes, received: int) -> Event | None:
        """The event in a record; None for what becomes a dead letter."""
        try:
            return self._intake.read(raw, received)
        except Rejected:
            return None

    @staticmethod
    def bucket(event: Event) -> int:
        """Where the customer of an event lives."""
        return bucket_of(event.profile, BUCKETS)

    def fold(self, event: Event, blob: bytes | None, *, expect: int = 0, seq: int = 0, then: int = 0) -> Commit:
        """Everything that the event changes, from the stored profile (None: nothing is stored here yet)."""
        work = self._work(event)
        if blob is None and self._known:
            blob = self._known[int(event.profile.rpartition("-")[2]) % len(self._known)]
        rows = step.Rows.of(work.profiles, [blob], {})
        one = step.Step(self.bucket(event), rows, self._world, self._book, seq, event.time)
        one.events(work, "live")
        return one.commit(expect, {"next": then})

    def _work(self, event: Event) -> Work:
        times = _one(event.time)
        events = Events(
            row=_one(0),
            kind=_one(event.kind),
            time=times,
            local=self._zone.local(times),
            amount=_one(event.amount),
            quantity=_one(event.quantity),
            discount=_one(event.discount),
            rating=_one(event.rating),
            channel=_one(event.channel),
            key=_one(event.key),
            order=_one(event.order),
            line_end=_one(len(event.lines)),
            lines=np.array(event.lines, np.int64).reshape(-1, 3),
            trait_end=_one(len(event.traits)),
            traits=np.array(event.traits, np.int64).reshape(-1, 2),
        )
        patches = [(0, event.patch)] if event.patch else []
        return Work([event.profile], events, dict(event.names), patches, {}, {}, 0)


def _one(value: int) -> Int64s:
    return np.array([value], np.int64)

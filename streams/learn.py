"""The one learner: lessons become cut points that every bucket decides with, the churn model, segments, voices and baskets.

Knows: lessons arrive once per (bucket, seq) or again after a crash; a version of cut points is published by telling every
bucket in its own log, so what a bucket decides stays a function of its log; what else is learned is for readers, who
look it up.  What was published and how far lessons were read is stored at the end of every week of the stream, in one write: a
learner that dies reads the week again and comes to the same.
Must not know: how anything is learned (``profiles.population``, ``profiles.models``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from profiles import inputs, population
from profiles.clock import WEEK
from profiles.store import keys
from profiles.store.registry import Registry
from profiles.store.worlds import CUTS
from profiles.wire import Basket, Lesson, Opinion, decode_lesson
from streams.quarantine import Sender
from streams.subjects import Taught, studies
from streams.topics import PROFILE_INPUTS

STATE = "learn"  #: name of the learner's own params: its counts, the state of its models, how far it has read


class Memory(msgspec.Struct):
    """Where the learner stands, and the state behind the cut points."""

    counts: population.Counts = msgspec.field(default_factory=population.Counts)
    seen: dict[int, int] = {}  #: bucket -> last seq counted
    next: int = 0  #: offset of ``samples`` to read next
    week: int = 0  #: last week that was published
    version: int = 0


_decode_memory = msgspec.json.Decoder(Memory).decode


class Learner:
    """Learns from lessons and publishes when a week of the stream has ended."""

    def __init__(
        self, registry: Registry, sender: Sender, buckets: int, churn_days: int, alerts_a_day: int = 0
    ) -> None:
        self._registry = registry
        self._sender = sender
        self._buckets = buckets
        self._alerts_a_day = alerts_a_day
        self._churn, self._studies = studies(registry, churn_days)
        self._memory: Memory | None = None

    async def open(self) -> Memory:
        """Where the learner stands, read from the store if it is not at hand."""
        if self._memory is None:
            names = ["state", *(study.name for study in self._studies)]
            stored, *states = await self._registry.client.hmget(keys.params(STATE), names)
            for study, state in zip(self._studies, states, strict=True):
                study.restore(state)
            self._memory = _decode_memory(stored) if stored else Memory()
        return self._memory

    def forget(self) -> None:
        """Read the state again before going on: the partition may have been elsewhere."""
        self._memory = None

    async def handle(self, records: Sequence[Any]) -> int:
        """Learn from new lessons; returns the version of the cut points published, or 0.

        Opinions and baskets do not end a week: they may be told long before the silences of others are felt.
        """
        memory = await self.open()
        lessons = [(each.offset, decode_lesson(each.value)) for each in records if each.offset >= memory.next]
        published, fresh = 0, list[Lesson]()
        for offset, lesson in lessons:
            week = memory.week if isinstance(lesson, Opinion | Basket) else lesson.at // WEEK
            if memory.week and week > memory.week:
                self._learn(fresh)
                fresh = []
                published = await self._publish(memory, week) or published
            memory.next = offset + 1
            if lesson.seq <= memory.seen.get(lesson.bucket, 0):
                continue
            memory.week = max(memory.week, week)
            memory.seen[lesson.bucket] = lesson.seq
            if not isinstance(lesson, Opinion | Basket):
                population.update(memory.counts, lesson)
            fresh.append(lesson)
        self._learn(fresh)
        return published

    def _learn(self, lessons: Sequence[Lesson]) -> None:
        if lessons:
            taught = Taught(lessons)
            for study in self._studies:
                study.learn(taught)

    async def _publish(self, memory: Memory, week: int) -> int:
        """Store what was learned and the state, then tell every bucket; telling twice does no harm."""
        for study in self._studies:
            await study.publish(week)
        cuts = population.read(memory.counts, await self._registry.last(keys.params(CUTS)) + 1, self._alerts_a_day)
        if cuts is not None:
            cuts = population.deciding(cuts, await self._churn.models.live())
            document = msgspec.json.encode(cuts).decode()
            memory.version = await self._registry.publish(keys.params(CUTS), document)
        state = {"state": msgspec.json.encode(memory)} | {each.name: await each.state() for each in self._studies}
        await self._registry.client.hset(keys.params(STATE), mapping=state)
        if cuts is None:
            return 0
        control = inputs.encode(inputs.Control(CUTS, memory.version))
        for bucket in range(self._buckets):
            await self._sender.send_and_wait(PROFILE_INPUTS, control, partition=bucket)
        return memory.version

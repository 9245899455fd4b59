"""The one learner: lessons become cut points that every bucket decides with, the churn model, segments, voices and baskets.

Knows: lessons arrive once per (bucket, seq) or again after a crash; a version of cut points is published by telling every
bucket in its own log, so what a bucket decides stays a function of its log; what else is learned is for readers, who
look it up.  What was published and how far lessons were read is stored at the end of every week of the stream, in one write: a
learner that dies reads the week again and comes to the same.
Must not know: how anything is learned (``profiles.population``, ``profiles.models``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from profiles import inputs, population
from profiles.clock import WEEK, system_clock
from profiles.errors import ModelMismatch
from profiles.models import baskets, churn, segments, voice
from profiles.store import keys
from profiles.store.models import BASKETS, CHURN, SEGMENTS, VOICE, Models
from profiles.store.registry import Registry
from profiles.store.worlds import CUTS
from profiles.wire import Basket, Lesson, Opinion, Sample, decode_lesson
from streams import metrics
from streams.quarantine import Sender
from streams.topics import PROFILE_INPUTS

STATE = "learn"  #: name of the learner's own params: its counts, the state of its models, how far it has read

log = structlog.get_logger("mien")


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
        self._days = churn_days
        self._alerts_a_day = alerts_a_day
        self._churn_models = Models(registry, system_clock, CHURN)
        self._segment_models = Models(registry, system_clock, SEGMENTS)
        self._voice_models = Models(registry, system_clock, VOICE)
        self._basket_models = Models(registry, system_clock, BASKETS)
        self._memory: Memory | None = None
        self._churn = churn.zero(churn_days)
        self._segments = segments.zero()
        self._voice = voice.zero()
        self._heard: voice.Params | None = None  #: as published last
        self._baskets = baskets.zero()

    async def open(self) -> Memory:
        """Where the learner stands, read from the store if it is not at hand."""
        if self._memory is None:
            fields = ["state", "churn", "segments", "voice", "baskets"]
            stored, model, centres, voices, counts = await self._registry.client.hmget(keys.params(STATE), fields)
            self._churn = self._restored(model)
            self._segments = _restored_segments(centres)
            self._voice = _restored_voice(voices)
            self._baskets = _restored_baskets(counts)
            self._memory = _decode_memory(stored) if stored else Memory()
        return self._memory

    def forget(self) -> None:
        """Read the state again before going on: the partition may have been elsewhere."""
        self._memory = None

    async def handle(self, records: Sequence[Any]) -> int:
        """Learn from new lessons; returns the version of the cut points published, or 0.

        Baskets do not end a week: a customer's order may come long before the silences of others are felt.
        """
        memory = await self.open()
        lessons = [(each.offset, decode_lesson(each.value)) for each in records if each.offset >= memory.next]
        published, fresh = 0, list[Lesson]()
        for offset, lesson in lessons:
            timeless = isinstance(lesson, Opinion | Basket)  # they may be told late, and turn no week
            week = memory.week if timeless else lesson.at // WEEK
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
        voice.update(self._voice, [each for each in lessons if isinstance(each, Opinion)])
        if samples := [each for each in lessons if isinstance(each, Sample)]:
            batch = churn.batch_of(samples)
            churn.update(self._churn, batch)
            segments.update(self._segments, batch)
        baskets.update(self._baskets, [each for each in lessons if isinstance(each, Basket)])

    def _restored(self, stored: bytes | None) -> churn.Memory:
        """The model's state; a new one if there is none that fits."""
        if stored is None:
            return churn.zero(self._days)
        try:
            memory = churn.decode(stored)
        except ModelMismatch as mismatch:
            log.warning("the churn model begins anew", why=str(mismatch))
            return churn.zero(self._days)
        if memory.horizon_days != self._days:
            log.warning("the churn model begins anew", horizon_days=self._days, before=memory.horizon_days)
            return churn.zero(self._days)
        return memory

    async def _publish(self, memory: Memory, week: int) -> int:
        """Store what was learned and the state, then tell every bucket; telling twice does no harm."""
        await self._publish_models(week)
        cuts = population.read(memory.counts, await self._registry.last(keys.params(CUTS)) + 1, self._alerts_a_day)
        if cuts is not None:
            cuts = population.deciding(cuts, await self._churn_models.live())
            document = msgspec.json.encode(cuts).decode()
            memory.version = await self._registry.publish(keys.params(CUTS), document)
        state = {
            "state": msgspec.json.encode(memory),
            "churn": await asyncio.to_thread(churn.encode, self._churn),
            "segments": await asyncio.to_thread(segments.encode, self._segments),
            "voice": await asyncio.to_thread(voice.encode, self._voice),
            "baskets": await asyncio.to_thread(baskets.encode, self._baskets),
        }
        await self._registry.client.hset(keys.params(STATE), mapping=state)
        if cuts is None:
            return 0
        control = inputs.encode(inputs.Control(CUTS, memory.version))
        for bucket in range(self._buckets):
            await self._sender.send_and_wait(PROFILE_INPUTS, control, partition=bucket)
        return memory.version

    async def _publish_models(self, week: int) -> None:
        """In a thread, because a fit of the population may take half a second."""
        await asyncio.to_thread(churn.turn, self._churn, week)
        await asyncio.to_thread(segments.turn, self._segments, week)
        if (model := churn.read(self._churn, 0)) is not None:
            await self._churn_models.publish(model)
            _show(model)
        if (found := segments.read(self._segments, 0)) is not None:
            await self._segment_models.publish(found)
        heard = voice.read(self._voice, 0)
        if heard is not None and heard != self._heard:
            await self._voice_models.publish(heard)
            _show_voice(heard)
            self._heard = heard
        await asyncio.to_thread(baskets.turn, self._baskets, week)
        if (pairs := await asyncio.to_thread(baskets.read, self._baskets, 0)) is not None:
            await self._basket_models.publish(pairs)


def _restored_segments(stored: bytes | None) -> segments.Memory:
    """The segments' state; a new one if there is none that fits."""
    try:
        return segments.zero() if stored is None else segments.decode(stored)
    except ModelMismatch as mismatch:
        log.warning("segments begin anew", why=str(mismatch))
        return segments.zero()


def _restored_voice(stored: bytes | None) -> voice.Memory:
    """The voices' state; a new one if there is none that fits."""
    try:
        return voice.zero() if stored is None else voice.decode(stored)
    except ModelMismatch as mismatch:
        log.warning("voices begin anew", why=str(mismatch))
        return voice.zero()


def _restored_baskets(stored: bytes | None) -> baskets.Memory:
    """What was counted of baskets; nothing if there is nothing that fits."""
    try:
        return baskets.zero() if stored is None else baskets.decode(stored)
    except ModelMismatch as mismatch:
        log.warning("baskets begin anew", why=str(mismatch))
        return baskets.zero()


def _show(model: churn.Params) -> None:
    """What Prometheus is told of a model: its quality over the latest weeks of labels, and what has drifted."""
    for forecaster, measures in model.metrics.items():
        for measure, value in measures.items():
            if value is not None:
                metrics.MODEL.labels(forecaster, measure).set(value)
    for moved in model.drift:
        if moved.value is not None:
            metrics.DRIFT.labels(moved.what).set(moved.value)
    metrics.MODEL_LABELS.set(model.samples)


def _show_voice(model: voice.Params) -> None:
    """The same of voices."""
    for measure, value in model.metrics["served"].items():
        if value is not None:
            metrics.VOICE.labels(measure).set(value)
    metrics.VOICE_LABELS.set(model.positive + model.negative)

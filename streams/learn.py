"""The one learner: samples become cut points that every bucket decides with, the churn model and segments; rated texts voices.

Knows: samples arrive once per (bucket, seq) or again after a crash; a version of cut points is published by telling every
bucket in its own log, so what a bucket decides stays a function of its log; the models are for readers, who look
them up.  What was published and how far samples were read is stored at the end of every week of the stream, in one write: a
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
from profiles.models import churn, segments, voice
from profiles.store import keys
from profiles.store.models import CHURN, SEGMENTS, VOICE, Models
from profiles.store.registry import Registry
from profiles.store.worlds import CUTS
from profiles.wire import Lesson, Opinion, Sample, decode_lesson
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
    """Learns from samples and publishes when a week of the stream has ended."""

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
        self._memory: Memory | None = None
        self._churn = churn.zero(churn_days)
        self._segments = segments.zero()
        self._voice = voice.zero()
        self._heard: voice.Params | None = None  #: as published last

    async def open(self) -> Memory:
        """Where the learner stands, read from the store if it is not at hand."""
        if self._memory is None:
            fields = ["state", "churn", "segments", "voice"]
            stored, model, centres, voices = await self._registry.client.hmget(keys.params(STATE), fields)
            self._churn = self._restored(model)
            self._segments = _restored_segments(centres)
            self._voice = _restored_voice(voices)
            self._memory = _decode_memory(stored) if stored else Memory()
        return self._memory

    def forget(self) -> None:
        """Read the state again before going on: the partition may have been elsewhere."""
        self._memory = None

    async def handle(self, records: Sequence[Any]) -> int:
        """Learn from new samples; returns the version of the cut points published, or 0."""
        memory = await self.open()
        lessons = [(each.offset, decode_lesson(each.value)) for each in records if each.offset >= memory.next]
        published, fresh = 0, list[Lesson]()
        for offset, lesson in lessons:
            week = memory.week if isinstance(lesson, Opinion) else lesson.at // WEEK  # an opinion may be told late
            if memory.week and week > memory.week:
                self._learn(fresh)
                fresh = []
                published = await self._publish(memory, week) or published
            memory.next = offset + 1
            if lesson.seq <= memory.seen.get(lesson.bucket, 0):
                continue
            memory.week = max(memory.week, week)
            memory.seen[lesson.bucket] = lesson.seq
            if not isinstance(lesson, Opinion):
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


def _show(model: churn.Params) -> None:
    """What Prometheus is told of a model: its quality over the latest weeks of labels."""
    for forecaster, measures in model.metrics.items():
        for measure, value in measures.items():
            if value is not None:
                metrics.MODEL.labels(forecaster, measure).set(value)
    metrics.MODEL_LABELS.set(model.samples)


def _show_voice(model: voice.Params) -> None:
    """The same of voices."""
    for measure, value in model.metrics["served"].items():
        if value is not None:
            metrics.VOICE.labels(measure).set(value)
    metrics.VOICE_LABELS.set(model.positive + model.negative)

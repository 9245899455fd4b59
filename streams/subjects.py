"""What the learner learns: each subject with its state, and the versions that are published of it.

Knows: which lessons a subject wants, that its state is kept as bytes and begins anew if it does not fit this code.
Must not know: where lessons come from, when a week ends (``learn`` does), how anything is learned (``profiles.models``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from profiles.clock import system_clock
from profiles.errors import ModelMismatch
from profiles.models import baskets, churn, segments, voice
from profiles.store.models import BASKETS, CHURN, SEGMENTS, VOICE, Models, P, Sort
from profiles.store.registry import Registry
from profiles.wire import Basket, Lesson, Opinion, Sample
from streams import metrics

M = TypeVar("M")

log = structlog.get_logger("mien")


class Taught:
    """Some lessons of one week, sorted."""

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        self.samples = churn.batch_of([each for each in lessons if isinstance(each, Sample)])
        self.opinions = [each for each in lessons if isinstance(each, Opinion)]
        self.baskets = [each for each in lessons if isinstance(each, Basket)]


@dataclass(frozen=True)
class Subject(Generic[M, P]):
    """How something is learned."""

    sort: Sort[P]
    zero: Callable[[], M]
    learn: Callable[[M, Taught], object]
    turn: Callable[[M, int], None]  #: a week of the stream begins
    read: Callable[[M, int], P | None]
    encode: Callable[[M], bytes]
    decode: Callable[[bytes], M]  #: raises ModelMismatch for what does not fit
    show: Callable[[P], None]  #: to Prometheus


class Study(Generic[M, P]):
    """A subject as far as it was learned here."""

    def __init__(self, subject: Subject[M, P], registry: Registry) -> None:
        self.name = subject.sort.name
        self.models: Models[P] = Models(registry, system_clock, subject.sort)
        self._subject: Subject[M, P] = subject
        self._memory = subject.zero()
        self._told: P | None = None  #: as published last

    def restore(self, stored: bytes | None) -> None:
        """Go on from a stored state, or anew if there is none that fits."""
        self._memory, self._told = self._subject.zero(), None
        if stored is not None:
            try:
                self._memory = self._subject.decode(stored)
            except ModelMismatch as mismatch:
                log.warning("a model begins anew", model=self.name, why=str(mismatch))

    def learn(self, taught: Taught) -> None:
        """Take lessons in."""
        self._subject.learn(self._memory, taught)

    async def publish(self, week: int) -> None:
        """End the week before, and publish what it made of the model, if anything; in a thread, for a fit takes time."""
        await asyncio.to_thread(self._subject.turn, self._memory, week)
        found = await asyncio.to_thread(self._subject.read, self._memory, 0)
        if found is not None and found != self._told:
            await self.models.publish(found)
            self._subject.show(found)
            self._told = found

    async def state(self) -> bytes:
        """All that was learned."""
        return await asyncio.to_thread(self._subject.encode, self._memory)


def _show_churn(model: churn.Params) -> None:
    """Its quality over the latest weeks of labels, and what has drifted."""
    for forecaster, measures in model.metrics.items():
        for measure, value in measures.items():
            if value is not None:
                metrics.MODEL.labels(forecaster, measure).set(value)
    for moved in model.drift:
        if moved.value is not None:
            metrics.DRIFT.labels(moved.what).set(moved.value)
    metrics.MODEL_LABELS.set(model.samples)


def _show_voice(model: voice.Params) -> None:
    for measure, value in model.metrics["served"].items():
        if value is not None:
            metrics.VOICE.labels(measure).set(value)
    metrics.VOICE_LABELS.set(model.positive + model.negative)


def churned(horizon_days: int) -> Subject[churn.Memory, churn.Params]:
    """Who will not come back within so many days."""
    return Subject(
        CHURN,
        zero=partial(churn.zero, horizon_days),
        learn=lambda memory, taught: churn.update(memory, taught.samples),
        turn=churn.turn,
        read=churn.read,
        encode=churn.encode,
        decode=partial(_of_days, horizon_days),
        show=_show_churn,
    )


def _of_days(horizon_days: int, raw: bytes) -> churn.Memory:
    memory = churn.decode(raw)
    if memory.horizon_days != horizon_days:
        raise ModelMismatch(f"it forecasts {memory.horizon_days} days, now it is to be {horizon_days}")
    return memory


SEGMENTED = Subject(
    SEGMENTS,
    zero=segments.zero,
    learn=lambda memory, taught: segments.update(memory, taught.samples),
    turn=segments.turn,
    read=segments.read,
    encode=segments.encode,
    decode=segments.decode,
    show=lambda _: None,
)
VOICED = Subject(
    VOICE,
    zero=voice.zero,
    learn=lambda memory, taught: voice.update(memory, taught.opinions),
    turn=lambda _memory, _week: None,
    read=voice.read,
    encode=voice.encode,
    decode=voice.decode,
    show=_show_voice,
)
BOUGHT_TOGETHER = Subject(
    BASKETS,
    zero=baskets.zero,
    learn=lambda memory, taught: baskets.update(memory, taught.baskets),
    turn=baskets.turn,
    read=baskets.read,
    encode=baskets.encode,
    decode=baskets.decode,
    show=lambda _: None,
)


def studies(
    registry: Registry, churn_days: int
) -> tuple[Study[churn.Memory, churn.Params], tuple[Study[Any, Any], ...]]:
    """The churn model, which buckets decide with, and every subject, the churn model among them."""
    first = Study(churned(churn_days), registry)
    return first, (first, *(Study(each, registry) for each in (SEGMENTED, VOICED, BOUGHT_TOGETHER)))

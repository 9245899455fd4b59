"""Where reading goes on, and whether the logs still have what was not read yet.

Redis says where each bucket is.  That holds only in the logs it was written about: one that was made anew, or whose
records were deleted before they were read, would be skipped over in silence.
Knows: checkpoints, ids and edges of logs.  Must not know: Faust, what is in a record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from profiles.identity.names import source_of
from profiles.settings import Settings
from profiles.stable import code_of
from profiles.store.base import Checkpoint
from streams import metrics
from streams.bell import Bell
from streams.bucket import Bucket, Place
from streams.group import handed_on
from streams.learn import Learner
from streams.numbers import last_told
from streams.patience import Stop
from streams.topics import PROFILE_INPUTS, SAMPLES, TRANSITIONS, Log, logs

log = structlog.get_logger("mien")
Partition = tuple[str, int]
Logs = Mapping[Partition, Log]
Look = Callable[[Iterable[Partition]], tuple[Mapping[str, str], Logs]]  #: ids of topics, edges of these partitions
Told = Callable[[Iterable[int]], Mapping[int, int]]  #: bucket -> the last number that its transitions have


CURE = (
    "Bring the records back if you can (the topic as it was, or a store that fits it); "
    "or set MIEN_ACCEPT_LOSS=true to go on without them"
)


class Places:
    """Finds the place of every bucket."""

    def __init__(self, settings: Settings, bell: Bell, look: Look | None = None, told: Told | None = None) -> None:
        """``look``, ``told``: how Kafka is asked."""
        self._settings = settings
        self._bell = bell
        self._look: Look = look or partial(logs, settings)
        self._told: Told = told or partial(last_told, settings)

    async def of(self, buckets: Sequence[Bucket]) -> dict[int, int]:
        """Bucket -> offset to go on at.

        Raises:
            Stop: records are gone, and nobody said that this is accepted.
            Stale: somebody else writes one of the buckets; ask again.
            BrokerDown: Kafka cannot be asked.
        """
        told = await asyncio.to_thread(self._told, [bucket.number for bucket in buckets])
        opened = {bucket.number: await bucket.heed(told.get(bucket.number, 0)) for bucket in buckets}
        seen, codes = await asyncio.to_thread(_asked, self._look, opened)
        out = {}
        for bucket in buckets:
            place, why = placed(bucket.number, opened[bucket.number], seen, codes)
            if why:  # before so much is said, make sure that nobody else is further
                opened[bucket.number] = await bucket.reopen()
                place, why = placed(bucket.number, opened[bucket.number], seen, codes)
            await self._settle(bucket, opened[bucket.number], place, why)
            out[bucket.number] = place.next
        return out

    async def logs_of(self, buckets: Iterable[int]) -> dict[int, Log]:
        """The logs of these buckets.

        Raises:
            BrokerDown: Kafka cannot be asked.
        """
        _, seen = await asyncio.to_thread(self._look, [(PROFILE_INPUTS, bucket) for bucket in buckets])
        return {bucket: here for (_, bucket), here in seen.items()}

    async def ends_of(self, buckets: Iterable[int]) -> dict[int, int]:
        """Where these buckets' logs end, if nothing more is under way to them; empty if something is.

        Raises:
            BrokerDown: Kafka cannot be asked.
        """
        if not await asyncio.to_thread(handed_on, self._settings):
            return {}
        return {bucket: here.end for bucket, here in (await self.logs_of(buckets)).items()}

    async def of_alerts(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """Where the alert desk goes on in each bucket's transitions; it knows by number what it has heard already."""
        _, seen = await asyncio.to_thread(self._look, [(TRANSITIONS, bucket) for bucket in wanted])
        logs = {bucket: seen.get((TRANSITIONS, bucket), Log(0, 0)) for bucket in wanted}
        return {bucket: at if logs[bucket].start <= at <= logs[bucket].end else logs[bucket].start
                for bucket, at in wanted.items()}  # fmt: skip

    async def of_learner(self, learner: Learner) -> int:
        """Where the learner goes on; samples have numbers of their own, so in another log it just reads from its start."""
        learner.forget()
        memory = await learner.open()
        _, seen = await asyncio.to_thread(self._look, [(SAMPLES, 0)])
        here = seen.get((SAMPLES, 0), Log(0, 0))
        if not here.sure:
            memory.next = here.start
        elif not here.start <= memory.next <= here.end:
            log.warning(
                "samples are not where the learner left them", wanted=memory.next, start=here.start, end=here.end
            )
            memory.next = here.start
        return memory.next

    async def _settle(self, bucket: Bucket, checkpoint: Checkpoint, place: Place, why: str) -> None:
        """Go on without what is gone, if that was said to be right; a bucket that never did anything lost nothing."""
        loss = why if checkpoint.version else ""
        if loss and not self._settings.accept_loss:
            raise Stop(f"{why}; nothing was skipped. {CURE}")
        if why or place.topics.items() - checkpoint.topics.items():
            await bucket.settle(place if loss else replace(place, lost=0))
        if loss:
            metrics.LOST.labels(PROFILE_INPUTS).inc(place.lost)
            log.error("going on with a loss", why=why, lost=place.lost, at=place.next)
            await self._bell.ring("lost", f"{why}: gone on at {place.next}, as MIEN_ACCEPT_LOSS=true says")


def misplaced(settings: Settings, checkpoints: Sequence[Checkpoint]) -> list[str]:
    """What is wrong with where the buckets, from the first on, want to read; for people.

    Raises:
        BrokerDown: Kafka cannot be asked.
    """
    seen, codes = _asked(partial(logs, settings), dict(enumerate(checkpoints)))
    whys = [placed(bucket, each, seen, codes)[1] for bucket, each in enumerate(checkpoints) if each.version]
    return [why for why in whys if why]


def _asked(look: Look, checkpoints: Mapping[int, Checkpoint]) -> tuple[Logs, dict[str, int]]:
    """The logs these were written about, and codes of the ids of all topics."""
    sources = {_partition(source) for checkpoint in checkpoints.values() for source in checkpoint.offsets}
    ids, seen = look({*((PROFILE_INPUTS, bucket) for bucket in checkpoints), *sources})
    return seen, {name: code_of(id_) for name, id_ in ids.items() if id_}


def placed(bucket: int, checkpoint: Checkpoint, seen: Logs, codes: Mapping[str, int]) -> tuple[Place, str]:
    """Where a bucket can go on, and what is wrong with where it wants to; ``codes`` are those of the topics' ids."""

    def another(topic: str) -> bool:
        return topic in codes and checkpoint.topics.get(topic, codes[topic]) != codes[topic]

    whys = []
    forget = tuple(
        sorted(one for one, at in checkpoint.offsets.items() if at >= 0 and _restarted(one, at, seen, another))
    )
    if forget:
        whys.append(f"{', '.join(forget)} was made anew: bucket {bucket} has read further than that log goes")
    here, wanted, lost = seen.get((PROFILE_INPUTS, bucket), Log(0, 0)), checkpoint.next, 0
    if another(PROFILE_INPUTS) or (here.sure and wanted > here.end):
        whys.append(f"{PROFILE_INPUTS}/{bucket} was made anew: the bucket wants {wanted}, the log ends at {here.end}")
        wanted = here.start
    elif wanted < here.start:
        wanted, lost = here.start, here.start - wanted
        whys.append(f"{lost} records of bucket {bucket} are gone before they were read (retention)")
    topics = {PROFILE_INPUTS, *(_partition(source)[0] for source in checkpoint.offsets)}
    place = Place(wanted, lost, forget, {topic: codes[topic] for topic in sorted(topics) if topic in codes})
    return place, "; ".join(whys)


def _restarted(source: str, at: int, seen: Logs, another: Callable[[str], bool]) -> bool:
    """A topic that is not there at all may come back; one that ends before what was read from it is another."""
    topic, partition = _partition(source)
    here = seen.get((topic, partition))
    return here is not None and (another(topic) or (here.sure and at >= here.end))


def _partition(source: str) -> Partition:
    topic, _, partition = source.rpartition("/")
    return source_of(topic), int(partition)  # also of what another bucket sent on: it is about that topic too

"""What is this worker's own between two rebalances: buckets, the logs it reads, and how far all of them are.

Knows: where reading goes on, and when it has to go back.
Must not know: Faust, what is done with records.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from profiles.clock import SECOND, Clock, zone
from profiles.errors import Stale
from profiles.settings import Settings
from streams import metrics
from streams.bucket import Bucket
from streams.group import begins
from streams.overlooked import Overlooked, Partition
from streams.parts import Parts, limits
from streams.patience import Patience
from streams.topics import PROFILE_INPUTS, SAMPLES, TRANSITIONS
from streams.watchdog import Watchdog

R = TypeVar("R")
log = structlog.get_logger("mien")
BEAT_EVERY = 2 * SECOND
LOOKS = 3  #: after so many the log really has no record there; one look may just have been too short


class Holdings:
    """The buckets that are ours now, and where every partition of ours is read on."""

    def __init__(self, settings: Settings, clock: Clock, parts: Parts, patiently: Patience) -> None:
        self._settings = settings
        self._clock = clock
        self._zone = zone(settings.timezone)
        self._parts = parts
        self._patiently = patiently
        self.buckets: dict[int, Bucket] = {}
        self._alerting: list[int] = []  #: buckets whose transitions we read
        self._beaten: dict[int, int] = {}
        self._behind: dict[int, int] = {}  #: buckets whose store is an older one -> where it wants to go on
        self._named: set[int] = set()  #: codes whose texts were written
        self._names_known = 0
        self._turn = asyncio.Lock()  #: buckets take turns with history: what happens now waits for one of them at most
        self._watchdog = Watchdog()
        self._overlooked = Overlooked()
        self._empty: Counter[tuple[Partition, int]] = Counter()  #: how often an offset was found to have no record

    # --- rebalances --------------------------------------------------------------------------------------------------

    async def take(self, owned: Iterable[Any]) -> list[tuple[str, int, int]]:
        """These partitions are ours from now on; returns where to go on reading those whose progress is in Redis.

        Raises:
            Stop: a log does not have what is wanted next.
        """
        parts = self._parts
        ours = [(topic, partition) for topic, partition in owned]
        self.buckets = {number: self._new(number) for topic, number in ours if topic == PROFILE_INPUTS}
        metrics.BUCKETS.set(len(self.buckets))
        places = await self.places(list(self.buckets.values()))
        found = [(PROFILE_INPUTS, number, place) for number, place in places.items()]
        if (SAMPLES, 0) in ours:
            learning = partial(parts.places.of_learner, parts.learner)
            found.append((SAMPLES, 0, await self._patiently("learner", learning)))
        self._alerting = [number for topic, number in ours if topic == TRANSITIONS]
        others = [place for place in ours if place[0] not in (PROFILE_INPUTS, SAMPLES)]
        committed = await self._patiently(
            "committed offsets", partial(asyncio.to_thread, begins, self._settings, others)
        )
        read = {number: at for (topic, number), at in committed.items() if topic == TRANSITIONS}
        known = await self._patiently("alert desk", partial(parts.desk.begin, self._alerting, read))
        alerting = await self._patiently("transitions", partial(parts.places.of_alerts, known))
        found += [(TRANSITIONS, number, at) for number, at in alerting.items()]
        stored = {(topic, number): at for topic, number, at in found if topic != PROFILE_INPUTS}
        parts.reading.begin(committed | stored)
        return found

    def release(self, numbers: set[int]) -> None:
        """Buckets that go to somebody else."""
        for number in numbers:
            self.buckets.pop(number, None)
        metrics.BUCKETS.set(len(self.buckets))

    def bucket(self, number: int) -> Bucket:
        """Ours; or, for records that were under way when it went to somebody else, one that nobody tends."""
        return self.buckets.get(number) or self._new(number)

    def _new(self, number: int) -> Bucket:
        parts = self._parts
        return Bucket(
            number,
            parts.store,
            parts.worlds,
            self._clock,
            self._zone,
            replay=self._settings.clock == "stream",
            sources=parts.sources,
            aside=parts.aside,
            named=self._named,
            blind=parts.vault.blind,
            buckets=self._settings.buckets,
            limits=limits(self._settings),
            weeks=self._settings.churn_days // 7,
            turn=self._turn,
        )

    async def places(self, buckets: Sequence[Bucket]) -> dict[int, int]:
        """Where these buckets go on."""
        find = partial(self._parts.places.of, buckets)
        return await self._patiently("positions", partial(settled, find))

    # --- going back --------------------------------------------------------------------------------------------------

    async def beat(self) -> dict[Partition, int]:
        """Say of every bucket that it has a writer; returns where to seek to in partitions whose store is an older one."""
        known = await self._patiently("look back", self._parts.store.names_known)
        if known < self._names_known:  # they have a node of their own in a Cluster
            log.warning("names are gone, an older store came back", known=known, before=self._names_known)
            for bucket in self.buckets.values():
                bucket.forget_names()
        self._names_known = known
        older = await self.alerts_went_back(self._alerting)
        self._parts.reading.begin({(TRANSITIONS, number): at for number, at in older.items()})
        found = {(TRANSITIONS, number): at for number, at in older.items()}
        for number, bucket in list(self.buckets.items()):
            if self._clock() - self._beaten.get(number, 0) > BEAT_EVERY:
                self._beaten[number] = self._clock()
                await self._patiently("heartbeat", partial(self._parts.store.beat, number, self._clock()))
                if await self._stands_still(number, bucket):
                    found[PROFILE_INPUTS, number] = (await self.places([bucket]))[number]
        return found

    async def alerts_went_back(self, numbers: Sequence[int]) -> dict[int, int]:
        """Where the alert desk has to read transitions of these buckets again, because an older store came back."""
        older: dict[int, int] = await self._patiently("look back", partial(self._parts.desk.gone_back, numbers))
        for number, wanted in older.items():
            _rewinding(TRANSITIONS, number, wanted, "an older store came back")
        return older

    async def _stands_still(self, number: int, bucket: Bucket) -> bool:
        """Whether an older store came back and no record has come since that would have told us."""
        before, behind = self._behind.pop(number, None), await self._patiently("look back", bucket.behind)
        if behind is None:
            return False
        if before != behind:  # first seen, or it moves: give it until the next beat
            self._behind[number] = behind
            return False
        _rewinding(PROFILE_INPUTS, number, behind, "an older store came back")
        return True

    async def overlooked(self, fetched: Mapping[Partition, int], busy: set[Partition]) -> dict[Partition, int]:
        """Where to go back to, because what was fetched there never came to us; ``busy``: it came, and waits."""
        if self._patiently.waits:  # then nobody comes to look, and what was fetched lies in queues
            return {}
        reading = self._parts.reading
        mine = {(PROFILE_INPUTS, number): bucket for number, bucket in self.buckets.items() if bucket.place >= 0}
        busy = busy | {place for place, bucket in mine.items() if bucket.lock.locked()}
        read = {place: at for place, at in reading.places.items() if place in fetched}
        suspects = self._overlooked.look(fetched, {place: mine[place].place for place in mine} | read, busy)
        found = {place: at for place, at in suspects.items() if await self._is_there(place, at, fetched[place])}
        for (topic, partition), wanted in found.items():
            _rewinding(topic, partition, wanted, "it never came")
        return found

    async def _is_there(self, place: Partition, wanted: int, fetched: int) -> bool:
        """Whether the log has a record there; markers of transactions have offsets and are none."""
        if self._empty[place, wanted] >= LOOKS:
            return False
        there = await self._patiently("look for records", partial(self._parts.next_of, *place, wanted))
        if there is not None and there < fetched:
            return True
        self._empty[place, wanted] += 1
        return False

    async def keep_moving(self, *, flows: bool) -> None:
        """See that records flow, and that no bucket of ours stands still beside its log.

        Raises:
            Stop: they do not, or one does.
        """
        waits = bool(self._patiently.waits)
        self._watchdog.feel(flows=flows or waits)
        places = {number: bucket.place for number, bucket in self.buckets.items()}
        ends = await self._patiently("look at the logs", partial(self._parts.places.logs_of, list(places)))
        self._watchdog.look(places, ends, waits=waits)


async def settled(work: Callable[[], Awaitable[R]]) -> R:
    """A piece of work, repeated while its commit is refused: the bucket is read again each time."""
    while True:
        try:
            return await work()
        except Stale as stale:
            metrics.REFUSED.inc()
            log.warning("commit refused", bucket=stale.bucket, expected=stale.expected, stored=stale.stored)
            await asyncio.sleep(0.05)


def _rewinding(topic: str, partition: int, wanted: int, why: str) -> None:
    metrics.REWOUND.inc()
    log.warning("rewinding", topic=topic, partition=partition, wanted=wanted, why=why)

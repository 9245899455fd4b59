"""What a worker process does, without Faust: the parts, made patient.

Knows: when each part is used, what becomes of it on a rebalance.  Must not know: Faust, how records arrive.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog
from prometheus_client import start_http_server

from profiles.clock import SECOND, Clock, zone
from profiles.errors import MienError, Stale
from profiles.settings import Settings
from profiles.store.alarms import WAITING
from profiles.store.reach import away
from profiles.wire import DeadLetter, Transition, decode_transition
from streams import metrics
from streams.alerts import Handled
from streams.bucket import Behind, Bucket
from streams.group import begins
from streams.groups import Done
from streams.parts import Parts, assemble
from streams.patience import EXIT_CONFIG, Patience, Stop, leave, surely
from streams.sift import POISON, Poison, said, tried
from streams.topics import PROFILE_INPUTS, SAMPLES, BrokerDown, TopicMismatch, event_topics, misfit
from streams.watchdog import Watchdog

R = TypeVar("R")
log = structlog.get_logger("mien")
BEAT_EVERY = 2 * SECOND
SHOWN = 15 * SECOND  #: how long an alarm is shown that is rung with every beat
RENEW_ROUNDS = 4  #: pieces of renewal between two looks at what is due


class Worker:
    """One process's share of the work."""

    def __init__(self, settings: Settings, clock: Clock, kafka_faults: tuple[type[Exception], ...]) -> None:
        self._settings = settings
        self._clock = clock
        faults = (*kafka_faults, BrokerDown)
        self._patiently = Patience(lambda error: isinstance(error, faults) or away(error))
        self._zone = zone(settings.timezone)
        self._starting: asyncio.Task[None] | None = None
        self._buckets: dict[int, Bucket] = {}  #: those that are ours now
        self._alerting_by = 0  #: version of the rules that the alert desk knows
        self._beaten: dict[int, int] = {}
        self._behind: dict[int, int] = {}  #: buckets whose store is an older one -> where it wants to go on
        self._relaying: asyncio.Task[None] | None = None
        self._watchdog = Watchdog()

    async def ready(self) -> Parts:
        """Connect everything once; whoever comes first starts it, everybody waits for it."""
        if self._starting is None:
            self._starting = asyncio.create_task(surely(self._start()))
        await asyncio.shield(self._starting)
        return self._parts

    async def _start(self) -> None:
        """A fault that no waiting mends ends the process with its reason."""
        if self._settings.metrics_port:
            start_http_server(self._settings.metrics_port)
        try:
            self._parts = await assemble(self._settings, self._clock, self._patiently)
        except MienError as fault:
            leave(str(fault), code=EXIT_CONFIG)
        self._alerting_by = self._parts.alerting_by
        self._relaying = asyncio.create_task(surely(self._parts.relay.run()))
        shop = self._settings
        log.info("worker ready", topics=self._parts.topics, buckets=shop.buckets, clock=shop.clock)

    # --- records -----------------------------------------------------------------------------------------------------

    async def read(self, records: Sequence[Any], work: Callable[[Sequence[Any]], Awaitable[None]]) -> int | None:
        """Do the work on records of one partition, or say where to seek to if some were passed over before them."""
        return await (await self.ready()).reading.read(records, work)

    def sure(self, topic: str, partition: int) -> int | None:
        """What may be committed of a partition; None if nobody here knows."""
        return self._parts.reading.sure(topic, partition) if self._relaying is not None else None

    async def intake(self, records: Sequence[Any]) -> None:
        """Events of one source partition."""
        parts = await self.ready()
        metrics.RECEIVED.labels(records[0].topic).inc(len(records))
        dead = await self._patiently("send on", lambda: parts.hop.handle(records))
        for reason, n in Counter(letter.reason for letter in dead).items():
            metrics.REJECTED.labels(reason).inc(n)

    async def update(self, number: int, records: Sequence[Any]) -> int | None:
        """Inputs of one bucket; returns the offset to seek to if they are not the ones wanted."""
        await self.ready()
        bucket = self._bucket(number)
        pairs = [(record.offset, record.value) for record in records]
        try:
            done = await self._patiently("update", lambda: self._settled(partial(bucket.apply, pairs)))
        except Behind as behind:
            metrics.REWOUND.inc()
            log.warning("rewinding", bucket=number, at=pairs[0][0], wanted=behind.wanted)
            return (await self._places([bucket]))[number]
        self._count(number, done)
        metrics.BATCH.observe(done.applied)
        metrics.DELAY.observe(max(self._clock() - records[-1].timestamp, 0) / 1000)
        return None

    async def _settled(self, work: Callable[[], Awaitable[R]]) -> R:
        """A piece of work, repeated while its commit is refused: the bucket is read again each time."""
        while True:
            try:
                return await work()
            except Stale as stale:
                metrics.REFUSED.inc()
                log.warning("commit refused", bucket=stale.bucket, expected=stale.expected, stored=stale.stored)
                await asyncio.sleep(0.05)

    async def alert(self, records: Sequence[Any]) -> None:
        """Transitions of one bucket."""
        await self.ready()
        await self._one_by_one_if_need_be(partial(self._alert, records[0].partition), records)

    async def _alert(self, number: int, records: Sequence[Any]) -> None:
        transitions = [decode_transition(record.value) for record in records]
        await self._alert_by(max(transition.rules for transition in transitions))
        handle = partial(self._handle, number, transitions)
        handled = await self._patiently("alerts", lambda: self._settled(handle))
        for name, n in {"raised": handled.raised, "resolved": handled.resolved, **handled.refused}.items():
            metrics.ALERTS.labels(name).inc(n)

    async def _handle(self, number: int, transitions: Sequence[Transition]) -> Handled:
        """Hand over what the bucket has said, and nothing that an older store has taken back.

        Such numbers are given again, to what is decided anew; a cursor that had passed them would skip all of that.
        """
        stored = await self._parts.store.checkpoint(number)
        valid = [transition for transition in transitions if transition.seq <= stored.seq]
        if len(valid) < len(transitions):
            log.warning("transitions taken back", bucket=number, count=len(transitions) - len(valid), stored=stored.seq)
        return await self._parts.desk.handle(number, valid)

    async def _alert_by(self, version: int) -> None:
        """Let the desk know the rules that transitions were made by, if the store (still) has them."""
        if version <= self._alerting_by:
            return
        try:
            book = await self._patiently("rules", partial(self._parts.worlds.book, version))
        except MienError as fault:  # an older store came back: what was published since is gone
            log.warning("alerts go on with the rules that are known", known=self._alerting_by, error=str(fault))
        else:
            self._parts.desk.rules, self._alerting_by = book.alert_rules(), version

    async def learn(self, records: Sequence[Any]) -> None:
        """Samples, in order."""
        parts = await self.ready()
        if self._settings.learn:
            learn = parts.learner.handle
            await self._one_by_one_if_need_be(lambda some: self._patiently("learn", lambda: learn(some)), records)

    async def _one_by_one_if_need_be(
        self, work: Callable[[Sequence[Any]], Awaitable[object]], records: Sequence[Any]
    ) -> None:
        """All of them together; if that fails by our own fault, each alone, and the one to blame is set aside.

        ``work`` knows by itself what it has done before.
        """
        if await tried(work)(records) is None:
            return
        for record in records:
            if (error := await tried(work)([record])) is not None:
                letter = DeadLetter(record.topic, record.partition, record.offset, POISON, said(error))
                poison = Poison(letter, record.value or b"", error, raw=True)
                await self._patiently("set aside", partial(self._parts.aside.set_aside, [poison]))

    # --- time --------------------------------------------------------------------------------------------------------

    async def tend(self) -> dict[int, int]:
        """What is due in every bucket of ours; returns where to seek to for those whose store is older."""
        parts = await self.ready()
        still: dict[int, int] = {}
        quiet = [number for number, bucket in self._buckets.items() if bucket.quiet]
        ends = await self._patiently("look at the logs", partial(parts.places.ends_of, quiet)) if quiet else {}
        for number, bucket in list(self._buckets.items()):
            if self._clock() - self._beaten.get(number, 0) > BEAT_EVERY:
                self._beaten[number] = self._clock()
                await self._patiently("heartbeat", partial(parts.store.beat, number, self._clock()))
                if await self._stands_still(number, bucket):
                    still[number] = (await self._places([bucket]))[number]
            hurry = partial(bucket.hurry, ends.get(number))
            self._count(number, await self._patiently("hurry", partial(self._settled, hurry)))
            while (done := await self._patiently("sweep", partial(self._settled, bucket.sweep))).swept:
                self._count(number, done)
                await asyncio.sleep(0)
            for _ in range(RENEW_ROUNDS):
                done = await self._patiently("renew", partial(self._settled, bucket.renew))
                self._count(number, done)
                if not done.swept:
                    break
        return still

    async def _stands_still(self, number: int, bucket: Bucket) -> bool:
        """Whether an older store came back and no record has come since that would have told us."""
        before, behind = self._behind.pop(number, None), await self._patiently("look back", bucket.behind)
        if behind is None:
            return False
        if before != behind:  # first seen, or it moves: give it until the next beat
            self._behind[number] = behind
            return False
        metrics.REWOUND.inc()
        log.warning("rewinding", bucket=number, wanted=behind, why="an older store came back")
        return True

    def _count(self, number: int, done: Done) -> None:
        metrics.APPLIED.inc(done.applied)
        metrics.DUPLICATES.inc(done.duplicates)
        metrics.TRANSITIONS.inc(done.transitions)
        metrics.SWEPT.inc(done.swept)
        if done.messages:
            self._parts.relay.wake(number)

    async def deliver(self) -> None:
        """Webhooks and texts that are due."""
        parts = await self.ready()
        outcome = await self._patiently("deliver", parts.desk.deliver_due)
        for name, n in outcome.items():
            metrics.DELIVERIES.labels(name).inc(n)

    async def complain(self) -> None:
        """Let people know what is being waited for, if there is a way."""
        parts = await self.ready()
        if waits := self._patiently.waits:
            text = "; ".join(dict.fromkeys(f"{wait.what}: {wait.error}" for wait in waits))
            await parts.bell.ring(WAITING, f"a worker waits: {text}", SHOWN)

    # --- rebalances --------------------------------------------------------------------------------------------------

    async def positions(self, owned: Iterable[Any]) -> list[tuple[str, int, int]]:
        """Where to go on reading each partition of ours whose progress is in Redis; drains outboxes on the way.

        Raises:
            Stop: a log does not have what is wanted next.
        """
        parts = await self.ready()
        ours = [(topic, partition) for topic, partition in owned]
        self._buckets = {number: self._new(number) for topic, number in ours if topic == PROFILE_INPUTS}
        metrics.BUCKETS.set(len(self._buckets))
        places = await self._places(list(self._buckets.values()))
        for number in self._buckets:
            parts.relay.wake(number)
        found = [(PROFILE_INPUTS, number, place) for number, place in places.items()]
        if (SAMPLES, 0) in ours:
            learning = partial(parts.places.of_learner, parts.learner)
            found.append((SAMPLES, 0, await self._patiently("learner", learning)))
        others = [place for place in ours if place[0] not in (PROFILE_INPUTS, SAMPLES)]
        committed = partial(asyncio.to_thread, begins, self._settings, others)
        parts.reading.begin(await self._patiently("committed offsets", committed))
        parts.reading.begin({(topic, partition): at for topic, partition, at in found if topic == SAMPLES})
        return found

    async def _places(self, buckets: Sequence[Bucket]) -> dict[int, int]:
        """Where these buckets go on."""
        find = partial(self._parts.places.of, buckets)
        return await self._patiently("positions", lambda: self._settled(find))

    def release(self, numbers: set[int]) -> None:
        """Buckets that go to somebody else."""
        for number in numbers:
            self._buckets.pop(number, None)
        metrics.BUCKETS.set(len(self._buckets))

    async def new_topics(self) -> tuple[str, ...]:
        """Event topics that were made since the start.

        Raises:
            Stop: one of Mien's own has another number of partitions by now.
        """
        parts = await self.ready()
        try:
            await self._patiently("look at the topics", lambda: asyncio.to_thread(misfit, self._settings))
        except TopicMismatch as mismatch:
            raise Stop(str(mismatch)) from mismatch
        found = await self._patiently("look for topics", lambda: asyncio.to_thread(event_topics, self._settings))
        return tuple(sorted(set(found) - set(parts.topics)))

    async def keep_moving(self) -> None:
        """See that no bucket of ours stands still beside its log.

        Raises:
            Stop: one does.
        """
        parts = await self.ready()
        places = {number: bucket.place for number, bucket in self._buckets.items()}
        ends = await self._patiently("look at the logs", partial(parts.places.logs_of, list(places)))
        self._watchdog.look(places, ends, waits=bool(self._patiently.waits))

    def _bucket(self, number: int) -> Bucket:
        """Ours; or, for records that were under way when it went to somebody else, one that nobody tends."""
        return self._buckets.get(number) or self._new(number)

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
        )

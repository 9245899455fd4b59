"""What a worker process does, without Faust: the parts, made patient.

Knows: when each part is used, what becomes of it on a rebalance.  Must not know: Faust, how records arrive.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from prometheus_client import start_http_server

from profiles.clock import SECOND, Clock
from profiles.errors import MienError
from profiles.settings import Settings
from profiles.store.alarms import WAITING
from profiles.store.reach import away
from profiles.wire import DeadLetter, Transition, decode_transition
from streams import metrics
from streams.alerts import Handled
from streams.bucket import Behind
from streams.groups import Done
from streams.holdings import Holdings, settled
from streams.overlooked import Partition
from streams.parts import Parts, assemble
from streams.patience import EXIT_CONFIG, Patience, Stop, leave, surely
from streams.sift import POISON, Poison, said, tried
from streams.topics import BrokerDown, TopicMismatch, event_topics, misfit

log = structlog.get_logger("mien")
SHOWN = 15 * SECOND  #: how long an alarm is shown that is rung with every beat
PORTION = 16  #: records of one bucket that are worked on at once; in a replay all that came
UNSAID = 4000  #: messages that a bucket may have to say before it waits until they are in Kafka
RENEW_ROUNDS = 4  #: pieces of renewal between two looks at what is due


class Worker:
    """One process's share of the work."""

    def __init__(self, settings: Settings, clock: Clock, kafka_faults: tuple[type[Exception], ...]) -> None:
        self._settings = settings
        self._clock = clock
        faults = (*kafka_faults, BrokerDown)
        self._patiently = Patience(lambda error: isinstance(error, faults) or away(error))
        self._starting: asyncio.Task[None] | None = None
        self._alerting_by = 0  #: version of the rules that the alert desk knows
        self._started = False

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
        self._holdings = Holdings(self._settings, self._clock, self._parts, self._patiently)
        self._alerting_by = self._parts.alerting_by
        self._started = True
        shop = self._settings
        log.info("worker ready", topics=self._parts.topics, buckets=shop.buckets, clock=shop.clock)

    # --- records -----------------------------------------------------------------------------------------------------

    async def read(self, records: Sequence[Any], work: Callable[[Sequence[Any]], Awaitable[int | None]]) -> int | None:
        """Do the work on records of one partition, or say where to seek to if some were passed over before them."""
        return await (await self.ready()).reading.read(records, work)

    def sure(self, topic: str, partition: int) -> int | None:
        """What may be committed of a partition; None if nobody here knows."""
        if not self._started:
            return None
        sure, uncounted = self._parts.reading.sure(topic, partition), self._parts.quality.safe((topic, partition))
        return sure if sure is None or uncounted is None else min(sure, uncounted)

    async def intake(self, records: Sequence[Any]) -> None:
        """Events of one source partition."""
        parts = await self.ready()
        metrics.RECEIVED.labels(records[0].topic).inc(len(records))
        dead = await self._patiently("send on", lambda: parts.hop.handle(records))
        for reason, n in Counter(letter.reason for letter in dead).items():
            metrics.REJECTED.labels(reason).inc(n)

    async def update(self, records: Sequence[Any]) -> int | None:
        """Inputs of one bucket; returns the offset to seek to if they are not the ones wanted."""
        await self.ready()
        number: int = records[0].partition
        bucket = self._holdings.bucket(number)
        portion, unsaid = len(records) if self._settings.clock == "stream" else PORTION, 0
        for start in range(0, len(records), portion):
            if unsaid > UNSAID:
                await self._parts.relay.idle(number)
                unsaid = 0
            pairs = [(record.offset, record.value) for record in records[start : start + portion]]
            try:
                done = await self._patiently("update", partial(settled, partial(bucket.apply, pairs)))
            except Behind as behind:
                metrics.REWOUND.inc()
                log.warning("rewinding", bucket=number, at=pairs[0][0], wanted=behind.wanted)
                return (await self._holdings.places([bucket]))[number]
            self._count(number, done)
            unsaid += done.transitions
            metrics.BATCH.observe(done.applied)
        metrics.DELAY.observe(max(self._clock() - records[-1].timestamp, 0) / 1000)
        return None

    async def alert(self, records: Sequence[Any]) -> int | None:
        """Transitions of one bucket; returns the offset to seek to if an older store does not know of those before."""
        await self.ready()
        number: int = records[0].partition
        back: int = (await self._holdings.alerts_went_back([number])).get(number, records[0].offset)
        if back < records[0].offset:
            return back
        await self._one_by_one_if_need_be(partial(self._alert, number), records)
        return None

    async def _alert(self, number: int, records: Sequence[Any]) -> None:
        transitions = [decode_transition(record.value) for record in records]
        await self._alert_by(max(transition.rules for transition in transitions))
        handle = partial(self._handle, number, transitions, records[-1].offset + 1)
        handled = await self._patiently("alerts", partial(settled, handle))
        for name, n in {"raised": handled.raised, "resolved": handled.resolved, **handled.refused}.items():
            metrics.ALERTS.labels(name).inc(n)

    async def _handle(self, number: int, transitions: Sequence[Transition], then: int) -> Handled:
        """Hand over what the bucket has said, and nothing that an older store took back: that is decided anew."""
        stored = await self._parts.store.checkpoint(number)
        valid = [transition for transition in transitions if not stored.took_back(transition.seq)]
        if len(valid) < len(transitions):
            log.warning("transitions taken back", bucket=number, count=len(transitions) - len(valid), stored=stored.seq)
        return await self._parts.desk.handle(number, valid, then)

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

    async def tend(self) -> dict[Partition, int]:
        """What is due in every bucket of ours; returns where to seek to in partitions whose store is older."""
        parts, ours = await self.ready(), self._holdings
        older = await ours.beat()
        if await self._patiently("read who is suppressed", parts.suppressed.refresh):
            parts.hop.forget()
        quiet = [number for number, bucket in ours.buckets.items() if bucket.quiet]
        ends = await self._patiently("look at the logs", partial(parts.places.ends_of, quiet)) if quiet else {}
        for number, bucket in list(ours.buckets.items()):
            hurry = partial(bucket.hurry, ends.get(number))
            self._count(number, await self._patiently("hurry", partial(settled, hurry)))
            while (done := await self._patiently("sweep", partial(settled, bucket.sweep))).swept:
                self._count(number, done)
                await asyncio.sleep(0)
            for _ in range(RENEW_ROUNDS):
                done = await self._patiently("renew", partial(settled, bucket.renew))
                self._count(number, done)
                if not done.swept:
                    break
        return older

    def _count(self, number: int, done: Done) -> None:
        metrics.APPLIED.inc(done.applied)
        metrics.DUPLICATES.inc(done.duplicates)
        metrics.TRANSITIONS.inc(done.transitions)
        metrics.SWEPT.inc(done.swept)
        metrics.JOINED.inc(done.joined)
        metrics.CLAIMS_REFUSED.inc(done.refused)
        metrics.FORWARDED.inc(done.forwarded)
        if done.messages:
            self._parts.relay.wake(number)

    async def deliver(self) -> None:
        """Webhooks and texts that are due."""
        parts = await self.ready()
        outcome = await self._patiently("deliver", parts.desk.deliver_due)
        for name, n in outcome.items():
            metrics.DELIVERIES.labels(name).inc(n)

    async def count(self) -> None:
        """Store what was counted of sources."""
        parts = await self.ready()
        await self._patiently("count sources", parts.quality.flush)

    async def follow_sources(self) -> None:
        """Read by the sources that were saved."""
        await (await self.ready()).mapping.follow()

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
        found = await self._holdings.take(owned)
        for number in self._holdings.buckets:
            parts.relay.wake(number)
        return found

    def forget(self, places: Iterable[Partition]) -> None:
        """Partitions of any topic that go to somebody else."""
        if self._started:
            for place in places:
                self._parts.quality.forget(place)

    def release(self, numbers: set[int]) -> None:
        """Buckets that go to somebody else."""
        if self._started:  # else there are none yet
            self._holdings.release(numbers)

    async def overlooked(self, fetched: Mapping[Partition, int], busy: set[Partition]) -> dict[Partition, int]:
        """Where to go back to, because what was fetched there never came to us; ``busy``: it came, and waits."""
        await self.ready()
        return await self._holdings.overlooked(fetched, busy)

    async def keep_moving(self, *, flows: bool) -> None:
        """See that records flow, and that no bucket of ours stands still beside its log.

        Raises:
            Stop: they do not, or one does.
        """
        await self.ready()
        await self._holdings.keep_moving(flows=flows)

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

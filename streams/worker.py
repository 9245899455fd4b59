"""What a worker process does, without Faust: the parts, put together and made patient.

Knows: every part of the shell on Kafka.  Must not know: Faust, how records arrive.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import httpx2
import structlog
from aiokafka import AIOKafkaProducer
from prometheus_client import start_http_server
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisDown
from redis.exceptions import TimeoutError as RedisSlow

from profiles.clock import SECOND, Clock, zone
from profiles.errors import MienError, Stale, StoreDown
from profiles.features import FEATURES
from profiles.intake import Intake
from profiles.settings import Settings
from profiles.store import keys
from profiles.store.redis import RedisStore, connect
from profiles.store.registry import Registry
from profiles.store.worlds import Worlds
from profiles.wire import decode_transition
from streams import metrics
from streams.alerts import AlertDesk
from streams.bucket import Behind, Bucket, Done
from streams.intake import IntakeHop
from streams.learn import Learner
from streams.patience import EXIT_CONFIG, leave, patiently
from streams.relay import Relay
from streams.sms import provider
from streams.topics import MIB, PROFILE_INPUTS, SAMPLES, event_topics

log = structlog.get_logger("mien")
BEAT_EVERY = 2 * SECOND
RENEW_ROUNDS = 4  #: pieces of renewal between two looks at what is due


class Worker:
    """One process's share of the work."""

    def __init__(self, settings: Settings, clock: Clock, kafka_faults: tuple[type[Exception], ...]) -> None:
        self._settings = settings
        self._clock = clock
        self._kafka_faults = kafka_faults
        self._faults = (*kafka_faults, StoreDown, RedisDown, RedisSlow)
        self._zone = zone(settings.timezone)
        self._topics: tuple[str, ...] = ()
        self._starting: asyncio.Task[None] | None = None
        self._buckets: dict[int, Bucket] = {}
        self._alerting_by = 0  #: version of the rules that the alert desk knows
        self._beaten: dict[int, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def ready(self) -> None:
        """Connect everything once; whoever comes first starts it, everybody waits for it."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        """A fault that no waiting mends ends the process with its reason."""
        shop = self._settings
        if shop.metrics_port:
            start_http_server(shop.metrics_port)
        client = connect(shop.redis)
        self._store = RedisStore(client)
        registry = Registry(client)
        self._worlds = Worlds(registry, shop)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=shop.broker,
            client_id=f"{shop.group}-worker",
            acks="all",
            max_request_size=4 * MIB,
            max_batch_size=MIB // 2,
            linger_ms=0,
        )
        try:
            await patiently("connect to Kafka", self._producer.start, self._kafka_faults)
            await patiently("open the store", self._worlds.open, self._faults)
        except MienError as fault:
            leave(str(fault), code=EXIT_CONFIG)
        rates = dict(part.split(":") for part in shop.rates.split(",") if part.strip())
        intake = Intake(shop.currency, shop.timezone, {name.strip(): float(rate) for name, rate in rates.items()})
        self._hop = IntakeHop(intake, shop.buckets, self._producer, replay=shop.clock == "stream")
        self._relay = Relay(self._store, self._producer, self._kafka_faults)
        self._learner = Learner(registry, self._producer, shop.buckets)
        self._desk = await self._open_desk(client)
        self._tasks.append(asyncio.create_task(self._relay.run()))
        self._topics = await asyncio.to_thread(event_topics, shop)
        self._sources = sum([len(await self._producer.partitions_for(topic)) for topic in self._topics])
        log.info("worker ready", topics=self._topics, buckets=shop.buckets, clock=shop.clock)

    async def intake(self, records: Sequence[Any]) -> None:
        """Events of one source partition."""
        await self.ready()
        metrics.RECEIVED.labels(records[0].topic).inc(len(records))
        dead = await patiently("send on", lambda: self._hop.handle(records), self._kafka_faults)
        for reason, n in Counter(letter.reason for letter in dead).items():
            metrics.REJECTED.labels(reason).inc(n)

    async def update(self, number: int, records: Sequence[Any]) -> int | None:
        """Inputs of one bucket; returns the offset to seek to if they are not the ones wanted."""
        await self.ready()
        bucket = self._bucket(number)
        pairs = [(record.offset, record.value) for record in records]
        try:
            done = await patiently("update", lambda: self._settled(bucket.apply, pairs), self._faults)
        except Behind as behind:
            metrics.REWOUND.inc()
            log.warning("rewinding", bucket=number, at=pairs[0][0], wanted=behind.wanted)
            return behind.wanted
        self._count(number, done)
        metrics.BATCH.observe(done.applied)
        metrics.DELAY.observe(max(self._clock() - records[-1].timestamp, 0) / 1000)
        return None

    async def _settled(self, work: Any, *args: Any) -> Done:
        """A piece of work, repeated while its commit is refused: the bucket is read again each time."""
        while True:
            try:
                result: Done = await work(*args)
            except Stale as stale:
                metrics.REFUSED.inc()
                log.warning("commit refused", bucket=stale.bucket, expected=stale.expected, stored=stale.stored)
                await asyncio.sleep(0.05)
            else:
                return result

    async def tend(self) -> None:
        """What is due in every bucket of ours."""
        await self.ready()
        for number, bucket in list(self._buckets.items()):
            if self._clock() - self._beaten.get(number, 0) > BEAT_EVERY:
                self._beaten[number] = self._clock()
                await patiently("heartbeat", partial(self._store.beat, number, self._clock()), self._faults)
            hurried = await patiently("hurry", partial(self._settled, bucket.hurry), self._faults)
            self._count(number, hurried)
            while (done := await patiently("sweep", partial(self._settled, bucket.sweep), self._faults)).swept:
                self._count(number, done)
                await asyncio.sleep(0)
            for _ in range(RENEW_ROUNDS):
                done = await patiently("renew", partial(self._settled, bucket.renew), self._faults)
                self._count(number, done)
                if not done.swept:
                    break

    def _count(self, number: int, done: Done) -> None:
        metrics.APPLIED.inc(done.applied)
        metrics.DUPLICATES.inc(done.duplicates)
        metrics.TRANSITIONS.inc(done.transitions)
        metrics.SWEPT.inc(done.swept)
        if done.messages:
            self._relay.wake(number)

    async def alert(self, number: int, records: Sequence[Any]) -> None:
        """Transitions of one bucket."""
        await self.ready()
        transitions = [decode_transition(record.value) for record in records]
        await self._alert_by(max(transition.rules for transition in transitions))
        handled = await patiently("alerts", lambda: self._desk.handle(number, transitions), self._faults)
        for name, n in {"raised": handled.raised, "resolved": handled.resolved, **handled.refused}.items():
            metrics.ALERTS.labels(name).inc(n)

    async def learn(self, records: Sequence[Any]) -> None:
        """Samples, in order."""
        await self.ready()
        if self._settings.learn:
            await patiently("learn", lambda: self._learner.handle(records), self._faults)

    async def deliver(self) -> None:
        """Webhooks and texts that are due."""
        await self.ready()
        outcome = await patiently("deliver", self._desk.deliver_due, self._faults)
        for name, n in outcome.items():
            metrics.DELIVERIES.labels(name).inc(n)

    async def positions(self, owned: Iterable[Any]) -> list[tuple[str, int, int]]:
        """Where to go on reading each partition of ours whose progress is in Redis; drains outboxes on the way."""
        await self.ready()
        found = []
        self._buckets = {}
        for topic, partition in owned:
            if topic == PROFILE_INPUTS:
                checkpoint = await patiently("checkpoint", self._bucket(partition).open, self._faults)
                found.append((topic, partition, checkpoint.next))
                self._relay.wake(partition)
            elif topic == SAMPLES:
                self._learner.forget()
                memory = await patiently("learner", self._learner.open, self._faults)
                found.append((topic, partition, memory.next))
        metrics.BUCKETS.set(len(self._buckets))
        return found

    def release(self, numbers: set[int]) -> None:
        """Buckets that go to somebody else."""
        for number in numbers:
            self._buckets.pop(number, None)
        metrics.BUCKETS.set(len(self._buckets))

    async def new_topics(self) -> tuple[str, ...]:
        """Event topics that were made since the start."""
        await self.ready()
        found = await asyncio.to_thread(event_topics, self._settings)
        return tuple(sorted(set(found) - set(self._topics)))

    def _bucket(self, number: int) -> Bucket:
        if number not in self._buckets:
            replay = self._settings.clock == "stream"
            self._buckets[number] = Bucket(
                number, self._store, self._worlds, self._clock, self._zone, replay=replay, sources=self._sources
            )
        return self._buckets[number]

    async def _alert_by(self, version: int) -> None:
        """Let the desk know the rules that transitions were made by."""
        if version > self._alerting_by:
            book = await patiently("rules", partial(self._worlds.book, version), self._faults)
            self._desk.rules, self._alerting_by = book.alert_rules(), version

    async def _open_desk(self, client: Redis) -> AlertDesk:
        self._alerting_by = await self._worlds.registry.live(keys.RULES)
        book = await self._worlds.book(self._alerting_by)
        names = {feature.name: feature.zh for feature in FEATURES}
        http = httpx2.AsyncClient(follow_redirects=False, trust_env=False)
        return AlertDesk(
            self._settings,
            client,
            self._clock,
            book.alert_rules(),
            http,
            provider(self._settings, self._clock),
            names=names,
        )

"""Whole workers over a full log: the servers, a store that knows the customers, the log, then the workers.

Knows: when a log has been dealt with to the end.  Must not know: how many workers are compared, or with whom.
Time runs from intake's first record to the last transition published: from when ``profile-inputs`` is no longer empty
until every event is applied and every outbox is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from bench.data import Events, Shop, live
from bench.filling import Models, filled, models
from bench.fold import BUCKETS
from bench.preload import preload
from bench.servers import Stack, stack
from bench.watch import Run, watch
from profiles.clock import Millis, system_clock
from profiles.store import keys
from streams.topics import PROFILE_INPUTS


@dataclass(frozen=True)
class Log:
    """What is read, and the profiles that it finds."""

    shop: Shop
    total: int
    copies: Models

    @classmethod
    def new(cls, customers: int, total: int) -> Log:
        """A busy shop's last events until now, and its customers as of the first of them."""
        shop = live(customers, system_clock(), total)
        return cls(shop, total, asyncio.run(models(shop.end - shop.span)))

    @property
    def begin(self) -> Millis:
        return self.shop.end - self.shop.span

    def fill(self, redis: str) -> None:
        """Write the profiles into the store at this address."""
        asyncio.run(filled(redis, self.shop.customers, self.copies, self.begin))

    def put(self, broker: str) -> None:
        """Put the events on their topics."""
        preload(broker, Events(self.shop, self.total), self.total)


def work_off(kind: str, log: Log, workers: int, seconds: float) -> Run:
    """New servers, so many workers, the whole log.

    Raises:
        Stuck: they were not through after ``seconds``.
    """
    with stack(kind) as here:
        log.fill(here.settings.redis)
        log.put(here.settings.broker)
        with _progress(here, log.total) as done:
            pids = [here.worker(number).pid for number in range(workers)]
            return watch(
                f"{workers} workers", pids, done, log.total, seconds=seconds, ended=here.place.ended,
                beside=here.place.pids("valkey"),
            )  # fmt: skip


@contextmanager
def _progress(here: Stack, total: int) -> Iterator[Callable[[], int]]:
    """0 before intake has sent anything on; ``total`` when nothing is left to do."""
    partitions = [TopicPartition(PROFILE_INPUTS, bucket) for bucket in range(BUCKETS)]
    begun = False

    def done() -> int:
        nonlocal begun
        begun = begun or sum(consumer.end_offsets(partitions).values()) > 0
        if not begun:
            return 0
        counted = here.counted()
        if counted < total:
            return max(counted, 1)
        waiting = any(here.redis.xlen(keys.outbox(bucket)) for bucket in range(BUCKETS))
        return total - 1 if waiting else total

    consumer = KafkaConsumer(bootstrap_servers=here.settings.broker)
    try:
        yield done
    finally:
        consumer.close()

"""Bulk sending: a year in seconds.

Records go out in a few big batches that are built here; a ``send`` per record costs ten times as much, and an
in-memory broker slows down with the number of batches it keeps.  All partitions are flushed together, so that no
topic runs days ahead of another.  A key goes to the partition that every Kafka client would choose (murmur2).
Knows: partitions, pace, back-pressure.
Must not know: what is in a record.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from streams.shoppers.batch import TOPICS, Batch

BATCH_BYTES: Final = 900_000  #: below the 1 MiB that brokers accept by default
IN_FLIGHT: Final = 32  #: batches that may be unacknowledged
MAX_LAG: Final = 20_000
PIECES_PER_SECOND: Final = 10  #: how finely a limited rate is spread
LAG_POLL_SECONDS: Final = 0.02
REPORT_SECONDS: Final = 0.1

Lane = tuple[str, int]  #: a topic and a partition


class SendFailed(RuntimeError):
    """The broker did not take the records; the message says what to look at."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sending is.  ``at`` is the moment the last record would have arrived (UTC milliseconds)."""

    sent: int = 0
    bytes: int = 0
    at: int = 0
    seconds: float = 0.0
    waited: float = 0.0  #: of ``seconds``, how long the consumers were too far behind


@dataclass
class Pace:
    """How fast to send: at most ``rate`` records a second, and not while ``lag()`` is above ``max_lag``."""

    rate: float | None = None
    lag: Callable[[], int] | None = None
    max_lag: int = MAX_LAG


async def send(
    batches: Iterable[Batch],
    broker: str,
    *,
    pace: Pace | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Progress:
    """Send every record and wait until the broker has acknowledged all of them.

    ``report`` is called about ten times a second and once at the end.  The topics must exist.

    Raises:
        SendFailed: the broker cannot be reached, lacks a topic, or refused a batch.
    """
    pace = pace or Pace()
    progress, reported, waited = Progress(), 0.0, 0.0
    due = begin = time.monotonic()
    async with Sender(broker) as sender:
        for piece in (piece for batch in batches for piece in _pieces(batch, pace.rate)):
            waited += await _until_caught_up(pace)
            due = max(due, time.monotonic()) + (len(piece) / pace.rate if pace.rate else 0.0)
            size = progress.bytes + await sender.put(piece)
            await asyncio.sleep(max(0.0, due - time.monotonic()) if pace.rate else 0.0)
            now = time.monotonic()
            progress = Progress(progress.sent + len(piece), size, piece.times[-1], now - begin, waited)
            if report is not None and now - reported >= REPORT_SECONDS:
                reported = now
                report(progress)
    progress = replace(progress, seconds=time.monotonic() - begin)
    if report is not None:
        report(progress)
    return progress


def _pieces(batch: Batch, rate: float | None) -> Iterator[Batch]:
    """The whole batch, or as much at a time as a limited rate allows."""
    size = max(1, len(batch) if rate is None else round(rate / PIECES_PER_SECOND))
    return (batch.part(start, start + size) for start in range(0, len(batch), size))


async def _until_caught_up(pace: Pace) -> float:
    """Seconds spent waiting for the consumers."""
    if pace.lag is None or pace.lag() <= pace.max_lag:
        return 0.0
    begin = time.monotonic()
    while pace.lag() > pace.max_lag:  # noqa: ASYNC110 - a lag is looked up; nobody announces that it has fallen
        await asyncio.sleep(LAG_POLL_SECONDS)
    return time.monotonic() - begin


class Sender:
    """An open connection that puts whole batches on their topics.

    ::

        async with Sender(broker) as sender:
            await sender.put(batch)
            await sender.settle()

    Leaving the block waits for what is still unacknowledged.

    Raises:
        SendFailed: from every method, if the broker cannot be reached, lacks a topic, or refused a batch.
    """

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self._producer: AIOKafkaProducer
        self._open: dict[Lane, Any] = {}  # a batch builder for each topic and partition
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._partitions: dict[str, list[int]] = {}
        self._lane_of: dict[tuple[str, bytes], Lane] = {}

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._broker,
            client_id="mien-replay",
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=4 * BATCH_BYTES,
        )
        with self._faults_named():
            try:
                await self._producer.start()
            except BaseException:
                await self._producer.stop()
                raise
        return self

    async def __aexit__(self, fault: type[BaseException] | None, *_: object) -> None:
        try:
            if fault is None:
                await self.settle()
        finally:
            with self._faults_named():
                await self._producer.stop()

    async def put(self, batch: Batch) -> int:
        """Hand the records to the producer and return their bytes; waits only if too much is unacknowledged."""
        with self._faults_named():
            arrived = time.time_ns() // 1_000_000  # a record's stamp is when it was sent: retention goes by it
            await self._choose_lanes(batch)
            size = 0
            for topic, key, value in zip(batch.topics, batch.keys, batch.values, strict=True):
                lane = self._lane_of[topic, key]
                size += len(value)
                builder = self._open.get(lane)
                if builder is None:
                    builder = self._open[lane] = self._producer.create_batch()
                if builder.append(timestamp=arrived, key=key, value=value) is None:  # it is full
                    await self._hand_over(lane)
                    builder = self._open[lane] = self._producer.create_batch()
                    builder.append(timestamp=arrived, key=key, value=value)
            for lane in list(self._open):
                await self._hand_over(lane)
        await self.settle(IN_FLIGHT)
        return size

    async def settle(self, allowed: int = 0) -> None:
        """Wait until at most so many batches are unacknowledged."""
        with self._faults_named():
            while len(self._waiting) > allowed:
                await self._waiting.popleft()

    async def _choose_lanes(self, batch: Batch) -> None:
        for topic in set(batch.topics) - self._partitions.keys():
            self._partitions[topic] = sorted(await self._producer.partitions_for(topic))
        for topic, key in set(zip(batch.topics, batch.keys, strict=True)) - self._lane_of.keys():
            partitions = self._partitions[topic]
            self._lane_of[topic, key] = topic, DefaultPartitioner()(key, partitions, partitions)

    async def _hand_over(self, lane: Lane) -> None:
        builder = self._open.pop(lane)
        builder.close()
        self._waiting.append(await self._producer.send_batch(builder, lane[0], partition=lane[1]))

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            raise SendFailed(
                f"the broker at {self._broker} did not take the records: {error!r}; "
                f"does it run, and do {' and '.join(TOPICS)} exist?"
            ) from error

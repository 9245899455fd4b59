"""Events into partitions, in big batches, and which rows of an import are there already.

Knows: Kafka.  Must not know: files, what is in an event besides its mark.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, Self
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError as SyncKafkaError

from profiles.settings import Settings
from streams.importing.digest import Value
from streams.topics import BrokerDown, TopicMismatch, asking, is_private, logs, partitions_of

BATCH_BYTES: Final = 900_000  #: below the 1 MiB that brokers accept by default
QUIET_MS: Final = 1500  #: nothing more has come for so long


class Publisher:
    """An open connection to one topic.

    Raises:
        BrokerDown: from every method, if the broker cannot be reached or did not take a batch.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._producer: AIOKafkaProducer
        self._partitions: list[int] = []

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.broker,
            client_id="mien-import",
            acks="all",
            enable_idempotence=not await asyncio.to_thread(self._private),  # the private broker refuses it
            max_batch_size=BATCH_BYTES,
            max_request_size=4 * BATCH_BYTES,
        )
        try:
            await self._producer.start()
            self._partitions = sorted(await self._producer.partitions_for(self._topic))
        except KafkaError as error:
            await self._producer.stop()
            raise self._down(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, values: Sequence[Value]) -> list[asyncio.Future[Any]]:
        """Hand events over; they are in Kafka when all of what is returned is done.  A customer keeps their partition."""
        waiting: list[asyncio.Future[Any]] = []
        builders: dict[int, Any] = {}
        count, now = len(self._partitions), time.time_ns() // 1_000_000
        try:
            for value in values:
                partition = self._partitions[crc32(value.key) % count]
                builder = builders.get(partition)
                if builder is None or builder.append(timestamp=now, key=value.key, value=value.value) is None:
                    if builder is not None:
                        waiting.append(await self._hand_over(builder, partition))
                    builder = builders[partition] = self._producer.create_batch()
                    builder.append(timestamp=now, key=value.key, value=value.value)
            for partition, builder in builders.items():
                waiting.append(await self._hand_over(builder, partition))
        except KafkaError as error:
            raise self._down(error) from error
        return waiting

    async def settle(self, waiting: Sequence[asyncio.Future[Any]]) -> None:
        """Wait until the broker has all of it."""
        try:
            for each in waiting:
                await each
        except KafkaError as error:
            raise self._down(error) from error

    async def _hand_over(self, builder: Any, partition: int) -> asyncio.Future[Any]:
        builder.close()
        sent: asyncio.Future[Any] = await self._producer.send_batch(builder, self._topic, partition=partition)
        return sent

    def _private(self) -> bool:
        with asking(self._settings, 30.0) as admin:
            return is_private(admin)

    def _down(self, error: Exception) -> BrokerDown:
        return BrokerDown(
            f"the broker at {self._settings.broker} did not take the events: {error!r}; the same command goes on later"
        )


class _Context(msgspec.Struct):
    mark: str = msgspec.field(default="", name="import")
    row: int = 0


class _Marked(msgspec.Struct):
    context: _Context | None = None


_marked: Final = msgspec.json.Decoder(_Marked).decode


def ends(settings: Settings, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends now, or a little before.

    Raises:
        TopicMismatch: there is no such topic.
        BrokerDown: no broker answered.
    """
    with asking(settings, 30.0) as admin:
        count = partitions_of(admin).get(topic, 0)
    if not count:
        raise TopicMismatch(
            f"there is no topic {topic}: run `mien topics`, or make it, and let MIEN_EVENT_TOPICS match it"
        )
    _, found = logs(settings, [(topic, number) for number in range(count)])
    return {number: log.end for (_, number), log in found.items()}


def present(settings: Settings, topic: str, base: dict[int, int], mark: str, after: int) -> set[int]:
    """The rows of an import beyond ``after`` that are in the topic, from ``base`` on: what a killed process sent last.

    Raises:
        BrokerDown: the broker cannot be reached.
    """
    until = ends(settings, topic)
    places = [TopicPartition(topic, number) for number in until]
    found: set[int] = set()
    try:
        reader = KafkaConsumer(bootstrap_servers=settings.broker.split(","), enable_auto_commit=False)
        try:
            reader.assign(places)
            starts = reader.beginning_offsets(places)
            for place in places:
                reader.seek(place, max(base.get(place.partition, 0), starts[place]))
            while True:
                records = reader.poll(timeout_ms=QUIET_MS)
                for each in (each for some in records.values() for each in some):
                    row = _row_of(each.value, mark)
                    if row > after:
                        found.add(row)
                if not records and all(reader.position(place) >= until[place.partition] for place in places):
                    return found
        finally:
            reader.close()
    except SyncKafkaError as error:
        raise BrokerDown(f"the broker at {settings.broker} failed while {topic} was read: {error!r}") from error


def _row_of(value: bytes | None, mark: str) -> int:
    try:
        context = _marked(value or b"").context
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return context.row if context is not None and context.mark == mark else 0

"""One record, or the lack of it, looked up in its log by somebody who is in no consumer group.

Knows: how a log is asked at an offset.  Must not know: why.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

SECONDS = 10.0


@dataclass(frozen=True)
class Found:
    """What a log has from an offset on."""

    next: int  #: offset of the first record there is
    start: int  #: where the log begins; after the offset asked for: what was there is gone


class Lookup:
    """Asks one broker."""

    def __init__(self, broker: str) -> None:
        self._broker = broker

    async def value(self, topic: str, partition: int, offset: int) -> bytes | None:
        """The record at an offset; None if it is gone, or if Kafka is too busy to say."""
        try:
            async with self._at(topic, partition, offset) as (consumer, place):
                record = await consumer.getone(place)
        except (KafkaError, OSError):
            return None
        return record.value if record.offset == offset else None

    async def first(self, topic: str, partition: int, offset: int) -> Found:
        """The first record at an offset or after it; there is one.

        Raises:
            KafkaError, TimeoutError: Kafka does not answer now.
        """
        async with self._at(topic, partition, offset) as (consumer, place):
            start = (await consumer.beginning_offsets([place]))[place]
            try:
                record = await consumer.getone(place)
            except OffsetOutOfRangeError:
                return Found(max(start, offset), start)
            return Found(record.offset, start)

    async def next(self, topic: str, partition: int, offset: int) -> int | None:
        """Offset of the first record at an offset or after it; None if it is gone, or none came within a second.

        Raises:
            KafkaError: Kafka does not answer now.
        """
        async with self._at(topic, partition, offset) as (consumer, place):
            try:
                found = await asyncio.wait_for(consumer.getone(place), 1.0)
            except (TimeoutError, OffsetOutOfRangeError):
                return None
            return int(found.offset)

    @asynccontextmanager
    async def _at(self, topic: str, partition: int, offset: int) -> AsyncIterator[tuple[Any, Any]]:
        place = TopicPartition(topic, partition)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._broker, enable_auto_commit=False, auto_offset_reset="none")
        try:
            async with asyncio.timeout(SECONDS):
                await consumer.start()
                consumer.assign([place])
                consumer.seek(place, offset)
                yield consumer, place
        finally:
            await consumer.stop()

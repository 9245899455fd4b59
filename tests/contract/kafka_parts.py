"""What the contract tests ask a broker for, beside the clients that are judged."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka import KafkaAdminClient

APACHE: Final = os.environ.get("KAFKA", "").startswith("apache")  #: a lane of a real Kafka; otherwise the private Tansu


def new_topic(broker: str, partitions: int = 1, **configs: str) -> str:
    """A topic of this test's own."""
    name = f"contract-{uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}})
        admin.wait_for_topics([name])
    finally:
        admin.close()
    return name


def topics(broker: str) -> set[str]:
    """Names of all topics there are."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        return {topic["name"] for topic in admin.describe_topics()}
    finally:
        admin.close()


@asynccontextmanager
async def producing(broker: str, **options: Any) -> AsyncIterator[Any]:
    """A producer as the worker's, but for ``options``."""
    producer = AIOKafkaProducer(bootstrap_servers=broker, **{"acks": "all", "linger_ms": 0, **options})
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(broker: str, topic: str, partition: int = 0, **options: Any) -> AsyncIterator[Any]:
    """A consumer of one partition, from its start, in no group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker, **{"auto_offset_reset": "earliest", "fetch_max_wait_ms": 20, **options}
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition)])
        yield consumer
    finally:
        await consumer.stop()


async def taken(consumer: Any, count: int, seconds: float = 15.0) -> list[Any]:
    """The next ``count`` records."""
    found: list[Any] = []
    async with asyncio.timeout(seconds):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return found


def send(broker: str, topic: str, values: Sequence[bytes | None], partition: int = 0) -> int:
    """Append records; returns the offset of the last."""

    async def append() -> int:
        async with producing(broker) as producer:
            sent = [await producer.send(topic, value, b"key", partition) for value in values]
            return max([int((await each).offset) for each in sent])

    return asyncio.run(append())


def committed(broker: str, group: str, topic: str, partition: int = 0) -> int | None:
    """What the group has told Kafka, None if nothing."""

    async def ask() -> int | None:
        consumer = AIOKafkaConsumer(bootstrap_servers=broker, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            found = await consumer.committed(TopicPartition(topic, partition))
            return None if found is None else int(found)
        finally:
            await consumer.stop()

    return asyncio.run(ask())

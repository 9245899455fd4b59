"""Reliance: aiokafka's producer and consumer.

``streams/relay.py`` builds batches by hand, ``streams/intake.py`` awaits each stretch, ``streams/patience.py`` repeats
what fails with a ``KafkaError``.  Each test names one promise.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from kafka import KafkaProducer

from profiles.store.base import Message
from streams.embedded import start_tansu
from streams.relay import Relay
from streams.supervisor import Supervisor
from tests.contract.kafka_parts import new_topic, producing, reading, send, taken

KIB = 1024


def test_a_full_batch_says_so_by_none(broker: str) -> None:
    """``append`` of a batch answers None when the record does not fit, and the batch stays as it was.

    Relied on by ``streams/relay.py``, which then hands the batch over and opens another; if it raised, or cut, what
    the outbox holds would not leave.
    """
    topic = new_topic(broker)

    async def check() -> None:
        async with producing(broker, max_batch_size=16 * KIB) as producer:
            batch, fitted = producer.create_batch(), 0
            while batch.append(key=b"k", value=b"%04d" % fitted + bytes(KIB), timestamp=None) is not None:
                fitted += 1
            assert 10 <= fitted <= 16
            assert batch.record_count() == fitted
            batch.close()
            ack = await (await producer.send_batch(batch, topic, partition=0))
            assert (ack.topic, ack.partition, ack.offset) == (topic, 0, 0)
        async with reading(broker, topic) as consumer:
            records = await taken(consumer, fitted)
            assert [record.value[:4] for record in records] == [b"%04d" % n for n in range(fitted)]
            assert all(record.key == b"k" for record in records)
            assert abs(records[0].timestamp - time.time() * 1000) < 60_000, "no timestamp given means now"

    asyncio.run(check())


def test_a_record_larger_than_a_batch_still_fits_an_empty_one(broker: str) -> None:
    """The first record of a batch is taken whatever its size, up to ``max_request_size``.

    Relied on by ``streams/relay.py``: it appends once to a fresh batch and does not look at the answer.
    """
    topic = new_topic(broker, 1, **{"max.message.bytes": str(4 << 20)})

    async def check() -> None:
        async with producing(broker, max_batch_size=16 * KIB, max_request_size=4 << 20) as producer:
            batch = producer.create_batch()
            assert batch.append(key=b"k", value=bytes(100 * KIB), timestamp=None) is not None
            assert batch.append(key=b"k", value=b"", timestamp=None) is None
            batch.close()
            ack = await (await producer.send_batch(batch, topic, partition=0))
            assert ack.offset == 0

    asyncio.run(check())


def test_one_batch_is_under_way_per_partition_so_order_holds(broker: str) -> None:
    """Batches of one partition handed over without waiting arrive in that order, their acks too.

    Relied on by ``streams/relay.py`` (gathers the acks at the end) and ``streams/intake.py`` (sends one stretch to
    many buckets at once): a transition that overtook another would be taken for known and dropped.
    """
    topic = new_topic(broker, 2)

    async def check() -> None:
        async with producing(broker) as producer:
            acks: list[Awaitable[Any]] = []
            for n in range(60):
                batch = producer.create_batch()
                batch.append(key=None, value=b"%d" % n, timestamp=None)
                batch.close()
                acks.append(await producer.send_batch(batch, topic, partition=n % 2))
            ends = await asyncio.gather(*acks)
            assert [end.offset for end in ends[::2]] == list(range(30))
            assert [end.offset for end in ends[1::2]] == list(range(30))
        async with reading(broker, topic, 1) as consumer:
            assert [int(record.value) for record in await taken(consumer, 30)] == list(range(1, 60, 2))

    asyncio.run(check())


def test_an_awaited_send_is_in_kafka(broker: str) -> None:
    """``send_and_wait`` returns when the broker has it, with headers, and ``timestamp`` is when it was sent.

    Relied on by ``streams/intake.py``: what it returns from is committed; and the record's timestamp is when an event
    reached Kafka, the clock against which wrong device clocks are judged.
    """
    topic = new_topic(broker)

    async def check() -> None:
        async with producing(broker) as producer:
            before = time.time() * 1000
            ack = await producer.send_and_wait(topic, b"", headers=[("reason", b"invalid_json")])
            assert ack.offset == 0
        async with reading(broker, topic) as consumer:
            assert await consumer.end_offsets([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): 1}
            (record,) = await taken(consumer, 1)
            assert record.headers == (("reason", b"invalid_json"),)
            assert (record.value, record.key) == (b"", None), "an empty value is not a missing one"
            assert isinstance(record.timestamp, int)
            assert before - 5000 < record.timestamp < before + 60_000

    asyncio.run(check())


def test_a_record_needs_a_key_or_a_value(broker: str) -> None:
    """With neither, ``send`` raises ``AssertionError``, which no patience catches.

    Relied on by ``streams/intake.py``: it sends the dead letter of a record without a value as ``b""``.
    """
    topic = new_topic(broker)

    async def check() -> None:
        async with producing(broker) as producer:
            with pytest.raises(AssertionError):
                await producer.send(topic, None)

    asyncio.run(check())


def test_every_client_puts_a_key_into_the_same_partition(broker: str) -> None:
    """Murmur2, as in Java: aiokafka and kafka-python agree, whatever the key.

    Relied on by ``streams/publisher.py``: events of one customer stay in order whichever client an app uses.
    """
    topic = new_topic(broker, 7)
    rng = random.Random(5)
    keys = [rng.randbytes(rng.randrange(1, 40)) for _ in range(300)]

    async def asynchronous() -> list[int]:
        async with producing(broker) as producer:
            sent = [await producer.send(topic, b"", key) for key in keys]
            return [(await each).partition for each in sent]

    with KafkaProducer(bootstrap_servers=broker) as producer:
        sent = [producer.send(topic, b"", key) for key in keys]
        synchronous = [each.get(10).partition for each in sent]
    assert asyncio.run(asynchronous()) == synchronous
    assert set(synchronous) == set(range(7))


def test_a_seek_is_where_the_next_fetch_begins(broker: str) -> None:
    """Forward, back and to the end, with records fetched ahead of it dropped; and never before the log's start.

    Relied on by ``streams/framework.py`` (rewind).
    """
    topic = new_topic(broker)
    send(broker, topic, [b"%d" % n for n in range(100)])
    place = TopicPartition(topic, 0)

    async def check() -> None:
        async with reading(broker, topic, max_poll_records=10) as consumer:
            for at in (0, 60, 20, 99, 0):
                consumer.seek(place, at)
                got = await taken(consumer, 1)
                assert got[0].offset == at
                assert [record.offset for record in got] == list(range(at, at + len(got)))
            consumer.seek(place, 100)
            assert await consumer.getmany(timeout_ms=300) == {}
            assert await consumer.position(place) == 100

    asyncio.run(check())


def test_a_consumer_knows_how_many_partitions_a_topic_has(broker: str) -> None:
    """``producer.partitions_for`` returns them as a set.

    Relied on by ``streams/worker.py``: a replay waits until so many sources have passed a moment.
    """
    topic = new_topic(broker, 3)

    async def check() -> None:
        async with producing(broker) as producer:
            assert await producer.partitions_for(topic) == {0, 1, 2}

    asyncio.run(check())


async def _fault_of(call: Callable[[], Awaitable[Any]]) -> BaseException | None:
    try:
        await asyncio.wait_for(call(), 30)
    except Exception as fault:
        return fault
    return None


def test_a_broker_that_is_away_is_a_kafka_error(tmp_path: Path) -> None:
    """Whether it never was there, or goes while something is sent; never a fault of another family.

    Relied on by ``streams/patience.py`` by way of ``KAFKA_FAULTS`` (``KafkaError``, ``OSError``): anything else would
    end the process as a bug of ours.
    """
    faults = (KafkaError, OSError)

    async def check(broker: str, stop: Callable[[], None]) -> None:
        nobody = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
        assert isinstance(await _fault_of(nobody.start), faults)
        await nobody.stop()
        reader = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
        assert isinstance(await _fault_of(reader.start), faults)
        await reader.stop()
        async with producing(broker, request_timeout_ms=1500, retry_backoff_ms=50) as producer:
            await producer.send_and_wait(topic, b"there", partition=0)
            stop()
            assert isinstance(await _fault_of(lambda: producer.send_and_wait(topic, b"gone", partition=0)), faults)
            batch = producer.create_batch()
            batch.append(key=None, value=b"gone", timestamp=None)
            batch.close()
            sent = await producer.send_batch(batch, topic, partition=0)
            assert isinstance(await _fault_of(lambda: sent), faults)

    with Supervisor() as supervisor:
        broker = start_tansu(supervisor, tmp_path, tmp_path / "logs")
        topic = new_topic(broker)
        pid = supervisor.children[0].pid
        assert pid is not None
        asyncio.run(check(broker, lambda: os.kill(pid, signal.SIGKILL)))


def test_messages_of_any_size_leave_whole_and_in_order(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the above together: small and large messages through the relay's hand-made batches.

    Relied on by everything behind ``transitions``: the order of their ``seq`` is how a reader knows what it has had.
    """
    topic = new_topic(broker, 2, **{"max.message.bytes": str(4 << 20)})
    monkeypatch.setattr("streams.relay.TRANSITIONS", topic)
    rng = random.Random(3)
    sizes = [rng.choice((10, 300, 20_000, 200_000)) for _ in range(150)]
    messages = [Message(topic, b"k%d" % n, b"%06d" % n + bytes(size)) for n, size in enumerate(sizes)]

    async def check() -> None:
        async with producing(broker, max_batch_size=64 * KIB, max_request_size=4 << 20) as producer:
            nobody: Any = None  # no store and no patience: only what publishing itself does
            await Relay(nobody, producer, nobody)._publish(1, messages)
        async with reading(broker, topic, 1, max_partition_fetch_bytes=4 << 20) as consumer:
            found = await taken(consumer, 150)
            assert [int(record.value[:6]) for record in found] == list(range(150))
            assert [record.key for record in found] == [message.key for message in messages]

    asyncio.run(check())

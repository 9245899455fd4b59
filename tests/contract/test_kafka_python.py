"""Reliance: kafka-python, which makes topics and publishes for apps; never on the hot path.

``streams/topics.py`` works with the plain dictionaries that its admin client has returned since 3.0.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.publisher import Publisher
from tests.contract.kafka_parts import new_topic, reading, taken


def test_topics_are_plain_dictionaries(broker: str) -> None:
    """``describe_topics`` names each topic with its partitions; ``create_topics`` answers per topic with a code.

    Relied on by ``streams/topics.py``: with ``raise_errors=False`` a topic that is there already is one answer among
    others, so two workers may start at once.
    """
    name = new_topic(broker, 3)
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
        assert found[name] == 3
        specs = {each: {"num_partitions": 2, "replication_factor": 1, "configs": {}} for each in (name, name + "-b")}
        answers = {each["name"]: each for each in admin.create_topics(specs, raise_errors=False)["topics"]}
        assert for_code(answers[name]["error_code"]) is TopicAlreadyExistsError
        assert answers[name + "-b"]["error_code"] == 0
        admin.wait_for_topics([name + "-b"])
        assert {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}[name + "-b"] == 2
    finally:
        admin.close()


def test_an_admin_client_without_a_broker_gives_up_in_time() -> None:
    """``bootstrap_timeout_ms`` bounds the search, and its end is a ``KafkaError``.

    Relied on by ``streams/topics.py`` (``BrokerDown``): a command line that hangs tells nobody what is wrong.
    """
    began = time.monotonic()
    with pytest.raises(KafkaError):
        KafkaAdminClient(bootstrap_servers=["127.0.0.1:1"], bootstrap_timeout_ms=600)
    assert time.monotonic() - began < 10


def test_a_failed_send_is_told_to_its_errback(broker: str) -> None:
    """Too large an event raises at once; what the broker does not take comes through ``add_errback``, before ``flush``
    returns.

    Relied on by ``streams/publisher.py``: ``flush`` raises the first failure, and nothing is lost in silence.
    """
    topic = new_topic(broker)
    with KafkaProducer(bootstrap_servers=broker, max_request_size=2000) as producer, pytest.raises(KafkaError):
        producer.send(topic, bytes(5000)).get(10)
    told: list[BaseException] = []
    with KafkaProducer(bootstrap_servers=broker, request_timeout_ms=2000, delivery_timeout_ms=2500) as producer:
        producer.partitions_for(topic)
        sent = producer.send(topic, b"x", partition=0)
        sent.add_errback(told.append)
        producer.flush(10)
        assert sent.succeeded()
    assert told == []


def test_what_is_published_keeps_its_order_by_key(broker: str) -> None:
    """An idempotent producer with ``acks=all`` is the default, on Tansu as on Kafka.

    Relied on by ``streams/publisher.py``: a retry neither doubles nor reorders.
    """
    topic = new_topic(broker)
    with Publisher(broker) as publisher:
        for n in range(500):
            publisher.send(topic, {"userId": "u-1", "n": n})

    async def check() -> None:
        async with reading(broker, topic) as consumer:
            records = await taken(consumer, 500)
            assert [record.value for record in records] == [b'{"userId":"u-1","n":%d}' % n for n in range(500)]
            assert {record.key for record in records} == {b"u-1"}

    asyncio.run(check())

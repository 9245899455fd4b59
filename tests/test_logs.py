"""What a broker says of its logs is what start checks stand on."""

from __future__ import annotations

import os
import time

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from profiles.settings import Settings
from streams import topics
from streams.topics import PROFILE_INPUTS, Log, TopicMismatch

PRIVATE = os.environ.get("KAFKA", "tansu") == "tansu"
REAL = pytest.mark.skipif(PRIVATE, reason="the private broker forgets its topics at every start; KAFKA=apache does not")


def filled(broker: str, count: int) -> Settings:
    """A shop whose first bucket has so many records."""
    settings = Settings(broker=broker, buckets=2)
    topics.provision(settings)
    producer = KafkaProducer(bootstrap_servers=broker)
    for _ in range(count):
        producer.send(PROFILE_INPUTS, b"x", partition=0).get(timeout=30)
    producer.close()
    return settings


def test_edges_are_told_of_what_is_there(own_broker: str) -> None:
    settings = filled(own_broker, 5)
    _, seen = topics.logs(settings, [(PROFILE_INPUTS, 0), (PROFILE_INPUTS, 1), (PROFILE_INPUTS, 7), ("nowhere", 0)])
    sure = not PRIVATE
    assert seen == {(PROFILE_INPUTS, 0): Log(0, 5, sure), (PROFILE_INPUTS, 1): Log(0, 0, sure)}


def test_a_wrong_partition_count_is_noticed_by_a_running_worker_too(own_broker: str) -> None:
    settings = filled(own_broker, 0)
    topics.misfit(settings)
    with pytest.raises(TopicMismatch, match="set MIEN_BUCKETS=2"):
        topics.misfit(settings.model_copy(update={"buckets": 3}))


@REAL
def test_a_topic_made_anew_has_another_id_and_retention_moves_the_start(own_broker: str) -> None:
    settings = filled(own_broker, 5)
    before, _ = topics.logs(settings, [])
    admin = KafkaAdminClient(bootstrap_servers=own_broker)
    admin.delete_records({TopicPartition(PROFILE_INPUTS, 0): 3})
    assert topics.logs(settings, [(PROFILE_INPUTS, 0)])[1] == {(PROFILE_INPUTS, 0): Log(3, 5)}
    admin.delete_topics([PROFILE_INPUTS])
    deadline = time.monotonic() + 60
    while PROFILE_INPUTS in topics.logs(settings, [])[0]:
        assert time.monotonic() < deadline, "the topic goes"
        time.sleep(0.1)
    admin.close()
    topics.provision(settings)
    after, seen = topics.logs(settings, [(PROFILE_INPUTS, 0)])
    assert before[PROFILE_INPUTS] != after[PROFILE_INPUTS]
    assert {name: id_ for name, id_ in before.items() if after[name] != id_}.keys() == {PROFILE_INPUTS}
    assert seen == {(PROFILE_INPUTS, 0): Log(0, 0)}

"""Topics against a real broker: made once, checked always, never read in a circle."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource

from profiles.settings import Settings
from streams import topics
from streams.embedded import start_tansu
from streams.ports import pick_port
from streams.supervisor import Supervisor
from streams.topics import BrokerDown, TopicMismatch


def test_everything_missing_is_created_and_the_second_time_nothing(own_broker: str) -> None:
    settings = Settings(broker=own_broker, buckets=6, event_partitions=3)

    first, second = topics.provision(settings), topics.provision(settings)

    assert first == (
        "dead-letters", "events.behavior", "events.history", "events.orders", "profile-inputs", "samples", "transitions",
    )  # fmt: skip
    assert second == ()
    assert {seen.name: seen.partitions for seen in topics.describe(settings)} == {
        "events.behavior": 3,
        "events.history": 3,
        "events.orders": 3,
        "profile-inputs": 6,
        "transitions": 6,
        "samples": 1,
        "dead-letters": 1,
    }
    assert all(seen.fits for seen in topics.describe(settings))


def test_before_provisioning_the_table_says_what_is_missing(own_broker: str) -> None:
    table = topics.describe(Settings(broker=own_broker))

    assert {seen.partitions for seen in table} == {0}
    assert not any(seen.fits for seen in table)


def test_two_workers_may_provision_at_the_same_time(own_broker: str) -> None:
    settings = Settings(broker=own_broker)
    created: list[str] = []

    racers = [Thread(target=lambda: created.extend(topics.provision(settings))) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=30)

    assert sorted(created) == sorted(topic.name for topic in topics.plan(settings))


def test_a_wrong_partition_count_is_refused_and_the_message_names_the_fix(own_broker: str) -> None:
    topics.provision(Settings(broker=own_broker, buckets=4))

    with pytest.raises(TopicMismatch, match=r"profile-inputs has 4 partitions.*set MIEN_BUCKETS=4"):
        topics.provision(Settings(broker=own_broker, buckets=8))


def test_an_event_topic_that_exists_already_may_have_any_number_of_partitions(own_broker: str) -> None:
    _create(own_broker, "shop.clicks", 7)
    settings = Settings(broker=own_broker, event_topics=("shop.clicks",), event_partitions=2)

    assert "shop.clicks" not in topics.provision(settings)
    assert topics.event_topics(settings) == ("shop.clicks",)


def test_topics_that_a_glob_finds_later_are_shown_too(own_broker: str) -> None:
    settings = Settings(broker=own_broker)
    topics.provision(settings)
    _create(own_broker, "events.crm", 2)

    assert topics.event_topics(settings) == ("events.behavior", "events.crm", "events.history", "events.orders")
    assert topics.describe(settings)[-1] == topics.Seen("events.crm", "raw events", 2, None)


def test_a_glob_that_matches_neither_usual_topic_creates_no_event_topic() -> None:
    names = {topic.name for topic in topics.plan(Settings(event_topics=("shop.*",)))}

    assert names == topics.OWN


def test_a_replay_has_no_topic_of_history_that_it_would_have_to_wait_for() -> None:
    assert "events.history" not in {topic.name for topic in topics.plan(Settings(clock="stream"))}


@pytest.mark.parametrize("own", sorted(topics.OWN))
def test_mien_never_reads_what_it_writes(own: str) -> None:
    assert topics.matching(["*"], [own, "__consumer_offsets"]) == ()
    with pytest.raises(TopicMismatch, match=f"must not name {own}"):
        topics.plan(Settings(event_topics=(own,)))


def test_a_replicated_topic_stays_writable_without_one_broker_but_not_without_two() -> None:
    (inputs,) = (topic for topic in topics.plan(Settings()) if topic.name == "profile-inputs")

    assert inputs.spec(3)["configs"]["min.insync.replicas"] == "2"
    assert inputs.spec(1)["configs"]["min.insync.replicas"] == "1"


def test_the_largest_event_fits_into_a_dead_letter_with_its_reason(own_broker: str) -> None:
    settings = Settings(broker=own_broker)
    topics.provision(settings)
    letter = b"x" * (topics.EVENT_MAX_BYTES + 1_000)

    producer = KafkaProducer(bootstrap_servers=own_broker, max_request_size=topics.DEAD_LETTER_MAX_BYTES)
    producer.send(topics.DEAD_LETTERS, letter).get(timeout=10)
    producer.close()

    reader = KafkaConsumer(
        topics.DEAD_LETTERS, bootstrap_servers=own_broker, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    assert len(next(reader).value) == len(letter)
    reader.close()


def test_the_broker_is_told_how_long_and_how_large(own_broker: str) -> None:
    topics.provision(Settings(broker=own_broker))

    admin = KafkaAdminClient(bootstrap_servers=own_broker)
    found = admin.describe_configs([ConfigResource("TOPIC", topics.DEAD_LETTERS)], config_filter="all")
    admin.close()

    config = {name: entry["value"] for name, entry in found["topic"][topics.DEAD_LETTERS].items()}
    assert config["max.message.bytes"] == str(topics.DEAD_LETTER_MAX_BYTES)
    assert config["retention.ms"] == str(30 * topics.DAY_MS)


def test_a_broker_that_is_still_starting_is_waited_for(tmp_path: Path) -> None:
    """Compose starts everything at once; nobody may fail for being early."""
    port, _ = pick_port(0)
    created: list[str] = []
    early = Thread(
        target=lambda: created.extend(topics.provision(Settings(broker=f"127.0.0.1:{port}"), deadline=20)), daemon=True
    )
    early.start()
    early.join(timeout=0.5)
    assert early.is_alive()

    with Supervisor() as supervisor:
        start_tansu(supervisor, tmp_path, tmp_path / "logs", port=port)
        early.join(timeout=20)

    assert len(created) == 7


def test_a_broker_that_never_comes_is_named() -> None:
    port, _ = pick_port(0)
    began = time.monotonic()

    with pytest.raises(BrokerDown, match=rf"127\.0\.0\.1:{port} within 0\.5 s: is MIEN_BROKER right"):
        topics.provision(Settings(broker=f"127.0.0.1:{port}"), deadline=0.5)

    assert time.monotonic() - began < 5


def _create(broker: str, name: str, partitions: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()

"""The broker of this lane is what its name says, and a restart does to its log what ``durable`` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from profiles.settings import Settings
from streams import topics
from streams.supervisor import Supervisor
from tests.lanes import jars
from tests.lanes.brokers import PROPERTIES, Broker, open_broker

ROOT = Path(__file__).parents[2]
KAFKA = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["kafka"]
PLACES = {"NODE_ID", "CONTROLLER_QUORUM_VOTERS", "LOG_DIRS"}  #: where things are is every machine's own business


def test_the_tested_kafka_is_the_one_that_is_deployed() -> None:
    assert KAFKA["image"] == f"apache/kafka:{jars.version()}"


def test_the_tested_kafka_is_set_as_the_deployed_one() -> None:
    here = dict(line.split("=") for line in PROPERTIES.splitlines() if not line.startswith("#"))
    deployed = {
        name.removeprefix("KAFKA_"): value for name, value in KAFKA["environment"].items() if name.startswith("KAFKA_")
    }

    assert {name.replace("_", ".").lower() for name in deployed} <= here.keys()
    for name in deployed.keys() - PLACES:
        value = here[name.replace("_", ".").lower()].format(copies=1, enough=1, host="", port="", control="")
        if not re.search("LISTENER", name):  # compose has one more listener, for producers on the host
            assert value == deployed[name], name


def test_a_restart_keeps_what_was_acknowledged_or_says_that_it_does_not(tmp_path: Path) -> None:
    with Supervisor(report=lambda _: None) as supervisor:
        broker = open_broker(supervisor, tmp_path, tmp_path / "logs")
        settings = Settings(broker=broker.address, replication=broker.replication)
        topics.provision(settings)
        producer = KafkaProducer(bootstrap_servers=broker.address, acks="all")
        for number in range(100):
            producer.send("events.orders", b"%d" % number, partition=0)
        producer.flush()
        producer.close()

        for place in range(len(broker.nodes)):
            broker.restart(place)

        assert len(_names(broker)) == (len(topics.plan(settings)) if broker.durable else 0)
        if broker.durable:
            assert _values(broker) == [b"%d" % number for number in range(100)]


def test_a_misspelt_topic_is_an_error_and_not_a_new_topic(session_broker: Broker) -> None:
    if not session_broker.durable:
        pytest.skip("the private broker makes every topic that somebody writes to; KAFKA=apache does not")
    producer = KafkaProducer(bootstrap_servers=session_broker.address, max_block_ms=2000)
    with pytest.raises(KafkaError):
        producer.send("event.orders", b"{}").get(timeout=5)
    producer.close()

    assert "event.orders" not in _names(session_broker)


def _names(broker: Broker) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    names: list[str] = admin.list_topics()
    admin.close()
    return {name for name in names if not name.startswith("__")}


def _values(broker: Broker) -> list[bytes]:
    reader = KafkaConsumer(
        "events.orders", bootstrap_servers=broker.address, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    values = [next(reader).value for _ in range(100)]
    reader.close()
    return values

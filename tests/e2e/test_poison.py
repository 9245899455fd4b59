"""Poison in the very topic, damaged bytes in the very store, a store without room: neighbours are exact."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer

from profiles import inputs
from profiles.clock import iso, system_clock
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.stable import bucket_of, message_key
from profiles.store import keys
from profiles.store.alarms import WAITING, read
from streams.commands.doctor import doctor
from tests.e2e.stacks import Stack, stack
from tests.processes import eventually

NOWHERE: Final = 10**6


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("poison"), buckets=2, faults_per_minute=40) as started:
        yield started


@pytest.fixture
def producer(shop: Stack) -> Iterator[KafkaProducer]:
    opened = KafkaProducer(bootstrap_servers=shop.broker)
    yield opened
    opened.close()


def order(customer: str, number: str) -> bytes:
    """An order as an app would send it."""
    properties = {"order_id": number, "revenue": 1.5, "currency": "CNY"}
    event = {"type": "track", "event": "Order Completed", "userId": customer, "messageId": f"m-{number}",
             "timestamp": iso(system_clock()), "properties": properties}  # fmt: skip
    return msgspec.json.encode(event)


def letters(broker: str, reason: str, wanted: int) -> list[tuple[dict[str, str], bytes]]:
    """Headers and value of every dead letter of this reason, once there are so many."""
    consumer = KafkaConsumer("dead-letters", bootstrap_servers=broker, auto_offset_reset="earliest")
    found: list[tuple[dict[str, str], bytes]] = []
    deadline = time.monotonic() + 20
    while len(found) < wanted and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            told = [({name: value.decode() for name, value in each.headers}, each.value) for each in records]
            found += [each for each in told if each[0]["reason"] == reason]
    consumer.close()
    return found


def handmade(customer: str, sick: Sequence[int]) -> bytes:
    """A record of profile-inputs of eight events of a source partition, some of which nobody can handle."""
    draft = inputs.Draft()
    now = system_clock()
    for offset in range(8):
        kind: Any = NOWHERE if offset in sick else Kind.VIEW
        draft.add(Event(customer, kind, now, key=message_key(b"%d" % offset, now)), offset)
    return inputs.encode(draft.batch("events.behavior", 0, now, now))


def alarms(shop: Stack) -> set[str]:
    return {alarm.name for alarm in read(shop.redis.hvals(keys.ALARMS), system_clock())}


def test_poison_in_the_topic_itself_takes_nobody_with_it(shop: Stack, producer: KafkaProducer) -> None:
    """Garbage bytes and a batch with two impossible events, between orders that are all counted."""
    worker, before = shop.pid("worker"), shop.counted()[0]
    buckets = len(shop.buckets)
    for number in range(20):
        producer.send("events.orders", order(f"u-{number}", f"a-{number}"))
    producer.flush()
    where = bucket_of("u-handmade", buckets)
    elsewhere = next(name for name in map("u-raw-{}".format, range(100)) if bucket_of(name, buckets) != where)
    sent = [order(elsewhere, f"r-{number}") for number in range(8)]  # what the hand-made batch says it was made of
    for raw in sent:
        producer.send("events.behavior", raw, partition=0)
    producer.flush()
    eventually(lambda: shop.counted()[0] == before + 28, "the orders are applied", seconds=60)
    for partition in range(buckets):
        producer.send("profile-inputs", b"\x00 garbage", partition=partition).get(timeout=10)
    producer.send("profile-inputs", handmade("u-handmade", (2, 7)), partition=where).get(timeout=10)
    for number in range(20, 40):
        producer.send("events.orders", order(f"u-{number - 20}", f"a-{number}"))
    producer.flush()
    eventually(lambda: shop.counted()[0] == before + 48 + 6, "everything but the poison is applied", seconds=60)
    told = letters(shop.broker, "poison", buckets + 2)
    assert len(told) == buckets + 2
    cut_out = {int(said["offset"]): value for said, value in told if said["topic"] == "events.behavior"}
    assert cut_out == {2: sent[2], 7: sent[7]}
    assert sum(said["topic"] == "profile-inputs" for said, _ in told) == buckets
    assert shop.pid("worker") == worker
    for number in range(20):
        view = shop.profile(f"u-{number}")
        assert view is not None
        assert view["features"]["orders"] == 2
    assert "set aside" in alarms(shop)


def test_an_event_that_hits_a_damaged_profile_keeps_its_raw_bytes(shop: Stack, producer: KafkaProducer) -> None:
    """The dead letter holds what the app sent, so it can be sent again when the profile is mended."""
    producer.send("events.orders", order("u-hurt", "h-1")).get(timeout=10)
    name = keys.profile(bucket_of("u-hurt", len(shop.buckets)), "u-hurt")
    eventually(lambda: shop.redis.exists(name) == 1, "the profile is there", seconds=30)
    before, damaged = shop.counted()[0], b"\x01 no profile"
    shop.redis.set(name, damaged)
    raw = order("u-hurt", "h-2")
    at = producer.send("events.orders", raw).get(timeout=10)
    for number in range(30):
        producer.send("events.orders", order(f"v-{number}", f"b-{number}"))
    producer.flush()
    eventually(lambda: shop.counted()[0] == before + 30, "the neighbours are applied", seconds=60)
    ((said, value),) = letters(shop.broker, "damaged", 1)
    assert (said["topic"], int(said["partition"]), int(said["offset"])) == ("events.orders", at.partition, at.offset)
    assert value == raw
    assert shop.redis.get(name) == damaged
    shop.redis.delete(name)


def test_a_store_without_room_delays_and_loses_nothing(
    shop: Stack, producer: KafkaProducer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writes are refused; the worker waits, the doctor says why, and it goes on by itself when there is room."""
    for name in ("broker", "redis", "buckets"):
        monkeypatch.setenv(f"MIEN_{name.upper()}", str(getattr(shop.running.settings, name)))
    before, worker = shop.counted()[0], shop.pid("worker")
    servers = list(shop.servers.store.clients())
    for server in servers:
        server.config_set("maxmemory", "1mb")
    try:
        for number in range(50):
            producer.send("events.orders", order(f"f-{number}", f"f-{number}"))
        producer.flush()
        time.sleep(5)  # the worker gets its share of refusals
        assert shop.counted()[0] == before
        assert doctor(quiet=False) == 1
        assert "raise maxmemory" in capsys.readouterr().out
    finally:
        for server in servers:
            server.config_set("maxmemory", "0")
    eventually(lambda: shop.counted()[0] == before + 50, "all of them are applied, once", seconds=60)
    assert shop.pid("worker") == worker
    assert all(shop.profile(f"f-{number}") is not None for number in range(50))


def test_a_broker_that_is_away_is_an_alarm_as_long_as_it_lasts(shop: Stack, producer: KafkaProducer) -> None:
    """Redis is there to say so: in the doctor's list, and in `/readyz`."""
    bucket = bucket_of("u-waits", len(shop.buckets))
    producer.send("events.orders", order("u-waits", "w-1")).get(timeout=10)
    with shop.away("broker"):
        eventually(lambda: WAITING in alarms(shop), "a worker says that it waits", seconds=90)
        answer = shop.http.get("/readyz").json()
        assert (answer["status"], answer["checks"]["alarms"]["ok"]) == ("degraded", False)
    name = keys.profile(bucket, "u-waits")
    eventually(lambda: shop.redis.exists(name) == 1, "the order is applied", seconds=90)
    eventually(lambda: WAITING not in alarms(shop), "the alarm ends", seconds=60)

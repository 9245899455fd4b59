"""No fetch is passed over: what Faust dropped is read again, what the log does not have is let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from structlog.testing import capture_logs

from profiles.settings import Settings
from profiles.store.alarms import Alarms
from streams.bell import Bell
from streams.group import begins, handed_on
from streams.lookup import Found, Lookup
from streams.patience import Patience, Stop
from streams.reading import Reading
from streams.topics import BrokerDown
from tests.bucket_house import House
from tests.processes import eventually


@dataclass
class Raw:
    """A record as a consumer hands it over."""

    offset: int
    topic: str = "events.orders"
    partition: int = 0


@dataclass
class Log:
    """A log of some offsets, and what was done with it."""

    offsets: Sequence[int]
    start: int = 0
    done: list[int] = field(default_factory=list)
    looked: int = 0

    async def first(self, _topic: str, _partition: int, offset: int) -> Found:
        self.looked += 1
        return Found(min(each for each in self.offsets if each >= max(offset, self.start)), self.start)

    async def work(self, records: Sequence[Raw]) -> None:
        self.done += [record.offset for record in records]


@pytest.fixture
def house(redis_url: str) -> Iterator[House]:
    with capture_logs(), asyncio.Runner() as runner:
        house = House(redis_url, runner)
        yield house
        house.run(house.client.aclose())


def reading(log: Log, house: House, *, accept: bool = False) -> Reading:
    bell = Bell(Alarms(house.client), house.clock)
    made = Reading(log.first, Patience(lambda _: False), bell, accept_loss=accept)
    made.begin({("events.orders", 0): 10})
    return made


def fetch(*offsets: int) -> list[Raw]:
    return [Raw(offset) for offset in offsets]


def test_a_fetch_that_was_passed_over_is_asked_for_and_nothing_after_it_is_done(house: House) -> None:
    log = Log(range(40))
    one = reading(log, house)
    assert house.run(one.read(fetch(10, 11), log.work)) is None
    assert house.run(one.read(fetch(15, 16), log.work)) == 12
    assert house.run(one.read(fetch(17), log.work)) == 12
    assert one.sure("events.orders", 0) == 12
    assert house.run(one.read(fetch(12, 13, 14, 15), log.work)) is None
    assert (log.done, one.sure("events.orders", 0)) == ([10, 11, 12, 13, 14, 15], 16)


def test_what_comes_again_is_done_again_and_takes_nothing_back(house: House) -> None:
    """Whoever reads recognises it."""
    log = Log(range(40))
    one = reading(log, house)
    for offsets in ((10, 11, 12), (8, 9), (11, 12, 13)):
        assert house.run(one.read(fetch(*offsets), log.work)) is None
    assert (one.sure("events.orders", 0), log.looked) == (14, 0)


def test_offsets_that_the_log_itself_lacks_are_no_hole(house: House) -> None:
    """Markers of transactions have offsets and no records."""
    log = Log([10, 11, 13, 14])
    one = reading(log, house)
    for offsets in ((10, 11), (13, 14)):
        assert house.run(one.read(fetch(*offsets), log.work)) is None
    assert log.done == [10, 11, 13, 14]


def test_records_that_grew_too_old_are_refused_or_let_go_loudly(house: House) -> None:
    log = Log(range(40), start=20)
    with pytest.raises(Stop, match=r"10 records of events.orders/0 are gone .*MIEN_ACCEPT_LOSS=true"):
        house.run(reading(log, house).read(fetch(20, 21), log.work))
    assert log.done == []
    assert house.run(reading(log, house, accept=True).read(fetch(20, 21), log.work)) is None
    assert log.done == [20, 21]


def test_work_that_fails_is_not_done(house: House) -> None:
    async def fails(_: Sequence[Raw]) -> None:
        raise ZeroDivisionError

    one = reading(Log(range(40)), house)
    with pytest.raises(ZeroDivisionError):
        house.run(one.read(fetch(10), fails))
    assert one.sure("events.orders", 0) == 10


# --- on a real log ---------------------------------------------------------------------------------------------------


def test_a_record_is_found_in_its_log(own_broker: str) -> None:
    topic = _topic(own_broker, [b"a", b"b", b"c"])
    lookup = Lookup(own_broker)
    assert asyncio.run(lookup.value(topic, 0, 1)) == b"b"
    assert asyncio.run(lookup.value(topic, 0, 9)) is None
    assert asyncio.run(lookup.first(topic, 0, 1)) == Found(1, 0)
    assert asyncio.run(lookup.next(topic, 0, 2)) == 2
    assert asyncio.run(lookup.next(topic, 0, 3)) is None


def test_what_the_group_has_committed_is_where_it_begins(own_broker: str) -> None:
    """And intake has handed everything on when that is the end of every event topic."""
    topic = _topic(own_broker, [b"a", b"b", b"c"])
    settings = Settings(broker=own_broker, event_topics=(topic,), group=f"group-{uuid4().hex[:6]}")
    eventually(lambda: _knows_groups(settings), "the broker has a place for offsets", seconds=60)
    assert begins(settings, [(topic, 0)]) == {(topic, 0): 0}
    assert not handed_on(settings)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=own_broker,
        group_id=settings.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
    )
    deadline = time.monotonic() + 60
    while not consumer.poll(timeout_ms=200):
        assert time.monotonic() < deadline, "the records come"
    consumer.commit()
    consumer.close()
    assert begins(settings, [(topic, 0)]) == {(topic, 0): 3}
    assert handed_on(settings)


def _knows_groups(settings: Settings) -> bool:
    """A new broker makes its own topic for offsets when it is first asked."""
    try:
        handed_on(settings)
    except BrokerDown:
        return False
    return True


def _topic(broker: str, values: list[bytes]) -> str:
    """A topic of one partition with these records."""
    name = f"events.read-{uuid4().hex[:6]}"
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}})
    admin.wait_for_topics([name])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker)
    for value in values:
        producer.send(name, value, partition=0).get(timeout=10)
    producer.close()
    return name

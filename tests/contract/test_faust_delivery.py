"""Reliance: how Faust delivers what it fetched.

``streams/batches.py`` makes one item of everything that one fetch brought for one partition, and ``streams/app.py``
builds the exactness of Mien on what Faust then promises: order within a partition, and an acknowledgement only after the
agent is done.  Each test names one promise.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from profiles.settings import Settings
from streams.batches import Fetch, FetchScheduler
from streams.framework import faust_app, rewind
from streams.transport import FETCH_WAIT_MS, FetchConsumer, PromptThread
from tests.contract.kafka_parts import APACHE, committed, new_topic, send, topics
from tests.contract.running import POLLED, Running, Seen, Tap
from tests.processes import eventually

WIDE, RAISING, HELD, MANY, REWOUND, SHARED = "wide", "raising", "held", "many", "rewound", "shared"
SURE, PAUSED = "sure", "paused"


class Shop:
    """One running worker for all tests of this file; each has a topic of its own."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.broker = broker
        self.running = Running(broker, folder)
        partitions = {WIDE: 2, RAISING: 1, HELD: 1, MANY: 1, REWOUND: 1, SHARED: 2, SURE: 1, PAUSED: 1}
        names = {name: new_topic(broker, count) for name, count in partitions.items()}
        self.taps = {name: self.running.tap(topic) for name, topic in names.items()}

    def send(self, name: str, count: int, partition: int = 0) -> int:
        """Append ``count`` records; returns the offset of the last."""
        return send(self.broker, self.taps[name].topic, [b"%d" % n for n in range(count)], partition)

    def committed(self, name: str) -> int | None:
        return committed(self.broker, self.running.group, self.taps[name].topic)


@pytest.fixture(scope="module")
def shop(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    patch = pytest.MonkeyPatch()
    patch.setenv("MIEN_INSTANCE", "contract-instance-1")
    made = Shop(broker, tmp_path_factory.mktemp("faust"))
    with made.running:
        yield made
    patch.undo()


def closed_gate(tap: Tap, when: int = 0) -> threading.Event:
    """Hold the agent with the item that carries offset ``when``, until the event is set."""
    gate = threading.Event()

    async def wait(seen: Seen) -> None:
        if when in seen.offsets:
            assert await asyncio.to_thread(gate.wait, 60)

    tap.handle = wait
    return gate


def test_one_item_is_what_one_fetch_brought_for_one_partition(shop: Shop) -> None:
    """``ConsumerScheduler`` is honoured and is given ``{TP: [records]}``, in order; ``PassThrough`` leaves bytes alone.

    Relied on by ``streams/batches.py``; without it an agent would get records one by one, at a fiftieth of the speed,
    or decoded by Faust, which throws what it cannot decode into the agent.
    """
    tap = shop.taps[WIDE]
    send(shop.broker, tap.topic, [b"\xff\xfe not text", None, b"", b"{" * 9] + [b"%d" % n for n in range(40)], 0)
    send(shop.broker, tap.topic, [b"%d" % n for n in range(30)], 1)
    eventually(lambda: sum(len(each.offsets) for each in tap.seen) >= 74, "everything was delivered")
    assert sorted(offset for each in tap.seen for offset in each.offsets) == sorted([*range(44), *range(30)])
    assert len(tap.seen) < 74
    assert all(0 < len(each.offsets) <= POLLED for each in tap.seen)
    for partition in (0, 1):
        mine = [each for each in tap.seen if each.partition == partition]
        assert [offset for each in mine for offset in each.offsets] == sorted(o for each in mine for o in each.offsets)
        assert all(each.at == each.offsets[-1] for each in mine), "Faust acknowledges the last record of an item"
    first = [value for each in tap.seen if each.partition == 0 for value in each.values]
    assert first[:4] == [b"\xff\xfe not text", None, b"", b"{" * 9]


def test_an_agent_takes_one_item_after_another(shop: Shop) -> None:
    """All partitions come to the one actor, and the next item only when it is done with this one.

    Relied on by ``streams/app.py``: what it puts into an inbox is in the order of the partition.
    """
    tap = shop.taps[SHARED]
    busy = 0

    async def alone(_: Seen) -> None:
        nonlocal busy
        busy += 1
        assert busy == 1
        await asyncio.sleep(0.01)
        busy -= 1

    tap.handle = alone
    for partition in (0, 1):
        shop.send(SHARED, 25, partition)
    eventually(lambda: sum(len(each.offsets) for each in tap.seen) == 50, "all 50 came")
    assert {each.partition for each in tap.seen} == {0, 1}
    assert len({each.actor for each in tap.seen}) == 1


def test_what_raises_in_an_agent_counts_as_done(shop: Shop) -> None:
    """Faust acknowledges an item whose handling failed, restarts the agent and goes on with the next.

    The reason why every agent of ``streams/app.py`` wraps its work in ``patience.surely``, which ends the process
    instead.  If Faust ever began to deliver the item again, ``surely`` could become gentler.
    """
    tap = shop.taps[RAISING]

    async def fail(seen: Seen) -> None:
        if 3 in seen.offsets:
            raise ValueError("poison")

    tap.handle = fail
    for _ in range(4):
        shop.send(RAISING, 1)
    eventually(lambda: any(3 in each.offsets for each in tap.began), "the one that fails was delivered")
    for _ in range(2):  # not before: they may come with it, and would count as done with it
        shop.send(RAISING, 1)
    eventually(lambda: 5 in tap.offsets, "the agent goes on after the fault")
    assert sum(3 in each.offsets for each in tap.began) == 1, "what failed is not delivered again"
    assert 3 not in tap.offsets
    eventually(lambda: (shop.committed(RAISING) or 0) == 6, "and it is committed past what failed")


def test_nothing_is_committed_past_an_item_in_hand(shop: Shop) -> None:
    """However much was fetched behind it, and however many commits come by.

    Relied on by ``streams/transport.py``: what was never handed to an agent is not committed.
    """
    tap = shop.taps[HELD]
    gate = closed_gate(tap, 25)
    for _ in range(5):
        shop.send(HELD, 10)
    eventually(lambda: bool(tap.began) and 25 in tap.began[-1].offsets, "the item with offset 25 is in hand")
    begins = tap.began[-1].offsets[0]
    eventually(lambda: shop.committed(HELD) == begins, "all before it is committed")
    for _ in range(3):
        shop.running.do(shop.running.app.consumer.commit())
    assert shop.committed(HELD) == begins
    gate.set()
    eventually(lambda: shop.committed(HELD) == 50, "and all of it once the agent goes on")


def test_what_was_taken_and_is_not_done_is_not_committed_and_is_once_it_is_done(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``FetchConsumer.sure`` bounds every commit, and what it held back is looked at again without a new record.

    Relied on by ``streams/app.py``, whose agents only put what they take into an inbox: a stretch that was committed and
    not sent on would be lost with the process.
    """
    done = 10
    monkeypatch.setattr(
        FetchConsumer, "sure", staticmethod(lambda topic, _: done if topic == shop.taps[SURE].topic else None)
    )
    shop.send(SURE, 30)
    eventually(lambda: shop.taps[SURE].offsets == list(range(30)), "all 30 were taken")
    eventually(lambda: shop.committed(SURE) == 10, "what is done is committed")
    for _ in range(3):
        shop.running.do(shop.running.app.consumer.commit())
    assert shop.committed(SURE) == 10
    done = 30
    eventually(lambda: shop.committed(SURE) == 30, "and the rest when it is done", seconds=5)


def test_a_partition_that_is_held_brings_nothing_and_loses_nothing(shop: Shop) -> None:
    """``pause_partitions`` and ``resume_partitions``; what was fetched meanwhile comes afterwards.

    Relied on by ``streams/inboxes.py``, which bounds the memory of a worker that is behind.
    """
    tap, place = shop.taps[PAUSED], {TP(shop.taps[PAUSED].topic, 0)}
    shop.send(PAUSED, 5)
    eventually(lambda: tap.offsets == list(range(5)), "the first come")

    async def hold(held: bool) -> None:
        consumer = shop.running.app.consumer
        (consumer.pause_partitions if held else consumer.resume_partitions)(place)

    shop.running.do(hold(True))
    shop.send(PAUSED, 1)  # a look that was under way may still bring these
    shop.send(SHARED, 1)
    eventually(lambda: shop.taps[SHARED].seen[-1].offsets[-1] >= 25, "another partition is read meanwhile")
    before = len(tap.offsets)
    shop.send(PAUSED, 20)
    shop.send(SHARED, 1)
    eventually(lambda: shop.taps[SHARED].seen[-1].offsets[-1] >= 26, "and again")
    assert len(tap.offsets) == before
    shop.running.do(hold(False))
    eventually(lambda: tap.offsets == list(range(26)), "everything comes, once, in order")


def test_one_commit_tells_of_every_fetch_that_is_done(shop: Shop) -> None:
    """And then nothing about them is kept.

    Relied on by ``streams/transport.py``, which replaces two methods of Faust's consumer (``_new_offset``,
    ``_add_gap``) and uses two of its fields.  With Faust's own a commit ends at the next fetch: intake would fall
    behind what it has done for ever, do it again after every rebalance, and keep a number for every event.
    """
    tap = shop.taps[MANY]
    gate = closed_gate(tap)
    for _ in range(2):
        shop.send(MANY, 100)
    eventually(lambda: bool(tap.began), "the first item is in hand")
    gate.set()
    eventually(lambda: tap.offsets == list(range(200)), "all 200 were done")
    assert len(tap.seen) > 10
    consumer = shop.running.app.consumer
    eventually(lambda: not consumer._acked[TP(tap.topic, 0)], "a commit has come by", seconds=5)
    assert shop.committed(MANY) == 200
    assert not consumer._gap[TP(tap.topic, 0)]
    assert not consumer._acked_index[TP(tap.topic, 0)]


def test_a_partition_can_be_rewound_over_many_fetches(shop: Shop) -> None:
    """``framework.rewind`` brings back everything, with items of the partition waiting in the agent's queue.

    Relied on by ``streams/app.py`` (update) when Redis is found older than Kafka.  What waits in the queue is *not*
    dropped by a seek: it arrives, is found to begin too late, and rewinds again.  Without the pause in ``rewind``
    Faust drops most of what the seek brings back, and the bucket never comes on.
    """
    tap = shop.taps[REWOUND]
    topic = tap.topic
    gate = closed_gate(tap, 0)
    for _ in range(3):
        shop.send(REWOUND, 50)
    eventually(lambda: bool(tap.began), "the first item is in hand, others wait behind it")
    gate.set()
    eventually(lambda: tap.offsets[-1:] == [149], "all 150 were read once")
    applied: list[int] = list(range(20))  # the store fell back to here
    rewinds = 0

    async def follow(seen: Seen) -> None:
        nonlocal rewinds
        if seen.offsets[0] > len(applied):
            rewinds += 1
            await rewind(shop.running.app, topic, 0, len(applied))
        else:
            applied.extend(offset for offset in seen.offsets if offset >= len(applied))

    tap.handle = follow
    for _ in range(3):
        shop.send(REWOUND, 50)
    eventually(lambda: len(applied) == 300, "everything was applied again", seconds=30)
    assert applied == list(range(300))
    assert rewinds >= 1


def test_the_committed_offset_follows_after_a_rewind(shop: Shop) -> None:
    """A rewind does not confuse what is committed: at the end it is the end.

    Relied on by ``streams/app.py``: after the next start most of what was read again must not come a third time.
    """
    eventually(lambda: shop.committed(REWOUND) == 300, "the commit is at the end")


def test_no_topic_is_made_behind_our_back(shop: Shop) -> None:
    """``topic_allow_declare=False``: topics are made by ``mien topics`` alone, with the partitions they must have.

    Relied on by ``streams/framework.py``; a profile-inputs with a wrong partition count sends customers to writers
    that do not own them.
    """
    name = new_topic(shop.broker) + "-undeclared"
    declared = shop.running.app.topic(name, partitions=3, replicas=1)
    shop.running.do(declared.maybe_declare())
    assert name not in topics(shop.broker)


def test_the_settings_reach_aiokafka(shop: Shop) -> None:
    """Static membership, fetch size, no commits by aiokafka itself, and the joint assignor.

    Relied on by ``streams/framework.py``: a worker that restarts within its session keeps its partitions, and one
    worker gets all topics' partition n.
    """
    consumer = shop.running.app.consumer._thread._consumer
    assert consumer._group_instance_id == "contract-instance-1"
    assert consumer._max_poll_records == POLLED
    assert consumer._enable_auto_commit is False
    assert consumer._auto_offset_reset == "earliest"
    assert consumer._isolation_level == "read_uncommitted"
    assert shop.running.app.assignor in consumer._coordinator._assignors


@pytest.mark.skipif(APACHE, reason="the prompt transport is for the private broker only")
def test_the_prompt_transport_sets_the_wait_before_the_consumer_starts(shop: Shop) -> None:
    """``_create_worker_consumer`` and ``_fetch_max_wait_ms`` exist, and the fetcher takes the latter at its start.

    Relied on by ``streams/transport.py``; else events on the private broker are up to a second late.
    """
    thread = shop.running.app.consumer._thread
    assert isinstance(thread, PromptThread)
    consumer: Any = thread._consumer
    assert consumer._fetch_max_wait_ms == FETCH_WAIT_MS
    assert consumer._fetcher._fetch_max_wait_ms == FETCH_WAIT_MS
    assert "fetch_max_wait_ms=1500" in inspect.getsource(AIOKafkaConsumerThread), "if it became a setting, use that"


def test_a_scheduler_skips_partitions_without_records() -> None:
    """A fetch may name a partition and bring nothing; an item needs a last record."""
    record = SimpleNamespace(topic="t", partition=1, offset=7, timestamp=5, timestamp_type=0)
    scheduler: Any = FetchScheduler
    items = dict(scheduler().iterate({("t", 0): [], ("t", 1): [record]}))
    assert list(items) == [("t", 1)]
    assert isinstance(items["t", 1], Fetch)


def test_the_buffer_is_counted_in_fetches(shop: Shop) -> None:
    """``stream_buffer_maxsize`` bounds items, so Faust keeps at most 8 fetches for an agent.

    Relied on by ``streams/framework.py``.  Fetching of a partition is halted before the queue is full and goes on
    when it has drained; nothing is lost at either turn.
    """
    tap = shop.taps[WIDE]
    tap.handle = None
    done = sum(len(each.offsets) for each in tap.seen if each.partition == 1)
    began = len(tap.began)
    gate = closed_gate(tap, done)
    for _ in range(3):
        shop.send(WIDE, 100, 1)
    eventually(lambda: len(tap.began) > began, "the first is in hand")
    channels = [actor.stream.channel for agent in shop.running.app.agents.values() for actor in agent._actors]
    waiting = [channel.queue for channel in channels if tap.topic in channel.topics]
    eventually(lambda: max(queue.qsize() for queue in waiting) >= 5, "the queue fills")
    assert max(queue.qsize() for queue in waiting) <= shop.running.app.conf.stream_buffer_maxsize
    gate.set()
    every = range(done + 300)
    eventually(lambda: [o for each in tap.seen if each.partition == 1 for o in each.offsets] == list(every), "all came")
    assert all(a.offsets[-1] < b.offsets[0] for a, b in pairwise(e for e in tap.seen if e.partition == 1))


def test_the_worker_has_a_scheduler_and_a_consumer_of_ours() -> None:
    """Also on Apache Kafka, where nothing is prompted."""
    app: Any = faust_app(Settings())
    assert app.conf.ConsumerScheduler is FetchScheduler
    assert issubclass(app.transport.Consumer, FetchConsumer)

"""Reliance: what Faust does when partitions come and go, and when a worker ends.

``streams/app.py`` goes to where Redis says each bucket is, and lets go of buckets that somebody else will write.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.patience import EXIT_BUG
from tests.contract.kafka_parts import committed, new_topic, send
from tests.contract.running import Running, Seen, Tap
from tests.processes import eventually


class Group:
    """A worker that joined a group with a past: it had committed 20 of ``known`` and ``plain``, nothing of ``fresh``.

    At the end of its first rebalance it goes to 5, of ``known`` and ``fresh``.
    """

    def __init__(self, broker: str, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.known, self.fresh, self.plain = new_topic(broker), new_topic(broker), new_topic(broker)
        self.shared = new_topic(broker, 4)
        for topic in (self.known, self.fresh, self.plain):
            send(broker, topic, [b"%d" % n for n in range(40)])
        self.every = {(self.known, 0), (self.fresh, 0), (self.plain, 0), *((self.shared, n) for n in range(4))}
        self.name = f"contract-{uuid4().hex[:8]}"
        asyncio.run(self._commit())
        self.first, self.taps = self.member()
        self.first.on_complete = self._go_to_five
        self.seen_at_complete = 0

    def member(self) -> tuple[Running, dict[str, Tap]]:
        """One more worker of this group, and its agents."""
        member = Running(self.broker, self.folder, self.name)
        return member, {topic: member.tap(topic) for topic in (self.known, self.fresh, self.plain, self.shared)}

    async def _go_to_five(self) -> None:
        self.seen_at_complete = sum(len(tap.began) for tap in self.taps.values())
        for topic in (self.known, self.fresh):
            await self.first.app.consumer.seek(TP(topic, 0), 5)
        self.first.on_complete = None

    def send(self, partition: int) -> int:
        """One record to the topic that is shared; returns its offset."""
        return send(self.broker, self.shared, [b"x"], partition)

    async def _commit(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker, group_id=self.name, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(topic, 0) for topic in (self.known, self.plain)]
            consumer.assign(places)
            await consumer.commit(dict.fromkeys(places, 20))
        finally:
            await consumer.stop()


@pytest.fixture(scope="module")
def group(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    made = Group(broker, tmp_path_factory.mktemp("group"))
    with made.first:
        yield made


def test_what_is_sought_at_the_end_of_a_rebalance_is_where_reading_begins(group: Group) -> None:
    """Whether the group had committed something of that partition or not.

    Relied on by ``streams/app.py``, which goes to where Redis says each bucket, and the learner, is.  Faust alone would
    seek to what is committed after ``on_rebalance_complete``; ``streams/transport.py`` (``perform_seek``, ``seek``,
    ``resume_flow`` and ``app.rebalancing``) makes ours the last word.
    """
    taps = group.taps
    eventually(lambda: all(taps[topic].offsets[-1:] == [39] for topic in (group.known, group.fresh)), "both are read")
    assert taps[group.fresh].offsets == list(range(5, 40))
    assert taps[group.known].offsets == list(range(5, 40))
    assert not group.first.app.consumer._sought, "and later seeks are nobody's business"


def test_where_nothing_is_sought_reading_goes_on_at_what_is_committed(group: Group) -> None:
    """The rest of the shop: intake begins where the group stopped.

    Relied on by ``streams/intake.py``, whose only memory is the committed offset.
    """
    tap = group.taps[group.plain]
    eventually(lambda: tap.offsets[-1:] == [39], "it is read to its end")
    assert tap.offsets == list(range(20, 40))


def test_a_member_is_told_of_its_partitions_before_it_gets_records(group: Group) -> None:
    """``revoked`` of nothing, ``assigned``, ``on_rebalance_complete`` with ``assigned_actives()`` filled, then records.

    Relied on by ``streams/app.py``: it asks there which buckets are its own, and each must be opened anew.
    """
    (first, revoked), (second, assigned), (third, complete) = group.first.signals[:3]
    assert (first, second, third) == ("revoked", "assigned", "complete")
    assert revoked == frozenset()
    assert assigned == complete == group.every
    assert group.seen_at_complete == 0


def test_who_loses_a_partition_is_told_when_its_agent_is_done(group: Group) -> None:
    """A second member joins: all is let go (``revoked``), and only after what was in hand is done.

    Relied on by ``streams/app.py``: ``revoked`` empties the inboxes, and no agent is about to fill them again.  (What
    waits *behind* the item in hand Faust may drop for ever: ``streams/overlooked.py`` notices.)
    """
    first, tap, before = group.first, group.taps[group.shared], len(group.first.signals)

    async def slowly(_: Seen) -> None:
        await asyncio.to_thread(eventually, lambda: first.app.rebalancing, "it must let go", seconds=30)
        await asyncio.sleep(0.3)

    tap.handle = slowly
    group.send(0)
    eventually(lambda: len(tap.began) == 1, "the agent holds an item")
    busy: list[int] = []
    first.on_revoked = lambda: busy.append(len(tap.began) - len(tap.seen))
    second, others = group.member()
    with second:
        eventually(lambda: len(first.signals) >= before + 3, "the first member went through it", seconds=30)
        assert [name for name, _ in first.signals[before : before + 3]] == ["revoked", "assigned", "complete"]
        assert first.signals[before][1] == group.every
        assert busy[0] == 0, "nobody was at work when it was said"
        tap.handle = None
        _shared_out(group, second, [tap, others[group.shared]])


def _shared_out(group: Group, second: Running, taps: list[Tap]) -> None:
    """The two have every partition between them, and each partition is read whole, in order, by whoever has it.

    What was done before the change is not read again, because it was committed before it was let go.
    """
    eventually(lambda: len(second.signals) >= 3, "the second member has its share", seconds=30)
    mine, others = group.first.signals[-1][1], second.signals[-1][1]
    assert mine.isdisjoint(others)
    assert mine | others == group.every
    assert len(mine & {(group.shared, n) for n in range(4)}) == 2
    for partition in range(4):
        count = group.send(partition) + 1
        eventually(lambda p=partition, n=count: _seen(taps, p) == list(range(n)), f"{partition} is whole")  # type: ignore[misc]


def _seen(taps: list[Tap], partition: int) -> list[int]:
    return [offset for tap in taps for one in tap.seen if one.partition == partition for offset in one.offsets]


def test_a_worker_that_leaves_commits_nothing_of_what_it_had_in_hand(broker: str, tmp_path: Path) -> None:
    """``os._exit`` in an agent: no farewell of Faust, so the committed offset stays where the last done item ends.

    Relied on by ``streams/patience.py``: a fault ends the process, and the next one is given the same records again.
    """
    topic, group = new_topic(broker), f"contract-{uuid4().hex[:8]}"
    send(broker, topic, [b"%d" % n for n in range(10)])
    command = [sys.executable, "-m", "tests.contract.leaving", broker, str(tmp_path), group, topic, "12"]
    with (tmp_path / "log").open("wb") as log:
        leaver = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually(lambda: committed(broker, group, topic) == 10, "what is done is committed", seconds=60)
            send(broker, topic, [b"%d" % n for n in range(10)])
            assert leaver.wait(30) == EXIT_BUG, (tmp_path / "log").read_text(encoding="utf-8")
        finally:
            leaver.kill()
            leaver.wait()
    assert committed(broker, group, topic) == 10
    assert b"a fault that should not be possible" in (tmp_path / "log").read_bytes()

"""Outboxes are emptied in portions: what is in Kafka is forgotten before the next portion is begun."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from profiles.errors import MienError
from profiles.store.base import Message
from profiles.store.memory import MemoryStore
from streams import patience
from streams.patience import Patience
from streams.relay import GROUPS, PORTION, Relay
from tests.contract.kafka_parts import new_topic, producing, reading

COMMITS: Final = 3 * GROUPS
EACH: Final = PORTION // 2


class Watched(MemoryStore):
    """A store that remembers how much was read and forgotten at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.portions: list[int] = []

    async def outbox(self, bucket: int, limit: int) -> list[tuple[int, list[Message]]]:
        found = await super().outbox(bucket, limit)
        self.portions += [len(found)] if found else []
        return found


def test_large_commits_leave_a_few_at_a_time_whole_and_in_order(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once may take longer than Kafka has time, and would then begin again, for ever."""
    topic, store = new_topic(broker), Watched()
    monkeypatch.setattr("streams.relay.TRANSITIONS", topic)
    for commit in range(COMMITS):
        first = commit * EACH
        store._buckets[0].outbox[first + EACH] = [
            Message(topic, b"k", str(number).encode()) for number in range(first, first + EACH)
        ]

    async def check() -> None:
        async with producing(broker) as producer, reading(broker, topic) as consumer:
            relay = Relay(store, producer, Patience(lambda _: False))
            relay.wake(0)
            await relay.idle(0)
            assert not store._buckets[0].outbox
            found: list[bytes] = []
            while len(found) < COMMITS * EACH:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    found += [record.value for record in records]
            assert found == [str(number).encode() for number in range(COMMITS * EACH)]

    asyncio.run(check())
    assert store.portions[0] == GROUPS, "nobody knew that they were large"
    assert set(store.portions[1:]) == {PORTION // EACH}


def test_patience_begins_to_end_with_the_first_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that went well for longer than anybody would wait is not given up at its first fault."""

    def left(why: str, *_: Any) -> None:
        raise MienError(why)

    async def check() -> int:
        tries = iter((0.2, 0.0))

        async def work() -> int:
            if pause := next(tries):
                await asyncio.sleep(pause)
                raise ConnectionError
            return 7

        return await Patience(lambda error: isinstance(error, ConnectionError), give_up=0.1)("work", work)

    monkeypatch.setattr(patience, "leave", left)
    assert asyncio.run(check()) == 7

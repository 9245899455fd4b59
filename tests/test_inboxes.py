"""What waits for a partition is one piece of work as soon as the last one is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import pytest

from streams.inboxes import AT_ONCE, MUCH, Inboxes
from streams.overlooked import Partition


@dataclass
class Record:
    """As much of a Kafka record as an inbox looks at."""

    offset: int
    partition: int = 0
    value: bytes | None = b"-"
    topic: str = "events"


def fetch(*offsets: int, partition: int = 0, value: bytes | None = b"-") -> list[Record]:
    return [Record(offset, partition, value) for offset in offsets]


@dataclass
class Desk:
    """Does the work when it is told to, and remembers everything."""

    wanted: dict[int, int] = field(default_factory=dict)  #: first offset of a piece -> where it wants to go back to
    done: list[tuple[int, list[int]]] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    sought: list[tuple[str, int, int]] = field(default_factory=list)
    held: list[tuple[Partition, bool]] = field(default_factory=list)
    go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def inboxes(self) -> Inboxes:
        return Inboxes(self._work, self._back, lambda place, held: self.held.append((place, held)))

    async def _work(self, records: Sequence[Any]) -> int | None:
        self.begun.append(records[0].offset)
        await self.go.acquire()
        self.done.append((records[0].partition, [record.offset for record in records]))
        return self.wanted.pop(records[0].offset, None)

    async def _back(self, topic: str, partition: int, offset: int) -> None:
        self.sought.append((topic, partition, offset))

    async def finish(self, pieces: int) -> None:
        for _ in range(pieces):
            self.go.release()
        await until(lambda: len(self.done) >= pieces)


def asyncly(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test in an event loop of its own."""

    @wraps(story)
    def test() -> None:
        asyncio.run(story())

    return test


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0)
    pytest.fail("it never came to that")


@asyncly
async def test_what_came_during_one_piece_of_work_is_the_next_piece() -> None:
    desk = Desk()
    inboxes = desk.inboxes()
    inboxes.put(fetch(0, 1))
    await until(lambda: desk.begun == [0])
    inboxes.put(fetch(2))
    inboxes.put(fetch(3, 4))
    await desk.finish(2)
    assert desk.done == [(0, [0, 1]), (0, [2, 3, 4])]


@asyncly
async def test_a_hole_is_at_the_beginning_of_a_piece_never_inside() -> None:
    desk = Desk()
    inboxes = desk.inboxes()
    for offsets in ((0, 1), (2,), (7, 8), (9,)):
        inboxes.put(fetch(*offsets))
    await desk.finish(2)
    assert desk.done == [(0, [0, 1, 2]), (0, [7, 8, 9])]


@asyncly
async def test_partitions_do_not_wait_for_each_other() -> None:
    desk = Desk()
    inboxes = desk.inboxes()
    inboxes.put(fetch(0))
    inboxes.put(fetch(10, partition=1))
    await until(lambda: len(desk.begun) == 2)
    assert inboxes.busy() == {("events", 0), ("events", 1)}
    await desk.finish(2)
    await until(lambda: not inboxes.busy())


@asyncly
async def test_after_going_back_what_waited_is_forgotten_because_it_comes_again() -> None:
    desk = Desk(wanted={5: 3})
    inboxes = desk.inboxes()
    inboxes.put(fetch(5))
    await until(lambda: desk.begun == [5])
    inboxes.put(fetch(6))
    await desk.finish(1)
    await until(lambda: not inboxes.busy())
    assert desk.sought == [("events", 0, 3)]
    assert desk.done == [(0, [5])]


@asyncly
async def test_a_partition_of_which_much_waits_is_held_until_half_of_it_is_done() -> None:
    desk, big = Desk(), b"x" * AT_ONCE
    inboxes = desk.inboxes()
    inboxes.put(fetch(0, value=big))
    await until(lambda: desk.begun == [0])
    for offset in range(1, 3 + MUCH // AT_ONCE):
        inboxes.put(fetch(offset, value=big))
    place = ("events", 0)
    assert desk.held == [(place, True)]
    for pieces in range(1, 3 + MUCH // AT_ONCE):
        await desk.finish(pieces)
    await until(lambda: not inboxes.busy())
    assert desk.held == [(place, True), (place, False)]
    assert [offset for _, offsets in desk.done for offset in offsets] == list(range(3 + MUCH // AT_ONCE))


@asyncly
async def test_one_piece_is_not_much_more_than_it_may_be_at_once() -> None:
    desk = Desk()
    inboxes = desk.inboxes()
    for offset in range(4):
        inboxes.put(fetch(offset, value=b"x" * (AT_ONCE // 2)))
    await desk.finish(2)
    assert desk.done == [(0, [0, 1]), (0, [2, 3])]


@asyncly
async def test_records_without_a_value_wait_like_others() -> None:
    desk = Desk()
    inboxes = desk.inboxes()
    inboxes.put(fetch(0, value=None))
    await desk.finish(1)
    assert desk.done == [(0, [0])]


@asyncly
async def test_a_partition_that_goes_to_somebody_else_is_let_go_in_the_middle() -> None:
    desk = Desk()
    inboxes = desk.inboxes()
    inboxes.put(fetch(0))
    inboxes.put(fetch(10, partition=1))
    await until(lambda: len(desk.begun) == 2)
    inboxes.release({("events", 0)})
    await desk.finish(1)
    await until(lambda: not inboxes.busy())
    assert desk.done == [(1, [10])]
    inboxes.put(fetch(4))  # it came back
    await desk.finish(2)
    assert desk.done[1:] == [(0, [4])]

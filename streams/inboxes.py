"""Records that wait for their turn, a queue for each partition, and one piece of work on each at a time.

Faust hands an agent one fetch after another.  Here what came while the last piece of work was done becomes the next one:
a worker that is busy takes more at once and pays less for each, so it gains on what it is behind by.
Knows: what is next to what.  Must not know: Faust, what is in a record, what is done with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from streams.overlooked import Partition

Work = Callable[[Sequence[Any]], Awaitable[int | None]]
MUCH: Final = 4 * 2**20  #: bytes that wait for one partition: more is fetched only when half of it is gone
AT_ONCE: Final = 2**20  #: bytes of one piece of work, about; a fetch is not cut


class Inboxes:
    """The queues of one agent.

    ``work`` returns the offset to go back to if the records are not the ones wanted; ``back`` goes there.  ``hold`` is
    called with True when nothing more of a partition should be fetched for now, and with False when it should again.
    """

    def __init__(
        self,
        work: Work,
        back: Callable[[str, int, int], Awaitable[None]],
        hold: Callable[[Partition, bool], None],
    ) -> None:
        self._work = work
        self._back = back
        self._hold = hold
        self._inboxes: dict[Partition, _Inbox] = {}

    def put(self, records: Sequence[Any]) -> None:
        """What one fetch brought of one partition."""
        place = records[0].topic, records[0].partition
        inbox = self._inboxes.setdefault(place, _Inbox())
        inbox.put(records)
        if inbox.bytes > MUCH and not inbox.held:
            inbox.held = True
            self._hold(place, True)
        if inbox.task is None:
            inbox.task = asyncio.create_task(self._empty(place, inbox))

    def busy(self) -> set[Partition]:
        """Partitions of which something waits or is worked on."""
        return {place for place, inbox in self._inboxes.items() if inbox.task is not None}

    def release(self, places: set[Partition]) -> None:
        """Partitions that go to somebody else: nothing more of them is begun here, and nothing ended."""
        for place in places & self._inboxes.keys():
            inbox = self._inboxes.pop(place)
            if inbox.task is not None:
                inbox.task.cancel()

    def close(self) -> None:
        """Begin nothing more."""
        self.release(set(self._inboxes))

    async def _empty(self, place: Partition, inbox: _Inbox) -> None:
        while records := inbox.take():
            wanted = await self._work(records)
            if wanted is not None:
                inbox.clear()  # it comes again, after what is wanted
                await self._back(*place, wanted)
            if inbox.held and inbox.bytes < MUCH // 2:
                inbox.held = False
                self._hold(place, False)
        inbox.task = None


class _Inbox:
    """Fetches of one partition, in order."""

    def __init__(self) -> None:
        self._fetches: deque[tuple[int, Sequence[Any]]] = deque()
        self.bytes = 0
        self.held = False
        self.task: asyncio.Task[None] | None = None

    def put(self, records: Sequence[Any]) -> None:
        size = sum(len(record.value) for record in records if record.value is not None)
        self._fetches.append((size, records))
        self.bytes += size

    def take(self) -> list[Any]:
        """The next fetches, as long as each follows on the one before it: who reads looks for holes at the beginning."""
        taken: list[Any] = []
        size = 0
        while self._fetches and (not taken or (size < AT_ONCE and self._follows(taken[-1]))):
            more, records = self._fetches.popleft()
            taken += records
            size += more
        self.bytes -= size
        return taken

    def _follows(self, last: Any) -> bool:
        return bool(self._fetches[0][1][0].offset == last.offset + 1)

    def clear(self) -> None:
        self._fetches.clear()
        self.bytes = 0

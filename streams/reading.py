"""Reading without holes where Kafka's committed offset is the place of the reader.

Faust may drop a fetch without a word: one that was under way when partitions were shared out anew belongs to another
generation and is passed over, and the next one is handed over as if nothing had been before it.  Where the place of a
reader is in Redis that shows by itself; here it would be a loss, the more so as what is done is committed.
Knows: offsets.  Must not know: Faust, what is in a record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from streams import metrics
from streams.bell import Bell
from streams.lookup import Found
from streams.patience import Patience, Stop

Partition = tuple[str, int]
First = Callable[[str, int, int], Awaitable[Found]]  #: what a log has from an offset on

log = structlog.get_logger("mien")


class Reading:
    """The next record of every partition: everything before it was handed on, by us or by somebody before us."""

    def __init__(self, first: First, patiently: Patience, bell: Bell, *, accept_loss: bool) -> None:
        self._first = first
        self._patiently = patiently
        self._bell = bell
        self._accept_loss = accept_loss
        self._next: dict[Partition, int] = {}

    def begin(self, places: Mapping[Partition, int]) -> None:
        """Reading goes on here."""
        self._next |= places

    def sure(self, topic: str, partition: int) -> int | None:
        """What may be committed; None for a partition that was never begun."""
        return self._next.get((topic, partition))

    @property
    def places(self) -> Mapping[Partition, int]:
        """The next record of every partition."""
        return self._next

    async def read(self, records: Sequence[Any], work: Callable[[Sequence[Any]], Awaitable[int | None]]) -> int | None:
        """Do the work; or return where to go back to, with nothing done, if records were passed over.

        ``work`` may say as well where it wants to go back to.

        Raises:
            Stop: records are gone that nobody has read, and nobody said that this is accepted.
        """
        place = records[0].topic, records[0].partition
        wanted: int = self._next.get(place, records[0].offset)
        if records[0].offset > wanted and await self._is_there(place, wanted, records[0].offset):
            metrics.REWOUND.inc()
            log.warning("rewinding", topic=place[0], partition=place[1], at=records[0].offset, wanted=wanted)
            return wanted
        back = await work(records)
        self._next[place] = max(self._next.get(place, 0), records[-1].offset + 1) if back is None else back
        return back

    async def _is_there(self, place: Partition, wanted: int, came: int) -> bool:
        """Whether the log has records between; it need not: there are markers of transactions, and old age."""
        found = await self._patiently("look for records", lambda: self._first(*place, wanted))
        lost = min(found.start, came) - wanted
        if lost > 0:
            why = f"{lost} records of {place[0]}/{place[1]} are gone before they were read (retention)"
            if not self._accept_loss:
                raise Stop(f"{why}; nothing was skipped. Set MIEN_ACCEPT_LOSS=true to go on without them")
            metrics.LOST.labels(place[0]).inc(lost)
            log.error("going on with a loss", why=why, lost=lost)
            await self._bell.ring("lost", f"{why}: gone on, as MIEN_ACCEPT_LOSS=true says")
        return found.next < came

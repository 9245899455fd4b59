"""Events into a broker's log.

Knows: sending and, where asked, not running too far ahead.  Must not know: what reads them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from bench.progress import Progress
from streams.shoppers import Pace, send
from streams.shoppers import Progress as Sent
from streams.shoppers.batch import Batch

FAR_AHEAD: Final = 200_000  #: events that a sender may be ahead of their reader


def preload(broker: str, events: Iterable[Batch], total: int) -> int:
    """Put events on their topics as fast as it goes; returns how many."""
    return asyncio.run(put(broker, events, total))


async def put(broker: str, events: Iterable[Batch], total: int, counted: Callable[[], int] | None = None) -> int:
    """The same from within a loop; with ``counted`` the sender waits for a reader that is too far behind."""
    sent = 0

    def report(progress: Sent) -> None:
        nonlocal sent
        sent = progress.sent
        bar.at(sent)

    pace = Pace(lag=lambda: sent - counted(), max_lag=FAR_AHEAD) if counted else None
    with Progress("putting events into the log", total) as bar:
        return (await send(events, broker, pace=pace, report=report)).sent

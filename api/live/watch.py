"""The loop behind a kind of stream: look again and again while somebody wants it, whatever a single look comes to.

Knows: pauses, and that a fault is told once.  Must not know: what is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog

PAUSE: Final = 0.5  #: seconds until a store that is away is asked again
log = structlog.get_logger("mien")


async def keep_looking(what: str, look: Callable[[], Awaitable[None]], wanted: asyncio.Event, every: float) -> NoReturn:
    """Call ``look`` every so many seconds while ``wanted`` is set; costs nothing while it is not."""
    failing = False
    while True:
        await wanted.wait()
        try:
            await look()
        except Exception as error:
            if not failing:
                log.warning("live streams wait", what=what, error=str(error)[:200])
            failing = True
            await asyncio.sleep(PAUSE)
        else:
            if failing:
                log.warning("live streams go on", what=what)
            failing = False
            await asyncio.sleep(every)

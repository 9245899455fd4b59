"""What to do when the world is away: try again in place, then stop the process.

An agent never lets a network fault out, because Faust acknowledges an event even when its handling failed.
Knows: waiting and giving up.  Must not know: what is being tried.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import structlog

R = TypeVar("R")
log = structlog.get_logger("mien")

GIVE_UP_AFTER = 300.0  #: seconds; the supervisor starts a new process
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0
EXIT_WORLD, EXIT_BUG, EXIT_RESTART, EXIT_CONFIG = 70, 71, 75, 78  #: after sysexits.h, where it has a word for it


async def patiently(
    what: str, attempt: Callable[[], Awaitable[R]], faults: tuple[type[Exception], ...], give_up: float = GIVE_UP_AFTER
) -> R:
    """The result of ``attempt``, tried again on ``faults`` until it succeeds or ``give_up`` seconds have passed.

    A cancelled wait is passed on at once.  After the deadline the process ends: nothing was acknowledged, so nothing
    is lost.
    """
    started, wait, told = time.monotonic(), FIRST_WAIT, False
    while True:
        try:
            result = await attempt()
        except faults as error:
            waited = time.monotonic() - started
            if waited > give_up:
                leave(f"{what}: still failing after {waited:.0f} s", error, EXIT_WORLD)
            if not told and waited > 1.0:
                log.warning("waiting", what=what, error=str(error)[:200], give_up_after_s=give_up)
                told = True
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        else:
            if told:
                log.warning("goes on", what=what, waited_s=round(time.monotonic() - started, 1))
            return result


async def surely(work: Awaitable[R]) -> R:
    """The result of ``work``; a fault that nobody expected is our bug, and ends the process loudly.

    Faust would acknowledge what failed and go on with the next.
    """
    try:
        return await work
    except Exception as error:
        log.exception("a bug")
        leave("a fault that should not be possible; nothing was acknowledged", error, EXIT_BUG)


def leave(why: str, error: BaseException | None = None, code: int = EXIT_WORLD) -> NoReturn:
    """End the process now, without Faust's farewell, which would commit what was not done."""
    log.critical("stopping", why=why, error=repr(error) if error else None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

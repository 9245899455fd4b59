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
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import structlog

from profiles.errors import MienError
from streams import metrics

R = TypeVar("R")
Passing = Callable[[BaseException], bool]  #: whether waiting may help
log = structlog.get_logger("mien")

GIVE_UP_AFTER = 300.0  #: seconds; the supervisor starts a new process
TELL_AFTER = 1.0
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0
EXIT_WORLD, EXIT_BUG, EXIT_RESTART, EXIT_CONFIG = 70, 71, 75, 78  #: after sysexits.h, where it has a word for it


class Stop(MienError):
    """The process must not go on; the message says why and what to do, ``code`` how it ends."""

    def __init__(self, why: str, code: int = EXIT_CONFIG) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Wait:
    """Something that is waited for, long enough to be told."""

    what: str
    error: str
    since: float  #: monotonic seconds


class Patience:
    """Tries again for as long as a fault may pass."""

    def __init__(self, passing: Passing, give_up: float = GIVE_UP_AFTER) -> None:
        self.passing = passing
        self.give_up = give_up
        self._waits: dict[object, Wait] = {}

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What is being waited for now, the longest first."""
        return tuple(sorted(self._waits.values(), key=lambda wait: wait.since))

    async def __call__(self, what: str, attempt: Callable[[], Awaitable[R]]) -> R:
        """The result of ``attempt``, tried again on passing faults until it succeeds or ``give_up`` seconds are over.

        A cancelled wait is passed on at once.  After the deadline the process ends: nothing was acknowledged, so
        nothing is lost.
        """
        started, pause, token = 0.0, FIRST_WAIT, object()
        try:
            while True:
                try:
                    result = await attempt()
                except Exception as error:
                    if not self.passing(error):
                        raise
                    started = started or time.monotonic()  # what was tried may have gone well for long
                    self._waited(token, what, error, started)
                else:
                    if token in self._waits:
                        log.warning("goes on", what=what, waited_s=round(time.monotonic() - started, 1))
                    return result
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_WAIT)
        finally:
            if self._waits.pop(token, None) is not None:
                metrics.WAITING.labels(what).dec()

    def _waited(self, token: object, what: str, error: Exception, started: float) -> None:
        waited = time.monotonic() - started
        if waited > self.give_up:
            leave(f"{what}: still failing after {waited:.0f} s", error, EXIT_WORLD)
        if waited < TELL_AFTER:
            return
        if token not in self._waits:
            log.warning("waiting", what=what, error=str(error)[:200], give_up_after_s=self.give_up)
            metrics.WAITING.labels(what).inc()
        self._waits[token] = Wait(what, str(error)[:200], started)


async def surely(work: Awaitable[R]) -> R:
    """The result of ``work``; a fault that nobody expected is our bug, and ends the process loudly.

    Faust would acknowledge what failed and go on with the next.
    """
    try:
        return await work
    except Stop as stop:
        leave(str(stop), code=stop.code)
    except Exception as error:
        log.exception("a bug")
        leave("a fault that should not be possible; nothing was acknowledged", error, EXIT_BUG)


def leave(why: str, error: BaseException | None = None, code: int = EXIT_WORLD) -> NoReturn:
    """End the process now, without Faust's farewell, which would commit what was not done."""
    log.critical("stopping", why=why, error=repr(error) if error else None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

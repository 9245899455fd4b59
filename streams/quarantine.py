"""Where events go that our own fault keeps from being counted: to the dead letters, with their bytes, and loudly.

Knows: the dead-letter topic, how to get at the record an app sent, how many faults are too many.
Must not know: how the one to blame was found.

Whoever sets something aside goes on only when Kafka has it, so a crash in between does it again and loses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol

import structlog

from profiles.identity.names import source_of
from profiles.wire import KEPT_BYTES, headers
from streams import metrics
from streams.bell import Bell
from streams.patience import EXIT_BUG, Stop
from streams.sift import Poison, said
from streams.topics import DEAD_LETTERS

log = structlog.get_logger("mien")
WINDOW = 60.0  #: seconds over which faults are counted

Fetch = Callable[[str, int, int], Awaitable[bytes | None]]  #: topic, partition, offset -> the record's value


class Sender(Protocol):
    """The part of an aiokafka producer that is needed here."""

    def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> Awaitable[Any]: ...


class Limit:
    """How many things may be set aside in a minute; asking twice about one counts once."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``most=0``: any number may."""
        self._most = most
        self._clock = clock
        self._seen: dict[Hashable, float] = {}

    def note(self, things: Iterable[Hashable]) -> None:
        """Count them.

        Raises:
            Stop: that is one too many; nothing was set aside yet.
        """
        now = self._clock()
        self._seen = {each: at for each, at in self._seen.items() if now - at < WINDOW}
        for each in things:
            self._seen.setdefault(each, now)
        if self._most and len(self._seen) > self._most:
            raise Stop(
                f"{len(self._seen)} events of the last minute could not be handled: this looks like a bad deploy, not "
                "bad data. Nothing of it was skipped: go back to the release before, or mend this one; if the events "
                "are to blame after all, raise MIEN_FAULTS_PER_MINUTE (0: any number) and they become dead letters",
                EXIT_BUG,
            )


class Quarantine:
    """Sets events aside."""

    def __init__(self, sender: Sender, limit: Limit, fetch: Fetch, bell: Bell) -> None:
        self.limit = limit
        self._sender = sender
        self._fetch = fetch
        self._bell = bell

    async def set_aside(self, found: Sequence[Poison]) -> None:
        """Returns when all of it is safely among the dead letters.

        Raises:
            Stop: there are too many of them.
        """
        self.limit.note((each.letter.topic, each.letter.partition, each.letter.offset) for each in found)
        for each in found:
            log.error("set aside", reason=each.letter.reason, at=_where(each), exc_info=each.error)
        values = await asyncio.gather(*(self._value(each) for each in found))
        await asyncio.gather(
            *(
                self._sender.send_and_wait(DEAD_LETTERS, value[:KEPT_BYTES], headers=headers(each.letter, form))
                for each, (value, form) in zip(found, values, strict=True)
            )
        )
        for each in found:
            metrics.REJECTED.labels(each.letter.reason).inc()
            await self._bell.ring("set aside", f"an event could not be handled and is a dead letter: {_where(each)}")

    async def leave_alone(self, bucket: int, profile: str, error: BaseException) -> None:
        """A customer whom silence must not touch for now, because that fails.

        Raises:
            Stop: there are too many of them.
        """
        self.limit.note([("profile", bucket, profile)])
        log.error("left alone", bucket=bucket, profile=profile, exc_info=error)
        metrics.LEFT_ALONE.inc()
        await self._bell.ring("left alone", f"silence cannot reach a customer of bucket {bucket}: {said(error)}")

    async def _value(self, poison: Poison) -> tuple[bytes, str]:
        """What the app sent, if Kafka still has it; else what is left of it."""
        if poison.raw:
            return poison.value, "raw"
        sent = await self._fetch(source_of(poison.letter.topic), poison.letter.partition, poison.letter.offset)
        return (poison.value, "packed") if sent is None else (sent, "raw")


def _where(poison: Poison) -> str:
    return f"{poison.letter.topic}/{poison.letter.partition} at {poison.letter.offset}, {poison.letter.detail}"

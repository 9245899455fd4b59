"""The alert desk, live: one reader of the feed per process, every stream gets what it reads.

Knows: ids of the feed, how to catch up after them.  Must not know: HTTP, what an alert is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from api.live.channel import Channel, frame
from api.live.watch import keep_looking
from profiles.store.desk_reads import FeedEvent

WAIT_MS: Final = 1000  #: one look at the feed; shorter than what a command may take
PAGE: Final = 200
RESET: Final = b'{"reason":"what came after this id is no longer kept; read /v1/alerts again"}'
_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


class Feed(Protocol):
    """The part of the desk that is followed."""

    async def feed(self, after: str, *, limit: int = 100, wait_ms: int = 0) -> list[FeedEvent]: ...

    async def feed_start(self) -> str: ...

    async def feed_end(self) -> str: ...


class AlertFeed:
    """Everything that happens to alerts, for anybody who listens."""

    def __init__(self, desk: Feed) -> None:
        self._desk = desk
        self._told: dict[Channel, str] = {}  #: the id each stream has been told last
        self._at = ""  #: the id up to which the shared reader has read, while anybody listens
        self._listeners = 0
        self._wanted = asyncio.Event()
        self._closed = False

    @asynccontextmanager
    async def follow(self, last: str | None) -> AsyncIterator[Channel]:
        """A stream that goes on after the event ``last``, or begins now.

        Raises an error that ``away`` knows if the store does not answer.
        """
        channel = Channel()
        self._listeners += 1
        try:
            if not self._at:
                self._begin(await self._desk.feed_end())
            told = self._at if last is None else await self._catch_up(channel, last)
            self._told[channel] = told
            self._wanted.set()
            if self._closed:
                channel.close()
            yield channel
        finally:
            self._told.pop(channel, None)
            self._listeners -= 1
            if not self._listeners:
                self._wanted.clear()
                self._at = ""

    async def run(self) -> None:
        """Read and tell, for ever."""
        await keep_looking("alerts", self.look, self._wanted, 0)

    async def look(self) -> None:
        """Wait a moment for news, and tell it."""
        for event in await self._desk.feed(self._at, limit=PAGE, wait_ms=WAIT_MS):
            if self._at and _order(event.id) > _order(self._at):  # the last listener may have left meanwhile
                self._tell_all(event)

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        for channel in self._told:
            channel.close()

    def _begin(self, end: str) -> None:
        """Somebody else may have begun while the end was looked up."""
        self._at = self._at or end

    def _tell_all(self, event: FeedEvent) -> None:
        said = _frame(event)
        for channel, told in self._told.items():
            if _order(event.id) > _order(told):
                channel.put(said)
                self._told[channel] = event.id
        self._at = event.id

    async def _catch_up(self, channel: Channel, last: str) -> str:
        """Say what came after ``last``; the id that was reached, which is not behind the shared reader."""
        end = await self._desk.feed_end()
        if not await self._kept(last, end):
            channel.put(frame("reset", RESET, end))
            return end
        told = last
        while not channel.closed:
            events = await self._desk.feed(told, limit=PAGE)
            for event in events:
                channel.put(_frame(event))
                told = event.id
            if not events and _order(told) >= _order(self._at):
                break
        return told

    async def _kept(self, last: str, end: str) -> bool:
        """Whether everything after ``last`` is still in the feed; ``0-0`` asks for all there is."""
        if not _ID.fullmatch(last) or _order(last) > _order(end):
            return False
        return _order(last) == (0, 0) or _order(last) >= _order(await self._desk.feed_start())


def _frame(event: FeedEvent) -> bytes:
    return frame("alert", b'{"type":"%b","alert":%b}' % (event.type.encode(), event.data), event.id)


def _order(name: str) -> tuple[int, int]:
    """Ids of a stream in order.

    >>> _order("9-2") < _order("10-0")
    True
    """
    time, _, number = name.partition("-")
    return int(time), int(number)

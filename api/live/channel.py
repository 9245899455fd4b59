"""One open stream: what was said waits here until its client has taken it.

Knows: the wire format of server-sent events.  Must not know: what is said, HTTP, Redis.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

WAITING: Final = 512  #: frames a slow client may leave untaken; beyond that it must come back with its last id
PING: Final = b": ping\n\n"
HELLO: Final = b": live\n\n"  #: the first bytes of every stream; proxies pass an answer on once it has some


def frame(event: str, data: bytes, name: str) -> bytes:
    r"""One event; ``name`` is what the client sends back as Last-Event-ID.

    >>> frame("alert", b'{"a":1}', "7-0")
    b'event: alert\ndata: {"a":1}\nid: 7-0\n\n'
    """
    return b"event: %b\ndata: %b\nid: %b\n\n" % (event.encode(), data, name.encode())


class Channel:
    """Frames for one client, in order."""

    ping_every = 15.0  #: seconds; proxies close connections that are silent for much longer

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._news = asyncio.Event()
        self.closed = False

    def put(self, said: bytes) -> None:
        """Say something; a client that is too far behind is cut off, and resumes by itself."""
        if len(self._frames) >= WAITING:
            self.close()
        if not self.closed:
            self._frames.append(said)
            self._news.set()

    def close(self) -> None:
        """End the stream once the client has taken what is here."""
        self.closed = True
        self._news.set()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """What was said, as it is said; a ping when nothing was for a while."""
        while True:
            while self._frames:
                yield self._frames.popleft()
            if self.closed:
                return
            self._news.clear()
            try:
                async with asyncio.timeout(self.ping_every):
                    await self._news.wait()
            except TimeoutError:
                yield PING

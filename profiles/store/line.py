"""One connection that is never waited for: calls are written as they are made, answers are handed out as they come.

Knows: that a server answers in the order in which it was asked, so that nobody waits for somebody else's answer.
Must not know: keys, what an answer means (``together`` does), whether to ask again (callers do).
redis-py makes the connection, signs in, packs and reads; but it takes a connection for one call, gives it back after the
answer and sets a clock for each write and each read, which costs more than the call.  Here a write carries whatever was
asked within a turn of the loop, and one clock watches the oldest call.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as Late

IDLE: Final = 15.0  #: seconds without a call after which nobody knows whether the other side is still there


class Line:
    """A connection that is used by many at once.

    ``connection`` must not watch the time itself; ``seconds`` is how long it may take to connect, or to answer.
    """

    def __init__(self, connection: AbstractConnection, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._connection: Any = connection  # its answers are typed bytes-or-text; ours are bytes
        self._seconds = seconds
        self._unsent: list[bytes] = []
        self._asked: deque[tuple[asyncio.Future[Any], float]] = deque()  #: who waits, and since when
        self._bell = self.loop.create_future()
        self._last = self.loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._over = False
        self._life = self.loop.create_task(self._live())

    @property
    def usable(self) -> bool:
        """Whether it is worth asking here."""
        return not self._over and (bool(self._asked) or self.loop.time() - self._last < IDLE)

    def ask(self, words: tuple[Any, ...]) -> asyncio.Future[Any]:
        """The answer to come: what the server says or its error, or what happened to the connection.

        Raises:
            DataError: a word is none that can be sent.
        """
        self._unsent += self._connection.pack_command(*words)
        self._last = self.loop.time()
        answer = self.loop.create_future()
        self._asked.append((answer, self._last))
        if self._watch is None:
            self._watch = self.loop.call_later(self._seconds, self._look)
        if not self._bell.done():
            self._bell.set_result(None)  # the writer wakes in the next turn: whoever asks in this one comes along
        return answer

    def let_go(self) -> None:
        """Close soon; whoever still waits is told now."""
        self._end(Gone("the connection was closed"))
        self._life.cancel()

    async def close(self) -> None:
        """Close; whoever still waits is told."""
        self.let_go()
        with suppress(asyncio.CancelledError):
            await self._life

    async def _live(self) -> None:
        writer: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._seconds):
                await self._connection.connect()
            writer = self.loop.create_task(self._write())
            await self._read()
        except asyncio.CancelledError:
            self._end(None)
            raise
        except TimeoutError:
            self._end(Late(f"not connected after {self._seconds:g} s"))
        except (RedisError, OSError) as error:
            self._end(error)
        finally:
            if writer is not None:
                writer.cancel()
            await self._connection.disconnect(nowait=True)

    async def _write(self) -> None:
        """A connection that cannot be written to is closed by redis-py, and the reader learns of it."""
        with suppress(RedisError, OSError):
            while True:
                await self._bell
                self._bell = self.loop.create_future()
                words, self._unsent = self._unsent, []
                await self._connection.send_packed_command(words, check_health=False)

    async def _read(self) -> None:
        while True:
            try:
                said = await self._connection.read_response(timeout=math.inf)
            except ResponseError as error:
                said = error
            if not self._asked:
                raise Gone("the server answered where nobody had asked")
            answer, _ = self._asked.popleft()
            if answer.done():  # who asked may have left
                continue
            if isinstance(said, ResponseError):
                answer.set_exception(said)
            else:
                answer.set_result(said)

    def _look(self) -> None:
        """End with the oldest call if it has waited too long; else look again when it will have."""
        self._watch = None
        if not self._asked:
            return
        left = self._asked[0][1] + self._seconds - self.loop.time()
        if left > 0:
            self._watch = self.loop.call_later(left, self._look)
        else:
            self._end(Late(f"no answer after {self._seconds:g} s"))
            self._life.cancel()

    def _end(self, why: Exception | None) -> None:
        """No answer comes any more; without a reason because the loop itself ends, and with it whoever waits."""
        self._over = True
        if self._watch is not None:
            self._watch.cancel()
        asked, self._asked = self._asked, deque()
        for answer, _ in asked:
            if answer.done():
                continue
            if why is None:
                answer.cancel()
            else:
                answer.set_exception(why)

"""A client of one server whose calls travel together.

Knows: that a round trip costs more than what it carries, whoever asked.
Must not know: keys, scripts, what is stored.
A busy worker asks Redis from many tasks at once, a busy API from many requests; all of them use one ``Line``.  Calls are
carried out in the order in which they were made; each has its own answer or error, and what happens to the connection
happens to all.  In a Cluster everybody asks alone: a node that is away must not fail calls to others.
"""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import Any, Final

import redis.asyncio
from redis.client import EMPTY_RESPONSE, NEVER_DECODE

from profiles.store.line import Line

ALONE: Final = frozenset({"XREAD", "XREADGROUP", "BLPOP", "BRPOP", "BLMOVE", "BZPOPMIN", "WAIT"})  #: may block
APART: Final = frozenset({EMPTY_RESPONSE, NEVER_DECODE})  #: options by which redis-py reads an answer in another way


class Together(redis.asyncio.Redis):
    """redis-py's client, but for how its calls travel.  A transaction or a pipeline has a connection of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line: Line | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The answer to one command."""
        if args[0] in ALONE or not APART.isdisjoint(options):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        line = self._line
        if line is None or not line.usable or line.loop is not asyncio.get_running_loop():
            line = self._line = self._open(line)
        said = await line.ask(args)
        read = self.response_callbacks.get(args[0])
        if read is None:
            return said
        options.pop("keys", None)  # of redis-py's cache
        told = read(said, **options)
        return await told if isawaitable(told) else told

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Let go of every connection."""
        line, self._line = self._line, None
        if line is not None and line.loop is asyncio.get_running_loop():
            await line.close()
        await super().aclose(close_connection_pool)

    def _open(self, before: Line | None) -> Line:
        """A new line; what a line of another loop had is gone with its loop."""
        if before is not None and before.loop is asyncio.get_running_loop():
            before.let_go()
        connection = self.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        seconds, connection.socket_timeout = connection.socket_timeout, None
        return Line(connection, seconds)

"""A client of one server whose calls travel together.

Knows: that a round trip costs more than what it carries, whoever asked.
Must not know: keys, scripts, what is stored.
A busy worker asks Redis from many tasks at once, a busy API from many requests.  What is asked while a trip is under way
waits for the next one, so nobody waits longer than a trip, and the more there is to ask the less each call costs.
Within a trip calls are carried out in the order in which they were made; each has its own answer or error, and what
happens to the connection happens to all.  In a Cluster everybody asks alone: a node that is away must not fail calls to
others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import redis.asyncio

TRIPS: Final = 2  #: under way at once; while one is answered, the next is being asked
MOST: Final = 200  #: calls of one trip
ALONE: Final = frozenset({"XREAD", "XREADGROUP", "BLPOP", "BRPOP", "BLMOVE", "BZPOPMIN", "WAIT"})  #: may block


class _Call(NamedTuple):
    words: tuple[Any, ...]
    options: dict[str, Any]
    answer: asyncio.Future[Any]


class Together(redis.asyncio.Redis):
    """redis-py's client, but for how its calls travel."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting: list[_Call] = []
        self._trips: set[asyncio.Task[None]] = set()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The answer to one command."""
        if args[0] in ALONE:
            return await self._alone(args, options)
        loop = asyncio.get_running_loop()
        call = _Call(args, options, loop.create_future())
        self._waiting.append(call)
        if len(self._waiting) == 1:
            loop.call_soon(self._set_off)  # whoever asks within this turn of the loop comes along
        return await call.answer

    def _set_off(self) -> None:
        while self._waiting and len(self._trips) < TRIPS:
            calls, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            trip = asyncio.create_task(self._travel(calls))
            self._trips.add(trip)
            trip.add_done_callback(self._back)

    def _back(self, trip: asyncio.Task[None]) -> None:
        self._trips.discard(trip)
        self._set_off()

    async def _travel(self, calls: Sequence[_Call]) -> None:
        try:
            answers = await self._ask(calls)
        except BaseException as error:
            answers = [error] * len(calls)
            if not isinstance(error, Exception):  # this task is being ended, and with it whoever waits for it
                for call in calls:
                    call.answer.cancel()
                raise
        for call, answer in zip(calls, answers, strict=True):
            if call.answer.done():  # who asked may have left
                continue
            if isinstance(answer, BaseException):
                call.answer.set_exception(answer)
            else:
                call.answer.set_result(answer)

    async def _ask(self, calls: Sequence[_Call]) -> list[Any]:
        if len(calls) == 1:
            return [await self._alone(calls[0].words, calls[0].options)]
        pipe: Any = self.pipeline(transaction=False)
        pipe.command_stack = [(call.words, call.options) for call in calls]
        return cast("list[Any]", await pipe.execute(raise_on_error=False))

    async def _alone(self, words: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return await super().execute_command(*words, **options)  # type: ignore[no-untyped-call]

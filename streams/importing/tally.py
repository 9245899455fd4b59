"""Tells the store beside an import what became of its rows, for ``/v1/sources/quality``; the import never waits for it.

What is told are the numbers of the notes, which begin with the first row, so a kill or a store that is away costs nothing:
whoever goes on tells them, and so does the next import of any file.
Knows: when it is told.  Must not know: how it is kept, what the counts mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Self

from redis.exceptions import RedisError

from profiles.clock import Clock
from profiles.errors import MienError
from profiles.imports import Import
from profiles.settings import Settings
from profiles.store.client import connect
from profiles.store.imports import ImportStore
from profiles.store.quality import KEPT
from streams.importing.position import Position

EVERY: Final = 1.0  #: seconds between two tellings
PATIENCE: Final = 5.0  #: seconds for all that is to be told once
FIELDS: Final = 300  #: of one kind of counts that are told, the most frequent; a file of JSON may have any number


class Tally:
    """What is to be told, and whether it could be."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.trouble = ""  #: why something is not told yet
        self._settings = settings
        self._clock = clock
        self._waiting: dict[str, Position] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._now_and_then())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._tell()

    def note(self, positions: Iterable[Position]) -> None:
        """Tell of these soon; of one that goes on, how far it will be by then."""
        for each in positions:
            if each.rows and each.started >= self._clock() - KEPT:
                self._waiting[each.mark.rpartition("-")[0]] = each

    async def _now_and_then(self) -> None:
        while True:
            await self._tell()
            await asyncio.sleep(EVERY)

    async def _tell(self) -> None:
        """All that waits; what cannot be told goes on waiting."""
        if not self._waiting:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                client = connect(self._settings.redis, timeout=PATIENCE / 2)
                try:
                    await self._tell_all(ImportStore(client))
                finally:
                    await client.aclose()
        except (MienError, RedisError, OSError) as error:  # TimeoutError is an OSError; no store may stop an import
            self.trouble = str(error) or "it does not answer"
        else:
            self.trouble = ""

    async def _tell_all(self, store: ImportStore) -> None:
        for name, position in list(self._waiting.items()):
            one = told(position)
            await store.tell(name, one)
            if self._waiting[name].rows == one.rows:
                del self._waiting[name]


def told(position: Position) -> Import:
    """An import as it is noted, for everybody."""
    counts = dict(sorted(position.counts.items(), key=lambda each: -each[1]))
    for kind in ("filled:", "repaired:", "dropped:"):
        for name in [name for name in counts if name.startswith(kind)][FIELDS:]:
            del counts[name]
    at = position.finished or position.at or position.started
    return Import(position.source, position.started, at, position.rows, counts, tuple(position.fields))

"""What a piece of work would change in one bucket; nothing is written here, so anything may be tried.

Knows: how profiles are loaded, which rules and cut points decide, how work becomes a step.
Must not know: when work is done, whether it was committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from profiles import inputs
from profiles.clock import Millis, Zone
from profiles.layout import TABLES
from profiles.quarantine import check, read_rows
from profiles.step import Rows, Step

if TYPE_CHECKING:
    from profiles.store.base import Checkpoint, ProfileStore
    from profiles.store.worlds import Worlds

NOBODY = Rows([], np.zeros((0, TABLES.size), np.int64))


class Planner:
    """Makes steps for one bucket.  Every call may raise ``StoreDown``, and ``Damaged`` for profiles it cannot read."""

    def __init__(self, number: int, store: ProfileStore, worlds: Worlds, zone: Zone) -> None:
        self._number = number
        self._store = store
        self._worlds = worlds
        self._zone = zone

    async def nothing(self, at: Checkpoint, now: Millis) -> Step:
        """A step that touches nobody."""
        return await self._begin(at, NOBODY, now)

    async def events(
        self, at: Checkpoint, batches: Sequence[inputs.Batch], told: Millis, until: Millis | None = None
    ) -> tuple[inputs.Work, Step]:
        """Fold what is new in ``batches``, in a replay only up to ``until``; ``told`` is when it is told, if not later."""
        work = inputs.gather(batches, at.offsets, self._zone, until)
        check(work)
        rows = await self._load(work.profiles)
        if work.patches:
            rows = replace(rows, sidecars=await self._sidecars(work))
        step = await self._begin(at, rows, told)
        history = any(batch.origin == "backfill" for batch in batches)
        step.events(work, "backfill" if history else "live")
        if history and told:  # what silence did up to today is history as well
            step.silence(np.full(len(work.profiles), told, np.int64), "backfill")
        return work, step

    async def silence(self, at: Checkpoint, profiles: Sequence[str], now: Millis, told: Millis) -> Step:
        """Let these customers feel the silence until now, and tell it as of ``told``, or its own moment if later."""
        step = await self._begin(at, await self._load(profiles), told)
        step.silence(np.full(len(profiles), now, np.int64), "sweep")
        return step

    async def renewal(self, at: Checkpoint, profiles: Sequence[str], now: Millis) -> Step:
        """Ask today's rules about customers that older rules decided."""
        step = await self._begin(at, await self._load(profiles), now)
        step.renewal(np.full(len(profiles), now, np.int64))
        return step

    async def _load(self, profiles: Sequence[str]) -> Rows:
        blobs = await self._store.load(self._number, profiles)
        return Rows(profiles, read_rows(profiles, blobs, self._worlds.layouts))

    async def _sidecars(self, work: inputs.Work) -> dict[str, bytes | None]:
        """The traits in words of those who told some."""
        patched = [work.profiles[row] for row in sorted({int(work.events.row[event]) for event, _ in work.patches})]
        return dict(zip(patched, await self._store.sidecars(self._number, patched), strict=True))

    async def _begin(self, at: Checkpoint, rows: Rows, now: Millis) -> Step:
        world = await self._worlds.world(at.rules, at.cuts)
        book, model = await self._worlds.book(at.rules), await self._worlds.model(at.cuts)
        return Step(self._number, rows, world, book, at.seq, now, model)

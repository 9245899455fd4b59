"""How often silence was decided while events were applied: the part of an update's cost that is not the event's own.

Knows: that every decision about a profile raises its version by one.  Must not know: what was decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profiles.clock import Clock, Millis, Zone
from profiles.identity.guards import Limits
from profiles.inputs import Batch, Work
from profiles.layout import TABLES
from profiles.step import Rows, Step
from profiles.store.base import Checkpoint, ProfileStore
from profiles.store.worlds import Worlds
from streams.bucket import Bucket
from streams.plan import NOBODY, Planner


class _Watched(Planner):
    """A planner that counts decisions; at the cost of adding up one column before and after."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.decided = 0
        self._loaded, self._before = NOBODY, 0

    async def events(
        self, at: Checkpoint, batches: Sequence[Batch], told: Millis, until: Millis | None = None
    ) -> tuple[Work, Step]:
        work, step = await super().events(at, batches, told, until)
        self.decided += _versions(self._loaded) - self._before
        return work, step

    async def _load(self, profiles: Sequence[str]) -> Rows:
        self._loaded = await super()._load(profiles)
        self._before = _versions(self._loaded)
        return self._loaded


class WatchedBucket(Bucket):
    """A bucket that says how many decisions its events came to."""

    def __init__(self, number: int, store: ProfileStore, worlds: Worlds, clock: Clock, zone: Zone) -> None:
        super().__init__(number, store, worlds, clock, zone, replay=False)
        self._planner: _Watched = _Watched(number, store, worlds, zone, Limits(), 1, 1)

    @property
    def decided(self) -> int:
        """Decisions so far while events were applied: one for each event, and one for each silence before it."""
        return self._planner.decided


def _versions(rows: Rows) -> int:
    return int(rows.state[:, TABLES.version].sum())

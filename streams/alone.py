"""Silence reaches everybody but those whom it fails for; they are left alone for an hour, then tried again.

A customer whose stored profile is damaged must not keep all others of the bucket from what is due.
Knows: trying.  Must not know: what silence does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from profiles.clock import HOUR, Clock, Millis
from profiles.quarantine import Damaged
from streams.sift import Aside, Trial, ours, shortest, tried

if TYPE_CHECKING:
    from profiles.store.base import Commit

Plan = Callable[[Sequence[str]], Awaitable["Commit"]]


class Reach:
    """One bucket's memory of who is left alone."""

    def __init__(self, bucket: int, clock: Clock, aside: Aside | None) -> None:
        """Without ``aside`` a fault is raised."""
        self._bucket = bucket
        self._clock = clock
        self._aside = aside
        self._until: dict[str, Millis] = {}

    @property
    def alone(self) -> int:
        """How many are left alone now."""
        return len(self._until)

    async def __call__(self, profiles: Sequence[str], plan: Plan) -> tuple[list[str], Commit]:
        """Those whom the plan does not fail for, and their commit."""
        self._until = {name: until for name, until in self._until.items() if until > self._clock()}
        while True:
            reached = [profile for profile in profiles if profile not in self._until]
            try:
                return reached, await plan(reached)
            except Exception as error:
                if self._aside is None or not ours(error):
                    raise
                for profile, why in await _to_blame(reached, error, tried(plan)):
                    await self._aside.leave_alone(self._bucket, profile, why)
                    self._until[profile] = self._clock() + HOUR


async def _to_blame(profiles: list[str], error: Exception, trial: Trial[str]) -> list[tuple[str, Exception]]:
    if isinstance(error, Damaged):
        return [(profile, error) for profile in sorted(error.profiles)]
    if await trial([]) is not None:
        raise error
    count, why = await shortest(profiles, trial)
    return [(profiles[count - 1], why)]

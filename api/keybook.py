"""Keys at hand: those of the settings, and those of the store for a second.

Knows: digests and how long to believe them.  Must not know: HTTP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hmac import compare_digest
from typing import Final

from profiles.access import Key, digest
from profiles.clock import SECOND, Clock, Millis

BELIEVED: Final = SECOND  #: how long a revoked key may still work
REMEMBERED: Final = 4096  #: answers kept; a flood of wrong keys costs look-ups, never memory

Find = Callable[[str], Awaitable[Key | None]]  #: looks a digest up in the store


class KeyBook:
    """Finds the key that a caller shows."""

    def __init__(self, find: Find, fixed: Sequence[tuple[str, Key]], clock: Clock) -> None:
        self._find = find
        self._fixed = tuple(fixed)
        self._clock = clock
        self._seen: dict[str, tuple[Millis, Key | None]] = {}

    async def find(self, given: str) -> Key | None:
        """The key, or None if nobody made it or it was revoked."""
        hashed = digest(given)
        seen = self._seen.get(hashed)
        if seen is not None and 0 <= self._clock() - seen[0] < BELIEVED:
            return seen[1]
        key = self._configured(hashed) or await self._find(hashed)
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[hashed] = self._clock(), key
        return key

    def _configured(self, hashed: str) -> Key | None:
        """Compares with every one of them, so that time tells nothing."""
        found = None
        for known, key in self._fixed:
            if compare_digest(known, hashed):
                found = key
        return found

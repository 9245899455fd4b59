"""How much one key may send: a bucket of events that refills.

Knows: keys by their id, seconds.  Must not know: requests, what an event is.
A batch is taken whole or not at all: while something is left it may go into debt, and the next one waits until that is
paid.  So a batch larger than the bucket gets through, and the rate still holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REMEMBERED: Final = 4096  #: keys; more than any shop has sources


@dataclass
class _Bucket:
    left: float
    at: float


class Limits:
    """One bucket for each key, a second deep."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        """``per_second=0``: any number.  ``clock`` gives seconds and never goes back."""
        self._rate = per_second
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, key: str) -> int:
        """Whole seconds until this key may send again; 0: now."""
        if not self._rate:
            return 0
        left = self._filled(key).left
        return 0 if left > 0 else max(math.ceil(-left / self._rate), 1)

    def spend(self, key: str, events: int) -> None:
        """So many were sent."""
        if self._rate:
            self._filled(key).left -= events

    def _filled(self, key: str) -> _Bucket:
        now = self._clock()
        if len(self._buckets) >= REMEMBERED:
            self._buckets.clear()
        bucket = self._buckets.setdefault(key, _Bucket(self._rate, now))
        bucket.left = min(bucket.left + (now - bucket.at) * self._rate, self._rate)
        bucket.at = now
        return bucket

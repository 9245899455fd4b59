"""Not faster than so many a second.

Knows: elapsed time.  Must not know: what is being paced.
"""

from __future__ import annotations

import time


class Pace:
    """Call ``wait`` once for each thing done; it sleeps as needed to keep the rate."""

    def __init__(self, rate: float | None) -> None:
        self._step = 1.0 / rate if rate else 0.0
        self._next = time.monotonic()

    def wait(self) -> None:
        if not self._step:
            return
        now = time.monotonic()
        self._next = max(self._next + self._step, now - 1.0)
        if self._next > now:
            time.sleep(self._next - now)

"""The frequent among very many, in bounded memory: Misra-Gries counters that fade.

There is room for a number of counters.  When twice as many have collected, the weight of the first one beyond the room is
taken off all of them and those that come to nothing go.  So a counter is never above the truth, and never below it by
more than ``missed``, which is at most the total weight divided by the room.
Source: Misra and Gries, Finding repeated elements, 1982; taken off many at once as in Agarwal et al., Mergeable
summaries, PODS 2012.  Fading multiplies counters and bound alike, so both promises hold of faded weights.
Knows: whole numbers as keys, weights.  Must not know: what is counted.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

NOTHING: Final = 1e-3  #: a weight below is forgotten when counters fade; it counts as missed


@dataclass
class Frequent:
    """Counters of one sort of thing."""

    room: int  #: counters that survive a shedding; there are never more than twice as many and one addition
    counts: dict[int, float] = field(default_factory=dict)  #: key -> weight, at least the truth less ``missed``
    missed: float = 0.0  #: by how much a counter, or one that is not there, may be too low
    total: float = 0.0  #: weight of everything that was added

    def add(self, keys: Iterable[int], weight: float) -> None:
        """Each of these once more.

        >>> few = Frequent(1)
        >>> for key in (1, 1, 1, 2, 3):
        ...     few.add([key], 1.0)
        >>> few.counts, few.missed
        ({1: 2.0}, 1.0)
        """
        counts, added = self.counts, 0
        for key in keys:
            counts[key] = counts.get(key, 0.0) + weight
            added += 1
        self.total += added * weight
        if len(counts) > 2 * self.room:
            self._shed()

    def fade(self, factor: float) -> None:
        """Everything that was counted so far counts less."""
        self.counts = {key: n * factor for key, n in self.counts.items()}
        self.missed *= factor
        self.total *= factor
        if min(self.counts.values(), default=NOTHING) < NOTHING:
            gone = max(n for n in self.counts.values() if n < NOTHING)
            self.counts = {key: n for key, n in self.counts.items() if n >= NOTHING}
            self.missed += gone

    def _shed(self) -> None:
        cut = heapq.nlargest(self.room + 1, self.counts.values())[-1]
        self.counts = {key: n - cut for key, n in self.counts.items() if n > cut}
        self.missed += cut

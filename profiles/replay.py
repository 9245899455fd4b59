"""Replaying history in the order it happened, whatever order it arrives in.

A customer's events come from several topics and partitions, and while a backlog is read some run days ahead of others.
Live, nobody can wait for that; in a replay (``MIEN_CLOCK=stream``) everything is held until every source has passed
its time, then applied by (time, source, offset).  So a replay gives the same history every time, however it was
interrupted.
Knows: clocks of sources, batches that wait.  Must not know: Kafka, Redis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from profiles.clock import MINUTE, NEVER, Millis
from profiles.identity.names import VIA
from profiles.inputs import Batch, offsets_and_times

ARRIVED = 5 * MINUTE  #: a replay this close to the wall clock has reached the present
SLICE = 4000  #: most events of one piece of work


def stream_time(clocks: Mapping[str, Millis], wall: Millis) -> Millis:
    """What time it is in a replay: what the slowest source has reached, or the wall's once the present is reached.

    Before any source has been heard to its end it is no time at all, 0: nothing may be due by then.

    >>> [stream_time(clocks, 10**9) for clocks in ({"a/0": 50, "a/1": 70}, {"a/0": 50, "a/1": 10**9}, {})]
    [50, 1000000000, 0]
    """
    if clocks and wall - max(clocks.values()) < ARRIVED:
        return wall
    return min(clocks.values(), default=0)


@dataclass
class Waiting:
    """Batches of one bucket that are not yet applied to the end."""

    sources: int  #: how many source partitions there are; until all have shown a time, nothing is certain
    batches: list[tuple[int, Batch]] = field(default_factory=list)  #: (offset in profile-inputs, batch)
    clocks: dict[str, Millis] = field(default_factory=dict)

    def add(self, offset: int, batch: Batch) -> None:
        source = f"{batch.topic}/{batch.partition}"
        if VIA not in batch.topic:  # what another bucket sends on says nothing of how far a source is
            self.clocks[source] = max(self.clocks.get(source, 0), batch.clock)
        self.batches.append((offset, batch))

    def watermark(self, wall: Millis) -> Millis | None:
        """Up to when everything has arrived; None while some source has not been heard of."""
        if self.clocks and wall - max(self.clocks.values()) < ARRIVED:
            return NEVER
        return min(self.clocks.values()) if len(self.clocks) >= self.sources else None

    def slices(self, until: Millis, applied: Mapping[str, int]) -> Iterable[Millis]:
        """Moments up to ``until`` that cut what is due into pieces of about SLICE events."""
        times = [times[offsets > applied.get(source, -1)] for source, offsets, times in self._decoded()]
        due = np.sort(np.concatenate([part[part <= until] for part in times])) if times else np.zeros(0, np.int64)
        yield from dict.fromkeys([*due[SLICE - 1 :: SLICE].tolist(), until])

    def forget(self, applied: Mapping[str, int]) -> None:
        """Drop batches that are applied to the end."""
        last = [(int(offsets[-1]) if len(offsets) else -1, source) for source, offsets, _ in self._decoded()]
        kept = [each for each, (end, source) in zip(self.batches, last, strict=True) if end > applied.get(source, -1)]
        self.batches = kept

    def _decoded(self) -> Iterable[tuple[str, np.ndarray, np.ndarray]]:
        for _, batch in self.batches:
            yield f"{batch.topic}/{batch.partition}", *offsets_and_times(batch)

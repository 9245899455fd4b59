"""Somebody who notices that nothing happens although there is work.

Faust's fetcher and heartbeat have a thread of their own, so a worker whose loop is stuck keeps its buckets, and nobody
else gets them.
Knows: how far buckets are, where their logs end, whether records flow, how long that has been so.
Must not know: Kafka, Redis, why nothing happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.patience import EXIT_WORLD, Stop
from streams.topics import Log

STUCK_SECONDS = 120.0


@dataclass(frozen=True)
class _Stand:
    place: int
    since: float


class Watchdog:
    """Remembers since when each bucket has stood where it stands."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stands: dict[int, _Stand] = {}
        self._dry_since: float | None = None

    def feel(self, *, flows: bool) -> None:
        """Note whether records are read at all; call it every now and then.

        Between two sharings-out nothing flows, and a member that missed the end of the last one waits for ever.

        Raises:
            Stop: nothing has flown for STUCK_SECONDS.
        """
        now = self._clock()
        if flows:
            self._dry_since = None
        elif self._dry_since is None:
            self._dry_since = now
        elif now - self._dry_since > STUCK_SECONDS:
            raise Stop(
                f"nothing has been read for {now - self._dry_since:.0f} s, partitions are still being shared out: "
                "starting again; if that does not help, look at the broker and at the other workers",
                EXIT_WORLD,
            )

    def look(self, places: Mapping[int, int], ends: Mapping[int, Log], *, waits: bool) -> None:
        """Compare with what was seen before; call it every now and then.

        ``waits``: something is being waited for, and whoever waits gives up by himself.

        Raises:
            Stop: a bucket has not moved for STUCK_SECONDS although records wait for it.
        """
        now, before = self._clock(), self._stands
        self._stands = {}
        for bucket, place in places.items():
            end = ends[bucket].end if bucket in ends else place
            if waits or end <= place:
                continue
            known = before.get(bucket)
            stand = known if known is not None and known.place == place else _Stand(place, now)
            self._stands[bucket] = stand
            if now - stand.since > STUCK_SECONDS:
                raise Stop(
                    f"bucket {bucket} has stood at {place} for {now - stand.since:.0f} s although its log goes to {end}: "
                    "starting again; if that does not help, look at the broker and at what the worker logged before",
                    EXIT_WORLD,
                )

"""The customers a learner follows, and what it saw of each in the weeks that have no label yet.

Following everybody would take memory without end, so a customer belongs to the panel by a stable hash of their id; when
there are too many, every second one leaves.  That keeps it bounded, unbiased and the same on every replay.
A snapshot waits in a ring of H weeks: the sample exactly H later lands in the same place and settles it.
Knows: codes, times, frozen vectors.  Must not know: what a vector means, who forecasts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from profiles.clock import WEEK, Int64s
from profiles.models.churn_inputs import AT, RAW, Bools, Floats, Singles
from profiles.models.packing import Packed, pack, unpack

#: what is kept beside a frozen vector: forecasts made then, and facts for measuring them
SEEN: Final = ("learner", "bgnbd", "served", "silence", "orders", "age")
STATS: Final = ("days_since_order", "days_since_first_order", "orders", "average_order")  #: of the latest sample
GONE: Final = 5 * WEEK  #: a customer without a sample for so long is followed no more: merged, or erased

_SILENCE: Final = SEEN.index("silence")
_STATS: Final = np.array([AT[name] for name in STATS])


class Stored(msgspec.Struct, frozen=True):
    """A panel as plain data."""

    halvings: int
    codes: Packed
    latest: Packed
    stats: Packed
    asked: Packed
    frozen: Packed
    seen: Packed


class Due(NamedTuple):
    """Snapshots that samples have settled, in the order of the samples."""

    samples: Int64s  #: which samples
    asked: Int64s  #: when the snapshots were taken
    x: Singles  #: what was frozen then
    seen: Singles  #: columns as ``SEEN``


def mixed(codes: Int64s) -> npt.NDArray[np.uint64]:
    """Codes stirred (splitmix64), so that any few of their bits are as good as random."""
    z = codes.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    stirred: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return stirred


def members(codes: Int64s, halvings: int) -> Bools:
    """Who belongs after every second one has left so many times."""
    belongs: Bools = mixed(codes) & np.uint64(2**halvings - 1) == 0
    return belongs


@dataclass
class Panel:
    """Rows of customers; all arrays have the same first dimension, of which ``len(place)`` are used."""

    weeks: int  #: H
    cap: int  #: most customers
    halvings: int = 0
    place: dict[int, int] = field(default_factory=dict)  #: code -> row
    latest: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    stats: Singles = field(default_factory=lambda: np.zeros((0, len(STATS)), np.float32))
    asked: Int64s = field(init=False)
    frozen: Singles = field(init=False)
    seen: Singles = field(init=False)

    def __post_init__(self) -> None:
        self.asked = np.zeros((0, self.weeks), np.int64)
        self.frozen = np.zeros((0, self.weeks, len(RAW)), np.float32)
        self.seen = np.zeros((0, self.weeks, len(SEEN)), np.float32)

    def __len__(self) -> int:
        return len(self.place)

    def members(self, codes: Int64s) -> Bools:
        """Who belongs to the panel at its present share."""
        return members(codes, self.halvings)

    def admit(self, codes: Int64s, sound: Bools) -> int:
        """Make room for the ``sound`` customers who belong and are new, in order; returns how many codes were seen.

        Fewer than all when the panel was full at that one: every second customer has left, and the rest may be asked.
        """
        for i in np.flatnonzero(self.members(codes) & sound).tolist():
            code = int(codes[i])
            if code in self.place:
                continue
            if len(self.place) >= self.cap:
                self._grow()
                return i
            self.place[code] = len(self.place)
        self._grow()
        return len(codes)

    def halve(self) -> None:
        """Let every second customer go."""
        self.halvings += 1
        codes = np.fromiter(self.place, np.int64, len(self.place))
        self._keep(self.members(codes))

    def forget(self, before: int) -> None:
        """Let those go whose latest sample is older."""
        self._keep(self.latest[: len(self.place)] >= before)

    def rows(self, codes: Int64s) -> Int64s:
        """Row of each code, -1 of those who are not followed."""
        return np.array([self.place.get(code, -1) for code in codes.tolist()], np.int64)

    def settle(self, rows: Int64s, at: Int64s) -> Due:
        """The snapshots taken exactly H before these samples; any other that stands in their place was missed."""
        slots = (at // WEEK) % self.weeks
        due = np.flatnonzero(self.asked[rows, slots] == at - self.weeks * WEEK)
        where = rows[due], slots[due]
        return Due(due, self.asked[where], self.frozen[where], self.seen[where])

    def freeze(self, rows: Int64s, at: Int64s, x: Singles, seen: Singles, raw: Floats) -> None:
        """Keep what is seen at ``at`` until its label is known."""
        slots = (at // WEEK) % self.weeks
        self.asked[rows, slots] = at
        self.frozen[rows, slots] = x
        self.seen[rows, slots] = seen
        self.latest[rows] = at
        self.stats[rows] = raw[:, _STATS]

    def typical(self, days: int) -> Singles:
        """Mean of the latest vectors of customers who were silent for no longer than ``days``; of all, if none was."""
        n = len(self.place)
        slots = (self.latest[:n] // WEEK) % self.weeks
        active = np.flatnonzero(self.seen[np.arange(n), slots, _SILENCE] <= days)
        rows = active if len(active) else np.arange(n)
        latest = self.frozen[rows, slots[rows]]
        mean: Singles = latest.mean(axis=0) if n else np.zeros(len(RAW), np.float32)
        return mean

    def stored(self) -> Stored:
        n = len(self.place)
        codes = np.fromiter(self.place, np.int64, n)
        arrays = (self.latest, self.stats, self.asked, self.frozen, self.seen)
        return Stored(self.halvings, pack(codes), *(pack(each[:n]) for each in arrays))

    @classmethod
    def restored(cls, stored: Stored, weeks: int, cap: int) -> Panel:
        """Raises ModelMismatch: it was stored for another horizon or other inputs."""
        panel = cls(weeks, cap, stored.halvings)
        codes: Int64s = unpack(stored.codes, np.int64, ())
        panel.place = {code: row for row, code in enumerate(codes.tolist())}
        panel.latest = unpack(stored.latest, np.int64, ())
        panel.stats = unpack(stored.stats, np.float32, (len(STATS),))
        panel.asked = unpack(stored.asked, np.int64, (weeks,))
        panel.frozen = unpack(stored.frozen, np.float32, (weeks, len(RAW)))
        panel.seen = unpack(stored.seen, np.float32, (weeks, len(SEEN)))
        return panel

    def _grow(self) -> None:
        missing = len(self.place) - len(self.latest)
        if missing > 0:
            more = max(missing, min(len(self.latest), self.cap - len(self.latest)))
            self._rebuild(lambda each: np.concatenate([each, np.zeros((more, *each.shape[1:]), each.dtype)]))

    def _keep(self, kept: Bools) -> None:
        if kept.all():
            return
        codes = [code for code, stays in zip(self.place, kept.tolist(), strict=True) if stays]
        rows = np.flatnonzero(kept)
        self.place = {code: row for row, code in enumerate(codes)}
        self._rebuild(lambda each: each[rows])

    def _rebuild(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> None:
        self.latest, self.stats = change(self.latest), change(self.stats)
        self.asked, self.frozen, self.seen = change(self.asked), change(self.frozen), change(self.seen)

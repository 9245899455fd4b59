"""The customers whose segments are followed, each with the newest sample and the segment of the week before.

As in ``panel``, a customer belongs by a stable hash of their id, and when there are too many every second one leaves.
Knows: codes, times, five numbers, segments.  Must not know: what a segment is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from profiles.clock import Int64s
from profiles.models.axes import AXES
from profiles.models.churn_inputs import Bools, Floats
from profiles.models.packing import Packed, pack, unpack
from profiles.models.panel import members

NOBODY: Final = -1  #: the segment of somebody who has none yet


class Stored(msgspec.Struct, frozen=True):
    """A roster as plain data."""

    halvings: int
    codes: Packed
    latest: Packed
    told: Packed
    turn: Packed
    segment: Packed
    turns: int


@dataclass
class Roster:
    """Rows of customers; all arrays have the same length, of which ``len(place)`` are used."""

    cap: int  #: most customers
    halvings: int = 0
    place: dict[int, int] = field(default_factory=dict)  #: code -> row
    latest: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))  #: time of the newest sample
    told: Floats = field(default_factory=lambda: np.zeros((0, len(AXES))))  #: what it said
    turn: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))  #: when in this week it came; 0: not yet
    segment: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    turns: int = 0  #: samples taken this week

    def __len__(self) -> int:
        return len(self.place)

    def members(self, codes: Int64s) -> Bools:
        """Who belongs to the roster at its present share."""
        return members(codes, self.halvings)

    def take(self, codes: Int64s, at: Int64s, told: Floats) -> int:
        """Take samples of those who belong, unless a customer's newest is as new; returns how many were looked at.

        Fewer than all when the roster was full at that one: every second customer has left, and the rest may be given.
        """
        for i in np.flatnonzero(self.members(codes)).tolist():
            code = int(codes[i])
            row = self.place.get(code)
            if row is None:
                if len(self.place) >= self.cap:
                    self._halve()
                    return i
                row = self._enter(code)
            if at[i] > self.latest[row]:
                self.turns += 1
                self.latest[row], self.told[row], self.turn[row] = at[i], told[i], self.turns
        return len(codes)

    def fresh(self) -> Int64s:
        """Rows sampled this week, in the order in which the samples came."""
        turn = self.turn[: len(self.place)]
        rows = np.flatnonzero(turn)
        return rows[np.argsort(turn[rows], kind="stable")]

    def codes(self) -> Int64s:
        """Of the rows, in their order."""
        return np.fromiter(self.place, np.int64, len(self.place))

    def next_week(self, before: int) -> None:
        """Begin a week; those go whose newest sample is older than ``before``."""
        n = len(self.place)
        self.turn[:n], self.turns = 0, 0
        self._keep(self.latest[:n] >= before)

    def stored(self) -> Stored:
        n = len(self.place)
        return Stored(
            halvings=self.halvings,
            codes=pack(self.codes()),
            latest=pack(self.latest[:n]),
            told=pack(self.told[:n]),
            turn=pack(self.turn[:n]),
            segment=pack(self.segment[:n]),
            turns=self.turns,
        )

    @classmethod
    def restored(cls, stored: Stored, cap: int) -> Roster:
        """Raises ModelMismatch: it was stored in another shape."""
        codes: Int64s = unpack(stored.codes, np.int64, ())
        return cls(
            cap,
            stored.halvings,
            {code: row for row, code in enumerate(codes.tolist())},
            unpack(stored.latest, np.int64, ()),
            unpack(stored.told, np.float64, (len(AXES),)),
            unpack(stored.turn, np.int64, ()),
            unpack(stored.segment, np.int64, ()),
            stored.turns,
        )

    def _enter(self, code: int) -> int:
        row = self.place[code] = len(self.place)
        if row == len(self.latest):
            more = min(max(row, 64), self.cap - row)
            self._rebuild(lambda each: np.concatenate([each, np.zeros((more, *each.shape[1:]), each.dtype)]))
        self.latest[row], self.turn[row], self.segment[row] = 0, 0, NOBODY
        return row

    def _halve(self) -> None:
        self.halvings += 1
        self._keep(self.members(self.codes()))

    def _keep(self, kept: Bools) -> None:
        if kept.all():
            return
        rows = np.flatnonzero(kept)
        codes = self.codes()[rows]
        self.place = {code: row for row, code in enumerate(codes.tolist())}
        self._rebuild(lambda each: each[rows])

    def _rebuild(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> None:
        self.latest, self.told = change(self.latest), change(self.told)
        self.turn, self.segment = change(self.turn), change(self.segment)

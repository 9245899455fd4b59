"""Has the error of the forecasts changed, or is it the luck of the week?  ADWIN over weeks of labels.

ADWIN (Bifet & Gavaldà 2007) keeps a window of errors and forgets its older part as soon as the means of an older and a newer
part differ by more than chance allows.  River's keeps its window in Rust, whose state is no plain data; this one's buckets
are weeks of the stream, so its state is four numbers a week, and a cut can only lie between two weeks.  Bounds as River's.
Knows: counts, means, sums of squares.  Must not know: what was forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DELTA: Final = 0.002  #: how likely a false alarm may be
LONGEST: Final = 53  #: weeks a window holds at most


class Week(msgspec.Struct, frozen=True, array_like=True):
    """The errors of one week."""

    week: int
    n: int
    mean: float
    spread: float  #: sum of squared distances from the mean


class Cut(msgspec.Struct, frozen=True, array_like=True):
    """What was forgotten, and what holds from ``week`` on: mean errors."""

    week: int
    before: float
    after: float


class Sums(NamedTuple):
    """Several weeks taken together."""

    n: float
    mean: float
    variance: float


def week_of(week: int, errors: Floats) -> Week:
    """The errors of one week; of at least one."""
    mean = float(errors.mean())
    return Week(week, len(errors), mean, float(np.square(errors - mean).sum()))


def taken(window: Sequence[Week], new: Week, delta: float = DELTA) -> tuple[list[Week], Cut | None]:
    """The window with a week more, without the weeks that are no longer like it, and where it was cut."""
    kept, found = [*window, new][-LONGEST:], None
    while (cut := _differs(kept, delta)) is not None:
        found, kept = cut, kept[1:]
    return kept, found


def together(weeks: Sequence[Week]) -> Sums:
    """Of at least one week."""
    n, mean, spread = (np.array([getattr(each, name) for each in weeks]) for name in ("n", "mean", "spread"))
    total, middle = float(n.sum()), float(n @ mean / n.sum())
    return Sums(total, middle, float((spread + n * np.square(mean - middle)).sum() / total))


def _differs(window: Sequence[Week], delta: float) -> Cut | None:
    """The oldest place where what came before differs from what came after."""
    if len(window) < 2:
        return None
    whole = together(window)
    odds = np.log(2.0 * np.log(max(whole.n, np.e)) / delta)
    for place in range(1, len(window)):
        old, new = together(window[:place]), together(window[place:])
        chance = 1.0 / old.n + 1.0 / new.n
        if abs(old.mean - new.mean) > np.sqrt(2.0 * chance * whole.variance * odds) + 2.0 / 3.0 * chance * odds:
            return Cut(window[place].week, old.mean, new.mean)
    return None

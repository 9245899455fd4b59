"""What all customers together say: where the fifths of the population lie.

Knows: how cut points are learned from samples and handed to the kernels.
Must not know: who learns them, when they are published.

Values are counted in buckets that are 5 % wide (a DDSketch, Masson et al. 2019), per week; whole numbers, so counting
in any order and adding up parts gives the same.  Four weeks are read, older ones fall out.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from profiles.clock import WEEK
from profiles.features import CUT_FEATURES
from profiles.kernels.derive import Population
from profiles.wire import Sample

DECILES: Final = tuple(round(0.1 * i, 1) for i in range(1, 10))
GAMMA: Final = 1.05
WEEKS: Final = 4
ENOUGH: Final = 200  #: samples below which the shipped cut points stay
GAP_LIMIT: Final = 120.0  #: days; a population's usual gap is taken from customers with a smaller one

#: shipped cut points, for a shop that has not shown itself yet: deciles of each of CUT_FEATURES
SHIPPED: Final[dict[str, tuple[float, ...]]] = {
    "days_since_order": (3.0, 7.0, 14.0, 21.0, 30.0, 45.0, 60.0, 90.0, 180.0),
    "orders_365d": (1.0, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 24.0),
    "spend_365d": (50.0, 100.0, 200.0, 350.0, 600.0, 900.0, 1400.0, 2200.0, 4000.0),
    "average_order": (10.0, 20.0, 30.0, 40.0, 60.0, 80.0, 110.0, 160.0, 250.0),
}
USUAL_GAP: Final = 30.0  #: days
HALF_RISK: Final = 3.0  #: silence of this many usual gaps: half do not come back
STEEPNESS: Final = 2.0


class Cuts(msgspec.Struct, frozen=True):
    """Published cut points; a new version never changes an old one."""

    version: int = 0
    samples: int = 0
    until: int = 0  #: newest sample (ms)
    deciles: dict[str, tuple[float, ...]] = msgspec.field(default_factory=lambda: dict(SHIPPED))
    usual_gap: float = USUAL_GAP


class Counts(msgspec.Struct):
    """The state behind the cut points: week -> feature -> width bucket -> samples."""

    weeks: dict[int, dict[str, dict[int, int]]] = {}
    samples: dict[int, int] = {}


def population(cuts: Cuts) -> Population:
    """Cut points as the kernels want them."""
    return Population(
        cuts=np.array([cuts.deciles[name] for name in CUT_FEATURES], np.float64),
        usual_gap=cuts.usual_gap,
        half_risk=HALF_RISK,
        steepness=STEEPNESS,
    )


def update(counts: Counts, sample: Sample) -> None:
    """Count one sample in its week; a week that is too old is left out."""
    week = sample.at // WEEK
    newest = max([*counts.weeks, week])
    for old in [each for each in counts.weeks if each <= newest - WEEKS]:
        del counts.weeks[old], counts.samples[old]
    if week <= newest - WEEKS:
        return
    features = counts.weeks.setdefault(week, {})
    counts.samples[week] = counts.samples.get(week, 0) + 1
    for name in (*CUT_FEATURES, "gap_days"):
        value = sample.features.get(name)
        if value is not None:
            index = _index(value)
            column = features.setdefault(name, {})
            column[index] = column.get(index, 0) + 1


def read(counts: Counts, version: int) -> Cuts | None:
    """Cut points from what was counted, or None while that is too little."""
    total = sum(counts.samples.values())
    if total < ENOUGH:
        return None
    merged: dict[str, dict[int, int]] = {}
    for features in counts.weeks.values():
        for name, column in features.items():
            into = merged.setdefault(name, {})
            for index, n in column.items():
                into[index] = into.get(index, 0) + n
    deciles = {name: _quantiles(merged[name], DECILES) if name in merged else SHIPPED[name] for name in CUT_FEATURES}
    gap = _quantiles(merged["gap_days"], (0.5,))[0] if "gap_days" in merged else USUAL_GAP
    until = (max(counts.weeks) + 1) * WEEK
    return Cuts(version, total, until, deciles, min(max(gap, 0.5), GAP_LIMIT))


def _index(value: float) -> int:
    """The width bucket of a value; zero and below share one.

    >>> _index(0.0) < _index(0.01) < _index(1.0) < _index(100.0)
    True
    """
    return -10_000 if value <= 1e-3 else round(float(np.log(value) / np.log(GAMMA)))


def _quantiles(column: dict[int, int], at: tuple[float, ...]) -> tuple[float, ...]:
    indices = sorted(column)
    edges = np.cumsum([column[index] for index in indices])
    places = np.searchsorted(edges, np.array(at) * edges[-1])
    return tuple(0.0 if indices[i] == -10_000 else round(GAMMA ** indices[i], 4) for i in places.tolist())

"""What all customers together say: where the fifths of the population lie, and the churn model they taught.

Knows: how cut points are learned from samples; how they and a churn model are handed to the kernels.
Must not know: who learns them, when they are published.

Values are counted in buckets that are 5 % wide (a DDSketch, Masson et al. 2019), per week; whole numbers, so counting
in any order and adding up parts gives the same.  Four weeks are read, older ones fall out.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import structlog

from profiles.clock import WEEK
from profiles.errors import ModelMismatch
from profiles.features import CUT_FEATURES
from profiles.kernels.churn import Churn
from profiles.kernels.derive import Population
from profiles.models import churn_inputs
from profiles.models.bgnbd import Bgnbd
from profiles.models.churn_inputs import Floats
from profiles.models.gammagamma import GammaGamma
from profiles.models.params import Params, check
from profiles.wire import Candidate, Sample

log = structlog.get_logger("mien")

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
HALF_RISK: Final = 3.0  #: silence of this many usual gaps: half do not come back, until a model serves
STEEPNESS: Final = 2.0


class Cuts(msgspec.Struct, frozen=True):
    """What buckets decide with, as published; a new version never changes an old one.

    The churn model travels with the cut points, so that every decision of a bucket is a function of its log.
    """

    version: int = 0
    samples: int = 0
    until: int = 0  #: newest sample (ms)
    deciles: dict[str, tuple[float, ...]] = msgspec.field(default_factory=lambda: dict(SHIPPED))
    usual_gap: float = USUAL_GAP
    churn: Params | None = None  #: without its metrics; None while the rule of thumb serves
    line: float = 0.0  #: what must be at stake for an alert, as the budget of alerts has it; 0: no line


class Counts(msgspec.Struct):
    """The state behind the cut points: week -> feature -> width bucket -> samples."""

    weeks: dict[int, dict[str, dict[int, int]]] = {}
    samples: dict[int, int] = {}
    stakes: dict[int, dict[int, int]] = {}  #: week -> width bucket of what was at stake -> candidates for an alert


def population(cuts: Cuts) -> Population:
    """Cut points as the kernels want them."""
    return Population(
        cuts=np.array([cuts.deciles[name] for name in CUT_FEATURES], np.float64),
        usual_gap=cuts.usual_gap,
        half_risk=HALF_RISK,
        steepness=STEEPNESS,
        churn=_churn(cuts.churn, cuts.line),
    )


def deciding(cuts: Cuts, model: Params | None) -> Cuts:
    """Cut points together with the churn model that buckets are to decide with; its metrics are for other readers."""
    lean = None if model is None else msgspec.structs.replace(model, metrics={}, drift=())
    return msgspec.structs.replace(cuts, churn=lean)


def serving(params: Params | None) -> Params | None:
    """A published model, if it serves, fits this code and speaks of orders: ``risk`` is that none comes."""
    if params is None or params.source == "baseline" or params.target != "order":
        return None
    try:
        check(params)
    except ModelMismatch as mismatch:
        log.warning("a churn model was refused, the rule of thumb serves", why=str(mismatch))
        return None
    return params


def _churn(published: Params | None, line: float) -> Churn:
    """A model as the kernels want it."""
    params = serving(published)
    if params is None:
        return Churn(np.zeros((0, 6)), 0.0, 0.0, 0.0, _numbers(None), _numbers(None), 0.0)
    return Churn(
        inputs=_inputs(params),
        intercept=params.intercept,
        share=params.blend,
        weeks=params.horizon_days / 7.0,
        buying=_numbers(params.bgnbd),
        spending=_numbers(params.gamma_gamma),
        line=line,
    )


def _inputs(params: Params) -> Floats:
    """One row an input; what never varied weighs nothing, as in River."""
    inputs, sds = churn_inputs.INPUTS, np.array(params.sds)
    weights = np.divide(np.array(params.weights), sds, where=sds > 0.0, out=np.zeros_like(sds))
    return np.column_stack(
        [
            churn_inputs.COLUMNS.astype(np.float64),
            [each.unknown for each in inputs],
            [each.high for each in inputs],
            [float(each.logged) for each in inputs],
            params.means,
            weights,
        ]
    )


def _numbers(fitted: Bgnbd | GammaGamma | None) -> Floats:
    return np.array(() if fitted is None else msgspec.structs.astuple(fitted), np.float64)


def update(counts: Counts, told: Sample | Candidate) -> None:
    """Count one sample or candidate in its week; a week that is too old is left out."""
    week = told.at // WEEK
    newest = max([*counts.weeks, *counts.stakes, week])
    for by_week in (counts.weeks, counts.samples, counts.stakes):
        for old in [each for each in by_week if each <= newest - WEEKS]:
            del by_week[old]
    if week <= newest - WEEKS:
        return
    if isinstance(told, Candidate):
        _count(counts.stakes.setdefault(week, {}), told.stake)
        return
    features = counts.weeks.setdefault(week, {})
    counts.samples[week] = counts.samples.get(week, 0) + 1
    for name in (*CUT_FEATURES, "gap_days"):
        value = told.features.get(name)
        if value is not None:
            _count(features.setdefault(name, {}), value)


def _count(column: dict[int, int], value: float) -> None:
    index = _index(value)
    column[index] = column.get(index, 0) + 1


def line(counts: Counts, a_day: int) -> float:
    """What must be at stake so that about ``a_day`` candidates a day pass, as in the weeks that are kept; 0: all do."""
    weeks = len(counts.stakes)
    column: dict[int, int] = {}
    for each in counts.stakes.values():
        for index, n in each.items():
            column[index] = column.get(index, 0) + n
    left = a_day * 7 * weeks
    if not a_day or sum(column.values()) <= left:
        return 0.0
    for index in sorted(column, reverse=True):
        left -= column[index]
        if left < 0:
            return float(
                round(GAMMA ** (index + 0.5), 4)
            )  # between this bucket and the next: what lies in it does not pass
    return 0.0


def read(counts: Counts, version: int, a_day: int = 0) -> Cuts | None:
    """Cut points from what was counted, or None while that is too little; ``a_day`` as in ``line``."""
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
    return Cuts(version, total, until, deciles, min(max(gap, 0.5), GAP_LIMIT), line=line(counts, a_day))


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

"""What the learned churn model says of one row's features: the probability, what is at stake, who comes first.

The formulas are those of ``profiles.models.params.parts`` and its parts, one customer at a time; while no model serves,
the rule of thumb in ``derive`` does.
Knows: arrays of a published model.  Must not know: how they were learned, names of features.

A score moves in silence both ways and without a formula to turn round, so nobody can compute when it will pass a limit.
It is looked at instead: at every event, at every other due moment, at the latest at the weekly sample, and before that
at the midnight until which it could hardly have come as far as the nearest limit that a rule asks about.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from profiles.compiled import compiled

Floats = npt.NDArray[np.float64]

PER_DAY = 0.04  #: a score hardly moves further in a silent day; see docs/decisions/017
LONGEST = 7  #: days between two looks, as between two samples
WEEKS_A_YEAR = 365.0 / 7.0


class Churn(NamedTuple):
    """A model as the kernels want it; without rows in ``inputs`` none serves."""

    inputs: Floats  #: rows (feature, what unknown counts as, most, whether log(1 + x), mean, weight per unit)
    intercept: float
    share: float  #: of the learner in what is served; the rest is BG/NBD's
    weeks: float  #: of the horizon
    buying: Floats  #: BG/NBD: r, alpha, a, b; empty if there is none
    spending: Floats  #: Gamma-Gamma: p, q, v; empty if there is none
    line: float  #: what must be at stake for an alert, as the budget has it; 0 while there is no line


@compiled
def learned(x: Floats, model: Churn) -> float:
    """What the learner alone says."""
    told = model.intercept
    for i in range(len(model.inputs)):
        value = x[int(model.inputs[i, 0])]
        if np.isnan(value):
            value = model.inputs[i, 1]
        value = min(max(value, 0.0), model.inputs[i, 2])
        if model.inputs[i, 3] != 0.0:
            value = np.log1p(value)
        told += (np.float64(np.float32(value)) - model.inputs[i, 4]) * model.inputs[i, 5]
    return 1.0 / (1.0 + np.exp(-told))


@compiled
def quiet(orders: float, silence: float, age: float, model: Churn) -> float:
    """BG/NBD's probability of no order within the horizon; ``silence`` and ``age`` in days."""
    r, alpha, a, b = model.buying[0], model.buying[1], model.buying[2], model.buying[3]
    again, known, alive = max(orders - 1.0, 0.0), age / 7.0, 1.0
    if again > 0.0:
        latest = min(max(known - silence / 7.0, 0.0), known)
        ratio = np.log(alpha + known) - np.log(alpha + latest)
        gone = np.log(a) - np.log(b + max(again, 1.0) - 1.0) + (r + again) * ratio
        alive = 1.0 / (1.0 + np.exp(gone))
    still = np.exp((r + again) * (np.log(alpha + known) - np.log(alpha + known + model.weeks)))
    return 1.0 - alive * (1.0 - still)


@compiled
def served(x: Floats, orders: float, silence: float, age: float, model: Churn) -> float:
    """Probability of no order within the horizon; NaN for who never ordered."""
    if np.isnan(silence) or np.isnan(age) or np.isnan(orders) or orders < 1.0:
        return np.nan
    if model.share >= 1.0 or len(model.buying) == 0:
        return learned(x, model)
    if model.share <= 0.0:
        return quiet(orders, silence, age, model)
    return model.share * learned(x, model) + (1.0 - model.share) * quiet(orders, silence, age, model)


@compiled
def at_stake(risk: float, orders: float, age: float, mean: float, model: Churn) -> float:
    """What the customer would be worth in a year of going on as before, times the risk; NaN while that is not known."""
    if len(model.buying) == 0 or len(model.spending) == 0 or np.isnan(risk):
        return np.nan
    p, q, v = model.spending[0], model.spending[1], model.spending[2]
    each = p * (v + orders * max(mean, 0.0)) / (p * orders + q - 1.0)
    rate = (model.buying[0] + max(orders - 1.0, 0.0)) / (model.buying[1] + age / 7.0)
    return risk * rate * WEEKS_A_YEAR * each


@compiled
def priority(stake: float, model: Churn) -> float:
    """What is at stake in units of the budget's line; 1, so at the line, while there is none."""
    return stake / model.line if model.line > 0.0 and not np.isnan(stake) else 1.0


@compiled
def days_until_look(risk: float, wanted: float) -> int:
    """Whole days until a risk could have come from ``risk`` to ``wanted``."""
    return min(max(int(abs(risk - wanted) / PER_DAY), 1), LONGEST)

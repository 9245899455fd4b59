"""The same number of alerts: what a plain rule and the forecasts would each have been worth.

The rule alerts about a repeat buyer whose silence reaches so many days, once in the window that is judged.  A forecaster
may alert about as many customers, those with its highest forecasts; each alert is judged at the moment it is raised.
Knows: forecasts, labels, who.  Must not know: how forecasts are made.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from profiles.clock import Int64s
from profiles.models.churn_inputs import Bools, Floats

RULE: Final = 90  #: days of silence; the plain rule everybody knows

Worth = dict[str, float | None]


def rule_days(horizon_days: int) -> int:
    """Whoever is silent for a whole horizon is no active customer any more: the rule asks for no longer silence."""
    return min(RULE, horizon_days)


def by_rule(silence: Floats, days: int, who: Int64s) -> Int64s:
    """The first snapshot of each customer at which the rule alerts.  Rows are in the order of time."""
    return _first(silence >= days, who)


def by_forecast(p: Floats, many: int, who: Int64s) -> Int64s:
    """The first snapshots at which the ``many`` customers with the highest forecasts reach what they have in common.

    No more than ``many``: of customers who are equal at the border none is alerted about.
    """
    _, place = np.unique(who, return_inverse=True)
    highest = np.full(int(place.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(highest, place, np.nan_to_num(p, nan=-np.inf))
    levels = np.sort(highest)[::-1]
    if many == 0 or not len(levels):
        return np.zeros(0, np.int64)
    border = levels[many] if many < len(levels) else -np.inf
    return _first(np.nan_to_num(p, nan=-np.inf) > border, who)


def worth(raised: Int64s, happened: Bools, silence: Floats) -> Worth:
    """How many alerts, the share of them after which the customer was lost, and how long they had been silent by then."""
    if not len(raised):
        return {"alerts": 0.0, "precision": None, "median_silence_days": None}
    return {
        "alerts": float(len(raised)),
        "precision": float(happened[raised].mean()),
        "median_silence_days": float(np.median(silence[raised])),
    }


def _first(over: Bools, who: Int64s) -> Int64s:
    rows = np.flatnonzero(over)
    _, first = np.unique(who[rows], return_index=True)
    return np.sort(rows[first])

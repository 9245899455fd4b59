"""How good the forecasts of a log were: the protocol, and its numbers.

Every weekly snapshot was forecast by the params of its week and judged when its label was known.  The first 45 % of the
weeks are warm-up; customers silent for no longer than the horizon are the active ones, about whom alerts are.
Knows: settled forecasts.  Must not know: how they came about, how numbers are shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from profiles.clock import DAY, WEEK, Int64s
from profiles.models import quality
from profiles.models.churn import Settled
from profiles.models.churn_inputs import Bools, Floats
from profiles.models.contest import BGNBD, LEARNER, ORDERS, SERVED, SILENCE
from streams.backtest import Lived

WARM_UP: Final = 0.45
COLD: Final = 4  #: weeks after the first label in which an unready learner would show
FORECASTERS: Final = {"recency": SILENCE, "bgnbd": BGNBD, "learner": LEARNER, "blend": SERVED}


@dataclass(frozen=True)
class Measured:
    """One forecaster; a ranking is no probability and has no Brier score."""

    auc_all: float | None
    auc_active: float | None
    brier_active: float | None = None
    ece_active: float | None = None
    lift10_active: float | None = None


@dataclass(frozen=True)
class Alerted:
    """What alerts would have been worth: of repeat buyers silent for at most two horizons, one a horizon each."""

    alerts: int
    precision: float | None  #: share of them after which no order came
    median_silence_days: float | None


@dataclass(frozen=True)
class Scorecard:
    """Everything ``mien evaluate`` has to say."""

    forecasters: dict[str, Measured]
    rule_days: int
    alerts: dict[str, Alerted]
    n: int  #: snapshots judged
    active: int
    base_rate: float | None
    base_rate_active: float | None
    cold_ece: float | None  #: of what was served in the first weeks with labels
    customers: int
    weeks: int

    def as_dict(self) -> dict[str, object]:
        """As one JSON object."""
        measured: dict[str, object] = {name: asdict(each) for name, each in self.forecasters.items()}
        alerts: dict[str, object] = {name: asdict(each) for name, each in self.alerts.items()}
        return measured | {
            "alerts": {"rule_days": self.rule_days} | alerts,
            "n": self.n,
            "n_active": self.active,
            "base_rate": self.base_rate,
            "base_rate_active": self.base_rate_active,
            "ece_first_labelled_weeks": self.cold_ece,
            "customers": self.customers,
            "weeks": self.weeks,
        }


def scorecard(lived: Lived, horizon_days: int, rule_days: int) -> Scorecard:
    """Measure all forecasters on the same snapshots."""
    settled, (first, last) = lived.settled, lived.weeks
    week = settled.asked // WEEK
    told = np.isfinite(settled.seen).all(axis=1)
    judged = told & (week >= first + WARM_UP * (last - first + 1))
    some = _part(settled, judged)
    active = some.seen[:, SILENCE] <= horizon_days
    start = lived.memory.contest.first
    cold = (week >= start) & (week < start + COLD) & (settled.seen[:, SILENCE] <= horizon_days)
    cold &= np.isfinite(settled.seen[:, SERVED])
    return Scorecard(
        forecasters={name: _measured(some, column, active) for name, column in FORECASTERS.items()},
        rule_days=rule_days,
        alerts=_alerts(some, horizon_days, rule_days),
        n=int(judged.sum()),
        active=int(active.sum()),
        base_rate=_mean(some.happened),
        base_rate_active=_mean(some.happened[active]),
        cold_ece=quality.ece(settled.seen[cold, SERVED].astype(np.float64), settled.happened[cold]),
        customers=len(np.unique(settled.codes)),
        weeks=last - first + 1,
    )


def _measured(of: Settled, column: int, active: Bools) -> Measured:
    p, happened = of.seen[:, column].astype(np.float64), of.happened
    ranks = quality.auc(p, happened), quality.auc(p[active], happened[active])
    if column == SILENCE:
        return Measured(*ranks)
    p, happened = p[active], happened[active]
    return Measured(*ranks, quality.brier(p, happened), quality.ece(p, happened), quality.lift(p, happened))


def _alerts(of: Settled, horizon_days: int, rule_days: int) -> dict[str, Alerted]:
    """The plain rule, and each forecaster with a threshold that makes it as many alerts."""
    silence = of.seen[:, SILENCE]
    some = _part(of, (of.seen[:, ORDERS] >= 2) & (silence <= 2 * horizon_days))
    some = _part(some, np.lexsort((some.asked, some.codes)))
    wait = horizon_days * DAY
    rule = _raised(some, some.seen[:, SILENCE].astype(np.float64), float(rule_days), wait)
    found = {"rule": _alerted(some, rule)}
    for name in ("bgnbd", "learner", "blend"):
        p = some.seen[:, FORECASTERS[name]].astype(np.float64)
        found[name] = _alerted(some, _budgeted(some, p, len(rule), wait))
    return found


def _budgeted(of: Settled, p: Floats, budget: int, wait: int) -> Int64s:
    """The alerts of the lowest threshold that raises no more than ``budget``."""
    levels = np.unique(p)
    low, high, best = 0, len(levels) - 1, np.zeros(0, np.int64)
    while low <= high:
        middle = (low + high) // 2
        raised = _raised(of, p, float(levels[middle]), wait)
        if len(raised) <= budget:
            best, high = raised, middle - 1
        else:
            low = middle + 1
    return best


def _raised(of: Settled, p: Floats, threshold: float, wait: int) -> Int64s:
    """Snapshots at which an alert is raised: the threshold is reached and the customer has had none for ``wait``."""
    over = np.flatnonzero(p >= threshold)
    raised, who, until = [], -1, 0
    for i, code, at in zip(over.tolist(), of.codes[over].tolist(), of.asked[over].tolist(), strict=True):
        if code != who or at >= until:
            raised.append(i)
            who, until = code, at + wait
    return np.array(raised, np.int64)


def _alerted(of: Settled, raised: Int64s) -> Alerted:
    silence = float(np.median(of.seen[raised, SILENCE])) if len(raised) else None
    return Alerted(len(raised), _mean(of.happened[raised]), silence)


def _part(of: Settled, chosen: Bools | Int64s) -> Settled:
    return Settled(of.codes[chosen], of.asked[chosen], of.seen[chosen], of.happened[chosen])


def _mean(happened: Bools) -> float | None:
    return float(happened.mean()) if len(happened) else None

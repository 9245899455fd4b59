"""Who has been forecasting better of late, and so how much each is believed.

Every snapshot whose label is now known was forecast when it was taken, by the params of then: those forecasts say how
good what was served is.  How to mix learner and BG/NBD must be known a horizon sooner, so for that both forecast the
frozen snapshot again, by the params of now, which have not learned its label yet: test, then train.
Knows: forecasts and labels.  Must not know: how forecasts are made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from profiles.clock import Int64s
from profiles.models import budget, quality
from profiles.models.churn_inputs import Bools, Floats, Singles
from profiles.models.packing import Packed, pack, unpack
from profiles.models.panel import SEEN, mixed

MIXES: Final = np.linspace(0.0, 1.0, 21)  #: shares of the learner that are compared
FADES: Final = 8.0  #: weeks after which a loss counts half
HEAD_START: Final = 4  #: weeks of labels before the learner is believed at all
WINDOW: Final = 8  #: weeks of labels that quality is measured on
FEWEST: Final = 200.0  #: labels (faded) below which nobody is compared

LEARNER, BGNBD, SERVED, SILENCE, ORDERS, AGE = range(len(SEEN))
LEARNER_NOW, BGNBD_NOW, LABEL, WHO = range(len(SEEN), len(SEEN) + 4)  #: columns after those
COLUMNS: Final = WHO + 1

Measures = dict[str, float | None]


class Stored(msgspec.Struct, frozen=True):
    """A contest as plain data."""

    first: int
    losses: list[float]
    weight: float
    weeks: list[tuple[int, Packed]]


@dataclass
class Contest:
    """Settled forecasts, by the week in which their labels came."""

    days: int  #: the horizon
    least: int = 2  #: orders of those about whom alerts are compared
    first: int = 0  #: week of the first label
    losses: Floats = field(default_factory=lambda: np.zeros(len(MIXES)))
    weight: float = 0.0  #: labels behind ``losses``, faded
    weeks: list[tuple[int, Singles]] = field(default_factory=list)  #: rows of ``COLUMNS``

    def settled(self, week: int, rows: Singles) -> None:
        """A week of labels is complete."""
        if not len(rows):
            return
        self.first = self.first or week
        past = week - self.weeks[-1][0] if self.weeks else 0
        self.weeks = [*self.weeks, (week, rows)][-WINDOW:]
        fade = 0.5 ** (past / FADES)
        p, happened = self._active(rows)
        lost = [
            quality.losses(mix * p[:, LEARNER_NOW] + (1.0 - mix) * p[:, BGNBD_NOW], happened).sum() for mix in MIXES
        ]
        self.losses = self.losses * fade + np.array(lost)
        self.weight = self.weight * fade + len(p)

    def share(self, week: int) -> float:
        """How much of the learner to serve: none before it had its head start and mixing it in has paid."""
        if not self.first or week < self.first + HEAD_START or self.weight < FEWEST:
            return 0.0
        return float(MIXES[int(np.argmin(self.losses))])

    def measures(self) -> dict[str, Measures]:
        """Quality of each forecaster over the latest weeks of labels, and of two plain rules."""
        if not self.weeks:
            return {}
        rows = np.concatenate([rows for _, rows in self.weeks]).astype(np.float64)
        happened, active = rows[:, LABEL] > 0.5, rows[:, SILENCE] <= self.days
        named = (("learner", LEARNER), ("bgnbd", BGNBD), ("served", SERVED))
        found = {name: measured(rows[:, column], happened, active) for name, column in named}
        silence = rows[:, SILENCE]
        ranks = {
            "auc_all": quality.auc(silence, happened),
            "auc_active": quality.auc(silence[active], happened[active]),
        }
        base = {"all": float(happened.mean()), "active": float(happened[active].mean()) if active.any() else None}
        return found | {"recency": ranks, "base_rate": base} | self._alerts(rows, happened)

    def _alerts(self, rows: Floats, happened: Bools) -> dict[str, Measures]:
        """Alerts about repeat buyers silent for at most two horizons, by the plain rule and as many by each forecaster."""
        some = (rows[:, ORDERS] >= self.least) & (rows[:, SILENCE] <= 2 * self.days) & np.isfinite(rows[:, WHO])
        rows, happened, silence = rows[some], happened[some], rows[some, SILENCE]
        who = rows[:, WHO].astype(np.int64)
        raised = {"rule": budget.by_rule(silence, budget.rule_days(self.days), who)}
        for name, column in (("learner", LEARNER), ("bgnbd", BGNBD), ("served", SERVED)):
            raised[name] = budget.by_forecast(rows[:, column], len(raised["rule"]), who)
        return {f"alerts_{name}": budget.worth(each, happened, silence) for name, each in raised.items()}

    def stored(self) -> Stored:
        weeks = [(week, pack(rows)) for week, rows in self.weeks]
        return Stored(self.first, self.losses.tolist(), self.weight, weeks)

    @classmethod
    def restored(cls, stored: Stored, days: int, least: int) -> Contest:
        """Raises ModelMismatch: it was stored in another shape."""
        weeks = [(week, unpacked(rows)) for week, rows in stored.weeks]
        return cls(days, least, stored.first, np.array(stored.losses), stored.weight, weeks)

    def _active(self, rows: Singles) -> tuple[Floats, Bools]:
        """Forecasts and labels of customers who were not yet lost: alerts are about them.  All of them, if both said so."""
        told = rows[(rows[:, SILENCE] <= self.days) & np.isfinite(rows[:, BGNBD_NOW])]
        return told.astype(np.float64), told[:, LABEL] > 0.5


def unpacked(rows: Packed) -> Singles:
    """Stored rows; those stored before they said who they are about take part in everything but alerts.

    Raises:
        ModelMismatch: they were stored in another shape.
    """
    if rows.shape[1:] != (WHO,):
        return unpack(rows, np.float32, (COLUMNS,))
    told = unpack(rows, np.float32, (WHO,))
    return np.column_stack([told, np.full(len(told), np.nan, np.float32)])


def names(codes: Int64s) -> Singles:
    """Codes as numbers that a row of forecasts can hold exactly; of 20 000 customers a dozen share theirs."""
    return (mixed(codes) >> np.uint64(40)).astype(np.float32)


def measured(p: Floats, happened: Bools, active: Bools) -> Measures:
    """The measures of one forecaster; customers it had no forecast for are left out."""
    told = np.isfinite(p)
    p, happened, active = p[told], happened[told], active[told]
    return {
        "auc_all": quality.auc(p, happened),
        "auc_active": quality.auc(p[active], happened[active]),
        "brier_active": quality.brier(p[active], happened[active]),
        "log_loss_active": quality.log_loss(p[active], happened[active]),
        "ece_active": quality.ece(p[active], happened[active]),
        "lift10_active": quality.lift(p[active], happened[active]),
    }

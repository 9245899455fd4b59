"""How good a forecast was, measured exactly.

Scores and outcomes in, numbers out; a measure that is not defined (one outcome only, nobody at all) is None.
(River's own ROC AUC is binned: it calls a forecast of .918 a .500.)
Knows: measures.  Must not know: what was forecast.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS: Final = 10  #: of the calibration table
_SURE: Final = 1e-6  #: a probability this close to 0 or 1 counts as this close, else one error would cost everything


def auc(score: Floats, happened: Bools) -> float | None:
    """Share of pairs (one that happened, one that did not) that are ranked right; ties count half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    yes = int(happened.sum())
    no = len(happened) - yes
    if yes == 0 or no == 0:
        return None
    values, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2.0
    return float((rank[place[happened]].sum() - yes * (yes + 1) / 2.0) / (yes * no)) if len(values) else None


def brier(p: Floats, happened: Bools) -> float | None:
    """Mean squared error of a probability; the smaller the better."""
    return float(np.mean((p - happened) ** 2)) if len(p) else None


def losses(p: Floats, happened: Bools) -> Floats:
    """Minus the logarithm of the probability that was given to what came."""
    sure = np.clip(p, _SURE, 1.0 - _SURE)
    lost: Floats = -np.log(np.where(happened, sure, 1.0 - sure))
    return lost


def log_loss(p: Floats, happened: Bools) -> float | None:
    """Mean of ``losses``."""
    return float(losses(p, happened).mean()) if len(p) else None


def calibration(p: Floats, happened: Bools) -> list[tuple[float, float, int]]:
    """For each tenth of the scale that is used: mean forecast, share that happened, how many."""
    place = _places(p)
    count = np.bincount(place, minlength=BINS)
    said = np.bincount(place, weights=p, minlength=BINS)
    came = np.bincount(place, weights=happened.astype(np.float64), minlength=BINS)
    return [(float(said[i] / count[i]), float(came[i] / count[i]), int(count[i])) for i in np.flatnonzero(count)]


def ece(p: Floats, happened: Bools) -> float | None:
    """How far forecasts are from what happened, on average over the table (expected calibration error)."""
    table = calibration(p, happened)
    return sum(n * abs(said - came) for said, came, n in table) / len(p) if len(p) else None


def lift(score: Floats, happened: Bools, share: float = 0.1) -> float | None:
    """How many times more often it happened to the ``share`` with the highest scores than to all."""
    base, top = float(happened.mean()) if len(happened) else 0.0, int(len(score) * share)
    if base == 0.0 or top == 0:
        return None
    first = np.argsort(-score, kind="stable")[:top]
    return float(happened[first].mean() / base)


def drift(before: npt.NDArray[np.int64], now: npt.NDArray[np.int64]) -> float | None:
    """Population stability index of two histograms: below 0.1 steady, above 0.25 act.

    >>> drift(np.array([50, 50]), np.array([50, 50]))
    0.0
    """
    if before.sum() == 0 or now.sum() == 0:
        return None
    was, is_ = ((each + 0.5) / (each.sum() + 0.5 * len(each)) for each in (before, now))
    return float(((is_ - was) * np.log(is_ / was)).sum())


def _places(p: Floats) -> npt.NDArray[np.int64]:
    return np.clip((p * BINS).astype(np.int64), 0, BINS - 1)

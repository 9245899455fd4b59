"""Gamma-Gamma: what the next order is worth, from how many there were and their mean (Fader & Hardie 2013).

Few orders say little about a customer, so their mean is drawn towards the population's.
Knows: the model's formulas and its fit.  Must not know: currencies, who the customers are.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import optimize, special

Floats = npt.NDArray[np.float64]

FEWEST: Final = 50  #: customers below which nothing is fitted
_START: Final = np.log([6.0, 3.0, 15.0])
_BOUNDS: Final = [(-5.0, 12.0), (-3.0, 9.0), (-7.0, 18.0)]


class GammaGamma(msgspec.Struct, frozen=True, array_like=True):
    """Parameters of a population: ``p`` of one customer's orders, ``q, v`` of how customers differ (``v`` in money)."""

    p: float
    q: float
    v: float


def fit(n: Floats, mean: Floats, weight: Floats | None = None) -> GammaGamma | None:
    """The likeliest parameters from ``n`` orders worth ``mean`` each, or None while there are too few customers.

    Orders worth nothing are left out.  ``q`` stays above 1, else the population would have no mean.
    """
    some = (n > 0) & (mean > 0)
    if int(some.sum()) < FEWEST:
        return None
    n, mean = n[some], mean[some]
    weight = np.ones_like(n) if weight is None else weight[some]
    total, scale = float(weight.sum()), float(np.median(mean))

    def loss(logs: Floats) -> float:
        p, q, v = np.exp(logs) + np.array([0.0, 1.0, 0.0])
        px = p * n
        told = special.gammaln(px + q) - special.gammaln(px) - special.gammaln(q) + q * np.log(v)
        told += (px - 1.0) * np.log(mean / scale) + px * np.log(n) - (px + q) * np.log(n * mean / scale + v)
        return -float(weight @ told) / total

    start = _START - np.array([0.0, 0.0, np.log(scale)])
    best = optimize.minimize(loss, start, method="L-BFGS-B", bounds=_BOUNDS)
    p, q, v = np.exp(best.x) + np.array([0.0, 1.0, 0.0])
    return GammaGamma(float(p), float(q), float(v) * scale) if np.isfinite(best.fun) else None


def expected_value(of: GammaGamma, n: Floats, mean: Floats) -> Floats:
    """What the next order of each customer is worth."""
    known: Floats = of.p * (of.v + n * mean) / (of.p * n + of.q - 1.0)
    return known

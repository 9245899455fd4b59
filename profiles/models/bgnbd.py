"""BG/NBD: who still buys, from three numbers a customer (Fader, Hardie & Lee 2005).

While alive, a customer orders at a rate of their own; after any repeat order they may be gone for good.  ``x`` repeat
orders, the last ``t_x`` after the first, ``T`` after the first now; times in weeks.
Knows: the model's formulas and its fit.  Must not know: where the numbers come from, which weeks are whose.

As a forecast of churn use ``p_no_order``, never 1 - ``p_alive``: whoever never came back is "alive" for certain.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import optimize, special

Floats = npt.NDArray[np.float64]

FEWEST: Final = 50  #: customers with repeat orders below which nothing is fitted
_START: Final = (np.log([0.3, 4.0, 0.8, 2.5]), np.log([1.0, 10.0, 0.1, 5.0]))
_BOUND: Final = (-7.0, 9.0)  #: of the logarithms of all four


class Bgnbd(msgspec.Struct, frozen=True, array_like=True):
    """Parameters of a population: ``r, alpha`` of the rates (a week), ``a, b`` of leaving after an order."""

    r: float
    alpha: float
    a: float
    b: float


def log_likelihood(of: Bgnbd, x: Floats, t_x: Floats, age: Floats) -> Floats:
    """One number a customer."""
    r, alpha, a, b = of.r, of.alpha, of.a, of.b
    common = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
    common += special.gammaln(a + b) + special.gammaln(b + x) - special.gammaln(b) - special.gammaln(a + b + x)
    stayed = -(r + x) * np.log(alpha + age)
    left = np.log(a) - np.log(b + np.maximum(x, 1.0) - 1.0) - (r + x) * np.log(alpha + t_x)
    told: Floats = common + np.where(x > 0, np.logaddexp(stayed, left), stayed)
    return told


def fit(x: Floats, t_x: Floats, age: Floats, weight: Floats | None = None) -> Bgnbd | None:
    """The likeliest parameters, or None while too few customers have come back.

    Includes customers without a repeat order: they are what is known about leaving early.
    """
    weight = np.ones_like(x) if weight is None else weight
    if float(weight[x > 0].sum()) < FEWEST:
        return None
    total = float(weight.sum())

    def loss(logs: Floats) -> float:
        return -float(weight @ log_likelihood(Bgnbd(*np.exp(logs).tolist()), x, t_x, age)) / total

    found = [optimize.minimize(loss, start, method="L-BFGS-B", bounds=[_BOUND] * 4) for start in _START]
    best = min(found, key=lambda each: float(each.fun))
    fitted = Bgnbd(*np.exp(best.x).tolist())
    return fitted if np.isfinite(best.fun) else None


def p_alive(of: Bgnbd, x: Floats, t_x: Floats, age: Floats) -> Floats:
    """Probability of not having left for good."""
    ratio = np.log(of.alpha + age) - np.log(of.alpha + t_x)
    gone = np.log(of.a) - np.log(of.b + np.maximum(x, 1.0) - 1.0) + (of.r + x) * ratio
    alive: Floats = np.where(x > 0, special.expit(-gone), 1.0)
    return alive


def p_no_order(of: Bgnbd, x: Floats, t_x: Floats, age: Floats, weeks: float) -> Floats:
    """Probability of no order in the next ``weeks``, for whatever reason."""
    quiet = np.exp((of.r + x) * (np.log(of.alpha + age) - np.log(of.alpha + age + weeks)))
    none: Floats = 1.0 - p_alive(of, x, t_x, age) * (1.0 - quiet)
    return none


def expected_orders(of: Bgnbd, x: Floats, t_x: Floats, age: Floats, weeks: float) -> Floats:
    """Orders to expect in the next ``weeks``."""
    a = of.a if abs(of.a - 1.0) > 1e-6 else 1.0 + 1e-6  # the formula has a gap there, the truth has none
    z = weeks / (of.alpha + age + weeks)
    shrink = np.exp((of.r + x) * (np.log(of.alpha + age) - np.log(of.alpha + age + weeks)))
    series = special.hyp2f1(of.r + x, of.b + x, a + of.b + x - 1.0, z)
    alive = (a + of.b + x - 1.0) / (a - 1.0) * (1.0 - shrink * series)
    expected: Floats = np.maximum(alive * p_alive(of, x, t_x, age), 0.0)
    return expected

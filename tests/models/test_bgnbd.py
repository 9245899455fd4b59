"""BG/NBD and Gamma-Gamma against the published numbers, against lifetimes, and against customers who were made up so."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles.clock import DAY, WEEK
from profiles.models import bgnbd, gammagamma
from profiles.models.bgnbd import Bgnbd
from streams import orderlog
from streams.orderlog import Columns

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # lifetimes is no longer developed; its data and its formulas are what is wanted
    from lifetimes import BetaGeoFitter, datasets


@pytest.fixture(scope="module")
def cdnow() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    summary = datasets.load_cdnow_summary()
    x, t_x, age = (summary[name].to_numpy(np.float64) for name in ("frequency", "recency", "T"))
    return x, t_x, age


def test_the_fit_of_cdnow_is_the_published_one(cdnow: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    fitted = bgnbd.fit(*cdnow)
    assert fitted is not None
    assert [fitted.r, fitted.alpha, fitted.a, fitted.b] == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=0.001)
    assert bgnbd.log_likelihood(fitted, *cdnow).sum() == pytest.approx(-9582.4, abs=0.1)


def test_customers_may_be_told_once_and_weighed(cdnow: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    told, weight = np.unique(np.column_stack(cdnow), axis=0, return_counts=True)
    x, t_x, age = told.T
    fitted, plain = bgnbd.fit(x, t_x, age, weight.astype(np.float64)), bgnbd.fit(*cdnow)
    assert fitted is not None
    assert plain is not None
    assert fitted.alpha == pytest.approx(plain.alpha, abs=1e-3)


def test_formulas_are_those_of_lifetimes(cdnow: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    judge: Any = BetaGeoFitter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge.fit(*cdnow)
    of = Bgnbd(*(float(judge.params_[name]) for name in ("r", "alpha", "a", "b")))
    assert bgnbd.p_alive(of, *cdnow) == pytest.approx(judge.conditional_probability_alive(*cdnow), abs=1e-9)
    theirs = judge.conditional_expected_number_of_purchases_up_to_time(39, *cdnow)
    assert bgnbd.expected_orders(of, *cdnow, 39.0) == pytest.approx(np.asarray(theirs), abs=1e-9)


def test_the_probability_of_no_order_is_the_share_of_made_up_customers_without_one() -> None:
    """A population simulated by the model's own story, looked at after 30 weeks, then for 8 more."""
    of, rng, n = Bgnbd(0.8, 4.0, 0.8, 2.5), np.random.default_rng(2), 60_000
    rate, leave = rng.gamma(of.r, 1.0 / of.alpha, n), rng.beta(of.a, of.b, n)
    x, t_x, alive, at = np.zeros(n), np.zeros(n), np.ones(n, bool), np.zeros(n)
    later = np.zeros(n, bool)
    for _ in range(200):
        at = np.where(alive, at + rng.exponential(1.0 / rate), np.inf)
        early = at <= 30.0
        x, t_x = x + early, np.where(early, at, t_x)
        later |= (at > 30.0) & (at <= 38.0)
        alive &= (rng.random(n) > leave) & (at < 38.0)
    p = bgnbd.p_no_order(of, x, t_x, np.full(n, 30.0), 8.0)
    for low in np.arange(0.0, 1.0, 0.1):
        some = (p >= low) & (p < low + 0.1)
        if some.sum() > 500:
            assert (~later[some]).mean() == pytest.approx(p[some].mean(), abs=0.03)


def test_orders_to_come_on_cdnow_are_forecast_within_0_80() -> None:
    """Fitted on 39 weeks, judged on the 39 that followed; a plain x * 39 / T errs by more than 1.02."""
    path = Path(datasets.__file__).with_name("CDNOW_sample.txt")
    told = orderlog.read(path, Columns("1", "3", "5")).orders
    cut, n = 10_135 * DAY, len(told.customers)  # the end of 1997-09-30
    early = told.at < cut
    first, last = np.full(n, cut), np.zeros(n, np.int64)
    np.minimum.at(first, told.who, told.at)
    np.maximum.at(last, told.who[early], told.at[early])
    x = np.bincount(told.who[early], minlength=n) - np.ones(n)
    t_x, age = ((each - first).astype(np.float64) / WEEK for each in (last, np.full(n, cut - DAY)))
    fitted = bgnbd.fit(x, t_x, age)
    assert fitted is not None
    came = np.bincount(told.who[~early], minlength=n)
    assert np.abs(bgnbd.expected_orders(fitted, x, t_x, age, 39.0) - came).mean() <= 0.80
    assert np.abs(x * 39.0 / age - came).mean() > 1.02


def test_too_few_repeat_buyers_are_no_population() -> None:
    some = np.array([1.0] * 30 + [0.0] * 500)
    assert bgnbd.fit(some, some, np.full(530, 9.0)) is None


@pytest.mark.parametrize("x", [0.0, 3.0, 400.0])
def test_odd_customers_get_probabilities_too(x: float) -> None:
    of, one = Bgnbd(0.24, 4.4, 1.0, 2.4), np.ones(1)
    for t_x, age in ((0.0, 0.0), (5.0, 5.0), (0.0, 520.0)):
        p = bgnbd.p_no_order(of, x * one, t_x * one, age * one, 9.0)
        expected = bgnbd.expected_orders(of, x * one, t_x * one, age * one, 9.0)
        assert 0.0 <= p[0] <= 1.0
        assert np.isfinite(expected).all()


def test_the_value_of_orders_on_cdnow_is_the_published_one() -> None:
    summary = datasets.load_cdnow_summary_data_with_monetary_value()
    back = summary[summary["frequency"] > 0]
    n, mean = back["frequency"].to_numpy(np.float64), back["monetary_value"].to_numpy(np.float64)
    fitted = gammagamma.fit(n, mean)
    assert fitted is not None
    assert [fitted.p, fitted.q, fitted.v] == pytest.approx([6.249, 3.745, 15.448], rel=0.005)
    drawn = gammagamma.expected_value(fitted, np.array([1.0, 50.0]), np.array([300.0, 300.0]))
    assert 35.0 < drawn[0] < drawn[1] < 300.0
    assert gammagamma.fit(n[:20], mean[:20]) is None
    assert gammagamma.fit(n, 0.0 * mean) is None

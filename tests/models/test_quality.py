"""Measures of a forecast, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.models import quality

PAIRS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=40)


@given(PAIRS)
def test_auc_is_the_share_of_pairs_ranked_right(told: list[tuple[int, bool]]) -> None:
    score, happened = np.array([s for s, _ in told], float), np.array([h for _, h in told], bool)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[happened] for b in score[~happened]]
    assert quality.auc(score, happened) == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_what_is_not_defined_is_none() -> None:
    nobody, nothing = np.zeros(0), np.zeros(0, bool)
    measures = (quality.auc, quality.brier, quality.log_loss, quality.ece, quality.lift)
    assert [measure(nobody, nothing) for measure in measures] == [None] * 5
    assert quality.auc(np.array([0.2, 0.4]), np.array([True, True])) is None
    assert quality.lift(np.full(20, 0.5), np.zeros(20, bool)) is None


def test_losses_and_calibration_of_a_forecast_by_hand() -> None:
    p, happened = np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, True, True, True])
    assert quality.brier(p, happened) == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert quality.log_loss(p, happened) == pytest.approx(-(3 * np.log(0.9) + np.log(0.1)) / 4)
    assert np.array(quality.calibration(p, happened)) == pytest.approx(np.array([[0.1, 0.5, 2], [0.9, 1.0, 2]]))
    assert quality.ece(p, happened) == pytest.approx(0.25)


def test_one_sure_error_does_not_cost_everything() -> None:
    assert quality.losses(np.array([1.0]), np.array([False]))[0] < 14.0


def test_lift_counts_the_top_tenth() -> None:
    score, happened = np.arange(100.0), np.arange(100) >= 80
    assert quality.lift(score, happened) == pytest.approx(5.0)


def test_drift_knows_steady_from_moved() -> None:
    rng = np.random.default_rng(1)
    was, same, moved = (np.histogram(rng.beta(a, 5, 5000), 10, (0.0, 1.0))[0] for a in (2, 2, 4))
    assert (quality.drift(was, same) or 0.0) < 0.02
    assert (quality.drift(was, moved) or 0.0) > 0.25
    assert quality.drift(was, 0 * was) is None

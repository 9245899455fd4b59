"""As many alerts as the plain rule makes: each judged when it is raised, one a customer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profiles.models import budget, churn
from profiles.models.contest import LABEL, ORDERS, SERVED, SILENCE, WHO, names
from tests.models.shop import HORIZON, samples

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10)), max_size=30)


def told(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.float64)


@given(ROWS, st.integers(0, 11))
def test_the_rule_alerts_once_about_everybody_it_is_true_of_as_soon_as_it_is(
    rows: list[tuple[int, int]], days: int
) -> None:
    who, silence = told(rows)
    first: dict[int, int] = {}
    for i, (mine, silent) in enumerate(rows):
        if silent >= days:
            first.setdefault(mine, i)
    assert budget.by_rule(silence, days, who).tolist() == sorted(first.values())


@given(ROWS, st.integers(0, 7))
def test_forecasts_alert_about_as_many_customers_as_they_may_and_about_the_likeliest(
    rows: list[tuple[int, int]], many: int
) -> None:
    who, p = told(rows)
    raised = budget.by_forecast(p, many, who)
    highest = {mine: max(score for other, score in rows if other == mine) for mine, _ in rows}
    alerted, rest = set(who[raised].tolist()), set(highest) - set(who[raised].tolist())
    assert len(raised) == len(alerted) <= many
    assert all(highest[one] > highest[other] for one in alerted for other in rest)
    if many >= len(highest):
        assert alerted == set(highest)


def test_alerts_beside_the_rule_are_measured_every_week() -> None:
    memory = churn.zero(HORIZON)
    churn.update(memory, samples(600, 52, 3))
    published = churn.read(memory, 1)
    assert published is not None
    rule, served = published.metrics["alerts_rule"], published.metrics["alerts_served"]
    assert 20 < (served["alerts"] or 0.0) <= (rule["alerts"] or 0.0)
    assert 0.0 < (served["precision"] or 0.0) < 1.0
    rows = np.concatenate([each for _, each in memory.contest.weeks])
    repeat = rows[(rows[:, ORDERS] >= 2) & (rows[:, SILENCE] <= 2 * HORIZON)]
    mine: dict[float, np.ndarray] = {}
    for row in repeat:
        if row[SILENCE] >= HORIZON:
            mine.setdefault(float(row[WHO]), row)
    assert rule["alerts"] == len(mine)
    assert rule["precision"] == np.mean([row[LABEL] for row in mine.values()])
    assert np.isfinite(repeat[:, SERVED]).all()


def test_a_name_fits_a_single_float_and_nearly_all_differ() -> None:
    short = names(np.arange(20_000, dtype=np.int64) * 7_919)
    assert (short == short.astype(np.int64)).all()
    assert len(np.unique(short)) > 19_950

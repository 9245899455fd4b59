"""The churn model inside the kernels says what the published params say, customer by customer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.clock import DAY, HOUR
from profiles.features import FEATURES, INDEX
from profiles.kernels import churn
from profiles.kernels.derive import Floats, read_risk
from profiles.kernels.horizon import look
from profiles.models import gammagamma
from profiles.models.churn_inputs import AT, COLUMNS, INPUTS, RAW
from profiles.models.params import Params, bought, score
from profiles.population import Cuts, population
from tests.customers import SHANGHAI, WHEN, shop
from tests.models.published import params


def features(raw: Floats) -> Floats:
    """A whole row of features with the model's inputs in it."""
    x = np.full(len(FEATURES), np.nan)
    x[COLUMNS] = raw
    return x


def risk(x: Floats, model: Params, line: float = 0.0) -> tuple[float, float, float]:
    """Risk, what is at stake, and the priority, as the kernels read them."""
    people = population(Cuts(churn=model, line=line))
    for name in ("risk", "at_stake", "rescue_priority"):
        x[INDEX[name]] = read_risk(INDEX[name], people, x)
    return x[INDEX["risk"]], x[INDEX["at_stake"]], x[INDEX["rescue_priority"]]


values = st.one_of(st.floats(0, 1e7), st.just(float("nan")))
vectors = st.lists(values, min_size=len(RAW), max_size=len(RAW)).map(np.array)
models = st.sampled_from([
    params(), params(blend=1.0), params(blend=0.0, source="bgnbd"), params(bgnbd=None, blend=1.0),
    params(sds=(0.0, *[1.0] * (len(RAW) - 1))),
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(vectors, models)
def test_a_kernel_says_of_a_customer_what_the_published_params_say_of_a_matrix(raw: Floats, model: Params) -> None:
    said = risk(features(raw), model)[0]
    assert said == pytest.approx(float(score(model, raw.reshape(1, -1))[0]), rel=1e-9, abs=1e-12, nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(vectors)
def test_at_stake_is_the_risk_times_a_year_of_orders_at_their_expected_worth(raw: Floats) -> None:
    model = params()
    raw[AT["average_order"]] = np.nan_to_num(raw[AT["average_order"]])  # who has ordered has one
    said, stake, _ = risk(features(raw), model)
    if np.isnan(said):
        assert np.isnan(stake)
        return
    orders, silence, age = (raw[AT[name]] for name in ("orders", "days_since_order", "days_since_first_order"))
    x, _, weeks = bought(*(np.array([each]) for each in (orders, silence, age)))
    assert model.bgnbd is not None
    assert model.gamma_gamma is not None
    mean = np.maximum(np.nan_to_num(np.array([raw[AT["average_order"]]])), 0.0)
    worth = float(gammagamma.expected_value(model.gamma_gamma, np.array([orders]), mean)[0])
    yearly = float(((model.bgnbd.r + x) / (model.bgnbd.alpha + weeks))[0]) * 365 / 7 * worth
    assert stake == pytest.approx(said * yearly, rel=1e-9)


def test_the_line_of_the_budget_is_a_priority_of_one() -> None:
    raw = np.array([min(each.high, 20.0) for each in INPUTS])
    _, stake, _ = risk(features(raw), params())
    assert risk(features(raw), params(), line=stake)[2] == pytest.approx(1.0)
    assert risk(features(raw), params(), line=stake * 4)[2] == pytest.approx(0.25)
    assert risk(features(raw), params(), line=0.0)[2] == 1.0, "without a line everybody is at it"


def test_without_a_model_silence_beyond_the_own_rhythm_is_the_risk_and_nobody_is_ranked() -> None:
    people = population(Cuts())
    x = np.full(len(FEATURES), np.nan)
    x[INDEX["overdue"]] = 3.0
    x[INDEX["risk"]] = read_risk(INDEX["risk"], people, x)
    x[INDEX["at_stake"]] = read_risk(INDEX["at_stake"], people, x)
    assert x[INDEX["risk"]] == pytest.approx(0.5)
    assert np.isnan(x[INDEX["at_stake"]])
    assert read_risk(INDEX["rescue_priority"], people, x) == 1.0


def test_a_model_made_for_other_inputs_serves_nobody() -> None:
    """The rule of thumb goes on: the learner publishes a model that fits within a week."""
    assert len(population(Cuts(churn=params(inputs_hash="of yesterday"))).churn.inputs) == 0
    assert len(population(Cuts(churn=params(weights=(float("nan"),) * len(RAW)))).churn.inputs) == 0
    assert len(population(Cuts(churn=params(source="baseline"))).churn.inputs) == 0


@pytest.mark.parametrize(("risk_now", "limit", "days"), [(0.59, 0.6, 1), (0.5, 0.6, 2), (0.1, 0.6, 7), (0.7, 0.3, 7)])
def test_a_score_is_looked_at_again_before_it_can_have_come_to_a_limit(
    risk_now: float, limit: float, days: int
) -> None:
    here, x = shop(SHANGHAI), np.full(len(FEATURES), np.nan)
    people = population(Cuts(churn=params()))
    x[INDEX["risk"]] = risk_now
    at = look(WHEN, 8 * HOUR, INDEX["risk"], limit, people, x, here.since, here.offset)
    assert (at + 8 * HOUR) % DAY == 0, "at a midnight of the shop"
    assert (at + 8 * HOUR) // DAY - (WHEN + 8 * HOUR) // DAY == days
    assert churn.days_until_look(risk_now, limit) == days


def test_what_is_at_stake_is_looked_at_as_its_risk_moves() -> None:
    here, x, people = shop(SHANGHAI), np.full(len(FEATURES), np.nan), population(Cuts(churn=params(), line=100.0))
    x[INDEX["risk"]], x[INDEX["at_stake"]], x[INDEX["rescue_priority"]] = 0.5, 90.0, 0.9
    stake = look(WHEN, 0, INDEX["at_stake"], 100.0, people, x, here.since, here.offset)
    ranked = look(WHEN, 0, INDEX["rescue_priority"], 1.0, people, x, here.since, here.offset)
    assert stake == ranked, "both ask whether the risk comes from 0.50 to 0.56"
    assert stake - WHEN <= DAY + HOUR

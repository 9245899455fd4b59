"""Why a customer is at risk: exact, by business group, with numbers a clerk can check; and what would change it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from profiles.clock import DAY
from profiles.errors import ModelMismatch
from profiles.features import INDEX
from profiles.kinds import Kind
from profiles.models import churn, reasons, whatif
from profiles.models.churn_inputs import AT, GROUPS, INPUTS
from profiles.models.params import Params, score
from streams.backtest import shipped_world
from tests.customers import WHEN, Did, row_of, shop
from tests.models.shop import HORIZON, samples

CUSTOMER = {
    "days_since_order": 23.0, "days_since_first_order": 113.0, "orders": 11.0, "usual_gap_days": 9.0, "overdue": 2.56,
    "orders_30d": 1.0, "orders_90d": 8.0, "spend_90d": 512.4, "average_order": 64.05, "orders_365d": 11.0,
    "gap_spread": 0.4, "order_trend": 0.4, "active_days_30d": 1.0, "orders_decayed_7d": 0.1, "orders_decayed_30d": 2.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def params() -> Params:
    memory = churn.zero(HORIZON)
    churn.update(memory, samples(600, 52, 3))
    found = churn.read(memory, 1)
    assert found is not None
    return found


def test_contributions_and_the_typical_customer_are_the_whole_forecast(params: Params) -> None:
    alone = msgspec.structs.replace(params, blend=1.0)
    raw = samples(600, 52, 3).raw[-200:]
    odds = reasons.contributions(alone, raw).sum(axis=1) + reasons.base(alone)
    assert 1.0 / (1.0 + np.exp(-odds)) == pytest.approx(score(alone, raw), abs=1e-12)


def test_reasons_are_the_sums_of_their_groups_what_raises_the_risk_first(params: Params) -> None:
    alone = msgspec.structs.replace(params, blend=1.0)
    row = reasons.row_of(CUSTOMER)
    worth = reasons.contributions(alone, row.reshape(1, -1))[0]
    told = reasons.reasons(alone, row)
    for reason in told:
        parts = [worth[i] for i, each in enumerate(INPUTS) if each.group == reason.group]
        assert reason.contribution == pytest.approx(sum(parts), abs=1e-4)
        assert (reason.zh, reason.en) == GROUPS[reason.group]
    assert [each.contribution for each in told] == sorted((each.contribution for each in told), reverse=True)


@pytest.mark.parametrize("blend", [0.0, 0.5, 1.0])
def test_silence_is_told_with_the_numbers_behind_it_in_both_languages(params: Params, blend: float) -> None:
    some = msgspec.structs.replace(params, blend=blend, source="blend" if blend else "bgnbd")
    found = {each.group: each for each in reasons.reasons(some, reasons.row_of(CUSTOMER))}
    assert found["silence"].because_zh == "23 天未下单，平常 9 天一次"
    assert found["silence"].because_en == "23 days without an order, usually every 9"
    assert found["silence"].contribution > 0


def test_who_is_silent_for_longer_has_more_of_that_reason(params: Params) -> None:
    def silence(days: float) -> float:
        row = reasons.row_of(CUSTOMER | {"days_since_order": days, "overdue": days / 9.0})
        return {each.group: each.contribution for each in reasons.reasons(params, row)}.get("silence", 0.0)

    assert silence(2.0) < silence(23.0) < silence(46.0)


def test_nothing_is_said_about_a_rhythm_that_nobody_knows_yet(params: Params) -> None:
    once = {"days_since_order": 1.0, "days_since_first_order": 1.0, "orders": 1.0, "usual_gap_days": 30.0}
    told = {each.group: each for each in reasons.reasons(params, reasons.row_of(once))}
    assert all("平常" not in each.because_zh for each in told.values())
    assert "1 days" not in " ".join(each.because_en for each in told.values())


def test_nobody_has_reasons_who_never_ordered_or_while_the_rule_of_thumb_serves(params: Params) -> None:
    assert reasons.reasons(params, reasons.row_of({"visits_30d": 4.0})) == ()
    thumb = msgspec.structs.replace(params, source="baseline")
    assert reasons.reasons(thumb, reasons.row_of(CUSTOMER)) == ()


def test_params_of_another_list_explain_nothing(params: Params) -> None:
    with pytest.raises(ModelMismatch):
        reasons.reasons(msgspec.structs.replace(params, inputs_hash="x"), reasons.row_of(CUSTOMER))


def test_an_order_lowers_the_risk_and_ten_more_silent_days_raise_it(params: Params) -> None:
    """Features after are those the kernels would make, so they fit together."""
    here, world = shop("UTC"), shipped_world()
    story = [Did(Kind.ORDER, WHEN - days * DAY, 5_000, days) for days in (100, 91, 80, 72, 61, 50, 41, 33, 20)]
    row = row_of(story, here)
    before, now = row.copy(), whatif.now(row, WHEN, world)
    after = whatif.after(row, WHEN, world)
    assert (row == before).all()
    assert now[AT["days_since_order"]] == 20.0
    assert after["order"][AT["orders"]] == 10.0
    assert after["order"][AT["days_since_order"]] == 0.0
    assert after["order"][AT["average_order"]] == 50.0
    assert after["silent_10d"][AT["orders_30d"]] == 0.0 < now[AT["orders_30d"]]
    assert after["visit"][AT["visits_30d"]] == 1.0
    found = {each.what: each for each in reasons.what_if(params, now, after)}
    assert found["order"].change < 0 < found["silent_10d"].change
    assert found["order"].probability - found["order"].change == pytest.approx(
        score(params, now.reshape(1, -1))[0], abs=1e-3
    )
    assert INDEX["visits_30d"]

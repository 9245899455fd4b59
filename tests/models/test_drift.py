"""Drift: a steady shop is quiet, one that changes is told of, in words, and by the error a horizon later."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import drift as rivers

from profiles.clock import WEEK
from profiles.errors import ModelMismatch
from profiles.models import adwin, churn, quality
from profiles.models.adwin import Cut, Week
from profiles.models.churn import Batch
from profiles.models.churn_inputs import GROUPS, INPUTS
from profiles.models.drift import ACT, CELLS, FEWEST, LOOK, REFERENCE, Drift, Moved
from profiles.models.packing import unpack
from streams.backtest import Orders, sampled
from tests.models import shop

AT = {each.feature: i for i, each in enumerate(INPUTS)}


def told(drift: Drift) -> dict[str, Moved]:
    return {each.what: each for each in drift.told()}


def customers(many: int, rng: np.random.Generator, **moved: float) -> np.ndarray:
    """What the model sees of them: every input around one, some of them moved."""
    x = rng.normal(1.0, 0.2, (many, len(INPUTS)))
    for feature, by in moved.items():
        x[:, AT[feature]] += by
    return np.clip(x, 0.0, None).astype(np.float32)


def after(weeks: int, last: np.ndarray, scores: tuple[float, float] = (2, 8)) -> dict[str, Moved]:
    """Told after so many steady weeks and a ``last`` one."""
    rng, drift = np.random.default_rng(3), Drift()
    for week in range(weeks):
        drift.see(customers(500, rng), rng.beta(2, 8, 500))
        drift.end(week, np.zeros(0))
    drift.see(last, rng.beta(*scores, len(last)))
    drift.end(weeks, np.zeros(0))
    return told(drift)


# --- without labels --------------------------------------------------------------------------------------------------


def test_weeks_that_are_alike_are_steady() -> None:
    found = after(REFERENCE, customers(500, np.random.default_rng(9)))
    assert set(found) == {"scores", "loss", *GROUPS}
    assert {each.level for each in found.values()} == {"steady"}
    assert all(each.value is not None and each.value < LOOK for what, each in found.items() if what != "loss")


def test_the_group_that_moved_is_named_with_the_input_that_moved_most_and_the_rest_stay_steady() -> None:
    found = after(REFERENCE, customers(500, np.random.default_rng(9), orders_90d=-0.7, orders_30d=-0.3))
    assert [what for what, each in found.items() if each.level != "steady"] == ["frequency"]
    moved = found["frequency"]
    assert moved.level == "act"
    assert moved.value is not None
    assert moved.value > ACT
    assert (moved.zh, moved.en) == GROUPS["frequency"]
    assert moved.told_zh.startswith("近90天订单低于前 8 周")
    assert moved.told_en.startswith("orders 90d lower than in the 8 weeks before")


def test_forecasts_that_rise_are_told_with_both_means() -> None:
    moved = after(REFERENCE, customers(500, np.random.default_rng(9)), (6, 8))["scores"]
    assert moved.level == "act"
    assert re.fullmatch(r"平均 0\.4\d，前 8 周 0\.2\d（PSI \d\.\d\d）", moved.told_zh)
    assert re.fullmatch(r"0\.4\d on average, 0\.2\d in the 8 weeks before \(PSI \d\.\d\d\)", moved.told_en)


@pytest.mark.parametrize(("weeks", "many"), [(REFERENCE - 1, 500), (REFERENCE, FEWEST - 1)])
def test_of_too_few_weeks_or_customers_nothing_is_said(weeks: int, many: int) -> None:
    found = after(weeks, customers(many, np.random.default_rng(9), orders_90d=3.0))
    assert {(each.level, each.value) for each in found.values()} == {("steady", None)}


def test_tenure_grows_by_itself_and_is_no_drift() -> None:
    found = after(REFERENCE, customers(500, np.random.default_rng(9), days_since_first_order=5.0, orders=5.0))
    assert found["loyalty"].level == "steady"


def test_a_watch_goes_on_after_a_crash_as_if_nothing_had_been() -> None:
    rng, drift = np.random.default_rng(3), Drift()
    for week in range(REFERENCE + 3):
        drift.see(customers(300, rng), np.where(rng.random(300) < 0.1, np.nan, rng.beta(2, 8, 300)))
        drift = Drift.restored(drift.stored())
        drift.see(customers(30, rng), rng.beta(2, 8, 30))
        drift.end(week, rng.random(100) * (3.0 if week > 6 else 1.0))
    stored = drift.stored()
    assert Drift.restored(stored).stored() == stored
    assert Drift.restored(stored).told() == drift.told()
    assert unpack(stored.counts, np.int64, (len(INPUTS) + 1, CELLS)).shape[0] == REFERENCE + 1
    with pytest.raises(ModelMismatch):
        unpack(stored.counts, np.int64, (len(INPUTS), CELLS))


# --- on the error ----------------------------------------------------------------------------------------------------


def losses_of(seed: int, shift: float) -> list[np.ndarray]:
    """Log-loss of forecasts in twenty weeks; from the eleventh on customers leave more often than is forecast."""
    rng, weeks = np.random.default_rng(seed), []
    for week in range(20):
        p = rng.beta(2, 8, 300)
        weeks.append(quality.losses(p, rng.random(300) < p + (shift if week >= 10 else 0.0)))
    return weeks


def cuts(weeks: list[np.ndarray]) -> list[tuple[int, Cut]]:
    window, found = list[Week](), []
    for number, losses in enumerate(weeks):
        window, cut = adwin.taken(window, adwin.week_of(number, losses))
        if cut is not None:
            found.append((number, cut))
    return found


@pytest.mark.parametrize(("seed", "shift"), list(itertools.product(range(4), (0.0, 0.12, 0.25))))
def test_it_rings_when_rivers_adwin_rings_and_is_quiet_when_that_is(seed: int, shift: float) -> None:
    weeks, river = losses_of(seed, shift), rivers.ADWIN(delta=adwin.DELTA)  # type: ignore[no-untyped-call]
    rang = []
    for number, losses in enumerate(weeks):
        for loss in losses.tolist():
            river.update(loss)  # type: ignore[no-untyped-call]
            if river.drift_detected:
                rang.append(number)
    ours = [number for number, _ in cuts(weeks)]
    assert bool(ours) == bool(rang) == (shift > 0.0)
    if rang:
        assert abs(ours[0] - rang[0]) <= 1
        assert ours[0] >= 10


def test_a_cut_says_since_when_and_by_how_much() -> None:
    number, cut = cuts(losses_of(1, 0.25))[0]
    assert cut.week == 10 <= number
    assert cut.after > cut.before + 0.1


@settings(max_examples=30)
@given(st.lists(st.lists(st.floats(0.0, 14.0), min_size=1, max_size=30), min_size=1, max_size=6))
def test_weeks_taken_together_have_the_mean_and_variance_of_all_their_errors(weeks: list[list[float]]) -> None:
    whole = adwin.together([adwin.week_of(i, np.array(each)) for i, each in enumerate(weeks)])
    every = np.array(list(itertools.chain(*weeks)))
    assert whole.n == len(every)
    assert whole.mean == pytest.approx(every.mean(), abs=1e-9)
    assert whole.variance == pytest.approx(every.var(), abs=1e-9)


# --- in the learner --------------------------------------------------------------------------------------------------


def lived(batch: Batch) -> list[dict[str, Moved]]:
    memory, found = churn.zero(shop.HORIZON), []
    for week in np.unique(batch.at // WEEK).tolist():
        churn.turn(memory, week)
        found.append({each.what: each for each in memory.served.drift})
        churn.update(memory, batch.part(batch.at // WEEK == week))
    return found


def test_a_shop_from_which_many_leave_at_once_is_told_of_first_by_forecasts_then_by_their_error() -> None:
    """From week 40 on two of three orders are not made any more."""
    every = shop.orders(1_200, 60, 3, 0.97)
    late = every.at >= shop.START + 40 * WEEK
    kept = ~late | (np.random.default_rng(1).random(len(late)) < 0.33)
    kept[np.argmax(every.at)] = True
    thin = Orders(every.customers, *(each[kept] for each in every[1:]))
    found = sampled(thin, lambda _step, _share: None)
    weeks = lived(found.part(np.lexsort((found.codes, found.at))))
    steady, shaken = weeks[34:40], weeks[41:52]
    assert all(each["loss"].level != "act" and each["scores"].level == "steady" for each in steady)
    scores = [i for i, each in enumerate(shaken) if each["scores"].level != "steady"]
    losses = [i for i, each in enumerate(shaken) if each["loss"].level == "act"]
    assert scores
    assert losses
    moved = shaken[losses[0]]["loss"]
    assert re.fullmatch(r"自 \d{4}-\d\d-\d\d 起对数损失 \d\.\d{3}，此前 \d\.\d{3}", moved.told_zh)
    assert re.fullmatch(r"log-loss \d\.\d{3} since \d{4}-\d\d-\d\d, \d\.\d{3} before", moved.told_en)

"""A shop without orders: what is forecast is that nobody visits, and every sentence says so."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
import pytest

from profiles import population
from profiles.clock import DAY, WEEK
from profiles.models import churn, params, quality, reasons
from profiles.models.churn import Batch, Memory
from profiles.models.churn_inputs import AT, RAW
from profiles.models.reasons import outcome, row_of
from tests.models.shop import HORIZON, START, samples

SILENCE = AT["days_since_visit"]


@lru_cache(maxsize=2)
def visits(customers: int = 500, weeks: int = 40, seed: int = 5, stay: float = 0.97) -> Batch:
    """Weekly samples of people who visit at their own pace until they are gone, and never order."""
    rng, codes, at, rows = np.random.default_rng(seed), [], [], []
    for code in range(1, customers + 1):
        pace, day, days = rng.gamma(2.0, 3.0) + 0.5, rng.uniform(0, 7 * weeks / 3), []
        while day < 7 * weeks:
            days.append(day)
            day += rng.exponential(pace) if rng.random() < stay else 7.0 * weeks
        for week in range(int(days[0] // 7) + 1, weeks):
            now = 7.0 * week + (code % 7)
            ago = now - np.array([each for each in days if each < now])
            row = np.full(len(RAW), np.nan)
            month = ago[ago < 30]
            row[[AT["orders"], AT["complaints"], AT["voice_90d"]]] = 0.0
            row[SILENCE] = ago.min()
            row[AT["visits_30d"]] = row[AT["views_30d"]] = len(month)
            row[AT["active_days_30d"]] = len(np.unique(month.astype(int)))
            codes.append(code * 7_919)
            at.append(START + int(now * DAY))
            rows.append(row)
    batch = Batch(np.array(codes), np.array(at), np.array(rows))
    return batch.part(np.lexsort((batch.codes, batch.at)))


def learned(batch: Batch, cap: int = 10_000) -> Memory:
    memory = churn.zero(HORIZON, cap)
    churn.update(memory, batch)
    return memory


def published(batch: Batch) -> params.Params:
    found = churn.read(learned(batch), 1)
    assert found is not None
    return found


def test_where_nobody_orders_visits_are_ranked_as_well_as_by_silence_and_forecast_as_probabilities() -> None:
    """These people differ in nothing but their pace, and silence tells most of it: the learner can only tie."""
    now = published(visits())
    assert (now.target, now.source, now.blend, now.bgnbd) == ("visit", "blend", 1.0, None)
    assert now.samples > 1_000
    measures = now.metrics
    assert (measures["served"]["auc_active"] or 0.0) > (measures["recency"]["auc_active"] or 1.0) - 0.02
    base = measures["base_rate"]["active"] or 0.0
    assert (measures["served"]["brier_active"] or 1.0) < base * (1.0 - base) - 0.01
    assert (measures["served"]["ece_active"] or 1.0) < 0.08
    batch = visits()
    p = params.score(now, batch.raw)
    assert np.isfinite(p).all()
    assert (quality.auc(p, batch.raw[:, SILENCE] > 60) or 0.0) > 0.9


def test_every_label_is_what_the_customers_own_later_sample_says() -> None:
    batch = visits()
    known = {(code, at): row for code, at, row in zip(batch.codes.tolist(), batch.at.tolist(), batch.raw, strict=True)}
    memory, weeks = churn.zero(HORIZON), np.unique(batch.at // WEEK).tolist()
    every = churn.joined([churn.update(memory, batch.part(batch.at // WEEK == week)) for week in weeks])
    assert len(every.codes) > 1_000
    for code, asked, lost in zip(every.codes.tolist(), every.asked.tolist(), every.happened.tolist(), strict=True):
        assert lost == (known[code, asked + HORIZON * DAY][SILENCE] >= HORIZON)


def test_every_sentence_says_that_it_is_about_visits() -> None:
    now = published(visits())
    assert outcome(now) == ("28 天内不再访问", "no visit within 28 days")
    assert outcome(published(samples())) == ("28 天内不再下单", "no order within 28 days")
    row = row_of({"days_since_visit": 20.0, "visits_30d": 1.0, "views_30d": 1.0, "active_days_30d": 1.0, "orders": 0.0})
    told = reasons.reasons(now, row)
    assert told[0].group == "browsing"
    assert told[0].because_zh.startswith("20 天未访问")
    assert not any("单" in each.because_zh or "order" in each.because_en for each in told)
    moved = reasons.what_if(now, row, {"order": row, "visit": row, "silent_10d": row})
    assert [each.what for each in moved] == ["visit", "silent_10d"]


def test_whoever_never_visited_is_scored_by_nobody() -> None:
    now = published(visits())
    assert np.isnan(params.score(now, row_of({"orders": 0.0}).reshape(1, -1))).all()
    assert np.isnan(params.score(published(samples()), visits().raw[:5])).all()


def test_visitors_beside_buyers_change_nothing_and_a_shop_that_begins_to_sell_is_told_of_orders() -> None:
    with_some = Batch(*(np.concatenate(pair) for pair in zip(samples(), visits(), strict=True)))
    with_some = with_some.part(np.lexsort((with_some.codes, with_some.at)))
    mixed, alone = learned(with_some), learned(samples())
    assert mixed.target == "order"
    assert mixed.logistic.state() == alone.logistic.state()
    later = samples()._replace(at=samples().at + 42 * WEEK)
    sold = learned(Batch(*(np.concatenate(pair) for pair in zip(visits(), later, strict=True))))
    now = churn.read(sold, 1)
    assert now is not None
    assert now.target == "order"
    assert now.bgnbd is not None


@pytest.mark.parametrize("cap", [300, 10_000])
def test_however_visits_are_cut_given_again_and_wherever_the_learner_dies_it_knows_the_same(cap: int) -> None:
    batch, memory = visits(), churn.zero(HORIZON, cap)
    for start, end in itertools.pairwise([*range(0, len(batch.at), 1_501), len(batch.at)]):
        churn.update(memory, batch.part(slice(start, end)))
        memory = churn.decode(churn.encode(memory))
        churn.update(memory, batch.part(slice(max(start, end - 50), end)))
    assert memory.target == "visit"
    assert churn.encode(memory) == churn.encode(learned(batch, cap))


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_poisoned_visit_is_as_if_it_had_not_been_sent(poison: float) -> None:
    batch, at = visits(), 5_000
    raw = batch.raw.copy()
    raw[at, SILENCE] = poison
    left_out = learned(batch.part(np.arange(len(batch.at)) != at))
    assert learned(batch._replace(raw=raw)).logistic.state() == left_out.logistic.state()


def test_rules_do_not_take_the_chance_of_no_visit_for_the_chance_of_no_order() -> None:
    assert population.serving(published(visits())) is None
    assert population.serving(published(samples())) is not None

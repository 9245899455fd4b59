"""The learner on a stream: what it learns, when, and that nothing makes it learn anything else."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.clock import DAY, WEEK
from profiles.errors import ModelMismatch
from profiles.models import churn, params
from profiles.models.churn import Batch, Memory, Settled
from profiles.models.churn_inputs import AT, RAW
from profiles.models.contest import HEAD_START, WHO, unpacked
from profiles.models.packing import pack
from profiles.models.panel import Due
from profiles.stable import code_of
from profiles.wire import Sample
from tests.models.shop import HORIZON, samples

SILENCE = AT["days_since_order"]


def learned(batch: Batch, cap: int = 10_000, horizon: int = HORIZON) -> Memory:
    memory = churn.zero(horizon, cap)
    churn.update(memory, batch)
    return memory


def cut(batch: Batch, *places: int) -> list[Batch]:
    ends = [0, *sorted(min(place, len(batch.at)) for place in places), len(batch.at)]
    return [batch.part(slice(a, b)) for a, b in itertools.pairwise(ends)]


def changed(batch: Batch, rows: np.ndarray, column: int | slice, value: float) -> Batch:
    raw = batch.raw.copy()
    raw[rows, column] = value
    return batch._replace(raw=raw)


# --- labels ----------------------------------------------------------------------------------------------------------


def test_every_label_is_what_the_orders_of_the_horizon_say_and_comes_one_horizon_later() -> None:
    batch, memory = samples(), churn.zero(HORIZON)
    known = {(code, at): row for code, at, row in zip(batch.codes.tolist(), batch.at.tolist(), batch.raw, strict=True)}
    for piece in cut(batch, *range(0, len(batch.at), 97)):
        settled = churn.update(memory, piece)
        for code, asked, lost in zip(settled.codes.tolist(), settled.asked.tolist(), settled.happened, strict=True):
            then, now = known[code, asked], known[code, asked + HORIZON * DAY]
            assert (code, asked + HORIZON * DAY) in set(zip(piece.codes.tolist(), piece.at.tolist(), strict=True))
            assert lost == (now[AT["orders"]] == then[AT["orders"]])


def test_no_label_is_learned_early_not_even_one_that_is_already_sure() -> None:
    """Whoever ordered the day after has returned for certain, but learning that at once would make all look loyal."""
    batch = samples()
    early = batch.part(batch.at < batch.at.min() + HORIZON * DAY)
    memory = learned(early)
    assert memory.logistic.state().samples == 0
    both = churn.update(memory, batch.part(batch.at >= batch.at.min() + HORIZON * DAY)).happened
    assert 0.05 < both.mean() < 0.95


def test_features_of_label_time_cannot_reach_the_model() -> None:
    """Whatever the settling samples look like, if only they say the same label, the same is learned."""
    batch = samples()
    last = batch.at > batch.at.max() - HORIZON * DAY
    other = batch.raw.copy()
    rest = np.array([i for i in range(len(RAW)) if i != SILENCE])
    other[np.ix_(np.flatnonzero(last), rest)] += 1000.0
    assert learned(batch._replace(raw=other)).logistic.state() == learned(batch).logistic.state()


def test_a_label_that_meets_features_of_another_moment_is_refused() -> None:
    memory = churn.zero(HORIZON)
    due = Due(np.array([0]), np.array([WEEK]), np.zeros((1, len(RAW)), np.float32), np.zeros((1, 6), np.float32))
    with pytest.raises(ModelMismatch, match="not frozen one horizon before"):
        churn._learn(memory, due, np.array([1]), np.array([WEEK]), np.array([True]))


def test_a_missed_week_is_dropped_not_guessed() -> None:
    """Without the sample at t + H nobody knows whether an order came by then."""
    batch = samples()
    who = batch.codes == batch.codes[0]
    at = batch.at[who][6]
    without = batch.part(~(who & (batch.at == at)))
    asked = churn.update(churn.zero(HORIZON), without)
    assert at - HORIZON * DAY not in asked.asked[asked.codes == batch.codes[0]]
    whole = churn.update(churn.zero(HORIZON), batch)
    assert len(whole.asked) - len(asked.asked) == 2  # the one it would have settled, and its own


@pytest.mark.parametrize("days", [0, 5, 30, -7])
def test_a_horizon_that_is_no_whole_number_of_weeks_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="whole number of weeks"):
        churn.zero(days)


# --- the same again --------------------------------------------------------------------------------------------------


def test_a_replay_gives_bit_identical_params() -> None:
    first, again = learned(samples()), learned(samples())
    assert churn.encode(first) == churn.encode(again)
    assert params.encode(churn.read(first, 3)) == params.encode(churn.read(again, 3))


@settings(max_examples=12)
@given(st.lists(st.integers(0, 2_500), max_size=12), st.booleans())
def test_however_samples_are_cut_and_wherever_the_learner_dies_it_knows_the_same(places: list[int], dies: bool) -> None:
    """Also while the panel is halved on the way."""
    few = samples(120, 26)
    memory = churn.zero(HORIZON, 50)
    for piece in cut(few, *places):
        churn.update(memory, piece)
        memory = churn.decode(churn.encode(memory)) if dies else memory
    whole = learned(few, 50)
    assert whole.panel.halvings >= 1
    assert churn.encode(memory) == churn.encode(whole)


def test_samples_given_again_change_nothing() -> None:
    batch = samples()
    memory = learned(batch)
    before = churn.encode(memory)
    churn.update(memory, batch.part(batch.at > batch.at.max() - 2 * WEEK))
    assert churn.encode(memory) == before


def test_a_learner_restored_after_a_crash_learns_the_next_500_as_if_nothing_had_been() -> None:
    batch = samples()
    memory = learned(batch.part(slice(0, 4000)))
    restored = churn.decode(churn.encode(memory))
    for each in (memory, restored):
        churn.update(each, batch.part(slice(4000, 6000)))
    gap = params.score(memory.served, batch.raw) - params.score(restored.served, batch.raw)
    assert np.nanmax(np.abs(gap)) == 0.0


def test_samples_as_they_travel_are_the_same_samples() -> None:
    told = [Sample(1, 2, "hh-1", WEEK, {"orders": 2.0, "days_since_order": 4.5})]
    batch = churn.batch_of(msgspec.json.decode(msgspec.json.encode(told), type=list[Sample]))
    assert (batch.codes.tolist(), batch.at.tolist()) == ([code_of("hh-1")], [WEEK])
    assert (batch.raw[0, AT["orders"]], batch.raw[0, SILENCE]) == (2.0, 4.5)
    assert np.isnan(batch.raw[0]).sum() == len(RAW) - 2


# --- poison ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_changes_nothing(poison: float) -> None:
    batch = samples()
    memory = learned(batch.part(slice(0, 6000)))
    before = churn.encode(memory)
    later = batch.part(slice(5900, 5950))
    later = changed(later._replace(at=later.at // WEEK * 0 + int(batch.at[5999])), np.arange(50), slice(None), poison)
    churn.update(memory, later)
    assert churn.encode(memory) == before


def test_one_poisoned_sample_in_a_stream_is_as_if_it_had_not_been_sent() -> None:
    batch, at = samples(), 5000
    poisoned = changed(batch, np.array([at]), AT["orders_30d"], np.inf)
    assert learned(poisoned).logistic.state() == learned(batch.part(np.arange(len(batch.at)) != at)).logistic.state()


def test_absurd_numbers_move_scores_but_break_nothing() -> None:
    batch = samples()
    absurd = changed(batch, np.arange(0, len(batch.at), 50), AT["spend_90d"], 1e308)
    memory = learned(absurd)
    p = params.score(memory.served, absurd.raw)
    assert np.isfinite(p[np.isfinite(batch.raw[:, SILENCE])]).all()


# --- other code, other lists ------------------------------------------------------------------------------------------


def test_state_and_params_of_another_list_of_inputs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = learned(samples())
    raw, published = churn.encode(memory), churn.read(memory, 1)
    assert published is not None
    monkeypatch.setattr(churn, "HASH", "another")
    monkeypatch.setattr(params, "HASH", "another")
    with pytest.raises(ModelMismatch, match="begin anew"):
        churn.decode(raw)
    with pytest.raises(ModelMismatch, match="refused"):
        params.decode(params.encode(published))
    with pytest.raises(ModelMismatch, match="refused"):
        churn.score(published, samples().raw)


def test_rows_stored_before_they_said_who_they_are_about_are_still_read() -> None:
    memory = learned(samples())
    rows = np.concatenate([each for _, each in memory.contest.weeks])
    old = unpacked(pack(rows[:, :WHO]))
    assert (old[:, :WHO] == rows[:, :WHO]).all()
    assert np.isnan(old[:, WHO]).all()
    memory.contest.weeks = [(week, unpacked(pack(each[:, :WHO]))) for week, each in memory.contest.weeks]
    before, after = churn.read(memory, 1), memory.contest.measures()
    assert before is not None
    assert after["served"] == before.metrics["served"]
    assert after["alerts_rule"]["alerts"] == 0.0


def test_damaged_state_and_params_are_refused() -> None:
    published = churn.read(learned(samples()), 1)
    assert published is not None
    damaged = msgspec.structs.replace(published, weights=published.weights[:-1])
    for broken in (params.encode(damaged), b"{}", b"\x80\x04."):
        with pytest.raises(ModelMismatch):
            params.decode(broken)
    with pytest.raises(ModelMismatch):
        churn.decode(b"\x80\x04.")


def test_published_params_are_plain_json_and_come_back_exactly() -> None:
    published = churn.read(learned(samples()), 7)
    assert published is not None
    back = params.decode(params.encode(published))
    assert back == published
    assert back.version == 7
    assert params.encode(back) == params.encode(published)
    gap = params.score(back, samples().raw) - params.score(published, samples().raw)
    assert np.nanmax(np.abs(gap)) == 0.0


# --- who serves ------------------------------------------------------------------------------------------------------


def test_nobody_then_bgnbd_then_the_blend() -> None:
    """A cold start: BG/NBD as soon as some came back, the learner never before it had four weeks of labels."""
    batch, memory, served = samples(600, 52, 3), churn.zero(HORIZON), {}
    for week in np.unique(batch.at // WEEK).tolist():
        churn.update(memory, batch.part(batch.at // WEEK == week))
        now = churn.read(memory, 1)
        served[week] = now.source if now else None
    told = list(served.values())
    assert told[0] is None
    assert list(dict.fromkeys(told)) == [None, "bgnbd", "blend"]
    first = next(week for week, source in served.items() if source == "blend")
    assert first >= min(served) + HORIZON // 7 + HEAD_START


def test_what_is_served_is_measured_and_better_than_silence_alone() -> None:
    now = churn.read(learned(samples(600, 52, 3)), 1)
    assert now is not None
    measures = now.metrics
    assert (measures["served"]["auc_active"] or 0.0) > (measures["recency"]["auc_active"] or 1.0)
    assert (measures["served"]["ece_active"] or 1.0) < 0.08
    alerts = {"alerts_rule", "alerts_learner", "alerts_bgnbd", "alerts_served"}
    assert set(measures) == {"learner", "bgnbd", "served", "recency", "base_rate"} | alerts


@pytest.mark.parametrize("lost", [True, False])
def test_a_shop_where_all_are_lost_and_one_where_nobody_is(lost: bool) -> None:
    batch = samples()
    memory = learned(changed(batch, np.arange(len(batch.at)), SILENCE, HORIZON + 1.0 if lost else 1.0))
    p = params.score(memory.served, batch.raw)
    assert np.isfinite(memory.logistic.state().weights).all()
    told = p[np.isfinite(p)]
    assert ((told >= 0) & (told <= 1)).all()
    now = churn.read(memory, 1)
    assert now is None or now.metrics["served"]["auc_all"] is None
    if memory.served.source == "blend" and memory.served.bgnbd is None:
        assert (told.mean() > 0.5) == lost


def test_a_customer_with_one_event_is_scored_and_one_without_an_order_is_not() -> None:
    now = churn.read(learned(samples()), 1)
    assert now is not None
    once = {"days_since_order": 40.0, "days_since_first_order": 40.0, "orders": 1.0, "average_order": 30.0}
    batch = churn.batch_of([Sample(0, 1, "once", WEEK, once), Sample(0, 2, "never", WEEK, {"visits_30d": 3.0})])
    p = churn.score(now, batch.raw)
    assert 0.0 < p[0] < 1.0
    assert np.isnan(p[1])


def test_expected_orders_and_their_value_are_there_for_every_buyer() -> None:
    now = churn.read(learned(samples()), 1)
    assert now is not None
    raw = samples().raw[-300:]
    orders, value = params.orders_and_value(now, raw)
    buyers = np.isfinite(raw[:, SILENCE])
    assert (orders[buyers] >= 0).all()
    assert np.isnan(value[~buyers]).all()
    assert 5.0 < np.median(value[buyers] / orders[buyers]) < 200.0  # orders are worth 5 to 200


# --- the panel -------------------------------------------------------------------------------------------------------


def test_the_panel_is_bounded_and_its_members_depend_on_nothing_but_their_id() -> None:
    few, all_ = learned(samples(), 100), learned(samples())
    assert len(few.panel) <= 100
    assert len(all_.panel) == len(np.unique(samples().codes[np.isfinite(samples().raw[:, SILENCE])]))
    codes = np.array(sorted(all_.panel.place))
    assert set(few.panel.place) == set(codes[few.panel.members(codes)].tolist())


def test_a_customer_whose_samples_end_is_forgotten() -> None:
    batch = samples()
    gone = batch.codes[0]
    memory = learned(batch.part((batch.codes != gone) | (batch.at < batch.at.min() + 8 * WEEK)))
    assert gone not in memory.panel.place
    assert Settled._fields == ("codes", "asked", "seen", "happened")

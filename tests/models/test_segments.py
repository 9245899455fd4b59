"""Segments on a stream: the same samples give the same segments, ids survive, names are true, few customers move."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.clock import WEEK
from profiles.errors import ModelMismatch
from profiles.models import kmeans, segment_params, segments
from profiles.models.axes import NAMES, WEIGHTS
from profiles.models.churn import Batch
from profiles.models.churn_inputs import AT, RAW, usable
from profiles.models.portraits import CATALOGUE, named, portrait
from profiles.models.segments import Memory, Params
from streams import backtest, orderlog
from tests.models.shop import samples
from tests.models.test_bars import JOURNEY


def learned(batch: Batch, cap: int = 10_000, k: int = segments.SEGMENTS) -> Memory:
    """Everything in the batch, and its last week ended."""
    memory = segments.zero(k, cap)
    segments.update(memory, batch)
    segments.turn(memory, int(batch.at.max()) // WEEK + 1)
    return memory


def published(memory: Memory) -> Params:
    found = segments.read(memory, 1)
    assert found is not None
    return found


def by_week(batch: Batch) -> list[tuple[int, Batch]]:
    weeks = batch.at // WEEK
    return [(week, batch.part(weeks == week)) for week in np.unique(weeks).tolist()]


def lived(batch: Batch) -> list[Params]:
    """What was published at the end of each week."""
    memory, found = segments.zero(), []
    for week, part in by_week(batch):
        segments.update(memory, part)
        segments.turn(memory, week + 1)
        if (now := segments.read(memory, week)) is not None:
            found.append(now)
    return found


def customers(many: int, silence: float, orders: float, average: float, tenure: float) -> np.ndarray:
    """Rows of customers who are much alike."""
    rng, raw = np.random.default_rng(int(orders * 7 + average)), np.full((many, len(RAW)), np.nan)
    told = {
        "days_since_order": silence,
        "orders_365d": orders,
        "orders": orders,
        "average_order": average,
        "days_since_first_order": tenure,
    }
    for name, value in told.items():
        raw[:, AT[name]] = value * rng.uniform(0.95, 1.05, many)
    raw[:, AT["orders"]] = np.maximum(np.ceil(raw[:, AT["orders"]]), 1.0)
    return raw


def shop_of(*groups: np.ndarray, weeks: int = segments.RIPE + 1) -> Batch:
    """These customers, as they are, in every week."""
    raw = np.concatenate(groups)
    n = len(raw)
    at = np.repeat(np.arange(2_800, 2_800 + weeks) * WEEK, n) + np.tile(np.arange(n), weeks)
    return Batch(np.tile(np.arange(1, n + 1) * 977, weeks), at, np.tile(raw, (weeks, 1)))


# --- the same again --------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 2_500), max_size=12), st.booleans())
def test_however_samples_are_cut_and_wherever_the_learner_dies_segments_are_the_same(
    places: list[int], dies: bool
) -> None:
    """Also while the roster is halved on the way."""
    few = samples(120, 26)
    ends = [0, *sorted(min(place, len(few.at)) for place in places), len(few.at)]
    memory = segments.zero(3, 70)
    for start, end in itertools.pairwise(ends):
        segments.update(memory, few.part(slice(start, end)))
        memory = segments.decode(segments.encode(memory)) if dies else memory
    segments.turn(memory, int(few.at.max()) // WEEK + 1)
    whole = learned(few, 70, 3)
    assert whole.roster.halvings >= 1
    assert whole.served is not None
    assert segments.encode(memory) == segments.encode(whole)


def test_a_replay_gives_bit_identical_segments() -> None:
    first, again = learned(samples()), learned(samples())
    assert segments.encode(first) == segments.encode(again)
    assert segment_params.encode(published(first)) == segment_params.encode(published(again))


def test_samples_given_again_change_nothing() -> None:
    batch, memory = samples(), segments.zero()
    twice = segments.zero()
    segments.update(memory, batch)
    for _, part in by_week(batch):
        segments.update(twice, part)
        segments.update(twice, part.part(np.arange(len(part.at))[::-1]))
    segments.update(twice, batch.part(batch.at > batch.at.max() - 3 * WEEK))
    assert segments.encode(twice) == segments.encode(memory)


def test_the_order_of_the_stream_counts_and_nothing_else() -> None:
    batch, order = samples(), np.random.default_rng(1).permutation(len(samples().at))
    other = batch.part(order[np.argsort(batch.at[order] // WEEK, kind="stable")])
    one, two = published(learned(batch)), published(learned(other))
    assert one != two
    same = segments.assign(one, batch.raw) == segments.assign(two, batch.raw)
    assert same.mean() > 0.9


# --- poison ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_as_if_it_had_not_been_sent(poison: float) -> None:
    batch, at = samples(), 5_000
    assert usable(batch.raw[at : at + 1])[0]
    raw = batch.raw.copy()
    raw[at, AT["days_since_order"]] = poison
    without = batch.part(np.arange(len(batch.at)) != at)
    assert segments.encode(learned(batch._replace(raw=raw))) == segments.encode(learned(without))


def test_one_absurd_customer_does_not_own_a_segment() -> None:
    batch = samples()
    raw = batch.raw.copy()
    mine = (batch.codes == batch.codes[0]) & usable(raw)
    raw[mine, AT["average_order"]] = 1e300
    found = published(learned(batch._replace(raw=raw)))
    assert min(each.customers for each in found.segments) > 1
    assert all(np.isfinite(list(each.typical.values())).all() for each in found.segments)


def test_a_shop_where_all_are_alike_still_has_numbers() -> None:
    found = published(learned(shop_of(customers(1, 3, 5, 20, 100).repeat(500, axis=0))))
    assert np.isfinite([*found.means, *found.sds, *itertools.chain(*(each.centre for each in found.segments))]).all()
    assert sorted(each.customers for each in found.segments) == [0, 0, 0, 0, 0, 500]
    assert sum(each.share for each in found.segments) == 1.0


# --- few, none, others -----------------------------------------------------------------------------------------------


def test_of_too_few_samples_or_customers_nothing_is_told() -> None:
    few = samples(50, 40)
    assert len(np.unique(few.codes)) < segments.FEWEST * segments.SEGMENTS
    assert int(usable(few.raw).sum()) > segments.ENOUGH
    assert segments.read(learned(few), 1) is None
    assert segments.read(learned(samples(400, segments.RIPE)), 1) is None
    assert segments.read(segments.zero(), 1) is None


@pytest.mark.parametrize("k", [1, 0, -3])
def test_fewer_than_two_segments_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match="two or more"):
        segments.zero(k)


def test_who_never_ordered_has_no_segment_and_everybody_else_has_one() -> None:
    batch = samples()
    raw = batch.raw.copy()
    raw[::10, AT["orders"]] = 0.0
    raw[::10, AT["days_since_order"]] = np.nan
    ids = segments.assign(published(learned(batch)), raw)
    assert (ids[::10] == segment_params.NONE).all()
    assert ((ids == segment_params.NONE) == ~usable(raw)).all()
    assert set(ids.tolist()) == {segment_params.NONE, *range(segments.SEGMENTS)}


def test_segments_of_other_numbers_and_damaged_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = learned(samples())
    params, state = segment_params.encode(published(memory)), segments.encode(memory)
    for broken in (b"{}", b"\x80\x04.", params.replace(b'"means":[', b'"means":[1.0,')):
        with pytest.raises(ModelMismatch):
            segment_params.decode(broken)
    with pytest.raises(ModelMismatch):
        segments.decode(b"\x80\x04.")
    monkeypatch.setattr(segments, "HASH", "another")
    monkeypatch.setattr(segment_params, "HASH", "another")
    with pytest.raises(ModelMismatch, match="begin anew"):
        segments.decode(state)
    with pytest.raises(ModelMismatch, match="refused"):
        segment_params.decode(params)
    with pytest.raises(ModelMismatch, match="features"):
        segments.assign(published(learned(samples())), samples().raw[:, 1:])


def test_published_segments_are_plain_json_and_come_back_exactly() -> None:
    now = published(learned(samples()))
    back = segment_params.decode(segment_params.encode(now))
    assert back == now
    assert segment_params.encode(back) == segment_params.encode(now)


# --- what is told of them --------------------------------------------------------------------------------------------


def test_clear_groups_are_found_and_called_what_they_are() -> None:
    groups = {
        "loyal big spenders": customers(150, 3, 40, 90, 350),
        "small baskets asleep": customers(150, 150, 2, 12, 320),
        "newcomers": customers(150, 8, 1, 40, 12),
        "rare but large orders": customers(150, 25, 4, 260, 300),
    }
    found = published(learned(shop_of(*groups.values()), k=4))
    for name, raw in groups.items():
        ids = segments.assign(found, raw)
        assert len(set(ids.tolist())) == 1
        mine = found.segments[int(ids[0])]
        assert (mine.en, mine.customers, mine.share) == (name, 150, 0.25)
        assert mine.typical["orders_365d"] == pytest.approx(np.median(raw[:, AT["orders_365d"]]), abs=0.01)


def test_every_version_has_different_names_in_both_languages_and_portraits_with_numbers() -> None:
    for params in lived(samples()):
        for names in ([each.zh for each in params.segments], [each.en for each in params.segments]):
            assert len(set(names)) == len(names)
        for each in params.segments:
            assert re.search(r"[\u4e00-\u9fff]", each.zh + each.portrait_zh)
            for line in (each.portrait_zh, each.portrait_en):
                assert f"{each.typical['average_order']:.2f}" in line
                assert f"{each.typical['days_since_order']:.0f}" in line


def test_no_name_is_given_where_it_would_be_a_lie() -> None:
    """A customer with an order a year is no regular, however seldom the others come."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        centres = rng.normal(0.0, 1.0, (6, len(NAMES))) * WEIGHTS
        typical = np.tile([400.0, 0.0, 0.0, 30.0, 365.0], (6, 1))
        names = {en for _, en in named(centres, typical, [])}
        assert len(names) == 6
        assert not {"loyal big spenders", "steady regulars", "newcomers", "ordinary customers"} & names
    assert len({name.en for name in CATALOGUE}) == len({name.zh for name in CATALOGUE}) == len(CATALOGUE)


def test_a_portrait_reads_like_a_sentence() -> None:
    zh, en = portrait(dict(zip(NAMES, (1.0, 1.0, 20.5, 20.5, 12.0), strict=True)))
    assert zh == "近一年 1 单，消费 20.50，客单价 20.50，1 天未下单，首单至今 12 天"
    assert en == "1 order and 20.50 spent in a year, 20.50 an order, 1 day without one, first order 12 days ago"


def test_migration_counts_who_was_where_by_what_was_published_then() -> None:
    memory, before, known = segments.zero(), None, dict[int, int]()
    compared = 0
    for week, part in by_week(samples()):
        able = part.part(usable(part.raw))
        segments.update(memory, part)
        segments.turn(memory, week + 1)
        now = segments.read(memory, 1)
        if before is not None and now is not None:
            ids = dict(zip(able.codes.tolist(), segments.assign(before, able.raw).tolist(), strict=True))
            told = Counter((known[code], mine) for code, mine in ids.items() if code in known)
            counted = {(i, j): n for i, row in enumerate(now.migration) for j, n in enumerate(row) if n}
            assert counted == told
            if told:
                moved = sum(n for (i, j), n in told.items() if i != j)
                assert now.changed == pytest.approx(moved / told.total(), abs=1e-4)
                compared += 1
            known |= ids
        before = now
    assert compared > 20


def test_the_roster_is_bounded_and_forgets_whose_samples_end() -> None:
    batch = samples()
    gone = int(batch.codes[usable(batch.raw)][0])
    left = batch.part((batch.codes != gone) | (batch.at < batch.at.min() + 8 * WEEK))
    assert gone in learned(batch).roster.place
    assert gone not in learned(left).roster.place
    assert 40 <= len(learned(batch, 100).roster) <= 100


def test_a_week_with_one_sample_says_little_of_all() -> None:
    batch = samples()
    memory = learned(batch)
    before, code = published(memory), next(iter(memory.roster.place))
    mine = batch.part(batch.codes == code).part(slice(-1, None))
    segments.update(memory, mine._replace(at=mine.at + WEEK))
    segments.turn(memory, int(mine.at[0]) // WEEK + 2)
    after = published(memory)
    assert after.samples == before.samples + 1
    assert np.sum(after.migration) == 1
    assert np.abs(np.array(after.sds) / np.array(before.sds) - 1.0).max() < 0.01
    assert sum(each.customers for each in after.segments) == sum(each.customers for each in before.segments)
    assert (segments.assign(before, batch.raw) == segments.assign(after, batch.raw)).mean() > 0.99


# --- seeding again ---------------------------------------------------------------------------------------------------


def test_fresh_centres_take_the_ids_of_those_they_continue() -> None:
    rng = np.random.default_rng(4)
    centres = rng.normal(0, 2.0, (6, 5))
    fresh = (centres + rng.normal(0, 0.1, centres.shape))[rng.permutation(6)]
    for points in (centres, centres[:0]):
        assert np.abs(kmeans.matched(points, fresh, centres) - centres).max() < 0.5


def test_while_centres_fit_nobody_seeds_again_and_when_the_shop_changes_they_do() -> None:
    groups = [customers(120, 3, 40, 90, 350), customers(120, 150, 2, 12, 320), customers(120, 20, 10, 200, 300)]
    steady = shop_of(*groups, weeks=40)
    assert {each.seedings for each in lived(steady)} == {1}
    other = [*groups[:1], *(customers(80, 10 * i * i, 2 + 9 * i, 10 + 60 * i, 90 * i) for i in range(1, 5))]
    later = shop_of(*other, weeks=40)
    changed = steady._replace(raw=np.concatenate([steady.raw[: 20 * 360], later.raw[: 20 * 400]]))
    at = np.concatenate([steady.at[: 20 * 360], later.at[: 20 * 400] + 20 * WEEK])
    codes = np.concatenate([steady.codes[: 20 * 360], later.codes[: 20 * 400]])
    assert lived(Batch(codes, at, changed.raw))[-1].seedings > 1


# --- a real shop -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def journey() -> Batch:
    """A grocer's weekly samples, by the stream's own kernels."""
    path, _, columns = JOURNEY
    found = backtest.sampled(orderlog.read(path, columns).orders, lambda _step, _share: None)
    return found.part(np.argsort(found.at, kind="stable"))


def test_few_of_a_grocers_customers_change_segment_in_a_week(journey: Batch) -> None:
    changed = [each.changed for each in lived(journey) if each.changed is not None]
    assert len(changed) > 40
    print("changed, week by week:", changed)
    assert max(changed) <= 0.20, "from the first week that is told on"
    assert np.mean(changed) >= 0.02, "who never moves is in no living segment"


@pytest.mark.parametrize(("near", "least"), [(segments.NEAR, 0.85), (0.0, 0.55)])
def test_ids_survive_a_forced_seeding(
    journey: Batch, monkeypatch: pytest.MonkeyPatch, near: float, least: float
) -> None:
    """By the rule, and also from nowhere: then borders lie elsewhere, but no other way to hand out ids keeps more."""
    last = int(journey.at.max()) // WEEK - 1  # the latest whole one
    week = journey.part(journey.at // WEEK == last)
    memory = segments.zero()
    segments.update(memory, journey.part(journey.at // WEEK < last))
    segments.turn(memory, last)
    before = published(memory)
    monkeypatch.setattr(segments, "WORSE", 0.0)
    monkeypatch.setattr(segments, "NEAR", near)
    monkeypatch.setattr(segments, "CALM", 0)
    segments.update(memory, week)
    segments.turn(memory, last + 1)
    after = published(memory)
    assert after.seedings == before.seedings + 1
    raw = week.raw[usable(week.raw)]
    now, then = segments.assign(after, raw), segments.assign(before, raw)
    kept = float((now == then).mean())
    print(f"{kept:.3f} keep their segment")
    assert kept >= least
    orders = itertools.permutations(range(len(after.segments)))
    assert kept >= max(float((np.array(order)[now] == then).mean()) for order in orders) - 0.02

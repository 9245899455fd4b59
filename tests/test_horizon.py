"""Silence foreseen: the moment the horizon names is the very first at which a comparison changes its answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.clock import DAY, HOUR, MINUTE, NEVER, Int64s, Zone
from profiles.compiled import compiled
from profiles.features import FEATURE_ROWS, FEATURES, INDEX, Unit
from profiles.kernels.decide import Compare, compare
from profiles.kernels.derive import Floats, Population, derive
from profiles.kernels.horizon import flip, next_edge, offset_at
from profiles.kinds import Kind
from profiles.operators import Op
from profiles.rules.compile import wanted
from profiles.rules.vocabulary import Misused, comparison
from tests.customers import FACTORS, NEW_YORK, PEOPLE, SANTIAGO, SHANGHAI, WHEN, Did, features_at, row_of, shop, stories

MOVING = sorted(feature.name for feature in FEATURES if feature.silence != "stays" and feature.op is not Op.SCORE)
STILL = sorted(feature.name for feature in FEATURES if feature.silence == "stays" and feature.op is not Op.RUNG)

Question = tuple[Int64s, int, str, Compare, float, Zone]  #: row, moment, feature, comparison, limit, shop


def grid(name: str) -> tuple[int, int]:
    """How finely to look for a change, and for how long: the zones here have offsets of whole hours."""
    return (10 * MINUTE, 40 * DAY) if FEATURES[INDEX[name]].op is Op.SESSIONS else (HOUR, 420 * DAY)


@compiled
def first_difference(
    row: Int64s, now: int, end: int, step: int, f: int, op: int, limit: float, needs: Int64s,
    factor: Floats, people: Population, since: Int64s, offsets: Int64s, x: Floats,
) -> int:  # fmt: skip
    """Look at every multiple of ``step`` after ``now`` until the answer is another than at ``now``."""
    derive(row, now, offset_at(now, since, offsets), needs, factor, people, x)
    before, t = compare(op, x[f], limit), (now // step + 1) * step
    while t <= end:
        derive(row, t, offset_at(t, since, offsets), needs, factor, people, x)
        if compare(op, x[f], limit) != before:
            return t
        t += step
    return NEVER


def needs_of(name: str) -> Int64s:
    return np.array(wanted([name]), np.int64)


def foreseen(row: Int64s, now: int, name: str, how: Compare, limit: float, here: Zone, until: int = NEVER) -> int:
    x = features_at(row, now, here)
    seen, offset = x.copy(), offset_at(now, here.since, here.offset)
    at = flip(row, now, offset, INDEX[name], how, limit, FACTORS, PEOPLE, x, until, here.since, here.offset)
    assert np.array_equal(x, seen, equal_nan=True), "looking ahead leaves the features as they are"
    return at


def truth(row: Int64s, at: int, name: str, how: Compare, limit: float, here: Zone) -> bool:
    return bool(compare(how, features_at(row, at, here)[INDEX[name]], limit))


def searched(row: Int64s, now: int, name: str, how: Compare, limit: float, here: Zone) -> int:
    step, span = grid(name)
    return first_difference(
        row, now, now + span, step, INDEX[name], how, limit, needs_of(name),
        FACTORS, PEOPLE, here.since, here.offset, np.full(len(FEATURE_ROWS), np.nan),
    )  # fmt: skip


@st.composite
def questions(draw: st.DrawFn, names: list[str]) -> Question:
    """A customer, a moment, and a comparison whose limit the feature has now, will have, or nearly has."""
    here = shop(draw(st.sampled_from([SHANGHAI, NEW_YORK, SANTIAGO])))
    row = row_of(draw(stories()), here)
    now = WHEN + draw(
        st.one_of(st.integers(0, 3), st.integers(0, 200 * DAY), st.integers(0, 90).map(lambda d: d * DAY))
    )
    now_seen = features_at(row, now, here)
    known = [name for name in names if not np.isnan(now_seen[INDEX[name]])]
    name, how = draw(st.sampled_from(known or names)), draw(st.sampled_from(Compare))
    later = now + draw(st.one_of(st.integers(1, 100 * DAY), st.integers(0, 100).map(lambda d: d * DAY)))
    limit = float(features_at(row, later, here)[INDEX[name]])
    limit = 1.0 if np.isnan(limit) else draw(st.sampled_from([limit, round(limit), round(limit, 1), limit + 1e-9]))
    feature = FEATURES[INDEX[name]]
    try:
        comparison(feature, how, "x" if feature.unit is Unit.NAME and feature.op is not Op.STEP else limit)
    except Misused:
        how = Compare.EQ if feature.unit is Unit.NAME else Compare.GE
        limit = min(max(limit, 0.0), 1.0) if feature.unit is Unit.PROBABILITY else limit
    return row, now, name, how, limit, here


def check(question: Question) -> None:
    row, now, name, how, limit, here = question
    step, span = grid(name)
    found, seen = foreseen(*question), searched(*question)
    if found > now + span:
        assert seen == NEVER, f"{name} {how.name} {limit!r} changes by {seen - now} ms, nobody foresaw it"
        return
    before = truth(row, now, name, how, limit, here)
    assert found > now
    assert truth(row, found, name, how, limit, here) != before, f"{name} {how.name} {limit!r}: too early"
    assert found <= seen < found + step, f"{name} {how.name} {limit!r}: foreseen {found - now}, seen {seen - now}"
    assert foreseen(*question, until=found) == found, "what comes first is exact however near one looks"
    assert foreseen(*question, until=now + 1) >= min(found, now + 2), "what comes later is never said to come first"
    if found - 1 > now:
        assert truth(row, found - 1, name, how, limit, here) == before, f"{name} {how.name} {limit!r}: too late"


@pytest.mark.parametrize("op", sorted({FEATURES[INDEX[name]].op for name in MOVING} - {Op.SESSION_MINUTES}))
def test_what_moves_in_silence_changes_its_answer_exactly_when_foreseen(op: Op) -> None:
    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(questions([name for name in MOVING if FEATURES[INDEX[name]].op is op]))
    def law(question: Question) -> None:
        check(question)

    law()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(questions(STILL))
def test_what_stays_in_silence_is_never_waited_for(question: Question) -> None:
    assert foreseen(*question) == NEVER
    assert searched(*question) == NEVER


def test_rounding_never_loses_a_tick() -> None:
    """A tick a millisecond early would find nothing changed and nothing left to wait for: the tag would never come."""
    here, last = shop(), WHEN
    for apart in (7, 63, 100):
        row = row_of([Did(Kind.ORDER, last - apart * DAY, 100), Did(Kind.ORDER, last, 100)], here)
        for tenths in range(1, 60):
            check((row, last + HOUR, "overdue", Compare.GE, tenths / 10, here))


def test_a_new_shop_day_begins_with_the_change_of_the_clocks_where_that_leaves_midnight_out() -> None:
    """Santiago goes from 24:00 straight to 01:00 on 8 September 2024, and from 24:00 back to 23:00 on 7 April."""
    here = shop(SANTIAGO)
    for change in (1_725_768_000_000, 1_712_458_800_000):
        for before in (1, 30 * MINUTE, 5 * HOUR, 3 * DAY, -30 * MINUTE, -2 * HOUR):
            now = change - before
            offset = offset_at(now, here.since, here.offset)
            today = (now + offset) // DAY
            for steps in (1, 2, 5):
                edge = next_edge(now, offset, DAY, steps, here.since, here.offset)
                assert edge > now
                assert (edge + offset_at(edge, here.since, here.offset)) // DAY == today + steps
                assert (edge - 1 + offset_at(edge - 1, here.since, here.offset)) // DAY < today + steps


def test_both_sides_of_every_ratio_stand_still_or_leave_tile_by_tile_at_the_same_edges() -> None:
    """What the horizon relies on when it walks two windows at once."""
    for feature in FEATURES:
        if feature.op in (Op.RATIO, Op.LESS):
            sides = [FEATURES[INDEX[str(arg)]] for arg in feature.args]
            moving = [side for side in sides if side.silence != "stays"]
            assert all(side.op in (Op.WINDOW, Op.ACTIVE) for side in moving), feature.name
            assert len({int(FEATURE_ROWS[INDEX[side.name], 3]) for side in moving}) <= 1, feature.name

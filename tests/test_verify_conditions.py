"""Conditions asked one by one agree with the kernels that decide, and notice when standing does not."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.clock import HOUR
from profiles.features import CUT_FEATURES, FEATURES
from profiles.kernels.decide import Compare
from profiles.kinds import Kind
from profiles.layout import LADDERS, TABLES
from profiles.rules import assign_slots, compile_rules, shipped
from profiles.rules.terms import Comparison, Every, Some
from profiles.verify.conditions import Standing, asked, contradictions
from tests.customers import PEOPLE, SHANGHAI, WHEN, Did, Life, features_at, shop, stories

BOOK = compile_rules(shipped(), assign_slots(shipped(), {}))


def standing(life: Life) -> Standing:
    """A customer at the moment of the last decision."""
    x = features_at(life.row, int(life.row[TABLES.as_of]), life.here)
    names = [feature.name for feature in FEATURES]
    return Standing(
        features={name: value for name, value in zip(names, x.tolist(), strict=True) if name not in LADDERS},
        held=frozenset(BOOK.held(life.row)),
        rungs={ladder: BOOK.rung(ladder, life.row) for ladder in LADDERS},
        deciles={name: tuple(PEOPLE.cuts[i].tolist()) for i, name in enumerate(CUT_FEATURES)},
        digits=2,
    )


@settings(max_examples=60)
@given(stories(), st.integers(0, 200 * 24))
def test_what_the_kernels_decide_contradicts_no_condition(story: list[Did], hours: int) -> None:
    life = Life(BOOK, shop(SHANGHAI)).does(*story).waits(WHEN + hours * HOUR)
    assert list(contradictions(BOOK.document, standing(life))) == []


@settings(max_examples=30)
@given(stories())
def test_a_tag_that_is_taken_away_is_missed_and_one_that_is_added_is_seen(story: list[Did]) -> None:
    life = Life(BOOK, shop(SHANGHAI)).does(*story)
    at = standing(life)
    for tag in BOOK.document.tags:
        rule = BOOK.document.rules[tag.name]
        other = replace(at, held=at.held ^ {tag.name})
        found = {what for what, _, _ in contradictions(BOOK.document, other)}
        enters = asked(rule.enter, at)
        if tag.name in at.held and enters is True:
            assert tag.name in found
        if tag.name not in at.held and enters is False and rule.leave is None:
            assert tag.name in found


def test_a_rung_too_high_or_too_low_is_seen() -> None:
    buyer = Life(BOOK, shop(SHANGHAI)).does(*(Did(Kind.ORDER, WHEN - n * HOUR, 50_000) for n in range(1, 6)))
    at = standing(buyer)
    for ladder in BOOK.document.ladders:
        for rung in ladder.rungs:
            if rung.name != at.rungs[ladder.name] and rung.until is None:
                moved = replace(at, rungs={**at.rungs, ladder.name: rung.name})
                assert ladder.name in {what for what, _, _ in contradictions(BOOK.document, moved)}, rung.name


def test_three_valued_truth() -> None:
    """Near its limit a fraction cannot be judged; a count can; what is unknown is neither above nor below."""
    at = Standing({"days_silent": 90.0 + 1e-12, "orders": 3.0, "average_order": nan}, frozenset(), {}, {}, 2)
    near = Comparison("days_silent", Compare.GE, 90.0)
    exact = Comparison("orders", Compare.GE, 3.0)
    unknown = Comparison("average_order", Compare.LT, 5.0)
    missing = Comparison("top_brand", Compare.EQ, "x")
    assert [asked(term, at) for term in (near, exact, unknown, missing)] == [None, True, False, None]
    assert asked(Every((near, exact)), at) is None
    assert asked(Every((near, unknown)), at) is False
    assert asked(Some((near, exact)), at) is True
    assert asked(Some((near, unknown)), at) is None
    assert asked(Comparison("average_order", Compare.UNKNOWN), at) is True


def test_money_is_compared_in_whole_cents() -> None:
    at = Standing({"spend_30d": float(np.float64(0.1) + np.float64(0.2))}, frozenset(), {}, {}, 2)
    assert asked(Comparison("spend_30d", Compare.LE, 0.3), at) is True
    assert asked(Comparison("spend_30d", Compare.GT, 0.3), at) is False

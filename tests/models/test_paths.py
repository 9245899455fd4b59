"""Paths and cohorts read from counts: against sessions that are simulated and against arithmetic on paper."""

from __future__ import annotations

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.census import LABELS, NODE_NAMES, PATH
from profiles.kinds import Kind
from profiles.models.paths import chain_of, reaching
from profiles.models.paths import read as read_paths
from profiles.models.retention import SHOWN
from profiles.models.retention import read as read_retention

#: a shop whose customers forget where they came from: what follows each step, with its probability
SHOP = {
    "START": {"VISIT": 0.7, "SEARCH": 0.3},
    "VISIT": {"VIEW": 0.5, "SEARCH": 0.2, "EXIT": 0.3},
    "SEARCH": {"VIEW": 0.8, "EXIT": 0.2},
    "VIEW": {"VIEW": 0.4, "CART_ADD": 0.2, "EXIT": 0.4},
    "CART_ADD": {"VIEW": 0.3, "CHECKOUT": 0.4, "EXIT": 0.3},
    "CHECKOUT": {"ORDER": 0.6, "EXIT": 0.4},
    "ORDER": {"EXIT": 0.9, "VIEW": 0.1},
}


def sessions(many: int) -> tuple[Counter[str], float]:
    """Counts after so many sessions, and the share of them that came to an order."""
    rng, counts, won = np.random.default_rng(7), Counter[str](), 0
    for _ in range(many):
        at, ordered = "START", False
        while at != "EXIT":
            to = str(rng.choice([*SHOP[at]], p=[*SHOP[at].values()]))
            counts[f"{PATH}{at}>{to}"] += 1
            at, ordered = to, ordered or to == "ORDER"
        won += ordered
    return counts, won / many


def test_the_chain_says_how_many_sessions_come_to_an_order() -> None:
    counts, share = sessions(4000)
    found = read_paths(counts)
    assert found.sessions == 4000
    assert found.order == pytest.approx(share, abs=0.015)
    steps = {line.step: line for line in found.steps}
    assert steps["START"] is found.steps[0]
    assert steps["CHECKOUT"].order == pytest.approx(0.6, abs=0.03)
    assert steps["VISIT"].order < steps["VIEW"].order < steps["CART_ADD"].order < steps["CHECKOUT"].order
    assert steps["ORDER"].order == pytest.approx(0.1 * steps["VIEW"].order, abs=0.01)
    assert all(line.order + line.exit == pytest.approx(1) for line in found.steps)
    assert found.funnels[0].steps == ("START", "VISIT", "VIEW", "CART_ADD", "CHECKOUT", "ORDER")
    assert found.funnels[0].zh == "进店 → 访问页面 → 浏览商品 → 加购 → 结算 → 下单"
    assert [each.step for each in found.drop_offs[:2]] == ["VIEW", "VISIT"]
    assert sum(each.times for each in found.drop_offs) + counts["path:ORDER>EXIT"] == 4000


def test_a_session_that_nobody_came_back_from_has_ended() -> None:
    """Of ten who viewed, one ordered; none was seen again, so no end was ever counted."""
    found = read_paths({"path:START>VIEW": 10, "path:VIEW>ORDER": 1})
    assert found.order == 0.1
    assert found.drop_offs[0].times == 9


def test_nothing_counted_is_no_path() -> None:
    found = read_paths({"tier:general": 4})
    assert (found.sessions, found.order, found.steps, found.funnels) == (0, None, (), ())


@given(st.dictionaries(st.tuples(*[st.sampled_from(["START", "EXIT", *(kind.name for kind in Kind)])] * 2),
                       st.integers(-3, 50), max_size=30))  # fmt: skip
def test_any_counts_give_probabilities(pairs: dict[tuple[str, str], int]) -> None:
    """Also damaged ones: nothing divides by zero, no system is singular."""
    counts = {f"{PATH}{a}>{b}": n for (a, b), n in pairs.items() if a != "EXIT" and b != "START"}
    assert all(0 <= each <= 1 for each in reaching(chain_of(counts)).values())
    assert all(0 <= each.probability <= 1 for each in read_paths(counts).funnels)


def test_every_step_has_a_name_in_both_languages() -> None:
    silent = {Kind.IDENTIFY.name, Kind.MESSAGE_OPEN.name}
    assert set(NODE_NAMES.values()) - silent == LABELS.keys()


def test_a_week_is_closed_when_it_is_over_and_a_day_when_the_last_of_the_cohort_had_it() -> None:
    counts = {"retention:2026-11-02:w0": 10, "retention:2026-11-02:w1": 4, "retention:2026-11-02:d7": 3}
    sunday, monday = read_retention(counts, date(2026, 11, 15)), read_retention(counts, date(2026, 11, 16))
    assert [each.closed for each in sunday.cohorts[0].weeks] == [True, False]
    assert [each.closed for each in monday.cohorts[0].weeks] == [True, True, False]
    assert {each.after: each.closed for each in sunday.cohorts[0].days} == {1: True, 3: True, 7: False}
    assert {each.after: each.closed for each in monday.cohorts[0].days} == {1: True, 3: True, 7: True, 14: False}
    assert {each.after: each.share for each in sunday.weeks}[1] is None
    assert {each.after: each.share for each in monday.weeks}[1] == 0.4
    assert {each.after: each.share for each in monday.days}[7] == 0.3


def test_cohorts_together_weigh_by_their_customers() -> None:
    counts = {"retention:2026-10-05:w0": 30, "retention:2026-10-05:w1": 15,
              "retention:2026-10-12:w0": 10, "retention:2026-10-12:w1": 1}  # fmt: skip
    found = read_retention(counts, date(2026, 11, 16))
    assert [each.week for each in found.cohorts] == ["2026-10-12", "2026-10-05"]
    assert {each.after: (each.customers, each.share) for each in found.weeks}[1] == (40, 0.4)


def test_cohorts_older_than_a_year_are_not_shown() -> None:
    today = date(2026, 11, 16)
    old, oldest = date(2025, 11, 10), date(2025, 11, 17)
    counts = {f"retention:{each}:w0": 5 for each in (old, oldest, today)}
    assert [each.week for each in read_retention(counts, today).cohorts] == [str(today), str(oldest)]
    assert len(read_retention(counts, today).cohorts[1].weeks) == SHOWN

"""At most so many churn alerts a day, where most is at stake; on a real Valkey where one is needed."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import population
from profiles.alerts import Known, Policy, Raise, Refuse, decide
from profiles.clock import DAY, WEEK
from profiles.population import Counts, line, update
from profiles.store.desk_reads import DeskReads
from profiles.wire import Candidate, Transition
from streams.alerts import AlertDesk
from tests.alert_parts import NOW, RULES, Open, complaint, lapse, outcomes, recovery

pytest_plugins = ["tests.alert_fixtures"]

BUDGET = Policy(NOW, DAY, budget=2)


def outcome(*transitions: Transition, policy: Policy = BUDGET) -> list[str]:
    told = decide(transitions, Known(), RULES, policy)
    return ["raised" if isinstance(one, Raise) else one.reason if isinstance(one, Refuse) else "other" for one in told]


# --- who gets one of them ------------------------------------------------------------------------------------------------


def test_who_has_too_little_at_stake_gets_none_of_the_day_s_alerts() -> None:
    assert outcome(lapse(1, "small", stake=12.0, below=True), lapse(2, "large", stake=900.0)) == [
        "below_line",
        "raised",
    ]


def test_what_is_at_stake_does_not_matter_without_a_budget_or_to_another_policy() -> None:
    assert outcome(lapse(1, stake=12.0, below=True), policy=Policy(NOW, DAY)) == ["raised"]
    assert outcome(*(complaint(seq, f"hh-{seq}") for seq in range(1, 6))) == ["raised"] * 5


def test_a_day_s_alerts_end_with_the_budget_and_the_next_day_has_its_own() -> None:
    today = [lapse(seq, f"hh-{seq}", stake=50.0) for seq in range(1, 5)]
    tomorrow = lapse(5, "hh-5", stake=50.0, at=NOW + DAY, clock=NOW + DAY)
    assert outcome(*today, tomorrow) == ["raised", "raised", "over_budget", "over_budget", "raised"]


@pytest.mark.anyio
async def test_workers_that_race_raise_no_more_than_the_budget_and_a_restart_does_not_refill_it(
    opened: Open, reads: DeskReads
) -> None:
    desks = [opened(alerts_a_day=10) for _ in range(3)]

    async def work(desk: AlertDesk, bucket: int) -> None:
        for seq in range(1, 9):
            await desk.handle(bucket, [lapse(seq, f"hh-{bucket}-{seq}", bucket=bucket, stake=5.0)])

    await asyncio.gather(*(work(desk, bucket) for bucket, desk in enumerate(desks)))
    await opened(alerts_a_day=10).handle(7, [lapse(1, "hh-7", bucket=7, stake=5.0)])

    assert (await reads.counts())["raised"] == 10
    assert Counter(await outcomes(reads)) == {"over_budget": 3 * 8 + 1 - 10}


@pytest.mark.anyio
async def test_clerks_see_first_where_most_is_at_stake_until_it_is_resolved(opened: Open, reads: DeskReads) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1, "some", stake=80.0), lapse(2, "most", stake=900.0), lapse(3, "unknown")])
    assert [each.profile for each in (await reads.ranked()).alerts] == ["most", "some", "unknown"]
    assert (await reads.ranked(limit=1)).more
    await desk.handle(0, [recovery(4, "most", clock=NOW + 1)])
    assert [each.profile for each in (await reads.ranked()).alerts] == ["some", "unknown"]


# --- where the line lies -------------------------------------------------------------------------------------------------


def counted(stakes: list[list[float]], first: int = 2_800) -> Counts:
    """What the learner counted of weeks of candidates."""
    counts = Counts()
    for week, each in enumerate(stakes, first):
        for seq, stake in enumerate(each):
            update(counts, Candidate(0, seq, "hh", week * WEEK, stake))
    return counts


@given(st.lists(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60), min_size=1, max_size=6), st.integers(1, 9))
def test_no_more_candidates_than_the_budget_lie_above_the_line_and_nearly_as_many(
    stakes: list[list[float]], a_day: int
) -> None:
    kept = [stake for week in stakes[-population.WEEKS :] for stake in week]
    allowed = a_day * 7 * min(len(stakes), population.WEEKS)
    drawn = line(counted(stakes), a_day)
    above = [stake for stake in kept if stake >= drawn]
    assert len(above) <= allowed
    if drawn:
        within = 1.06  # a width bucket
        assert len([stake for stake in kept if stake >= drawn / within / within]) > allowed
    else:
        assert len(above) == len(kept)


def test_without_a_budget_there_is_no_line() -> None:
    assert line(counted([[1.0] * 100]), 0) == 0.0


def test_candidates_in_any_order_draw_the_same_line() -> None:
    stakes = [[float(i % 37 + 1) for i in range(200)], [float(i % 91 + 1) for i in range(200)]]
    assert line(counted(stakes), 5) == line(counted([each[::-1] for each in stakes]), 5) > 0

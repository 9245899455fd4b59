"""Counts of steps and returns: what the log adds up to, however it was cut, interrupted, repeated."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles import inputs
from profiles.census import PATH, RETENTION, of_all
from profiles.clock import DAY, MINUTE, Zone, zone
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.verify.census import recounted
from profiles.verify.log import Logged, read
from tests.laws.lives import END, ZONES, keyed, zones
from tests.laws.machine import Act, Machine
from tests.laws.shop import PEOPLE, life
from tests.laws.test_batches import accidents, cuts

NOON = END - END % DAY


def moments() -> st.SearchStrategy[int]:
    """Minutes around a few moments: sessions, pauses of exactly half an hour, midnights, weeks, more than a year."""
    far = st.sampled_from([0, 0, 0, DAY, 2 * DAY, 6 * DAY, 7 * DAY, 30 * DAY, 60 * DAY, 61 * DAY, 364 * DAY, 380 * DAY])
    near = st.sampled_from([0, 1, 5, 29, 30, 31, 59, 60, 8 * 60, 16 * 60]).map(lambda minutes: minutes * MINUTE)
    return st.builds(lambda before, after: NOON - before + after, far, near)


def visitors(most: int = 24) -> st.SearchStrategy[list[Event]]:
    """What a few customers did, in the order in which it arrives; many events are late, some at once."""
    kinds = st.sampled_from(
        [Kind.VIEW, Kind.CART_ADD, Kind.ORDER, Kind.SEARCH, Kind.OTHER, Kind.IDENTIFY, Kind.PROMOTION]
    )
    told = st.builds(Event, st.sampled_from(PEOPLE), kinds, moments())
    return st.lists(told, min_size=1, max_size=most).map(keyed)


def counts(machine: Machine) -> dict[str, int]:
    """Steps and returns as all buckets together have them."""
    found: Counter[str] = Counter()
    for bucket in range(machine.buckets):
        found.update({name: n for name, n in machine.bucket(bucket).counts.items() if of_all(name)})
    return {name: n for name, n in found.items() if n}


def naive(log: list[Event], here: Zone) -> dict[str, int]:
    """The same, with lists and sets."""
    draft = inputs.Draft()
    for offset, event in enumerate(log):
        draft.add(event, offset)
    side = read([(Logged(0, 0, draft.batch("events", 0, 0, 0)), draft.batch("events", 0, 0, 0))], here)
    return dict(recounted(side, np.arange(len(log)), paths=True))


@settings(max_examples=150)
@given(visitors(), zones(), cuts(1, 1))
def test_any_cut_counts_what_the_log_adds_up_to(log: list[Event], here: Zone, acts: list[Act]) -> None:
    assert counts(Machine([log], here).run(acts)) == naive(log, here)


@settings(max_examples=80)
@given(visitors(), zones(), accidents(2, 2))
def test_crashes_and_records_delivered_twice_count_nothing_twice(log: list[Event], here: Zone, acts: list[Act]) -> None:
    sources = [[event for event in log if PEOPLE.index(event.profile) % 2 == p] for p in range(2)]
    assert counts(Machine(sources, here, buckets=2).run(acts)) == naive(log, here)


@settings(max_examples=60)
@given(visitors(), zones(), st.data())
def test_messages_sent_twice_are_one_step(log: list[Event], here: Zone, data: st.DataObject) -> None:
    twice = list(log)
    for event in data.draw(st.lists(st.sampled_from(log), max_size=6)):
        twice.insert(data.draw(st.integers(twice.index(event) + 1, len(twice))), event)
    assert counts(Machine([twice], here).run(data.draw(cuts(1, 1)))) == naive(log, here)


@settings(max_examples=80)
@given(visitors(), zones(), st.data())
def test_returns_do_not_depend_on_the_order_of_events(log: list[Event], here: Zone, data: st.DataObject) -> None:
    """An earlier first day moves a customer, with all days since, into an earlier cohort."""
    other = data.draw(st.permutations(log))
    found = [counts(Machine([each], here).run([])) for each in (log, other)]
    assert len({tuple(sorted(item for item in each.items() if item[0].startswith(RETENTION))) for each in found}) == 1


@settings(max_examples=60)
@given(visitors(), zones())
def test_whoever_comes_to_a_step_leaves_it_or_is_still_there(log: list[Event], here: Zone) -> None:
    """In and out differ by one for each customer who stands there; sessions end once fewer than they begin."""
    came: Counter[str] = Counter()
    for name, n in counts(Machine([log], here).run([])).items():
        if name.startswith(PATH):
            here_from, _, there = name.removeprefix(PATH).partition(">")
            came[there] += n
            came[here_from] -= n
    active = {event.profile for event in log if event.kind is not Kind.IDENTIFY}
    standing = {node: n for node, n in came.items() if node not in ("START", "EXIT")}
    assert all(n >= 0 for n in standing.values())
    assert sum(standing.values()) == len(active)
    assert came["EXIT"] + len(active) == -came["START"]


@pytest.mark.parametrize("seed", range(3))
def test_long_lives_in_random_pieces(seed: int) -> None:
    log, here = life(seed, 200), zone(ZONES[seed])
    found = counts(Machine([log], here).run([]))
    assert found == naive(log, here)
    assert sum(n for name, n in found.items() if name.startswith(PATH)) > 100


def test_a_late_event_is_no_step_and_an_earlier_first_day_moves_the_cohort() -> None:
    """Sunday's view comes after Monday's: the customer belongs to Sunday's week, and no step led back."""
    here, monday = zone("UTC"), 1_763_942_400_000  # 2025-11-24
    views = [Event("hh-1", Kind.VIEW, monday + 60 * MINUTE), Event("hh-1", Kind.ORDER, monday - 60 * MINUTE)]
    machine = Machine([keyed(views)], here).run([])
    assert counts(machine) == {
        "path:START>VIEW": 1,
        "retention:2025-11-17:w0": 1,
        "retention:2025-11-17:w1": 1,
        "retention:2025-11-17:d1": 1,
    }


def test_more_than_fits_into_the_notes_of_one_look_is_not_lost() -> None:
    """One customer comes every week of a year, newest first: every event moves the whole stay; one batch."""
    here = zone("UTC")
    log = keyed([replace(Event("hh-1", Kind.VIEW, 0), time=END - week * 7 * DAY) for week in range(60)])
    assert counts(Machine([log], here).run([])) == naive(log, here)

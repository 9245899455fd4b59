"""Where a batch was cut, what was sent again, and which process died when: nobody can tell from a profile.

Unlike facts, standing (tags, rungs, what was told about them) does depend on the order in which a customer's events
arrive: rules have memory.  It does not depend on anything else: see docs/decisions/001-facts-and-standing.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles.clock import Zone, zone
from profiles.intake import Event
from profiles.models.params import Params
from tests.laws.lives import ZONES, events, keyed, zones
from tests.laws.machine import BOOKS, Act, Apply, Machine, Read, ReadAgain, book_of
from tests.laws.shop import PEOPLE, life
from tests.models.published import params


def shops(most: int = 24) -> st.SearchStrategy[list[Event]]:
    """What a few customers did, in the order in which it arrives."""
    told = st.tuples(st.sampled_from(PEOPLE), events(days=120))
    few, many = st.lists(told, min_size=1, max_size=3), st.lists(told, min_size=most // 3, max_size=most)
    return st.one_of(few, many, many).map(lambda life: keyed(replace(event, profile=who) for who, event in life))


def cuts(partitions: int, buckets: int) -> st.SearchStrategy[list[Act]]:
    """Reading and applying in pieces of any size."""
    reads = st.builds(Read, st.integers(0, partitions - 1), st.integers(1, 6))
    applies = st.builds(Apply, st.integers(0, buckets - 1), st.integers(1, 3))
    return _rounds(st.lists(reads, max_size=2), st.lists(applies, max_size=2))


def accidents(partitions: int, buckets: int) -> st.SearchStrategy[list[Act]]:
    """The same, with crashes, stretches sent again and records delivered again."""
    reads = st.builds(Read, st.integers(0, partitions - 1), st.integers(1, 6))
    back = st.builds(ReadAgain, st.integers(0, partitions - 1), st.integers(1, 12))
    applies = st.builds(
        Apply,
        st.integers(0, buckets - 1),
        st.integers(1, 3),
        st.integers(0, 5),
        st.sampled_from(["", "before", "after"]),
    )
    return _rounds(st.lists(st.one_of(reads, reads, back), max_size=3), st.lists(applies, max_size=2))


def _rounds(reading: st.SearchStrategy[Any], applying: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Act]]:
    rounds = st.lists(st.tuples(reading, applying), min_size=2, max_size=12)
    return rounds.map(lambda found: [act for both in found for acts in both for act in acts])


def same_bytes(whole: Machine, parts: Machine) -> None:
    """Profiles, sidecars, timelines, messages and their numbers, memberships and counts."""
    a, b = whole.bucket(0), parts.bucket(0)
    assert a.blobs == b.blobs
    assert a.sidecars == b.sidecars
    assert a.timeline == b.timeline
    assert [m for group in a.outbox.values() for m in group] == [m for group in b.outbox.values() for m in group]
    assert whole.totals() == parts.totals()


@pytest.mark.parametrize("model", [None, params()], ids=["rule of thumb", "model"])
@pytest.mark.parametrize("rules", BOOKS)
@pytest.mark.parametrize("seed", range(4))
def test_long_lives_cut_anywhere_are_the_same_bytes(seed: int, rules: str, model: Params | None) -> None:
    """150 events of three customers who move through every rung and tag, in pieces of random size."""
    log, here, rng = life(seed, 150), zone(ZONES[seed]), np.random.default_rng(seed)
    sizes = rng.integers(1, 9, (60, 2)).tolist()
    acts: list[Act] = [act for read, apply in sizes for act in (Read(0, read), Apply(0, apply))]
    book = book_of(BOOKS[rules])
    whole = Machine([log], here, book=book, model=model).run([])
    assert len(whole.bucket(0).timeline[PEOPLE[0]]) > 20, "there is nothing to be told in the wrong order"
    same_bytes(whole, Machine([log], here, book=book, model=model).run(acts))


@settings(max_examples=60)
@given(shops(), zones(), cuts(1, 1))
def test_any_cut_into_batches_gives_the_same_bytes(life: list[Event], here: Zone, acts: list[Act]) -> None:
    same_bytes(Machine([life], here).run([]), Machine([life], here).run(acts))


@settings(max_examples=80)
@given(shops(), zones(), accidents(2, 2))
def test_any_accident_gives_the_same_profiles(life: list[Event], here: Zone, acts: list[Act]) -> None:
    """As long as all events of a customer come from one source partition, which Kafka keeps in order."""
    sources = [[event for event in life if (PEOPLE.index(event.profile) % 2) == p] for p in range(2)]
    calm, wild = Machine(sources, here, buckets=2).run([]), Machine(sources, here, buckets=2).run(acts)
    for who in PEOPLE:
        assert wild.told(who) == calm.told(who)
    assert wild.totals() == calm.totals()


@settings(max_examples=60)
@given(shops(), zones(), st.data())
def test_messages_sent_twice_leave_no_trace_but_a_count(life: list[Event], here: Zone, data: st.DataObject) -> None:
    """A client repeats messages at any later moment; only the counter of repeats knows."""
    log = list(life)
    for event in data.draw(st.lists(st.sampled_from(life), max_size=8)):
        log.insert(data.draw(st.integers(log.index(event) + 1, len(log))), event)
    once, twice = Machine([life], here).run([]), Machine([log], here).run(data.draw(cuts(1, 1)))
    for who in PEOPLE:
        assert twice.told(who) == once.told(who)
    assert twice.checkpoint(0).duplicates == len(log) - len(life)
    assert twice.checkpoint(0).applied == len(life)


@settings(max_examples=40)
@given(shops(), zones(), st.data())
def test_repeats_with_another_time_change_nothing_either(life: list[Event], here: Zone, data: st.DataObject) -> None:
    """A message without a time of its own, or from a skewed clock, gets a later time when it comes again."""
    again = replace(data.draw(st.sampled_from(life)))
    later = replace(again, time=max(event.time for event in life) + data.draw(st.integers(0, 10**10)))
    once, twice = Machine([life], here).run([]), Machine([[*life, later]], here).run([])
    once.silence(later.time), twice.silence(later.time)
    for who in PEOPLE:
        assert twice.told(who) == once.told(who)

"""Where a profile's memory ends, the judge of numbers stops judging: it never blames a repeat that nobody could know."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from profiles import inputs
from profiles.clock import DAY, HOUR
from profiles.features import factors
from profiles.intake import Event
from profiles.kernels.advance import World
from profiles.kinds import Kind
from profiles.population import Cuts, population
from profiles.stable import message_key
from profiles.verify.log import Logged, read
from profiles.verify.recount import beyond_memory, derived, disagreements, events_of, truth
from tests.laws.lives import folded
from tests.laws.machine import book_of
from tests.laws.shop import life as long_life
from tests.test_verify_search import HERE, START

WORLD = World(factors(2), population(Cuts()), book_of().rules, HERE.since, HERE.offset, 1)


def views(many: int) -> list[Event]:
    """One view a day, each a message of its own."""
    times = [START + n * DAY for n in range(many)]
    return [Event("a", Kind.VIEW, at, key=message_key(b"m-%d" % n, at)) for n, at in enumerate(times)]


def orders(many: int) -> list[Event]:
    """One order a day."""
    return [replace(each, kind=Kind.ORDER, order=n + 1, amount=100) for n, each in enumerate(views(many))]


def wrong(life: list[Event]) -> set[str]:
    """Features that a row and pandas do not agree on."""
    now = max(each.time for each in life) + HOUR
    seen = derived(folded(life, HERE), now, "Asia/Shanghai", WORLD)
    return set(disagreements(life, seen, truth(life, now, "Asia/Shanghai", WORLD, 2)))


@pytest.mark.parametrize(("ago", "forgotten"), [(1, False), (63, False), (64, True), (90, True)])
def test_a_repeat_is_known_among_the_latest_64_messages(ago: int, forgotten: bool) -> None:
    life = views(100)
    life.append(replace(life[-1 - ago], time=life[-1].time))
    assert beyond_memory(life) is forgotten
    assert bool(wrong(life)) is forgotten


@pytest.mark.parametrize(("ago", "forgotten"), [(1, False), (15, False), (16, True), (25, True)])
def test_a_correction_is_known_among_the_latest_16_orders(ago: int, forgotten: bool) -> None:
    life = orders(30)
    again = replace(life[-1 - ago], time=life[-1].time + HOUR, amount=700)
    life.append(replace(again, key=message_key(b"correction", again.time)))
    assert beyond_memory(life) is forgotten
    assert bool(wrong(life)) is forgotten


def test_columns_become_the_events_they_were() -> None:
    """Nothing that counts is lost on the way through a batch and back."""
    life = long_life(3, 80)
    draft = inputs.Draft()
    for offset, event in enumerate(life):
        draft.add(event, offset)
    batch = draft.batch("events", 0, 0, 0)
    side = read([(Logged(0, 0, batch), batch)], HERE)
    assert events_of(side, np.arange(len(life))) == [replace(each, names=(), patch=()) for each in life]

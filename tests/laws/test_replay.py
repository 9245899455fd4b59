"""A replay is history: whatever was read first and however often it was interrupted, events come in the order of time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles import inputs
from profiles.clock import NEVER, zone
from profiles.intake import Event
from profiles.kinds import Kind
from tests.laws.lives import END, events, keyed

HERE = zone("Asia/Shanghai")


def log(life: list[Event]) -> list[Event]:
    """A source partition: what happened, oldest first, each event marked by its amount."""
    ordered = sorted(life, key=lambda event: event.time)
    return [replace(event, amount=i) for i, event in enumerate(keyed(ordered))]


def record(partition: int, start: int, events: list[Event]) -> inputs.Batch:
    draft = inputs.Draft()
    for offset, event in enumerate(events, start):
        draft.add(event, offset)
    return draft.batch("events.behavior", partition, events[-1].time, END)


@settings(max_examples=60)
@given(
    st.lists(st.lists(events(days=30), min_size=1, max_size=12).map(log), min_size=1, max_size=3),
    st.lists(st.integers(1, 5), min_size=1, max_size=8),
    st.lists(st.integers(0, 10**10), max_size=6).map(sorted),
)
def test_any_stops_on_the_way_give_the_same_order(
    sources: list[list[Event]], sizes: list[int], stops: list[int]
) -> None:
    """Records of any size, taken up to any rising moments: as if all had been sorted by time at once."""
    records = []
    for partition, source in enumerate(sources):
        place, turn = 0, 0
        while place < len(source):
            size = sizes[turn % len(sizes)]
            records.append(record(partition, place, source[place : place + size]))
            place, turn = place + size, turn + 1
    first = min(event.time for source in sources for event in source)
    cursors: dict[str, int] = {}
    taken: list[tuple[int, int]] = []
    for until in [*(first + stop for stop in stops), NEVER]:
        work = inputs.gather(records, cursors, HERE, until=until)
        taken += zip(work.events.time.tolist(), work.events.key.tolist(), strict=True)
        cursors |= work.cursors
    at_once = inputs.gather(records, {}, HERE, until=NEVER)
    assert taken == list(zip(at_once.events.time.tolist(), at_once.events.key.tolist(), strict=True))
    assert [time for time, _ in taken] == sorted(time for time, _ in taken)
    assert len(taken) == sum(len(source) for source in sources)


@pytest.mark.parametrize("stops", [[5, 10], [10]])
def test_a_source_that_is_out_of_order_is_taken_up_to_where_it_is(stops: list[int]) -> None:
    """Where a partition itself runs back in time nothing is lost or doubled, but the order depends on the stops."""
    life = [Event("a", Kind.VISIT, time, key=time) for time in (1, 10, 2)]
    cursors: dict[str, int] = {}
    taken: list[int] = []
    for until in stops:
        work = inputs.gather([record(0, 0, life)], cursors, HERE, until=until)
        taken += work.events.time.tolist()
        cursors |= work.cursors
    assert sorted(taken) == [1, 2, 10]
    assert taken[0] == 1

"""What travels from intake to update: packed small, taken once, in the order that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest

from profiles import inputs
from profiles.clock import DAY, HOUR, zone
from profiles.errors import LayoutError
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.stable import code_of
from tests.raw_shop import RawShop
from tests.test_oracle import accepted

NOW: Final = 1_767_225_600_000
HERE: Final = zone("America/New_York")


def event(who: str, at: int = NOW, amount: int = 0, **more: object) -> Event:
    return Event(who, Kind.ORDER, at, amount=amount, key=amount + 1, **more)  # type: ignore[arg-type]


def batch(events: Sequence[tuple[int, Event]], partition: int = 0) -> inputs.Batch:
    """Events at their source offsets, as one record of profile-inputs that went over the wire."""
    draft = inputs.Draft()
    for offset, each in events:
        draft.add(each, offset)
    clock = max(each.time for _, each in events)
    record = inputs.decode(inputs.encode(draft.batch("events.orders", partition, clock, NOW)))
    assert isinstance(record, inputs.Batch)
    return record


def test_batches_of_one_bucket_become_one_piece_of_work() -> None:
    """Customers keep the order in which they first appear; one customer is one row, whichever batch names him."""
    work = inputs.gather(
        [batch([(0, event("a")), (1, event("b"))]), batch([(2, event("b")), (3, event("c"))])], {}, HERE
    )
    assert work.profiles == ["a", "b", "c"]
    assert work.events.row.tolist() == [0, 1, 1, 2]
    assert work.cursors == {"events.orders/0": 3}
    assert work.repeated == 0


def test_a_stretch_sent_again_and_cut_differently_is_taken_once() -> None:
    """Intake died after sending 0..4 and its successor sends 2..7 in other pieces."""
    log = [(offset, event("a", amount=offset)) for offset in range(8)]
    records = [batch(log[0:3]), batch(log[3:5]), batch(log[2:4]), batch(log[4:8])]
    work = inputs.gather(records, {}, HERE)
    assert work.events.amount.tolist() == list(range(8))
    assert work.repeated == 3
    assert inputs.gather(records, {"events.orders/0": 5}, HERE).events.amount.tolist() == [6, 7]


def test_partitions_have_offsets_of_their_own() -> None:
    records = [batch([(5, event("a", amount=1))], 0), batch([(5, event("a", amount=2))], 1)]
    work = inputs.gather(records, {"events.orders/1": 4}, HERE)
    assert work.events.amount.tolist() == [1, 2]
    assert work.cursors == {"events.orders/0": 5, "events.orders/1": 5}


def test_work_that_is_all_known_is_empty_but_its_clock_counts() -> None:
    work = inputs.gather([batch([(0, event("a"))])], {"events.orders/0": 9}, HERE)
    assert len(work.events.row) == 0
    assert work.cursors == {}
    assert work.clocks == {"events.orders/0": NOW}
    assert inputs.gather([], {}, HERE).profiles == []


def test_names_traits_and_words_travel_with_their_event() -> None:
    """And do not come twice when the event does."""
    milk = code_of("乳品")
    told = event("张伟", lines=((milk, 0, 7),), names=((milk, "乳品"),), traits=((0, 34),), patch=(("age", 34),))
    silent = event("b")
    record = batch([(0, silent), (1, told), (2, silent)])
    work = inputs.gather([record, record], {}, HERE)
    assert work.names == {milk: "乳品"}
    assert work.patches == [(1, (("age", 34),))]
    assert work.events.lines.tolist() == [[milk, 0, 7]]
    assert work.events.line_end.tolist() == [0, 1, 1]
    assert work.events.traits.tolist() == [[0, 34]]
    assert work.profiles[work.events.row[1]] == "张伟"


def test_local_time_is_the_shops_on_both_sides_of_a_clock_change() -> None:
    """In New York the hour from 01:00 comes twice on 2 November 2025."""
    before = int(np.datetime64("2025-11-02T05:30", "ms").astype(np.int64))
    work = inputs.gather([batch([(0, event("a", before)), (1, event("a", before + HOUR))])], {}, HERE)
    assert (work.events.local - work.events.time).tolist() == [-4 * HOUR, -5 * HOUR]
    assert len(set(work.events.local.tolist())) == 1


def test_a_replay_takes_what_happened_up_to_a_moment_in_the_order_it_happened() -> None:
    """From each source as far as nothing later stands in the way, whatever order the records came in."""
    old, new = NOW - DAY, NOW
    first = batch([(0, event("a", old, 1)), (1, event("a", new, 2)), (2, event("a", old + 1, 3))], 0)
    second = batch([(0, event("a", old - 1, 4)), (1, event("b", old + 2, 5))], 1)
    work = inputs.gather([first, second], {}, HERE, until=NOW - HOUR)
    assert work.events.amount.tolist() == [4, 1, 5]
    assert work.cursors == {"events.orders/0": 0, "events.orders/1": 1}
    rest = inputs.gather([first, second], work.cursors, HERE, until=NOW)
    assert rest.events.amount.tolist() == [3, 2]


def test_a_control_comes_back_as_it_was() -> None:
    control = inputs.Control("rules", 7)
    assert inputs.decode(inputs.encode(control)) == control


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xc1", b"\x81\xa4type\xa5other"])
def test_what_nobody_of_us_wrote_is_refused(raw: bytes) -> None:
    with pytest.raises(LayoutError):
        inputs.decode(raw)


def test_a_typical_event_is_small_on_the_wire() -> None:
    """A mixed log in stretches of 500: no more than 120 bytes an event, names and traits included."""
    lives = accepted(RawShop(seed=5, end=NOW, customers=60).log(), "CNY", "Asia/Shanghai")
    log = [(0, each) for life in lives.values() for each in life]
    sent = sum(len(inputs.encode(batch(log[start : start + 500]))) for start in range(0, len(log), 500))
    assert sent / len(log) < 120

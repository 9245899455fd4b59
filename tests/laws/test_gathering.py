"""Invariant: handling many small batches together is only faster; what comes out is what each alone would come to.

The reference below takes one batch and one event after another, in plain Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles import inputs, packing
from profiles.clock import DAY, Zone, zone
from profiles.codec import pack_matrix
from profiles.errors import LayoutError
from profiles.inputs import COLUMNS, Batch, Patch
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.stable import code_of
from tests.laws.lives import END, events, keyed, zones

HERE: Final = zone("Asia/Shanghai")
TOPICS: Final = ("events.behavior", "events.orders")


# --- the reference ---------------------------------------------------------------------------------------------------


@dataclass
class One:
    """One event as it was found in its batch."""

    profile: str
    source: str
    numbers: dict[str, int]
    lines: list[list[int]]
    traits: list[list[int]]
    patch: Patch | None

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it stands in a replay."""
        return self.numbers["time"], code_of(self.source), self.numbers["offset"]


@dataclass
class Taken:
    """What several batches come to."""

    profiles: list[str] = field(default_factory=list)
    events: list[One] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)
    repeated: int = 0


def opened(batch: Batch) -> list[One]:
    """The events of a batch."""
    lines = packing.matrix(batch.lines, batch.line_count, 3).tolist()
    traits = packing.matrix(batch.traits, batch.trait_count, 2).tolist()
    out, source = [], f"{batch.topic}/{batch.partition}"
    for event, row in enumerate(packing.matrix(batch.numbers, batch.count, len(COLUMNS)).tolist()):
        numbers = dict(zip(COLUMNS, row, strict=True))
        mine, lines = lines[: numbers["lines"]], lines[numbers["lines"] :]
        told, traits = traits[: numbers["traits"]], traits[numbers["traits"] :]
        profile, patch = batch.profiles[numbers["who"]], batch.patches.get(event)
        out.append(One(profile, source, numbers, mine, [[trait - 1, value] for trait, value in told], patch))
    return out


def one_by_one(batches: Sequence[Batch], applied: Mapping[str, int], until: int | None) -> Taken:
    """What ``gather`` promises."""
    out, full = Taken(), set()
    for batch in batches:
        source, found = f"{batch.topic}/{batch.partition}", opened(batch)
        out.clocks[source] = max(out.clocks.get(source, 0), batch.clock)
        known = out.cursors.get(source, applied.get(source, -1))
        fresh = [each for each in found if each.numbers["offset"] > known]
        out.repeated += len(found) - len(fresh)
        if until is not None:
            in_time = [] if source in full else list(takewhile(lambda each: each.numbers["time"] <= until, fresh))
            full |= {source} if len(in_time) < len(fresh) else set()
            fresh = in_time
        if fresh:
            out.cursors[source] = fresh[-1].numbers["offset"]
            out.names |= batch.names
            out.profiles = list(dict.fromkeys([*out.profiles, *batch.profiles]))
            out.events += fresh
    if until is not None:
        out.events.sort(key=lambda each: each.place)
    return out


def told(work: inputs.Work) -> list[One]:
    """The events of a piece of work, to lay beside the reference's; what it does not say is left out."""
    e, patches = work.events, dict(work.patches)
    assert len(patches) == len(work.patches)
    assert [event for event, _ in work.patches] == sorted(patches)
    kept = [name for name in COLUMNS if name not in ("who", "offset", "lines", "traits")]
    columns = {name: getattr(e, name).tolist() for name in kept}
    lines, traits = np.split(e.lines, e.line_end), np.split(e.traits, e.trait_end)
    return [
        One(
            work.profiles[row], "", {name: columns[name][i] for name in kept},
            lines[i].tolist(), traits[i].tolist(), patches.get(i),
        )
        for i, row in enumerate(e.row.tolist())
    ]  # fmt: skip


def laid_beside(each: One) -> One:
    """An event of the reference less what a piece of work does not say."""
    kept = {name: n for name, n in each.numbers.items() if name not in ("who", "offset", "lines", "traits")}
    return One(each.profile, "", kept, each.lines, each.traits, each.patch)


# --- batches ---------------------------------------------------------------------------------------------------------


def drafts_of(log: Sequence[tuple[int, Event]]) -> inputs.Draft:
    draft = inputs.Draft()
    for offset, event in log:
        draft.add(event, offset)
    return draft


def people(event: Event, who: str) -> Event:
    """The same event of somebody, who lives somewhere."""
    return replace(event, profile=who, names=((code_of(f"city-{who}"), f"city-{who}"),))


somebody = st.builds(people, events(days=30), st.sampled_from("abcd"))
logs = st.lists(somebody, max_size=10).map(keyed).map(lambda life: list(enumerate(life, 3)))


@st.composite
def records(draw: st.DrawFn) -> list[Batch]:
    """Stretches of some sources, sent in any order, some of them again and cut differently, some of nothing."""
    sources = draw(st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(0, 1), logs), min_size=1, max_size=3))
    out = []
    for topic, partition, log in sources:
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(log)))
            piece = log[start : draw(st.integers(start, len(log)))]
            clock = max((event.time for _, event in piece), default=END)
            batch = drafts_of(piece).batch(topic, partition, clock, END)
            out.append(inputs.decode(inputs.encode(batch)))
    return [each for each in draw(st.permutations(out)) if isinstance(each, Batch)]


marks = st.dictionaries(st.sampled_from([f"{topic}/{p}" for topic in TOPICS for p in (0, 1)]), st.integers(-1, 12))
untils = st.one_of(st.none(), st.integers(END - 30 * DAY, END))


@settings(max_examples=300)
@given(records(), marks, zones(), untils)
def test_batches_together_come_to_what_they_come_to_one_by_one(
    batches: list[Batch], applied: dict[str, int], here: Zone, until: int | None
) -> None:
    work, expected = inputs.gather(batches, applied, here, until), one_by_one(batches, applied, until)
    assert told(work) == [laid_beside(each) for each in expected.events]
    assert work.profiles == expected.profiles
    assert work.names == expected.names
    assert (work.cursors, work.clocks, work.repeated) == (expected.cursors, expected.clocks, expected.repeated)
    assert work.events.local.tolist() == here.local(work.events.time).tolist()


# --- what cannot be worked with --------------------------------------------------------------------------------------


def good(partition: int = 0) -> Batch:
    """Two customers, two lines, two traits, one told in words."""
    line, trait = (code_of("乳品"), 0, 7), (0, 34)
    first = Event("a", Kind.VIEW, END, key=1, lines=(line,), traits=(trait,), patch=(("age", 34),))
    second = Event("b", Kind.ORDER, END, key=2, lines=(line,), traits=(trait,))
    return drafts_of([(0, first), (1, second)]).batch("events.orders", partition, END, END)


def changed(batch: Batch, column: str, value: int) -> Batch:
    """The same batch, with another number in its last event."""
    table = inputs.table_of(batch)
    table[-1, COLUMNS.index(column)] = value
    return replace(batch, numbers=packing.packed(table, len(COLUMNS)))


FAULTS: Final = {
    "a byte too few": replace(good(1), numbers=good().numbers[:-1]),
    "a byte too many": replace(good(1), lines=good().lines + b"\0"),
    "fewer bytes than rows": replace(good(1), count=10**6),
    "rows below zero": replace(good(1), count=-1),
    "an event more": replace(good(1), count=3),
    "a line more": replace(good(1), line_count=3),
    "a trait less": replace(good(1), trait_count=1),
    "lines that balance": replace(changed(good(1), "lines", -1), line_count=0),
    "words of an event that is not there": replace(good(1), patches={2: (("age", 34),)}),
    "a customer that is not named": replace(good(1), profiles=["a"]),
    "a customer below zero": changed(good(1), "who", -1),
    "a kind that is none": changed(good(1), "kind", len(Kind)),
    "a channel that is none": changed(good(1), "channel", -1),
    "a trait that nobody counts": replace(good(1), traits=packing.packed([[0, 1], [1, 1]], 2)),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_batch_that_is_wrong_refuses_them_all(fault: str, place: int) -> None:
    batches = [good(0), good(2)]
    assert len(inputs.gather(batches, {}, HERE).events.row) == 4
    batches.insert(place, FAULTS[fault])
    with pytest.raises(LayoutError):
        inputs.gather(batches, {}, HERE)


@pytest.mark.parametrize("column", ["numbers", "lines", "traits"])
def test_what_one_batch_lacks_is_not_taken_from_the_next(column: str) -> None:
    """Together they have as many bytes as they should."""
    one, other = good(0), good(1)
    data = getattr(one, column)
    short, long = replace(one, **{column: data[:-1]}), replace(other, **{column: data + data[-1:]})
    with pytest.raises(LayoutError):
        inputs.gather([short, long], {}, HERE)


def test_customers_of_one_batch_are_not_those_of_another() -> None:
    """A number beyond the names of its own batch is wrong, however many the others name."""
    with pytest.raises(LayoutError, match="who"):
        inputs.gather([changed(good(0), "who", 2), good(1)], {}, HERE)


def test_lines_of_a_batch_that_is_known_are_not_looked_at() -> None:
    """It was applied once; that it is damaged now is nobody's concern."""
    known = replace(good(0), lines=good().lines[:-1])
    work = inputs.gather([known, good(1)], {"events.orders/0": 1}, HERE)
    assert (len(work.events.row), work.repeated) == (2, 2)


# --- drafts ----------------------------------------------------------------------------------------------------------


@given(st.lists(logs, max_size=5))
def test_drafts_are_packed_together_as_each_alone(stretches: list[list[tuple[int, Event]]]) -> None:
    drafts = [drafts_of(log) for log in stretches]
    batches = inputs.drafted(drafts, "events.orders", 2, 7, 9)
    assert [inputs.encode(batch) for batch in batches] == [
        inputs.encode(draft.batch("events.orders", 2, 7, 9)) for draft in drafts
    ]
    for draft, batch in zip(drafts, batches, strict=True):
        assert batch.numbers == row_by_row(draft.rows)
        assert batch.lines == row_by_row(draft.lines)
        assert batch.traits == row_by_row(draft.traits)


def row_by_row(rows: Sequence[Sequence[int]]) -> bytes:
    """What ``packed`` promises: lengths, then rows."""
    packed = [pack_matrix(np.array([row], np.int64))[0] for row in rows]
    return b"".join(len(row).to_bytes(2, "little") for row in packed) + b"".join(packed)

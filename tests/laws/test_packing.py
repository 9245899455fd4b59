"""Rows and bytes: what was stored is what is read, under today's layout or an older one; damage is told, never obeyed."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import inputs
from profiles.clock import Int64s, Zone
from profiles.codec import from_blobs, pack_matrix, to_blobs, unpack
from profiles.errors import LayoutError
from profiles.intake import Event
from profiles.layout import LAYOUT, Layout
from tests.laws.lives import lives, packed, zones

INT64 = np.iinfo(np.int64)
numbers = st.one_of(
    st.integers(int(INT64.min), int(INT64.max)),
    st.sampled_from([0, 0, 1, -1, 63, 64, -64, 2**62, -(2**62), int(INT64.min), int(INT64.max)]),
)


@st.composite
def matrices(draw: st.DrawFn) -> Int64s:
    """Any rows of any width, most of them sparse."""
    rows, width = draw(st.integers(0, 4)), draw(st.sampled_from([1, 2, 13, 200, 2000, 70_000]))
    state = np.zeros((rows, width), np.int64)
    for row in range(rows):
        for slot, value in draw(st.dictionaries(st.integers(0, width - 1), numbers, max_size=12)).items():
            state[row, slot] = value
    return state


@given(matrices())
def test_any_row_comes_back_as_it_was(state: Int64s) -> None:
    data, ends = pack_matrix(state)
    assert np.array_equal(unpack(data, ends, state.shape[1]), state)
    assert len(data) <= 13 * np.count_nonzero(state)


@given(matrices())
def test_equal_rows_are_equal_bytes(state: Int64s) -> None:
    again, _ = pack_matrix(state.copy())
    assert again == pack_matrix(state)[0]


def pieces() -> st.SearchStrategy[tuple[tuple[str, int], ...]]:
    """Layouts of a catalogue that grows, shrinks and is reordered."""
    return st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 3)), unique_by=lambda piece: piece[0], max_size=8
    ).map(tuple)


@given(pieces(), pieces(), st.integers(1, 10**12))
def test_an_upgrade_keeps_exactly_the_pieces_that_mean_the_same(
    old: tuple[tuple[str, int], ...], new: tuple[tuple[str, int], ...], first: int
) -> None:
    was, now = Layout(old), Layout(new)
    row = np.arange(first, first + was.size)
    target = now.slots_from(was)
    upgraded = np.zeros(now.size, np.int64)
    upgraded[target[target >= 0]] = row[target >= 0]
    for name, size in new:
        here = upgraded[now.start[name] : now.start[name] + size]
        if dict(old).get(name) == size:
            assert np.array_equal(here, row[was.start[name] : was.start[name] + size])
        else:
            assert not here.any()


@given(st.dictionaries(st.integers(0, LAYOUT.size - 1), numbers, max_size=20))
def test_a_stored_profile_is_read_under_a_grown_catalogue(slots: dict[int, int]) -> None:
    """Blobs of two ages in one load; the older one lacks a measure and knows one that is gone."""
    gone = ("long_gone", 3)
    older = Layout((gone, *(piece for piece in LAYOUT.pieces if piece[0] != "orders")))
    row = np.zeros((1, LAYOUT.size), np.int64)
    for slot, value in slots.items():
        row[0, slot] = value
    blob = to_blobs(row)[0]
    old = np.zeros((1, older.size), np.int64)
    target = LAYOUT.slots_from(older)
    old[0, target >= 0] = row[0, target[target >= 0]]
    old[0, :3] = 7
    old_blob = older.fingerprint.to_bytes(4, "little") + pack_matrix(old)[0]
    read = from_blobs([blob, old_blob, None], {older.fingerprint: older})
    expected = row[0].copy()
    expected[LAYOUT.start["orders"]] = 0
    assert np.array_equal(read[0], row[0])
    assert np.array_equal(read[1], expected)
    assert not read[2].any()


def test_a_profile_from_the_future_is_refused_by_name() -> None:
    with pytest.raises(LayoutError, match="newer Mien"):
        from_blobs([b"\x01\x02\x03\x04\x01\x02"], {})


@settings(max_examples=300)
@given(st.binary(max_size=40), st.integers(1, 20))
def test_damaged_rows_are_refused_or_read_never_worse(data: bytes, width: int) -> None:
    """Whatever the bytes: rows of the right shape, or LayoutError."""
    with contextlib.suppress(LayoutError):
        assert unpack(data, np.array([len(data) // 2, len(data)]), width).shape == (2, width)


@settings(max_examples=200)
@given(lives(most=6), zones(), st.data())
def test_damaged_profiles_and_inputs_are_refused_or_read_never_worse(
    life: list[Event], here: Zone, data: st.DataObject
) -> None:
    """Stored bytes with a hole, a flipped byte or a lost end."""
    row = np.zeros((2, LAYOUT.size), np.int64)
    row[:, ::97] = 12345
    blob = data.draw(st.sampled_from(to_blobs(row)))
    with contextlib.suppress(LayoutError):
        assert from_blobs([damaged(blob, data), blob], {}).shape == (2, LAYOUT.size)
    draft = inputs.Draft()
    for offset, event in enumerate(life):
        draft.add(event, offset)
    raw = inputs.encode(draft.batch("events.orders", 0, 0, 0))
    with contextlib.suppress(LayoutError):
        inputs.decode(damaged(raw, data))


@given(lives(most=6), zones(), st.sampled_from(["numbers", "lines", "traits"]), st.data())
def test_a_batch_with_damaged_columns_is_refused(
    life: list[Event], here: Zone, column: str, data: st.DataObject
) -> None:
    draft = inputs.Draft()
    for offset, event in enumerate(life):
        draft.add(event, offset)
    batch = draft.batch("events.orders", 0, 0, 0)
    short = msgspec.structs.replace(batch, **{column: getattr(batch, column)[:-1]})
    if getattr(batch, column):
        with pytest.raises(LayoutError):
            inputs.gather([short], {}, here)


def damaged(blob: bytes, data: st.DataObject) -> bytes:
    """The same bytes after an accident."""
    at = data.draw(st.integers(0, len(blob) - 1))
    how = data.draw(st.sampled_from(["cut", "flip", "hole"]))
    if how == "cut":
        return blob[:at]
    return blob[:at] + (bytes([blob[at] ^ data.draw(st.integers(1, 255))]) if how == "flip" else b"") + blob[at + 1 :]


@given(lives(), zones())
def test_events_come_out_of_a_batch_as_they_went_in(life: list[Event], here: Zone) -> None:
    events = packed(life, here).events
    assert events.kind.tolist() == [int(event.kind) for event in life]
    for name in ("time", "amount", "quantity", "discount", "rating", "channel", "key", "order"):
        assert getattr(events, name).tolist() == [int(getattr(event, name)) for event in life], name
    lines = [events.lines[a:b].tolist() for a, b in pairwise([0, *events.line_end.tolist()])]
    assert lines == [[list(line) for line in event.lines] for event in life]
    traits = [events.traits[a:b].tolist() for a, b in pairwise([0, *events.trait_end.tolist()])]
    assert traits == [[list(trait) for trait in event.traits] for event in life]

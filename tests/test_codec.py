"""A customer as bytes: small, marked with the layout that wrote it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from profiles.clock import Int64s
from profiles.codec import from_blobs, pack_matrix, to_blobs
from profiles.errors import LayoutError
from profiles.layout import LAYOUT
from tests.raw_shop import RawShop
from tests.test_oracle import accepted, rows_of

NOW: Final = 1_767_225_600_000


@pytest.mark.parametrize(
    ("row", "size"),
    [
        ([0, 0, 0], 0),
        ([1], 2),  # a step of one slot, a value of one byte
        ([63], 2),
        ([64], 3),
        ([-64], 2),
        ([NOW], 1 + 6),
        ([0] * 127 + [1], 3),
    ],
)
def test_a_slot_costs_what_its_number_needs(row: list[int], size: int) -> None:
    data, ends = pack_matrix(np.array([row], np.int64))
    assert len(data) == ends[0] == size


def test_many_rows_keep_their_borders() -> None:
    state = np.zeros((3, LAYOUT.size), np.int64)
    state[0, 5], state[2, -1] = 7, -7
    blobs = to_blobs(state)
    assert blobs[1] == LAYOUT.fingerprint.to_bytes(4, "little"), "a row of zeros is its mark and nothing more"
    assert np.array_equal(from_blobs(blobs, {}), state)
    assert np.array_equal(from_blobs([blobs[2], None, blobs[0]], {}), state[[2, 1, 0]])


def test_no_rows_are_no_bytes() -> None:
    nothing: Int64s = np.zeros((0, LAYOUT.size), np.int64)
    assert to_blobs(nothing) == []
    assert from_blobs([], {}).shape == (0, LAYOUT.size)


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01\x02\x03"])
def test_a_profile_without_its_mark_is_damaged_not_missing(blob: bytes) -> None:
    with pytest.raises(LayoutError, match="cut off"):
        from_blobs([blob], {})


def test_customers_are_small() -> None:
    """60 customers of a year: below 700 bytes with a dozen messages, never above 2 kB with all memories full."""
    lives = accepted(RawShop(seed=5, end=NOW, customers=60).log(), "CNY", "Asia/Shanghai")
    rows = rows_of(lives, "Asia/Shanghai")
    sizes = {profile: len(blob) for profile, blob in zip(rows, to_blobs(np.array(list(rows.values()))), strict=True)}
    assert max(size for profile, size in sizes.items() if len(lives[profile]) <= 12) < 700
    assert max(sizes.values()) < 2048

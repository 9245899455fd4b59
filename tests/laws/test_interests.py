"""Interests are an approximation once more names compete than are kept; here stands how far they may be off.

What always holds: no name is counted too often, and merging is commutative.  What holds for customers as they are,
whose taste is uneven: the name on top is nearly always the right one, and most of the true favourites are kept.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.clock import DAY, Int64s, zone
from profiles.intake import Event
from profiles.kernels.rings import COUNT_BITS, COUNT_MASK, MONTH
from profiles.kinds import Kind
from profiles.layout import TABLES
from profiles.measures import INTEREST_WEIGHT, INTERESTS
from profiles.stable import code_of
from tests.laws.lives import END, differences, folded, keyed, merged

HERE = zone("Asia/Shanghai")
WORTH = (4, 2, 1)  #: of one count in the current 30-day tile and the two before
Counts = dict[tuple[int, int], int]  #: (code, tile) -> weight


def kept(row: Int64s, interest: int) -> Counts:
    """What a row says was counted."""
    first, entries = TABLES.interests[interest].tolist()
    out: Counts = {}
    for code, month, counts in row[first : first + 3 * entries].reshape(-1, 3).tolist():
        for age in range(3):
            count = (counts >> (age * COUNT_BITS)) & COUNT_MASK
            if count:
                out[code, month - age] = count
    return out


def counted(life: list[Event], interest: int) -> Counts:
    """The same, counted without any limit."""
    out: Counter[tuple[int, int]] = Counter()
    for event in life:
        month = (event.time + int(HERE.offset[-1])) // MONTH
        for line in event.lines:
            out[line[interest], month] += INTEREST_WEIGHT.get(event.kind, 0)
    return dict(out)


def worth(counts: Counts, now: int) -> Counter[int]:
    """Name -> what it counts in tile ``now``."""
    out: Counter[int] = Counter()
    for (code, month), count in counts.items():
        if 0 <= now - month < len(WORTH):
            out[code] += count * WORTH[now - month]
    return out


def views(numbers: list[int], days: list[int]) -> list[Event]:
    """Products viewed, each with a category, a brand and an item of its own."""
    return keyed(
        Event("hh-1", Kind.VIEW, END - day * DAY, lines=((code_of(f"c{n}"), code_of(f"b{n}"), code_of(f"i{n}")),))
        for n, day in zip(numbers, days, strict=True)
    )


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 200)), max_size=60), st.data())
def test_no_name_is_ever_counted_too_often(told: list[tuple[int, int]], data: st.DataObject) -> None:
    """Whatever the order, however many names, also after a merge."""
    life = views([n for n, _ in told], [day for _, day in told])
    middle = data.draw(st.integers(0, len(life)))
    a, b = folded(life[:middle], HERE), folded(life[middle:], HERE)
    assert differences(merged(a, b), merged(b, a)) == []
    for row in (folded(life, HERE), merged(a, b)):
        for interest in range(len(INTERESTS)):
            truth = counted(life, interest)
            assert all(count <= truth.get(key, 0) for key, count in kept(row, interest).items())


@pytest.mark.parametrize("merging", [False, True], ids=["folded", "merged from three"])
def test_uneven_taste_is_recognised_though_many_names_compete(merging: bool) -> None:
    """200 customers, each with 300 views over 90 days among 60 names of falling popularity (Zipf).

    The favourite must be right for 95 in 100, and of the five true favourites four must be kept on average.
    """
    rng, right, found = np.random.default_rng(5), 0, 0.0
    chances = 1 / np.arange(1, 61)
    for _ in range(200):
        numbers = rng.choice(rng.permutation(60), 300, p=chances / chances.sum()).tolist()
        life = views(numbers, np.sort(rng.integers(0, 90, 300))[::-1].tolist())
        row = merged(*(folded(life[part::3], HERE) for part in range(3))) if merging else folded(life, HERE)
        now = (END + int(HERE.offset[-1])) // MONTH
        truth, seen = worth(counted(life, 0), now), worth(kept(row, 0), now)
        right += truth[seen.most_common(1)[0][0]] == truth.most_common(1)[0][1]
        found += len({code for code, _ in truth.most_common(5)} & set(seen)) / 200
    assert right >= 190, f"{right} of 200 favourites are right"
    assert found >= 4, f"{found:.2f} of 5 true favourites are kept"

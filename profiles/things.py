"""Which things a stored row speaks of: what drew interest lately, what is in the cart, whose names a reader will want.

Knows: where a row keeps codes of categories, brands and products.  Must not know: their names, how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from profiles import measures as m
from profiles.clock import Int64s
from profiles.kernels.rings import decayed_counts
from profiles.layout import CART_FIELDS, INTEREST_FIELDS, TABLES

_FIELDS: Final = len(INTEREST_FIELDS)
_INTERESTS_FROM: Final = int(TABLES.interests[0, 0])
#: where each kind of interest is kept from there on: entries of (code, month, counts)
_INTERESTS: Final = tuple(
    (name, first - _INTERESTS_FROM, first - _INTERESTS_FROM + _FIELDS * entries)
    for name, (first, entries) in zip(m.INTERESTS, TABLES.interests.tolist(), strict=True)
)
_INTERESTS_TO: Final = _INTERESTS_FROM + max(end for _, _, end in _INTERESTS)
_CARTED: Final = [TABLES.cart + 1 + len(CART_FIELDS) * i for i in range(m.CART_KEPT)]
#: slots that hold the code of a name
_CODES: Final = np.array(
    [_INTERESTS_FROM + slot for _, start, end in _INTERESTS for slot in range(start, end, _FIELDS)]
    + _CARTED
    + [TABLES.traits + 2 * i + 1 for i, numeric in enumerate(m.TRAITS.values()) if not numeric],
    np.int64,
)


def interests_of(row: Int64s, month: int) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Of every kind of interest, codes and how much each drew lately; ``month`` is the 30-day tile of now on the shop's
    clock.
    """
    slots = row[_INTERESTS_FROM:_INTERESTS_TO].tolist()
    for kind, start, end in _INTERESTS:
        yield kind, list(_worth(slots[start:end], month))


def interest_in(row: Int64s, kind: str, month: int) -> dict[int, float]:
    """The same of one kind."""
    return dict(next(found for name, found in interests_of(row, month) if name == kind))


def _worth(slots: list[int], month: int) -> Iterator[tuple[int, float]]:
    for code, then, counts in zip(slots[::3], slots[1::3], slots[2::3], strict=True):
        worth = decayed_counts(then, counts, max(month, then)) / 4 if code else 0
        if worth > 0:
            yield code, worth


def cart_of(row: Int64s) -> tuple[int, ...]:
    """Codes of the products in the cart, the latest first."""
    emptied = row[TABLES.cart]
    entries = row[TABLES.cart + 1 : TABLES.cart + 1 + 3 * m.CART_KEPT].reshape(-1, 3).tolist()
    found = [(added, code) for code, added, gone in entries if added > gone and added > emptied]
    return tuple(code for _, code in sorted(found, reverse=True))


def carted(row: Int64s) -> frozenset[int]:
    """Codes of the products that went into the cart or out of it last, bought or not."""
    return frozenset(row[_CARTED].tolist()) - {0}


def codes_in(row: Int64s) -> set[int]:
    """Every code of a row that a reader will want the name of."""
    return set(row[_CODES].tolist()) - {0}

"""What simulated shoppers can do, and the table of who does what when.

Knows: the columns that every plan fills and the encoder reads.
Must not know: why somebody does something, or how it looks as JSON.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streams.shoppers.journey import Ints

#: One row per act.  ``clock`` is milliseconds since the shop's midnight; ``basket`` and ``product`` are positions in
#: the journey, -1 for none; ``detail`` is a number that only this kind of act understands (stars, cents, a text ...).
COLUMNS: Final = np.dtype(
    [
        ("day", np.int16),
        ("clock", np.int32),
        ("act", np.int8),
        ("household", np.int32),
        ("channel", np.int8),
        ("basket", np.int32),
        ("product", np.int32),
        ("detail", np.int32),
    ]
)
Acts = npt.NDArray[np.void]

CHANNELS: Final = ("web", "app", "mini_program", "store")
STORE: Final = CHANNELS.index("store")


class Act(IntEnum):
    """In the order of a visit: of two acts in the same millisecond the smaller comes first."""

    IDENTIFY = 0
    HOME = 1
    LIST = 2
    SEARCH = 3
    VIEW = 4
    ADD = 5
    REMOVE = 6
    CART = 7
    CHECKOUT = 8
    COUPON = 9
    PAYMENT = 10
    ORDER = 11
    REFUND = 12
    REVIEW = 13
    SHARE = 14
    COMPLAINT = 15
    SUPPORT = 16
    EMAIL = 17


def acts(count: int, act: Act | Ints, **columns: Any) -> Acts:
    """A table of ``count`` rows; columns that are not given are -1 where that means none, else 0."""
    table = np.zeros(count, COLUMNS)
    table["basket"] = table["product"] = -1
    table["act"] = act
    for name, values in columns.items():
        table[name] = values
    return table


def in_order(table: Acts) -> Acts:
    """The rows by day and clock, the acts of one moment in the order of a visit."""
    ordered: Acts = table[np.lexsort((table["act"], table["clock"], table["day"]))]
    return ordered

"""What a customer's features would be after one more thing: an order, a visit, ten days of silence.

The event is folded into a copy of the customer's row and the features are derived as always, so they change together:
an order also moves the gap, the counts and the trend.
Knows: rows, kernels.  Must not know: models, words.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from profiles.clock import DAY, Int64s
from profiles.features import FEATURES
from profiles.kernels.advance import World
from profiles.kernels.derive import Floats, derive
from profiles.kernels.fold import Events, fold
from profiles.kernels.horizon import offset_at
from profiles.kinds import Channel, Kind
from profiles.layout import LAYOUT
from profiles.models.churn_inputs import COLUMNS

SILENT: Final = 10  #: days
_ALL: Final = np.arange(len(FEATURES), dtype=np.int64)
_ORDER: Final = 1  #: code of an order that never was


def now(row: Int64s, at: int, world: World) -> Floats:
    """The model's features of a row at ``at``."""
    x = np.full(len(FEATURES), np.nan)
    derive(row, at, offset_at(at, world.since, world.offset), _ALL, world.factor, world.people, x)
    chosen: Floats = x[COLUMNS]
    return chosen


def after(row: Int64s, at: int, world: World) -> dict[str, Floats]:
    """What may happen next -> features right after it; the row itself stays as it is."""
    orders = int(row[LAYOUT.start["orders"]])
    usual = int(row[LAYOUT.start["revenue"]]) // orders if orders else 0
    return {
        "order": now(_with(row, Kind.ORDER, at, usual, world), at, world),
        "visit": now(_with(row, Kind.VISIT, at, 0, world), at, world),
        "silent_10d": now(row, at + SILENT * DAY, world),
    }


def _with(row: Int64s, kind: Kind, at: int, amount: int, world: World) -> Int64s:
    """A copy of the row in which this has happened."""
    copy, one = row.copy(), np.ones(1, np.int64)
    events = Events(
        row=0 * one,
        kind=one * int(kind),
        time=one * at,
        local=one * (at + offset_at(at, world.since, world.offset)),
        amount=one * amount,
        quantity=one,
        discount=0 * one,
        rating=0 * one,
        channel=one * int(Channel.WEB),
        key=0 * one,
        order=one * (_ORDER if kind is Kind.ORDER else 0),
        line_end=0 * one,
        lines=np.zeros((0, 3), np.int64),
        trait_end=0 * one,
        traits=np.zeros((0, 2), np.int64),
    )
    fold(copy, events, 0)
    return copy

"""What the models say of one customer: how likely no order comes, why, what would change it, what they are worth.

Their segment comes with it, if there are segments yet.
Knows: a row, the world it is read with, params.  Must not know: where they are stored, who asks.
The rules and alerts of today decide by ``risk``, the rule of thumb in the dictionary; this is what was learned.
"""

from __future__ import annotations

import msgspec
import numpy as np

from profiles.clock import Int64s, Millis
from profiles.kernels.advance import World
from profiles.models import segment_params, whatif
from profiles.models.churn_inputs import Floats, Target
from profiles.models.params import Params, Source, orders_and_value, score
from profiles.models.reasons import Reason, WhatIf, outcome, reasons, what_if


class InSegment(msgspec.Struct, frozen=True):
    """The segment a customer is in; the portrait is at ``/v1/models``."""

    id: int  #: stays when the name changes
    zh: str
    en: str


class Forecast(msgspec.Struct, frozen=True):
    """A customer's outlook over the coming ``horizon_days``."""

    id: str
    read_at: int  #: the moment it holds for (ms)
    horizon_days: int
    target: Target  #: what is forecast not to come; ``visit`` in a shop without orders
    of_zh: str  #: what the probability is of
    of_en: str
    probability: float  #: that no order (visit) comes within the horizon
    source: Source  #: ``bgnbd``: buying behaviour alone, until the learner beats it; then ``blend``
    version: int  #: of the model
    learned_until: int  #: newest sample that it has seen (ms)
    expected_orders: float | None  #: within the horizon
    expected_value: float | None  #: their worth, in major units of the shop's currency
    reasons: tuple[Reason, ...]  #: what raises the probability most comes first
    what_if: tuple[WhatIf, ...]
    segment: InSegment | None = None  #: null until there are segments


def forecast(
    profile: str, row: Int64s, now: Millis, world: World, params: Params, segments: segment_params.Params | None
) -> Forecast | None:
    """The outlook of a customer at ``now``; None for somebody who never ordered (visited)."""
    x = whatif.now(row, now, world)
    probability = float(score(params, x.reshape(1, -1))[0])
    if np.isnan(probability):
        return None
    orders, value = orders_and_value(params, x.reshape(1, -1))
    zh, en = outcome(params)
    return Forecast(
        id=profile,
        read_at=now,
        horizon_days=params.horizon_days,
        target=params.target,
        of_zh=zh,
        of_en=en,
        probability=round(probability, 4),
        source=params.source,
        version=params.version,
        learned_until=params.until,
        expected_orders=_rounded(orders[0]),
        expected_value=_rounded(value[0]),
        reasons=reasons(params, x),
        what_if=what_if(params, x, whatif.after(row, now, world)),
        segment=None if segments is None else _segment(segments, x),
    )


def _segment(params: segment_params.Params, x: Floats) -> InSegment | None:
    number = int(segment_params.assign(params, x.reshape(1, -1))[0])
    if number == segment_params.NONE:
        return None
    found = params.segments[number]
    return InSegment(found.id, found.zh, found.en)


def _rounded(value: float) -> float | None:
    return round(float(value), 2) if np.isfinite(value) else None

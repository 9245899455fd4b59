"""What a segment is made of: five plain numbers of a customer, and how each is laid on an axis.

Counts and money go on a logarithm, because ten more orders matter to five, not to five hundred; silence is counted in
weeks and tenure up to a year, so that a day more or less moves nobody across a border.
Knows: features, transforms, weights.  Must not know: centres, names, who is followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from profiles.models import churn_inputs
from profiles.models.churn_inputs import AT, Floats, check


@dataclass(frozen=True)
class Axis:
    """One number of a customer."""

    name: str
    unit: float  #: what counts as one inside log(1 + x)
    high: float  #: what is larger counts as this
    weight: float = 1.0  #: of a standard deviation, when distances are measured


_MONEY: Final = 1e9

#: silence counts less, because every order throws it back to nothing: at full weight a quarter of a grocer's customers
#: changed segment every week; tenure less, because it only has to tell newcomers
AXES: Final[tuple[Axis, ...]] = (
    Axis("days_since_order", 7.0, 3_650.0, 0.8),
    Axis("orders_365d", 1.0, 1e5),
    Axis("spend_365d", 1.0, _MONEY),
    Axis("average_order", 1.0, _MONEY),
    Axis("days_since_first_order", 30.0, 365.0, 0.7),
)
NAMES: Final = tuple(axis.name for axis in AXES)
SILENCE, ORDERS, SPEND, AVERAGE, TENURE = range(len(AXES))
FAR: Final = 3.0  #: standard deviations; nobody counts as farther out, or one customer would own a segment

_UNIT: Final = np.array([axis.unit for axis in AXES])
_HIGH: Final = np.array([axis.high for axis in AXES])
WEIGHTS: Final = np.array([axis.weight for axis in AXES])


def _hash() -> str:
    told = (churn_inputs.HASH, [(axis.name, axis.unit, axis.high, axis.weight) for axis in AXES], FAR)
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()


HASH: Final = _hash()  #: changes whenever a place would mean something else


def numbers(raw: Floats) -> Floats:
    """The five numbers, one row a customer, from features as ``churn_inputs.RAW``; only for customers who are usable.

    What was spent in a year is orders times the average order: samples do not carry the sum itself.
    """
    check(raw)
    orders, average = raw[:, AT["orders_365d"]], raw[:, AT["average_order"]]
    silence, tenure = raw[:, AT["days_since_order"]], raw[:, AT["days_since_first_order"]]
    told = np.nan_to_num(np.column_stack([silence, orders, orders * average, average, tenure]))
    bounded: Floats = np.clip(told, 0.0, _HIGH)
    return bounded


def places(told: Floats) -> Floats:
    """The five numbers on their axes, not yet standardised."""
    on: Floats = np.log1p(told / _UNIT)
    return on


def plain(on: Floats) -> Floats:
    """Back from the axes to plain numbers: days, orders, money."""
    told: Floats = np.expm1(on) * _UNIT
    return told


def standard(on: Floats, means: Floats, sds: Floats) -> Floats:
    """In weighted standard deviations from the mean of all; an axis on which all are alike says nothing."""
    scale = np.divide(1.0, sds, where=sds > 0.0, out=np.zeros_like(sds))
    far: Floats = np.clip((on - means) * scale, -FAR, FAR) * WEIGHTS
    return far

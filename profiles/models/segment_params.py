"""The segments that are published, and how anybody finds a customer's: plain numbers, one version after another.

Knows: centres, scales, names, formulas.  Must not know: how they were learned, who follows whom.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from profiles.clock import Int64s
from profiles.errors import ModelMismatch
from profiles.models.axes import HASH, NAMES, numbers, places, standard
from profiles.models.churn_inputs import Floats, usable
from profiles.models.kmeans import nearest

NONE: Final = -1  #: the segment of who never ordered


class Segment(msgspec.Struct, frozen=True):
    """One segment; its id stays when its name or its centre changes."""

    id: int
    zh: str
    en: str
    portrait_zh: str  #: one line with its typical numbers
    portrait_en: str
    typical: dict[str, float]  #: the median customer, number by number; days, orders, major units of currency
    share: float  #: of the customers followed, 0..1
    customers: int  #: that many of them
    centre: tuple[float, ...]  #: weighted standard deviations from the mean of all


class Params(msgspec.Struct, frozen=True):
    """A version of the segments; never changed once published.  JSON both ways is exact."""

    version: int
    inputs_hash: str
    names: tuple[str, ...]  #: of the axes; the lists below and the centres are in this order
    means: tuple[float, ...]
    sds: tuple[float, ...]
    segments: tuple[Segment, ...]  #: in the order of their ids, which count from 0
    migration: tuple[tuple[int, ...], ...]  #: customers by segment of the week before and of the latest week
    changed: float | None  #: share of those customers who are in another segment now
    seeded: int  #: week of the latest seeding
    seedings: int
    samples: int
    until: int  #: newest sample seen (ms)


encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Params).decode


def decode(raw: bytes | str) -> Params:
    """Published segments, if they fit this code.

    Raises:
        ModelMismatch: they are none, or made of other numbers; keep the last good ones.
    """
    try:
        params = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"these are no segments: {error}") from error
    check(params)
    return params


def check(params: Params) -> None:
    """Raises ModelMismatch: the segments are made of other numbers, or are damaged."""
    if params.inputs_hash != HASH or params.names != NAMES:
        raise ModelMismatch(
            f"segments {params.version} are made of {params.inputs_hash}, this code of {HASH}; "
            "they are refused until the learner has published new ones"
        )
    lists = [params.means, params.sds, *(each.centre for each in params.segments)]
    if any(len(each) != len(NAMES) for each in lists) or not np.isfinite(np.concatenate(lists)).all():
        raise ModelMismatch(f"segments {params.version} are damaged: a list is not {len(NAMES)} finite numbers long")
    if not params.segments or [each.id for each in params.segments] != list(range(len(params.segments))):
        raise ModelMismatch(f"segments {params.version} are damaged: their ids do not count from 0")


def assign(params: Params, raw: Floats) -> Int64s:
    """Ids of the customers' segments; one row a customer, columns as ``churn_inputs.RAW``.

    ``NONE`` for customers who never ordered.

    Raises:
        ModelMismatch: segments or matrix are of another list of features.
    """
    check(params)
    able = usable(raw)
    found = np.full(len(raw), NONE, np.int64)
    found[able] = placed(params, numbers(raw[able]))
    return found


def placed(params: Params, told: Floats) -> Int64s:
    """The same from the five numbers of ``axes``."""
    if not len(told):
        return np.zeros(0, np.int64)
    return nearest(standard(places(told), np.array(params.means), np.array(params.sds)), centres(params)).which


def centres(params: Params) -> Floats:
    """One row a segment."""
    return np.array([each.centre for each in params.segments])

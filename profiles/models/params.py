"""What the learner publishes, and how anybody scores with it: plain numbers, one version after another.

Knows: formulas.  Must not know: how they were learned (River is not needed to score).
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from scipy import special

from profiles.errors import ModelMismatch
from profiles.models import bgnbd as bg
from profiles.models import gammagamma as gg
from profiles.models.bgnbd import Bgnbd
from profiles.models.churn_inputs import AT, HASH, RAW, Floats, Singles, Target, usable, vectors
from profiles.models.drift import Moved
from profiles.models.gammagamma import GammaGamma

Source = Literal["baseline", "bgnbd", "blend"]


class Params(msgspec.Struct, frozen=True):
    """A version of the churn model; never changed once published.  JSON both ways is exact."""

    version: int
    inputs_hash: str
    horizon_days: int
    names: tuple[str, ...]  #: of the inputs; the lists below are in this order
    means: tuple[float, ...]
    sds: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    typical: tuple[float, ...]  #: the mean active customer: what reasons compare with
    bgnbd: Bgnbd | None
    gamma_gamma: GammaGamma | None
    blend: float  #: share of the learner in what is served, 0..1
    source: Source  #: ``baseline``: nothing here is ready, the rule of thumb in the dictionary (``risk``) serves
    samples: int  #: labels learned
    until: int  #: newest sample seen (ms)
    metrics: dict[str, dict[str, float | None]] = {}
    drift: tuple[Moved, ...] = ()  #: what was watched, in words
    target: Target = (
        "order"  #: what is forecast not to come; of a visit there is no ``bgnbd``, the learner speaks alone
    )


class Parts(NamedTuple):
    """Probabilities of no order (visit) within the horizon, NaN for who never had one and where a part is not ready."""

    learner: Floats
    bgnbd: Floats
    served: Floats


class Buying(NamedTuple):
    """What BG/NBD asks of customers; times in weeks."""

    x: Floats
    t_x: Floats
    age: Floats


encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Params).decode
_FIT: Final[deque[Params]] = deque(maxlen=4)  #: those that were checked last


def decode(raw: bytes | str) -> Params:
    """Published params, if they fit this code.

    Raises:
        ModelMismatch: they are no params, or made for another list of inputs; keep the last good ones.
    """
    try:
        params = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"these are no churn params: {error}") from error
    check(params)
    return params


def check(params: Params) -> None:
    """Raises ModelMismatch: the params were made for another list of inputs, or are not all numbers.

    Once for each: params do not change, and whoever scores asks again and again.
    """
    if any(each is params for each in _FIT):
        return
    if params.inputs_hash != HASH or params.names != RAW:
        raise ModelMismatch(
            f"churn params {params.version} are for inputs {params.inputs_hash}, this code has {HASH}; "
            "they are refused until the learner has published new ones"
        )
    lists = (params.means, params.sds, params.weights, params.typical)
    if (
        any(len(each) != len(RAW) for each in lists)
        or not np.isfinite([*np.concatenate(lists), params.intercept]).all()
    ):
        raise ModelMismatch(f"churn params {params.version} are damaged: a list is not {len(RAW)} finite numbers long")
    _FIT.append(params)


def score(params: Params, raw: Floats) -> Floats:
    """Probability of no order, or no visit, within the horizon; one row a customer, columns as ``churn_inputs.RAW``.

    NaN for customers who never ordered (visited): see ``Params.target``.

    Raises:
        ModelMismatch: params or matrix are for another list of inputs.
    """
    return parts(params, raw).served


def parts(params: Params, raw: Floats) -> Parts:
    """What each forecaster says, and the mix that is served."""
    check(params)
    able, days = usable(raw, params.target), params.horizon_days
    nothing = np.full(len(raw), np.nan)
    learner = np.where(able, learned(params, vectors(raw)), np.nan) if params.samples else nothing
    buying = (
        None
        if params.bgnbd is None
        else bg.p_no_order(params.bgnbd, *_bought(np.where(able[:, None], raw, 1.0)), days / 7.0)
    )
    chance = nothing if buying is None else np.where(able, buying, np.nan)
    if params.source == "baseline":
        return Parts(learner, chance, nothing)
    share = params.blend
    served = learner if share >= 1.0 else chance if share <= 0.0 else share * learner + (1.0 - share) * chance
    return Parts(learner, chance, served)


def learned(params: Params, x: Singles) -> Floats:
    """What the learner alone says; a constant input says nothing, as in River."""
    told: Floats = special.expit(scaled(params, x) @ np.array(params.weights) + params.intercept)
    return told


def scaled(params: Params, x: Singles) -> Floats:
    """Inputs in standard deviations from their mean."""
    sds = np.array(params.sds)
    some = sds > 0.0
    scale = np.divide(1.0, sds, where=some, out=np.zeros_like(sds))
    told: Floats = (x.astype(np.float64) - np.array(params.means)) * scale
    return told


def bought(orders: Floats, silence: Floats, age: Floats) -> Buying:
    """What BG/NBD asks, from orders and the days since the last and the first of them."""
    x, weeks = np.maximum(orders - 1.0, 0.0), age / 7.0
    return Buying(x, np.where(x > 0, np.clip(weeks - silence / 7.0, 0.0, weeks), 0.0), weeks)


def _bought(raw: Floats) -> Buying:
    return bought(*(raw[:, AT[name]] for name in ("orders", "days_since_order", "days_since_first_order")))


def orders_and_value(params: Params, raw: Floats) -> tuple[Floats, Floats]:
    """Orders to expect of each customer within the horizon, and their worth: CLV is the product's second part.

    NaN where BG/NBD (Gamma-Gamma) is not ready or the customer never ordered.
    """
    check(params)
    able = usable(raw)
    nan = np.full(len(raw), np.nan)
    safe = np.where(able[:, None], raw, 1.0)
    orders = (
        nan if params.bgnbd is None else bg.expected_orders(params.bgnbd, *_bought(safe), params.horizon_days / 7.0)
    )
    each = nan
    if params.gamma_gamma is not None:
        mean = np.maximum(np.nan_to_num(safe[:, AT["average_order"]]), 0.0)
        each = gg.expected_value(params.gamma_gamma, safe[:, AT["orders"]], mean)
    return np.where(able, orders, np.nan), np.where(able, orders * each, np.nan)

"""What the churn model sees of a customer: features of the dictionary, each tamed in one way.

A vector of inputs is always finite and lies in known bounds, whatever the features are: one NaN that is learned would
poison the model for ever.  Each input belongs to a business group; reasons are told by group, because features that say
nearly the same share their weight between them in a way that means nothing.
Knows: names of features, transforms, groups, phrases.  Must not know: weights, samples, where features come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from profiles.errors import ModelMismatch
from profiles.features import INDEX

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

#: business group -> how it is called, Chinese and English
GROUPS: Final[dict[str, tuple[str, str]]] = {
    "silence": ("沉默时长", "length of silence"),
    "frequency": ("近期频率", "recent frequency"),
    "spend": ("消费额", "spend"),
    "loyalty": ("忠诚度", "loyalty"),
    "rhythm": ("购买节奏", "buying rhythm"),
    "browsing": ("浏览活跃", "browsing"),
    "service": ("服务体验", "service experience"),
}


@dataclass(frozen=True)
class Input:
    """One number the model sees.

    ``zh`` and ``en`` say what a clerk can check; they may speak of any feature in ``RAW``.
    """

    feature: str
    group: str
    high: float  #: what is larger counts as this
    zh: str = ""
    en: str = ""
    unknown: float = 0.0  #: what "cannot say" counts as
    logged: bool = True  #: log(1 + x), because ten more matter to 5, not to 500
    least: int = 1  #: orders below which the phrase would say nothing about this customer


_YEARS: Final = 3_650.0
_MONEY: Final = 1e9
_MANY: Final = 1e5

INPUTS: Final[tuple[Input, ...]] = (
    Input("days_since_order", "silence", _YEARS, "{days_since_order:.0f} 天未下单", "{days_since_order:.0f} days without an order"),
    Input("overdue", "silence", 1e4, "平常 {usual_gap_days:.0f} 天一次", "usually every {usual_gap_days:.0f}", least=2),
    Input("orders_decayed_7d", "frequency", _MANY),
    Input("orders_decayed_30d", "frequency", _MANY),
    Input("orders_30d", "frequency", _MANY, "近 30 天 {orders_30d:.0f} 单", "orders in 30 days: {orders_30d:.0f}"),
    Input("orders_90d", "frequency", _MANY, "近 90 天 {orders_90d:.0f} 单", "in 90 days: {orders_90d:.0f}"),
    Input("spend_decayed_30d", "spend", _MONEY),
    Input("spend_90d", "spend", _MONEY, "近 90 天消费 {spend_90d:.2f}", "{spend_90d:.2f} spent in 90 days"),
    Input("average_order", "spend", _MONEY, "客单价 {average_order:.2f}", "{average_order:.2f} an order"),
    Input("orders", "loyalty", _MANY, "累计 {orders:.0f} 单", "orders so far: {orders:.0f}"),
    Input("orders_365d", "loyalty", _MANY),
    Input("days_since_first_order", "loyalty", 3 * _YEARS, "首单距今 {days_since_first_order:.0f} 天", "first order {days_since_first_order:.0f} days ago"),
    Input("usual_gap_days", "rhythm", _YEARS, "平常 {usual_gap_days:.0f} 天一次", "usually an order every {usual_gap_days:.0f} days", 30.0, least=2),
    Input("gap_spread", "rhythm", 4.0, "间隔波动为均值的 {gap_spread:.1f} 倍", "gaps vary by {gap_spread:.1f} of their mean", 0.7, logged=False, least=3),
    Input("order_trend", "rhythm", 3.0, "近 30 天是平常的 {order_trend:.1f} 倍", "the last 30 days are {order_trend:.1f} times the usual", 0.0, logged=False),
    Input("days_since_visit", "browsing", _YEARS, "{days_since_visit:.0f} 天未访问", "{days_since_visit:.0f} days without a visit", 400.0),
    Input("visits_30d", "browsing", _MANY, "近 30 天访问 {visits_30d:.0f} 次", "visits in 30 days: {visits_30d:.0f}"),
    Input("views_30d", "browsing", _MANY, "浏览商品 {views_30d:.0f} 次", "products viewed: {views_30d:.0f}"),
    Input("active_days_30d", "browsing", 31.0, logged=False),
    Input("voice_90d", "service", _MANY, "近 90 天投诉与咨询 {voice_90d:.0f} 次", "complaints and questions in 90 days: {voice_90d:.0f}"),
    Input("complaints", "service", _MANY, "累计投诉 {complaints:.0f} 次", "complaints so far: {complaints:.0f}"),
    Input("refund_rate", "service", 3.0, "每单退款 {refund_rate:.2f} 次", "refunds an order: {refund_rate:.2f}", 0.0, logged=False),
)  # fmt: skip

RAW: Final[tuple[str, ...]] = tuple(each.feature for each in INPUTS)  #: columns of a feature matrix, in this order
AT: Final[dict[str, int]] = {name: i for i, name in enumerate(RAW)}
COLUMNS: Final = np.array([INDEX[name] for name in RAW])  #: of the whole dictionary
#: without these a customer is nobody the model speaks of: they have never ordered
NEEDED: Final = np.array([AT[name] for name in ("days_since_order", "days_since_first_order", "orders")])

#: what is forecast not to come: an order or, in a shop without orders, a visit
Target = Literal["order", "visit"]
SILENT: Final[dict[Target, int]] = {
    "order": AT["days_since_order"],
    "visit": AT["days_since_visit"],
}  #: columns: for how long

_HIGH: Final = np.array([each.high for each in INPUTS])
_UNKNOWN: Final = np.array([each.unknown for each in INPUTS])
_LOGGED: Final = np.array([each.logged for each in INPUTS])


def _hash() -> str:
    told = [(each.feature, each.group, each.high, each.unknown, each.logged) for each in INPUTS]
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()


HASH: Final = _hash()  #: changes whenever a vector would mean something else


def matrix(rows: Sequence[Mapping[str, float]]) -> Floats:
    """Features of several customers as rows, columns as ``RAW``; what is not there is NaN."""
    nan = float("nan")
    return np.array([[row.get(name, nan) for name in RAW] for row in rows], np.float64).reshape(len(rows), len(RAW))


def usable(raw: Floats, target: Target = "order") -> Bools:
    """Which rows may reach a model: customers who have ordered (visited), with nothing infinite about them."""
    check(raw)
    if target == "visit":
        visited: Bools = np.isfinite(raw[:, SILENT["visit"]]) & ~np.isinf(raw).any(axis=1)
        return visited
    sound: Bools = np.isfinite(raw[:, NEEDED]).all(axis=1) & (raw[:, AT["orders"]] >= 1) & ~np.isinf(raw).any(axis=1)
    return sound


def vectors(raw: Floats) -> Singles:
    """What the model sees, one row a customer: always finite, always in bounds."""
    check(raw)
    known = np.where(np.isfinite(raw), raw, _UNKNOWN)
    bounded = np.clip(known, 0.0, _HIGH)
    return np.where(_LOGGED, np.log1p(bounded), bounded).astype(np.float32)


def vector(features: Mapping[str, float]) -> Singles:
    """The same for one customer."""
    one: Singles = vectors(matrix([features]))[0]
    return one


def check(raw: Floats) -> None:
    """A matrix of another list of features must not be read as this one.

    Raises:
        ModelMismatch: it has another number of columns.
    """
    if raw.ndim != 2 or raw.shape[1] != len(RAW):
        raise ModelMismatch(f"a matrix of shape {raw.shape} has not the {len(RAW)} features of churn_inputs.RAW")

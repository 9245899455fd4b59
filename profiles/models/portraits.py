"""What segments are called: by where their centres lie among all customers of this shop, never two alike.

"Big" and "asleep" are relative: a grocer's sleepers would be a jeweller's regulars, so the portrait gives the numbers.
Knows: names, where each belongs.  Must not know: how centres came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from profiles.models.axes import AVERAGE, NAMES, ORDERS, SILENCE, SPEND, TENURE, WEIGHTS
from profiles.models.churn_inputs import Floats

Bounds = Mapping[int, tuple[float, float]]  #: axis -> from, to

_MOST: Final = float("inf")


@dataclass(frozen=True)
class Name:
    """A name and where it belongs; where ``among`` or ``told`` is not met it would be a lie."""

    zh: str
    en: str
    at: tuple[float, ...]  #: the purest case, in standard deviations from the mean of all, axes as ``axes.AXES``
    among: Bounds  #: in standard deviations
    told: Bounds  #: in plain numbers of the typical customer: "regular" is nobody with an order a year


_AWAKE: Final = (-_MOST, 0.4)
_QUIET: Final = (0.4, _MOST)
_SOME: Final = (1.0, _MOST)  #: orders in a year
_NONE: Final = (0.0, 0.99)
_LONG: Final = (21.0, _MOST)  #: days
_SHORT: Final = (0.0, 21.0)  #: nobody sleeps yet in a shop that has just opened

CATALOGUE: Final[tuple[Name, ...]] = (
    Name("高价值常客", "loyal big spenders", (-0.6, 1.1, 1.2, 0.5, 0.5), {SPEND: (0.6, _MOST), SILENCE: _AWAKE}, {ORDERS: (3.0, _MOST)}),
    Name("高频小额客", "frequent small baskets", (-0.6, 1.1, 0.5, -0.7, 0.4), {ORDERS: (0.2, _MOST), AVERAGE: (-_MOST, 0.0), SILENCE: _AWAKE}, {ORDERS: (4.0, _MOST)}),
    Name("稳定常客", "steady regulars", (-0.3, 0.4, 0.4, 0.2, 0.4), {ORDERS: (-0.1, _MOST), SILENCE: _AWAKE}, {ORDERS: (3.0, _MOST)}),
    Name("低频大额客", "rare but large orders", (0.1, -0.4, 0.3, 1.2, 0.2), {ORDERS: (-_MOST, 0.8), AVERAGE: (0.4, _MOST), SILENCE: (-_MOST, 0.8)}, {ORDERS: _SOME}),
    Name("低频小额客", "rare small orders", (0.1, -0.8, -0.9, -0.6, 0.1), {ORDERS: (-_MOST, 0.0), SPEND: (-_MOST, 0.0), SILENCE: (-_MOST, 0.8)}, {ORDERS: _SOME}),
    Name("偶尔光顾", "occasional buyers", (-0.2, 0.3, 0.4, -0.1, 0.3), {SILENCE: (-_MOST, 0.8)}, {ORDERS: (1.0, 3.99)}),
    Name("新客", "newcomers", (-0.3, -1.0, -0.9, 0.0, -1.8), {TENURE: (-_MOST, -0.7), SILENCE: (-_MOST, 0.7)}, {TENURE: (0.0, 200.0)}),
    Name("渐远的老客", "fading regulars", (1.1, -0.4, -0.2, 0.3, 0.4), {SILENCE: _QUIET, ORDERS: (-0.9, 0.6), TENURE: (-0.6, _MOST)}, {ORDERS: (2.0, _MOST)}),
    Name("沉睡客户", "asleep", (1.5, -1.2, -1.3, -0.3, 0.2), {SILENCE: _QUIET, ORDERS: (-_MOST, 0.0)}, {ORDERS: _SOME, SILENCE: _LONG}),
    Name("沉睡的大额客", "big baskets asleep", (1.3, -0.9, -0.3, 1.2, 0.2), {SILENCE: _QUIET, ORDERS: (-_MOST, 0.0), AVERAGE: (0.4, _MOST)}, {ORDERS: _SOME, SILENCE: _LONG}),
    Name("沉睡的小额客", "small baskets asleep", (1.5, -1.2, -1.6, -1.4, 0.2), {SILENCE: _QUIET, ORDERS: (-_MOST, 0.0), AVERAGE: (-_MOST, -0.4)}, {ORDERS: _SOME, SILENCE: _LONG}),
    Name("流失客户", "gone for a year", (0.8, -0.9, -1.0, 0.0, 0.6), {}, {ORDERS: _NONE}),
    Name("流失的大额客", "big baskets gone for a year", (0.8, -0.9, -1.0, 1.3, 0.6), {AVERAGE: (0.4, _MOST)}, {ORDERS: _NONE}),
    Name("流失的小额客", "small baskets gone for a year", (0.8, -0.9, -1.0, -1.3, 0.6), {AVERAGE: (-_MOST, -0.4)}, {ORDERS: _NONE}),
    Name("普通客户", "ordinary customers", (0.0, 0.0, 0.0, 0.0, 0.0), {SILENCE: (-0.8, 0.8), ORDERS: (-0.8, 0.8), SPEND: (-0.8, 0.8)}, {ORDERS: _SOME, SILENCE: (0.0, 90.0)}),
    Name("久未光顾", "not seen for long", (0.4, 0.2, 0.3, -0.3, 0.5), {}, {ORDERS: _SOME, SILENCE: (90.0, _MOST)}),
    Name("最不活跃的客户", "least active", (1.2, -0.9, -0.9, 0.0, 0.0), {SILENCE: _QUIET}, {SILENCE: _SHORT}),
    Name("最不活跃的小额客", "least active, small baskets", (1.2, -0.9, -1.2, -1.2, 0.0), {SILENCE: _QUIET, AVERAGE: (-_MOST, -0.4)}, {SILENCE: _SHORT}),
)  # fmt: skip

_LIE: Final = 1e3  #: what a name costs where it would be a lie
_NUMBER: Final = 1e2  #: what it costs to be called by a number
_HABIT: Final = 0.7  #: what it is worth to be called as before


def named(centres: Floats, typical: Floats, before: Sequence[str]) -> list[tuple[str, str]]:
    """A name for each centre (rows; weighted as in ``axes``), Chinese and English, together as fitting as can be.

    ``typical``: the plain numbers of each one's typical customer.
    ``before``: the English names that the same ids had, so that a name does not flicker; may be empty.
    """
    k, at = len(centres), centres / WEIGHTS
    cost = np.full((k, len(CATALOGUE) + k), _LIE)
    for i in range(k):
        for j, name in enumerate(CATALOGUE):
            if _within(at[i], name.among) and _within(typical[i], name.told):
                habit = _HABIT if i < len(before) and before[i] == name.en else 0.0
                cost[i, j] = float(np.square(centres[i] - np.array(name.at) * WEIGHTS).sum()) - habit
        cost[i, len(CATALOGUE) + i] = _NUMBER
    _, chosen = linear_sum_assignment(cost)
    numbered = [(f"客群 {i + 1}", f"group {i + 1}") for i in range(k)]
    names = [(name.zh, name.en) for name in CATALOGUE] + numbered
    return [names[j] for j in chosen.tolist()]


def portrait(typical: Mapping[str, float]) -> tuple[str, str]:
    """One line, Chinese and English, from the typical numbers (names as ``axes.NAMES``)."""
    silence, orders, spend, average, tenure = (typical[name] for name in NAMES)
    since = ("超过一年", "more than a year") if tenure >= 365 else (f" {tenure:.0f} 天", _days(tenure))
    zh = f"近一年 {orders:.0f} 单，消费 {spend:.2f}，客单价 {average:.2f}，{silence:.0f} 天未下单，首单至今{since[0]}"
    counted = "1 order" if f"{orders:.0f}" == "1" else f"{orders:.0f} orders"
    en = (
        f"{counted} and {spend:.2f} spent in a year, {average:.2f} an order, "
        f"{_days(silence)} without one, first order {since[1]} ago"
    )
    return zh, en


def _within(row: Floats, bounds: Bounds) -> bool:
    return all(low <= row[axis] <= high for axis, (low, high) in bounds.items())


def _days(days: float) -> str:
    return "1 day" if f"{days:.0f}" == "1" else f"{days:.0f} days"

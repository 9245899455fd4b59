"""Why a customer is at risk, in words with numbers a clerk can check; and what would change it.

The learner's part is exact for a linear model: weight times distance from the mean active customer, in standard
deviations, summed by business group.  (Against the mean of all, most of whom are long lost, no silence would look long.)  BG/NBD's part compares with a newcomer who is silent for the customer's usual gap.  Both are weighed as
they are in what is served.  Positive raises the risk.
Knows: params, inputs, phrases.  Must not know: rows, rules, where a reason is shown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from profiles.models import bgnbd
from profiles.models.churn_inputs import (
    AT,
    GROUPS,
    INPUTS,
    RAW,
    Floats,
    Input,
    Singles,
    Target,
    matrix,
    usable,
    vectors,
)
from profiles.models.params import Params, bought, check, scaled, score

LEAST: Final = 0.02  #: what moves the log-odds by less is no reason
PHRASES: Final = 2  #: most numbers in one sentence
_SURE: Final = 1e-6


class Reason(msgspec.Struct, frozen=True):
    """One business group's part in a customer's risk."""

    group: str
    zh: str  #: the group's name
    en: str
    contribution: float  #: to the log-odds of not ordering (visiting); positive raises the risk
    because_zh: str  #: the numbers behind it
    because_en: str


class WhatIf(msgspec.Struct, frozen=True):
    """How the probability would move."""

    what: str
    zh: str
    en: str
    probability: float
    change: float  #: against now; negative is good


#: what may happen next -> how it is called
CHANGES: Final[dict[str, tuple[str, str]]] = {
    "order": ("现在下一单", "one order now"),
    "visit": ("现在访问一次", "one visit now"),
    "silent_10d": ("再沉默 10 天", "ten more silent days"),
}


def reasons(params: Params, raw: Floats) -> tuple[Reason, ...]:
    """Reasons of one customer (a row of features as ``churn_inputs.RAW``), what raises the risk most first.

    Nobody's, if the customer never ordered (visited) or the params serve nobody.

    Raises:
        ModelMismatch: params or features are for another list of inputs.
    """
    check(params)
    row = raw.reshape(1, -1)
    if not usable(row, params.target)[0] or params.source == "baseline":
        return ()
    total: dict[str, float] = defaultdict(float)
    share = params.blend
    for one, worth in zip(INPUTS, contributions(params, row)[0].tolist(), strict=True):
        total[one.group] += share * worth
    for group, worth in _buying(params, row).items():
        total[group] += (1.0 - share) * worth
    told = sorted(((worth, group) for group, worth in total.items() if abs(worth) >= LEAST), reverse=True)
    return tuple(_reason(group, worth, row[0], params.target) for worth, group in told)


def outcome(params: Params) -> tuple[str, str]:
    """What the probability is of, Chinese and English."""
    days = params.horizon_days
    if params.target == "visit":
        return f"{days} 天内不再访问", f"no visit within {days} days"
    return f"{days} 天内不再下单", f"no order within {days} days"


def contributions(params: Params, raw: Floats) -> Floats:
    """What each input adds to the learner's log-odds against those of the typical customer, one row a customer."""
    worth: Floats = (scaled(params, vectors(raw)) - scaled(params, _typical(params))) * np.array(params.weights)
    return worth


def base(params: Params) -> float:
    """The learner's log-odds of the typical customer; with the contributions they are the whole forecast."""
    return float((scaled(params, _typical(params)) @ np.array(params.weights))[0]) + params.intercept


def what_if(params: Params, now: Floats, after: dict[str, Floats]) -> tuple[WhatIf, ...]:
    """What each of ``after`` would do: rows of features as they would then be (``whatif.after``).

    Raises:
        ModelMismatch: params or features are for another list of inputs.
    """
    before = float(score(params, now.reshape(1, -1))[0])
    found = []
    for what, row in after.items():
        if what == "order" and params.target == "visit":
            continue  # nobody orders in this shop
        then = float(score(params, row.reshape(1, -1))[0])
        if np.isfinite(before) and np.isfinite(then):
            found.append(WhatIf(what, *CHANGES[what], round(then, 4), round(then - before, 4)))
    return tuple(found)


def row_of(features: dict[str, float]) -> Floats:
    """Features by name as a row."""
    row: Floats = matrix([features])[0]
    return row


def _buying(params: Params, row: Floats) -> dict[str, float]:
    """BG/NBD's own two reasons: how long the silence is for this customer, and how firmly they bought before."""
    if params.bgnbd is None or params.blend >= 1.0:
        return {}
    weeks = params.horizon_days / 7.0
    orders, silence, age, gap = (
        row[:, AT[name]] for name in ("orders", "days_since_order", "days_since_first_order", "usual_gap_days")
    )
    gap = np.where(np.isfinite(gap), np.maximum(gap, 0.0), silence)
    stories = (
        bought(orders, silence, age),
        bought(orders, gap, np.maximum(age - silence, 0.0) + gap),
        bought(np.ones(1), gap, gap),
    )
    now, usual, newcomer = (_log_odds(bgnbd.p_no_order(params.bgnbd, *story, weeks)) for story in stories)
    return {"silence": now - usual, "loyalty": usual - newcomer}


def _typical(params: Params) -> Singles:
    return np.array([params.typical], np.float32)


def _log_odds(p: Floats) -> float:
    sure = float(np.clip(p[0], _SURE, 1.0 - _SURE))
    return float(np.log(sure / (1.0 - sure)))


def _reason(group: str, worth: float, row: Floats, target: Target) -> Reason:
    features = dict(zip(RAW, row.tolist(), strict=True))
    said = list(dict.fromkeys(_phrases(group, features, target)))[:PHRASES]
    zh, en = "，".join(zh for zh, _ in said), ", ".join(en for _, en in said)
    return Reason(group, *GROUPS[group], round(worth, 4), zh, re.sub(r"(?<![\d.])1 days\b", "1 day", en))


def _phrases(group: str, features: dict[str, float], target: Target) -> Iterator[tuple[str, str]]:
    for one in INPUTS:
        if one.group == group and one.zh and _known(one, features, target):
            yield one.zh.format_map(features), one.en.format_map(features)


def _known(one: Input, features: dict[str, float], target: Target) -> bool:
    asked = [name for name in RAW if f"{{{name}:" in one.zh]
    enough = target == "visit" or features["orders"] >= one.least
    return enough and all(np.isfinite(features[name]) for name in asked)

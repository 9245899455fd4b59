"""Stored numbers beside what pandas makes of the raw events; and rules asked of pandas' numbers.

Knows: which features agree to the cent and which to nine digits, where a profile's memory ends.
Must not know: how events were read.  Imports pandas, so only who wants to know imports this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from profiles.clock import Int64s, Millis, zone
from profiles.features import CUT_FEATURES, FEATURES, SCORED, Unit
from profiles.intake import Event
from profiles.kernels.advance import World
from profiles.kernels.derive import derive
from profiles.kernels.horizon import offset_at
from profiles.kinds import Channel, Kind
from profiles.layout import LADDERS, TABLES
from profiles.measures import INTERESTS, MESSAGES_KEPT, ORDERS_KEPT
from profiles.models.churn_inputs import matrix
from profiles.models.gammagamma import expected_value
from profiles.models.params import Params, score
from profiles.verify.conditions import Standing, contradictions
from profiles.verify.history import Rulers
from profiles.verify.log import Inputs
from profiles.verify.oracle import Oracle, distinct_names
from profiles.verify.report import Report

ALL: Final = np.arange(len(FEATURES), dtype=np.int64)
EXACT: Final = frozenset(
    {Unit.COUNT, Unit.MONEY, Unit.STARS, Unit.SCORE, Unit.HOUR_OF_DAY, Unit.WEEKDAY, Unit.NAME}
)  #: counted in whole numbers, so they agree exactly
SINGLE: Final = 1e-6  #: a model sees its inputs in single precision, so the last bit of a logarithm may count
WEIGHTED: Final = frozenset({"orders_decayed_7d", "orders_decayed_30d", "spend_decayed_30d"})  #: but for these


@dataclass
class Recount:
    """Recomputes some customers of one bucket from the raw events."""

    timezone: str
    digits: int  #: minor digits of the currency
    chosen: frozenset[str]
    raw: Inputs
    report: Report

    def check(self, name: str, stored: Int64s, which: Int64s, rulers: Sequence[Rulers]) -> None:
        """One customer's stored row beside his raw events; ``rulers`` are all that may have decided last."""
        report, life, now = self.report, events_of(self.raw, which), int(stored[TABLES.as_of])
        if beyond_memory(life):
            report.left_out["customers with repeats or corrections beyond what a profile remembers"] += 1
            return
        report.compared["customers recomputed with pandas"] += 1
        world = rulers[-1].world
        told = truth(life, now, self.timezone, world, self.digits, rulers[-1].model)
        for feature, (here, there) in disagreements(life, derived(stored, now, self.timezone, world), told).items():
            report.differs("oracle", name, feature, here, there)
        self._rules(name, stored, life, rulers, told)

    def _rules(
        self, name: str, stored: Int64s, life: Sequence[Event], rulers: Sequence[Rulers], told: dict[str, float]
    ) -> None:
        """The order-free check of every condition, under any of the cut points that may have decided."""
        found: list[tuple[str, str, str]] = []
        now, unsure = int(stored[TABLES.as_of]), guessed(life)
        for each in rulers:
            if each.world.version != stored[TABLES.rules]:
                continue
            features = told
            if each is not rulers[-1]:
                features = truth(life, now, self.timezone, each.world, self.digits, each.model)
            at = Standing(
                features={feature: value for feature, value in features.items() if feature not in unsure},
                held=frozenset(each.book.held(stored)),
                rungs={ladder: each.book.rung(ladder, stored) for ladder in LADDERS},
                deciles={name: tuple(each.world.people.cuts[i].tolist()) for i, name in enumerate(CUT_FEATURES)},
                digits=self.digits,
            )
            found = list(contradictions(each.book.document, at))
            self.report.compared["conditions asked of pandas' numbers"] += len(each.book.document.rules)
            if not found:
                return
        for what, here, there in found:
            self.report.differs("rule", name, what, here, there)


def derived(row: Int64s, now: Millis, timezone: str, world: World) -> dict[str, float]:
    """All features of a stored row, as the kernels read them."""
    x, here = np.full(len(FEATURES), np.nan), zone(timezone)
    derive(row, now, offset_at(now, here.since, here.offset), ALL, world.factor, world.people, x)
    return dict(zip([feature.name for feature in FEATURES], x.tolist(), strict=True))


def truth(
    life: Sequence[Event], now: Millis, timezone: str, world: World, digits: int, model: Params | None = None
) -> dict[str, float]:
    """All features but standing, recomputed from the list of events."""
    deciles = {name: tuple(world.people.cuts[i].tolist()) for i, name in enumerate(CUT_FEATURES)}
    told = Oracle(life, timezone, digits).features(now, deciles, float(world.people.usual_gap))
    if model is not None:
        told["risk"] = float(score(model, matrix([told]))[0])
        told["at_stake"] = told["risk"] * yearly(model, told)
    line = world.people.churn.line
    told["rescue_priority"] = 1.0 if line <= 0 or np.isnan(told["at_stake"]) else told["at_stake"] / line
    return told


def yearly(model: Params, told: Mapping[str, float]) -> float:
    """What a year is worth in which a customer goes on as before."""
    orders, age, each = (told[name] for name in ("orders", "days_since_first_order", "average_order"))
    if model.bgnbd is None or model.gamma_gamma is None or not orders:
        return float("nan")
    rate = (model.bgnbd.r + orders - 1) / (model.bgnbd.alpha + age / 7)  # expected orders a week while alive
    worth = expected_value(model.gamma_gamma, np.array([orders]), np.array([max(each, 0.0)]))
    return float(rate * 365 / 7 * worth[0])


def disagreements(
    life: Sequence[Event], seen: dict[str, float], told: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """Features on which a row (``seen``) and pandas (``told``) do not agree: name -> both."""
    unsure = guessed(life)
    wrong = {}
    for feature in FEATURES:
        name = feature.name
        if name in unsure:
            continue
        exact = feature.unit in EXACT and name not in WEIGHTED and feature.op not in SCORED
        tolerance = SINGLE if feature.op in SCORED else 0.0 if exact else 1e-9
        if not np.isclose(seen[name], told[name], rtol=tolerance, atol=1e-9, equal_nan=True):
            wrong[name] = (seen[name], told[name])
    return wrong


def guessed(life: Sequence[Event]) -> set[str]:
    """Features that are no function of the events: where the customer stands, and favourites among too many names."""
    crowded = [distinct_names(life, sort) > most for sort, most in enumerate(INTERESTS.values())]
    names = (("top_category", "categories"), ("top_brand", "brands"), ("top_item",))
    return {name for sort, several in enumerate(names) for name in several if crowded[sort]} | set(LADDERS)


def beyond_memory(life: Sequence[Event]) -> bool:
    """Whether a repeat or a correction may have come when its message or order was forgotten: it counts again.

    A little stricter than the memory is: what is surely remembered is the latest 64 messages and 16 orders.
    """
    keys: set[int] = set()
    orders: dict[int, Millis] = {}
    for event in life:
        repeated = event.key != 0 and event.key in keys
        if repeated and sum(key > event.key for key in keys) >= MESSAGES_KEPT:
            return True
        keys.add(event.key)
        if event.kind is Kind.ORDER and event.order and not repeated:
            known = orders.get(event.order)
            if known is not None and sum(at >= known for at in orders.values()) > ORDERS_KEPT:
                return True
            if known is not None and event.time < known and len(orders) > ORDERS_KEPT:
                return True
            orders[event.order] = event.time if known is None else min(known, event.time)
    return False


def events_of(side: Inputs, which: Int64s) -> list[Event]:
    """Columns as events again."""
    events, out = side.work.events, []
    for e in which.tolist():
        lines = events.lines[(events.line_end[e - 1] if e else 0) : events.line_end[e]]
        traits = events.traits[(events.trait_end[e - 1] if e else 0) : events.trait_end[e]]
        out.append(
            Event(
                profile=side.work.profiles[events.row[e]],
                kind=Kind(int(events.kind[e])),
                time=int(events.time[e]),
                amount=int(events.amount[e]),
                quantity=int(events.quantity[e]),
                discount=int(events.discount[e]),
                rating=int(events.rating[e]),
                channel=Channel(int(events.channel[e])),
                key=int(events.key[e]),
                order=int(events.order[e]),
                lines=tuple((a, b, c) for a, b, c in lines.tolist()),
                traits=tuple((trait, value) for trait, value in traits.tolist()),
            )
        )
    return out

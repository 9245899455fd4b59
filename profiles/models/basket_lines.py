"""Rules of baskets as people and programs read them: names for codes, sentences with their numbers.

Knows: rules, names, which measures a list may be sorted by.  Must not know: how rules were counted, who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Literal

import msgspec

from profiles.models.basket_params import SORTS, Of, Params, Rule, rules, table_of

Names = Callable[[int], str | None]
Measure = Literal["extra", "lift", "confidence", "support"]


class RuleLine(msgspec.Struct, frozen=True):
    """Who bought the one also bought the other, in words."""

    of: Of
    bought: str
    also: str
    orders: float  #: with both; an order counts half a season later
    support: float  #: share of all orders of several things
    confidence: float  #: share of the orders with ``bought``
    at_least: float  #: the lower end of that, three standard deviations down
    usual: float  #: share of all orders that have ``also``
    lift: float  #: confidence over usual
    extra: float  #: share of all orders that has both beyond chance
    zh: str
    en: str


class Counted(msgspec.Struct, frozen=True):
    """What is behind the rules of products, or of categories."""

    orders: float  #: with at least two of them; an order counts half a season later
    missed_singles: float  #: by how much the count of one thing may be too low: rules are read as if it were
    missed_pairs: float  #: by how much the count of a pair may be too low, of things often bought all along


class Baskets(msgspec.Struct, frozen=True):
    """What is bought together."""

    version: int | None  #: null: there are no rules yet
    learned_until: int | None  #: newest order (ms)
    baskets: int  #: orders of several things ever taken in
    counted: dict[Of, Counted]
    rules: tuple[RuleLine, ...]


def chosen(params: Params, of: Of | None, code: int | None, sort: Measure, limit: int) -> list[tuple[Of, Rule]]:
    """The first rules by a measure, the greatest first; with ``code`` only those that speak of it."""
    found = [(each, rule) for each in SORTS if of in (None, each) for rule in rules(table_of(params, each))]
    about = [(each, rule) for each, rule in found if code is None or code in (rule.bought, rule.also)]
    measure = attrgetter(sort)
    about.sort(key=lambda one: (-measure(one[1]), one[0], one[1].bought, one[1].also))
    return about[:limit]


def told(params: Params | None, some: list[tuple[Of, Rule]], names: Names) -> Baskets:
    """Rules in words, with what is behind them."""
    if params is None:
        return Baskets(None, None, 0, {}, ())
    tables = {of: table_of(params, of) for of in SORTS}
    counted = {of: Counted(round(each.orders, 1), round(each.missed_singles, 1), round(each.missed_pairs, 1))
               for of, each in tables.items()}  # fmt: skip
    lines = tuple(line(of, rule, names) for of, rule in some)
    return Baskets(params.version, params.until, params.baskets, counted, lines)


def line(of: Of, rule: Rule, names: Names) -> RuleLine:
    """A rule in words."""
    bought, also = (names(code) or f"#{code}" for code in (rule.bought, rule.also))
    share, lift = f"{rule.confidence:.0%}".removesuffix("%"), f"{rule.lift:.1f}"
    zh_one, zh_of = ("", "多件") if of == "item" else ("类", "多品类")
    en_of = "several products" if of == "item" else "several categories"
    return RuleLine(
        of=of,
        bought=bought,
        also=also,
        orders=round(rule.orders, 1),
        support=round(rule.support, 4),
        confidence=round(rule.confidence, 4),
        at_least=round(rule.at_least, 4),
        usual=round(rule.usual, 4),
        lift=round(rule.lift, 2),
        extra=round(rule.extra, 5),
        zh=f"含 {bought}{zh_one} 的{zh_of}订单里 {share}% 也有 {also}{zh_one}，是平常的 {lift} 倍",
        en=f"{share} % of the orders of {en_of} with {bought} also had {also}, {lift} times the usual",
    )

"""What a customer may buy next: rules of baskets that begin with what lies in the cart or drew interest lately.

A suggestion is worth by how much the rule surely raises the chance of an order with it above the usual, times how much the
customer cares for what the rule begins with.  What the customer knows already is never suggested: everything of the last
purchase is among that, because what was bought lately is among what drew interest.
Knows: rules, codes, sentences.  Must not know: rows, how rules were counted, where a suggestion is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from profiles.models.basket_lines import Names, RuleLine, line
from profiles.models.basket_params import SORTS, Of, Params, Rule, rules, table_of

LIMIT: Final = 10  #: suggestions given
Text = tuple[str, str]  #: Chinese, English

UNLEARNED: Final[Text] = ("还没有学到商品搭配：需要多件商品的订单，并等一周结束",
                          "no rules yet: they need orders of several products, and a week of the stream to end")  # fmt: skip
UNKNOWN: Final[Text] = ("不知道这位客户看过、加购或买过什么",
                        "nothing is known of what this customer looked at, put into the cart or bought")  # fmt: skip
NO_RULE: Final[Text] = ("这位客户关注的商品还没有显著的搭配，或搭配的商品已经都看过",
                        "no rule begins with what this customer cares for, or all that it leads to is known to them")  # fmt: skip


class Suggestion(msgspec.Struct, frozen=True):
    """One product, or one category, and why."""

    of: Of
    name: str
    worth: float  #: what suggestions are ranked by, 0..1
    because: str  #: cart or interest
    zh: str
    en: str
    rule: RuleLine


class Suggestions(msgspec.Struct, frozen=True):
    """What one customer may buy next, likeliest gain first: products, then categories."""

    profile: str
    version: int | None  #: of the rules; null: there are none yet
    suggestions: tuple[Suggestion, ...]
    empty_zh: str | None  #: why there are none
    empty_en: str | None


class Known(msgspec.Struct, frozen=True):
    """What a customer knows, by code."""

    cart: Sequence[int]  #: products in it
    interests: Mapping[Of, Mapping[int, float]]  #: what drew interest lately, with how much
    others: frozenset[int] = frozenset()  #: what else they came across, say in an earlier cart

    def cares(self, of: Of) -> dict[int, tuple[float, str]]:
        """How much the customer cares, at most 1, and which way it showed."""
        weights = self.interests[of]
        most = max(weights.values(), default=1.0)
        found = {code: (weight / most, "interest") for code, weight in weights.items()}
        return found | {code: (1.0, "cart") for code in self.cart if of == "item"}


def suggested(profile: str, params: Params | None, known: Known, names: Names) -> Suggestions:
    """The best suggestions for one customer, or why there are none."""
    if params is None:
        return _none(profile, None, UNLEARNED)
    cares: dict[Of, dict[int, tuple[float, str]]] = {of: known.cares(of) for of in SORTS}
    if not any(cares.values()):
        return _none(profile, params.version, UNKNOWN)
    found = [each for of in SORTS for each in _best(of, params, cares[of], known.others, names)][:LIMIT]
    return Suggestions(profile, params.version, tuple(found), None, None) if found else _none(
        profile, params.version, NO_RULE
    )  # fmt: skip


def reached(params: Params, known: Known) -> set[int]:
    """Every code that suggestions may want the name of."""
    found: set[int] = set()
    for of in SORTS:
        cares = known.cares(of)
        found |= {code for a, b, _ in table_of(params, of).pairs for code in (a, b) if a in cares or b in cares}
    return found


def _best(
    of: Of, params: Params, cares: Mapping[int, tuple[float, str]], others: frozenset[int], names: Names
) -> Iterable[Suggestion]:
    """Of each thing that is suggested the rule that speaks for it most."""
    best: dict[int, tuple[float, Rule]] = {}
    for rule in rules(table_of(params, of)):
        if rule.bought in cares and rule.also not in cares and rule.also not in others:
            worth = cares[rule.bought][0] * (rule.at_least - rule.usual)
            if worth > best.get(rule.also, (0.0, rule))[0]:
                best[rule.also] = worth, rule
    for worth, rule in sorted(best.values(), key=lambda each: (-each[0], each[1].also)):
        told = line(of, rule, names)
        because = cares[rule.bought][1]
        zh = "购物车里有" if because == "cart" else "近来关注或买过"
        en = "in the cart" if because == "cart" else "lately looked at or bought"
        yield Suggestion(
            of,
            told.also,
            round(worth, 4),
            because,
            f"{zh} {told.bought}；{told.zh}",
            f"{told.bought} {en}; {told.en}",
            told,
        )


def _none(profile: str, version: int | None, why: Text) -> Suggestions:
    return Suggestions(profile, version, (), *why)

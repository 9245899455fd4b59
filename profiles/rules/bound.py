"""Conditions with their numbers filled in: what is asked of a customer over and over, looked up once.

A ``terms.Term`` speaks of features, texts and cut points; bound, it knows which number to read and what to compare it
with.  Knows: terms, the numbers behind them.  Must not know: what is done with an answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from profiles.features import FEATURES, INDEX, Feature
from profiles.kernels.decide import Compare
from profiles.rules.terms import Asks, Comparison, Every, Rule, Term
from profiles.wire import Because

Limits = Callable[[Comparison], float]  #: what a comparison compares with, as the kernels see it

#: each is false with NaN on either side, as in ``kernels.decide.compare``
_TRUE: Final[dict[Compare, Callable[[float, float], bool]]] = {
    Compare.LT: operator.lt,
    Compare.LE: operator.le,
    Compare.GT: operator.gt,
    Compare.GE: operator.ge,
    Compare.EQ: operator.eq,
    Compare.NE: lambda value, limit: value < limit or value > limit,
    Compare.UNKNOWN: lambda value, _: value != value,  # noqa: PLR0124 - NaN alone differs from itself
    Compare.KNOWN: lambda value, _: value == value,  # noqa: PLR0124
}


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One comparison."""

    feature: Feature
    index: int  #: of the feature
    compare: Compare
    limit: float
    asked: str | None  #: the text that ``limit`` is the number of
    holds: Callable[[float, float], bool]
    measured: bool  #: there is a number to compare with, in the rule or in the population
    true: dict[float, Because] = field(default_factory=dict)  #: what was said lately where it was true, by value
    untrue: dict[float, Because] = field(default_factory=dict)  #: and where it was not


@dataclass(frozen=True, slots=True, eq=False)
class AllOf:
    """True if all parts are."""

    parts: tuple[Bound, ...]
    plain: bool  #: comparisons only, which are never twice the same


@dataclass(frozen=True, slots=True, eq=False)
class AnyOf:
    """True if any part is."""

    parts: tuple[Bound, ...]


Bound = Asked | Asks | AllOf | AnyOf


@dataclass(frozen=True, slots=True, eq=False)
class BoundRule:
    """A rule with its numbers."""

    key: str
    enter: Bound
    leave: Bound | None


def bind_rule(rule: Rule, limits: Limits) -> BoundRule:
    """The rule with its numbers."""
    return BoundRule(rule.key, bind(rule.enter, limits), bind(rule.leave, limits) if rule.leave is not None else None)


def bind(term: Term, limits: Limits) -> Bound:
    """The term with its numbers."""
    if isinstance(term, Asks):
        return term
    if isinstance(term, Comparison):
        text, index = term.limit if isinstance(term.limit, str) else None, INDEX[term.feature]
        measured = term.limit is not None and text is None
        return Asked(FEATURES[index], index, term.compare, limits(term), text, _TRUE[term.compare], measured)
    parts = tuple(bind(part, limits) for part in term.parts)
    if isinstance(term, Every):
        return AllOf(parts, all(isinstance(part, Asked) for part in parts))
    return AnyOf(parts)

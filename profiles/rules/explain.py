"""Why a rule says what it says, and what is missing where it does not: from the very terms that decided.

Knows: terms, and one look at a customer.  Must not know: kernels' arrays, languages (``words`` speaks them).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from profiles.features import FEATURES, INDEX, Feature, Unit
from profiles.kernels.decide import Compare, compare
from profiles.kernels.derive import Floats
from profiles.operators import Op
from profiles.rules.terms import OPPOSITE, Asks, Comparison, Cut, Every, Rule, Some, Term
from profiles.wire import Because

SIGNS: Final = {
    Compare.LT: "<",
    Compare.LE: "<=",
    Compare.GT: ">",
    Compare.GE: ">=",
    Compare.EQ: "=",
    Compare.NE: "!=",
    Compare.UNKNOWN: "is unknown",
    Compare.KNOWN: "is known",
}
HELD: Final = {True: "held", False: "not held"}
_COUNTED: Final = frozenset({Op.LIFE, Op.WINDOW, Op.ACTIVE, Op.SESSIONS, Op.CART, Op.VARIETY, Op.TRAIT})


@dataclass(frozen=True)
class Seen:
    """One look at a customer: what a rule saw, or would see now.  ``RuleBook.seen`` makes it."""

    x: Floats  #: features over the whole catalogue
    held: frozenset[str]  #: tags held
    limit: Callable[[Comparison], float]  #: what a comparison compares with, as the kernels see it
    name: Callable[[Feature, float], str | None]  #: the text behind a number of a feature of Unit.NAME
    trusting: bool = False  #: take every question about other tags as answered the right way

    def true(self, term: Term) -> bool:
        """Whether ``term`` holds."""
        if isinstance(term, Asks):
            return self.trusting or (term.tag in self.held) == term.held
        if isinstance(term, Comparison):
            return bool(compare(int(term.compare), self.number(term), self.limit(term)))
        return (all if isinstance(term, Every) else any)(self.true(part) for part in term.parts)

    def number(self, term: Comparison) -> float:
        """The feature's value; NaN if unknown."""
        return float(self.x[INDEX[term.feature]])


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that keeps a tag away: ``orders_365d 1, needs >= 3, 2 short``."""

    feature: str  #: or a tag, where ``compare`` is ``held`` or ``not held``
    compare: str
    value: float | str | None = None  #: None: unknown
    limit: float | str | None = None
    short: float | None = None  #: how much more is needed; negative: how much there is too much


def because(rule: Rule, seen: Seen) -> tuple[Because, ...]:
    """Why ``rule`` holds for a customer now: what entered it or, if that has passed, what keeps it (see ``kept``)."""
    if seen.true(rule.enter):
        return _reasons(rule.enter, seen)
    return () if rule.leave is None else _refusals(rule.leave, seen)


def kept(rule: Rule, seen: Seen) -> bool:
    """True if a customer would not get this any more and only keeps it: the condition to leave is not met yet."""
    return rule.leave is not None and not seen.true(rule.enter) and not seen.true(rule.leave)


def because_entered(rule: Rule, seen: Seen) -> tuple[Because, ...]:
    """Why it was entered; ``seen`` may know other tags only as they were a moment later."""
    return because(rule, seen if seen.true(rule.enter) else replace(seen, trusting=True))


def because_left(rule: Rule, seen: Seen) -> tuple[Because, ...]:
    """Why it was left."""
    if rule.leave is None:
        return _refusals(rule.enter, seen)
    return _reasons(rule.leave, seen if seen.true(rule.leave) else replace(seen, trusting=True))


def missing(rule: Rule, seen: Seen) -> tuple[Gap, ...]:
    """What it would take to enter ``rule``: the shortest way there; empty if nothing is missing."""
    return tuple(dict.fromkeys(_gaps(rule.enter, seen)))


def _reasons(term: Term, seen: Seen) -> tuple[Because, ...]:
    """The comparisons that make ``term`` true: all of an "every", the first true one of a "some"."""
    if isinstance(term, Some):
        return next((_reasons(part, seen) for part in term.parts if seen.true(part)), ())
    if isinstance(term, Every):
        return tuple(dict.fromkeys(reason for part in term.parts for reason in _reasons(part, seen)))
    return (_told(term, seen),) if seen.true(term) else ()


def _refusals(term: Term, seen: Seen) -> tuple[Because, ...]:
    """The comparisons that keep ``term`` from being true, turned round so that they are true themselves."""
    if isinstance(term, (Every, Some)):
        failing = [part for part in term.parts if not seen.true(part)]
        return tuple(dict.fromkeys(reason for part in failing for reason in _refusals(part, seen)))
    if isinstance(term, Asks):
        return (_told(Asks(term.tag, not term.held), seen),)
    if np.isnan(seen.number(term)) and term.compare is not Compare.KNOWN:
        return (Because(term.feature, SIGNS[Compare.UNKNOWN]),)
    return (_told(Comparison(term.feature, OPPOSITE[term.compare], term.limit), seen),)


def _told(term: Comparison | Asks, seen: Seen) -> Because:
    if isinstance(term, Asks):
        return Because(term.tag, HELD[term.held])
    return Because(term.feature, SIGNS[term.compare], *_sides(term, seen))


def _sides(term: Comparison, seen: Seen) -> tuple[float | str | None, float | str | None]:
    """Value and limit the way people read them."""
    feature, value = FEATURES[INDEX[term.feature]], seen.number(term)
    limit = seen.limit(term) if isinstance(term.limit, (float, Cut)) else term.limit
    if feature.unit is Unit.NAME and isinstance(limit, str):
        return (limit if value == seen.limit(term) else _known(seen.name(feature, value), value)), limit
    if feature.unit is Unit.NAME:
        return _known(seen.name(feature, value), value), None
    number = None if np.isnan(value) else value
    if number is not None and not (isinstance(limit, float) and round(number, 4) == round(limit, 4)):
        number = round(number, 4)
    return number, round(limit, 4) if isinstance(limit, float) else None


def _known(name: str | None, value: float) -> str | None:
    return None if np.isnan(value) else name


def _gaps(term: Term, seen: Seen) -> list[Gap]:
    if seen.true(term):
        return []
    if isinstance(term, Every):
        return [gap for part in term.parts for gap in _gaps(part, seen)]
    if isinstance(term, Some):
        ways = [_gaps(part, seen) for part in term.parts]
        return min(ways, key=_effort, default=[])
    if isinstance(term, Asks):
        return [Gap(term.tag, HELD[term.held])]
    value, limit = _sides(term, seen)
    return [Gap(term.feature, SIGNS[term.compare], value, limit, _short(term, seen))]


def _short(term: Comparison, seen: Seen) -> float | None:
    """How much more (or, negative, how much less) would do; None where that is no question of more or less."""
    feature, value, limit = FEATURES[INDEX[term.feature]], seen.number(term), seen.limit(term)
    if feature.unit is Unit.NAME or term.compare not in (Compare.LT, Compare.LE, Compare.GT, Compare.GE):
        return None
    if np.isnan(value) or np.isnan(limit):
        return None
    if feature.op in _COUNTED and not feature.money:
        up, down = float(np.ceil(limit)), float(np.floor(limit))
        limit = {Compare.GE: up, Compare.LE: down, Compare.GT: down + 1, Compare.LT: up - 1}[term.compare]
    return round(limit - value, 4)


def _effort(gaps: list[Gap]) -> tuple[int, float, float]:
    """Fewer things first, then those nearer to their limits, then smaller ones; what cannot be measured is far."""
    measured = [
        (abs(gap.short), abs(gap.limit)) for gap in gaps if gap.short is not None and isinstance(gap.limit, float)
    ]
    far = len(gaps) - len(measured) + sum(short / max(limit, 1.0) for short, limit in measured)
    return len(gaps), far, sum(short for short, _ in measured)

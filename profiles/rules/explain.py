"""Why a rule says what it says, and what is missing where it does not: from the very terms that decided.

Knows: bound terms, and one look at a customer.  Must not know: kernels' arrays, languages (``words`` speaks them).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from profiles.features import Feature, Unit
from profiles.kernels.decide import Compare
from profiles.kernels.derive import Floats
from profiles.operators import Op
from profiles.rules.bound import AllOf, AnyOf, Asked, Bound, BoundRule
from profiles.rules.terms import OPPOSITE, Asks, Comparison, Cut, Rule, leaves
from profiles.timeline import Phrase
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
REMEMBERED: Final = 256  #: reasons of one comparison that are kept
HELD: Final = {True: "held", False: "not held"}
_COUNTED: Final = frozenset({Op.LIFE, Op.WINDOW, Op.ACTIVE, Op.SESSIONS, Op.CART, Op.VARIETY, Op.TRAIT})


class Seen(NamedTuple):
    """One look at a customer: what a rule saw, or would see now.  ``RuleBook.seen`` makes it."""

    x: Floats  #: features over the whole catalogue
    holds: Callable[[str], bool]  #: whether a tag is held
    name: Callable[[Feature, float], str | None]  #: the text behind a number of a feature of Unit.NAME
    trusting: bool = False  #: take every question about other tags as answered the right way

    def true(self, term: Bound) -> bool:
        """Whether ``term`` holds."""
        if isinstance(term, Asked):
            return term.holds(self.x.item(term.index), term.limit)
        if isinstance(term, Asks):
            return self.trusting or self.holds(term.tag) == term.held
        if isinstance(term, AllOf):
            return all(self.true(part) for part in term.parts)
        return any(self.true(part) for part in term.parts)

    def number(self, term: Asked) -> float:
        """The feature's value; NaN if unknown."""
        return self.x.item(term.index)


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that keeps a tag away: ``orders_365d 1, needs >= 3, 2 short``."""

    feature: str  #: or a tag, where ``compare`` is ``held`` or ``not held``
    compare: str
    value: float | str | None = None  #: None: unknown
    limit: float | str | None = None
    short: float | None = None  #: how much more is needed; negative: how much there is too much


def because(rule: BoundRule, seen: Seen) -> tuple[Because, ...]:
    """Why ``rule`` holds for a customer now: what entered it or, if that has passed, what keeps it (see ``kept``)."""
    found = _reasons(rule.enter, seen)
    if found is not None:
        return found
    return () if rule.leave is None else _refusals(rule.leave, seen)


def kept(rule: BoundRule, seen: Seen) -> bool:
    """True if a customer would not get this any more and only keeps it: the condition to leave is not met yet."""
    return rule.leave is not None and not seen.true(rule.enter) and not seen.true(rule.leave)


def because_entered(rule: BoundRule, seen: Seen) -> tuple[Because, ...]:
    """Why it was entered; ``seen`` may know other tags only as they were a moment later."""
    found = _reasons(rule.enter, seen)
    return found if found is not None else because(rule, seen._replace(trusting=True))


def because_left(rule: BoundRule, seen: Seen) -> tuple[Because, ...]:
    """Why it was left."""
    if rule.leave is None:
        return _refusals(rule.enter, seen)
    found = _reasons(rule.leave, seen)
    return found if found is not None else _reasons(rule.leave, seen._replace(trusting=True)) or ()


def missing(rule: BoundRule, seen: Seen) -> tuple[Gap, ...]:
    """What it would take to enter ``rule``: the shortest way there; empty if nothing is missing."""
    return tuple(dict.fromkeys(_gaps(rule.enter, seen)))


def phrases(rules: Iterable[Rule]) -> tuple[Phrase, ...]:
    """All that can be told of the comparisons of these rules, in an order that follows from the rules alone."""
    terms = [term for rule in rules for term in (rule.enter, rule.leave) if term is not None]
    found = {phrase for term in terms for leaf in leaves(term) for phrase in _phrases(leaf)}
    return tuple(sorted(found, key=lambda each: (each.feature, each.compare, str(each.limit), each.open)))


def _phrases(leaf: Comparison | Asks) -> list[Phrase]:
    """What is told of a comparison that is true, of one that is not (turned round), and of something unknown."""
    if isinstance(leaf, Asks):
        return [Phrase(leaf.tag, sign) for sign in HELD.values()]
    signs = (SIGNS[leaf.compare], SIGNS[OPPOSITE[leaf.compare]])
    limit = leaf.limit
    if isinstance(limit, Cut):
        told = [Phrase(leaf.feature, sign, open=True) for sign in signs]
    else:
        told = [Phrase(leaf.feature, sign, round(limit, 4) if isinstance(limit, float) else limit) for sign in signs]
    return [*told, Phrase(leaf.feature, SIGNS[Compare.UNKNOWN])]


def _reasons(term: Bound, seen: Seen) -> tuple[Because, ...] | None:
    """The comparisons that make ``term`` true: all of an "every", the first true one of a "some"; None if it is not."""
    if isinstance(term, Asked):
        return (_true(term, seen),) if term.holds(seen.x.item(term.index), term.limit) else None
    if isinstance(term, AllOf):
        parts: list[Because] = []
        for part in term.parts:
            found = _reasons(part, seen)
            if found is None:
                return None
            parts += found
        return tuple(parts) if term.plain else tuple(dict.fromkeys(parts))
    if isinstance(term, AnyOf):
        return next((found for part in term.parts if (found := _reasons(part, seen)) is not None), None)
    return (Because(term.tag, HELD[term.held]),) if seen.true(term) else None


def _refusals(term: Bound, seen: Seen) -> tuple[Because, ...]:
    """The comparisons that keep ``term`` from being true, turned round so that they are true themselves."""
    if isinstance(term, (AllOf, AnyOf)):
        failing = [part for part in term.parts if not seen.true(part)]
        return tuple(dict.fromkeys(reason for part in failing for reason in _refusals(part, seen)))
    if isinstance(term, Asks):
        return (Because(term.tag, HELD[not term.held]),)
    if math.isnan(seen.number(term)) and term.compare is not Compare.KNOWN:
        return (Because(term.feature.name, SIGNS[Compare.UNKNOWN]),)
    return (_told(term, OPPOSITE[term.compare], term.untrue, seen),)


def _true(term: Asked, seen: Seen) -> Because:
    return _told(term, term.compare, term.true, seen)


def _told(term: Asked, compare: Compare, before: dict[float, Because], seen: Seen) -> Because:
    """What is said of a value; six of seven are about the same few, so it is looked up among what was said ``before``."""
    value = seen.x.item(term.index) + 0.0  # zero has one sign, whichever came first
    told = before.get(value)
    if told is None:
        told = Because(term.feature.name, SIGNS[compare], *_sides(term, value, seen))
        if term.feature.unit is not Unit.NAME and not math.isnan(value):  # a name is not the same in every look
            if len(before) >= REMEMBERED:
                before.clear()
            before[value] = told
    return told


def _sides(term: Asked, value: float, seen: Seen) -> tuple[float | str | None, float | str | None]:
    """Value and limit the way people read them."""
    feature = term.feature
    if feature.unit is Unit.NAME and term.asked is not None:
        return (term.asked if value == term.limit else _known(seen.name(feature, value), value)), term.asked
    if feature.unit is Unit.NAME:
        return _known(seen.name(feature, value), value), None
    limit = round(term.limit, 4) if term.measured else None
    if math.isnan(value):
        return None, limit
    shown = round(value, 4)  # unless that would hide on which side of the limit it is
    return (shown if shown != limit else value), limit


def _known(name: str | None, value: float) -> str | None:
    return None if math.isnan(value) else name


def _gaps(term: Bound, seen: Seen) -> list[Gap]:
    if seen.true(term):
        return []
    if isinstance(term, AllOf):
        return [gap for part in term.parts for gap in _gaps(part, seen)]
    if isinstance(term, AnyOf):
        ways = [_gaps(part, seen) for part in term.parts]
        return min(ways, key=_effort, default=[])
    if isinstance(term, Asks):
        return [Gap(term.tag, HELD[term.held])]
    value, limit = _sides(term, seen.number(term), seen)
    return [Gap(term.feature.name, SIGNS[term.compare], value, limit, _short(term, seen))]


def _short(term: Asked, seen: Seen) -> float | None:
    """How much more (or, negative, how much less) would do; None where that is no question of more or less."""
    feature, value, limit = term.feature, seen.number(term), term.limit
    if feature.unit is Unit.NAME or term.compare not in (Compare.LT, Compare.LE, Compare.GT, Compare.GE):
        return None
    if math.isnan(value) or math.isnan(limit):
        return None
    if feature.op in _COUNTED and not feature.money:
        up, down = float(math.ceil(limit)), float(math.floor(limit))
        limit = {Compare.GE: up, Compare.LE: down, Compare.GT: down + 1, Compare.LT: up - 1}[term.compare]
    return round(limit - value, 4)


def _effort(gaps: list[Gap]) -> tuple[int, float, float]:
    """Fewer things first, then those nearer to their limits, then smaller ones; what cannot be measured is far."""
    measured = [
        (abs(gap.short), abs(gap.limit)) for gap in gaps if gap.short is not None and isinstance(gap.limit, float)
    ]
    far = len(gaps) - len(measured) + sum(short / max(limit, 1.0) for short, limit in measured)
    return len(gaps), far, sum(short for short, _ in measured)

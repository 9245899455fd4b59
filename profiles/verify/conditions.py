"""Conditions asked one by one of a customer's features: what a tag means, without anything that decides tags.

Knows: terms (``profiles.rules.terms``) and three-valued truth.
Must not know: kernels' arrays, how features were computed.

``None`` is "cannot say": a value so near its limit that rounding decides, or a question about the moment before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Final

from profiles.features import FEATURES, INDEX, SCORED, Unit
from profiles.kernels.decide import Compare
from profiles.operators import Op
from profiles.rules.document import Document, Ladder, rung_key
from profiles.rules.terms import Asks, Comparison, Cut, Every, Rule, Term
from profiles.rules.vocabulary import STEPS
from profiles.stable import code_of

Truth = bool | None
NEAR: Final = 1e-9
NEAR_SCORES: Final = 1e-6  #: models see single precision
WHOLE: Final = frozenset({Unit.COUNT, Unit.STARS, Unit.SCORE, Unit.HOUR_OF_DAY, Unit.WEEKDAY, Unit.NAME})
DECAYED: Final = Op.DECAYED


@dataclass(frozen=True)
class Standing:
    """A customer as stored, and the features that should have decided."""

    features: Mapping[str, float]  #: those that are sure
    held: frozenset[str]
    rungs: Mapping[str, str | None]  #: ladder -> rung
    deciles: Mapping[str, tuple[float, ...]]
    digits: int  #: minor digits of the currency


def contradictions(document: Document, at: Standing) -> Iterator[tuple[str, str, str]]:
    """(what, stored, expected) wherever standing contradicts a condition; needs no history."""
    for tag in document.tags:
        rule, held = document.rules[tag.name], tag.name in at.held
        enters, leaves = asked(rule.enter, at), asked(rule.leave, at) if rule.leave else None
        if enters is True and not held:
            yield tag.name, "not held", f"held: {tag.enter}"
        if enters is False and held and rule.leave is None:
            yield tag.name, "held", f"not held: not ({tag.enter})"
        if enters is False and held and leaves is True:
            yield tag.name, "held", f"not held: {tag.leave}"
    for ladder in document.ladders:
        yield from _misplaced(ladder, document.rules, at)


def _misplaced(ladder: Ladder, rules: Mapping[str, Rule], at: Standing) -> Iterator[tuple[str, str, str]]:
    """On the first rung whose condition is true, unless an earlier one that was reached may still be kept."""
    stands = at.rungs[ladder.name]
    before = Standing(at.features, at.held, {**at.rungs, **dict.fromkeys(_from(ladder, at))}, at.deciles, at.digits)
    for rung in ladder.rungs:
        rule = rules[rung_key(ladder.name, rung.name)]
        when = asked(rule.enter, before, tags_known=False)
        if rung.name == stands:
            until = asked(rule.leave, before, tags_known=False) if rule.leave else True
            if when is False and until is True:
                yield ladder.name, rung.name, f"not {rung.name}: not ({rung.when})"
            return
        if when is True:
            yield ladder.name, str(stands), f"{rung.name}: {rung.when}"
            return


def _from(ladder: Ladder, at: Standing) -> list[str]:
    """Ladders that are not decided yet when this one is: only where the customer was is known to its rules."""
    names = list(at.rungs)
    return names[names.index(ladder.name) :]


def asked(term: Term, at: Standing, *, tags_known: bool = True) -> Truth:
    """Truth of a condition."""
    if isinstance(term, Comparison):
        return _compared(term, at)
    if isinstance(term, Asks):
        return (term.tag in at.held) == term.held if tags_known else None
    truths = [asked(part, at, tags_known=tags_known) for part in term.parts]
    if isinstance(term, Every):
        return False if False in truths else None if None in truths else True
    return True if True in truths else None if None in truths else False


def _compared(term: Comparison, at: Standing) -> Truth:
    feature = FEATURES[INDEX[term.feature]]
    if feature.op is Op.RUNG:
        return _on_rung(term, at)
    if term.feature not in at.features:
        return None
    value = at.features[term.feature]
    if term.compare in (Compare.UNKNOWN, Compare.KNOWN):
        return isnan(value) == (term.compare is Compare.UNKNOWN)
    if isnan(value):
        return False
    limit = _limit(term, at)
    if feature.money and feature.op is not DECAYED and not isinstance(term.limit, Cut):
        scale = 10**at.digits
        if abs(limit * scale - round(limit * scale)) < 1e-6:
            value, limit = round(value * scale), round(limit * scale)
    elif not (feature.unit in WHOLE and feature.op is not DECAYED) and abs(value - limit) <= (
        NEAR_SCORES if feature.op in SCORED else NEAR
    ) * max(1.0, abs(limit)):
        return None
    return {
        Compare.LT: value < limit,
        Compare.LE: value <= limit,
        Compare.GT: value > limit,
        Compare.GE: value >= limit,
        Compare.EQ: value == limit,
        Compare.NE: value != limit,
    }[term.compare]


def _on_rung(term: Comparison, at: Standing) -> Truth:
    stands = at.rungs[term.feature]
    if stands is None:
        return None
    if term.compare in (Compare.UNKNOWN, Compare.KNOWN):
        return term.compare is Compare.KNOWN
    return (stands == term.limit) == (term.compare is Compare.EQ)


def _limit(term: Comparison, at: Standing) -> float:
    limit = term.limit
    if isinstance(limit, Cut):
        return at.deciles[term.feature][limit.decile - 1]
    if isinstance(limit, str):
        return float(STEPS[limit] if FEATURES[INDEX[term.feature]].op is Op.STEP else code_of(limit.strip()))
    return float(limit) if limit is not None else float("nan")

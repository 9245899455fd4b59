"""A condition as a value: comparisons joined by "every" and "some", with no NOT left in it.

Knows: how conditions combine and turn into their opposite under SQL's three-valued logic.
Must not know: SQL, YAML, kernels' arrays.

A comparison with something unknown is not true, and its opposite is not true either.  Without NOT the unknown can only
ever keep a condition from being true, so reading "unknown" as "false" is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from profiles.kernels.decide import Compare


@dataclass(frozen=True)
class Cut:
    """A cut point of the population instead of a number: ``CUT(0.8)`` is decile 8."""

    decile: int


Limit = float | str | Cut | None


@dataclass(frozen=True)
class Comparison:
    """A feature against a number, a text or a cut point; against nothing for UNKNOWN and KNOWN."""

    feature: str
    compare: Compare
    limit: Limit = None


@dataclass(frozen=True)
class Asks:
    """Whether another tag is held."""

    tag: str
    held: bool = True


@dataclass(frozen=True)
class Every:
    """True if all parts are; without parts always true."""

    parts: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Some:
    """True if any part is; without parts never true."""

    parts: tuple[Term, ...] = ()


Term = Comparison | Asks | Every | Some

TRUE: Final = Every()
FALSE: Final = Some()

OPPOSITE: Final = {
    Compare.LT: Compare.GE,
    Compare.GE: Compare.LT,
    Compare.GT: Compare.LE,
    Compare.LE: Compare.GT,
    Compare.EQ: Compare.NE,
    Compare.NE: Compare.EQ,
    Compare.UNKNOWN: Compare.KNOWN,
    Compare.KNOWN: Compare.UNKNOWN,
}


def every(terms: Iterable[Term]) -> Term:
    """All of them, flat and without constants.

    >>> every([Asks("a"), TRUE]), every([Asks("a"), FALSE])
    (Asks(tag='a', held=True), Some(parts=()))
    """
    parts: dict[Term, None] = {}
    for term in terms:
        parts.update(dict.fromkeys(term.parts if isinstance(term, Every) else (term,)))
    if FALSE in parts:
        return FALSE
    return next(iter(parts)) if len(parts) == 1 else Every(tuple(parts))


def some(terms: Iterable[Term]) -> Term:
    """Any of them, flat and without constants."""
    parts: dict[Term, None] = {}
    for term in terms:
        parts.update(dict.fromkeys(term.parts if isinstance(term, Some) else (term,)))
    if TRUE in parts:
        return TRUE
    return next(iter(parts)) if len(parts) == 1 else Some(tuple(parts))


def opposite(term: Term) -> Term:
    """What is true exactly where ``NOT term`` is.

    >>> opposite(Comparison("orders", Compare.LT, 3.0)).compare.name
    'GE'
    """
    if isinstance(term, Comparison):
        return Comparison(term.feature, OPPOSITE[term.compare], term.limit)
    if isinstance(term, Asks):
        return Asks(term.tag, not term.held)
    if isinstance(term, Every):
        return some(opposite(part) for part in term.parts)
    return every(opposite(part) for part in term.parts)


def leaves(term: Term) -> Iterator[Comparison | Asks]:
    """Every comparison and question in ``term``, from left to right, each as often as it stands there."""
    if isinstance(term, (Every, Some)):
        for part in term.parts:
            yield from leaves(part)
    else:
        yield term


@dataclass(frozen=True)
class Rule:
    """What decides about one tag or one rung."""

    key: str  #: name of the tag, or ``ladder.rung``
    enter: Term
    leave: Term | None = None  #: None: left as soon as ``enter`` is not true

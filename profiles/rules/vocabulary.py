"""What a rule may compare with what: the data dictionary as a language.

Knows: features, their types, and which comparisons have an answer whose next change can be foreseen.
Must not know: SQL, YAML, which tags and rungs a document has.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Final

from profiles.features import CUT_FEATURES, FEATURES, INDEX, SCORED, Feature, Unit
from profiles.kernels.decide import Compare
from profiles.measures import FUNNEL
from profiles.operators import Op
from profiles.rules.terms import Comparison, Cut, Limit

STEPS: Final = {kind.name.lower(): int(kind) for kind in FUNNEL}  #: values of ``last_step``
CONTINUOUS: Final = frozenset(
    {Op.SINCE, Op.OVERDUE, Op.CART_HOURS, Op.DECAYED, Op.GAP, Op.USUAL_GAP, Op.GAP_SPREAD, *SCORED}
)  #: operators whose value is never exactly a given number for longer than a blink
UNFORESEEN: Final = {Op.SESSION_MINUTES: "sessions_30d"}  #: operator -> what to ask about instead
EQUALITY: Final = frozenset({Compare.EQ, Compare.NE})


class Misused(Exception):
    """A comparison that cannot be; the message names the fix.

    Its place is known to whoever asked; ``limit`` says that it is the other side of the comparison that is wrong.
    """

    def __init__(self, message: str, *, limit: bool = False) -> None:
        super().__init__(message)
        self.limit = limit


def feature_named(name: str) -> Feature:
    """The feature of that name.

    Raises:
        Misused: there is none; the message names the nearest.

    >>> feature_named("spend_365").name
    Traceback (most recent call last):
    profiles.rules.vocabulary.Misused: unknown feature 'spend_365'; nearest: spend_365d, spend_30d, spend_7d
    """
    if name in INDEX:
        return FEATURES[INDEX[name]]
    chinese = [feature.name for feature in FEATURES if feature.zh == name]
    raise Misused(f"unknown feature {name!r}{nearest(name, INDEX, chinese)}")


def nearest(name: str, known: Iterable[str], sure: Iterable[str] = ()) -> str:
    """What a person may have meant, as the end of a sentence; empty if nothing comes close."""
    found = list(sure) or get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    return f"; nearest: {', '.join(found)}" if found else ""


def comparison(feature: Feature, compare: Compare, limit: Limit) -> Comparison:
    """``feature compare limit``, if that is a question with an answer.

    Raises:
        Misused: text against number, ``=`` on what moves continuously, a cut point the population does not have ...
    """
    if feature.op in UNFORESEEN:
        raise Misused(
            f"{feature.name} cannot be used in a rule: nobody can say when silence will change it;"
            f" ask about {UNFORESEEN[feature.op]} instead"
        )
    if compare in (Compare.UNKNOWN, Compare.KNOWN):
        return Comparison(feature.name, compare)
    if feature.unit is Unit.NAME:
        return Comparison(feature.name, compare, _text(feature, compare, limit))
    if isinstance(limit, str):
        raise Misused(
            f"{feature.name} is a number ({feature.unit}): compare it with one, without quotes, not with {limit!r}",
            limit=True,
        )
    if compare in EQUALITY and (feature.op in CONTINUOUS or isinstance(limit, Cut)):
        moving = "a cut point" if isinstance(limit, Cut) else feature.name
        raise Misused(f"{moving} moves continuously and is never exactly equal: use >= or <")
    if isinstance(limit, Cut) and feature.name not in CUT_FEATURES:
        raise Misused(
            f"the population has no cut points of {feature.name}, only of {', '.join(CUT_FEATURES)}", limit=True
        )
    if isinstance(limit, float) and feature.unit is Unit.PROBABILITY and not 0 <= limit <= 1:
        raise Misused(f"{feature.name} lies between 0 and 1, so it is never near {limit:g}", limit=True)
    return Comparison(feature.name, compare, limit)


def _text(feature: Feature, compare: Compare, limit: Limit) -> str:
    if not isinstance(limit, str):
        raise Misused(
            f"{feature.name} is a text: compare it with one in single quotes, such as {feature.name} = 'x'", limit=True
        )
    if compare not in EQUALITY:
        raise Misused(f"{feature.name} is a text: compare it with =, != or IN")
    if feature.op is Op.STEP and limit not in STEPS:
        raise Misused(
            f"{feature.name} is one of {', '.join(STEPS)}, never {limit!r}{nearest(limit, STEPS)}", limit=True
        )
    return limit


def cut(text: str) -> Cut:
    """The cut point that ``CUT(text)`` means.

    Raises:
        Misused: it is no decile.

    >>> cut("0.8")
    Cut(decile=8)
    """
    try:
        decile = Decimal(text) * 10
    except InvalidOperation:
        decile = Decimal(-1)
    if decile not in range(1, 10):
        raise Misused(f"CUT({text}) is no decile: write CUT(0.1), CUT(0.2) ... CUT(0.9)", limit=True)
    return Cut(int(decile))

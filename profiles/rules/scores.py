"""A score of 1 to 5 is a place among the population's fifths: comparing it is comparing what it is made of.

So a rule about ``r_score`` costs a comparison or two, and the moment at which silence changes it is that of
``days_since_order`` crossing a cut point.
Knows: how a score is made (``kernels.derive.score``).  Must not know: anything else about rules.
"""

from __future__ import annotations

import operator
from typing import Final

from profiles.features import FEATURES, INDEX
from profiles.kernels.decide import Compare
from profiles.operators import Op
from profiles.rules.terms import FALSE, Asks, Comparison, Cut, Every, Some, Term, every, some

_TRUTH: Final = {
    Compare.LT: operator.lt,
    Compare.LE: operator.le,
    Compare.GT: operator.gt,
    Compare.GE: operator.ge,
    Compare.EQ: operator.eq,
    Compare.NE: operator.ne,
}


def without_scores(term: Term) -> Term:
    """The same condition, with every score written out.

    >>> without_scores(Comparison("m_score", Compare.GE, 4.0))
    Comparison(feature='spend_365d', compare=<Compare.GT: 2>, limit=Cut(decile=6))
    """
    if isinstance(term, Every):
        return every(without_scores(part) for part in term.parts)
    if isinstance(term, Some):
        return some(without_scores(part) for part in term.parts)
    if isinstance(term, Asks) or FEATURES[INDEX[term.feature]].op is not Op.SCORE:
        return term
    return _written_out(term)


def _written_out(asked: Comparison) -> Term:
    feature = FEATURES[INDEX[asked.feature]]
    base = str(feature.args[0])
    if asked.compare not in _TRUTH:
        return Comparison(base, asked.compare)
    if not isinstance(asked.limit, float):
        raise TypeError(f"{asked.feature} compares with numbers only")
    right = [
        passed
        for passed in range(5)
        if _TRUTH[asked.compare](1 + passed if feature.factor > 0 else 5 - passed, asked.limit)
    ]
    if not right:
        return FALSE
    runs = [passed for passed in right if passed - 1 not in right]
    return some(_between(base, run, next(end for end in range(run, 5) if end + 1 not in right)) for run in runs)


def _between(base: str, low: int, high: int) -> Term:
    """``base`` lies above ``low`` to ``high`` of the four cut points between the fifths."""
    if (low, high) == (0, 4):
        return Comparison(base, Compare.KNOWN)
    above = [Comparison(base, Compare.GT, Cut(2 * low))] if low > 0 else []
    below = [Comparison(base, Compare.LE, Cut(2 * high + 2))] if high < 4 else []
    return every([*above, *below])

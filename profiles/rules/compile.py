"""A document as the arrays that the kernels decide with.

Every comparison becomes one clause, however often it is asked; every condition becomes postfix code.
Knows: names on one side, numbers on the other.  Must not know: YAML, SQL, rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from profiles.clock import Int64s
from profiles.errors import RuleError
from profiles.features import COMPOSED, CUT_FEATURES, FEATURES, INDEX, Feature, Silence
from profiles.kernels.decide import AND, DEPTH, FREE, HELD, OR, Compare, Rules
from profiles.layout import LADDERS
from profiles.models.churn_inputs import RAW
from profiles.operators import Op
from profiles.rules.book import RuleBook
from profiles.rules.document import Document, rung_key
from profiles.rules.links import in_order
from profiles.rules.scores import without_scores
from profiles.rules.terms import FALSE, TRUE, Asks, Comparison, Cut, Every, Rule, Term, leaves
from profiles.rules.vocabulary import STEPS
from profiles.stable import code_of

#: what transitions, samples and screens show, asked by a rule or not
ALWAYS_WANTED: Final = ("rescue_priority", "gap_days", *RAW, *CUT_FEATURES, *LADDERS)
#: ways to read whose future is found step by step; the others' is computed
WALKS: Final = frozenset({Op.WINDOW, Op.ACTIVE, Op.DECAYED, Op.RATIO, Op.LESS, Op.SESSIONS, Op.TOP, Op.VARIETY})
#: a clause that is always true and one that never is, for conditions that are constants: ``events`` is always known
CONSTANT: Final = {TRUE: Comparison("events", Compare.KNOWN), FALSE: Comparison("events", Compare.UNKNOWN)}


def compile_rules(document: Document, slots: Mapping[str, int], *, digits: int = 2) -> RuleBook:
    """The arrays, and what is needed to read them back.

    ``slots`` come from ``assign_slots``; a tag that is in them but not in ``document`` can no longer be entered and
    is left by whoever still has it.  ``digits`` is the number of minor digits of the shop's currency.

    Raises:
        RuleError: a condition is too deep.
    """
    making = _Making(slots, digits)
    asks = {tag.name: [leaf.tag for leaf in _asked(document.rules[tag.name])] for tag in document.tags}
    for name in in_order(asks)[0]:
        making.tag(document.rules[name])
    for name in slots:
        if "." not in name and name not in asks:
            making.tag(Rule(name, FALSE))
    for ladder in document.ladders:
        for rung in ladder.rungs:
            making.rung(LADDERS.index(ladder.name), document.rules[rung_key(ladder.name, rung.name)])
    return RuleBook(document, dict(slots), making.arrays(), dict(making.clauses), making.rules)


def _asked(rule: Rule) -> Iterator[Asks]:
    """The questions a rule asks about other tags."""
    for term in (rule.enter, rule.leave):
        yield from (leaf for leaf in (leaves(term) if term else ()) if isinstance(leaf, Asks))


@dataclass
class _Making:
    """Arrays that grow."""

    slots: Mapping[str, int]
    digits: int
    clauses: dict[Comparison, int] = field(default_factory=dict)
    rows: list[tuple[int, ...]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    tags: list[tuple[int, ...]] = field(default_factory=list)
    rungs: list[tuple[int, ...]] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)

    def tag(self, rule: Rule) -> None:
        rule = self.written(rule)
        self.tags.append((self.slots[rule.key], *self.write(rule.enter), *self.write(rule.leave)))

    def rung(self, ladder: int, rule: Rule) -> None:
        rule = self.written(rule)
        self.rungs.append((ladder, self.slots[rule.key], *self.write(rule.enter), *self.write(rule.leave)))

    def written(self, rule: Rule) -> Rule:
        """The rule as it is compiled and explained: with scores written out."""
        leave = without_scores(rule.leave) if rule.leave else None
        self.rules[rule.key] = Rule(rule.key, without_scores(rule.enter), leave)
        return self.rules[rule.key]

    def write(self, term: Term | None) -> tuple[int, int]:
        """Append the code of ``term``; returns where it starts and ends."""
        start = len(self.code)
        if term is not None and self.postfix(term) > DEPTH:
            raise RuleError(f"a condition is nested deeper than {DEPTH}; split it with HAS('tag')")
        return start, len(self.code)

    def postfix(self, term: Term) -> int:
        """Append ``term``; returns how many truths it keeps waiting at once."""
        if isinstance(term, Asks):
            self.code.append((HELD if term.held else FREE) + self.slots[term.tag])
            return 1
        if isinstance(term, Comparison) or not term.parts:
            self.code.append(self.clause(term if isinstance(term, Comparison) else CONSTANT[term]))
            return 1
        deepest = self.postfix(term.parts[0])
        for part in term.parts[1:]:
            deepest = max(deepest, 1 + self.postfix(part))
            self.code.append(AND if isinstance(term, Every) else OR)
        return deepest

    def clause(self, asked: Comparison) -> int:
        """The number of the clause that answers ``asked``."""
        if asked not in self.clauses:
            feature = FEATURES[INDEX[asked.feature]]
            cut, decile = -1, 0
            if isinstance(asked.limit, Cut):
                cut, decile = CUT_FEATURES.index(asked.feature), asked.limit.decile - 1
            self.clauses[asked] = len(self.rows)
            self.rows.append((INDEX[asked.feature], int(asked.compare), cut, decile))
            self.values.append(self.value(feature, asked))
        return self.clauses[asked]

    def value(self, feature: Feature, asked: Comparison) -> float:
        """What a clause compares with: texts become their codes, sums of money the exact float the kernels make."""
        limit = asked.limit
        if isinstance(limit, str):
            if feature.op is Op.STEP:
                return float(STEPS[limit])
            if feature.op is Op.RUNG:
                return float(self.slots[rung_key(feature.name, limit)])
            return float(code_of(limit.strip()))
        if not isinstance(limit, float):
            return float("nan")
        minor = round(limit * 10**self.digits)
        if feature.money and abs(minor - limit * 10**self.digits) < 1e-6:
            return float(10.0**-self.digits * minor)
        return limit

    def watched(self) -> list[int]:
        """Clauses of conditions to enter whose answer may change in silence, in the order of ``WALKS``."""
        spans = [(tag[1], tag[2]) for tag in self.tags] + [(rung[2], rung[3]) for rung in self.rungs]
        asked = {code for start, end in spans for code in self.code[start:end] if 0 <= code < HELD}
        features = {clause: FEATURES[self.rows[clause][0]] for clause in asked}
        moving = [clause for clause, feature in features.items() if feature.silence is not Silence.STAYS]
        return sorted(moving, key=lambda clause: (features[clause].op in WALKS, features[clause].op, clause))

    def arrays(self) -> Rules:
        return Rules(
            clauses=_whole(self.rows, 4),
            values=np.array(self.values, np.float64),
            code=np.array(self.code, np.int64),
            tags=_whole(self.tags, 5),
            rungs=_whole(self.rungs, 6),
            watched=np.array(self.watched(), np.int64),
            wanted=np.array(wanted(FEATURES[row[0]].name for row in self.rows), np.int64),
            rung_features=np.array([INDEX[ladder] for ladder in LADDERS], np.int64),
        )


def wanted(asked: Iterable[str]) -> list[int]:
    """Numbers of the features asked about, those always shown, and all they build on, in catalogue order."""
    found: set[int] = set()
    ahead = [*asked, *ALWAYS_WANTED]
    while ahead:
        feature = FEATURES[INDEX[ahead.pop()]]
        if INDEX[feature.name] not in found:
            found.add(INDEX[feature.name])
            if feature.op in COMPOSED or feature.op is Op.SCORE:
                ahead.extend(arg for arg in feature.args if isinstance(arg, str))
    return sorted(found)


def _whole(rows: list[tuple[int, ...]], width: int) -> Int64s:
    return np.array(rows, np.int64).reshape(len(rows), width)

"""Compiled rules, and how to read in names what kernels wrote in numbers.

Knows: which number is which name.  Must not know: how anything is decided, where rows are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal, NamedTuple

import numpy as np

from profiles.alerts import RANKED, AlertRule, Cause, Text
from profiles.clock import Int64s
from profiles.features import INDEX, Feature
from profiles.kernels.decide import Rules
from profiles.kernels.derive import Floats
from profiles.layout import LADDERS, TABLES, TAGS
from profiles.operators import Op
from profiles.rules.bound import AllOf, BoundRule, bind_rule
from profiles.rules.document import Document, Label, Rung, Tag, rung_key
from profiles.rules.explain import Gap, Seen, because_entered, because_left, phrases
from profiles.rules.terms import OPPOSITE, Comparison, Rule
from profiles.rules.vocabulary import STEPS
from profiles.rules.words import Language, Speaker
from profiles.timeline import Phrase, Words
from profiles.wire import Because

Names = Callable[[int], str | None]
_STEP_NAMES = {number: name for name, number in STEPS.items()}
_STANDS = {ladder: TABLES.ladders + 2 * i for i, ladder in enumerate(LADDERS)}  #: slot of the rung
_ALWAYS = BoundRule("", AllOf((), plain=True), None)  #: of a rung that has been retired


class Ruling(NamedTuple):
    """One change of standing in names."""

    what: str  #: ``tag`` or the name of a ladder
    name: str  #: the tag, or the rung moved to
    change: Literal["entered", "left", "moved"]
    was: str | None  #: the rung left; None for tags and for the first rung of all


def _nameless(_code: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer as the rules of one version see him."""

    rules: dict[str, BoundRule]
    seen: Seen

    def held(self, tag: str) -> tuple[Because, ...]:
        """Why a tag was entered, or is held."""
        return because_entered(self.rules[tag], self.seen)

    def left(self, tag: str) -> tuple[Because, ...]:
        """Why a tag was left."""
        return because_left(self.rules[tag], self.seen)

    def rung(self, ladder: str, rung: str, before: int) -> tuple[Because, ...]:
        """Why a customer came to this rung from the one of number ``before`` (-1: from none), or stays there."""
        x, own = self.seen.x, INDEX[ladder]
        now = x.item(own)
        x[own] = before if before >= 0 else np.nan  # what a rung asks about its own ladder is where he stood before
        found = because_entered(self.rules.get(rung_key(ladder, rung), _ALWAYS), self.seen)
        x[own] = now
        return found


@dataclass(frozen=True)
class RuleBook:
    """All rules of one version: arrays for the kernels, names for everybody else.

    Its numbers are those of the kernels: a tag is its slot, a rung its number on its ladder, and ``what`` is a slot or
    -1 - the ladder's index.
    """

    document: Document
    numbers: dict[str, int]  #: of every tag and every ``ladder.rung``, retired ones included
    rules: Rules
    clauses: dict[Comparison, int]  #: which clause answers a comparison
    every: dict[str, Rule]  #: the rule of every tag and every ``ladder.rung``
    phrases: tuple[Phrase, ...] = ()  #: as they were published with the rules; none: as they follow from the rules
    _bound: dict[bytes, dict[str, BoundRule]] = field(default_factory=dict, compare=False, repr=False)
    _rulings: dict[tuple[int, int, int], Ruling] = field(default_factory=dict, compare=False, repr=False)
    _speakers: dict[tuple[Language, str], Speaker] = field(default_factory=dict, compare=False, repr=False)

    @property
    def version(self) -> int:
        """Version of the document."""
        return self.document.version

    @cached_property
    def words(self) -> Words:
        """How timelines tell of these rules."""
        return Words(self.numbers, self.phrases or phrases(self.every.values()))

    @cached_property
    def slots(self) -> int:
        """How many tag slots have ever been given out."""
        return 1 + max(self._tag_names, default=-1)

    @cached_property
    def tags(self) -> dict[int, Tag]:
        """Tags by slot, without retired ones."""
        return {self.numbers[tag.name]: tag for tag in self.document.tags}

    @cached_property
    def rungs(self) -> tuple[dict[int, Rung], ...]:
        """Rungs by number, for each ladder in the order of ``layout.LADDERS``; a retired one has its name for label."""
        found = {rung_key(each.name, rung.name): rung for each in self.document.ladders for rung in each.rungs}
        on: dict[str, dict[int, Rung]] = {ladder: {} for ladder in LADDERS}
        for (ladder, number), name in self._rung_names.items():
            on[ladder][number] = found.get(rung_key(ladder, name)) or Rung(name, Label(name, name), None)
        return tuple(on[ladder] for ladder in LADDERS)

    @cached_property
    def labels(self) -> dict[str, Label]:
        """What people call every tag and every ``ladder.rung``."""
        rungs = {rung_key(each.name, rung.name): rung.label for each in self.document.ladders for rung in each.rungs}
        return {tag.name: tag.label for tag in self.document.tags} | rungs

    def held(self, row: Int64s) -> dict[str, int]:
        """Tags that are held -> since when (ms)."""
        since = row[TABLES.since : TABLES.since + TAGS]
        slots = (slot for slot in np.flatnonzero(since).tolist() if slot in self._tag_names)
        return {self._tag_names[slot]: int(since[slot]) for slot in slots}

    def rung(self, ladder: str, row: Int64s) -> str | None:
        """Where the customer stands; None before the first decision."""
        return self._rung_names.get((ladder, row.item(_STANDS[ladder]) - 1))

    def ruling(self, what: int, before: int, after: int) -> Ruling:
        """A change as ``decide`` noted it, in names."""
        known = self._rulings.get((what, before, after))
        if known is None:
            known = self._rulings[what, before, after] = self._ruling(what, before, after)
        return known

    def _ruling(self, what: int, before: int, after: int) -> Ruling:
        if what >= 0:
            return Ruling("tag", self._tag_names[what], "entered" if after == 1 else "left", None)
        ladder = LADDERS[-1 - what]
        return Ruling(ladder, self._rung_names[ladder, after], "moved", self._rung_names.get((ladder, before)))

    def bound(self, cuts: Floats) -> dict[str, BoundRule]:
        """The rule of every tag and every ``ladder.rung`` with the numbers it compares with while ``cuts`` hold."""
        known = self._bound.get(cuts.tobytes())
        if known is None:
            self._bound.clear()  # cut points change, and none ever comes back
            limits = partial(self._limit, cuts)
            known = self._bound[cuts.tobytes()] = {key: bind_rule(rule, limits) for key, rule in self.every.items()}
        return known

    def seen(self, x: Floats, row: Int64s, names: Names = _nameless) -> Seen:
        """A look at a customer whose features are ``x``; ``names`` turns codes of names back into texts."""
        return Seen(x, partial(self._holds, row), partial(self._name, names))

    def because(
        self, what: int, before: int, after: int, x: Floats, row: Int64s, cuts: Floats, names: Names = _nameless
    ) -> tuple[Because, ...]:
        """Why a change was made, or why a customer is where he is.

        For a change as ``decide`` noted it, ``x`` is what was noted with it.  For standing, ask with ``before`` 0 and
        ``after`` 1 about a tag that is held, and with the same rung twice about a ladder; ``x`` is what is true now.
        """
        ruling = self.ruling(what, before, after)
        standing = self.standing(x, row, cuts, names)
        if ruling.what != "tag":
            return standing.rung(ruling.what, ruling.name, before)
        return standing.held(ruling.name) if after == 1 else standing.left(ruling.name)

    def standing(self, x: Floats, row: Int64s, cuts: Floats, names: Names = _nameless) -> Standing:
        """Why a customer is where he is: to be asked about each tag and rung, while nobody changes ``x``."""
        return Standing(self.bound(cuts), self.seen(x, row, names))

    def say(self, what: Iterable[Because | Gap], language: Language, currency: str = "") -> str:
        """Reasons or gaps as one sentence."""
        speaker = self._speakers.get((language, currency))
        if speaker is None:
            speaker = self._speakers[language, currency] = Speaker(language, currency, self.labels)
        return ("，" if speaker.chinese else ", ").join(map(speaker.say, what))

    def alert_rules(self) -> dict[Cause, AlertRule]:
        """The tags and rungs that carry an alert, as the alert desk wants them."""
        causes: list[tuple[Cause, Tag | Rung]] = [(("tag", tag.name), tag) for tag in self.document.tags]
        causes += [((each.name, rung.name), rung) for each in self.document.ladders for rung in each.rungs]
        return {
            cause: AlertRule(each.alert, Text(each.label.zh, each.label.en), Text(each.action.zh, each.action.en))
            for cause, each in causes
            if each.alert and each.action
        }

    @cached_property
    def ranked(self) -> frozenset[Cause]:
        """Causes whose alerts compete for a day's budget."""
        return frozenset(cause for cause, rule in self.alert_rules().items() if rule.policy in RANKED)

    @cached_property
    def _tag_names(self) -> dict[int, str]:
        return {number: key for key, number in self.numbers.items() if "." not in key}

    @cached_property
    def _rung_names(self) -> dict[tuple[str, int], str]:
        split = ((key.partition("."), number) for key, number in self.numbers.items() if "." in key)
        return {(ladder, number): rung for (ladder, _, rung), number in split}

    def _holds(self, row: Int64s, tag: str) -> bool:
        return row.item(TABLES.since + self.numbers[tag]) != 0

    def _limit(self, cuts: Floats, asked: Comparison) -> float:
        turned = Comparison(
            asked.feature, OPPOSITE[asked.compare], asked.limit
        )  # told of what is not, or no longer, true
        clause = self.clauses[asked if asked in self.clauses else turned]
        cut, decile = self.rules.clauses[clause, 2:]
        return float(cuts[cut, decile]) if cut >= 0 else float(self.rules.values[clause])

    def _name(self, names: Names, feature: Feature, number: float) -> str | None:
        if np.isnan(number):
            return None
        if feature.op is Op.RUNG:
            return self._rung_names.get((feature.name, int(number)))
        return _STEP_NAMES.get(int(number)) if feature.op is Op.STEP else names(int(number))

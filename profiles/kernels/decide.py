"""Rules over the features of one row: which tags are held, which rung of each ladder.

A rule is a formula without NOT (negations are pushed into the comparisons), written in postfix: a number >= 0 pushes
the truth of that clause, AND / OR combine the two on top, HELD / FREE push whether a tag is held.  A comparison with
"cannot say" (NaN) is never true, as in SQL.
Knows: clauses, formulas, standing slots.  Must not know: names, texts, why a rule exists.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from profiles.clock import Int64s
from profiles.compiled import compiled
from profiles.kernels.derive import Floats
from profiles.layout import TABLES

Bools = npt.NDArray[np.bool_]

AND: Final = -1
OR: Final = -2
HELD: Final = 1_000_000  #: + slot of the tag
FREE: Final = 2_000_000  #: + slot of the tag
DEPTH: Final = 60  #: deepest formula: its truths are the bits of one number


class Compare(IntEnum):
    """How a clause compares."""

    LT = 0
    LE = 1
    GT = 2
    GE = 3
    EQ = 4
    NE = 5
    UNKNOWN = 6
    KNOWN = 7


class Rules(NamedTuple):
    """All tags and ladders as arrays."""

    clauses: Int64s  #: rows (feature, compare, row of cuts or -1, decile)
    values: Floats  #: what each clause compares with, unless it has a cut
    code: Int64s  #: all formulas, one after another
    tags: Int64s  #: rows (slot, enter start, enter end, leave start, leave end), tags after those they ask about
    rungs: Int64s  #: rows (ladder, rung, when start, when end, until start, until end), best rung first
    watched: Int64s  #: clauses of conditions to enter that silence may change, those first that are foreseen fastest
    wanted: Int64s  #: features that some clause needs, with what they build on, in catalogue order
    rung_features: Int64s  #: feature of each ladder's rung


class Changes(NamedTuple):
    """Room for what a run of evaluations says; ``used`` is how much of it is."""

    what: Int64s  #: rows (row, event, what, from, to, at); what: tag slot, or -1 - ladder
    #: event: its number; of silence before event e, -2 - e; of silence before nothing, -1
    features: Floats  #: the features each decision saw
    samples: Int64s  #: rows (row, at, how many changes were noted before)
    sample_features: Floats
    census: Int64s  #: notes of ``kernels.census``
    used: Int64s  #: (changes, samples, notes of the census)
    x: Floats  #: scratch: the features of the row at hand
    limits: Floats  #: scratch: what each clause compares with


@compiled
def resolve(rules: Rules, cuts: Floats, limits: Floats) -> None:
    """What every clause compares with while ``cuts`` hold."""
    for c in range(len(limits)):
        cut = rules.clauses[c, 2]
        limits[c] = cuts[cut, rules.clauses[c, 3]] if cut >= 0 else rules.values[c]


@compiled
def compare(op: int, value: float, limit: float) -> bool:
    """Truth of one comparison; with NaN on either side it is false."""
    if op == Compare.UNKNOWN.value or op == Compare.KNOWN.value:
        return np.isnan(value) == (op == Compare.UNKNOWN.value)
    if np.isnan(value) or np.isnan(limit):
        return False
    if op == Compare.LT.value:
        return value < limit
    if op == Compare.LE.value:
        return value <= limit
    if op == Compare.GT.value:
        return value > limit
    if op == Compare.GE.value:
        return value >= limit
    return (value == limit) == (op == Compare.EQ.value)


@compiled
def holds(row: Int64s, x: Floats, start: int, end: int, rules: Rules, limits: Floats) -> bool:
    """Truth of the formula ``code[start:end]``; an empty one is false."""
    stack = 0  # truths as bits, the top one lowest: nothing is allocated in the hottest loop there is
    for i in range(start, end):
        code = rules.code[i]
        if code == AND:
            stack = (stack >> 1) & ((stack & 1) | -2)
        elif code == OR:
            stack = (stack >> 1) | (stack & 1)
        else:
            if code >= FREE:
                truth = row[TABLES.since + code - FREE] == 0
            elif code >= HELD:
                truth = row[TABLES.since + code - HELD] != 0
            else:
                truth = compare(rules.clauses[code, 1], x[rules.clauses[code, 0]], limits[code])
            stack = (stack << 1) | (1 if truth else 0)
    return (stack & 1) == 1


@compiled
def note(changes: Changes, r: int, event: int, what: int, before: int, after: int, at: int) -> None:
    """Write one change down, with the features that made it."""
    i = changes.used[0]
    changes.what[i, 0], changes.what[i, 1], changes.what[i, 2] = r, event, what
    changes.what[i, 3], changes.what[i, 4], changes.what[i, 5] = before, after, at
    for f in range(len(changes.x)):
        changes.features[i, f] = changes.x[f]
    changes.used[0] = i + 1


@compiled
def climb(row: Int64s, r: int, event: int, at: int, rules: Rules, changes: Changes) -> None:
    """Put the customer on the first rung of each ladder whose rule holds."""
    i, x, limits = 0, changes.x, changes.limits
    while i < len(rules.rungs):
        ladder, chosen = rules.rungs[i, 0], -1
        slot = TABLES.ladders + 2 * ladder
        while i < len(rules.rungs) and rules.rungs[i, 0] == ladder:
            rung = rules.rungs[i]
            if chosen < 0:
                stays = row[slot] == rung[1] + 1 and rung[5] > rung[4]
                if holds(row, x, rung[2], rung[3], rules, limits) or (
                    stays and not holds(row, x, rung[4], rung[5], rules, limits)
                ):
                    chosen = rung[1]
            i += 1
        if chosen >= 0:
            x[rules.rung_features[ladder]] = float(chosen)
            if row[slot] != chosen + 1:
                note(changes, r, event, -1 - ladder, row[slot] - 1, chosen, at)
                row[slot], row[slot + 1] = chosen + 1, at


@compiled
def decide(row: Int64s, r: int, event: int, at: int, rules: Rules, changes: Changes) -> None:
    """Move the standing of a row to what the rules say about ``changes.x`` at ``at``; every change is noted."""
    climb(row, r, event, at, rules, changes)
    x, limits = changes.x, changes.limits
    for t in range(len(rules.tags)):
        slot = rules.tags[t, 0]
        since = TABLES.since + slot
        enters = holds(row, x, rules.tags[t, 1], rules.tags[t, 2], rules, limits)
        if row[since] == 0:
            if enters:
                row[since] = at
                note(changes, r, event, slot, 0, 1, at)
        elif not enters:
            start, end = rules.tags[t, 3], rules.tags[t, 4]
            if end == start or holds(row, x, start, end, rules, limits):
                note(changes, r, event, slot, 1, 0, at)
                row[since] = 0

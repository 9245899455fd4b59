"""Rows through their events and their silences, one by one, whatever batch they came in.

Before an event everything that fell due earlier is decided at its own moment; after it the rules are asked again.  So
tags, their ``since`` and all changes depend only on what happened and when, not on where a batch was cut.
Knows: the order of steps.  Must not know: names, storage, where events came from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from profiles.clock import NEVER, WEEK, Int64s
from profiles.compiled import compiled
from profiles.kernels.census import MOST, note_stay, note_step
from profiles.kernels.decide import Bools, Changes, Rules, decide, resolve
from profiles.kernels.derive import Floats, Population, derive
from profiles.kernels.fold import DUPLICATE, Events, fold
from profiles.kernels.horizon import horizon, offset_at
from profiles.layout import TABLES


class World(NamedTuple):
    """Everything a decision depends on besides the row."""

    factor: Floats
    people: Population
    rules: Rules
    since: Int64s  #: the shop's zone, see clock.Zone
    offset: Int64s
    version: int  #: of the rules


@compiled
def room(changes: Changes, rules: Rules) -> bool:
    """Whether one more evaluation surely fits."""
    said, samples, counted = changes.used[0], changes.used[1], changes.used[2]
    decided = said + len(rules.tags) + len(rules.rungs) <= len(changes.what)
    return decided and samples < len(changes.samples) and counted + MOST <= len(changes.census)


@compiled
def begin(world: World, changes: Changes) -> None:
    """Ready the scratch for rows of this world."""
    changes.x[:] = np.nan
    resolve(world.rules, world.people.cuts, changes.limits)


@compiled
def evaluate(row: Int64s, r: int, event: int, at: int, world: World, changes: Changes) -> None:
    """Ask all rules about the row at ``at`` and set when to ask again if nothing happens."""
    offset, x = offset_at(at, world.since, world.offset), changes.x
    derive(row, at, offset, world.rules.wanted, world.factor, world.people, x)
    decide(row, r, event, at, world.rules, changes)
    row[TABLES.as_of] = at
    row[TABLES.version] += 1
    row[TABLES.rules] = world.version
    if row[TABLES.snapshot] != 0 and at >= row[TABLES.snapshot]:
        i = changes.used[1]
        changes.samples[i, 0], changes.samples[i, 1], changes.samples[i, 2] = r, at, changes.used[0]
        for f in range(len(x)):
            changes.sample_features[i, f] = x[f]
        changes.used[1] = i + 1
        row[TABLES.snapshot] += WEEK * ((at - row[TABLES.snapshot]) // WEEK + 1)
    due = horizon(row, at, offset, world.rules, world.factor, world.people, changes, world.since, world.offset)
    row[TABLES.due] = max(min(due, row[TABLES.snapshot] if row[TABLES.snapshot] != 0 else NEVER), at + 1)


@compiled
def settle(row: Int64s, r: int, silence: int, until: int, world: World, changes: Changes) -> bool:
    """Decide, each at its own moment, all that falls due up to ``until``; False if there was no more room.

    ``silence`` says in the notes which silence it was.
    """
    while row[TABLES.version] != 0 and row[TABLES.due] <= until:
        if not room(changes, world.rules):
            return False
        evaluate(row, r, silence, row[TABLES.due], world, changes)
    return True


@compiled
def advance(
    state: Int64s, events: Events, start: int, jitter: Int64s, world: World, changes: Changes, applied: Bools
) -> int:
    """Apply events from ``start`` on; returns the first one not reached for want of room in ``changes``.

    ``applied[e]`` becomes True unless event e repeats a message that was applied before.
    """
    begin(world, changes)
    for e in range(start, len(events.row)):
        r, time = events.row[e], events.time[e]
        row = state[r]
        if not settle(row, r, -2 - e, time, world, changes) or not room(changes, world.rules):
            return e
        trail, stay, kind = TABLES.trail, TABLES.stay, events.kind[e]
        before, last, first, days, weeks = row[trail], row[trail + 1], row[stay], row[stay + 1], row[stay + 2]
        if fold(row, events, e) == DUPLICATE:
            continue
        applied[e] = True
        if (TABLES.active >> kind) & 1:
            note_step(before, last, time, kind, changes.census, changes.used)
            note_stay(first, days, weeks, row, changes.census, changes.used)
        if row[TABLES.snapshot] == 0:
            row[TABLES.snapshot] = (time // WEEK + 1) * WEEK + jitter[r] % WEEK
        evaluate(row, r, e, max(time, row[TABLES.as_of]), world, changes)
    return len(events.row)


@compiled
def elapse(state: Int64s, start: int, until: Int64s, world: World, changes: Changes) -> int:
    """Let silence act on every row up to its ``until``; returns the first row not finished for want of room."""
    begin(world, changes)
    for r in range(start, len(state)):
        if not settle(state[r], r, -1, until[r], world, changes):
            return r
    return len(state)


@compiled
def renew(state: Int64s, start: int, at: Int64s, world: World, changes: Changes) -> int:
    """Ask new rules about every row they have not decided yet; returns the first row not finished for want of room."""
    begin(world, changes)
    for r in range(start, len(state)):
        row = state[r]
        if row[TABLES.version] == 0 or row[TABLES.rules] == world.version:
            continue
        if not room(changes, world.rules):
            return r
        evaluate(row, r, -1, max(at[r], row[TABLES.as_of]), world, changes)
    return len(state)

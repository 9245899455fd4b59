"""Paths: a Markov chain over what customers do, read from the counts of steps.

A session starts, moves from kind to kind, and ends; order and end absorb.  A session's end is counted when the next
session begins, so whoever stands at a step now is taken to have ended there: what came to a step and did not go on.
(That is wrong for sessions of the last half hour only.)  The chain remembers one step, so a funnel's probability is what
single steps make likely, not a count of whole paths.
Knows: counts of steps.  Must not know: how they were made, who the customers are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import numpy as np

from profiles.census import LABELS, PATH

START, EXIT, ORDER = "START", "EXIT", "ORDER"
FUNNELS: Final = 5  #: most likely ways to an order that are shown
LONGEST: Final = 8  #: steps in one of them
UNLIKELY: Final = 1e-4  #: less likely ways are not looked for

Chain = dict[str, dict[str, float]]  #: from -> to -> how often


class Move(msgspec.Struct, frozen=True):
    """From one step to the next."""

    to: str
    times: int
    share: float  #: of all that leave the step


class StepLine(msgspec.Struct, frozen=True):
    """One step, and what follows it."""

    step: str
    zh: str
    en: str
    times: int  #: how often it was left, ends of sessions included
    order: float  #: probability that an (or, from ORDER: another) order comes before the session ends
    exit: float  #: probability that the session ends without
    next: tuple[Move, ...]  #: likeliest first


class DropOff(msgspec.Struct, frozen=True):
    """Sessions that ended at a step, without an order after it."""

    step: str
    zh: str
    en: str
    times: int
    share: float  #: of all that leave the step


class Funnel(msgspec.Struct, frozen=True):
    """A way from the start of a session to an order, no step twice."""

    steps: tuple[str, ...]
    zh: str
    probability: float  #: that a session takes exactly these steps, repeats of one step aside


class Paths(msgspec.Struct, frozen=True):
    """The chain."""

    sessions: int  #: sessions begun
    order: float | None  #: probability that a session comes to an order; None before the first session
    steps: tuple[StepLine, ...]  #: START, then the busiest first
    funnels: tuple[Funnel, ...]  #: likeliest first
    drop_offs: tuple[DropOff, ...]  #: most sessions lost first


class NextStep(msgspec.Struct, frozen=True):
    """What one customer is likely to do next."""

    step: str  #: where the customer stands; START if no session is open
    at: int | None  #: when the latest step was (ms); None if there never was one
    order: float | None  #: None: nobody went on from here yet
    exit: float | None
    next: tuple[Move, ...]


def read(counts: Mapping[str, int]) -> Paths:
    """All that the counts of steps say.

    >>> found = read({"path:START>VIEW": 4, "path:VIEW>VIEW": 2, "path:VIEW>ORDER": 1, "path:ORDER>EXIT": 1})
    >>> found.order, [(line.step, line.order) for line in found.steps]
    (0.25, [('START', 0.25), ('VIEW', 0.25), ('ORDER', 0.0)])
    >>> [(each.step, each.times, each.share) for each in found.drop_offs], found.funnels[0].steps
    ([('VIEW', 3, 0.5)], ('START', 'VIEW', 'ORDER'))
    """
    chain = chain_of(counts)
    wins = reaching(chain)
    lines = [_line(step, chain, wins) for step in chain]
    lines.sort(key=lambda line: (line.step != START, -line.times, line.step))
    lost = [DropOff(line.step, line.zh, line.en, move.times, move.share)
            for line in lines for move in line.next if move.to == EXIT and line.step != ORDER]  # fmt: skip
    return Paths(
        sessions=round(sum(chain.get(START, {}).values())),
        order=_rounded(wins[START]) if START in wins else None,
        steps=tuple(lines),
        funnels=tuple(_funnels(chain)),
        drop_offs=tuple(sorted(lost, key=lambda each: (-each.times, each.step))),
    )


def next_step(paths: Paths, step: str, at: int | None) -> NextStep:
    """What follows for a customer who stands at ``step`` since ``at``.

    >>> next_step(read({"path:START>VIEW": 2, "path:VIEW>ORDER": 1}), "VIEW", 5).next[0]
    Move(to='EXIT', times=1, share=0.5)
    """
    line = next((line for line in paths.steps if line.step == step), None)
    return NextStep(step, at, line.order, line.exit, line.next) if line else NextStep(step, at, None, None, ())


def chain_of(counts: Mapping[str, int]) -> Chain:
    """How often each step followed each; whoever came to a step and did not go on has ended there."""
    chain: Chain = {}
    still: dict[str, int] = {}
    for name, n in counts.items():
        if name.startswith(PATH) and n > 0:
            before, _, after = name.removeprefix(PATH).partition(">")
            chain.setdefault(before, {})[after] = n
            still[after] = still.get(after, 0) + n
            still[before] = still.get(before, 0) - n
    for step, n in still.items():
        if n > 0 and step not in (START, EXIT):
            leaves = chain.setdefault(step, {})
            leaves[EXIT] = leaves.get(EXIT, 0) + n
    return chain


def reaching(chain: Chain) -> dict[str, float]:
    """Step -> probability that an order comes before the end; of ORDER: that another one does.

    Of a chain with two absorbing states: ``(I - Q) h = r``, with Q the steps between the others and r those to ORDER.
    Counts that lead neither to an order nor to an end (there are none but by damage) are left out.

    >>> reaching({"START": {"VIEW": 2}, "VIEW": {"VIEW": 2, "ORDER": 1, "EXIT": 1}, "LIST": {"LIST": 9}})
    {'START': 0.5, 'VIEW': 0.5}
    """
    steps = [step for step in _ending(chain) if step != ORDER]
    place = {step: i for i, step in enumerate(steps)}
    q, r = np.zeros((len(steps), len(steps))), np.zeros(len(steps))
    for step, i in place.items():
        leaves = {to: n for to, n in chain[step].items() if to in place or to in (ORDER, EXIT)}
        total = sum(leaves.values())
        r[i] = leaves.get(ORDER, 0) / total
        for to, n in leaves.items():
            if to in place:
                q[i, place[to]] = n / total
    h = np.linalg.solve(np.eye(len(steps)) - q, r) if steps else r
    found = {step: float(min(max(h[i], 0.0), 1.0)) for step, i in place.items()}
    if ORDER in chain:
        again = {**found, ORDER: 1.0, EXIT: 0.0}
        known = {to: n for to, n in chain[ORDER].items() if to in again}
        found[ORDER] = sum(n * again[to] for to, n in known.items()) / (sum(known.values()) or 1)
    return found


def _ending(chain: Chain) -> list[str]:
    """The steps from which an order or an end can be reached."""
    found = {ORDER, EXIT}
    while more := {step for step, leaves in chain.items() if step not in found and leaves.keys() & found}:
        found |= more
    return [step for step in chain if step in found]


def _line(step: str, chain: Chain, wins: Mapping[str, float]) -> StepLine:
    total, win = sum(chain[step].values()), _rounded(wins.get(step, 0.0))
    moves = [Move(to, round(n), _rounded(n / total)) for to, n in chain[step].items()]
    moves.sort(key=lambda move: (-move.times, move.to))
    zh, en = LABELS.get(step, (step, step))
    return StepLine(step, zh, en, round(total), win, _rounded(1 - win), tuple(moves))


def _funnels(chain: Chain) -> Iterator[Funnel]:
    """The likeliest ways from START to ORDER, likeliest first; staying at a step is no step."""
    waiting: list[tuple[float, tuple[str, ...]]] = [(-1.0, (START,))]
    shown = 0
    while waiting and shown < FUNNELS:
        chance, way = heapq.heappop(waiting)
        if way[-1] == ORDER:
            shown += 1
            yield Funnel(way, " → ".join(LABELS.get(step, (step, step))[0] for step in way), _rounded(-chance))
            continue
        leaves = {to: n for to, n in chain.get(way[-1], {}).items() if to != way[-1]}
        total = sum(leaves.values())
        for to, n in leaves.items():
            if to != EXIT and to not in way and len(way) <= LONGEST and -chance * n / total >= UNLIKELY:
                heapq.heappush(waiting, (chance * n / total, (*way, to)))


def _rounded(share: float) -> float:
    return round(share, 4)

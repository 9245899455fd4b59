"""Looking for a history that explains what is stored and told of one customer.

The log fixes which events happened and, live, in which order.  It does not fix when silence was felt: if an event comes
late (after a crash, say), the sweep may have decided something in between that the event's own time precedes, or may
not.  Nor does it fix when new rules got round to a silent customer.  Both leave traces: what was told, the moment of
the last decision, the number of decisions.  So every history that could have been is tried until one leaves exactly
the traces that are there; if none does, what is stored is wrong.
Knows: which histories are possible.  Must not know: Redis, Kafka, how differences are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from profiles.clock import Int64s, Millis
from profiles.layout import TABLES
from profiles.timeline import Note
from profiles.verify.history import Lives, Message, Rulers
from profiles.verify.log import Inputs
from profiles.wire import Transition

BUDGET, EACH = 2000, 10  #: pieces of lives that are tried for one customer, and for each of his events
AHEAD: Final = 8  #: events of one source that may have been put in order by their time


UNKNOWN: Final = 1 << 40  #: notes: nobody knows how many


@dataclass(frozen=True)
class Traces:
    """What one customer has left behind."""

    name: str
    stored: Int64s
    told: Sequence[Message] | None  #: None: the topics no longer hold all of it
    clocks: Sequence[Millis] = ()  #: when each of these was told, 0 where nobody knows
    timeline: Sequence[Note] = ()  #: its latest notes, oldest first
    notes: int = 0  #: how many notes there ever were
    exact: bool = True  #: False: only ``as_of`` of the stored row is believed

    def less(self) -> Iterator[Traces]:
        """The same without one trace that may be the wrong one."""
        yield replace(self, timeline=(), notes=UNKNOWN)
        if self.told is not None:
            yield replace(self, told=None, clocks=())
        yield replace(self, exact=False)


@dataclass(frozen=True)
class Ways:
    """What may have happened, and in which order."""

    inputs: Inputs
    queues: tuple[tuple[int, ...], ...]  #: events; each queue is in order, several may have been mixed in any way
    places: Int64s  #: of every event of the log: how early it is preferred
    eras: Sequence[Rulers]  #: what decided, one after the other
    era_of: Int64s  #: of every event of the log: its era
    imported: bool = False  #: there is history among it
    loose: bool = False  #: events of one queue may have been put in order by their time


@dataclass
class Found:
    """How the search ended."""

    lives: Lives | None  #: the history that explains everything
    exhausted: bool  #: there is none; otherwise the search was given up


@dataclass(frozen=True)
class _Point:
    """Somewhere in a history."""

    row: Int64s
    left: tuple[tuple[int, ...], ...]
    told: int = 0
    noted: int = 0
    era: int = 0
    before: _Point | None = None
    lives: Lives | None = None

    @property
    def key(self) -> tuple[object, ...]:
        return self.left, self.told, self.noted, self.era, self.row[TABLES.facts :].tobytes()


@dataclass
class Search:
    """One customer; ``run`` once."""

    traces: Traces
    ways: Ways
    tried: int = 0
    _seen: set[tuple[object, ...]] = field(default_factory=set)

    def run(self) -> Found:
        """The first history that explains everything."""
        start = _Point(np.zeros(TABLES.size, np.int64), self.ways.queues)
        stack = [self._after(start)]
        while stack:
            if self.tried > BUDGET + EACH * sum(map(len, self.ways.queues)):
                return Found(None, exhausted=False)
            point = next(stack[-1], None)
            if point is None:
                stack.pop()
            elif point.key not in self._seen:
                self._seen.add(point.key)
                if self._explains(point):
                    return Found(self._whole(point), exhausted=False)
                stack.append(self._after(point))
        return Found(None, exhausted=True)

    def _explains(self, point: _Point) -> bool:
        all_told = self.traces.told is None or point.told == len(self.traces.told)
        if any(point.left) or not all_told:
            return False
        here, there = point.row, self.traces.stored
        return bool((here == there).all()) if self.traces.exact else bool(here[TABLES.as_of] == there[TABLES.as_of])

    def _whole(self, point: _Point) -> Lives:
        """All of it as one life."""
        steps = []
        at: _Point | None = point
        while at is not None and at.lives is not None:
            steps.append(at.lives)
            at = at.before
        whole = Lives([self.traces.name], point.row[None], imported=self._imported)
        for step in reversed(steps):
            whole.add(step)
        return whole

    # --- what may come next ---

    def _after(self, point: _Point) -> Iterator[_Point]:
        """Possible next points, the likeliest first."""
        here, last = point.row, self.traces.stored
        if here[TABLES.as_of] > last[TABLES.as_of] or (
            self.traces.exact and here[TABLES.version] > last[TABLES.version]
        ):
            return
        heads = self._heads(point)
        limit = min((int(self.ways.era_of[event]) for event in heads), default=len(self.ways.eras) - 1)
        if heads and self._said_before(point, heads[0]):
            yield from self._silences(point, limit)
        for event in heads:
            yield from self._happens(point, event)
        yield from self._silences(point, limit)

    def _said_before(self, point: _Point, event: int) -> bool:
        """Whether what was told next was told before the next event came; clocks differ, so this is a hint only."""
        return 0 < self._clock(point) < int(self.ways.inputs.stamp[event])

    def _clock(self, point: _Point) -> Millis:
        """When the next message was told; 0 if nobody knows."""
        return self.traces.clocks[point.told] if point.told < len(self.traces.clocks) else 0

    def _silences(self, point: _Point, limit: int) -> Iterator[_Point]:
        if point.row[TABLES.version] == 0:
            return
        for era in range(point.era, limit + 1):
            yield from self._renewed(point, era)
            for until in self._moments(point):
                yield from self._waits(point, era, until)

    def _heads(self, point: _Point) -> list[int]:
        heads = [event for queue in point.left for event in queue[: AHEAD if self.ways.loose else 1]]
        times = self.ways.inputs.work.events.time
        first = {queue[0] for queue in point.left if queue}
        if self.ways.loose:  # only what is earlier than the first of its queue can have been put before it
            heads = [event for queue in point.left for event in queue[:AHEAD]
                     if event in first or times[event] < times[queue[0]]]  # fmt: skip
        return sorted(heads, key=lambda event: int(self.ways.places[event]))

    def _moments(self, point: _Point) -> list[Millis]:
        """Up to when silence may have been felt before the next event; a sweep goes on to the moment it is told."""
        due, last = int(point.row[TABLES.due]), int(self.traces.stored[TABLES.as_of])
        ahead = self.traces.told[point.told : point.told + 4] if self.traces.told is not None else ()
        wanted = [self._clock(point), *(message.at for message in ahead), last, due]
        return [at for at in dict.fromkeys(wanted) if at >= due]

    def _happens(self, point: _Point, event: int) -> Iterator[_Point]:
        era = max(int(self.ways.era_of[event]), point.era)
        lives = self._lives(point)
        lives.happens(self.ways.inputs.take(np.array([event]), [self.traces.name]), self.ways.eras[era])
        left = tuple(
            tuple(each for each in queue if each != event) if event in queue else queue for queue in point.left
        )
        yield from self._follow(point, lives, left, era)

    def _waits(self, point: _Point, era: int, until: Millis) -> Iterator[_Point]:
        lives = self._lives(point)
        lives.waits(np.array([until]), self.ways.eras[era])
        yield from self._follow(point, lives, point.left, era)

    def _renewed(self, point: _Point, era: int) -> Iterator[_Point]:
        """New rules ask about this customer, at a moment that only its traces can tell."""
        if point.row[TABLES.rules] == self.ways.eras[era].world.version:
            return
        told = (self.traces.told or ())[point.told : point.told + 4]
        moments = [message.at for message in told if isinstance(message, Transition) and message.origin == "reconcile"]
        moments += [message.at for message in told]
        moments += [self._clock(point), int(self.traces.stored[TABLES.as_of])]
        now = int(point.row[TABLES.as_of])
        moments = [at for at in moments if at > now] + [now]
        for at in dict.fromkeys(moments):
            lives = self._lives(point)
            lives.is_asked_again(np.array([at]), self.ways.eras[era])
            yield from self._follow(point, lives, point.left, era)

    def _lives(self, point: _Point) -> Lives:
        self.tried += 1
        row = point.row[None].copy()
        return Lives([self.traces.name], row, sidecars=self._words(point), imported=self._imported)

    @property
    def _imported(self) -> tuple[str, ...]:
        return (self.traces.name,) if self.ways.imported else ()

    def _words(self, point: _Point) -> dict[str, bytes]:
        at: _Point | None = point
        while at is not None:
            if at.lives is not None and at.lives.sidecars:
                return dict(at.lives.sidecars)
            at = at.before
        return {}

    def _follow(self, point: _Point, lives: Lives, left: tuple[tuple[int, ...], ...], era: int) -> Iterator[_Point]:
        """The point this leads to, if it says what was told."""
        said, notes = lives.said.get(self.traces.name, []), lives.timeline.get(self.traces.name, [])
        told, first = self.traces.told, self.traces.notes - len(self.traces.timeline)  # the first note that is kept
        if told is not None and list(told[point.told : point.told + len(said)]) != said:
            return
        known = [(note, at - first) for at, note in enumerate(notes, point.noted) if at >= first]
        if any(at >= len(self.traces.timeline) or self.traces.timeline[at] != note for note, at in known):
            return
        yield _Point(lives.state[0], left, point.told + len(said), point.noted + len(notes), era, point, lives)

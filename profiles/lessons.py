"""What learners are told of single events, each at its place among all that a step tells.

A review that gives stars in so many words is told with what it said.  An order of several products is a basket, told when
the order is counted, so once: a message that comes again, and one that corrects an order the customer's row still knows,
tell nothing; what an order was first said to hold is what counts.  Whether a row knows an order is asked right before its
message is applied, wherever a batch was cut; that takes a stop, so only those are asked about that the row knew at the
start, or that came earlier in the batch.
Knows: rows, events, which of them teach.  Must not know: how anything is learned, who tells it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from profiles.clock import NEVER, Int64s, Millis
from profiles.inputs import Bools, Work
from profiles.kernels.fold import Events
from profiles.kinds import Kind
from profiles.layout import ORDER_FIELDS, TABLES
from profiles.measures import ORDERS_KEPT
from profiles.said import SAID, Said, read

FEWEST: Final = 2  #: distinct products, or categories, that make a basket
_CODES: Final = slice(TABLES.orders, TABLES.orders + ORDERS_KEPT * len(ORDER_FIELDS), len(ORDER_FIELDS))


class Contents(NamedTuple):
    """What an order holds: codes, each once, in the order of its lines."""

    items: tuple[int, ...]
    categories: tuple[int, ...]


class Lessons:
    """The lessons of a piece of work that are not told yet; ``applied`` says of each event whether it was applied."""

    def __init__(self, work: Work, state: Int64s, applied: Bools) -> None:
        self._profiles = work.profiles
        self._events = work.events
        self._applied = applied
        self._state = state
        baskets = _baskets(work.events)
        self._found: dict[int, Contents | Said] = {**baskets, **_opinions(work)}
        self._waiting = deque(sorted(self._found))
        self.next = self._waiting[0] if self._waiting else NEVER  #: the first event that may be a lesson and waits
        self._stops = deque(_doubtful(work.events, baskets, state))

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def part(self, start: int) -> Events:
        """The events that may be applied in one go from ``start`` on: to the end, or up to the next doubtful order."""
        if self._stops and self._stops[0] == start:
            self._ask(self._stops.popleft())
        return self._events._replace(row=self._events.row[: self._stops[0]]) if self._stops else self._events

    def take(self) -> tuple[str, Millis, Contents | Said] | None:
        """Whose lesson the event ``next`` is, and of when; None if it turned out to be none.  It waits no longer."""
        e = self._waiting.popleft()
        self.next = self._waiting[0] if self._waiting else NEVER
        if not self._applied[e] or e not in self._found:
            return None
        return self._profiles[self._events.row[e]], int(self._events.time[e]), self._found[e]

    def place(self, row: int, at: int) -> int:
        """Before which event silence was felt that lasted until ``at``: the row's first one that is not earlier."""
        later = np.flatnonzero((self._events.row == row) & (self._events.time >= at))
        return int(later[0]) if len(later) else len(self._events.row)

    def _ask(self, e: int) -> None:
        if self._events.order[e] in self._state[self._events.row[e], _CODES]:
            self._found.pop(e)


def _baskets(events: Events) -> dict[int, Contents]:
    """Orders of several distinct products or categories."""
    orders = (events.kind == int(Kind.ORDER)).nonzero()[0]
    ends = events.line_end[orders]
    starts = np.where(orders > 0, events.line_end[orders - 1], 0)
    several = ends - starts >= FEWEST
    found: dict[int, Contents] = {}
    if not several.any():
        return found
    categories, items = events.lines[:, 0].tolist(), events.lines[:, 2].tolist()
    for e, start, end in zip(*(each[several].tolist() for each in (orders, starts, ends)), strict=True):
        held = Contents(_distinct(items[start:end]), _distinct(categories[start:end]))
        if len(held.items) >= FEWEST or len(held.categories) >= FEWEST:
            found[e] = held
    return found


def _opinions(work: Work) -> dict[int, Said]:
    """Of events that gave stars in so many words: what they said."""
    found = ((e, read(dict(patch).get(SAID))) for e, patch in work.patches)
    return {e: said for e, said in found if said is not None and said.stars}


def _distinct(codes: list[int]) -> tuple[int, ...]:
    found = dict.fromkeys(codes)
    found.pop(0, None)  # unknown
    return tuple(found)


def _doubtful(events: Events, found: dict[int, Contents], state: Int64s) -> Iterator[int]:
    """Those whose order may be known by the time they come; never one without an order id."""
    if not found:
        return
    orders = ((events.kind == int(Kind.ORDER)) & (events.order != 0)).nonzero()[0]
    rows, codes = events.row[orders], events.order[orders]
    known = (state[rows, _CODES] == codes[:, None]).any(axis=1).tolist()
    seen: set[tuple[int, int]] = set()
    for e, before, *order in zip(orders.tolist(), known, rows.tolist(), codes.tolist(), strict=True):
        if e in found and (before or tuple(order) in seen):
            yield e
        seen.add((order[0], order[1]))

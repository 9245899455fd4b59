"""Where each measure lives in a customer's vector.

A customer is one row of int64.  First the *facts* (a function of the set of events, whatever their order), then the
*standing* (what the rules last said, and when), which depends on the order of events because rules have memory.
Knows: slots.  Must not know: how kernels walk them, what features are read from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from profiles import measures as m
from profiles.clock import DAY, HOUR, WEEK, Int64s
from profiles.kinds import Channel, Kind

#: ``time`` is the earliest any message gave the order, ``moved`` how much later the latest was, ``quarters`` the
#: shop's distance from UTC at ``time``: all that is needed to take back what the order added, on the day it did
ORDER_FIELDS: Final = ("code", "time", "moved", "amount", "quantity", "discount", "quarters")
CART_FIELDS: Final = ("code", "added", "gone")
INTEREST_FIELDS: Final = ("code", "month", "counts")
TAGS: Final = 128  #: tag slots; a tag keeps its slot for ever
LADDERS: Final = ("stage", "rfm", "tier")  #: each customer stands on exactly one rung of each


HEADS: Final = {HOUR: "head_hour", DAY: "head_day", WEEK: "head_week"}  #: where the newest tile of each hop is kept


class Tables(NamedTuple):
    """The layout as arrays and numbers, the way the kernels want it."""

    tallies: Int64s  #: rows (slot, merge, gives, channel or -1)
    tiles: Int64s  #: rows (slot, hop, count, gives, slot of the newest tile)
    feeds: Int64s  #: [source, kind]: the tallies that take something from it, closed by -1
    fills: Int64s  #: [source, kind]: the rings that do
    heads: Int64s  #: rows (slot, hop): newest tile of every ring with this hop
    hours: int  #: 24 counters, then 7 for weekdays
    sessions: int  #: newest word, then SESSION_WORDS words
    messages: int
    orders: int
    interests: Int64s  #: rows (slot, entries): category, brand, item
    weights: Int64s  #: interest weight of each kind
    cart: int  #: when an order last emptied it, then entries
    traits: int  #: pairs (time, value)
    step: int  #: pair (time, kind): the latest funnel step
    trail: int  #: pair (time, kind): the latest event that counts as activity
    stay: int  #: first day, then active days and active weeks from there as bits; see ``kernels.census``
    funnel: int  #: kind mask
    active: int  #: kind mask of what counts as activity, in sessions and habits too
    last_order: int  #: pair (time of the last order, the same of orders that are final)
    largest_order: int  #: pair (largest amount of an order, the same of orders that are final)
    facts: int  #: number of slots above; the rest is standing
    as_of: int  #: the moment of the last evaluation
    due: int  #: when silence will next change something
    version: int  #: evaluations so far
    snapshot: int  #: when the next sample is due
    rules: int  #: version of the rules that decided last
    since: int  #: TAGS slots: when a tag that is held was entered, else 0
    ladders: int  #: pairs (rung + 1, since)
    size: int


def mask(kinds: m.Kinds) -> int:
    """Kinds as bits."""
    return sum(1 << kind for kind in kinds)


@dataclass(frozen=True)
class Layout:
    """Names and sizes of all pieces, in order; everything else follows from them."""

    pieces: tuple[tuple[str, int], ...]

    @cached_property
    def start(self) -> dict[str, int]:
        """First slot of each piece."""
        starts, at = {}, 0
        for name, size in self.pieces:
            starts[name], at = at, at + size
        return starts

    @cached_property
    def size(self) -> int:
        return sum(size for _, size in self.pieces)

    @cached_property
    def fingerprint(self) -> int:
        """32 bits that change whenever a piece is added, moved or resized; stored with every profile."""
        return int.from_bytes(blake2b(repr(self.pieces).encode(), digest_size=4).digest(), "little")

    def slots_from(self, older: Layout) -> Int64s:
        """For each slot of ``older``, the slot here that holds the same thing, or -1 if it is gone.

        A piece that changed its size is dropped on purpose: rings of another length mean something else.

        >>> Layout((("a", 1), ("b", 2))).slots_from(Layout((("b", 2), ("c", 1)))).tolist()
        [1, 2, -1]
        """
        out = np.full(older.size, -1, np.int64)
        mine = dict(self.pieces)
        for name, size in older.pieces:
            if mine.get(name) == size:
                out[older.start[name] : older.start[name] + size] = np.arange(size) + self.start[name]
        return out


def _pieces() -> tuple[tuple[str, int], ...]:
    facts = [(tally.name, 1) for tally in m.TALLIES] + [(name, 2) for name in m.BEST_ORDERS]
    facts += [(name, 1) for name in HEADS.values()]
    facts += [(ring.name, ring.count) for ring in m.TILES]
    facts += [("hours", 24 + 7), ("sessions", 1 + m.SESSION_WORDS), ("messages", m.MESSAGES_ROOM)]
    facts += [("orders_kept", m.ORDERS_KEPT * len(ORDER_FIELDS))]
    facts += [(f"interest_{name}", size * len(INTEREST_FIELDS)) for name, size in m.INTERESTS.items()]
    facts += [("cart", 1 + m.CART_KEPT * len(CART_FIELDS))]
    facts += [(f"trait_{name}", 2) for name in m.TRAITS]
    facts += [("step", 2), ("trail", 2), ("stay", 3)]
    standing = [("as_of", 1), ("due", 1), ("version", 1), ("snapshot", 1), ("rules", 1)]
    standing += [("since", TAGS)]
    standing += [(f"ladder_{name}", 2) for name in LADDERS]
    return tuple(facts + standing)


def _fed(measures: Sequence[m.Tally | m.Tiles]) -> Int64s:
    """For each source and kind the numbers of the measures that it feeds, closed by -1."""
    out = np.full((len(m.Source), len(Kind), len(measures) + 1), -1, np.int64)
    for source in m.Source:
        for kind in Kind:
            numbers = [i for i, each in enumerate(measures) if each.source == source and kind in each.of]
            out[source, kind, : len(numbers)] = numbers
    return out


def _tables(layout: Layout) -> Tables:
    at = layout.start
    weights = np.zeros(len(Kind), np.int64)
    for kind, weight in m.INTEREST_WEIGHT.items():
        weights[kind] = weight
    return Tables(
        tallies=np.array(
            [(at[t.name], t.merge, t.gives, -1 if t.channel is None else Channel(t.channel)) for t in m.TALLIES],
            np.int64,
        ),
        tiles=np.array([(at[r.name], r.hop, r.count, r.gives, at[HEADS[r.hop]]) for r in m.TILES], np.int64),
        feeds=_fed(m.TALLIES),
        fills=_fed(m.TILES),
        heads=np.array([(at[name], hop) for hop, name in HEADS.items()], np.int64),
        hours=at["hours"],
        sessions=at["sessions"],
        messages=at["messages"],
        orders=at["orders_kept"],
        interests=np.array([(at[f"interest_{name}"], size) for name, size in m.INTERESTS.items()], np.int64),
        weights=weights,
        cart=at["cart"],
        traits=at[f"trait_{next(iter(m.TRAITS))}"],
        step=at["step"],
        trail=at["trail"],
        stay=at["stay"],
        funnel=mask(frozenset(m.FUNNEL)),
        active=mask(m.ANY),
        last_order=at["last_order"],
        largest_order=at["largest_order"],
        facts=at["as_of"],
        as_of=at["as_of"],
        due=at["due"],
        version=at["version"],
        snapshot=at["snapshot"],
        rules=at["rules"],
        since=at["since"],
        ladders=at[f"ladder_{LADDERS[0]}"],
        size=layout.size,
    )


LAYOUT: Final = Layout(_pieces())
TABLES: Final = _tables(LAYOUT)

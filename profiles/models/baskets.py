"""The basket learner: orders of several things in, rules of pairs out, in bounded memory.

Single products and pairs of them are counted by ``frequent``, and categories the same way.  Most pairs of a large shop are of
rare products and occur once; they would only crowd out the others.  So when more products are known than are ``LISTED``, a
pair is counted if both its products are among the most frequent ones (which they are is looked up every ``LOOK`` orders;
Agrawal and Srikant, Fast algorithms for mining association rules, VLDB 1994: a pair is no more frequent than either
part).  All counts fade by the week of the stream: a season later an order counts half.  The same baskets in the same
order make the same state to the last bit, however they were handed over.
Knows: baskets and their order.  Must not know: Kafka, Redis, names, who publishes.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, combinations, repeat
from operator import mul
from typing import Final

import msgspec
import numpy as np

from profiles.clock import WEEK
from profiles.errors import ModelMismatch
from profiles.models.basket_params import SORTS, Of, Params, Table, rule_of
from profiles.models.frequent import Frequent
from profiles.models.packing import Packed, pack, unpack
from profiles.stable import CODE_BITS
from profiles.wire import Basket

__all__ = ["Memory", "Params", "decode", "encode", "read", "turn", "update", "zero"]

SINGLES: Final = 16_384  #: counters of single things
PAIRS: Final = 32_768  #: counters of pairs
LISTED: Final = 1_024  #: things whose pairs are counted, when more are known
LOOK: Final = 1_000  #: orders
MOST: Final = 50  #: things of one order that are looked at: as many as intake keeps of its lines
FADE: Final = 243 / 256  #: what is left of an order's weight a week later; half after 13
FEWEST: Final = 10.0  #: faded orders behind a rule
EACH: Final = 5  #: best partners of one thing that are published
KEPT: Final = 2_000  #: pairs that are published, of each sort
_FADES: Final = tuple(
    accumulate(repeat(FADE, 520), mul, initial=1.0)
)  #: by weeks; only ever multiplied, so exact alike
_LOW: Final = (1 << CODE_BITS) - 1


@dataclass
class Counts:
    """What is known of one sort of things."""

    singles: Frequent = field(default_factory=lambda: Frequent(SINGLES))
    pairs: Frequent = field(default_factory=lambda: Frequent(PAIRS))
    orders: float = 0.0  #: with at least two things, faded
    looked: int = 0  #: orders since the list was made
    least: float = 0.0  #: weight that put a thing on the list when it was made

    def take(self, codes: Sequence[int], weight: float) -> None:
        """One order."""
        self.orders += weight
        self.singles.add(codes, weight)
        if self.looked == 0:
            self._look()
        self.looked = (self.looked + 1) % LOOK
        known, least = self.singles.counts, self.least
        listed = [code for code in codes if known.get(code, 0.0) >= least]
        self.pairs.add([a << CODE_BITS | b for a, b in combinations(listed, 2)], weight)

    def fade(self, factor: float) -> None:
        """Everything counts less."""
        self.singles.fade(factor)
        self.pairs.fade(factor)
        self.orders *= factor
        self.least *= factor

    def _look(self) -> None:
        known = self.singles.counts
        self.least = heapq.nlargest(LISTED, known.values())[-1] if len(known) > LISTED else 0.0


@dataclass
class Memory:
    """The learner's whole state."""

    item: Counts = field(default_factory=Counts)
    category: Counts = field(default_factory=Counts)
    week: int = 0  #: newest week of the stream
    until: int = 0  #: newest order (ms)
    baskets: int = 0

    def of(self, sort: Of) -> Counts:
        """What is known of products, or of categories."""
        return self.item if sort == "item" else self.category


class _Stored(msgspec.Struct, frozen=True):
    """Counts of one sort as plain data; keys and weights stay in their order, on which sums do not depend."""

    single_keys: Packed
    single_weights: Packed
    pair_first: Packed
    pair_second: Packed
    pair_weights: Packed
    numbers: tuple[float, float, float, float, float, float]
    looked: int


class _State(msgspec.Struct, frozen=True):
    """A memory as plain data."""

    kind: str
    item: _Stored
    category: _Stored
    week: int
    until: int
    baskets: int


KIND: Final = f"baskets 1: {SINGLES} {PAIRS} {LISTED} {FADE}"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_State).decode


def zero() -> Memory:
    """A learner that has seen nothing."""
    return Memory()


def update(memory: Memory, baskets: Sequence[Basket]) -> None:
    """Take baskets in.  The memory changes in place.

    Of one that is larger than ``MOST`` the first things count; a late one counts as much as it would by now.
    """
    for basket in baskets:
        week = basket.at // WEEK
        turn(memory, week)
        weight = _faded(memory.week - week)
        memory.until = max(memory.until, basket.at)
        memory.baskets += 1
        for sort, codes in zip(SORTS, (basket.items, basket.categories), strict=True):
            distinct = sorted(set(codes[:MOST]))
            if len(distinct) > 1:
                memory.of(sort).take(distinct, weight)


def turn(memory: Memory, week: int) -> None:
    """The stream has come to ``week``: what was counted before fades."""
    if week > memory.week:
        if memory.baskets:
            memory.item.fade(_faded(week - memory.week))
            memory.category.fade(_faded(week - memory.week))
        memory.week = week


def read(memory: Memory, version: int) -> Params | None:
    """The counts that make rules, as they stand; None before the first basket."""
    if not memory.baskets:
        return None
    return Params(version, memory.until, memory.baskets, _table(memory.item), _table(memory.category))


def encode(memory: Memory) -> bytes:
    """The whole state; ``decode`` goes on from it to the last bit."""
    item, category = _stored(memory.item), _stored(memory.category)
    return _encode(_State(KIND, item, category, memory.week, memory.until, memory.baskets))


def decode(raw: bytes) -> Memory:
    """Raises ModelMismatch: it is no such state, or of another size; begin with ``zero``."""
    try:
        state = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"this is no state of the basket learner: {error}") from error
    if state.kind != KIND:
        raise ModelMismatch(f"the state is of {state.kind!r}, this code of {KIND!r}: begin anew")
    return Memory(_restored(state.item), _restored(state.category), state.week, state.until, state.baskets)


def _faded(weeks: int) -> float:
    return _FADES[min(weeks, len(_FADES) - 1)]


def _table(counts: Counts) -> Table:
    """The pairs of which a rule holds: of each thing the best partners, in all those that say most."""
    singles, pairs = counts.singles, counts.pairs
    everything = Table(counts.orders, singles.missed, pairs.missed, singles.counts, ())
    partners: dict[int, list[tuple[float, int]]] = {}
    extra: dict[int, tuple[float, float]] = {}
    for key in sorted(key for key, n in pairs.counts.items() if n >= FEWEST):
        a, b, both = key >> CODE_BITS, key & _LOW, pairs.counts[key]
        if a not in singles.counts or b not in singles.counts:
            continue
        for rule in (rule_of(everything, a, b, both), rule_of(everything, b, a, both)):
            if rule.holds:
                partners.setdefault(rule.bought, []).append((rule.usual - rule.at_least, key))
                extra[key] = (-rule.extra, both)
    best = {key for found in partners.values() for _, key in sorted(found)[:EACH]}
    kept = sorted(best, key=lambda key: (extra[key][0], key))[:KEPT]
    told = tuple((key >> CODE_BITS, key & _LOW, extra[key][1]) for key in kept)
    named = {code: singles.counts[code] for a, b, _ in told for code in (a, b)}
    return msgspec.structs.replace(everything, singles=named, pairs=told)


def _stored(counts: Counts) -> _Stored:
    singles, pairs = counts.singles, counts.pairs
    return _Stored(
        single_keys=pack(np.array(list(singles.counts), np.int64)),
        single_weights=pack(np.array(list(singles.counts.values()), np.float64)),
        pair_first=pack(np.array([key >> CODE_BITS for key in pairs.counts], np.int64)),
        pair_second=pack(np.array([key & _LOW for key in pairs.counts], np.int64)),
        pair_weights=pack(np.array(list(pairs.counts.values()), np.float64)),
        numbers=(singles.missed, singles.total, pairs.missed, pairs.total, counts.orders, counts.least),
        looked=counts.looked,
    )


def _restored(stored: _Stored) -> Counts:
    keys = unpack(stored.single_keys, np.int64, ()).tolist()
    weights = unpack(stored.single_weights, np.float64, ()).tolist()
    first, second = (unpack(each, np.int64, ()).tolist() for each in (stored.pair_first, stored.pair_second))
    pair_weights = unpack(stored.pair_weights, np.float64, ()).tolist()
    if len(keys) != len(weights) or not len(first) == len(second) == len(pair_weights):
        raise ModelMismatch("the lists of a stored basket learner are not of the same length: begin anew")
    missed, total, pairs_missed, pairs_total, orders, least = stored.numbers
    pairs = {a << CODE_BITS | b: n for a, b, n in zip(first, second, pair_weights, strict=True)}
    return Counts(
        Frequent(SINGLES, dict(zip(keys, weights, strict=True)), missed, total),
        Frequent(PAIRS, pairs, pairs_missed, pairs_total),
        orders,
        stored.looked,
        least,
    )

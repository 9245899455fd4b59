"""The rules of baskets that are published, and how they read: plain numbers, one version after another.

A rule says of two products (or categories): of the orders of several things that had the one, so many also had the other.
Counts of pairs are at least, counts of single things at most what is true, so confidence and lift are never overstated;
a rule holds only if the lower end of its confidence (Wilson, E. B., 1927, at three standard deviations, because many pairs
are looked at) is above how often the other is bought anyway.
Knows: faded counts, codes, formulas.  Must not know: how pairs were counted, names.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, sqrt
from typing import Final, Literal

import msgspec

from profiles.errors import ModelMismatch

Of = Literal["item", "category"]
SORTS: Final[tuple[Of, ...]] = ("item", "category")
SURE: Final = 3.0  #: standard deviations


class Table(msgspec.Struct, frozen=True):
    """What was counted of products, or of categories; orders count less every week."""

    orders: float  #: that held at least two of them
    missed_singles: float  #: by how much a count of single things may be too low
    missed_pairs: float  #: by how much a count of pairs may be too low, of things that were often bought all along
    singles: dict[int, float]  #: code -> orders, for everything in a pair
    pairs: tuple[tuple[int, int, float], ...]  #: codes, orders that held both

    def most(self, code: int) -> float:
        """No more orders held it."""
        return min(self.singles[code] + self.missed_singles, self.orders)


class Params(msgspec.Struct, frozen=True):
    """A version of the counts; never changed once published.  JSON both ways is exact."""

    version: int
    until: int  #: newest order (ms)
    baskets: int  #: orders that were ever taken in
    item: Table
    category: Table


class Rule(msgspec.Struct, frozen=True):
    """Who bought the one also bought the other, in the same order."""

    bought: int
    also: int
    orders: float  #: with both, faded
    support: float  #: their share of all orders of several things
    confidence: float  #: their share of the orders with ``bought``
    at_least: float  #: the lower end of that
    usual: float  #: share of ``also`` in all orders of several things
    lift: float  #: confidence over usual
    extra: float  #: share of all orders that has both beyond what chance would put together

    @property
    def holds(self) -> bool:
        """Whether it is more than chance."""
        return self.at_least > self.usual


encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Params).decode


def decode(raw: bytes | str) -> Params:
    """Published counts, if they fit this code.

    Raises:
        ModelMismatch: they are none, or damaged; keep the last good ones.
    """
    try:
        params = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"these are no baskets: {error}") from error
    for table in (params.item, params.category):
        numbers = [table.orders, table.missed_singles, table.missed_pairs, *table.singles.values()]
        whole = all(isfinite(n) and n >= 0 for n in [*numbers, *(both for _, _, both in table.pairs)])
        if not whole or any(a not in table.singles or b not in table.singles for a, b, _ in table.pairs):
            raise ModelMismatch(f"baskets {params.version} are damaged: a count is missing or no number")
    return params


def table_of(params: Params, of: Of) -> Table:
    """The counts of products or of categories."""
    return params.item if of == "item" else params.category


def rules(table: Table) -> Iterator[Rule]:
    """Every rule that holds, in both directions where both do.

    >>> table = Table(100.0, 0.0, 0.0, {1: 40.0, 2: 30.0, 3: 60.0}, ((1, 2, 28.0), (1, 3, 24.0)))
    >>> [(rule.bought, rule.also, rule.confidence, round(rule.lift, 2)) for rule in rules(table)]
    [(1, 2, 0.7, 2.33), (2, 1, 0.9333333333333333, 2.33)]
    """
    for a, b, both in table.pairs:
        for rule in (rule_of(table, a, b, both), rule_of(table, b, a, both)):
            if rule.holds:
                yield rule


def rule_of(table: Table, bought: int, also: int, both: float) -> Rule:
    """Both counts as a rule, whether or not it holds."""
    ours, usual = table.most(bought), table.most(also) / table.orders
    confidence = min(both / ours, 1.0)
    extra = both / table.orders - ours / table.orders * usual
    at_least = lower_end(confidence, ours)
    return Rule(bought, also, both, both / table.orders, confidence, at_least, usual, confidence / usual, extra)


def lower_end(share: float, n: float) -> float:
    """No smaller is the true share, if ``share`` was seen of ``n`` (Wilson's interval).

    Faded orders count as fewer than they were, so this errs on the safe side.

    >>> round(lower_end(0.5, 100), 3), round(lower_end(0.5, 10), 3)
    (0.356, 0.156)
    """
    z = SURE * SURE / n
    return max((share + z / 2 - sqrt(z * (share * (1 - share) + z / 4))) / (1 + z), 0.0)

"""What is stored about customers, some at a time, each as it is at one moment.

Knows: how many are asked for at once, who is chosen when only some are.  Must not know: what is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from profiles.stable import code_of
from profiles.store.pins import Pin, Pins
from streams.evidence.rulers import KnownRulers

CHUNK = 200  #: customers of one pin


class Pinned:
    """Pins of one store."""

    def __init__(self, pins: Pins, rulers: KnownRulers, buckets: int) -> None:
        self._pins = pins
        self._rulers = rulers
        self._buckets = buckets

    async def roster(self, bucket: int) -> set[str]:
        """Everybody a bucket has."""
        return await self._pins.roster(bucket)

    async def of(self, bucket: int, names: Sequence[str]) -> list[Pin]:
        """Of these customers of one bucket, at least one pin."""
        return [await self._pins.pin(bucket, names[at:to], self._rulers.tags()) for at, to in _cuts(len(names))]

    def sampled(self, names: Iterable[str], most: int | None) -> list[str]:
        """All of them in order, or a bucket's share of ``most`` of all customers, by the hash of their names."""
        if most is None:
            return sorted(names)
        return sorted(names, key=code_of)[: -(-most // self._buckets)]


def without(pin: Pin, customers: frozenset[str]) -> Pin:
    """The same, but for some customers."""
    return replace(pin, customers={name: found for name, found in pin.customers.items() if name not in customers})


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    """Pieces of CHUNK; one empty piece if there is nothing, for the checkpoint's sake."""
    return pairwise([*range(0, max(length, 1), CHUNK), max(length, 0)])

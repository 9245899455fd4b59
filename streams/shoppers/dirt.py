"""A small, exact share of dirt, so that a summary has something to account for.

Duplicates are the same bytes again, a little later; broken records come on top and replace nothing.
Knows: which faults a record can have.
Must not know: acts, plans, time zones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.shoppers.batch import BEHAVIOR, ORDERS, Batch, Totals

LATER: Final = 200  #: a duplicate follows its original after at most this many records
TOO_LONG: Final = 40_000  #: characters of text; events may have 32 KiB


@dataclass(frozen=True)
class Dirt:
    """How much of it: shares of the valid records."""

    duplicates: float = 0.0005
    broken: float = 0.0001


CLEAN: Final = Dirt(0.0, 0.0)


def soil(rng: np.random.Generator, batch: Batch, dirt: Dirt, totals: Totals) -> None:
    """Put duplicates and broken records into a batch of valid ones, and count them."""
    valid = len(batch)
    again = rng.integers(valid, size=rng.binomial(valid, dirt.duplicates))
    later = np.minimum(again + 1 + rng.integers(LATER, size=len(again)), valid)
    broken = rng.integers(valid, size=rng.binomial(valid, dirt.broken))
    inserts = [
        (int(at), batch.topics[i], batch.keys[i], batch.values[i])
        for at, i in zip(later.tolist(), again.tolist(), strict=True)
    ]
    for number, place in enumerate(broken.tolist(), totals.broken):
        topic, value = FAULTS[number % len(FAULTS)](batch.values[place], number)
        inserts.append((place, topic, batch.keys[place], value))
    for place, topic, key, value in sorted(inserts, key=lambda insert: insert[0], reverse=True):
        batch.insert(place, topic, key, value)
    totals.duplicates += len(again)
    totals.broken += len(broken)


def _cut_off(value: bytes, number: int) -> tuple[str, bytes]:
    return BEHAVIOR, value[: len(value) // 2 - number % 7]


def _nobody(value: bytes, number: int) -> tuple[str, bytes]:
    at = _between(value, b'"timestamp":"', b'"')
    return BEHAVIOR, b'{"type":"track","event":"Product Viewed","messageId":"nobody-%d","timestamp":"%s"}' % (
        number,
        at,
    )


def _negative(value: bytes, number: int) -> tuple[str, bytes]:
    who, at = _between(value, b'"userId":"', b'"'), _between(value, b'"timestamp":"', b'"')
    return ORDERS, (
        b'{"type":"track","event":"Order Completed","userId":"%s","messageId":"negative-%d","timestamp":"%s",'
        b'"properties":{"order_id":"negative-%d","revenue":-12.50,"currency":"USD"}}' % (who, number, at, number)
    )


def _endless(value: bytes, number: int) -> tuple[str, bytes]:
    who, at = _between(value, b'"userId":"', b'"'), _between(value, b'"timestamp":"', b'"')
    return BEHAVIOR, (
        b'{"type":"track","event":"Complaint Filed","userId":"%s","messageId":"endless-%d","timestamp":"%s",'
        b'"properties":{"text":"%s"}}' % (who, number, at, b"!" * TOO_LONG)
    )


def _between(value: bytes, before: bytes, after: bytes) -> bytes:
    return value.split(before, 1)[1].split(after, 1)[0]


Fault = Callable[[bytes, int], tuple[str, bytes]]
FAULTS: Final[tuple[Fault, ...]] = (_cut_off, _nobody, _negative, _endless)

"""A shop for the learner: orders that somebody made at their own pace until they were gone, sampled by the real kernels."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from profiles.clock import DAY, WEEK
from profiles.models.churn import Batch
from streams.backtest import Orders, sampled

START: Final = 2_800 * WEEK
HORIZON: Final = 28


def orders(customers: int, weeks: int, seed: int, stay: float = 0.9) -> Orders:
    """Each customer has a rhythm; after any order they are gone for good with probability 1 - ``stay``."""
    rng = np.random.default_rng(seed)
    who, at = [], []
    for customer in range(customers):
        rhythm, moment = rng.gamma(2.0, 6.0) + 1.0, rng.uniform(0, 7 * weeks / 3)
        while moment < 7 * weeks:
            who.append(customer)
            at.append(START + int(moment * DAY))
            if rng.random() > stay:
                break
            moment += rng.exponential(rhythm)
    n = len(who)
    cents = rng.integers(500, 20_000, n)
    return Orders([f"c{i}" for i in range(customers)], np.array(who), np.array(at), cents, np.arange(1, n + 1))


@lru_cache(maxsize=8)
def samples(customers: int = 300, weeks: int = 40, seed: int = 3, stay: float = 0.9) -> Batch:
    """Their weekly samples, in the order of time."""
    found = sampled(orders(customers, weeks, seed, stay), lambda _step, _share: None)
    return found.part(np.lexsort((found.codes, found.at)))

"""A seeded shop of three customers who do everything a customer can do; some of it arrives late.

The same numbers in every process: what the laws compare between processes starts here.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from profiles.clock import DAY
from profiles.intake import Event
from profiles.kinds import Channel, Kind
from profiles.stable import code_of
from tests.laws.lives import END, keyed

PEOPLE: Final = ("hh-1", "hh-2", "张伟")


def life(seed: int, count: int) -> list[Event]:
    """``count`` events in the order in which they arrive; every kind and every attribute occurs."""
    rng = np.random.default_rng(seed)
    moments = END - 60 * DAY + np.cumsum(rng.exponential(60 * DAY / count, count)).astype(np.int64)
    moments -= (rng.random(count) < 0.2) * rng.integers(0, 9 * DAY, count)  # some come late
    return keyed(
        Event(
            PEOPLE[int(rng.integers(len(PEOPLE)))], Kind(kind), moment,
            amount=int(rng.integers(1, 10**5)) if kind == Kind.ORDER else 0,
            quantity=int(rng.integers(0, 5)), discount=int(rng.integers(0, 2)) * 100, rating=int(rng.integers(0, 6)),
            channel=Channel(int(rng.integers(len(Channel)))),
            order=code_of(f"order-{i % 7}") if kind == Kind.ORDER else 0,
            lines=tuple((code_of(f"c{n}"), code_of(f"b{n}"), code_of(f"i{n}")) for n in rng.integers(0, 20, 2)),
            traits=((int(rng.integers(3)), int(rng.integers(90))),),
        )
        for i, (kind, moment) in enumerate(zip(rng.choice([*Kind, Kind.ORDER, Kind.VIEW], count).tolist(),
                                               moments.tolist(), strict=True))
    )  # fmt: skip

"""One small shop, lived through; prints a digest of every profile and message.  Run by ``test_twin`` without a compiler.

    NUMBA_DISABLE_JIT=1 python -m tests.laws.twin
"""

from __future__ import annotations

import sys
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from profiles.clock import DAY, HOUR, zone
from profiles.codec import from_blobs, to_blobs
from profiles.intake import Event
from profiles.kinds import Channel, Kind
from profiles.stable import code_of
from tests.laws.lives import END, keyed, merged
from tests.laws.machine import Apply, Machine, Read
from tests.laws.test_batches import PEOPLE


def life(seed: int, count: int) -> list[Event]:
    """Seeded, so that two processes live the same; every kind and every attribute occurs."""
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


def digest(seed: int = 3, count: int = 60) -> str:
    """What a shop comes to: rows, timelines, messages, and one customer merged into another."""
    log = life(seed, count)
    shop = Machine([[*log, replace(log[0])]], zone("America/New_York"))
    for _ in range(0, count, 20):
        shop.run([Read(0, 20), Apply(0, 9)])
    shop.silence(END + 8 * HOUR)
    shop.silence(END + 100 * DAY)
    told = [repr(shop.told(who)) for who in PEOPLE]
    rows = from_blobs(list(shop.bucket(0).blobs.values()), {})
    merge = to_blobs(merged(*rows).reshape(1, -1))[0].hex()
    return blake2b("\n".join([*told, merge, repr(shop.totals())]).encode(), digest_size=16).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest())

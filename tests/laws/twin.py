"""One small shop, lived through; prints a digest of every profile and message.  Run by ``test_twin`` without a compiler.

NUMBA_DISABLE_JIT=1 python -m tests.laws.twin
"""

from __future__ import annotations

import sys
from hashlib import blake2b

from msgspec.structs import replace

from profiles.clock import DAY, HOUR, zone
from profiles.codec import from_blobs, to_blobs
from tests.laws.lives import END, merged
from tests.laws.machine import Apply, Machine, Read
from tests.laws.shop import PEOPLE, life


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

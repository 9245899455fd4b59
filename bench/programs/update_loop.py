"""The update path over and over, to be looked at by a profiler.  Arguments: redis, seconds, customers."""

from __future__ import annotations

import asyncio
import sys
import time

from bench.data import Events, Shop
from bench.fold import UpdatePath
from bench.update import fill
from profiles.clock import DAY, system_clock

EVENTS = 20_000


async def main(redis: str, seconds: float, customers: int) -> None:
    path, now = UpdatePath(redis, system_clock), system_clock()
    await path.open()
    await fill(path, customers, now)
    spent, number = 0.0, 0
    while spent < seconds:
        await path.intake(path.records(Events(Shop(customers, now + number * DAY, DAY, seed=number), EVENTS)))
        begun = time.perf_counter()
        await path.update()
        spent += time.perf_counter() - begun
        await path.relayed()
        number += 1


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))

"""The update path over and over, live, to be looked at by a profiler.  Arguments: redis, seconds, customers."""

from __future__ import annotations

import asyncio
import sys
import time

from bench.data import LIVE, Events, live
from bench.filling import fill, models
from bench.fold import UpdatePath
from bench.update import noon
from profiles.clock import SECOND, ManualClock, system_clock

EVENTS = 20_000


async def main(redis: str, seconds: float, customers: int) -> None:
    clock = ManualClock(noon(system_clock()))
    copies, path = await models(clock()), UpdatePath(redis, clock)
    await path.open()
    await fill(path, customers, copies)
    spent, number = 0.0, 0
    while spent < seconds:
        await path.sweep()
        clock.advance(EVENTS * SECOND // LIVE)
        await path.intake(path.records(Events(live(customers, clock(), EVENTS, seed=number), EVENTS)))
        begun = time.perf_counter()
        await path.update()
        spent += time.perf_counter() - begun
        await path.relayed()
        number += 1


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))

"""The update path in one process with a real Valkey and no Kafka: gather, load, fold, decide, commit.

Knows: which customers and caches to try.  Must not know: how an update is made (``fold``).
Events are 90 days of a shop.  Each case runs the same records twice in a row on the same store: first as a worker that
has just started (cold), then more events of the same customers (warm).  Stores of many customers are filled with copies
of profiles that 90 days of events have made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Final

from bench.data import Events, Shop, Skew, journey
from bench.fold import Counted, UpdatePath
from bench.options import Options
from bench.progress import Progress, say
from bench.report import Part, Table, middle, spread
from bench.servers import place
from bench.watch import Run, Stuck
from profiles.clock import DAY, system_clock
from streams.shoppers.batch import Batch

TITLE: Final = "The update path"
MODELS: Final = 2000  #: customers whose profiles are copied into large stores
EVENTS_EACH: Final = 20  #: events that made each of them


@dataclass(frozen=True)
class Case:
    """A shop to measure with."""

    name: str
    title: str
    customers: int
    skew: Skew = "uniform"


CASES: Final = (
    Case("uniform_10k", "10 000 customers, evenly", 10_000),
    Case("uniform_100k", "100 000 customers, evenly", 100_000),
    Case("uniform_1m", "1 000 000 customers, evenly", 1_000_000),
    Case("zipf_100k", "100 000 customers, Zipf 1.1", 100_000, "zipf"),
    Case("busy", "1 000 busy ones of 100 000", 100_000, "busy"),
)
QUICK: Final = (
    Case("uniform_10k", "5 000 customers, evenly", 5_000),
    Case("uniform_100k", "20 000 customers, evenly", 20_000),
    Case("busy", "1 000 busy ones of 20 000", 20_000, "busy"),
)
JOURNEY: Final = Case("journey", "Complete Journey, in the order of its year", 2469)


@dataclass
class Costs:
    """Runs of one case."""

    intake: list[float]
    cold: list[float]
    warm: list[float]
    wall: list[float]
    valkey: list[float]


def run(options: Options) -> Part:
    """Every case, some runs each."""
    part, events = Part("update", TITLE), options.size(50_000, 20_000)
    table = Table(
        f"{events:,} events a run, up to 2 000 profiles a commit; CPU µs an event",
        ["customers", "intake", "update, cold", "update, warm", "least to most, warm", "update, events/s per core",
         "intake + update, events/s per core", "update, events/s by the clock", "Valkey µs/event"],
        note="Cold: the writer of the bucket has just started. Warm: it has written the same customers before.",
    )  # fmt: skip
    for case in (*(QUICK if options.quick else CASES), JOURNEY):
        costs = asyncio.run(_case(case, events, options.runs))
        row = _row(case, costs)
        table.rows.append(row)
        part.figures[f"update.{case.name}"] = 1e6 / middle(costs.warm)
        part.figures[f"update.{case.name}_with_intake"] = 1e6 / (middle(costs.warm) + middle(costs.intake))
        say(f"    {case.title:42} {middle(costs.cold):6.1f} cold {middle(costs.warm):6.1f} warm µs/event")
    part.tables = [table, asyncio.run(_batches(options))]
    return part


def _row(case: Case, costs: Costs) -> list[str | float | int | None]:
    warm, intake = middle(costs.warm), middle(costs.intake)
    return [
        case.title, intake, middle(costs.cold), warm, spread(costs.warm), 1e6 / warm, 1e6 / (warm + intake),
        1e6 / middle(costs.wall), middle(costs.valkey),
    ]  # fmt: skip


async def _case(case: Case, events: int, runs: int) -> Costs:
    """One Valkey and one filled store; each run goes on where the last one ended."""
    costs, now = Costs([], [], [], [], []), system_clock()
    with place() as here:
        redis = here.valkey(durable=True)
        path = UpdatePath(redis, system_clock, "USD" if case is JOURNEY else "CNY")
        await path.open()
        if case is not JOURNEY:
            await fill(path, case.customers, now)
        for number in range(runs):
            for warm in (False, True):
                if not warm:
                    path.chill()
                runs_ = path.records(_records(case, events, now, 2 * number + warm))
                intake, _ = await timed(path, path.intake(runs_), events)
                update, valkey = await timed(path, path.update(), events)
                await path.relayed()
                costs.intake.append(intake.micros)
                (costs.warm if warm else costs.cold).append(update.micros)
                if warm:
                    costs.wall.append(update.seconds / events * 1e6)
                    costs.valkey.append(valkey / events * 1e6)
        await path.close()
    return costs


def _records(case: Case, events: int, now: int, number: int) -> Iterable[Batch]:
    """The next events of a case; their time goes on from run to run."""
    if case is JOURNEY:
        return _next_of_journey(events, now, number)
    return Events(Shop(case.customers, now + number * DAY, DAY, case.skew, seed=100 + number), events)


def _next_of_journey(events: int, now: int, number: int) -> Iterable[Batch]:
    """About ``events`` records from the year; every run another stretch of it."""
    skip, found = number * events, 0
    for batch in journey(now, "Asia/Shanghai"):
        found += len(batch)
        if found > skip:
            part = batch.part(max(0, len(batch) - (found - skip)), len(batch) - max(0, found - skip - events))
            yield part
        if found >= skip + events:
            return


async def timed(path: UpdatePath, work: Awaitable[Counted | None], events: int) -> tuple[Run, float]:
    """CPU seconds of this process and of Valkey, and the wall's, while ``work`` is done.

    Raises:
        Stuck: an update did not apply all the events.
    """
    valkey, wall, cpu = await _valkey_cpu(path), time.perf_counter(), time.process_time()
    counted = await work
    done = Run(events, time.perf_counter() - wall, time.process_time() - cpu)
    if counted is not None and counted.applied + counted.duplicates + counted.dead != events:
        raise Stuck(f"{counted} is not what {events:,} events should come to")
    return done, await _valkey_cpu(path) - valkey


async def _valkey_cpu(path: UpdatePath) -> float:
    told = await path.client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


async def fill(path: UpdatePath, customers: int, now: int) -> None:
    """A store of so many customers, each with a profile that many days of events have made."""
    models = min(MODELS, customers // 10)
    history = Shop(models, now - DAY, 90 * DAY, prefix="m")
    await path.intake(path.records(Events(history, models * EVENTS_EACH)))
    await path.update()
    await path.relayed()
    copies, shop = await path.profiles(models), Shop(customers, now, DAY)
    with Progress("filling the store", customers) as bar:
        for start in range(0, customers, 50_000):
            await path.fill((shop.name(n) for n in range(start, min(start + 50_000, customers))), copies)
            bar.at(start)


async def filled(redis: str, customers: int) -> None:
    """Fill the store at an address, for who measures something else on it."""
    path = UpdatePath(redis, system_clock)
    await path.open()
    await fill(path, customers, system_clock())
    await path.close()


async def _batches(options: Options) -> Table:
    """How the cost of an event depends on how many come at once."""
    events, now = options.size(40_000, 8_000), system_clock()
    table = Table("100 000 customers, evenly, by how many events one fetch brings", ["events a fetch", "CPU µs/event"])
    with place() as here:
        path = UpdatePath(here.valkey(), system_clock)
        await path.open()
        await fill(path, options.size(100_000, 20_000), now)
        for number, (records, label) in enumerate(((1, "125"), (4, "500"), (16, "2 000"), (64, "8 000"))):
            shop = Shop(options.size(100_000, 20_000), now + number * DAY, DAY, seed=200 + number)
            await path.intake(path.records(Events(shop, events)))
            update, _ = await timed(path, path.update(records), events)
            await path.relayed()
            table.rows.append([label, update.micros])
        await path.close()
    return table

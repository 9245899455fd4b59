"""The update path in one process with a real Valkey and no Kafka: gather, load, fold, decide, commit.

Knows: which customers, caches and times to try.  Must not know: how an update is made (``fold``).
There are two kinds of time.  Live: events come as fast as a busy shop makes them, and before every run everything that
is due has been swept, as a worker does twice a second; so an event pays for itself alone.  Behind: a run brings a whole
day or more at once, and silences that fell due meanwhile are decided before the event that finds them.
Each case runs twice in a row on the same store: first as a worker that has just started (cold), then more events of the
same customers (warm).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.data import DAY, LIVE, Events, Shop, Skew, journey, live
from bench.filling import Models, fill, models
from bench.fold import BUCKETS, Counted, UpdatePath
from bench.options import Options
from bench.progress import say
from bench.report import Cell, Part, Table, figure, middle, spread
from bench.servers import place
from bench.watch import Run, Stuck
from profiles.clock import HOUR, MINUTE, SECOND, ManualClock, Millis, system_clock
from streams.intake import STRETCH
from streams.shoppers.batch import Batch

TITLE: Final = "The update path"
FETCHES: Final = (1, 4, 16, 40)  #: records of profile-inputs that one fetch brings


@dataclass(frozen=True)
class Case:
    """A shop to measure with."""

    name: str
    title: str
    customers: int
    skew: Skew = "uniform"
    behind: bool = False


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
    Case("zipf_100k", "20 000 customers, Zipf 1.1", 20_000, "zipf"),
    Case("busy", "1 000 busy ones of 20 000", 20_000, "busy"),
)
BACKLOG: Final = Case("backlog", "100 000 customers, evenly, one day", 100_000, behind=True)
QUICK_BACKLOG: Final = Case("backlog", "20 000 customers, evenly, one day", 20_000, behind=True)
JOURNEY: Final = Case("journey", "Complete Journey, in the order of its year", 2469, behind=True)

COLUMNS: Final = [
    "customers", "intake (CPU µs/event)", "update, cold (CPU µs/event)", "update, warm (CPU µs/event)",
    "warm, least to most", "update, events/s per core", "intake + update, events/s per core",
    "update, events/s by the clock", "Valkey (CPU µs/event)", "silences decided per event", "told per event",
]  # fmt: skip
NOTE_LIVE: Final = (
    "Cold: the writer of the bucket has just started. Warm: it has written the same customers before. What was due when "
    "a run began had been swept; that is not in the numbers. Told: transitions and samples."
)
NOTE_BEHIND: Final = (
    "As after an outage: what was due when a day began had been swept, nothing is swept within the day, so an event may "
    "find silences that are still to be decided. The Complete Journey is a history, some 3 400 events a day, and nothing "
    "of it was ever swept."
)


@dataclass
class Costs:
    """Runs of one case; µs an event, and numbers an event."""

    intake: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    valkey: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)


def run(options: Options) -> Part:
    """Every case, some runs each."""
    part, events, begin = Part("update", TITLE), options.size(30_000, 15_000), noon(system_clock())
    copies = asyncio.run(models(begin))
    told = f"{events:,} events a run, up to 2 000 profiles a commit"
    now = Table(f"Live, {LIVE:,} events/s of the shop's time: {told}", COLUMNS, note=NOTE_LIVE)
    behind = Table(f"Behind: {told}", COLUMNS, note=NOTE_BEHIND)
    for case in (*options.size(CASES, QUICK), options.size(BACKLOG, QUICK_BACKLOG), JOURNEY):
        runs = min(options.runs, 2) if case.behind else options.runs
        costs = asyncio.run(_case(case, events, runs, begin, copies))
        (behind if case.behind else now).rows.append(_row(case, costs))
        both = [warm + intake for warm, intake in zip(costs.warm, costs.intake, strict=True)]
        part.figures[f"update.{case.name}"] = figure((1e6 / micros for micros in costs.warm), "events/s per core")
        part.figures[f"update.{case.name}_with_intake"] = figure((1e6 / each for each in both), "events/s per core")
        say(f"    {case.title:42} {middle(costs.cold):6.1f} cold {middle(costs.warm):6.1f} warm µs/event")
    part.tables = [now, behind, asyncio.run(_batches(options, begin, copies))]
    return part


def noon(now: Millis) -> Millis:
    """Ten past noon of yesterday in the shop's zone: no hour or day ends during a live run, so runs are alike."""
    return now // DAY * DAY - DAY + 4 * HOUR + 10 * MINUTE


def _row(case: Case, costs: Costs) -> list[Cell]:
    warm, intake = middle(costs.warm), middle(costs.intake)
    return [
        case.title, intake, middle(costs.cold), warm, spread(costs.warm), 1e6 / warm, 1e6 / (warm + intake),
        1e6 / middle(costs.wall), middle(costs.valkey), middle(costs.ticks), middle(costs.told),
    ]  # fmt: skip


async def _case(case: Case, events: int, runs: int, begin: Millis, copies: Models) -> Costs:
    """One Valkey and one filled store; each run goes on where the last one ended."""
    costs, clock = Costs(), ManualClock(begin)
    with place() as here:
        path = UpdatePath(here.valkey(durable=True), clock, "USD" if case is JOURNEY else "CNY")
        await path.open()
        if case is not JOURNEY:
            await fill(path, case.customers, copies)
        for number in range(2 * runs):
            if case is not JOURNEY:
                await path.sweep()
            if number % 2 == 0:
                path.chill()
            await _once(path, _records(case, events, clock, number), events, costs, warm=number % 2 == 1)
        await path.close()
    return costs


async def _once(path: UpdatePath, records: Iterable[Batch], events: int, costs: Costs, *, warm: bool) -> None:
    """Intake and update of these events; only the warm ones say more than how much CPU an update took."""
    runs = path.records(records)
    intake, _, _ = await timed(path, path.intake(runs), events)
    update, counted, valkey = await timed(path, path.update(), events)
    await path.relayed()
    (costs.warm if warm else costs.cold).append(update.micros)
    if warm and counted is not None:
        costs.intake.append(intake.micros)
        costs.wall.append(update.seconds / events * 1e6)
        costs.valkey.append(valkey / events * 1e6)
        costs.ticks.append(counted.ticks / events)
        costs.told.append(counted.told / events)


def _records(case: Case, events: int, clock: ManualClock, number: int) -> Iterable[Batch]:
    """The next events of a case; the shop's time goes on from run to run."""
    if case is JOURNEY:
        return _next_of_journey(events, clock(), number)
    span = DAY if case.behind else events * SECOND // LIVE
    clock.advance(span)
    return Events(Shop(case.customers, clock(), span, case.skew, seed=100 + number), events)


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


async def timed(path: UpdatePath, work: Awaitable[Counted | None], events: int) -> tuple[Run, Counted | None, float]:
    """CPU seconds of this process and of Valkey, and the wall's, while ``work`` is done, and what it came to.

    Raises:
        Stuck: an update did not apply all the events.
    """
    valkey, wall, cpu = await _valkey_cpu(path), time.perf_counter(), time.process_time()
    counted = await work
    done = Run(events, time.perf_counter() - wall, time.process_time() - cpu)
    if counted is not None and counted.applied + counted.duplicates + counted.dead != events:
        raise Stuck(f"{counted} is not what {events:,} events should come to")
    return done, counted, await _valkey_cpu(path) - valkey


async def _valkey_cpu(path: UpdatePath) -> float:
    told = await path.client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


async def _batches(options: Options, begin: Millis, copies: Models) -> Table:
    """How the cost of an event depends on how many come at once."""
    customers, events, clock = options.size(100_000, 20_000), options.size(40_000, 16_000), ManualClock(begin)
    table = Table(f"Live, {customers:,} customers, evenly, by how many events of a bucket one fetch brings",
                  ["events a fetch", "CPU µs/event"])  # fmt: skip
    with place() as here:
        path = UpdatePath(here.valkey(), clock)
        await path.open()
        await fill(path, customers, copies)
        for number, records in enumerate(FETCHES):
            at_once = records * STRETCH // BUCKETS
            if at_once * BUCKETS > events:
                continue
            await path.sweep()
            clock.advance(events * SECOND // LIVE)
            shop = live(customers, clock(), events, seed=200 + number)
            await path.intake(path.records(Events(shop, events)))
            update, _, _ = await timed(path, path.update(records), events)
            await path.relayed()
            table.rows.append([at_once, update.micros])
        await path.close()
    return table

"""Bytes: what a customer costs in Redis, kind of key by kind of key, and what a worker takes while it works on.

Knows: keys by their kind, processes.  Must not know: what is in a value.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from bench.backlog import Log
from bench.data import Events, Shop, journey
from bench.fold import UpdatePath
from bench.options import Options
from bench.preload import put
from bench.progress import say
from bench.report import Part, Table, figure
from bench.servers import APACHE, Missing, brokers, place, stack
from bench.watch import Stuck, processes_of, rss_of
from profiles.clock import DAY, system_clock
from streams.shoppers.batch import Batch

TITLE: Final = "Bytes"
SAMPLED: Final = 3000  #: keys of a kind that are weighed
KINDS: Final = {"p": "profile", "x": "traits in words", "t": "timeline", "due": "due times", "tag": "tag members"}
SMALL: Final = "checkpoint, counts, outbox"


def run(options: Options) -> Part:
    """Redis first, then the worker."""
    part = Part("memory", TITLE)
    customers = options.size(10_000, 2_000)
    typical = Shop(customers, system_clock(), 90 * DAY)
    shops = (
        ("typical", f"{customers:,} customers, 10 events each in 90 days", Events(typical, customers * 10), "CNY"),
        ("active", f"{customers // 10:,} customers, 100 events each", Events(
            Shop(customers // 10, system_clock(), 90 * DAY), customers * 10), "CNY"),
        ("journey", "Complete Journey, a year, some 500 events each", journey(
            system_clock(), "Asia/Shanghai", options.size(300, 60)), "USD"),
    )  # fmt: skip
    table = Table(
        "Redis bytes a customer", ["customers", *KINDS.values(), SMALL, "all keys", "used_memory ÷ customers"]
    )
    for name, title, events, currency in shops:
        row, whole = asyncio.run(_weigh(events, currency))
        table.rows.append([title, *row])
        part.figures[f"memory.{name}"] = figure([whole], "bytes per customer")
        say(f"    {title}: {whole:.0f} bytes a customer")
    part.tables = [table, _worker(options, part)]
    return part


async def _weigh(events: Iterable[Batch], currency: str) -> tuple[list[float], float]:
    """Apply the events to an empty Valkey, then weigh it."""
    with place() as here:
        path = UpdatePath(here.valkey(durable=False), system_clock, currency)
        await path.open()
        empty = int((await path.client.info("memory"))["used_memory"])
        await path.intake(path.records(events))
        await path.update()
        await path.relayed()
        used = int((await path.client.info("memory"))["used_memory"]) - empty
        kinds, customers = await _by_kind(path.client), await path.customers()
        await path.close()
    weights = [kinds.pop(kind, 0.0) / customers for kind in KINDS]
    rest = sum(kinds.values()) / customers
    return [*weights, rest, sum(weights) + rest, used / customers], sum(weights) + rest


async def _by_kind(client: Any) -> dict[str, float]:
    """Bytes of all keys of each kind, by MEMORY USAGE; of a kind with many keys a sample is weighed."""
    names: defaultdict[str, list[bytes]] = defaultdict(list)
    async for name in client.scan_iter("{*", count=5000):
        names[name.decode().partition(":")[2].partition(":")[0]].append(name)
    found = {}
    for kind, keys in names.items():
        chosen = keys[:: max(1, len(keys) // SAMPLED)]
        pipeline = client.pipeline(transaction=False)
        for key in chosen:
            pipeline.memory_usage(key, samples=0)
        found[kind] = sum(await pipeline.execute()) / len(chosen) * len(keys)
    return found


def _worker(options: Options, part: Part) -> Table:
    """A worker's resident memory while millions of events pass through it, as far as the time allows."""
    total, seconds = options.size(10_000_000, 150_000), 7200.0 if options.long else options.size(90.0, 25.0)
    kinds, missing = brokers(options.brokers)
    part.notes += missing
    kind = APACHE if APACHE in kinds else kinds[0]
    every = total // 20
    table = Table(f"Memory of one worker on {kind}, 100 000 known customers", ["events", "resident MiB", "seconds"])
    log = Log.new(100_000, total)
    with stack(kind) as here:
        log.fill(here.settings.redis)
        child = here.worker()
        looks = asyncio.run(_looks(here, child.pid, Events(log.shop, total), total, every, seconds))
    table.rows = [[events_, mib, at] for events_, mib, at in looks]
    if len(looks) > 3:
        quarter = looks[len(looks) // 4]
        part.figures["memory.worker"] = figure([looks[-1][1]], "MiB")
        growth = (looks[-1][1] - quarter[1]) / max(looks[-1][0] - quarter[0], 1) * 1e6
        part.figures["memory.worker_growth"] = figure([growth], "MiB per million events")
        table.note = f"After the first quarter it grew by {growth:.1f} MiB a million events."
    if looks and looks[-1][0] < total:
        part.notes.append(
            f"the worker was watched for {seconds:.0f} s: {looks[-1][0]:,} of {total:,} events; `--long` waits"
        )
    return table


async def _looks(
    here: Any, pid: int | None, events: Iterable[Batch], total: int, every: int, seconds: float
) -> list[tuple[int, float, float]]:
    """(events, MiB, seconds) at every so many events, while a sender stays just ahead of the worker."""
    counted, begun = 0, time.monotonic()
    looks: list[tuple[int, float, float]] = []
    sending = asyncio.create_task(put(here.settings.broker, events, total, lambda: counted))
    processes = processes_of([pid])
    try:
        while counted < total and (not looks or time.monotonic() - begun < seconds):
            await asyncio.sleep(0.2)
            counted = await asyncio.to_thread(here.counted)
            if why := here.place.ended():
                raise Stuck(why)
            if sending.done() and sending.exception():
                raise Stuck(f"sending failed: {sending.exception()!r}")
            if counted >= (looks[-1][0] + every if looks else 1):
                looks.append((counted, rss_of(processes) / 2**20, time.monotonic() - begun))
            if not looks and time.monotonic() - begun > 120:
                raise Missing("the worker applied nothing in two minutes")
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return [*looks, (counted, rss_of(processes) / 2**20, time.monotonic() - begun)]

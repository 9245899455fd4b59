"""The whole stack over a full log: broker, Valkey and 1, 2 or 4 worker processes.

Knows: how many workers, on which broker.  Must not know: what a worker does.
Workers read every event twice over Kafka (intake, then update), write profiles, publish transitions and decide about
alerts; all of that is in their CPU seconds.
"""

from __future__ import annotations

from typing import Final

from bench.data import Events, Shop
from bench.options import Options
from bench.preload import preload
from bench.progress import say
from bench.report import Part, Table, middle, spread
from bench.servers import brokers, stack
from bench.watch import Run, Stuck, watch
from profiles.clock import MINUTE, system_clock

TITLE: Final = "The whole stack with 1, 2 and 4 workers"
WORKERS: Final = (1, 2, 4)
CUSTOMERS: Final = 100_000
LIMIT: Final = 240.0


def run(options: Options) -> Part:
    """Every number of workers on every broker."""
    part, total = Part("workers", TITLE), options.size(150_000, 40_000)
    kinds, part.notes = brokers(options.brokers)
    for kind in kinds:
        first = kind == kinds[0]
        runs = min(options.runs, 2) if first else 1
        table = Table(
            f"on {kind}, {total:,} events of {CUSTOMERS:,} customers, from the first to the last",
            ["workers", "events/s by the clock", "least to most", "CPU µs/event, all workers",
             "events/s per core", "memory, all workers (MiB)", "runs"],
        )  # fmt: skip
        for workers in WORKERS if first and not options.quick else WORKERS[:2]:
            try:
                found = [_once(kind, workers, total) for _ in range(runs)]
            except Stuck as why:
                part.notes.append(f"{workers} workers on {kind}: {str(why).splitlines()[0]}")
                continue
            rates = [one.per_second for one in found]
            micros = middle(one.micros for one in found)
            table.rows.append([workers, middle(rates), spread(rates), micros, 1e6 / micros,
                               middle(one.rss / 2**20 for one in found), len(found)])  # fmt: skip
            part.figures[f"workers.{kind}_{workers}"] = middle(rates)
            part.figures[f"workers.{kind}_{workers}_per_core"] = 1e6 / micros
            say(f"    {kind:7} {workers} workers {middle(rates):9,.0f} events/s {micros:7.1f} µs/event")
        part.tables.append(table)
    part.notes.append("Broker, Valkey and workers share the cores: more workers than cores cannot be faster.")
    return part


def _once(kind: str, workers: int, total: int) -> Run:
    """New servers, a full log, so many workers."""
    with stack(kind) as here:
        preload(here.settings.broker, Events(Shop(CUSTOMERS, system_clock(), 10 * MINUTE), total), total)
        pids = [here.worker(number).pid for number in range(workers)]
        return watch(f"{workers} workers", pids, here.counted, total, seconds=LIMIT, ended=here.place.ended)

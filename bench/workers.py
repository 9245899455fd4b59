"""The whole stack over a full log: broker, Valkey and 1, 2 or 4 worker processes.

Knows: how many workers, on which broker.  Must not know: what a worker does.
Workers read every event twice over Kafka (intake, then update), write profiles, publish transitions and decide about
alerts; all of that is in their CPU seconds (see ``backlog``).
"""

from __future__ import annotations

import os
from typing import Final

from bench.backlog import Log, work_off
from bench.data import LIVE
from bench.options import Options
from bench.progress import say
from bench.report import Part, Table, figure, middle, spread
from bench.servers import brokers
from bench.watch import Stuck

TITLE: Final = "The whole stack with 1, 2 and 4 workers"
WORKERS: Final = (1, 2, 4)
LIMIT: Final = 240.0
CORES: Final = os.cpu_count() or 1  #: where more workers than these share them, one run says so


def run(options: Options) -> Part:
    """Every number of workers on every broker."""
    part, total = Part("workers", TITLE), options.size(100_000, 40_000)
    customers = options.size(100_000, 20_000)
    kinds, part.notes = brokers(options.brokers)
    log = Log.new(customers, total)
    for kind in kinds:
        first = kind == kinds[0]
        runs = min(options.runs, 2) if first else 1
        table = Table(
            f"on {kind}, {total:,} events of {customers:,} known customers, {LIVE:,} events/s of the shop's time, "
            "from intake's first record to the last transition",
            ["workers", "events/s by the clock", "least to most (events/s)", "CPU µs/event, all workers",
             "events/s per core", "memory, all workers (MiB)", "runs"],
        )  # fmt: skip
        for workers in WORKERS if first and not options.quick else WORKERS[:2]:
            times = runs if workers <= CORES else 1
            try:
                found = [work_off(kind, log, workers, LIMIT) for _ in range(times)]
            except Stuck as why:
                part.notes.append(f"{workers} workers on {kind}: {str(why).splitlines()[0]}")
                continue
            rates, micros = [one.per_second for one in found], [one.micros for one in found]
            table.rows.append([workers, middle(rates), spread(rates), middle(micros), 1e6 / middle(micros),
                               middle(one.rss / 2**20 for one in found), len(found)])  # fmt: skip
            name = f"workers.{kind}_{workers}"
            part.figures[name] = figure(rates, "events/s by the clock")
            part.figures[f"{name}_per_core"] = figure((1e6 / each for each in micros), "events/s per core")
            say(f"    {kind:7} {workers} workers {middle(rates):9,.0f} events/s {middle(micros):7.1f} µs/event")
        part.tables.append(table)
    part.notes += NOTES
    return part


NOTES: Final = [
    "The events are as in the live cases of the update path: the customers are known, and nothing is due before them.",
    "Broker, Valkey and workers share the cores: more workers than cores cannot be faster.",
]

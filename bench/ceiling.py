"""Reading and throwing away: what any consumer in Python costs before it does any work.

Knows: which programs only read.  Must not know: profiles.
"""

from __future__ import annotations

from typing import Final

from bench.contest import contest
from bench.data import Events, live
from bench.options import Options
from bench.preload import preload
from bench.progress import say
from bench.report import Part, Table, figure, middle, spread
from bench.servers import brokers, place
from bench.topics import event_topics
from profiles.clock import system_clock

TITLE: Final = "The ceiling: read and throw away"
READERS: Final = (
    ("aiokafka alone", "discard_aiokafka", 1),
    ("Faust agent, Mien's batch delivery", "discard_mien", 1),
    ("Faust agent, stock", "discard_stock", 20),
)  #: what, program, how many times fewer events it is given
SECONDS: Final = 120.0


def run(options: Options) -> Part:
    """One broker a kind, every reader several times over the same log."""
    part = Part("ceiling", TITLE)
    kinds, part.notes = brokers(options.brokers)
    total = options.size(400_000, 100_000)
    for kind in kinds:
        table = Table(f"on {kind}, {total:,} events of 317 bytes", ["reader", "CPU µs/event", "events/s per core",
                      "events/s by the clock", "least to most (CPU µs/event)", "runs"])  # fmt: skip
        with place() as here:
            broker = here.broker(kind)
            event_topics(broker)
            preload(broker, Events(live(10_000, system_clock(), total), total), total)
            for name, program, fewer in READERS:
                size, times = total // fewer, min(options.runs, 2) if kind == kinds[0] else 1
                runs = [contest(here, kind, program, n, size, SECONDS, broker) for n in range(times)]
                micros = [one.micros for one in runs]
                say(f"    {kind:7} {name:36} {middle(micros):8.2f} µs/event")
                table.rows.append([name, middle(micros), 1e6 / middle(micros), middle(one.per_second for one in runs),
                                   spread(micros), len(runs)])  # fmt: skip
                part.figures[f"ceiling.{program}_{kind}"] = figure(micros, "CPU µs/event")
        part.tables.append(table)
    return part

"""Silence: many customers for whom a tag becomes true in the same minute, though nothing happens.

Knows: a rule about silence, how late each transition was.  Must not know: how the sweep finds who is due.
Events are sent with times in the past, so that everybody falls due within one minute that still lies ahead; the log of
transitions then says when each was due (``at``) and when Mien said so (``clock``).
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
import numpy as np
import yaml
from aiokafka import AIOKafkaConsumer

from bench.options import Options
from bench.preload import preload
from bench.progress import Progress, say
from bench.report import Part, Table, figure
from bench.servers import APACHE, Stack, brokers, stack
from bench.watch import Run, Stuck, watch
from profiles.clock import MINUTE, SECOND, iso, system_clock
from profiles.store.worlds import SHIPPED_TAGS
from profiles.wire import decode_transition
from streams.shoppers.batch import BEHAVIOR, Batch
from streams.topics import TRANSITIONS

TITLE: Final = "Silence: everybody due in one minute"
TAG: Final = "bench_silent"
SILENT: Final = 240 * MINUTE  #: of silence make the tag
AHEAD: Final = 20 * SECOND  #: between the last event applied and the first customer due, at least
LATE: Final = 120.0  #: seconds after the minute that are waited for


def run(options: Options) -> Part:
    """One worker, one minute."""
    part, customers = Part("sweep", TITLE), options.size(100_000, 5_000)
    window, budget = options.size(60, 10) * SECOND, options.size(60, 25) * SECOND
    kinds, part.notes = brokers(options.brokers)
    kind = APACHE if APACHE in kinds else kinds[0]
    with stack(kind) as here:
        here.settings = here.settings.model_copy(update={"tags": _rules(here)})
        worker = here.worker()
        first = system_clock() + budget
        preload(here.settings.broker, [_events(customers, first - SILENT, window)], customers)
        applied = watch(
            "applying", [worker.pid], here.counted, customers, seconds=budget / 1000, ended=here.place.ended
        )
        late = asyncio.run(_lateness(here, customers, first + window))
    part.tables = [_table(kind, customers, window, late, applied)]
    if system_clock() and len(late) < customers:
        part.notes.append(f"{customers - len(late):,} transitions had not come {LATE:.0f} s after the minute")
    p50, p99, most = np.percentile(late, [50, 99, 100]).tolist()
    found = {"p50": p50, "p99": p99, "latest": most}
    part.figures = {f"sweep.{name}": figure([value], "ms late") for name, value in found.items()}
    say(f"    late by p50 {p50:.0f} ms, p99 {p99:.0f} ms, at most {most:.0f} ms")
    return part


def _table(kind: str, customers: int, window: int, late: list[int], applied: Run) -> Table:
    p50, p99, most = np.percentile(late, [50, 99, 100]).tolist()
    return Table(
        f"on {kind}, {customers:,} customers due within {window // 1000} s, one worker",
        ["transitions", "late p50 (ms)", "p99 (ms)", "at most (ms)", "customers a second", "events/s before"],
        [[len(late), p50, p99, most, customers * 1000 / window, applied.per_second]],
    )


def _rules(here: Stack) -> object:
    """The shipped rules and one more."""
    document = yaml.safe_load(SHIPPED_TAGS.read_text(encoding="utf-8"))
    days = SILENT / (1440 * MINUTE)
    document["tags"].append({
        "name": TAG, "label": {"zh": "静默", "en": "Silent"}, "category": "behaviour", "owner": "bench",
        "enter": f"days_since_visit >= {days:.9f}",
    })  # fmt: skip
    file = here.place.folder / "tags.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file


def _events(customers: int, first: int, window: int) -> Batch:
    """One page view a customer, spread evenly over the window."""
    times = [first + n * window // customers for n in range(customers)]
    names = [f"s-{n:06d}" for n in range(customers)]
    values = [
        msgspec.json.encode({"type": "page", "userId": name, "messageId": name, "timestamp": iso(at), "properties": {}})
        for name, at in zip(names, times, strict=True)
    ]
    return Batch([BEHAVIOR] * customers, [name.encode() for name in names], values, times)


async def _lateness(here: Stack, customers: int, last: int) -> list[int]:
    """Milliseconds between the moment that each was due and the moment that Mien said so."""
    consumer = AIOKafkaConsumer(TRANSITIONS, bootstrap_servers=here.settings.broker, auto_offset_reset="earliest")
    await consumer.start()
    late: list[int] = []
    try:
        with Progress("customers falling silent", customers) as bar:
            while len(late) < customers and system_clock() < last + LATE * 1000:
                if why := here.place.ended():
                    raise Stuck(why)
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        told = decode_transition(record.value)
                        if told.name == TAG and told.change == "entered":
                            late.append(told.clock - told.at)
                bar.at(len(late))
    finally:
        await consumer.stop()
    if not late:
        raise Stuck(f"nobody entered {TAG} within {LATE:.0f} s of the minute; {time.strftime('%X')}")
    return late

"""From the moment an event is due to be sent until its tag can be read through the API.

Knows: probes, the clock that all processes of a machine share.  Must not know: what happens on the way.
The sender is an open loop: it sends when an event is due, not when the last one was answered, and a probe's clock starts
when it was due, so a stack that cannot keep up shows it.  A probe is a customer who is known already and complains; the
API is asked every few milliseconds for those that are under way, until the tag is there.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import httpx2
import msgspec
import numpy as np

from bench.filling import filled, models
from bench.options import Options
from bench.preload import preload
from bench.programs.sender import CUSTOMERS, Outcome, probe
from bench.progress import Progress, say
from bench.report import Part, Table, figure
from bench.servers import TANSU, Stack, brokers, stack
from bench.watch import Stuck
from profiles.clock import system_clock
from streams.shoppers.batch import BEHAVIOR, Batch

TITLE: Final = "Event sent → tag readable through the API"
RATES: Final = (500, 2_000, 10_000)
PROBES: Final = 10  #: a second; to look for them costs as well, and what looks must not be what is measured
TAG: Final = "complained"
LOOK_SECONDS: Final = 0.02
LOST_SECONDS: Final = 15.0  #: after the last event; what is not readable then counts as not readable
CATCH_UP_SECONDS: Final = 60.0
LEAD: Final = 6.0  #: seconds for the sender to make its events


class _Tag(msgspec.Struct):
    name: str


class _Profile(msgspec.Struct):
    id: str
    tags: list[_Tag]


class _Answer(msgspec.Struct):
    profiles: list[_Profile]


_decode: Final = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True)
class Seen:
    """What became of the probes of one rate."""

    took: list[float]  #: milliseconds; of those that were not readable in time, the time that was waited
    lost: int
    outcome: Outcome


def run(options: Options) -> Part:
    """Every rate on every broker."""
    part, seconds = Part("latency", TITLE), options.size(60.0, 5.0)
    kinds, part.notes = brokers(options.brokers)
    begin = system_clock()
    copies = asyncio.run(models(begin))
    for kind in kinds:
        linger = 15 if kind == TANSU else 5
        table = Table(
            f"on {kind}, one worker, {CUSTOMERS:,} known customers, {PROBES} probes a second for {seconds:.0f} s",
            ["events/s", "p50 (ms)", "p99 (ms)", "p99.9 (ms)", "at most (ms)", "probes", "not readable in time",
             "sender late, p99 (ms)"],
            note=f"The sender lingers {linger} ms, which is part of the time, as is the wait between two looks. What could "
            f"not be read {LOST_SECONDS:.0f} s after the last event counts as {LOST_SECONDS:.0f} s.",
        )  # fmt: skip
        with stack(kind) as here:
            asyncio.run(filled(here.settings.redis, CUSTOMERS, copies, begin))
            here.worker()
            here.api()
            here.until_ready()
            for rate in RATES if kind == kinds[0] and not options.quick else RATES[:2]:
                seen = _rate(here, rate, seconds, linger)
                p50, p99, p999, most = np.percentile(seen.took, [50, 99, 99.9, 100]).tolist()
                table.rows.append([rate, p50, p99, p999, most, len(seen.took), seen.lost, seen.outcome.late_p99_ms])
                if kind == kinds[0]:  # the one that is quoted
                    for name, value in (("p50", p50), ("p99", p99), ("p999", p999)):
                        part.figures[f"latency.{name}_{rate}"] = figure([value], "ms")
                say(f"    {kind:7} {rate:6} events/s  p50 {p50:7.1f}  p99 {p99:7.1f} ms  lost {seen.lost}")
                if not _caught_up(here):
                    part.notes.append(f"{kind}: {rate} events/s is more than this stack carries; higher rates left out")
                    break
        part.tables.append(table)
    return part


def _rate(here: Stack, rate: int, seconds: float, linger: int) -> Seen:
    """Make the probes known, send at the rate, look until every probe is there."""
    name, total = f"r{rate}", int(PROBES * seconds)
    names = [f"probe-{name}-{n}" for n in range(total)]
    before, now = here.counted(), system_clock()
    visits = [probe(one, "Product Viewed", now) for one in names]
    preload(
        here.settings.broker, [Batch([BEHAVIOR] * total, [n.encode() for n in names], visits, [now] * total)], total
    )
    _until(here, before + total)
    out, start = here.place.folder / f"{name}.json", time.monotonic() + LEAD
    sender = here.place.run(
        f"sender-{rate}", "bench.programs.sender", here.settings.broker, rate, seconds, PROBES, start, linger, name, out
    )
    here.place.done.add(sender.name)  # it ends by itself
    with here.http() as http:
        took = _look(http, {one: start + n / PROBES for n, one in enumerate(names)}, start + seconds + LOST_SECONDS)
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while not out.exists():
        if time.monotonic() > deadline or (not sender.alive and not out.exists()):
            raise Stuck(f"the sender {sender.state}{sender.last_words()}")
        time.sleep(0.1)
    lost = [LOST_SECONDS * 1000] * (total - len(took))
    return Seen(took + lost, len(lost), msgspec.json.decode(out.read_bytes(), type=Outcome))


def _look(http: httpx2.Client, due: dict[str, float], until: float) -> list[float]:
    """Ask for the probes that are under way until each has its tag; milliseconds from when it was due."""
    took: list[float] = []
    with Progress("probes", len(due)) as bar:
        waiting = dict(due)
        while waiting and time.monotonic() < until:
            now = time.monotonic()
            asked = [name for name, at in waiting.items() if at <= now][:100]
            if asked:
                answer = http.post("/v1/profiles:batchGet", json={"ids": asked}).raise_for_status()
                now = time.monotonic()
                tagged = [
                    one.id for one in _decode(answer.content).profiles if any(tag.name == TAG for tag in one.tags)
                ]
                took += [(now - waiting.pop(name)) * 1000 for name in tagged]
            bar.at(len(took))
            time.sleep(LOOK_SECONDS)
    return took


def _until(here: Stack, count: int) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while here.counted() < count:
        if why := here.place.ended():
            raise Stuck(why)
        if time.monotonic() > deadline:
            raise Stuck(f"{here.counted():,} of {count:,} events after {CATCH_UP_SECONDS:.0f} s")
        time.sleep(0.02)


def _caught_up(here: Stack) -> bool:
    """Whether the worker comes to rest in time."""
    deadline, before = time.monotonic() + CATCH_UP_SECONDS, -1
    while time.monotonic() < deadline:
        now = here.counted()
        if now == before:
            return True
        before = now
        time.sleep(1.0)
    return False

"""Rules: how soon an edited rule decides, and how soon everybody has been asked again.

Knows: publishing, checkpoints.  Must not know: what a rule means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import yaml

from bench.filling import filled, models
from bench.options import Options
from bench.progress import say
from bench.report import Part, Table, figure, middle
from bench.servers import APACHE, Stack, brokers, stack
from bench.watch import Stuck, cpu_of, processes_of
from profiles.clock import system_clock
from profiles.inputs import Control
from profiles.store.redis import connect
from profiles.store.registry import Registry
from profiles.store.worlds import SHIPPED_TAGS, publish
from streams.commands.tell import tell

TITLE: Final = "Rules: edited, live, everybody decided anew"
NEW: Final = {
    "name": "bench_regular", "label": {"zh": "基准", "en": "Bench"}, "category": "behaviour", "owner": "bench",
}  # fmt: skip
LIMIT: Final = 300.0


def run(options: Options) -> Part:
    """One store of many customers, one worker, one edit after the other."""
    part, customers = Part("rules", TITLE), options.size(100_000, 10_000)
    kinds, part.notes = brokers(options.brokers)
    kind = APACHE if APACHE in kinds else kinds[0]
    with stack(kind) as here:
        asyncio.run(_fill(here, customers))
        here.worker()
        here.api()
        here.until_ready()
        rounds = [_edit(here, number) for number in range(max(options.runs, 2))]
    live, whole, cpu, told = ([one[i] for one in rounds] for i in range(4))
    table = Table(f"on {kind}, {customers:,} customers, one worker",
                  ["edit", "live in every bucket (ms)", "everybody decided anew (s)", "worker CPU (s)", "transitions"],
                  [[n + 1, *one] for n, one in enumerate(rounds)])  # fmt: skip
    table.note = "Each edit makes one more tag; the transitions say who entered it, with origin `reconcile`."
    part.tables = [table]
    part.figures = {
        "rules.live": figure(live, "ms"),
        "rules.reconciled": figure((each * 100_000 / customers for each in whole), "s per 100 000 customers"),
        "rules.cpu": figure((each / customers * 1e6 for each in cpu), "CPU µs/customer"),
    }
    say(
        f"    live in {middle(live):.0f} ms, {customers:,} decided anew in {middle(whole):.1f} s, {told[0]:,} transitions"
    )
    return part


async def _fill(here: Stack, customers: int) -> None:
    now = system_clock()
    await filled(here.settings.redis, customers, await models(now), now)


def _edit(here: Stack, number: int) -> tuple[float, float, float, int]:
    """Publish a version with one tag more; (ms until live, s until everybody was asked, CPU s, transitions)."""
    document = yaml.safe_load(SHIPPED_TAGS.read_text(encoding="utf-8"))
    document["tags"] += [NEW | {"name": f"bench_{n}", "enter": f"events >= {n + 2}"} for n in range(number + 1)]
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    processes = processes_of(here.place.pids("worker"))
    before, seq = cpu_of(processes), sum(each.seq for each in here.checkpoints())
    begun = time.perf_counter()
    version = asyncio.run(_publish(here, text))
    tell(here.settings, Control("rules", version), range(here.settings.buckets))
    _until(here, lambda each: each.rules == version, "the new rules are live")
    live = time.perf_counter() - begun
    _until(here, lambda each: each.renewed == version, "everybody is decided anew")
    whole = time.perf_counter() - begun
    told = sum(each.seq for each in here.checkpoints()) - seq
    here.settled()
    return live * 1000, whole, cpu_of(processes) - before, told


async def _publish(here: Stack, text: str) -> int:
    client = connect(here.settings.redis)
    try:
        version, _ = await publish(Registry(client), text, "bench")
        return version
    finally:
        await client.aclose()


def _until(here: Stack, holds: Callable[[Any], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not all(holds(each) for each in here.checkpoints()):
        if why := here.place.ended():
            raise Stuck(why)
        if time.monotonic() > deadline:
            raise Stuck(f"after {LIMIT:.0f} s not yet: {what}")
        time.sleep(0.005)

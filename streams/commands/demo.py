"""``mien demo``: a year of a retailer's purchases through the whole stack, then a live trickle.

Knows: the order of the show and how its numbers must add up.
Must not know: how events are made (``streams.shoppers``), how anything is measured (``streams.commands.gauges``).
"""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from profiles.clock import system_clock
from profiles.settings import load
from streams.commands.gauges import Gauges, Summary, show
from streams.commands.stack import Running, running
from streams.shoppers import Pace, Sender, send, trickle, year
from streams.shoppers import Progress as Sent

EVENTS_A_YEAR = 1_244_000  #: about; only the progress bar needs it
TRICKLE_RATE = 40.0  #: events a second after the replay
PROBE_SECONDS = 10.0
DRAIN_SECONDS = 120.0


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line."""

    once: bool
    port: int
    workers: int
    households: int | None
    days: int | None
    seed: int


def demo(plan: Plan) -> int:
    """Run the show; 0 if every number adds up."""
    started = time.monotonic()
    console = Console()
    home = load().data_dir
    data_dir = home / "demo"
    shutil.rmtree(data_dir / "valkey", ignore_errors=True)  # every demo begins with an empty shop
    (data_dir / "sms.log").unlink(missing_ok=True)
    console.print("[bold]Mien demo[/]: a private Kafka-protocol broker and a private Valkey on this machine")
    shop = {"clock": "stream", "currency": "USD", "sms": "file"}
    with running(data_dir, plan.port, plan.workers, console, **shop) as stack:
        try:
            return asyncio.run(_show(plan, stack, home, started))
        except KeyboardInterrupt:
            console.print("\nstopping")
            return 0 if not plan.once else 130


async def _show(plan: Plan, stack: Running, home: Path, started: float) -> int:
    console = stack.console
    console.print(
        "The Complete Journey: purchases of 2 469 households in one year. Its publisher calls it study data; the "
        "package's own page calls it simulated.\nBrowsing, names and phones around them are simulated here.\n"
    )
    async with Gauges(stack.settings, stack.url, stack.key) as gauges:
        summary = await _replay(plan, stack, gauges, started)
        if summary is None:
            console.print("[red]the stack stopped taking events; see the logs[/]", stack.stack.logs)
            return 1
        summary = msgspec.structs.replace(summary, readable=await gauges.probe(PROBE_SECONDS))
        home.mkdir(parents=True, exist_ok=True)
        (home / "demo-summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2))
        show(summary, console)
        await gauges.learned(console)
        if plan.once:
            return 0 if summary.adds_up else 1
        _invite(stack, await gauges.somebody())
        await _live(plan, stack, gauges)
    return 0


async def _replay(plan: Plan, stack: Running, gauges: Gauges, started: float) -> Summary | None:
    """Send the year while watching it arrive; None if it stopped arriving."""
    events = year(plan.seed, system_clock(), plan.households, plan.days, timezone=stack.settings.timezone)
    columns = (
        TextColumn("replaying"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    begun, sent, done = time.monotonic(), Sent(), False
    with Progress(*columns, console=stack.console) as bar:
        scale = (plan.households or 2469) / 2469 * (plan.days or 365) / 365
        task = bar.add_task("", total=EVENTS_A_YEAR * scale, note="")

        def report(progress: Sent) -> None:
            nonlocal sent
            sent = progress

        pace = Pace(lag=lambda: sent.sent - gauges.now.arrived)
        sending = asyncio.create_task(send(events, stack.settings.broker, pace=pace, report=report))
        still_since, before, first = time.monotonic(), -1, 0.0
        while not done:
            await asyncio.sleep(0.1)
            await gauges.look()
            if sending.done():
                sent = sending.result()
                bar.update(task, total=sent.sent)
            if not first and gauges.now.applied:
                first = time.monotonic() - started
            rate = gauges.now.arrived / (time.monotonic() - begun)
            note = f"{rate:,.0f} events/s  lag {sent.sent - gauges.now.arrived:,}  alerts {gauges.now.alerts:,}"
            bar.update(task, completed=gauges.now.arrived, note=note)
            if gauges.now.arrived != before:
                before, still_since = gauges.now.arrived, time.monotonic()
            elif time.monotonic() - still_since > DRAIN_SECONDS:
                sending.cancel()
                return None
            done = sending.done() and gauges.now.arrived >= sent.sent
        seconds = time.monotonic() - begun
    await gauges.settle(DRAIN_SECONDS)
    return await gauges.summary(events.totals, seconds, first)


async def _live(plan: Plan, stack: Running, gauges: Gauges) -> None:
    """Simulated shoppers, from now on until Ctrl-C."""
    shoppers = trickle(plan.seed, system_clock, TRICKLE_RATE, plan.households)
    told = ", ".join(f"{role.user} ({role.zh} / {role.en})" for role in shoppers.cast)
    stack.console.print(f"\nA live trickle of simulated shoppers goes on. Watch {told}. Ctrl-C stops everything.")
    with Progress(TextColumn("live  {task.fields[note]}"), TimeElapsedColumn(), console=stack.console) as bar:
        task, count = bar.add_task("", total=None, note=""), 0
        async with Sender(stack.settings.broker) as sender:
            while True:
                batch = next(shoppers)
                if len(batch):
                    await sender.put(batch)
                    count += len(batch)
                await gauges.look()
                bar.update(task, note=f"{count:,} events  alerts {gauges.now.alerts:,}")
                await asyncio.sleep(0.2)


def _invite(stack: Running, customer: str) -> None:
    say = stack.console.print
    auth = f"-H 'Authorization: Bearer {stack.key}'"
    say(f"\n[bold green]ready[/]  {stack.url}  ·  API documentation {stack.url}/docs")
    say(f"[bold]key[/]    {stack.key}\n\nworth trying:")
    for path in (f"/v1/profiles/{customer}", "/v1/tags", "/v1/alerts?state=open"):
        say(f"  curl {auth} '{stack.url}{path}'", soft_wrap=True, highlight=False)

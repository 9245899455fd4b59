"""``mien up``: the private stack with workers and API; ``demo`` builds on it.

Knows: which processes of ours run on two servers and what each is told.
Must not know: events, whose servers they are and how they were started.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import httpx2
from rich.console import Console

from profiles.errors import MienError
from profiles.settings import Settings, as_environ, load
from profiles.store.access import make_key
from profiles.store.client import Client, ask
from profiles.store.registry import Registry
from streams.child import Child
from streams.embedded import HOST, Embedded
from streams.keyfile import own_ring
from streams.ports import pick_port
from streams.supervisor import Supervisor
from streams.topics import provision

READY_SECONDS = 240.0  #: the first start compiles the kernels
EXAMPLE = '{"type":"track","event":"Order Completed","userId":"u-1","properties":{"order_id":"o-1","revenue":51.24}}'
SCOPES = ("write", "read", "alerts", "privacy", "pii:reveal", "admin")


class NotReady(MienError):
    """A part of the stack did not come up; the message says where to look."""


class Servers(Protocol):
    """A broker and a store that answer, and who keeps processes beside them; :class:`Embedded` is one such pair."""

    @property
    def broker(self) -> str:
        """Bootstrap servers."""

    @property
    def redis(self) -> str:
        """URL of the store."""

    @property
    def embedded(self) -> bool:
        """Whether the broker is the private one: Faust is tuned to it, and its log is new at every start."""

    @property
    def data_dir(self) -> Path:
        """Where workers write files."""

    @property
    def logs(self) -> Path:
        """Where everybody's log is."""

    @property
    def supervisor(self) -> Supervisor:
        """Who starts and ends the processes."""

    @property
    def children(self) -> tuple[Child, ...]:
        """All processes."""


@dataclass(frozen=True)
class Running:
    """A stack that answers."""

    settings: Settings
    stack: Servers
    url: str
    key: str
    console: Console


@contextmanager
def running(data_dir: Path, port: int, workers: int, console: Console, **changed: object) -> Iterator[Running]:
    """Broker and Valkey of our own, workers and API on them, until the block ends.

    ``changed`` are settings that differ from the usual.

    Raises:
        MienError: something is missing, taken or broken; the message says what to do.
    """
    with Embedded(data_dir) as servers:
        yield serve(servers, port, workers, console, **changed)


def serve(servers: Servers, port: int, workers: int, console: Console, **changed: object) -> Running:
    """Start workers and API on these servers and wait until they answer; they end with the servers' supervisor.

    Raises:
        MienError: something is missing, taken or broken; the message says what to do.
    """
    chosen, taken = pick_port(port, HOST)
    if taken:
        console.print(f"[yellow]port {port} is taken, using {chosen}[/]")
    given = {name: value for name, value in load().model_dump().items() if f"MIEN_{name.upper()}" in os.environ}
    where = {name: getattr(servers, name) for name in ("broker", "redis", "embedded", "data_dir")}
    given.setdefault("pii_keys", load().pii_keys or own_ring(servers.data_dir))
    settings = Settings.model_validate({"api_host": HOST, **given, **changed, **where, "api_port": chosen})
    provision(settings)
    key = ask(settings.redis, partial(_prepare, settings))
    env = {**os.environ, **as_environ(settings), "PYTHONUNBUFFERED": "1"}
    start, logs = servers.supervisor.start, servers.logs
    start("api", [sys.executable, "-m", "api"], log=logs / "api.log", env=env, restart=True)
    for number in range(workers):
        name = f"worker-{number}" if workers > 1 else "worker"
        command = [sys.executable, "-m", "streams.commands.operate"]
        start(name, command, log=logs / f"{name}.log", env={**env, "MIEN_INSTANCE": name}, restart=True)
    url = f"http://{HOST}:{chosen}"
    _until_ready(url, servers)
    return Running(settings, servers, url, key, console)


async def _prepare(settings: Settings, client: Client) -> str:
    """A new log needs new positions; and somebody must be able to read."""
    if settings.embedded:
        registry = Registry(client)
        for bucket in range(settings.buckets):
            await registry.forget_offsets(bucket)
    return await make_key(client, f"local-{secrets.token_hex(2)}", SCOPES)


def _until_ready(url: str, stack: Servers) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = httpx2.get(f"{url}/readyz", timeout=2.0)
            if answer.status_code == 200 and answer.json()["status"] == "ready":  # degraded: no worker yet
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    tails = "\n".join(child.last_words() for child in stack.children if child.name.startswith(("worker", "api")))
    raise NotReady(f"worker and API were not ready after {READY_SECONDS:g} s; see {stack.logs}\n{tails}")


def up(port: int, workers: int) -> int:
    """Run until Ctrl-C."""
    console = Console()
    say = partial(console.print, soft_wrap=True, highlight=False)
    say("starting broker, Valkey, worker and API; the first start compiles for half a minute")
    with running(load().data_dir, port, workers, console) as stack:
        say(
            f"\n[bold green]Mien is up[/]  {stack.url}  ·  API documentation {stack.url}/docs  ·  logs {stack.stack.logs}"
        )
        say(f"[bold]key[/] {stack.key}   ({', '.join(SCOPES)}; made for this run)\n")
        say("in another terminal, send an event and read the profile it makes:\n")
        say(f"  export MIEN_BROKER={stack.settings.broker} MIEN_REDIS={stack.settings.redis}")
        say(f"  echo '{EXAMPLE}' | mien replay /dev/stdin --topic events.orders")
        say(f"  curl -H 'Authorization: Bearer {stack.key}' {stack.url}/v1/profiles/u-1")
        say("  mien profile u-1")
        say("\nThe private broker keeps events in memory only; profiles stay in .mien. Ctrl-C stops everything.")
        return wait(stack)


def wait(running: Running) -> int:
    """Until Ctrl-C, or until a part dies that is not started again."""
    try:
        while True:
            dead = running.stack.supervisor.wait(1.0)
            if dead is not None:
                running.console.print(f"[red]{dead.name} {dead.state}[/]{dead.last_words()}")
                return 1
    except KeyboardInterrupt:
        running.console.print("\nstopping")
        return 0

"""A collector for tests of SDKs: a real API process before a real broker, and what arrived there, read as intake reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from kafka import KafkaConsumer, TopicPartition

from profiles.clock import system_clock
from profiles.errors import Rejected
from profiles.intake import Event, Intake
from profiles.kinds import Kind
from profiles.settings import Settings, as_environ
from streams.child import Child
from streams.embedded import HOST
from streams.ports import pick_port
from streams.supervisor import Supervisor
from streams.topics import DEAD_LETTERS, USUAL_EVENTS, provision
from tests.lanes.brokers import Broker, open_broker
from tests.processes import eventually

KEY: Final = "wk-shop"
APPS: Final = Path(__file__).with_name("apps")
JOURNEY: Final = [
    (Kind.IDENTIFY, 0, 1),
    (Kind.VIEW, 0, 1),
    (Kind.VIEW, 0, 1),
    (Kind.CART_ADD, 0, 2),
    (Kind.ORDER, 51_240, 1),
    (Kind.REFUND, 1_240, 1),
]
"""What every app of ``apps`` and ``node`` does, as (kind, minor units, quantity)."""


@dataclass
class Collecting:
    """A collector, its broker, and what has come."""

    broker: Broker
    settings: Settings
    supervisor: Supervisor
    folder: Path
    api: Child = field(init=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.settings.api_port}"

    def start(self) -> None:
        """Start the API and wait until it answers."""
        env = {**os.environ, **as_environ(self.settings)}
        self.api = self.supervisor.start("api", [sys.executable, "-m", "api"], env=env, log=self.folder / "api.log")
        eventually(self._alive, "the API answers", seconds=60)

    def stop(self) -> None:
        """``kill -9``."""
        self.api.signal(signal.SIGKILL)
        eventually(lambda: not self.api.alive, "it is gone")

    def post(self, path: str, **given: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", trust_env=False, timeout=20, **given)

    def get(self, path: str) -> httpx.Response:
        """As somebody who may read."""
        return httpx.get(f"{self.url}{path}", auth=("reader", ""), trust_env=False, timeout=20)

    def run(self, app: str, who: str, retries: int = 3) -> str:
        """Run an app of ``apps`` to its end and return what it printed; it must not fail."""
        return finished([sys.executable, str(APPS / f"send_{app}.py"), self.url, KEY, who, str(retries)])

    def records(self, *topics: str) -> list[Any]:
        """Everything in some topics."""
        reader = KafkaConsumer(bootstrap_servers=self.broker.address, enable_auto_commit=False)
        try:
            places = [TopicPartition(name, n) for name in topics for n in reader.partitions_for_topic(name) or ()]
            reader.assign(places)
            reader.seek_to_beginning(*places)
            found, silent = [], 0
            while (
                silent < 2
            ):  # the private broker tells the end of a log wrongly, so it is where nothing comes any more
                got = [record for records in reader.poll(timeout_ms=300).values() for record in records]
                silent = 0 if got else silent + 1
                found += got
            return found
        finally:
            reader.close()

    def events(self, who: str) -> list[Event]:
        """What intake makes of this customer's events, in the order they happened."""
        intake, found = Intake("CNY", "Asia/Shanghai"), []
        for record in self.records(*USUAL_EVENTS):
            try:
                event = intake.read(record.value, record.timestamp)
            except Rejected as fault:
                raise AssertionError(f"{fault} of {record.value!r}") from fault
            if event.profile == who:
                found.append(event)
        return sorted(found, key=lambda event: (event.time, event.kind))

    def reasons(self) -> list[str]:
        """Why there are dead letters."""
        return [dict(record.headers)["reason"].decode() for record in self.records(DEAD_LETTERS)]

    def _alive(self) -> bool:
        assert self.api.alive, f"the API ended{self.api.last_words()}"
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def collecting(folder: Path, **changed: object) -> Iterator[Collecting]:
    """A collector on a broker of its own; the store is not there, and nobody misses it: the key is a setting."""
    with Supervisor() as supervisor:
        broker = open_broker(supervisor, folder / "kafka", folder / "logs")
        usual: dict[str, object] = {
            "broker": broker.address,
            "redis": f"redis://{HOST}:{pick_port(0, HOST)[0]}/0",
            "api_port": pick_port(0, HOST)[0],
            "api_keys": f"{KEY}=write,reader=read",
            "embedded": broker.embedded,
            "replication": broker.replication,
        }
        settings = Settings.model_validate({**usual, **changed})
        provision(settings)
        it = Collecting(broker, settings, supervisor, folder)
        it.start()
        yield it


def journey(events: list[Event]) -> list[tuple[Kind, int, int]]:
    """What somebody did, each thing once however often it arrived, in the order of ``JOURNEY``."""
    told = {event.key: (event.kind, event.amount, event.quantity) for event in events}
    assert 0 not in told, "an event cannot be told from its repeat"
    order = [Kind.IDENTIFY, Kind.VIEW, Kind.CART_ADD, Kind.ORDER, Kind.REFUND]
    return sorted(told.values(), key=lambda each: order.index(each[0]))


def looks_right(events: list[Event]) -> None:
    """The journey, with its traits, its lines and the right time."""
    assert journey(events) == JOURNEY
    known = next(event for event in events if event.kind is Kind.IDENTIFY)
    assert dict(known.patch) == {"city": "上海", "age": 29}
    names = {name for event in events for _, name in event.names}
    assert {"p-1", "p-2", "咖啡", "上海"} <= names
    assert all(abs(event.time - system_clock()) < 120_000 for event in events)


def finished(command: list[str], seconds: float = 120.0, cwd: Path | None = None) -> str:
    """Run a program to its end and return what it printed; it must not fail."""
    started = time.monotonic()
    ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, cwd=cwd)
    assert ran.returncode == 0, f"{command[1]} after {time.monotonic() - started:.0f} s: {ran.stdout}{ran.stderr}"
    return ran.stdout

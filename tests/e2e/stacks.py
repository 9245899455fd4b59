"""Whole stacks for tests: what ``mien up`` starts, on the servers of the lane, in a folder of the test's own."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from kafka import KafkaConsumer, TopicPartition
from rich.console import Console

from profiles.identity.names import BLIND, kind_of
from profiles.sidecar import traits
from profiles.store import keys
from profiles.store.base import from_fields
from profiles.store.client import blocking
from profiles.store.worlds import Published
from profiles.timeline import Note, Words, decode
from profiles.wire import decode_transition
from streams.commands.stack import Running, serve
from streams.shoppers import Totals, send, year
from streams.topics import TRANSITIONS
from tests.lanes.servers import Pair, servers
from tests.processes import eventually

TAGS = Path(__file__).with_name("tags.yaml")
END = 1_760_000_000_000  #: a fixed day, so that two replays are the same


@dataclass
class Stack:
    """A running stack and what tests want of it."""

    running: Running
    servers: Pair
    redis: Any  #: a client; its answers are typed bytes-or-text, ours are bytes
    http: httpx2.Client

    @property
    def broker(self) -> str:
        return self.running.settings.broker

    @property
    def buckets(self) -> range:
        return range(self.running.settings.buckets)

    def pid(self, name: str) -> int:
        """The process of a part of ours: ``worker``, ``api``."""
        pid = next(child.pid for child in self.running.stack.children if child.name == name)
        assert pid is not None, f"{name} does not run"
        return pid

    def kill(self, name: str) -> None:
        """As the worst operator would: ``kill -9``; one that is just being started anew is waited for."""

        def killed() -> bool:
            with suppress(ProcessLookupError, StopIteration, AssertionError):
                os.kill(self.pid(name), signal.SIGKILL)
                return True
            return False

        eventually(killed, f"{name} is killed", seconds=60)

    @contextmanager
    def away(self, part: str) -> Iterator[None]:
        """The whole ``broker`` or ``store`` answers nothing, as behind a broken network, and then goes on."""
        children = {"broker": self.servers.kafka.children, "store": self.servers.store.children}[part]
        for child in children:
            child.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for child in children:
                child.signal(signal.SIGCONT)

    def counted(self) -> tuple[int, int]:
        """Events applied, and repeats recognised."""
        found = []
        for bucket in self.buckets:
            fields = self.redis.hgetall(keys.checkpoint(bucket))
            found.append(from_fields({name.decode(): int(value) for name, value in fields.items()}))
        return sum(each.applied for each in found), sum(each.duplicates for each in found)

    def decided(self) -> bool:
        """Whether the alert desk has come to the end of all that was told to it so far."""
        reader = KafkaConsumer(bootstrap_servers=self.broker, enable_auto_commit=False)
        try:
            ends = reader.end_offsets([TopicPartition(TRANSITIONS, bucket) for bucket in self.buckets])
            told = {place: end for place, end in ends.items() if end}
            reader.assign(list(told))
            for place, end in told.items():
                reader.seek(place, end - 1)
            last: dict[int, int] = {}
            deadline = time.monotonic() + 10
            while len(last) < len(told) and time.monotonic() < deadline:
                for place, records in reader.poll(timeout_ms=200).items():
                    last[place.partition] = decode_transition(records[-1].value).seq
        finally:
            reader.close()
        cursors = self.redis.hgetall(keys.ALERT_CURSOR)
        return len(last) == len(told) and all(
            int(cursors.get(b"%d" % bucket, 0)) >= seq for bucket, seq in last.items()
        )

    def profile(self, customer: str) -> dict[str, Any] | None:
        answer = self.http.get(f"/v1/profiles/{customer}")
        return answer.json() if answer.status_code == 200 else None

    def replay(self, households: int, days: int) -> Totals:
        """Send a part of the year and return what was sent."""
        events = year(7, END, households, days, timezone=self.running.settings.timezone)
        asyncio.run(send(events, self.broker))
        return events.totals

    def everything(self) -> dict[str, object]:
        """All that is stored about customers, for comparing two stacks to the byte."""
        out: dict[str, object] = {}
        for name in sorted(self.redis.scan_iter("{*", count=1000)):
            key = name.decode()
            kind, _, rest = key.partition(":")[2].partition(":")
            if kind_of(rest) in BLIND:
                continue  # a name that is hashed with a key of this stack's own
            if kind == "p":
                out[key] = self.redis.get(name)
            elif kind == "x":
                out[key] = traits(self.redis.get(name))  # what is sealed is other bytes each time
            elif kind == "due":
                out[key] = dict(self.redis.zrange(name, 0, -1, withscores=True))
            elif kind == "tag":
                out[key] = self.redis.smembers(name)
            elif kind == "t":
                out[key] = [self._told(note) for note in self.redis.lrange(name, 0, -1)]
            elif kind == "n":
                out[key] = {field: n for field, n in self.redis.hgetall(name).items() if n != b"0"}
        return out

    def _told(self, entry: bytes) -> Note:
        """What a timeline says, without when and in which order it was said: that may depend on how work was cut."""
        told = decode(entry, 0, "", self._words)
        return {name: value for name, value in told.items() if name not in ("seq", "clock")}

    def _words(self, rules: int) -> Words:
        published = msgspec.json.decode(self.redis.hget(keys.RULES, str(rules)), type=Published)
        return Words(published.slots, published.phrases)


@contextmanager
def stack(folder: Path, *, workers: int = 1, **changed: object) -> Iterator[Stack]:
    """Broker, store, worker and API; several workers are ``worker-0`` and so on."""
    quiet = Console(quiet=True)
    with servers(folder) as pair:
        usual = {"tags": TAGS, "sms": "file", "learn": False, "replication": pair.kafka.replication}
        started = serve(pair, 0, workers, quiet, **{**usual, **changed})
        headers = {"Authorization": f"Bearer {started.key}"}
        with (
            blocking(pair.redis) as redis,
            httpx2.Client(base_url=started.url, headers=headers, timeout=5.0) as http,
        ):
            yield Stack(started, pair, redis, http)

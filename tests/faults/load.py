"""A seeded crowd of shoppers that goes on while things break, and exact books of what it did.

Knows: what was sent, counted from the bytes of the records themselves.
Must not know: what Mien makes of it, which fault is at work.

The crowd is the demo's; on top come repeats, records that nobody can use, and views that arrive seconds late.  Orders
are never late: when silence turns into an alert must follow from the records alone.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
from kafka import KafkaProducer

from profiles.clock import Millis, system_clock
from streams.shoppers import Batch, Totals, trickle
from streams.shoppers.batch import BEHAVIOR
from streams.shoppers.dirt import Dirt, soil
from tests.processes import eventually

HOUSEHOLDS: Final = 80
RATE: Final = 60.0  #: events a second
WARM_MS: Final = 40_000  #: so much of the crowd's life comes at once: visits take a while to fill the shop
STEP_MS: Final = 20_000
POLL_SECONDS: Final = 0.2
DIRT: Final = Dirt(duplicates=0.03, broken=0.01)
LATE_SHARE: Final = 0.05  #: of the views
LATE_POLLS: Final = 15  #: at most so many polls later
PATIENCE_MS: Final = 120_000  #: how long a broker may be away before the load gives up

Record = tuple[str, bytes, bytes]  #: topic, key, value


@dataclass
class Books:
    """What was sent to a stack."""

    valid: int = 0
    duplicates: int = 0
    broken: set[bytes] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)  #: customer -> events
    orders: defaultdict[str, list[tuple[Millis, int]]] = field(default_factory=lambda: defaultdict(list))
    """Customer -> moment and minor units of every order, in order."""

    _seen: set[str] = field(default_factory=set)

    def note(self, value: bytes) -> None:
        """Book one record by what is in it."""
        event = _readable(value)
        if event is None:
            self.broken.add(value)
        elif event["messageId"] in self._seen:
            self.duplicates += 1
        else:
            self._book(event)

    def _book(self, event: dict[str, Any]) -> None:
        self._seen.add(event["messageId"])
        self.valid += 1
        self.events[event["userId"]] += event["type"] != "identify"  # who somebody is, nothing that she did
        if event.get("event") == "Order Completed":
            revenue = round(event["properties"]["revenue"] * 100)
            self.orders[event["userId"]].append((_millis(event["timestamp"]), revenue))


def _readable(value: bytes) -> dict[str, Any] | None:
    """The event, unless it is one of ``streams.shoppers.dirt``."""
    try:
        event: dict[str, Any] = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None
    return None if str(event["messageId"]).startswith(("nobody-", "negative-", "endless-")) else event


def _millis(timestamp: str) -> Millis:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


class Load:
    """Sends from a thread of its own until the block ends."""

    def __init__(self, broker: str, seed: int) -> None:
        self.books = Books()
        self.sent = 0
        self._rng = np.random.default_rng([seed, 9])
        self._dirt = Totals()
        self._now = system_clock() - WARM_MS
        self._crowd = trickle(seed, lambda: self._now, RATE, HOUSEHOLDS)
        self._late: defaultdict[int, list[Record]] = defaultdict(list)
        self._round = 0
        self._paused = threading.Event()
        self._idle = threading.Event()
        self._over = threading.Event()
        self._failed: list[BaseException] = []
        self.producer = KafkaProducer(
            bootstrap_servers=broker.split(","), acks="all", linger_ms=20, delivery_timeout_ms=PATIENCE_MS
        )
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def until(self, more: int) -> None:
        """Wait until so many more records were sent: a moment of the load, not of the clock."""
        goal = self.sent + more
        eventually(lambda: bool(self._failed) or self.sent >= goal, f"{more} more records are sent", seconds=120)
        self._fail()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is sent meanwhile; what was sent has arrived."""
        self._paused.set()
        try:
            eventually(lambda: bool(self._failed) or self._idle.is_set(), "the load pauses", seconds=60)
            self._fail()
            yield
        finally:
            self._paused.clear()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send what is late, wait until the broker has everything.

        Raises:
            Exception: something could not be sent, so the books are worth nothing.
        """
        self._over.set()
        self._thread.join(PATIENCE_MS / 1000 + 30)
        self.producer.close()
        self._fail()
        assert not self._thread.is_alive(), "the load has ended"

    def _fail(self) -> None:
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            while self._now + STEP_MS < system_clock():
                self._now += STEP_MS
                self._put(self._soiled(next(self._crowd)))
            while not self._over.is_set():
                if self._paused.is_set():
                    self._rest()
                self._now = system_clock()
                self._put(self._soiled(next(self._crowd)))
                time.sleep(POLL_SECONDS)
            self._flush()
        except BaseException as fault:
            self._failed.append(fault)

    def _rest(self) -> None:
        self._flush()
        self._idle.set()
        while self._paused.is_set() and not self._over.is_set():
            time.sleep(POLL_SECONDS)
        self._now = system_clock()
        next(self._crowd)  # the shop was closed: what would have come meanwhile never happened
        self._idle.clear()

    def _flush(self) -> None:
        """Nothing is late any more, and the broker has everything."""
        self._put([record for due in sorted(self._late) for record in self._late.pop(due)])
        self.producer.flush(timeout=PATIENCE_MS / 1000)
        self._fail()

    def _soiled(self, batch: Batch) -> list[Record]:
        """The records of this round: what is due, less what will be late, plus what was."""
        self._round += 1
        if len(batch):
            soil(self._rng, batch, DIRT, self._dirt)
        out = []
        for record in zip(batch.topics, batch.keys, batch.values, strict=True):
            if record[0] == BEHAVIOR and self._rng.random() < LATE_SHARE:
                self._late[self._round + int(self._rng.integers(1, LATE_POLLS))].append(record)
            else:
                out.append(record)
        return out + self._late.pop(self._round, [])

    def _put(self, records: list[Record]) -> None:
        for topic, key, value in records:
            self.books.note(value)
            self.producer.send(topic, value, key=key).add_errback(self._failed.append)
            self.sent += 1


@contextmanager
def loading(broker: str, seed: int) -> Iterator[Load]:
    """A load that runs during the block; one for the whole life of a stack, since its time never goes back."""
    load = Load(broker, seed)
    load.start()
    try:
        yield load
    finally:
        load.stop()

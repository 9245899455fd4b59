"""A Faust worker inside a test: the app that ``mien worker`` runs, with agents that keep a diary.

It lives on a thread and a loop of its own, as it would in its process; a test looks from outside.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from profiles.settings import Settings
from streams.batches import PassThrough
from streams.framework import faust_app
from tests.contract.kafka_parts import APACHE

POLLED = 10  #: most records of one fetch, so that a test needs few


@dataclass(frozen=True)
class Seen:
    """One item that an agent was given."""

    topic: str
    partition: int
    offsets: tuple[int, ...]
    at: int  #: the offset that Faust will acknowledge
    values: tuple[bytes | None, ...]
    actor: int


Handler = Callable[[Seen], Awaitable[None]]


@dataclass
class Tap:
    """An agent on a topic."""

    topic: str
    seen: list[Seen] = field(default_factory=list)
    began: list[Seen] = field(default_factory=list)
    handle: Handler | None = None

    @property
    def offsets(self) -> list[int]:
        """All offsets that were handled to the end, in order, of partition 0."""
        return [offset for each in self.seen if each.partition == 0 for offset in each.offsets]

    async def take(self, fetch: Any, actor: int) -> None:
        records, message = fetch.value, fetch.message
        offsets, values = tuple(each.offset for each in records), tuple(each.value for each in records)
        now = Seen(message.topic, message.partition, offsets, message.offset, values, actor)
        self.began.append(now)
        if self.handle is not None:
            await self.handle(now)
        self.seen.append(now)


class Running:
    """An app and its taps; use it as a context manager."""

    def __init__(self, broker: str, folder: Path, group: str = "") -> None:
        self.group = group or f"contract-{uuid4().hex[:8]}"
        self.app: Any = faust_app(
            Settings(broker=broker, group=self.group, embedded=not APACHE, data_dir=folder, event_topics=())
        )
        self.app.conf.broker_max_poll_records = POLLED
        if not APACHE:  # the private broker lets a group join after half of this; Apache Kafka allows no less than 6 s
            self.app.conf.broker_session_timeout, self.app.conf.broker_rebalance_timeout = 3.0, 1.0
        self.signals: list[tuple[str, frozenset[tuple[str, int]]]] = []
        self.on_complete: Callable[[], Awaitable[None]] | None = None
        self.on_revoked: Callable[[], object] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=self.group, daemon=True)
        self._up = threading.Event()
        self._fault: BaseException | None = None
        self._listen()

    def tap(self, topic: str) -> Tap:
        """An agent on ``topic`` that writes down what it is given."""
        tap = Tap(topic)

        async def agent(fetches: Any) -> None:
            async for fetch in fetches.events():
                await tap.take(fetch, id(fetches))

        source = self.app.topic(topic, schema=PassThrough())
        self.app.agent(source, name=f"{self.group}-{topic}")(agent)
        return tap

    def do(self, work: Coroutine[Any, Any, Any], seconds: float = 30.0) -> Any:
        """Run something on the app's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(60), "the app did not start"
        if self._fault is not None:
            raise self._fault
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.app.stop(), 60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self.app.start())
        except BaseException as fault:
            self._fault = fault
        self._up.set()
        if self._fault is None:
            self._loop.run_forever()

    def _listen(self) -> None:
        def note(name: str, partitions: Any = ()) -> None:
            self.signals.append((name, frozenset(map(tuple, partitions))))

        async def revoked(_: Any, revoked: Any, **__: Any) -> None:
            note("revoked", revoked)
            if self.on_revoked is not None:
                self.on_revoked()

        async def assigned(_: Any, assigned: Any, **__: Any) -> None:
            note("assigned", assigned)

        async def complete(_: Any, **__: Any) -> None:
            note("complete", self.app.assignor.assigned_actives())
            if self.on_complete is not None:
                await self.on_complete()

        self._receivers = (revoked, assigned, complete)  # Faust keeps weak references only
        self.app.on_partitions_revoked.connect(revoked)
        self.app.on_partitions_assigned.connect(assigned)
        self.app.on_rebalance_complete.connect(complete)

"""The worker: composition root and Faust agents.  ``faust -A streams.app worker`` runs it.

Knows: how the parts are put together and what happens on a rebalance.
Must not know: anything the parts know.

    events.*        -> intake   -> profile-inputs, dead-letters
    profile-inputs  -> update   -> Redis, and through the outbox: transitions, samples
    transitions     -> alerts   -> webhooks, SMS
    samples         -> learn    -> params
    twice a second: silence, new rules, deliveries that are due
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from profiles.clock import system_clock
from profiles.kernels.__main__ import warm
from profiles.logs import to_stderr
from profiles.settings import load
from streams.batches import PassThrough
from streams.framework import faust_app, rewind
from streams.inboxes import Inboxes, Work
from streams.overlooked import Partition
from streams.patience import EXIT_RESTART, leave, surely
from streams.topics import PROFILE_INPUTS, SAMPLES, TRANSITIONS, event_topics
from streams.transport import FetchConsumer
from streams.worker import Worker

settings = load()
to_stderr(settings)
warm()  # before the group is joined: a member that compiles for half a minute would hold everybody up
KAFKA_FAULTS = (KafkaError, OSError)


reads = event_topics(settings)
app: Any = faust_app(settings, reads)  # its decorators are untyped
worker = Worker(settings, system_clock, KAFKA_FAULTS)
raw = PassThrough()
FetchConsumer.sure = worker.sure


def _topic(*names: str) -> Any:
    return app.topic(*names, schema=raw)


async def _back(topic: str, partition: int, wanted: int) -> None:
    await rewind(app, topic, partition, wanted)


def _hold(place: Partition, held: bool) -> None:
    (app.consumer.pause_partitions if held else app.consumer.resume_partitions)({TP(*place)})


def _inboxes(work: Work) -> Inboxes:
    async def sure(records: Sequence[Any]) -> int | None:
        return await surely(work(records))

    return Inboxes(sure, _back, _hold)


events = _inboxes(lambda records: worker.read(records, worker.intake))
updates = _inboxes(worker.update)
transitions = _inboxes(lambda records: worker.read(records, worker.alert))
samples = _inboxes(lambda records: worker.read(records, worker.learn))
INBOXES = events, updates, transitions, samples


@app.agent(_topic(*reads))
async def intake(fetches: Any) -> None:
    """Read what apps sent and hand it to the bucket of each customer."""
    async for fetch in fetches.events():
        events.put(fetch.value)


@app.agent(_topic(PROFILE_INPUTS))
async def update(fetches: Any) -> None:
    """Fold, decide, commit: one bucket a partition."""
    async for fetch in fetches.events():
        updates.put(fetch.value)


@app.agent(_topic(TRANSITIONS))
async def alerts(fetches: Any) -> None:
    """Turn transitions into alerts."""
    async for fetch in fetches.events():
        transitions.put(fetch.value)


@app.agent(_topic(SAMPLES))
async def learn(fetches: Any) -> None:
    """Learn cut points from samples."""
    async for fetch in fetches.events():
        samples.put(fetch.value)


@app.on_partitions_revoked.connect
async def revoked(_: Any, revoked: Any, *__: Any, **___: Any) -> None:
    """Let go of what somebody else will read and write."""
    for inboxes in INBOXES:
        inboxes.release({(tp.topic, tp.partition) for tp in revoked})
    worker.forget({(tp.topic, tp.partition) for tp in revoked})
    worker.release({tp.partition for tp in revoked if tp.topic == PROFILE_INPUTS})


@app.on_before_shutdown.connect
async def ending(*_: Any, **__: Any) -> None:
    """What waits is left to whoever comes next."""
    for inboxes in INBOXES:
        inboxes.close()


@app.on_rebalance_complete.connect
async def assigned(_: Any, *__: Any, **___: Any) -> None:
    """Go to where Redis says each bucket is; what Kafka remembers is only a hint."""
    for topic, partition, offset in await surely(worker.positions(app.assignor.assigned_actives())):
        await app.consumer.seek(TP(topic, partition), offset)


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Again and again; a round that takes long delays the next instead of overlapping it."""
    while not app.should_stop:
        await surely(work())
        await asyncio.sleep(seconds)


@app.task
async def silence() -> None:
    """Sweep what is due, renew what older rules decided, go back where an older store came back."""

    async def tend() -> None:
        for (topic, partition), wanted in (await worker.tend()).items():
            await rewind(app, topic, partition, wanted)

    await _every(0.5, tend)


@app.task
async def look_back() -> None:
    """Read again what was fetched and never came."""

    async def look() -> None:
        if app.consumer.flow_active and not app.rebalancing:
            busy = set().union(*(inboxes.busy() for inboxes in INBOXES))
            found = await worker.overlooked(await app.consumer.fetched(), busy)
            for (topic, partition), wanted in found.items():
                await rewind(app, topic, partition, wanted)

    await _every(2.0, look)


@app.task
async def deliver() -> None:
    """Send webhooks and texts that are due."""
    await _every(0.5, worker.deliver)


@app.task
async def count() -> None:
    """Store what was counted of sources."""
    await _every(1.0, worker.count)


@app.task
async def follow_sources() -> None:
    """Take what was saved in the file of MIEN_SOURCES."""
    await _every(1.0, worker.follow_sources)


@app.task
async def complain() -> None:
    """Say what is being waited for."""
    await _every(2.0, worker.complain)


@app.task
async def watch() -> None:
    """A topic nobody declared: start again, so that it is read as well."""
    await _every(20.0, _look_for_topics)


@app.task
async def guard() -> None:
    """Notice if nothing happens although there is work."""
    await _every(20.0, lambda: worker.keep_moving(flows=app.consumer.flow_active))


async def _look_for_topics() -> None:
    found = await worker.new_topics()
    if found:
        leave(f"new event topics {', '.join(found)}: starting again to read them", code=EXIT_RESTART)

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
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from profiles.clock import system_clock
from profiles.kernels.__main__ import warm
from profiles.logs import to_stderr
from profiles.settings import load
from streams.batches import PassThrough
from streams.framework import faust_app, rewind
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


async def _read(fetch: Any, work: Callable[[Any], Awaitable[int | None]]) -> None:
    """Let the worker have a fetch, and go back if it is not the next one."""
    wanted = await surely(worker.read(fetch.value, work))
    if wanted is not None:
        await rewind(app, fetch.message.topic, fetch.message.partition, wanted)


@app.agent(_topic(*reads))
async def intake(fetches: Any) -> None:
    """Read what apps sent and hand it to the bucket of each customer."""
    async for fetch in fetches.events():
        await _read(fetch, worker.intake)


@app.agent(_topic(PROFILE_INPUTS), isolated_partitions=True)
async def update(fetches: Any) -> None:
    """Fold, decide, commit: one bucket a partition."""
    async for fetch in fetches.events():
        wanted = await surely(worker.update(fetch.message.partition, fetch.value))
        if wanted is not None:
            await rewind(app, PROFILE_INPUTS, fetch.message.partition, wanted)


@app.agent(_topic(TRANSITIONS))
async def alerts(fetches: Any) -> None:
    """Turn transitions into alerts."""
    async for fetch in fetches.events():
        await _read(fetch, worker.alert)


@app.agent(_topic(SAMPLES))
async def learn(fetches: Any) -> None:
    """Learn cut points from samples."""
    async for fetch in fetches.events():
        await _read(fetch, worker.learn)


@app.on_partitions_revoked.connect
async def revoked(_: Any, revoked: Any, *__: Any, **___: Any) -> None:
    """Let go of buckets that somebody else will write."""
    worker.release({tp.partition for tp in revoked if tp.topic == PROFILE_INPUTS})


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
            for (topic, partition), wanted in (await worker.overlooked(await app.consumer.fetched())).items():
                await rewind(app, topic, partition, wanted)

    await _every(2.0, look)


@app.task
async def deliver() -> None:
    """Send webhooks and texts that are due."""
    await _every(0.5, worker.deliver)


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

"""The one learner: samples become cut points that every bucket decides with.

Knows: samples arrive once per (bucket, seq) or again after a crash; a version of params is published by telling every
bucket in its own log, so what a bucket decides stays a function of its log.
Must not know: how cut points are computed (``profiles.population``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from profiles import inputs, population
from profiles.clock import WEEK
from profiles.store import keys
from profiles.store.registry import Registry
from profiles.store.worlds import CUTS
from profiles.wire import Sample
from streams.quarantine import Sender
from streams.topics import PROFILE_INPUTS

STATE = "learn"  #: name of the learner's own params: its counts and how far it has read

_decode_sample = msgspec.json.Decoder(Sample).decode


class Memory(msgspec.Struct):
    """The learner's whole state; stored with every publication, so a restart goes on from there."""

    counts: population.Counts = msgspec.field(default_factory=population.Counts)
    seen: dict[int, int] = {}  #: bucket -> last seq counted
    next: int = 0  #: offset of ``samples`` to read next
    week: int = 0  #: last week that was published
    version: int = 0


_decode_memory = msgspec.json.Decoder(Memory).decode


class Learner:
    """Counts samples and publishes new cut points when a week of the stream has ended."""

    def __init__(self, registry: Registry, sender: Sender, buckets: int) -> None:
        self._registry = registry
        self._sender = sender
        self._buckets = buckets
        self._memory: Memory | None = None

    async def open(self) -> Memory:
        if self._memory is None:
            stored = await self._registry.client.hget(keys.params(STATE), "state")
            self._memory = _decode_memory(stored) if stored else Memory()
        return self._memory

    def forget(self) -> None:
        """Read the state again before going on: the partition may have been elsewhere."""
        self._memory = None

    async def handle(self, records: Sequence[Any]) -> int:
        """Count new samples; returns the version published, or 0."""
        memory = await self.open()
        published = 0
        for record in records:
            if record.offset < memory.next:
                continue
            sample = _decode_sample(record.value)
            memory.next = record.offset + 1
            if sample.seq <= memory.seen.get(sample.bucket, 0):
                continue
            week = sample.at // WEEK
            if memory.week and week > memory.week:
                published = await self._publish(memory) or published
            memory.week = max(memory.week, week)
            memory.seen[sample.bucket] = sample.seq
            population.update(memory.counts, sample)
        return published

    async def _publish(self, memory: Memory) -> int:
        """Store cut points and state, then tell every bucket; telling twice does no harm."""
        cuts = population.read(memory.counts, memory.version + 1)
        if cuts is None:
            return 0
        document = msgspec.json.encode(cuts).decode()
        live = await self._registry.publish(keys.params(CUTS), document)
        memory.version = live
        await self._registry.client.hset(keys.params(STATE), "state", msgspec.json.encode(memory))
        control = inputs.encode(inputs.Control(CUTS, live))
        for bucket in range(self._buckets):
            await self._sender.send_and_wait(PROFILE_INPUTS, control, partition=bucket)
        return live

"""The first hop: records as apps sent them -> batches of inputs for the bucket of each customer.

Knows: Kafka records, the dead-letter topic, where a customer's bucket is.
Must not know: profiles, Redis, rules.

A source partition is sent on in order, one stretch at a time, each awaited.  After a crash a stretch is sent again,
perhaps cut differently; the update side knows by source offset what it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from profiles import inputs
from profiles.errors import Rejected
from profiles.intake import Intake
from profiles.replay import ARRIVED
from profiles.stable import bucket_of
from profiles.wire import DeadLetter
from streams.topics import DEAD_LETTERS, PROFILE_INPUTS

STRETCH = 1000  #: most events of one record of profile-inputs
KEPT_BYTES = 3 << 20  #: most bytes of a dead letter's value; more than any broker of ours accepts from an app


class Sender(Protocol):
    """The part of an aiokafka producer that is needed here."""

    def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> Awaitable[Any]: ...


@dataclass
class Read:
    """What one stretch of records came to."""

    drafts: dict[int, inputs.Draft] = field(default_factory=dict)
    dead: list[tuple[DeadLetter, bytes]] = field(default_factory=list)
    clock: int = 0
    received: int = 0


class IntakeHop:
    """Reads stretches of one source partition after another and sends them on."""

    def __init__(self, intake: Intake, buckets: int, sender: Sender, *, replay: bool = False) -> None:
        """``replay``: tell every bucket how far each source is, also those that it has nothing for."""
        self._replay = replay
        self._intake = intake
        self._buckets = buckets
        self._sender = sender
        self._clocks: dict[tuple[str, int], int] = {}

    def read(self, records: Sequence[Any]) -> Read:
        """Understand records of one source partition; what cannot be used is set apart with its reason."""
        topic, partition = records[0].topic, records[0].partition
        out = Read(clock=self._clocks.get((topic, partition), 0))
        for record in records:
            raw = record.value if record.value is not None else b""
            out.received = max(out.received, record.timestamp)
            try:
                event = self._intake.read(raw, record.timestamp)
            except Rejected as fault:
                out.dead.append((DeadLetter(topic, partition, record.offset, fault.reason, fault.detail), raw))
                continue
            out.clock = max(out.clock, event.time)
            out.drafts.setdefault(bucket_of(event.profile, self._buckets), inputs.Draft()).add(event, record.offset)
        self._clocks[topic, partition] = out.clock
        return out

    async def handle(self, records: Sequence[Any]) -> list[DeadLetter]:
        """Send records of one source partition on; returns the refused ones once all of it is safely in Kafka."""
        dead = []
        for start in range(0, len(records), STRETCH):
            stretch = records[start : start + STRETCH]
            read = self.read(stretch)
            await asyncio.gather(*self._sends(stretch[0].topic, stretch[0].partition, read))
            dead += [letter for letter, _ in read.dead]
        return dead

    def _sends(self, topic: str, partition: int, read: Read) -> list[Awaitable[Any]]:
        sends = [self._sender.send_and_wait(DEAD_LETTERS, raw[:KEPT_BYTES], headers=_headers(letter))
                 for letter, raw in read.dead]  # fmt: skip
        if self._replay and read.received - read.clock > ARRIVED:
            for bucket in range(self._buckets):
                read.drafts.setdefault(bucket, inputs.Draft())
        for bucket, draft in read.drafts.items():
            value = inputs.encode(draft.batch(topic, partition, read.clock, read.received))
            sends.append(self._sender.send_and_wait(PROFILE_INPUTS, value, partition=bucket))
        return sends


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """Where a dead letter came from and why; topic, partition and offset tell repeats apart."""
    return [
        ("topic", letter.topic.encode()),
        ("partition", str(letter.partition).encode()),
        ("offset", str(letter.offset).encode()),
        ("reason", letter.reason.encode()),
        ("detail", letter.detail[:500].encode(errors="replace")),
    ]

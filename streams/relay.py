"""What a commit has to say, from the outbox to Kafka, in order.

Knows: outboxes and topics.  Must not know: what a message means.
A message leaves the outbox only after Kafka has it; after a crash it may be sent again, and its reader recognises it
by (bucket, seq).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

from profiles.store.base import Message, ProfileStore
from streams.patience import Patience, surely
from streams.topics import PROFILE_INPUTS, TRANSITIONS

GROUPS = 20  #: most commits published between two looks at the outbox
PORTION = 2000  #: messages of these, about: what is not in Kafka when patience ends is sent again from its beginning


class Relay:
    """Publishes the outboxes of the buckets this worker owns."""

    def __init__(self, store: ProfileStore, producer: Any, patiently: Patience) -> None:
        """``producer`` is an aiokafka producer; its batches are as large as it was told."""
        self._store = store
        self._producer = producer
        self._patiently = patiently
        self._waiting: set[int] = set()
        self._draining: dict[int, asyncio.Task[None]] = {}
        self._groups: dict[int, int] = {}  #: bucket -> how many of its commits make a portion

    def wake(self, bucket: int) -> None:
        """There may be something in this bucket's outbox: see to it soon.  No bucket waits for another."""
        self._waiting.add(bucket)
        if bucket not in self._draining:
            self._draining[bucket] = asyncio.create_task(surely(self._see_to(bucket)))

    async def idle(self, bucket: int) -> None:
        """Wait until this outbox has been emptied, if somebody is at it."""
        if (draining := self._draining.get(bucket)) is not None:
            await asyncio.wait([draining])

    async def _see_to(self, bucket: int) -> None:
        try:
            while bucket in self._waiting:
                self._waiting.discard(bucket)
                await self.drain(bucket)
        finally:
            del self._draining[bucket]

    async def drain(self, bucket: int) -> None:
        """Empty one outbox."""
        while True:
            asked = self._groups.get(bucket, GROUPS)
            groups = await self._patiently("read outbox", partial(self._store.outbox, bucket, asked))
            if not groups:
                return
            messages = [message for _, group in groups for message in group]
            await self._patiently("publish outbox", partial(self._publish, bucket, messages))
            await self._patiently("trim outbox", partial(self._store.published, bucket, groups[-1][0]))
            self._groups[bucket] = min(max(PORTION * len(groups) // max(len(messages), 1), 1), GROUPS)
            if len(groups) < asked:
                return  # whoever commits more wakes us again

    async def _publish(self, bucket: int, messages: list[Message]) -> None:
        """All of them, in order, in as few batches as they fit into; returns when Kafka has every one."""
        open_batches: dict[tuple[str, int], Any] = {}
        waiting: list[Awaitable[Any]] = []
        for message in messages:
            lane = message.topic, _partition(message, bucket)
            batch = open_batches.get(lane)
            if batch is None or batch.append(key=message.key, value=message.value, timestamp=None) is None:
                if batch is not None:
                    waiting.append(await self._hand_over(batch, lane))
                batch = open_batches[lane] = self._producer.create_batch()
                batch.append(key=message.key, value=message.value, timestamp=None)
        for lane, batch in open_batches.items():
            waiting.append(await self._hand_over(batch, lane))
        await asyncio.gather(*waiting)

    async def _hand_over(self, batch: Any, lane: tuple[str, int]) -> Awaitable[Any]:
        batch.close()
        sent: Awaitable[Any] = await self._producer.send_batch(batch, lane[0], partition=lane[1])
        return sent


def _partition(message: Message, bucket: int) -> int:
    """Where a message of a bucket goes: to the bucket that its key says, if it is for another one."""
    if message.topic == PROFILE_INPUTS:
        return int(message.key)
    return bucket if message.topic == TRANSITIONS else 0

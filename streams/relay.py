"""What a commit has to say, from the outbox to Kafka, in order.

Knows: outboxes and topics.  Must not know: what a message means.
A message leaves the outbox only after Kafka has it; after a crash it may be sent again, and its reader recognises it
by (bucket, seq).
"""

from __future__ import annotations

import asyncio
from functools import partial

from profiles.errors import StoreDown
from profiles.store.base import Message, ProfileStore
from streams.intake import Sender
from streams.patience import patiently
from streams.topics import TRANSITIONS

GROUPS = 100  #: commits published between two looks at the outbox


class Relay:
    """Publishes the outboxes of the buckets this worker owns."""

    def __init__(self, store: ProfileStore, sender: Sender, faults: tuple[type[Exception], ...]) -> None:
        self._store = store
        self._sender = sender
        self._faults = (*faults, StoreDown)
        self._waiting: set[int] = set()
        self._wake = asyncio.Event()

    def wake(self, bucket: int) -> None:
        """There may be something in this bucket's outbox."""
        self._waiting.add(bucket)
        self._wake.set()

    async def run(self) -> None:
        """Publish for ever; buckets take turns."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self.drain(self._waiting.pop())

    async def drain(self, bucket: int) -> None:
        """Empty one outbox."""
        while True:
            groups = await patiently("read outbox", lambda: self._store.outbox(bucket, GROUPS), self._faults)
            if not groups:
                return
            messages = [message for _, group in groups for message in group]
            await patiently("publish outbox", partial(self._publish, bucket, messages), self._faults)
            await patiently("trim outbox", partial(self._store.published, bucket, groups[-1][0]), self._faults)

    async def _publish(self, bucket: int, messages: list[Message]) -> None:
        """All of them, in order: one client keeps the order of sends to one partition."""
        await asyncio.gather(
            *(
                self._sender.send_and_wait(
                    message.topic,
                    message.value,
                    key=message.key,
                    partition=bucket if message.topic == TRANSITIONS else 0,
                )
                for message in messages
            )
        )

"""Kafka, as far as the API writes to it: what was given is acknowledged by the broker, or the caller hears that it is not.

Knows: one producer, when it is there, how long to wait for it.
Must not know: events, requests.
Nothing is connected before something is to be sent, and whoever only reads never notices whether Kafka is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from profiles.errors import MienError
from profiles.settings import Settings

ACK_SECONDS: Final = 5.0  #: less than any SDK waits for an answer
LINGER_MS: Final = 5
LINGER_PRIVATE_MS: Final = 15  #: the private broker pays by the batch
BATCH_BYTES: Final = 1 << 20
REQUEST_BYTES: Final = 4 << 20  #: as much as the dead-letter topic takes
WAITING_BYTES: Final = 64 << 20  #: sent and not acknowledged; what comes beyond that is refused at once
log = structlog.get_logger("mien")


class NotTaken(MienError):
    """Kafka did not acknowledge in time; sending again is right and, with message ids, harmless."""


class Outgoing(NamedTuple):
    """One record."""

    topic: str
    value: bytes
    key: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int | None = None


class Outlet:
    """A producer that is made when it is first needed."""

    def __init__(self, settings: Settings, ack_seconds: float = ACK_SECONDS) -> None:
        self._settings = settings
        self._patience = ack_seconds
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        self._waiting = 0

    async def send(self, records: Sequence[Outgoing], received: int) -> None:
        """Returns when every record is on as many brokers as the topic wants.

        ``received`` is when they came (milliseconds), which is what device clocks are corrected by.

        Raises:
            NotTaken: some may not be; which ones is not known.
        """
        size = sum(len(each.value) for each in records)
        if self._waiting + size > WAITING_BYTES:
            raise NotTaken("more is waiting for Kafka than this process holds; try again shortly")
        self._waiting += size
        try:
            async with asyncio.timeout(self._patience):
                await self._send(records, received)
        except UnknownTopicOrPartitionError as error:
            raise NotTaken("a topic is missing in Kafka; `mien topics` or the first worker makes it") from error
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("kafka did not acknowledge", error=repr(error)[:200], records=len(records))
            raise NotTaken("Kafka does not acknowledge; try again shortly") from error
        finally:
            self._waiting -= size

    async def close(self) -> None:
        """Send what is left, and let go."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, TimeoutError, OSError):
                async with asyncio.timeout(self._patience):
                    await producer.stop()

    async def _send(self, records: Sequence[Outgoing], received: int) -> None:
        producer = self._producer or await self._open()
        waiting: list[asyncio.Future[Any]] = []
        for each in records:
            future = await producer.send(
                each.topic,
                each.value,
                key=each.key,
                timestamp_ms=received,
                headers=each.headers,
                partition=each.partition,
            )
            future.add_done_callback(_heard)
            waiting.append(future)
        await asyncio.gather(*map(asyncio.shield, waiting))

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._settings.broker.split(","),
                    client_id=f"{self._settings.group}-collector",
                    acks="all",
                    linger_ms=LINGER_PRIVATE_MS if self._settings.embedded else LINGER_MS,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=REQUEST_BYTES,
                    request_timeout_ms=round(1000 * self._patience),
                )
                try:
                    await producer.start()
                except BaseException:
                    with suppress(Exception):
                        await producer.stop()
                    raise
                self._producer = producer
            return self._producer


def _heard(future: asyncio.Future[Any]) -> None:
    """Nobody may be waiting any more; the loop must not complain about that."""
    if not future.cancelled():
        future.exception()

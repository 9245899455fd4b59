"""Two settings that Faust does not offer, for the private broker only.

Knows: that Tansu answers a waiting fetch only after half of ``fetch.max.wait``, which Faust fixes at 1500 ms.
Must not know: anything else; on Apache Kafka Faust's own transport is used.
"""

from __future__ import annotations

from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

FETCH_WAIT_MS = 20


class PromptThread(AIOKafkaConsumerThread):
    """Sets the wait on the consumer before it starts."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - no public way; pinned by a contract test
        return consumer


class PromptConsumer(Consumer):
    """A consumer with such a thread."""

    def _new_consumer_thread(self) -> PromptThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)


class PromptTransport(Transport):
    """A transport with such a consumer."""

    Consumer = PromptConsumer

"""Where Faust's transport is not as Mien needs it: what is handed over, how much is done, where reading begins, how long a
fetch may wait.

Knows: Faust's bookkeeping of acknowledgements and positions, and that Tansu answers a waiting fetch only after half of
``fetch.max.wait``, which Faust fixes at 1500 ms.
Must not know: what is in a record.  There is no public way to these; ``tests/contract`` pins what is leaned on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from aiokafka.errors import IllegalStateError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

FETCH_WAIT_MS = 20


class FetchConsumer(Consumer):
    """Commits everything that is done, when an item is a whole fetch; and begins where it was told to.

    Faust sees the last offset of each fetch, takes those between for a gap and fills it, the last one twice; its run
    of consecutive numbers then ends at every fetch.  So it would commit one fetch per commit, fall behind for ever
    and keep every number in memory; after a rewind it would commit one record at a time.  Fetches of a partition are
    handed over and done in order, so the last one done tells it all, and gaps need not be known.

    Faust hands fetches over one by one and lets the loop take several turns for each; in a busy worker a turn takes
    milliseconds, and what had come for the last of 17 partitions waited 80 ms for its agent.  Here all that one look
    brought is handed over in one.

    At the end of a rebalance Faust goes to the committed offsets *after* it has told everybody, and so undoes what
    they sought.  Here what was sought during a rebalance is sought again after that.
    """

    sure: ClassVar[Callable[[str, int], int | None]] = staticmethod(lambda _topic, _partition: None)
    """Topic, partition -> what may be committed at most, as the reader knows; None: what was acknowledged counts.

    A fetch that its reader sends back is acknowledged like any other.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sought: dict[TP, int] = {}

    async def seek(self, partition: TP, offset: int) -> None:
        """Read a partition from ``offset``."""
        if self.app.rebalancing:
            self._sought[partition] = offset
        await super().seek(partition, offset)

    async def perform_seek(self) -> None:
        """Go to where reading is to begin; what is committed counts where nothing else was asked for."""
        await super().perform_seek()
        for partition in self.assignment() & self._sought.keys():
            await super().seek(partition, self._sought[partition])

    async def fetched(self) -> dict[tuple[str, int], int]:
        """Topic, partition -> what is fetched next; of those that are ours while we ask."""
        found = {}
        for partition in self.assignment():
            with suppress(IllegalStateError):
                found[partition.topic, partition.partition] = await self.position(partition) or 0
        return found

    async def _drain_messages(self, fetcher: Any) -> None:
        """Look, hand over, for ever; what belongs to an earlier generation is passed over, and so is what was read."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):  # noqa: SLF001 - as Faust does
                await self.sleep(0)
                found = [each async for each in self.getmany(timeout=1.0)]
                if found:
                    await self.wait_first(self._hand_over(found), self.suspend_flow.wait())
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise

    async def _hand_over(self, found: list[tuple[TP, Any]]) -> None:
        """To the agents, in order; a full one makes all wait.  What was not handed over is not noted as read."""
        for partition, message in found:
            read = self._read_offset[partition]
            if read is None or message.offset >= read:
                await self.callback(message)
                self._read_offset[partition] = message.offset

    def resume_flow(self) -> None:
        """From here on a seek is a matter between an agent and its partition."""
        self._sought.clear()
        super().resume_flow()

    def _new_offset(self, tp: TP) -> int | None:
        """What may be committed; None if nothing was done since the last time."""
        done: list[int] = self._acked[tp]
        if not done:
            return None
        upto, sure = max(done) + 1, type(self).sure(tp.topic, tp.partition)
        done.clear()
        self._acked_index[tp].clear()
        if sure is None or sure >= upto:
            return upto
        done.append(upto - 1)  # it was handed over and is not done: look again next time
        return sure

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Between two items there is nothing but the first records of the second."""


class FetchTransport(Transport):
    """A transport with such a consumer."""

    Consumer = FetchConsumer


class PromptThread(AIOKafkaConsumerThread):
    """Sets the wait on the consumer before it starts; for the private broker only."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - no public way; pinned by a contract test
        return consumer


class PromptConsumer(FetchConsumer):
    """A consumer with such a thread."""

    def _new_consumer_thread(self) -> PromptThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)


class PromptTransport(Transport):
    """A transport with such a consumer."""

    Consumer = PromptConsumer

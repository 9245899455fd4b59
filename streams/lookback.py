"""Reading topics again from their beginning, partition by partition, without taking part in anything.

Knows: offsets.  Must not know: what is in a record.
No group is joined and nothing is committed, so whoever reads for a living does not notice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from profiles.settings import Settings
from streams.topics import BrokerDown

SILENCE_SECONDS = 60.0  #: a broker that has records and hands none out for so long is away


class Lookback:
    """A reader of whole partitions; use it in a ``with`` block.

    Raises:
        BrokerDown: from every method, if no broker answers or it stops answering.
    """

    def __init__(self, settings: Settings) -> None:
        self._broker = settings.broker
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=[server.strip() for server in settings.broker.split(",")],
                group_id=settings.group,  # only to ask how far it is
                client_id=f"{settings.group}-verify",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=20_000,
                max_partition_fetch_bytes=8 << 20,
                fetch_max_wait_ms=100,
            )
        except KafkaError as error:
            raise self._down(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, none if there is no such topic."""
        try:
            return sorted(self._consumer.partitions_for_topic(topic) or ())
        except KafkaError as error:
            raise self._down(error) from error

    def edges(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset that still is there, and one that is larger than that of some record if any is new.

        The private broker names the last batch here, not the last record: only reading finds the real end.
        """
        place = TopicPartition(topic, partition)
        try:
            return self._consumer.beginning_offsets([place])[place], self._consumer.end_offsets([place])[place]
        except KafkaError as error:
            raise self._down(error) from error

    def committed(self, topic: str, partition: int) -> int:
        """Everything below has been dealt with, by the word of the group; 0 if it never said."""
        try:
            said = self._consumer.committed(TopicPartition(topic, partition))
        except KafkaError as error:
            raise self._down(error) from error
        return int(getattr(said, "offset", said) or 0)

    def read(self, topic: str, partition: int, start: int, upto: int | None = None) -> Iterator[Any]:
        """Records from ``start`` up to but without ``upto``, which exists; or as far as there are any now."""
        place = TopicPartition(topic, partition)
        if start >= (self.edges(topic, partition)[1] if upto is None else upto):
            return
        end = upto
        try:
            self._consumer.assign([place])
            self._consumer.seek(place, start)
            patience = time.monotonic() + SILENCE_SECONDS
            while end is None or self._consumer.position(place) < end:
                records = self._consumer.poll(timeout_ms=500).get(place, [])
                if records:
                    patience = time.monotonic() + SILENCE_SECONDS
                    end = self._consumer.highwater(place) if end is None else end
                elif time.monotonic() > patience:
                    raise BrokerDown(f"{topic}/{partition} has records after {start}, but the broker hands none out")
                for record in records:
                    if end is not None and record.offset >= end:
                        return
                    yield record
        except KafkaError as error:
            raise self._down(error) from error

    def _down(self, error: Exception) -> BrokerDown:
        return BrokerDown(f"the Kafka broker at {self._broker} failed: {error}; is MIEN_BROKER right?")


@dataclass
class Topics:
    """Topics as far as they were read, so that reading can go on later."""

    look: Lookback
    _read_to: dict[tuple[str, int], int] = field(default_factory=dict)

    def whole(self, topic: str, partition: int) -> bool:
        """Whether nothing was lost to retention."""
        return self.look.edges(topic, partition)[0] == 0

    def more(self, topic: str, partition: int, upto: int | None = None) -> Iterator[Any]:
        """What was not read yet, up to an offset that exists or to the end."""
        place = topic, partition
        start = self._read_to.get(place)
        if start is None:
            start = self.look.edges(topic, partition)[0]
        for record in self.look.read(topic, partition, start, upto):
            self._read_to[place] = record.offset + 1
            yield record

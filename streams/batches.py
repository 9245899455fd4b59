"""Whole fetches into ordinary Faust agents.

Stock Faust moves records one by one, at four asyncio tasks each.  Its documented ``ConsumerScheduler`` setting decides
what one "record" is; here it is everything one fetch brought for one partition.
Knows: Faust's record shape.  Must not know: what is in a record.

Faust then commits the offset of the last record of a batch.  That commit is a hint: the truth about progress is in
Redis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import faust
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP


class Fetch:
    """The records of one partition from one fetch, in the shape of the single record that Faust expects."""

    __slots__ = (
        "checksum",
        "headers",
        "key",
        "offset",
        "partition",
        "serialized_key_size",
        "serialized_value_size",
        "timestamp",
        "timestamp_type",
        "topic",
        "value",
    )

    def __init__(self, records: list[Any]) -> None:
        last = records[-1]
        self.topic: str = last.topic
        self.partition: int = last.partition
        self.offset: int = last.offset
        self.timestamp: int = last.timestamp
        self.timestamp_type: int = last.timestamp_type
        self.headers: tuple[()] = ()
        self.key = None
        self.value = records
        self.checksum = None
        self.serialized_key_size = 0
        self.serialized_value_size = 0


class FetchScheduler(DefaultSchedulingStrategy):
    """One item per (partition, fetch) instead of one per record."""

    def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, Any]]:
        for partition, fetched in records.items():
            if fetched:
                yield partition, Fetch(fetched)


class PassThrough(faust.Schema[Any, Any]):
    """No decoding by Faust: what cannot be read must become a dead letter, not an exception in an agent."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        return message.value

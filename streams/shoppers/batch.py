"""What the demo's source hands over: records ready for Kafka, and the count of what it has made.

Knows: topics, keys, values, times.
Must not know: what is in a value, or how it travels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

BEHAVIOR: Final = "events.behavior"
ORDERS: Final = "events.orders"
TOPICS: Final = (BEHAVIOR, ORDERS)


@dataclass(slots=True)
class Batch:
    """Records in the order they are to be sent; four columns of one length.

    ``keys`` are user ids, ``times`` the moments (UTC milliseconds) at which the records would have arrived.
    """

    topics: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def insert(self, place: int, topic: str, key: bytes, value: bytes) -> None:
        """Put a record in front of the one at ``place``; it takes the time of its neighbour."""
        self.times.insert(place, self.times[min(place, len(self) - 1)])
        self.topics.insert(place, topic)
        self.keys.insert(place, key)
        self.values.insert(place, value)

    def part(self, start: int, stop: int) -> Batch:
        """Some of the records."""
        return Batch(self.topics[start:stop], self.keys[start:stop], self.values[start:stop], self.times[start:stop])


@dataclass(slots=True)
class Totals:
    """What has been handed over so far, exactly; final when the source is exhausted."""

    valid: int = 0  #: records that are good and not sent before
    duplicates: int = 0  #: the same bytes as an earlier valid record
    broken: int = 0  #: records that nobody can use
    orders: int = 0  #: ``Order Completed`` among the valid
    households: int = 0  #: households with at least one valid record

    @property
    def emitted(self) -> int:
        """All records, whatever they are."""
        return self.valid + self.duplicates + self.broken

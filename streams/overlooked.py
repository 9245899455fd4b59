"""Records that were fetched and never came.

Faust may drop a fetch without a word (see ``streams.reading``).  The next one gives it away; but on a quiet topic there
is no next one, and the last records of a burst would lie there until somebody sends again.
Knows: how far was fetched, how far was read.  Must not know: Kafka, Faust, what is in a record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

Partition = tuple[str, int]


class Overlooked:
    """Compares what was fetched with what was read, again and again, seconds apart."""

    def __init__(self) -> None:
        self._suspects: dict[Partition, int] = {}

    def look(
        self, fetched: Mapping[Partition, int], read: Mapping[Partition, int], busy: Collection[Partition]
    ) -> dict[Partition, int]:
        """Where to go back to: partitions that stood behind what was fetched at two looks, and nobody is at work on.

        A fetch that waits in a queue looks the same, but not for so long; reading it twice does no harm.

        >>> overlooked, fetched = Overlooked(), {("a", 0): 9, ("a", 1): 5}
        >>> overlooked.look(fetched, {("a", 0): 4, ("a", 1): 5}, ())
        {}
        >>> overlooked.look(fetched, {("a", 0): 4, ("a", 1): 5}, ())
        {('a', 0): 4}
        """
        behind = {place: at for place, at in read.items() if place not in busy and at < fetched.get(place, at)}
        found = {place: at for place, at in behind.items() if self._suspects.get(place) == at}
        self._suspects = {place: at for place, at in behind.items() if place not in found}
        return found

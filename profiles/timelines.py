"""What happened to a customer, read: of one id as it is kept, of all ids of a customer as one.

Knows: that each id keeps its own timeline, whoever it belongs to.  Must not know: how entries are written, HTTP.
Timelines are put together when they are read, so joining and parting move nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from profiles.lineage import Lineages
from profiles.stable import bucket_of
from profiles.store.reads import ProfileReads
from profiles.store.redis import RedisStore
from profiles.store.worlds import Worlds
from profiles.timeline import Note, decode, rules_of

THROUGH = "through"  #: in an entry: the other id of the customer that it is about


class Timelines:
    """All timelines of a shop."""

    def __init__(
        self, store: RedisStore, reads: ProfileReads, worlds: Worlds, lineages: Lineages, buckets: int
    ) -> None:
        self._store = store
        self._reads = reads
        self._worlds = worlds
        self._lineages = lineages
        self._buckets = buckets

    async def own(self, profile: str, limit: int) -> list[Note]:
        """What an id itself keeps, as it was told, newest first."""
        bucket = bucket_of(profile, self._buckets)
        kept = await self._store.timeline(bucket, profile, limit)
        return (await self._told([(bucket, profile)], [kept]))[profile]

    async def whole(self, root: str, limit: int | None = None) -> list[Note]:
        """What all ids of a customer keep, newest first; of other ids than ``root`` with ``THROUGH``."""
        placed = [(bucket_of(name, self._buckets), name) for name in await self._lineages.names(root)]
        return together(root, await self._told(placed, await self._reads.timelines(placed)))[:limit]

    async def _told(self, placed: Sequence[tuple[int, str]], kept: Sequence[Sequence[bytes]]) -> dict[str, list[Note]]:
        versions = {version for entries in kept for entry in entries if (version := rules_of(entry)) is not None}
        words = {version: await self._worlds.words(version) for version in versions}
        return {
            name: [decode(entry, bucket, name, words.__getitem__) for entry in entries]
            for (bucket, name), entries in zip(placed, kept, strict=True)
        }


def together(root: str, timelines: Mapping[str, Iterable[Note]]) -> list[Note]:
    """Timelines of several ids as one, newest first; of one moment, what an id keeps stays in its order.

    >>> together("u-1", {"u-1": [{"at": 3, "event": "order"}], "anon:7": [{"at": 5, "event": "review"}]})
    [{'at': 5, 'event': 'review', 'through': 'anon:7'}, {'at': 3, 'event': 'order'}]
    """
    notes = [note if name == root else {**note, THROUGH: name} for name, some in timelines.items() for note in some]
    return sorted(notes, key=_moment, reverse=True)


def _moment(note: Note) -> int:
    at: int = note["at"]
    return at

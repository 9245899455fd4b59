"""Profiles for readers: everything a look at some customers needs, in one round trip.

Knows: which keys a reader wants together.
Must not know: what a blob means, who looks, how fresh an answer must be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiles.store import keys
from profiles.store.base import Checkpoint, from_fields
from profiles.store.client import Client, reaching
from profiles.store.cluster import Cluster

Blobs = tuple[bytes | None, bytes | None]  #: a customer's profile and sidecar
Wanted = Mapping[int, Collection[str]]  #: customers by bucket


@dataclass(frozen=True)
class Stored:
    """What was there."""

    profiles: dict[str, Blobs]
    checkpoints: dict[int, Checkpoint]  #: of the buckets that were asked for theirs; never older than the profiles


class ProfileReads:
    """The reading side of the store."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._alone = isinstance(client, Cluster)

    async def fetch(self, wanted: Wanted, checkpoints: Collection[int]) -> Stored:
        """Customers by bucket, and the checkpoints of these buckets.

        Checkpoints are asked for last: of what they count, a profile may know less, never more.

        Raises:
            StoreDown: Redis does not answer.
            WrongStore: MIEN_REDIS is for another kind of store.
        """
        with reaching():
            return await self._ask(wanted, checkpoints)

    async def timelines(self, placed: Sequence[tuple[int, str]]) -> list[list[bytes]]:
        """All that is kept of these timelines, (bucket, id), each newest first; one round trip to a server.

        Raises:
            StoreDown: Redis does not answer.
        """
        to: Any = self._client.pipeline(transaction=False) if self._alone else self._client
        with reaching():
            asked = [to.lrange(keys.timeline(bucket, name), 0, -1) for bucket, name in placed]
            found: list[list[bytes]] = await (asyncio.gather(*asked) if to is self._client else to.execute())
        return found

    async def _ask(self, wanted: Wanted, checkpoints: Collection[int]) -> Stored:
        names = [(bucket, name) for bucket, some in wanted.items() for name in some]
        asked = [key for bucket, name in names for key in (keys.profile(bucket, name), keys.sidecar(bucket, name))]
        if self._alone and (len(wanted) > 1 or checkpoints):
            blobs, told = await self._each(asked, checkpoints)
        else:
            blobs, told = await self._all(asked, checkpoints)
        pairs = zip(blobs[::2], blobs[1::2], strict=True)
        return Stored(
            {name: pair for (_, name), pair in zip(names, pairs, strict=True)},
            dict(zip(checkpoints, map(_checkpoint, told), strict=True)),
        )

    async def _all(self, asked: Sequence[str], checkpoints: Collection[int]) -> tuple[list[Any], list[Any]]:
        """From one server, which does not mind which bucket a key is of; calls made at once are one trip, in order."""
        blobs = self._client.mget(asked) if asked else _nothing()
        if not checkpoints:
            return await blobs, []
        told = (self._client.hgetall(keys.checkpoint(bucket)) for bucket in checkpoints)
        answers = await asyncio.gather(blobs, *told)
        return answers[0], answers[1:]

    async def _each(self, asked: Sequence[str], checkpoints: Collection[int]) -> tuple[list[Any], list[Any]]:
        """From a Cluster: an MGET is for one bucket, and redis-py takes none in its pipeline."""
        pipe: Any = self._client.pipeline(transaction=False)
        for key in asked:
            pipe.get(key)
        for bucket in checkpoints:
            pipe.hgetall(keys.checkpoint(bucket))
        answers: list[Any] = await pipe.execute()
        return answers[: len(asked)], answers[len(asked) :]


async def _nothing() -> list[Any]:
    return []


def _checkpoint(fields: dict[bytes, bytes]) -> Checkpoint:
    return from_fields({name.decode(): int(value) for name, value in fields.items()})

"""Orders to erase and their receipts, in Redis.

Knows: where they are.  Must not know: what an order does, how it travels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from typing import Any, Final, NamedTuple

from profiles.clock import Millis
from profiles.erasure import (
    Done,
    Regulation,
    Report,
    Scrubbed,
    Subject,
    companions,
    decode,
    decode_done,
    encode,
    place,
    report,
)
from profiles.store import keys
from profiles.store.client import Client, abreast, reaching

PAGE: Final = 500


class Obeyed(NamedTuple):
    """How much one bucket has."""

    receipts: int  #: never fewer than before, unless an older store came back
    keys: int  #: of customers; fewer only after an order, or likewise


class Regulations:
    """Keeps orders, and looks together what was done."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes

    async def keep(self, regulation: Regulation) -> None:
        """Remember an order; raises StoreDown."""
        with reaching():
            await self._client.hset(keys.REGULATIONS, regulation.id, encode(regulation))

    async def companions(self, hashes: Container[str]) -> dict[str, Subject]:
        """Ids that were ever suppressed together with one of these, by their hashes."""
        with reaching():
            kept = await self._client.hvals(keys.REGULATIONS)
        return {one.hash: one for raw in kept for one in companions(decode(raw), hashes)}

    async def drop(self, regulation: str) -> None:
        """Forget one that was never sent."""
        with reaching():
            await self._client.hdel(keys.REGULATIONS, regulation)

    async def report(self, regulation: str) -> Report | None:
        """What has become of an order; None if nobody gave it."""
        with reaching():
            raw = await self._client.hget(keys.REGULATIONS, regulation)
            if raw is None:
                return None
            order = decode(raw)
            done = await self._done(order)
            forgotten = await self._read(keys.ALERT_FORGOTTEN, regulation, order.subjects)
            scrubbed = await self.scrubbed()
        return report(order, done, forgotten, scrubbed)

    async def unfinished(self, among: Iterable[str] | None = None) -> dict[str, str]:
        """Orders that are not obeyed everywhere, and how far each is; ``among``: only of these."""
        with reaching():
            names = among if among is not None else map(bytes.decode, await self._client.hkeys(keys.REGULATIONS))
            found = await abreast(self.report, names)
        return {each.id: each.overall_status for each in found if each and each.overall_status != "FINISHED"}

    async def scrubbed(self) -> Scrubbed:
        """Since when all is from that is still in logs."""
        with reaching():
            found = await self._client.hgetall(keys.SCRUBBED)
        return Scrubbed(**{name.decode(): int(at) for name, at in found.items()})

    async def scrub(self, at: Millis, *names: str) -> None:
        """All that was in these before a moment is gone; ``names`` are those of ``Scrubbed``."""
        with reaching():
            await self._client.hset(keys.SCRUBBED, mapping=dict.fromkeys(names, at))

    async def _done(self, order: Regulation) -> list[Done | None]:
        by_bucket: defaultdict[int, list[Subject]] = defaultdict(list)
        for subject in order.subjects:
            by_bucket[subject.bucket].append(subject)
        found: dict[str, Done | None] = {}
        for bucket, some in by_bucket.items():
            read = await self._read(keys.receipts(bucket), order.id, some)
            found |= {subject.hash: each for subject, each in zip(some, read, strict=True)}
        return [found[subject.hash] for subject in order.subjects]

    async def _read(self, name: str, regulation: str, some: list[Subject] | tuple[Subject, ...]) -> list[Done | None]:
        out: list[Done | None] = []
        for start in range(0, len(some), PAGE):
            places = [place(regulation, subject.hash) for subject in some[start : start + PAGE]]
            out += [decode_done(raw) if raw else None for raw in await self._client.hmget(name, places)]
        return out

    async def is_suppressed(self, subject: Subject) -> bool:
        """Whether nothing may be taken, and nothing sent."""
        with reaching():
            return bool(await self._client.hexists(keys.suppressed(subject.bucket), subject.hash))

    async def forgotten(self, done: dict[str, Done]) -> None:
        """The desk has forgotten customers: where the receipt of each stands -> what it destroyed."""
        with reaching():
            await self._client.hset(keys.ALERT_FORGOTTEN, mapping={at: encode(each) for at, each in done.items()})

    async def obeyed(self, buckets: Iterable[int]) -> list[Obeyed]:
        """What each bucket has done so far: other numbers than before mean that something changed."""

        async def of(bucket: int) -> Obeyed:
            pipe: Any = self._client.pipeline(transaction=False)
            pipe.hlen(keys.receipts(bucket))
            pipe.hlen(keys.data_keys(bucket))
            return Obeyed(*await pipe.execute())

        with reaching():
            return await abreast(of, buckets)

    async def suppressed(self, buckets: Iterable[int]) -> frozenset[str]:
        """Hashes of all of whom nothing may be taken."""
        with reaching():
            found = await abreast(lambda bucket: self._client.hkeys(keys.suppressed(bucket)), buckets)
        return frozenset(name.decode() for some in found for name in some)

"""What tests of a Cluster share: writers and readers that go on whatever happens, and what they came to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from profiles.errors import Stale, StoreDown
from profiles.store.base import Commit, Entry
from profiles.store.client import connect
from profiles.store.desk_reads import DeskReads
from profiles.store.reach import away
from profiles.store.redis import RedisStore

TIMEOUT: Final = 1.0  #: seconds a node has to answer
BUCKETS: Final = range(8)  #: with three masters, each of them has some
CUSTOMERS: Final = 300


class Life:
    """One writer and one reader per bucket and one reader of the feed, all on one client as in a worker."""

    def __init__(self, url: str) -> None:
        self.store = RedisStore(connect(url, TIMEOUT))
        self.commits: Counter[int] = Counter()  #: bucket -> commits that were answered with their version
        self.reads: Counter[int] = Counter()
        self.feeds = 0
        self.slowest = 0.0  #: seconds
        self.bugs: list[Exception] = []  #: what was neither an answer nor a fault that passes
        self.over = False
        self._feed = DeskReads(self.store.client)
        self._random = Random(4)

    async def write(self, bucket: int) -> None:
        """A commit of old and new customers."""
        before = await self.store.checkpoint(bucket)
        entries = [Entry(self.somebody(), b"x" * 50, 1) for _ in range(5)]
        after = await self.store.commit(Commit(bucket, before.version, entries, add={"applied": 1}))
        assert after == before.version + 1
        self.commits[bucket] += 1

    async def read(self, bucket: int) -> None:
        """One customer, and some of one call."""
        await self.store.load(bucket, [self.somebody()])
        await self.store.load(bucket, [self.somebody() for _ in range(5)])
        self.reads[bucket] += 1

    async def listen(self, _: int) -> None:
        """A look at the feed that waits."""
        await self._feed.feed("0-0", wait_ms=200)
        await self._feed.alerts()
        self.feeds += 1

    def somebody(self) -> str:
        return f"hh-{self._random.randrange(CUSTOMERS)}"

    async def all_go_on(self, *buckets: int) -> None:
        """Wait until each of these buckets, or of all, was written and read again from now on, and the feed heard."""
        wanted = buckets or tuple(BUCKETS)
        commits, reads, feeds = self.commits.copy(), self.reads.copy(), self.feeds
        deadline = time.monotonic() + 60
        while (
            any(self.commits[bucket] <= commits[bucket] + 1 for bucket in wanted)
            or any(self.reads[bucket] <= reads[bucket] + 1 for bucket in wanted)
            or (self.feeds <= feeds + 1 and not buckets)
        ):
            assert time.monotonic() < deadline, f"no progress: {self.commits - commits}, {self.bugs[:1]}"
            await asyncio.sleep(0.02)

    async def again_and_again(self, work: Callable[[int], Awaitable[None]], bucket: int) -> None:
        """The same work until life is over; what passes by itself is waited for."""
        while not self.over:
            started = time.monotonic()
            try:
                await work(bucket)
            except Exception as error:
                if not isinstance(error, (Stale, StoreDown)) and not away(error):
                    self.bugs.append(error)
            self.slowest = max(self.slowest, time.monotonic() - started)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def lived(url: str) -> AsyncIterator[Life]:
    """Life goes on while the block runs; a fault that does not pass by itself fails the test."""
    life = Life(url)
    tasks = [asyncio.create_task(life.again_and_again(work, n)) for work in (life.write, life.read) for n in BUCKETS]
    tasks.append(asyncio.create_task(life.again_and_again(life.listen, 0)))
    try:
        await life.all_go_on()
        yield life
    finally:
        life.over = True
        await asyncio.gather(*tasks)
        await life.store.client.aclose()
    assert life.bugs == []

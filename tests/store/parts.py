"""What tests of stores share: a commit with something of everything, and all that can be read of a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from profiles.clock import NEVER
from profiles.store.base import Commit, Entry, Message, ProfileStore

ODD: Final = ["hh-1", "张伟🐼", "a b", "{7}", "}{", "x:y:z", "a\\n", "*", "k" * 256]

Opener = Callable[[], AbstractAsyncContextManager[ProfileStore]]
Check = Callable[[ProfileStore], Awaitable[None]]


def holds(opened: Opener, check: Check) -> None:
    """Run a check against an open store."""

    async def run() -> None:
        async with opened() as store:
            await check(store)

    asyncio.run(run())


async def dump(store: ProfileStore, profiles: list[str], tags: list[str], bucket: int = 0) -> dict[str, Any]:
    """All that can be read of a bucket."""
    timelines = {profile: await store.timeline(bucket, profile, 1000) for profile in profiles}
    return {
        "checkpoint": await store.checkpoint(bucket),
        "blobs": await store.load(bucket, profiles),
        "sidecars": await store.sidecars(bucket, profiles),
        "due": await store.due(bucket, NEVER, 10_000),
        "roster": sorted(await everybody(lambda cursor: store.roster(bucket, cursor, 10))),
        "outbox": await store.outbox(bucket, 1000),
        "timelines": timelines,
        "counts": {name: n for name, n in (await store.counts(bucket)).items() if n},
        "members": {tag: sorted(await everybody(lambda c, t=tag: store.members(bucket, t, c, 10))) for tag in tags},  # type: ignore[misc]
    }


async def everybody(page: Callable[[int], Awaitable[tuple[int, list[str]]]]) -> set[str]:
    """A whole walk."""
    found: set[str] = set()
    cursor, pages = 0, 0
    while True:
        cursor, names = await page(cursor)
        found.update(names)
        pages += 1
        assert pages < 10_000, "the walk does not end"
        if cursor == 0:
            return found


def full(expect: int = 0, seq: int = 2, bucket: int = 0) -> Commit:
    """A commit with something of everything."""
    return Commit(
        bucket=bucket,
        expect=expect,
        entries=[Entry(name, b"blob \x00\xff " + name.encode(), 1000 + i) for i, name in enumerate(ODD)],
        sidecars=[("hh-1", b"\x81\xa1a\x01")],
        held=[("big", "hh-1", True), ("big", "张伟🐼", True), ("new", "a b", True)],
        counts={"tag:big": 2, "tag:new": 1, "tier:high": 1},
        timeline=[("hh-1", b"first"), ("hh-1", b"second"), ("张伟🐼", b"third")],
        messages=[Message("transitions", "张伟".encode(), b"{}"), Message("samples", b"k", b"\x00\xff")],
        seq=seq,
        set={"next": 7, "seq": seq, "s:events.orders/1": 41, "c:events.orders/1": NEVER},
        add={"applied": 3, "duplicates": 1},
    )

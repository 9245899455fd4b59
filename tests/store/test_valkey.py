"""What only a real server can show: the two stores agree after anything, keys share a slot, and it may be away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from redis.crc import key_slot

from profiles.errors import Stale, StoreDown
from profiles.store import keys
from profiles.store.base import Commit, Entry, Message, ProfileStore
from profiles.store.client import abreast
from profiles.store.memory import MemoryStore
from profiles.store.redis import RedisStore, connect
from tests.store.parts import ODD, dump, full


def test_both_stores_come_to_the_same_after_anything(redis_url: str) -> None:
    """60 random commits, every fifth of them stale, published and walked in between."""

    async def live(store: ProfileStore) -> list[dict[str, Any]]:
        rng, seen, version, seq = np.random.default_rng(4), [], 0, 0
        profiles, tags = [*ODD, "b", "c"], ["big", "new"]
        for n in range(60):
            some = rng.choice(profiles, 4).tolist()
            messages = [Message("t", some[0].encode(), b"%d" % n)] * int(rng.integers(3))
            seq += len(messages)
            commit = Commit(
                0, version - (n % 5 == 4), [Entry(who, rng.bytes(9), int(rng.integers(99))) for who in set(some)],
                [(some[0], rng.bytes(3))], [(str(rng.choice(tags)), who, bool(rng.integers(2))) for who in some],
                {"tag:big": int(rng.integers(-3, 4))}, [(who, b"%d" % n) for who in some], messages, seq,
                {"seq": seq, f"s:t/{n % 3}": n}, {"applied": int(rng.integers(5))},
            )  # fmt: skip
            try:
                version = await store.commit(commit)
            except Stale:
                seq -= len(messages)
            if n % 7 == 0:
                await store.published(0, seq - 2)
            seen.append(await dump(store, profiles, tags))
        return seen

    async def real() -> list[dict[str, Any]]:
        client = connect(redis_url)
        try:
            return await live(RedisStore(client))
        finally:
            await client.aclose()

    assert asyncio.run(live(MemoryStore())) == asyncio.run(real())


def test_all_keys_of_a_bucket_share_one_slot_of_a_cluster(redis_url: str) -> None:
    """Whatever a customer calls himself, braces included."""

    async def check() -> None:
        client = connect(redis_url)
        try:
            await RedisStore(client).commit(full(bucket=7))
            found = [key async for key in client.scan_iter()]
            assert len(found) > len(ODD)
            assert len({key_slot(key) for key in found}) == 1
            assert all(key.startswith(b"{7}:") for key in found)
            assert keys.profile(7, "{1}:x").encode() not in found
        finally:
            await client.aclose()

    asyncio.run(check())


def test_hundreds_of_buckets_are_read_with_a_few_connections(redis_url: str) -> None:
    """In the order asked; one caller does not take every connection there may be."""

    async def check() -> None:
        store = RedisStore(connect(redis_url))
        await store.commit(full(bucket=300))
        versions = [each.version for each in await abreast(store.checkpoint, range(400))]
        assert versions == [0] * 300 + [1] + [0] * 99
        await store.client.aclose()

    asyncio.run(check())


def test_a_store_that_does_not_answer_says_so_in_every_call() -> None:
    """Nothing but ``StoreDown``, so that whoever calls knows to wait and try again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def check() -> None:
        client = connect(f"redis://127.0.0.1:{port}/0", timeout=0.2)
        store = RedisStore(client)
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: store.checkpoint(0), lambda: store.load(0, ["a"]), lambda: store.sidecars(0, ["a"]),
            lambda: store.commit(full()), lambda: store.due(0, 1, 1), lambda: store.roster(0, 0, 1),
            lambda: store.outbox(0, 1), lambda: store.published(0, 1), lambda: store.timeline(0, "a", 1),
            lambda: store.counts(0), lambda: store.members(0, "t", 0, 1), lambda: store.beat(0, 1),
            lambda: store.learn_names({1: "a"}), lambda: store.names([1]),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(StoreDown):
                await call()
        await client.aclose()

    asyncio.run(check())

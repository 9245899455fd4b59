"""Mien's store on a real Cluster while it fails over, freezes, grows and hands slots over.

What must be true of the same commands on any store is in ``test_contract``; this is about what only a Cluster does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, RedisError

from profiles.errors import StoreDown
from profiles.store import keys
from profiles.store.address import WrongStore
from profiles.store.base import Commit, Entry
from profiles.store.client import blocking, connect
from profiles.store.cluster import Cluster
from profiles.store.reach import away
from profiles.store.redis import RedisStore
from profiles.store.registry import Registry
from streams.embedded import start_valkey
from streams.supervisor import Supervisor
from tests.lanes.clusters import join, move, open_cluster
from tests.lanes.fleet import until
from tests.lanes.nodes import Store
from tests.store.cluster_parts import BUCKETS, CUSTOMERS, TIMEOUT, lived


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three masters with a replica each; one that is silent for two seconds is replaced."""
    folder = tmp_path_factory.mktemp("cluster")
    with Supervisor(report=lambda _: None) as supervisor:
        yield open_cluster(supervisor, folder, folder / "logs", durable=True, replicas=1, timeout=2000)


@pytest.fixture(autouse=True)
def emptied(cluster: Store) -> None:
    for client in cluster.clients():
        client.flushall()


def master_of(store: Store, bucket: int) -> int:
    """The place of the server that holds a bucket."""
    slot = key_slot(keys.checkpoint(bucket).encode())
    until(lambda: any(node.owns(slot) for node in store.nodes), f"somebody has slot {slot}")
    return next(place for place, node in enumerate(store.nodes) if node.owns(slot))


def test_a_replica_takes_over_and_everything_goes_on(cluster: Store) -> None:
    """The new master has never seen a script; buckets elsewhere are not held up by the one that died."""

    async def check() -> None:
        async with lived(cluster.url) as life:
            dead = master_of(cluster, 0)
            elsewhere = [bucket for bucket in BUCKETS if master_of(cluster, bucket) != dead]
            assert elsewhere
            await asyncio.to_thread(cluster.kill, dead)
            await life.all_go_on(*elsewhere)
            await life.all_go_on()
            assert master_of(cluster, 0) != dead
            await asyncio.to_thread(cluster.restart, dead)
            await life.all_go_on()

    asyncio.run(check())


def test_a_frozen_master_is_given_up_in_time(cluster: Store) -> None:
    """Nobody closes its connections and nobody answers, as behind a broken network."""

    async def check() -> None:
        async with lived(cluster.url) as life:
            frozen = master_of(cluster, 0)
            with cluster.frozen(frozen):
                await life.all_go_on()
            await asyncio.to_thread(cluster.until_whole)
            await life.all_go_on()
            assert life.slowest < 3 * 2 * TIMEOUT  # three calls in a row, each within its limit

    asyncio.run(check())


def test_a_cluster_that_was_gone_altogether_is_found_again(cluster: Store) -> None:
    """By the same client, with everything that was answered for."""

    async def check() -> None:
        async with lived(cluster.url) as life:
            for place in range(len(cluster.nodes)):
                await asyncio.to_thread(cluster.kill, place)
            await asyncio.sleep(1)
            for place in range(len(cluster.nodes)):
                await asyncio.to_thread(cluster.restart, place, ready=False)
            await asyncio.to_thread(cluster.until_whole)
            await life.all_go_on()
            commits = life.commits.copy()
            applied = [(await life.store.checkpoint(bucket)).applied for bucket in BUCKETS]
        assert all(applied[bucket] >= commits[bucket] for bucket in BUCKETS)

    asyncio.run(check())


def test_nodes_that_are_gone_for_good_are_found_by_the_name_that_was_given(cluster: Store) -> None:
    """Addresses change where containers run; the names in MIEN_REDIS stay."""

    async def check() -> None:
        client = connect(cluster.url, TIMEOUT)
        assert isinstance(client, Cluster)
        store = RedisStore(client)
        await store.commit(Commit(0, 0))
        client.nodes_manager.address_remap = lambda _: ("127.0.0.1", 1)  # where they say they are, nobody answers
        await client.aclose()
        with pytest.raises(StoreDown):
            await store.checkpoint(0)
        client.nodes_manager.address_remap = None
        assert list(client.nodes_manager.startup_nodes) == ["127.0.0.1:1"], "it knows no other address any more"
        with pytest.raises(StoreDown):
            await store.checkpoint(0)
        assert (await store.checkpoint(0)).version == 1
        await client.aclose()

    asyncio.run(check())


def test_a_slot_is_handed_over_key_by_key_while_it_is_written(cluster: Store) -> None:
    """To a master that has none yet: its bucket waits where it must, nothing is lost, others do not notice."""

    async def check() -> None:
        first = RedisStore(connect(cluster.url, TIMEOUT))
        everybody = [Entry(f"hh-{n}", b"x" * 50, 1) for n in range(CUSTOMERS)]
        assert await first.commit(Commit(0, 0, everybody, add={"applied": 1})) == 1
        await first.client.aclose()
        new = await asyncio.to_thread(join, cluster, "new")
        async with lived(cluster.url) as life:
            life.commits[0] += 1
            slot = key_slot(keys.checkpoint(0).encode())
            assert await asyncio.to_thread(move, cluster, slot, new, 0.02) > CUSTOMERS
            await life.all_go_on()
            assert master_of(cluster, 0) == len(cluster.nodes) - 1
            blobs = await life.store.load(0, [entry.profile for entry in everybody])
            assert None not in blobs
        again = RedisStore(connect(cluster.url, TIMEOUT))
        for bucket in BUCKETS:
            found = await again.checkpoint(bucket)
            # A commit without an answer may have been made; one with an answer has been, and once.
            assert found.applied == found.version >= life.commits[bucket]
        await again.client.aclose()

    asyncio.run(check())


def test_scripts_and_reads_work_on_a_server_that_forgot_them(cluster: Store) -> None:
    async def check() -> None:
        client = connect(cluster.url, TIMEOUT)
        store, registry = RedisStore(client), Registry(client)
        for round_ in range(2):
            for bucket in BUCKETS:
                assert await store.commit(Commit(bucket, round_)) == round_ + 1
            assert await registry.publish(keys.RULES, "{}") == round_ + 1
            for master in cluster.clients():
                master.script_flush()
        await client.aclose()

    asyncio.run(check())


def test_the_first_commands_of_a_client_go_where_their_keys_are(cluster: Store) -> None:
    """All at once, before it knows any node: no node is asked for what it does not have."""

    async def check() -> None:
        for client in cluster.clients():
            client.config_resetstat()
        store = RedisStore(connect(cluster.url, TIMEOUT))
        await asyncio.gather(*(store.checkpoint(bucket) for bucket in (*BUCKETS, *BUCKETS)))
        await store.client.aclose()
        assert not any("errorstat_MOVED" in client.info("errorstats") for client in cluster.clients())

    asyncio.run(check())


# --- addresses -----------------------------------------------------------------------------------------------------------


def test_an_address_for_another_kind_of_store_is_refused_with_what_to_write(cluster: Store, tmp_path: Path) -> None:
    """At the start of a worker or of the API, before anything is written."""

    async def opened(url: str) -> None:
        client = connect(url, TIMEOUT)
        try:
            await Registry(client).reach(len(BUCKETS))
        finally:
            await client.aclose()

    with Supervisor() as supervisor:
        single = start_valkey(supervisor, tmp_path, tmp_path / "logs", durable=False)
        asyncio.run(opened(single))
        asyncio.run(opened(cluster.url))
        place = single.removesuffix("/0").partition("://")[2]
        with pytest.raises(WrongStore, match="write redis://host:port"):
            asyncio.run(opened(f"redis+cluster://{place}"))
        with pytest.raises(WrongStore, match="write redis://host:port"):
            blocking(f"redis+cluster://{place}")
    with pytest.raises(WrongStore, match=r"write redis\+cluster://host:port"):
        asyncio.run(opened(f"redis://127.0.0.1:{cluster.nodes[0].port}/0"))


def test_one_server_that_became_a_node_says_what_to_write(cluster: Store) -> None:
    """Not only at the start: a store may grow into a Cluster while a worker runs."""

    async def check() -> None:
        client = connect(f"redis://127.0.0.1:{cluster.nodes[0].port}/0", TIMEOUT)
        store = RedisStore(client)
        elsewhere = next(bucket for bucket in BUCKETS if master_of(cluster, bucket) != 0)
        with pytest.raises(WrongStore, match=r"write redis\+cluster://host:port"):
            await store.checkpoint(elsewhere)
        await client.aclose()

    asyncio.run(check())


def test_a_cluster_with_a_password_wants_it_from_every_client(cluster: Store) -> None:
    where = cluster.url.removeprefix("redis+cluster://")

    async def commit(url: str) -> int:
        client = connect(url, TIMEOUT)
        try:
            return await RedisStore(client).commit(Commit(0, 0))
        finally:
            await client.aclose()

    masters: list[Any] = [*cluster.clients()]
    for client in masters:
        client.config_set("requirepass", "s3cret/§")
    try:
        assert asyncio.run(commit(f"redis+cluster://:s3cret%2F%C2%A7@{where}")) == 1
        assert blocking(f"redis+cluster://:s3cret%2F%C2%A7@{where}").hget(keys.checkpoint(0), "v") == b"1"
        with pytest.raises(StoreDown, match="uthenticat"):
            asyncio.run(commit(cluster.url))
        with pytest.raises(AuthenticationError):
            blocking(cluster.url)
    finally:
        for client in masters:
            client.execute_command("AUTH", "s3cret/§")
            client.config_set("requirepass", "")


def test_nobody_there_is_an_error_of_redis_that_passes(cluster: Store) -> None:
    """Also while nodes are looked for, where redis-py has exceptions of their own."""

    async def check() -> None:
        client: Any = connect("redis+cluster://127.0.0.1:1,127.0.0.1:2", 0.2)
        started = time.monotonic()
        with pytest.raises(RedisError) as fault:
            await client.get("{0}:p:hh-1")
        assert away(fault.value)
        assert time.monotonic() - started < 10
        pipe = client.pipeline(transaction=False)
        pipe.get("{0}:p:hh-1")
        with pytest.raises(RedisError) as fault:
            await pipe.execute()
        assert away(fault.value)
        await client.aclose()

    asyncio.run(check())

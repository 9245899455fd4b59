"""Reliance: how redis-py behaves when a server is slow, and in which words servers say "not now".

``profiles/store/reach.py`` divides faults that pass from bugs by these words.  Each is made for real, on a server of
this file's own that can be broken at will; so these tests concern the client of one server.  (The client of a Cluster
hears the same words from each of its nodes.)
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from profiles.errors import StoreDown
from profiles.store.base import Checkpoint, Commit
from profiles.store.client import Script
from profiles.store.reach import away
from profiles.store.redis import RedisStore, connect
from streams.embedded import start_valkey
from streams.supervisor import Supervisor
from tests.processes import eventually
from tests.store.parts import full

BUSY = """
redis.call('INCR', KEYS[1])
local began = os.clock()
repeat until os.clock() - began >= tonumber(ARGV[1]) / 1000
return 'the answer of the slow script'
"""


class Server:
    """A Valkey that may be hurt; ``admin`` is a client that is patient with it."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self.folder = folder
        self.url = start_valkey(supervisor, folder, folder / "logs", durable=False)
        self.admin: Any = Redis.from_url(self.url)

    @contextmanager
    def having(self, **settings: str) -> Iterator[None]:
        """Settings changed for a while."""
        names = {name.replace("_", "-"): value for name, value in settings.items()}
        before = {name: self.admin.config_get(name)[name] for name in names}
        for name, value in names.items():
            self.admin.config_set(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                self.admin.config_set(name, value)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Server]]:
    with ExitStack() as stack:
        yield lambda: Server(stack.enter_context(Supervisor()), tmp_path_factory.mktemp("valkey"))


@pytest.fixture(scope="module")
def server(servers: Callable[[], Server]) -> Server:
    return servers()


@pytest.fixture(autouse=True)
def empty(server: Server) -> None:
    server.admin.flushall()


def using(url: str, check: Callable[[Any], Awaitable[None]], timeout: float = 5.0) -> None:
    async def run() -> None:
        client = connect(url, timeout)
        try:
            await check(client)
        finally:
            await client.aclose()

    asyncio.run(run())


def word(told: RedisError) -> str:
    """The word of a refusal: of those it knows redis-py keeps it in ``status_code`` and out of the message."""
    assert away(told), f"{told} is not known as a fault that passes"
    return told.status_code or str(told).partition(" ")[0]


def refusal(server: Server, *command: str) -> str:
    """The word with which a plain client is refused."""
    with pytest.raises(RedisError) as told:
        server.admin.execute_command(*command)
    return word(told.value)


def refused_whole(server: Server) -> None:
    """A commit is refused as a fault that passes, and nothing of it was written."""

    async def check(client: Any) -> None:
        with pytest.raises(StoreDown):
            await RedisStore(client).commit(full())

    using(server.url, check)
    assert server.admin.dbsize() == 0


def accepted(server: Server) -> None:
    """The same commit goes through when the server has recovered."""

    async def check(client: Any) -> None:
        assert await RedisStore(client).commit(full()) == 1

    using(server.url, check)


def test_a_full_server_refuses_a_commit_before_it_begins(server: Server) -> None:
    """OOM is decided when a script starts, not in its middle.

    Relied on by ``commit.lua`` ("all or nothing") and ``reach.py``: the worker waits for memory and loses nothing.
    """
    with server.having(maxmemory="1"):
        assert refusal(server, "SET", "a", "b") == "OOM"
        refused_whole(server)
    accepted(server)


def test_a_server_that_cannot_save_refuses_a_commit_before_it_begins(server: Server) -> None:
    """MISCONF, as with a full disk.  Relied on by ``reach.py``."""
    in_the_way = server.folder / "dump.rdb"
    in_the_way.mkdir()
    with server.having(save="3600 1"):
        server.admin.bgsave()
        eventually(lambda: server.admin.info("persistence")["rdb_last_bgsave_status"] == "err", "saving has failed")
        assert refusal(server, "SET", "a", "b") == "MISCONF"
        refused_whole(server)
    in_the_way.rmdir()
    accepted(server)


def test_a_replica_refuses_a_commit_before_it_begins(server: Server) -> None:
    """READONLY after a failover, MASTERDOWN while it looks for its master.  Relied on by ``reach.py``."""
    server.admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        assert refusal(server, "SET", "a", "b") == "READONLY"
        refused_whole(server)
        with server.having(replica_serve_stale_data="no"):
            assert refusal(server, "GET", "a") == "MASTERDOWN"
    finally:
        server.admin.execute_command("REPLICAOF", "NO", "ONE")
    accepted(server)


def test_a_server_without_its_replicas_refuses_a_commit_before_it_begins(server: Server) -> None:
    """NOREPLICAS, where an operator asked for it.  Relied on by ``reach.py``."""
    with server.having(min_replicas_to_write="1"):
        assert refusal(server, "SET", "a", "b") == "NOREPLICAS"
        refused_whole(server)
    accepted(server)


def test_a_server_that_loads_its_data_says_so(servers: Callable[[], Server]) -> None:
    """LOADING, to every command.  Relied on by ``reach.py``: after a restart the worker waits."""
    full_one, empty_one = servers(), servers()
    for n in range(3000):
        full_one.admin.set(f"key-{n}", "x" * 100)
    full_one.admin.config_set("repl-diskless-sync-delay", "0")
    for name, value in (("key-load-delay", "1000"), ("loading-process-events-interval-bytes", "1024")):
        empty_one.admin.config_set(name, value)
    host, port = full_one.url.removesuffix("/0").removeprefix("redis://").split(":")
    empty_one.admin.execute_command("REPLICAOF", host, port)

    def loading() -> bool:
        try:
            empty_one.admin.get("a")
        except RedisError as told:
            return word(told) == "LOADING"
        return False

    eventually(loading, "it says that it is loading")
    refusal(empty_one, "SET", "a", "b")


def test_a_server_busy_with_a_script_says_so(server: Server) -> None:
    """BUSY, once a script has run for longer than the server's patience.  Relied on by ``reach.py``."""

    async def check(client: Any) -> None:
        slow, other = asyncio.create_task(Script(client, BUSY)(["n"], [600])), connect(server.url)
        await asyncio.sleep(0.2)
        with pytest.raises(RedisError) as told:
            await other.get("a")  # on the script's own connection it would wait for the script's answer
        await other.aclose()
        assert word(told.value) == "BUSY"
        assert await slow == b"the answer of the slow script"

    with server.having(busy_reply_threshold="50"):
        using(server.url, check)


def test_a_call_that_takes_too_long_is_given_up_and_not_sent_again(server: Server) -> None:
    """It raises ``TimeoutError`` after the client's time, the server runs it once, and the client goes on afterwards.

    Relied on by ``Bucket._commit``: what was sent and not answered may have been written, so the bucket is read
    again; a client that sent it twice by itself would find its own commit stale.
    """

    async def check(client: Any) -> None:
        await client.set("a", "1")
        began = time.monotonic()
        with pytest.raises(RedisTimeoutError):
            await Script(client, BUSY)(["n"], [700])
        assert 0.2 <= time.monotonic() - began < 0.65, "once, not again and again"
        while True:  # it is still at it
            try:
                assert await client.get("a") == b"1"
            except RedisTimeoutError:
                continue
            break
        assert await client.get("n") == b"1"

    using(server.url, check, timeout=0.3)


def test_a_call_that_was_cancelled_leaves_no_answer_behind(server: Server) -> None:
    """Whenever it is cancelled: before it was sent, while it runs, or while its answer is on the way.

    Relied on by everybody who shares a client: an answer that came late and was taken for the next command's would
    put one customer's profile into another's row.
    """

    async def check(client: Any) -> None:
        rng, slow = random.Random(1), Script(client, BUSY)
        await client.mset({f"k{n}": f"v{n}" for n in range(50)})
        cancelled = 0
        for _ in range(150):
            calls = [asyncio.create_task(slow(["n"], [rng.choice((0, 0, 1, 4))])) for _ in range(rng.choice((1, 3)))]
            calls += [asyncio.create_task(client.mget([f"k{n}" for n in range(50)]))]
            for _ in range(rng.randrange(6)):
                await asyncio.sleep(0)
            await asyncio.sleep(rng.choice((0, 0.001, 0.003)))
            for call in calls:
                call.cancel()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            cancelled += sum(isinstance(end, asyncio.CancelledError) for end in ends)
            asked = rng.sample(range(50), 5)
            found = await asyncio.gather(*(client.get(f"k{n}") for n in asked))
            assert found == [b"v%d" % n for n in asked]
        assert cancelled > 100

    using(server.url, check)


def test_a_connection_that_the_server_closed_is_made_anew(server: Server) -> None:
    """At worst one call fails on each, with a fault that passes; the ones after it do not.

    Relied on by ``connect``: ``health_check_interval`` finds connections that died in silence before they are used.
    """

    async def check(client: Any) -> None:
        await asyncio.gather(*(client.set(f"k{n}", "v") for n in range(5)))
        server.admin.client_kill_filter(_type="normal", skipme=True)
        ends = await asyncio.gather(*(client.get(f"k{n}") for n in range(5)), return_exceptions=True)
        assert all(end == b"v" or (isinstance(end, RedisError) and away(end)) for end in ends)
        assert await asyncio.gather(*(client.get(f"k{n}") for n in range(5))) == [b"v"] * 5

    using(server.url, check)


def test_connections_are_checked_after_a_rest(server: Server) -> None:
    """``health_check_interval=15`` reaches the connections.  Relied on by ``profiles/store/client.py``."""

    async def check(client: Any) -> None:
        await client.ping()
        settings = client.connection_pool.connection_kwargs
        assert settings["health_check_interval"] == 15
        assert settings["socket_timeout"] == settings["socket_connect_timeout"] == 5.0

    using(server.url, check)


def test_a_mistake_of_ours_is_not_taken_for_the_weather(server: Server) -> None:
    """WRONGTYPE and a syntax error are bugs: they stay what they are and end the process.

    Relied on by ``reach.py``: waiting would not help, and would hide them.
    """

    async def check(client: Any) -> None:
        await client.set("{0}:ck", "no hash")
        with pytest.raises(RedisError, match="WRONGTYPE") as told:
            await RedisStore(client).checkpoint(0)
        assert not away(told.value)
        with pytest.raises(RedisError) as told:
            await client.execute_command("SET", "a")
        assert not away(told.value)
        await client.delete("{0}:ck")
        assert await RedisStore(client).checkpoint(0) == Checkpoint()
        assert await RedisStore(client).commit(Commit(0, 0)) == 1

    using(server.url, check)

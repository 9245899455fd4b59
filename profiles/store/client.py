"""Clients of the store: one server or a Cluster, whatever MIEN_REDIS says; and scripts that work on both.

Knows: how a client is made and bounded in time, how a script reaches a server that does not know it.
Must not know: key names, what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Any, Final, TypeAlias, TypeVar

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import MovedError, NoScriptError, RedisClusterException, RedisError
from redis.retry import Retry

from profiles.errors import StoreDown
from profiles.store.address import WrongStore, address
from profiles.store.cluster import Cluster, meant
from profiles.store.reach import away
from profiles.store.together import Together
from profiles.store.written import in_c

Client: TypeAlias = redis.asyncio.Redis | Cluster
Blocking: TypeAlias = redis.Redis | RedisCluster
ABREAST: Final = 16  #: calls of one caller under way at once
T = TypeVar("T")
R = TypeVar("R")
A_CLUSTER: Final = "MIEN_REDIS names one server, but that is a node of a Cluster: write redis+cluster://host:port"


@contextmanager
def reaching() -> Iterator[None]:
    """Turn what the network and a full or starting server do into ``StoreDown``; anything else is a bug and stays.

    Raises:
        StoreDown: Redis does not answer now.
        WrongStore: MIEN_REDIS is for another kind of store.
    """
    try:
        yield
    except MovedError:
        raise WrongStore(A_CLUSTER) from None
    except (RedisError, RedisClusterException, OSError) as error:
        if isinstance(error, OSError) or away(error):
            raise StoreDown(str(error)) from error
        raise


def connect(url: str, timeout: float = 5.0) -> Client:
    """A client whose every call is bounded in time; it answers in bytes.  Nothing is connected before the first call.

    Raises:
        WrongStore: this is no address of a store.
    """
    where = address(url)
    if where.cluster:
        return Cluster(where, timeout)
    client = Together.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, health_check_interval=15)
    pool: Any = client.connection_pool
    pool.connection_class = in_c(pool.connection_class)
    return client


def blocking(url: str, timeout: float = 5.0) -> Blocking:
    """The same for a program without an event loop; it tries once, and a Cluster is looked for at once.

    Raises:
        WrongStore: this is no address of a store, or of another kind of store.
        RedisError: no node of the Cluster answers.
    """
    where, once = address(url), Retry(NoBackoff(), 0)
    bounds: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": once}
    if not where.cluster:
        return redis.Redis.from_url(url, **bounds)
    nodes = [ClusterNode(host, port) for host, port in where.nodes]  # type: ignore[no-untyped-call]
    try:
        return RedisCluster(startup_nodes=nodes, **{**bounds, **where.options})
    except RedisClusterException as error:
        raise meant(error) from error


def ask(url: str, work: Callable[[Client], Awaitable[R]]) -> R:
    """What some work with a client of its own comes to, for a program without an event loop; raises what the work raises."""

    async def run() -> R:
        client = connect(url)
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(run())


async def fits(client: Client, names: Sequence[str]) -> None:
    """Find out in one round trip whether this client reaches all of these keys.

    Raises:
        WrongStore: MIEN_REDIS is for another kind of store.
        RedisError: it does not answer.
    """
    pipe: Any = client.pipeline(transaction=False)
    for name in names:
        pipe.exists(name)
    try:
        await pipe.execute()
    except MovedError:
        raise WrongStore(A_CLUSTER) from None


async def abreast(work: Callable[[T], Awaitable[R]], each: Iterable[T]) -> list[R]:
    """The same work for each, some at a time, in order: a client has a hundred connections, and others need some."""
    waiting, done = list(each), []
    for start in range(0, len(waiting), ABREAST):
        some = waiting[start : start + ABREAST]
        done += [await work(some[0])] if len(some) == 1 else await asyncio.gather(*map(work, some))
    return done


class Script:
    """A Lua script: called by its digest, sent whole to a server that does not know it: a new one, or a new master."""

    def __init__(self, client: Client, text: str) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._text = text
        self._digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[str], args: Iterable[Any]) -> Any:
        """What the script returns."""
        try:
            return await self._client.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return await self._client.eval(self._text, len(keys), *keys, *args)

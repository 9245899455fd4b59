"""redis-py's client of a Cluster, made into what Mien relies on.

Knows: where redis-py may wait too long, ask the wrong node, or raise what nobody expects.
Must not know: keys, scripts, what is stored.

What it adds: every call ends in time, also while nodes are looked for; every fault is an error of Redis, as with one
server; the addresses it was given are tried again when all others are gone; ASK is followed on one connection, also to
a node that is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, PipelineCommand, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.cluster import PRIMARY
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, RedisClusterException, RedisError, ResponseError, SlotNotCoveredError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from profiles.store.address import Address, WrongStore
from profiles.store.reach import away
from profiles.store.written import in_c

RETRIES: Final = 3  #: of a command whose connection broke; the nodes are looked for before each
R = TypeVar("R")


class Cluster(RedisCluster):
    """A client of a Cluster; a node has ``timeout`` seconds to answer, a whole call twice that."""

    # As with one server, a command that was sent and not answered is not sent again.
    ERRORS_ALLOW_RETRY = (RedisConnectionError, ClusterDownError, SlotNotCoveredError)  # type: ignore[assignment]

    def __init__(self, where: Address, timeout: float) -> None:
        """Nothing is connected before the first command.

        Raises:
            WrongStore: the address asks for something that a Cluster has not.
        """
        self._limit = 2 * timeout
        bounds = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "health_check_interval": 15}
        retry = Retry(ExponentialWithJitterBackoff(), RETRIES)
        nodes = [ClusterNode(host, port) for host, port in where.nodes]
        try:
            super().__init__(startup_nodes=nodes, retry=retry, **{**bounds, **where.options})
        except TypeError as fault:
            raise WrongStore(f"MIEN_REDIS: {fault}; leave that option out") from None
        self.connection_kwargs["connection_class"] = in_c(self.connection_kwargs["connection_class"])
        self._seeds = dict(self.nodes_manager.startup_nodes)
        self._failed: str | None = None  #: the node that did not answer last; it is asked last where the others are

    async def initialize(
        self, additional_startup_nodes_info: Any = None, last_failed_node_name: str | None = None
    ) -> RedisCluster:
        """Find the nodes, unless they are known."""
        return await super().initialize(additional_startup_nodes_info, last_failed_node_name or self._failed)

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """One command, where its key lives."""
        return await self.bounded(self._sent(args, kwargs))

    def pipeline(self, transaction: Any | None = None, shard_hint: Any | None = None) -> ClusterPipeline:
        """Commands about keys of any slot; one round trip per node."""
        if transaction or shard_hint:
            raise ValueError("no transactions: scripts are what is atomic here")
        return _Pipeline(self)  # type: ignore[abstract]  # what is missing is a type, not a part

    async def bounded(self, work: Awaitable[R]) -> R:
        """Await it within the limit, and let out errors of Redis only."""
        try:
            async with asyncio.timeout(self._limit):
                return await work
        except TimeoutError:
            raise RedisTimeoutError(f"the Cluster did not answer within {self._limit:g} s") from None
        except AttributeError as error:
            if error.name is None or error.obj is not None:
                raise
            # Another call found the node gone and closed this connection, part by part, while it was being used.
            raise RedisConnectionError("a connection to the Cluster was closed while it was used") from error
        except RedisClusterException as error:
            if away(error):  # whom it knew may be gone for good, and a name it was given may lead to others by now
                self.nodes_manager.startup_nodes.update(self._seeds)
            raise meant(error) from error

    def get_node(self, host: str | None = None, port: int | None = None, node_name: str | None = None) -> Any:
        """A node by its address; by name it may be the target of an ASK, and one that has no slot yet."""
        if node_name is None:
            return super().get_node(host, port)
        found = super().get_node(node_name=node_name)
        if found is None:
            at, _, number = node_name.rpartition(":")
            found = ClusterNode(at, int(number), PRIMARY, **self.connection_kwargs)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {found.name: found})
        return _Asked(found)

    def keyslot(self, key: Any) -> int:
        """The slot of a key.  A call about thousands of keys of one bucket asks thousands of times, twice."""
        if isinstance(key, str) and key.startswith("{") and (end := key.find("}")) > 1:
            return _slot_of(key[1:end])
        return super().keyslot(key)

    async def _sent(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _: Any = await self.initialize()  # or the first commands would be sent anywhere
        if args[0] == "XREAD" and "target_nodes" not in kwargs:
            # redis-py would ask a server where the keys in it are, each time, and cannot if that server is gone.
            kwargs["target_nodes"] = self.get_node_from_key(args[args.index(b"STREAMS") + 1])
        try:
            return await super().execute_command(*args, **kwargs)
        except (RedisConnectionError, RedisTimeoutError) as error:
            self._failed = getattr(error, "last_failed_node_name", self._failed)
            raise


def meant(error: RedisClusterException) -> Exception:
    """What redis-py's report of its search for nodes means: the fault of Redis below it, or the wrong address."""
    below: RedisError | None = None
    cause: BaseException | None = error
    while cause is not None:
        below = cause if isinstance(cause, RedisError) else below
        cause = cause.__cause__ or cause.__context__
    if isinstance(below, ResponseError) and "cluster support disabled" in str(below):
        return WrongStore("MIEN_REDIS names a Cluster, but there is one server alone: write redis://host:port")
    if not away(error):
        return error
    return below or RedisConnectionError(str(error))


@lru_cache(4096)
def _slot_of(tag: str) -> int:
    return key_slot(tag.encode())


class _Pipeline(ClusterPipeline):
    """A pipeline that ends in time."""

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        """All answers, in order."""
        client = cast("Cluster", self.cluster_client)
        return await client.bounded(super().execute(raise_on_error, allow_redirections))


class _Asked(ClusterNode):
    """A node that may be asked for a key on its way there: ASKING counts for the next command of its connection only.

    It stands in for a node and has nothing of its own but whether ASKING was said.
    """

    def __init__(self, node: ClusterNode) -> None:
        self._node = node
        self._asking = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def __del__(self) -> None:  # type: ignore[override]
        """The connections are the node's."""

    async def execute_command(self, *args: Any, asking: bool = False, **kwargs: Any) -> Any:
        """The answer to a command, with ASKING ahead of it once that was said."""
        if args == ("ASKING",):
            self._asking = True
            return None
        if not self._asking:
            return await self._node.execute_command(*args, asking=asking, **kwargs)
        both = [PipelineCommand(0, "ASKING"), PipelineCommand(1, *args, **kwargs)]
        await self._node.execute_pipeline(both)
        if isinstance(both[1].result, Exception):
            raise both[1].result
        return both[1].result

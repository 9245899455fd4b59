"""The files of the store, written anew: what was deleted is in them until then.

Knows: which files a server of Redis or Valkey has, how it is asked to write one anew, when it is done.
Must not know: keys, what is stored.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from profiles.errors import MienError
from profiles.store.client import Blocking

_BUSY: Final = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
_LOOK_EVERY: Final = 0.05  #: seconds


class NotRewritten(MienError):
    """A server did not write a file anew; the message says which one, and why."""


class File(NamedTuple):
    """A file that a server keeps."""

    server: str
    what: str  #: for people
    client: Any  #: of this very server
    command: str
    outcome: str  #: what INFO calls how it went


def files(client: Blocking) -> list[File]:
    """All files of all servers, replicas of a Cluster too."""
    servers = {"the store": client}
    if isinstance(client, RedisCluster):
        nodes = client.get_nodes()  # type: ignore[no-untyped-call]
        servers = {node.name: client.get_redis_connection(node) for node in nodes}
    found = []
    for name, server in servers.items():
        one: Any = server
        if one.info("persistence")["aof_enabled"]:
            found.append(File(name, "append-only file", one, "BGREWRITEAOF", "aof_last_bgrewrite_status"))
        if one.config_get("save").get("save"):
            found.append(File(name, "dump", one, "BGSAVE", "rdb_last_bgsave_status"))
    return found


def replicas(client: Blocking) -> int:
    """How many servers follow a single one; they keep files of their own and are not asked.  Of a Cluster all are."""
    return 0 if isinstance(client, RedisCluster) else int(client.info("replication").get("connected_slaves", 0))


def rewritten(file: File, seconds: float) -> Iterator[float]:
    """Have a file written anew and wait for it; yields now and then which part is done.

    Raises:
        NotRewritten: it is not done in so many seconds, or it failed.
    """
    deadline = time.monotonic() + seconds
    asked = False
    while not asked:
        yield from _until_idle(file, deadline)  # what is under way began too early
        try:
            file.client.execute_command(file.command)
        except ResponseError as error:
            if "in progress" not in str(error) and "child" not in str(error):
                raise NotRewritten(f"{file.server} refuses {file.command}: {error}; have its operator do it") from error
            continue  # it began one by itself just now
        asked = True
    yield from _until_idle(file, deadline)
    if (outcome := file.client.info("persistence")[file.outcome]) != "ok":
        raise NotRewritten(
            f"{file.server} could not write its {file.what} anew ({outcome}): is there room on its disk?"
        )
    yield 1.0


def _until_idle(file: File, deadline: float) -> Iterator[float]:
    while any((about := file.client.info("persistence"))[name] for name in _BUSY):
        if time.monotonic() > deadline:
            raise NotRewritten(f"{file.server} is still writing its {file.what}; ask again when it is done, or --wait")
        yield min(float(about.get("current_fork_perc", 0)) / 100, 1.0)
        time.sleep(_LOOK_EVERY)

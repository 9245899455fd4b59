"""What MIEN_REDIS may say: one server, or some nodes of a Cluster.

Knows: the forms of the address.  Must not know: commands, keys.

    redis://[user:password@]host[:port][/db][?option=value]      one server; rediss:// speaks TLS
    redis+cluster://[user:password@]host[:port][,host[:port]...] a Cluster, found by any of these nodes; rediss+cluster://
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio.connection import SSLConnection, parse_url

from profiles.errors import MienError

PORT: Final = 6379
CLUSTER: Final = "+cluster"


class WrongStore(MienError):
    """MIEN_REDIS cannot be understood, or names a server of another kind; the message says what to write instead."""


@dataclass(frozen=True)
class Address:
    """An address, taken apart."""

    cluster: bool
    nodes: tuple[tuple[str, int], ...]  #: host and port; one server has one
    options: dict[str, Any]  #: user, password, TLS and whatever else the query asks for, as clients of redis-py take it


def address(url: str) -> Address:
    """Take an address apart.

    Raises:
        WrongStore: it is none.

    >>> address("redis+cluster://me:secret@one:7000,two").nodes
    (('one', 7000), ('two', 6379))
    """
    parts = urlsplit(url)
    scheme = parts.scheme.removesuffix(CLUSTER)
    if scheme not in ("redis", "rediss", "unix"):
        raise WrongStore(
            f"MIEN_REDIS={shown(url)}: begin with redis://, rediss://, redis+cluster:// or rediss+cluster://"
        )
    cluster = parts.scheme.endswith(CLUSTER)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," in hosts and not cluster:
        raise WrongStore(f"MIEN_REDIS={shown(url)}: several hosts are a Cluster: write {scheme}{CLUSTER}://")
    try:
        each = [
            parse_url(parts._replace(scheme=scheme, netloc=f"{user}{at}{host}").geturl()) for host in hosts.split(",")
        ]
    except ValueError as fault:
        raise WrongStore(f"MIEN_REDIS={shown(url)}: {fault}") from None
    nodes = tuple((str(one.get("host", "localhost")), int(one.get("port", PORT))) for one in each)
    options: dict[str, Any] = {name: value for name, value in each[0].items() if name not in ("host", "port")}
    if cluster and options.pop("db", 0):
        raise WrongStore(f"MIEN_REDIS={shown(url)}: a Cluster has one database only; leave the number out")
    if cluster and options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    return Address(cluster, nodes, options)


def shown(url: str) -> str:
    """An address as people may see it: without a password, wherever it stands.

    >>> shown("redis+cluster://me:secret@one:7000,two?password=x")
    'redis+cluster://one:7000,two'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

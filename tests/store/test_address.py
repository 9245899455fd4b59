"""What MIEN_REDIS may say, which faults pass by themselves, and where buckets live: without any server."""

from __future__ import annotations

import random
import socket

import pytest
from redis import exceptions as faults
from redis._parsers import BaseParser
from redis.asyncio.connection import SSLConnection
from redis.crc import key_slot

from profiles.errors import MienError, StoreDown
from profiles.store import keys
from profiles.store.address import WrongStore, address, shown
from profiles.store.client import connect
from profiles.store.cluster import Cluster
from profiles.store.reach import away


def test_an_address_is_taken_apart() -> None:
    one = address("redis://me:p%40ss@store:7000/3")
    assert (one.cluster, one.nodes) == (False, (("store", 7000),))
    assert one.options == {"username": "me", "password": "p@ss", "db": 3}
    many = address("redis+cluster://me:p%40ss@a:7000,b,[::1]:7002/0?socket_timeout=1.5")
    assert (many.cluster, many.nodes) == (True, (("a", 7000), ("b", 6379), ("::1", 7002)))
    assert many.options == {"username": "me", "password": "p@ss", "socket_timeout": 1.5}


def test_a_cluster_speaks_tls_with_the_same_options_as_one_server() -> None:
    client = connect("rediss+cluster://:secret@a:7000?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem")
    assert isinstance(client, Cluster)
    (node,) = client.nodes_manager.startup_nodes.values()
    assert node.connection_class is SSLConnection
    asked = {"ssl_cert_reqs": "none", "ssl_ca_certs": "/ca.pem", "password": "secret"}
    assert asked.items() <= node.connection_kwargs.items()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("valkey://a", "begin with redis://"),
        ("a:6379", "begin with redis://"),
        ("redis://a:1,b:2", r"several hosts are a Cluster: write redis\+cluster://"),
        ("rediss://a,b", r"write rediss\+cluster://"),
        ("redis+cluster://a/3", "one database only"),
        ("redis+cluster://a?db=3", "one database only"),
        ("redis://a:port", "port"),
        ("redis+cluster://a:1,b:port", "port"),
        ("redis+cluster://a?socket_timeout=soon", "socket_timeout"),
        ("redis+cluster://a?colour=red", "colour"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(url: str, said: str) -> None:
    with pytest.raises(WrongStore, match=said) as refused:
        connect(url)
    assert isinstance(refused.value, MienError)


@pytest.mark.parametrize(
    "url", ["redis://me:secret@a/1", "redis+cluster://:secret@a,b?x=1", "redis://a?password=secret"]
)
def test_a_password_is_never_shown(url: str) -> None:
    assert "secret" not in shown(url)
    with pytest.raises(WrongStore) as refused:
        connect(url.replace("@a", "@a:port").replace("redis://a?", "redis://a:port?"))
    assert "secret" not in str(refused.value)


# --- faults --------------------------------------------------------------------------------------------------------------


def answer(said: str) -> Exception:
    """An error of a server as redis-py hands it on."""
    error: Exception = BaseParser.parse_error(said)  # type: ignore[no-untyped-call]
    return error


@pytest.mark.parametrize(
    "said",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "OOM command not allowed when used memory > 'maxmemory'. script: 5f0c, on @user_script:15.",
        "ERR Error running script (call to f_5f0c): @user_script:15: @user_script: 15: -OOM command not allowed",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "LOADING Redis is loading the dataset in memory",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOREPLICAS Not enough good replicas to write.",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        "CLUSTERDOWN The cluster is down",
        "CLUSTERDOWN Hash slot not served",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "ERR max number of clients reached",
    ],
)
def test_what_servers_say_while_they_cannot_passes(said: str) -> None:
    assert away(answer(said))


@pytest.mark.parametrize(
    "said",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "CROSSSLOT Keys in request don't hash to the same slot",
        "NOPERM User app has no permissions to run the 'evalsha' command",
        "MOVED 3999 127.0.0.1:6381",
        "NOSCRIPT No matching script.",
        "BUSYGROUP Consumer Group name already exists",
        "ERR unknown command 'LOADINGS'",
    ],
)
def test_what_servers_say_of_our_mistakes_does_not_pass(said: str) -> None:
    assert not away(answer(said))


@pytest.mark.parametrize(
    "fault",
    [
        StoreDown("x"), ConnectionRefusedError(), TimeoutError(), socket.gaierror(),
        faults.ConnectionError("x"), faults.TimeoutError("x"), faults.MaxConnectionsError("x"),
        faults.ClusterError("TTL exhausted."), faults.SlotNotCoveredError('Slot "1" not covered by the cluster.'),
        faults.RedisClusterException("Redis Cluster cannot be connected. Please provide at least one reachable node"),
        faults.RedisClusterException("All slots are not covered after query all startup_nodes. 1 of 16384 covered..."),
        faults.RedisClusterException("startup_nodes could not agree on a valid slots cache: a vs b on slot: 1"),
        faults.RedisClusterException("No targets were found to execute ('GET', 'a') command on"),
    ],
)  # fmt: skip
def test_a_network_and_a_cluster_in_motion_pass(fault: Exception) -> None:
    assert away(fault)


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("OOM"), AttributeError("x"), FileNotFoundError("x"), WrongStore("x"), faults.DataError("x"),
        faults.RedisClusterException("EVALSHA - all keys must map to the same key slot"),
        faults.RedisClusterException("No way to dispatch this command to Redis Cluster. Missing key."),
    ],
)  # fmt: skip
def test_mistakes_do_not_pass(fault: Exception) -> None:
    assert not away(fault)


# --- slots ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buckets", "on_three", "on_six"),
    [
        (8, [2, 4, 2], [2, 0, 2, 2, 0, 2]),
        (16, [6, 6, 4], [4, 2, 2, 4, 1, 3]),
        (32, [13, 11, 8], [8, 5, 3, 8, 2, 6]),
        (64, [21, 22, 21], [11, 10, 11, 11, 7, 14]),
    ],
)
def test_how_buckets_spread_over_masters_that_share_the_slots_evenly(
    buckets: int, on_three: list[int], on_six: list[int]
) -> None:
    """The numbers in docs/operations.md."""
    slots = [key_slot(keys.checkpoint(bucket).encode()) for bucket in range(buckets)]
    for counts in (on_three, on_six):
        masters = len(counts)
        places = [slot * masters // 16384 for slot in slots]
        assert [places.count(master) for master in range(masters)] == counts


def test_the_short_way_to_a_slot_is_the_right_one() -> None:
    """Whatever stands between the braces."""
    client = connect("redis+cluster://a")
    assert isinstance(client, Cluster)
    rng = random.Random(4)
    odd = ["", "{", "}", "{}", "{}x", "{}}x", "{a", "a{b}c", "{{x}}y", "{张}:p:x", "{7}:p:{1}:x", "{alerts}:cursor"]
    for key in (*odd, *("".join(rng.choices("{}ab", k=6)) for _ in range(2000))):
        assert client.keyslot(key) == key_slot(key.encode()), key

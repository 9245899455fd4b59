"""Commands are written in C, and the server reads in them what redis-py would have written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import DataError

from profiles.store.client import Client, connect
from profiles.store.written import in_c

WORDS = st.binary() | st.text(st.characters(exclude_categories=["Cs"])) | st.integers() | st.floats(allow_nan=False)


@given(st.sampled_from(["SET", b"EVALSHA", "CLIENT SETINFO", b"CONFIG GET"]), st.lists(WORDS, max_size=8))
def test_a_command_is_the_same_bytes_as_redis_py_writes(head: str | bytes, words: list[Any]) -> None:
    assert b"".join(in_c(Connection)().pack_command(head, *words)) == b"".join(Connection().pack_command(head, *words))


def test_what_is_no_word_is_refused_as_redis_py_refuses_it() -> None:
    with pytest.raises(DataError):
        in_c(Connection)().pack_command("SET", "key", None)  # type: ignore[arg-type]  # that it is wrong is the point


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://localhost:1", Connection),
        ("rediss://localhost:1", SSLConnection),
        ("unix:///nowhere", UnixDomainSocketConnection),
        ("redis+cluster://localhost:1", Connection),
    ],
)
def test_every_sort_of_connection_writes_that_way(url: str, kind: type) -> None:
    client: Client = connect(url)
    pool: Any = client.connection_pool if hasattr(client, "connection_pool") else None
    made = pool.connection_class if pool else client.nodes_manager.connection_kwargs["connection_class"]  # type: ignore[union-attr]

    assert issubclass(made, kind)
    assert made is in_c(kind)
    asyncio.run(client.aclose())

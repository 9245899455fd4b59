"""Real servers for every test: one private Valkey and one private Tansu broker per test session, started on demand.

They die with the session, however it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis

from streams.embedded import start_tansu, start_valkey
from streams.supervisor import Supervisor

settings.register_profile("house", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("house")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Supervisor, Path]]:
    """What starts the session's servers, and where they write."""
    with Supervisor() as supervisor:
        yield supervisor, tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def valkey(servers: tuple[Supervisor, Path]) -> str:
    """URL of the session's Valkey; what other tests left in it is still there."""
    supervisor, folder = servers
    return start_valkey(supervisor, folder / "valkey", folder / "logs", durable=False)


@pytest.fixture
def redis_url(valkey: str) -> str:
    """URL of the session's Valkey, emptied for this test."""
    with Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture(scope="session")
def broker(servers: tuple[Supervisor, Path]) -> str:
    """``host:port`` of the session's broker; topics of other tests are still there, so name yours apart."""
    supervisor, folder = servers
    return start_tansu(supervisor, folder, folder / "logs")


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[str]:
    """``host:port`` of an empty broker for this test alone."""
    with Supervisor() as supervisor:
        yield start_tansu(supervisor, tmp_path, tmp_path / "logs")

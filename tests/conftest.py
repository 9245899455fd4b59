"""Real servers for every test: one store and one broker per test session, started on demand.

They die with the session, however it ends.  Which ones they are is said by the variables STORE and KAFKA
(``tests/lanes``); the end of the report says what ran.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from streams.supervisor import Supervisor
from tests.hook_receiver import Receiver, receiving
from tests.lanes import ran
from tests.lanes.brokers import Broker, open_broker
from tests.lanes.stores import Store, open_store

settings.register_profile("house", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("house")

# A run that a script starts in the background is deaf to Ctrl-C, and so would be every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that writes the report, if that is another one, which servers ran here."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["ran"] = ran.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear of the servers that ran in another process."""
    ran.heard(getattr(node, "workeroutput", {}).get("ran", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end on which servers the tests ran."""
    terminalreporter.section("lane")
    for line in ran.lines():
        terminalreporter.line(line)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Supervisor, Path]]:
    """What starts the session's servers, and where they write."""
    with Supervisor() as supervisor:
        yield supervisor, tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def store(servers: tuple[Supervisor, Path]) -> Store:
    """The session's store; what other tests left in it is still there."""
    supervisor, folder = servers
    started = open_store(supervisor, folder / "store", folder / "logs", durable=False)
    ran.store(started)
    return started


@pytest.fixture(scope="session")
def valkey(store: Store) -> str:
    """URL of the session's store; what other tests left in it is still there."""
    return store.url


@pytest.fixture
def redis_url(store: Store) -> str:
    """URL of the session's store, emptied for this test."""
    for client in store.clients():
        client.flushall()
    return store.url


@pytest.fixture(scope="session")
def session_broker(servers: tuple[Supervisor, Path]) -> Broker:
    """The session's broker; topics of other tests are still there, so name yours apart."""
    supervisor, folder = servers
    return open_broker(supervisor, folder / "kafka", folder / "logs")


@pytest.fixture(scope="session")
def broker(session_broker: Broker) -> str:
    """Bootstrap servers of the session's broker; topics of other tests are still there, so name yours apart."""
    return session_broker.address


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[str]:
    """Bootstrap servers of an empty broker for this test alone."""
    with Supervisor() as supervisor:
        yield open_broker(supervisor, tmp_path / "kafka", tmp_path / "logs").address


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    """Somebody else's server that wants to hear of alerts."""
    with receiving() as server:
        yield server

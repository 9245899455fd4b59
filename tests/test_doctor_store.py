"""``mien doctor`` and a worker's start, where MIEN_REDIS is for another kind of store than the one that is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.commands.doctor import doctor
from streams.embedded import start_valkey
from streams.patience import EXIT_CONFIG
from streams.supervisor import Supervisor
from tests.lanes.clusters import open_cluster

NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """``host:port`` of one server, and of a node of a Cluster."""
    folder = tmp_path_factory.mktemp("kinds")
    with Supervisor() as supervisor:
        one = start_valkey(supervisor, folder / "one", folder / "logs", durable=True)
        cluster = open_cluster(supervisor, folder / "cluster", folder / "logs", durable=True)
        yield {"one": one.removeprefix("redis://").removesuffix("/0"), "node": f"127.0.0.1:{cluster.nodes[0].port}"}


@pytest.mark.parametrize(
    ("scheme", "there", "said"),
    [
        ("redis", "one", "✓ persistence: AOF"),
        ("redis+cluster", "node", "a Cluster of 3 masters"),
        ("redis", "node", "write redis+cluster://host:port"),
        ("redis+cluster", "one", "write redis://host:port"),
    ],
)
def test_the_doctor_knows_one_server_from_a_cluster(
    hosts: dict[str, str],
    scheme: str,
    there: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And tells no password."""
    monkeypatch.setenv("MIEN_BROKER", NOBODY)
    monkeypatch.setenv("MIEN_REDIS", f"{scheme}://{hosts[there]}/0?client_name=s3cret")
    monkeypatch.setenv("COLUMNS", "200")
    assert doctor(quiet=False) == 1, "there is no broker"
    told = " ".join(capsys.readouterr().out.split())
    assert said in told
    assert "s3cret" not in told
    assert ("✗ Redis" in told) is said.startswith("write")


@pytest.mark.parametrize(("scheme", "there"), [("redis", "node"), ("redis+cluster", "one")])
def test_a_worker_does_not_start_on_another_kind_of_store(
    hosts: dict[str, str], scheme: str, there: str, broker: str, tmp_path: Path
) -> None:
    """It ends with the code of a wrong setting and the sentence that mends it; waiting would not."""
    env = {
        **os.environ,
        "MIEN_BROKER": broker,
        "MIEN_REDIS": f"{scheme}://{hosts[there]}",
        "MIEN_DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "streams.commands.operate"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    right = "redis+cluster" if there == "node" else "redis"
    assert f"write {right}://host:port" in ended.stdout + ended.stderr
    assert ended.returncode == EXIT_CONFIG

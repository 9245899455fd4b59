"""The store that tests run on: one Valkey, a Cluster of three, or Debian's Redis; chosen by the variable STORE.

Knows: which lanes there are, and what to do where one cannot run.
Must not know: profiles, alerts, who reads or writes.

    STORE=valkey   (default) the Valkey of ``mien up``
    STORE=cluster  three masters of the same Valkey, 16384 slots shared out, no tool but redis-py
    STORE=redis    ``redis-server`` as the machine has it

A lane that cannot run is skipped with its reason, and fails if LANES=required.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from streams.embedded import HOST, start_valkey
from streams.supervisor import Supervisor
from tests.lanes.clusters import open_cluster
from tests.lanes.fleet import until
from tests.lanes.nodes import Node, Store, start_node

__all__ = ["Node", "Store", "cannot", "open_store", "start_store", "until"]


def start_store(supervisor: Supervisor, folder: Path, logs: Path, *, durable: bool) -> str:
    """Start the store of this lane and return its URL."""
    return open_store(supervisor, folder, logs, durable=durable).url


def open_store(supervisor: Supervisor, folder: Path, logs: Path, *, durable: bool) -> Store:
    """Start the store of this lane; it ends with its supervisor.  ``durable``: everything is logged to disk."""
    lane = os.environ.get("STORE", "valkey")
    match lane:
        case "valkey":
            return _one_valkey(supervisor, folder, logs, durable=durable)
        case "cluster":
            return open_cluster(supervisor, folder, logs, durable=durable)
        case "redis":
            program = shutil.which("redis-server")
            if program is None:
                cannot("STORE=redis needs redis-server on the PATH: apt-get install redis-server")
            node = start_node(supervisor, Path(program), "redis", folder, logs, durable=durable)
            until(node.answers, "redis-server answers")
            return Store(f"redis://{HOST}:{node.port}/0", supervisor, [node], durable)
    raise AssertionError(f"STORE={lane} is no lane; there are valkey, cluster and redis")


def cannot(why: str) -> NoReturn:
    """This lane cannot run here: skip what needs it, or fail where lanes are required."""
    if os.environ.get("LANES") == "required":
        pytest.fail(f"LANES=required, but {why}", pytrace=False)
    pytest.skip(why)


def _one_valkey(supervisor: Supervisor, folder: Path, logs: Path, *, durable: bool) -> Store:
    url = start_valkey(supervisor, folder, logs, durable=durable)
    child = next(child for child in supervisor.children if child.name == "valkey")
    port = int(url.removesuffix("/0").rpartition(":")[2])
    return Store(url, supervisor, [Node(child, port, folder)], durable)

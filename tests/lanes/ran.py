"""Which servers really ran, for the last lines of a test report.

Knows: versions as the servers tell them.  Must not know: how they are started.
"""

from __future__ import annotations

import os
from typing import Final

from tests.lanes.stores import Store

_seen: Final[dict[str, set[str]]] = {"KAFKA": set(), "STORE": set()}


def broker(version: str) -> None:
    """A broker answered."""
    _seen["KAFKA"].add(version)


def store(store: Store) -> None:
    """A store answered."""
    told = store.nodes[0].call("INFO", "SERVER")
    name = told.get("server_name", "redis").capitalize()
    version = told.get("valkey_version", told["redis_version"])
    _seen["STORE"].add(f"{name} {version}" + (f", a Cluster of {len(store.nodes)}" if store.cluster else ""))


def told() -> dict[str, list[str]]:
    """What was seen in this process, for the one that writes the report."""
    return {lane: sorted(seen) for lane, seen in _seen.items()}


def heard(told: dict[str, list[str]]) -> None:
    """What another process saw."""
    for lane, seen in told.items():
        _seen[lane].update(seen)


def lines() -> list[str]:
    """For each lane what was asked for and what ran.

    >>> [line.partition("=")[0] for line in lines()]
    ['KAFKA', 'STORE']
    """
    usual = {"KAFKA": "tansu", "STORE": "valkey"}
    return [
        f"{lane}={os.environ.get(lane, usual[lane])}: {'; '.join(sorted(seen)) or 'none was started'}"
        for lane, seen in _seen.items()
    ]

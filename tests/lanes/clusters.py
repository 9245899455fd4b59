"""A Cluster that tests can change: started without any tool but redis-py, grown by a node, its slots moved.

Knows: how nodes meet, share slots out and hand them over.
Must not know: what is stored, who reads or writes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from streams.embedded import HOST, valkey_program
from streams.supervisor import Supervisor
from tests.lanes.fleet import until
from tests.lanes.nodes import SLOTS, Node, Store, start_node

MASTERS: Final = 3


def open_cluster(
    supervisor: Supervisor, folder: Path, logs: Path, *, durable: bool, replicas: int = 0, timeout: int = 5000
) -> Store:
    """Three masters, then ``replicas`` of each; one that is silent for ``timeout`` ms has failed."""
    folder.mkdir(parents=True, exist_ok=True)
    program = valkey_program(folder)
    nodes = [
        start_node(supervisor, program, f"valkey-{place}", folder / str(place), logs, durable=durable, timeout=timeout)
        for place in range(MASTERS * (1 + replicas))
    ]
    for place, node in enumerate(nodes):
        until(node.answers, f"{node.child.name} answers")
        node.call("CLUSTER SET-CONFIG-EPOCH", place + 1)
        if place < MASTERS:
            first, last = (SLOTS * (place + i) // MASTERS - i for i in (0, 1))
            node.call("CLUSTER ADDSLOTSRANGE", first, last)
    for node in nodes[1:]:
        nodes[0].call("CLUSTER MEET", HOST, node.port, node.bus)
    until(lambda: all(known(node) == len(nodes) for node in nodes), "every node knows all others")
    for place, node in enumerate(nodes[MASTERS:]):
        master = nodes[place % MASTERS].call("CLUSTER MYID").decode()
        node.call("CLUSTER REPLICATE", master)
    where = ",".join(f"{HOST}:{node.port}" for node in nodes[:MASTERS])
    store = Store(f"redis+cluster://{where}", supervisor, nodes, durable)
    store.until_whole()
    return store


def join(store: Store, name: str) -> Node:
    """One more master, known to all, that has no slot yet."""
    first = store.nodes[0]
    folder, logs = first.folder.with_name(name), first.child.log.parent
    node = start_node(
        store.supervisor, valkey_program(folder.parent), name, folder, logs, durable=store.durable, timeout=5000
    )
    until(node.answers, f"{name} answers")
    store.nodes.append(node)
    first.call("CLUSTER MEET", HOST, node.port, node.bus)
    until(lambda: all(known(one) == len(store.nodes) for one in store.nodes), "every node knows all others")
    store.until_whole()
    return node


def move(store: Store, slot: int, new: Node, pause: float) -> int:
    """Hand a slot to another master, key by key as resharding does it, ``pause`` seconds apart; how many keys it had."""
    old = next(node for node in store.nodes if node.owns(slot))
    new.call("CLUSTER SETSLOT", slot, "IMPORTING", _id(old))
    old.call("CLUSTER SETSLOT", slot, "MIGRATING", _id(new))
    moved = 0
    while some := old.call("CLUSTER GETKEYSINSLOT", slot, 10):
        old.call("MIGRATE", HOST, new.port, "", 0, 5000, "KEYS", *some)
        moved += len(some)
        time.sleep(pause)
    for node in (new, *store.nodes):
        if node.rules():
            node.call("CLUSTER SETSLOT", slot, "NODE", _id(new))
    return moved


def known(node: Node) -> int:
    """How many nodes it knows, itself included."""
    return int(node.about().get("cluster_known_nodes", 0))


def _id(node: Node) -> str:
    return str(node.call("CLUSTER MYID").decode())

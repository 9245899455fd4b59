"""What processes cost while they work: CPU seconds, wall time, memory.

Knows: process ids and a count that grows.  Must not know: what is counted.
CPU seconds (user + system, all threads) are what is quoted per event: on a shared machine wall time also measures the
neighbours.  A run is measured from the last look at which nothing was counted to the first at which everything was.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from bench.progress import Progress

LOOK_SECONDS: Final = 0.05


class Stuck(Exception):
    """What was to be counted did not come, or its process ended."""


class NotStarted(Stuck):
    """Nothing was counted at all."""


@dataclass(frozen=True)
class Run:
    """One measured stretch of work."""

    events: int
    seconds: float
    cpu: float  #: CPU seconds of the watched processes
    rss: int = 0  #: most memory at any look, all processes together (bytes)
    beside: float = 0.0  #: CPU seconds of the processes that were watched beside them, such as a server

    @property
    def per_second(self) -> float:
        """Events a second, by the clock on the wall."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def micros(self) -> float:
        """CPU microseconds an event."""
        return self.cpu / self.events * 1e6 if self.events else 0.0


def cpu_of(processes: Sequence[psutil.Process]) -> float:
    """CPU seconds that the processes have used so far."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system
    return total


def rss_of(processes: Sequence[psutil.Process]) -> int:
    """Resident bytes of the processes now."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def processes_of(pids: Sequence[int | None]) -> list[psutil.Process]:
    """Handles of processes; raises Stuck if one of them is gone."""
    try:
        return [psutil.Process(pid) for pid in pids if pid is not None]
    except psutil.NoSuchProcess as gone:
        raise Stuck(f"process {gone.pid} ended") from None


def watch(
    what: str,
    pids: Sequence[int | None],
    count: Callable[[], int],
    until: int,
    *,
    seconds: float,
    ended: Callable[[], str] = lambda: "",
    still_ok: bool = False,
    start_seconds: float = 120.0,
    skip: float = 0.0,
    beside: Sequence[int | None] = (),
) -> Run:
    """Look until ``count()`` has reached ``until``; ``ended`` says why nothing more will come.

    Time runs from the first thing counted, which must come within ``start_seconds``.  With ``still_ok`` a run that takes
    longer than ``seconds`` is cut there and measured as far as it came.  The first ``skip`` seconds are not measured: what
    a program does once should not be shared out among few events.

    Raises:
        NotStarted: nothing came at all.
        Stuck: the process ended, or not all of it came in ``seconds`` seconds.
    """
    processes, others = processes_of(pids), processes_of(beside)
    begun = (time.perf_counter(), cpu_of(processes), 0, cpu_of(others))
    most, started, deadline = 0, False, time.monotonic() + start_seconds
    with Progress(what, until) as bar:
        while True:
            now = (time.perf_counter(), cpu_of(processes), count(), cpu_of(others))
            if now[2] == 0:
                begun = now
            elif not started:
                started, deadline = True, time.monotonic() + skip + seconds
            elif skip and now[0] - begun[0] > skip and now[2] < until:
                begun, skip = now, 0.0
            most = max(most, rss_of(processes))
            bar.at(now[2])
            if now[2] >= until or (still_ok and now[2] and time.monotonic() > deadline):
                return Run(now[2] - begun[2], now[0] - begun[0], now[1] - begun[1], most, now[3] - begun[3])
            if why := ended():
                raise Stuck(f"{what}: {why}")
            if time.monotonic() > deadline:
                if not started:
                    raise NotStarted(f"{what}: nothing came in {start_seconds:.0f} s")
                raise Stuck(f"{what}: {now[2]:,} of {until:,} after {now[0] - begun[0]:.0f} s")
            time.sleep(LOOK_SECONDS)

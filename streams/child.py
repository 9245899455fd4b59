"""One child process: how it is started, signalled, and how its end is told.

Knows: one process, its log, its leash.
Must not know: when to start it again, or that there are others (see ``supervisor.py``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")


@dataclass
class Child:
    """A named command with its own log and its own session, tied to this process for life and death.

    ``env`` replaces the environment (None: inherit it).

    >>> Child("worker", ("true",), Path("worker.log")).state
    'has not run'
    """

    name: str
    command: tuple[str, ...]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    restart: bool = False
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process id of the present or last run; None before the first."""
        return None if self._process is None else self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code of the last run (negative: the signal that ended it); None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    @property
    def state(self) -> str:
        """How it is, in words that fit behind its name."""
        code = self.code
        if self._process is None:
            return "has not run"
        if code is None:
            return f"is running as process {self.pid}"
        return f"exited with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"

    def spawn(self) -> None:
        """Run the command.  The calling thread must outlive it: on Linux the child dies with *that thread*.

        Raises:
            OSError: the log cannot be written or no process can be made.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,  # Ctrl-C in the terminal is for the parent alone
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command and whatever it started; nothing happens if it has ended."""
        if self._process is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def last_words(self, lines: int = 12) -> str:
        """The end of its log, each line indented on a line of its own; empty if it said nothing."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 16_384))
                last = log.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return ""
        return "".join(f"\n    {line}" for line in last)

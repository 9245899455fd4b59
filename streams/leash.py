"""A child that cannot outlive its parent.

Run as ``python -I -S leash.py PARENT_PID COMMAND ARG...``.

Knows: how the kernel, or failing that a watcher, ends a process when its parent is gone.
Must not know: what the command is.  Imports nothing but the standard library, so it starts in a few milliseconds.

The interpreter replaces itself with the command, so the parent's child *is* the command: same pid, same log.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
NOT_STARTED = 127  # the shell's code for "command not found"


def main(argv: list[str]) -> int:
    """Tie this process to its parent and become the command; returns only when that fails."""
    parent, command = int(argv[1]), argv[2:]
    if not _ask_kernel():
        _fork_watcher(parent)
    if os.getppid() != parent:
        return NOT_STARTED  # the parent died before the leash was on
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
    return NOT_STARTED


def _ask_kernel() -> bool:
    """On Linux: have the kernel send SIGKILL here as soon as the parent is gone."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) == 0)
    except (OSError, AttributeError):
        return False


def _fork_watcher(parent: int) -> None:
    """Elsewhere: a second process that looks twice a second whether the parent is still there."""
    child = os.getpid()
    if os.fork() != 0:
        return
    while os.getppid() == child and _alive(parent):
        time.sleep(0.5)
    if os.getppid() == child:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    os._exit(0)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv))

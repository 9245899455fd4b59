"""One owner per data directory.

Knows: a lock file and who holds it.
Must not know: what is kept in the directory.

The lock is the kernel's, so it ends with its holder: a file left behind by a crash means nothing.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from profiles.errors import MienError


class Taken(MienError):
    """Another live process owns the directory; the message names it and says what to do."""


class Owner:
    """The right to use a directory, held from :meth:`take` to :meth:`give_back` or to this process's end."""

    def __init__(self, path: Path) -> None:
        """``path`` is the lock file; its folder is made when the lock is taken."""
        self._path = path
        self._held: int | None = None

    def take(self) -> None:
        """Become the owner.

        Raises:
            Taken: another process, or another stack in this one, is the owner.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise Taken(self._message()) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n{' '.join(sys.argv)}\n".encode())
        self._held = file

    def give_back(self) -> None:
        """Stop being the owner; nothing happens if this process is not."""
        if self._held is not None:
            os.ftruncate(self._held, 0)
            os.close(self._held)
            self._held = None

    def _message(self) -> str:
        pid, _, command = self._path.read_text(encoding="utf-8").partition("\n")
        who = f"process {pid} ({command.strip()})" if pid else "another process"
        return (
            f"{self._path.parent} is in use by {who}; stop that one"
            f"{f' (kill {pid})' if pid else ''}, or set MIEN_DATA_DIR to another directory"
        )

"""How far a long piece of work has come, for the person who waits.

Knows: the terminal.  Must not know: what is being done.
On a terminal one line is rewritten; elsewhere (a log) a line is written every quarter of a minute.
"""

from __future__ import annotations

import sys
import time
from typing import Final, Self

REWRITE_SECONDS: Final = 0.2
LOG_SECONDS: Final = 15.0
_CLEAR: Final = "\r\x1b[2K"


def say(text: str = "") -> None:
    """A line that stays."""
    print(text, flush=True)


class Progress:
    """``with Progress("sending", 1000) as bar: bar.at(10)``; on stderr, gone when it ends."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._terminal = sys.stderr.isatty()
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            self._write(_CLEAR)

    def at(self, done: int) -> None:
        """So much is done."""
        now = time.monotonic()
        if now - self._told < (REWRITE_SECONDS if self._terminal else LOG_SECONDS):
            return
        self._told = now
        share = f"{100 * done // self._total:3d} %" if self._total else ""
        line = f"    {self._what} {share} {done:,} of {self._total:,}, {now - self._begun:.0f} s"
        self._write(f"{_CLEAR}{line}" if self._terminal else f"{line}\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

"""The sources in force: those of the file of MIEN_SOURCES as it was when it could be read last.

Saved, it is in force at the second look that finds it the same, so that nothing is read that is still being written.  What
cannot be used changes nothing: what was in force stays so, over a restart too, because a copy is kept in the data folder.
Knows: files.  Must not know: when it is looked, whom faults are told to.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from profiles.errors import MienError
from profiles.mapping.document import SourceMap, load
from profiles.mapping.live import UnreadableSources, text_of, with_shipped
from profiles.settings import Settings

SAID: Final = "{fault}\nwhat was in force before stays in force; `mien sources check {file}` tells all that is wrong"


class Sign(NamedTuple):
    """What changes when a file does."""

    changed: int  #: ns
    size: int
    inode: int


class Watched:
    """Sources that follow their file."""

    def __init__(self, settings: Settings) -> None:
        """Read the file; if it cannot be used, the copy of what could be used last.

        Raises:
            MienError: it cannot be used, and there is no copy.
        """
        self.fault = ""  #: why what the file says now is not in force; empty if it is
        self.sources: tuple[SourceMap, ...]
        self._settings = settings
        self._seen = self._read = _sign(settings.sources)
        try:
            self.sources = self._taken()
        except MienError as fault:
            self.sources = self._before(fault)
            self._read = _after(fault, self._read)

    def look(self) -> bool:
        """Read the file if it has changed; True if there is something to say: new sources, a new fault or the end of one."""
        sign = _sign(self._settings.sources)
        if sign == self._read:
            self._seen = sign
            return False
        if sign != self._seen:
            self._seen = sign
            return False
        before = self.sources, self.fault
        try:
            fresh = self._taken()
        except MienError as fault:
            self._read, self.fault = _after(fault, sign), self._said(fault)
        else:
            if _sign(self._settings.sources) != sign:  # it was written while it was read
                return False
            self._read, self.fault, self.sources = sign, "", fresh
        return before != (self.sources, self.fault)

    def _taken(self) -> tuple[SourceMap, ...]:
        """What the file says; it is copied, as it can be used."""
        path = self._settings.sources
        if path is None:
            return with_shipped(())
        text = text_of(path)
        found = with_shipped(load(text, str(path)))
        with suppress(OSError):  # a copy is for worse days: a folder that cannot be written to is none of them
            copy = self._copy(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            fresh = copy.with_suffix(f".{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(copy)
        return found

    def _before(self, fault: MienError) -> tuple[SourceMap, ...]:
        """What the copy says, if there is one."""
        if self._settings.sources is None:
            raise fault
        copy = self._copy(self._settings.sources)
        try:
            found = with_shipped(load(text_of(copy), str(copy)))
        except MienError:
            raise fault from None
        self.fault = self._said(fault)
        return found

    def _copy(self, path: Path) -> Path:
        return self._settings.data_dir / f"sources-{sha256(str(path.absolute()).encode()).hexdigest()[:12]}.yaml"

    def _said(self, fault: MienError) -> str:
        return SAID.format(fault=fault, file=self._settings.sources)


UNREAD: Final = Sign(-1, -1, -1)  #: of no file


def _after(fault: MienError, sign: Sign | None) -> Sign | None:
    """What is not read again: a file with a fault in it; one that could not be opened may be there the next time."""
    return UNREAD if isinstance(fault, UnreadableSources) else sign


def _sign(path: Path | None) -> Sign | None:
    """None if there is no such file; a link is followed."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return Sign(found.st_mtime_ns, found.st_size, found.st_ino)

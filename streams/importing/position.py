"""How far an import is: a small file, replaced at once, so that a kill leaves the old one or the new one.

Knows: JSON on disk.  Must not know: Kafka, rows.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from profiles.errors import MienError


class Busy(MienError):
    """Another process imports the same file."""


class Position(msgspec.Struct):
    """One import.  ``rows`` and everything before are in Kafka or among the rejects."""

    file: str
    sha256: str
    topic: str
    source: str
    mapping: str  #: hash of how it is read: what is imported half by one mapping is not gone on with by another
    started: int  #: ms; also what counts as the future
    at: int = 0  #: ms; when this was so
    mark: str = ""
    rows: int = 0
    base: dict[int, int] = {}  #: partition -> where to begin looking for what is there already
    counts: dict[str, int] = {}
    fields: list[str] = []  #: that every row could have
    rejects: str = ""
    rejects_size: int = 0  #: bytes of the rejects file that belong to ``rows``
    finished: int = 0  #: ms; 0 while it is not


class Book:
    """Positions of all imports in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "imports"

    def path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def load(self, name: str) -> Position | None:
        """What is known of an import.

        Raises:
            MienError: the file is no position.
        """
        path = self.path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Position)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise MienError(f"{path} cannot be read ({error}); remove it to import from the beginning") from error

    def all(self) -> Iterator[Position]:
        """Every import that is known here; a note that cannot be read is for whoever goes on with that import."""
        for path in sorted(self._folder.glob("*.json")):
            with suppress(MienError):
                if (found := self.load(path.stem)) is not None:
                    yield found

    def save(self, name: str, position: Position) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self.path(name).with_suffix(".new")
        with fresh.open("wb") as stream:
            stream.write(msgspec.json.encode(position))
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self.path(name))

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Be the only one that imports this.

        Raises:
            Busy: somebody else does; a process that died does not count.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.path(name).with_suffix(".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Busy("this file is being imported by another process; wait for it, or stop it") from error
            yield

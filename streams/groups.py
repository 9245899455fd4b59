"""Records of profile-inputs, cut into pieces of work.

Knows: how much one commit may hold.  Must not know: what becomes of a piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from profiles import inputs
from streams.sift import Placed

Order = inputs.Control | inputs.Erase  #: a record that is no events
COMMIT_LIMIT = 2000  #: most profiles of one commit, so that Redis is never busy for long


class Done(Struct, frozen=True):
    """What pieces of work came to, for metrics."""

    applied: int = 0
    duplicates: int = 0
    transitions: int = 0
    swept: int = 0
    messages: bool = False

    def __add__(self, other: Done) -> Done:
        return Done(
            self.applied + other.applied,
            self.duplicates + other.duplicates,
            self.transitions + other.transitions,
            self.swept + other.swept,
            self.messages or other.messages,
        )


def _origin(record: inputs.Record) -> str:
    """History is told apart from what happens, so it is never in one commit with it."""
    return record.origin if isinstance(record, inputs.Batch) else ""


def groups(records: Sequence[tuple[int, inputs.Record]]) -> Iterator[tuple[int, list[Placed] | Order]]:
    """Runs of batches small enough for one commit, and orders alone, each with its last offset."""
    run: list[Placed] = []
    size = 0
    for offset, record in records:
        more = len(record.profiles) if isinstance(record, inputs.Batch) else COMMIT_LIMIT + 1
        if run and (size + more > COMMIT_LIMIT or _origin(record) != run[-1][1].origin):
            yield run[-1][0], run
            run, size = [], 0
        if isinstance(record, inputs.Control | inputs.Erase):
            yield offset, record
        else:
            run.append((offset, record))
            size += more
    if run:
        yield run[-1][0], run

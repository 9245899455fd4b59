"""Records of profile-inputs, cut into pieces of work.

Knows: how much one commit may hold.  Must not know: what becomes of a piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from profiles import inputs
from profiles.identity.messages import Joining
from streams.sift import Placed

Order = inputs.Control | inputs.Erase  #: a record that is no events
COMMIT_LIMIT = 2000  #: most profiles of one commit, so that Redis is never busy for long
HISTORY = 80  #: as many as one of these is one of history: deciding every week since takes milliseconds, in which nobody else moves
TOLD_LIMIT = 500  #: most messages about who is who of one commit


class Done(Struct, frozen=True):
    """What pieces of work came to, for metrics."""

    applied: int = 0
    duplicates: int = 0
    transitions: int = 0
    swept: int = 0
    messages: bool = False
    joined: int = 0  #: ids that retired into another one
    refused: int = 0  #: claims that were not believed
    forwarded: int = 0  #: events that went on to the customer whom their id has become

    def __add__(self, other: Done) -> Done:
        return Done(
            self.applied + other.applied,
            self.duplicates + other.duplicates,
            self.transitions + other.transitions,
            self.swept + other.swept,
            self.messages or other.messages,
            self.joined + other.joined,
            self.refused + other.refused,
            self.forwarded + other.forwarded,
        )


def _origin(record: inputs.Record) -> str:
    """History is told apart from what happens, so it is never in one commit with it."""
    return record.origin if isinstance(record, inputs.Batch) else ""


def groups(
    records: Sequence[tuple[int, inputs.Record]],
) -> Iterator[tuple[int, list[Placed] | Joining | Order]]:
    """Runs of batches and of messages small enough for one commit, and orders alone, each with its last offset."""
    run: list[Placed] = []
    told: list[tuple[int, Joining]] = []
    size = 0
    for offset, record in records:
        more = _size(record)
        same = run[-1][1].origin == _origin(record) if run else isinstance(record, Joining)
        if (run or told) and (size + more > COMMIT_LIMIT or not same):
            yield _whole(run, told)
            run, told, size = [], [], 0
        if isinstance(record, inputs.Control | inputs.Erase):
            yield offset, record
            continue
        if isinstance(record, Joining):
            told.append((offset, record))
        else:
            run.append((offset, record))
        size += more
    if run or told:
        yield _whole(run, told)


def _size(record: inputs.Record) -> int:
    if isinstance(record, Joining):
        return len(record.told) * COMMIT_LIMIT // TOLD_LIMIT
    if not isinstance(record, inputs.Batch):
        return COMMIT_LIMIT + 1
    return len(record.profiles) * (HISTORY if record.origin == "backfill" else 1)


def _whole(run: list[Placed], told: list[tuple[int, Joining]]) -> tuple[int, list[Placed] | Joining]:
    if run:
        return run[-1][0], run
    return told[-1][0], Joining(tuple(each for _, record in told for each in record.told))

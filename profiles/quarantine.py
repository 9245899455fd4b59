"""What to do with a batch of inputs that cannot be worked with as a whole: look into it, check it, cut it.

Such a batch is our own fault, since only intake writes them; but one event of it must not hold up all others.
Knows: how batches are packed, which numbers an event may hold.
Must not know: Kafka, Redis, what is done with what was cut out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from profiles.clock import NEVER, Int64s
from profiles.codec import from_blobs
from profiles.errors import LayoutError
from profiles.identity.names import owner_and_part
from profiles.inputs import COLUMNS, Batch, Bools, Work, table_of
from profiles.layout import Layout
from profiles.packing import matrix, packed

_C: Final = {name: i for i, name in enumerate(COLUMNS)}


class Damaged(LayoutError):
    """Stored profiles of some customers cannot be read; all others can."""

    def __init__(self, profiles: Sequence[str], why: str) -> None:
        super().__init__(f"{len(profiles)} stored profiles cannot be read: {why}")
        self.profiles = frozenset(profiles)
        self.why = why


def parts_of(batch: Batch) -> tuple[Int64s, Int64s, Int64s]:
    """The events of a batch, their lines and their traits.

    Raises:
        LayoutError: the parts of the batch do not fit together, so that nobody can say what its events are.
    """
    table = table_of(batch)
    return table, matrix(batch.lines, batch.line_count, 3), matrix(batch.traits, batch.trait_count, 2)


def cut(batch: Batch, kept: Bools) -> Batch:
    """The same batch with only those events; customers without any left are gone as well."""
    table, lines, traits = parts_of(batch)
    lines, traits = lines[np.repeat(kept, table[:, _C["lines"]])], traits[np.repeat(kept, table[:, _C["traits"]])]
    place, table = np.cumsum(kept) - 1, table[kept]
    who = table[:, _C["who"]]
    known = (who >= 0) & (who < len(batch.profiles))
    left, numbered = np.unique(who[known], return_inverse=True)
    table[known, _C["who"]] = numbered  # a row that never was stays beyond the end
    return msgspec.structs.replace(
        batch,
        profiles=[batch.profiles[i] for i in left.tolist()],
        numbers=packed(table, len(COLUMNS)),
        count=len(table),
        lines=packed(lines, 3),
        traits=packed(traits, 2),
        line_count=len(lines),
        trait_count=len(traits),
        patches={int(place[event]): patch for event, patch in batch.patches.items() if kept[event]},
    )


def first(batch: Batch, count: int) -> Batch:
    """A batch up to its event number ``count``."""
    return cut(batch, np.arange(batch.count) < count)


def without(batch: Batch, events: Sequence[int]) -> Batch:
    """A batch less some events."""
    return cut(batch, ~np.isin(np.arange(batch.count), events))


def alone(batch: Batch, event: int) -> Batch:
    """One event of a batch as a batch of its own."""
    return cut(batch, np.arange(batch.count) == event)


def offset_of(batch: Batch, event: int) -> int:
    """Where an event stood in its source partition."""
    return int(table_of(batch)[event, _C["offset"]])


def events_of(batch: Batch, profiles: frozenset[str]) -> list[int]:
    """The events of some customers."""
    rows = [
        row for row, label in enumerate(batch.profiles) if label in profiles or owner_and_part(label)[0] in profiles
    ]
    return np.flatnonzero(np.isin(table_of(batch)[:, _C["who"]], rows)).tolist()


def check(work: Work) -> None:
    """Insist that every event has a time that could have been.

    Raises:
        LayoutError: one has a number there that intake cannot have written.
    """
    time = work.events.time
    if len(time) and (time.min() < 0 or time.max() >= NEVER):
        raise LayoutError("an event has a time that never was")


def read_rows(profiles: Sequence[str], blobs: Sequence[bytes | None], layouts: Mapping[int, Layout]) -> Int64s:
    """Rows of stored profiles.

    Raises:
        Damaged: some cannot be read; it names them.
    """
    try:
        return from_blobs(blobs, layouts)
    except LayoutError as error:
        bad = [name for name, blob in zip(profiles, blobs, strict=True) if not _readable(blob, layouts)]
        raise Damaged(bad, str(error)) from error


def _readable(blob: bytes | None, layouts: Mapping[int, Layout]) -> bool:
    try:
        from_blobs([blob], layouts)
    except LayoutError:
        return False
    return True

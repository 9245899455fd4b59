"""Events of customers behind several ids: each also counts in the part it came through, and goes on to the root.

Knows: work, batches, nodes.  Must not know: rules, storage, where a bucket is.
A node that has retired counts what comes through it and sends it on, under the name of its source with its own bucket
added (``events.orders@3``), and with the offsets that it had there: so the next one recognises what it has seen.
What comes through a part that is not there any more was sent before that was known; the part has counted it itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from profiles.clock import Int64s
from profiles.identity.family import Held, facts_of, row_of
from profiles.identity.messages import Link
from profiles.identity.names import VIA, as_part, owner_and_part, visitor_of
from profiles.inputs import COLUMNS, Batch, Bools, Patch, Work, offsets_and_times, table_of
from profiles.kernels.fold import DUPLICATE, Events, fold
from profiles.layout import TABLES
from profiles.quarantine import cut
from profiles.sidecar import patched


@dataclass(frozen=True)
class Spread:
    """What becomes of some work."""

    live: Work  #: events of roots, by root
    passing: frozenset[str]  #: labels whose events go on to another node
    passed: int  #: events that go on
    dropped: int  #: events that were counted by a part that is not here any more
    said: tuple[Link, ...]  #: of ids that an alias named before anything was heard of them


def spread(work: Work, held: Mapping[str, Held]) -> Spread:
    """Count every event in the part it came through, and say who is to be decided because of it.

    ``held``: the owners in ``work`` that have a head, with their own part and those that it speaks of.
    """
    labels = [owner_and_part(label) for label in work.profiles]
    gone = frozenset(label for label, (owner, part) in zip(work.profiles, labels, strict=True)
                     if part and not (owner in held and held[owner].has(part)))  # fmt: skip
    passing = frozenset(label for label, (owner, _) in zip(work.profiles, labels, strict=True)
                        if label not in gone and owner in held and held[owner].retired)  # fmt: skip
    here = [(row, held[owner], part) for row, (label, (owner, part)) in enumerate(zip(work.profiles, labels, strict=True))
            if label not in gone and owner in held]  # fmt: skip
    for _, owner, part in here:
        if part:
            owner.keep_apart()  # before anything of this work is counted
    said = [
        _heard(work, row, owner)
        for row, owner, part in here
        if owner.node.alias and not part and row in work.events.row
    ]
    for row, owner, part in here:
        _through(work, row, owner, part)
    out = np.array([label in gone or label in passing for label in work.profiles], np.bool_)
    away: Bools = out[work.events.row]
    dropped = int(np.count_nonzero(np.isin(work.events.row, [i for i, x in enumerate(work.profiles) if x in gone])))
    owners = list(dict.fromkeys(owner for owner, _ in labels))
    place = {owner: i for i, owner in enumerate(owners)}
    rows = np.array([place[owner] for owner, _ in labels], np.int64)
    return Spread(
        _only(work, ~away, owners, rows), passing, int(np.count_nonzero(away)) - dropped, dropped, tuple(said)
    )


def _heard(work: Work, label: int, held: Held) -> Link:
    """The first thing told of an id that an alias had named: it is used as a user's, so the alias was about this one."""
    held.note(alias=False)
    at = int(work.events.time[work.events.row == label].min())
    return Link(held.name, visitor_of(held.name), at, explicit=True)


def _through(work: Work, label: int, held: Held, part: str) -> None:
    """Fold the events of one label into its part, and into the row of a node that nobody decides."""
    events = np.flatnonzero(work.events.row == label).tolist()
    if not events:
        return
    if held.retired:
        held.side, held.new_side = _folded(held.row, held.side, work, events, label), True
        held.changed = True
    if not held.node.apart:
        return
    name = part or held.name
    known = held.parts[name]
    row = row_of(known, held.layouts)
    side = _folded(row, known.side, work, events, label)
    held.put(name, msgspec.structs.replace(known, facts=facts_of(row), side=side))


def _folded(row: Int64s, side: bytes | None, work: Work, events: Sequence[int], label: int) -> bytes | None:
    """The row takes these events; returns the sidecar after them."""
    applied = {e for e in events if fold(row, work.events, e) != DUPLICATE}
    row[TABLES.as_of] = max(row[TABLES.as_of], work.events.time[events].max())
    patches: list[tuple[int, Patch]] = [
        (int(work.events.time[e]), patch) for e, patch in work.patches if e in applied and work.events.row[e] == label
    ]
    return patched(side, patches) if patches else side


def _only(work: Work, kept: Bools, profiles: list[str], rows: Int64s) -> Work:
    """Some events of some work, of customers who are numbered anew."""
    events = work.events
    lines, line_end = _parts(events.lines, events.line_end, kept)
    traits, trait_end = _parts(events.traits, events.trait_end, kept)
    columns = {name: column[kept] for name, column in events._asdict().items() if name not in _UNEVEN}
    columns["row"] = rows[columns["row"]]
    place = np.cumsum(kept) - 1
    patches = [(int(place[e]), patch) for e, patch in work.patches if kept[e]]
    fewer = Events(**columns, lines=lines, line_end=line_end, traits=traits, trait_end=trait_end)
    return replace(work, profiles=profiles, events=fewer, patches=patches)


_UNEVEN: Final = frozenset({"lines", "line_end", "traits", "trait_end"})


def _parts(parts: Int64s, ends: Int64s, kept: Bools) -> tuple[Int64s, Int64s]:
    counts = np.diff(ends, prepend=0)
    return np.ascontiguousarray(parts[np.repeat(kept, counts)]), counts[kept].cumsum()


def onwards(
    batches: Sequence[Batch],
    applied: Mapping[str, int],
    cursors: Mapping[str, int],
    into: Mapping[str, tuple[str, str]],
    here: int,
    where: Callable[[str], int],
) -> list[tuple[int, Batch]]:
    """What is sent on of batches of which everything between ``applied`` and ``cursors`` was taken, by bucket.

    ``into``: label -> the node that counted it here and the one it goes to; ``here``: this bucket.
    """
    out: list[tuple[int, Batch]] = []
    reached = dict(applied)
    for batch in batches:
        source = f"{batch.topic}/{batch.partition}"
        offsets, _ = offsets_and_times(batch)
        taken: Bools = (offsets > reached.get(source, -1)) & (offsets <= cursors.get(source, -1))
        if taken.any():
            reached[source] = int(offsets[taken][-1])
            out += _sent_on(batch, taken, into, here, where)
    return out


def _sent_on(
    batch: Batch, taken: Bools, into: Mapping[str, tuple[str, str]], here: int, where: Callable[[str], int]
) -> list[tuple[int, Batch]]:
    buckets = np.array([where(into[label][1]) if label in into else -1 for label in batch.profiles], np.int64)
    if (buckets < 0).all():
        return []
    out = []
    to = buckets[_who(batch)]
    for bucket in sorted({*buckets[buckets >= 0].tolist()}):
        piece = cut(batch, taken & (to == bucket))
        if piece.count:
            names = [as_part(into[label][1], into[label][0]) for label in piece.profiles]
            out.append((bucket, msgspec.structs.replace(piece, topic=f"{batch.topic}{VIA}{here}", profiles=names)))
    return out


def _who(batch: Batch) -> Int64s:
    return table_of(batch)[:, COLUMNS.index("who")]

"""Rows become events and rejects, and everything that happened to them is counted.

Knows: a mapper, what a record of an event topic is.  Must not know: files, Kafka.
It may be done in another process: what goes in and comes out is plain data.
"""

from __future__ import annotations

import gc
import signal
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from profiles.clock import Millis
from profiles.intake import EVENT_LIMIT
from profiles.mapping.apply import ROW, Mapper
from profiles.mapping.document import SourceMap
from profiles.mapping.fields import Note
from streams.importing.pieces import Piece, Unfit

SHELL: Final = frozenset({"type", "messageId", "context", "properties", "traits", "name", "event"})


class Value(NamedTuple):
    """One event on its way."""

    row: int
    key: bytes
    value: bytes


class Reject(NamedTuple):
    """A row of which no event can be made."""

    line: int
    field: str
    code: str
    record: str  #: the row as it was, as JSON


class Digest(NamedTuple):
    """What a piece came to; counts are ``rows``, ``events``, ``refused:who:missing_id``, ``repaired:time:epoch`` ..."""

    values: list[Value]
    rejects: list[Reject]
    counts: Counter[str]
    last: int  #: number of its last row
    at: int
    of: int


@dataclass(frozen=True)
class Recipe:
    """All that a digest depends on besides the rows."""

    source: SourceMap
    timezone: str
    currency: str
    now: Millis
    mark: str  #: names the import in every event


class Digester:
    """Digests pieces of one file."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._wide = Mapper(recipe.source, recipe.timezone, recipe.currency, recipe.now)
        self._narrow: tuple[tuple[str, ...], Mapper] = ((), self._wide)

    def __call__(self, piece: Piece) -> Digest:
        values: list[Value] = []
        rejects: list[Reject] = []
        counts: Counter[str] = Counter(rows=len(piece.rows))
        repaired: defaultdict[Note, int] = defaultdict(int)
        dropped: defaultdict[Note, int] = defaultdict(int)
        shapes: defaultdict[tuple[str, ...], int] = defaultdict(int)  # which fields have a value; most rows are alike
        columns, mapper = tuple(piece.columns), self._mapper(tuple(piece.columns))
        for number, (line, cells) in enumerate(zip(piece.lines, piece.rows, strict=True), start=piece.first):
            if isinstance(cells, Unfit):
                self._reject(rejects, counts, line, mapper.unreadable(table=bool(columns)).refused, cells.raw)
                continue
            row = dict(zip(columns, cells, strict=True)) if columns else cells
            found = mapper(row)
            for note in found.repairs:
                repaired[note] += 1
            for note in found.dropped:
                dropped[note] += 1
            if found.event is None:
                self._reject(rejects, counts, line, found.refused, row)
                continue
            event = found.event
            shapes[*event, *event.get("properties", ()), *event.get("traits", ())] += 1
            event["context"] |= {"import": self._recipe.mark, "row": number}
            value = _json.encode(event)
            if len(value) > EVENT_LIMIT:
                self._reject(rejects, counts, line, Note(ROW, "event_too_large"), None)
                continue
            key = event.get("userId") or event.get("anonymousId") or ""
            values.append(Value(number, str(key).encode("utf-8", "replace"), value))
        counts["events"] += len(values)
        counts.update({f"repaired:{field}:{code}": n for (field, code), n in repaired.items()})
        counts.update({f"dropped:{field}:{code}": n for (field, code), n in dropped.items()})
        for fields, n in shapes.items():
            counts.update({f"filled:{field}": n for field in fields if field not in SHELL})
        return Digest(values, rejects, counts, piece.first + len(piece.rows) - 1, piece.at, piece.of)

    def _mapper(self, columns: tuple[str, ...]) -> Mapper:
        if not columns:
            return self._wide
        if self._narrow[0] != columns:
            self._narrow = columns, self._wide.narrowed(columns)
        return self._narrow[1]

    @staticmethod
    def _reject(rejects: list[Reject], counts: Counter[str], line: int, why: Note | None, row: Any) -> None:
        if why is None:
            raise AssertionError("a row of which no event was made has a reason")
        kind = "skipped" if why.code == "skipped" else "refused"
        counts[f"{kind}:{why.field}:{why.code}"] += 1
        counts[kind] += 1
        if kind == "refused":
            rejects.append(Reject(line, why.field, why.code, _shown(row)))


_json: Final = msgspec.json.Encoder(enc_hook=str)


def _shown(row: Any) -> str:
    """A row for people; Infinity and the like are no JSON, and no reason to lose it."""
    try:
        return row if isinstance(row, str) else _json.encode(row).decode() if row is not None else ""
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError):
        return repr(row)


def missing(digest: Digest, after: int, present: set[int]) -> list[Value]:
    """The values of a digest that are not in the topic yet: beyond row ``after``, and not among those found there."""
    return [value for value in digest.values if value.row > after and value.row not in present]


_digester: Digester | None = None


def prepare(recipe: Recipe) -> None:
    """In a process of its own: which recipe it works by; Ctrl-C is the parent's business."""
    global _digester  # noqa: PLW0603 - a process of a pool has nothing else to keep it in
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # a digest makes no circles, and looking for some takes a third of its time
    _digester = Digester(recipe)


def digested(piece: Piece) -> Digest:
    """In a process of its own: one piece."""
    if _digester is None:
        raise AssertionError("prepare comes first")
    return _digester(piece)

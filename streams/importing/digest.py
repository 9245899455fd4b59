"""Rows become events and rejects, and everything that happened to them is counted.

Knows: a mapper, what a record of an event topic is.  Must not know: files, Kafka.
It may be done in another process: what goes in and comes out is plain data.
"""

from __future__ import annotations

import gc
import signal
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from profiles.clock import Millis
from profiles.intake import EVENT_LIMIT
from profiles.mapping.apply import ROW, Mapper
from profiles.mapping.cells import SHELL
from profiles.mapping.document import SourceMap
from profiles.mapping.fields import Note
from profiles.mapping.table import Table
from streams.importing.pieces import Piece, Unfit


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
        self._wide = self._mapper = Mapper(recipe.source, recipe.timezone, recipe.currency, recipe.now)
        self._columns: tuple[str, ...] = ()
        self._table: Table | None = None

    def __call__(self, piece: Piece) -> Digest:
        """Rows of a table all together; a record, and a row that is not plain, by itself."""
        gc.disable()  # a digest makes no circles, and looking for some takes a third of its time
        try:
            return self._digest(piece)
        finally:
            gc.enable()

    def _digest(self, piece: Piece) -> Digest:
        self._under(tuple(piece.columns))
        counts: Counter[str] = Counter(rows=len(piece.rows))
        left: Sequence[int] = range(len(piece.rows))
        values: list[Value] = []
        if self._table is not None:
            values, left = self._together(self._table, piece, counts)
        rejects: list[Reject] = []
        if left:
            values += self._one_by_one(piece, left, counts, rejects)
            values.sort()  # by row
        counts["events"] += len(values)
        return Digest(values, rejects, counts, piece.first + len(piece.rows) - 1, piece.at, piece.of)

    def _under(self, columns: tuple[str, ...]) -> None:
        """Prepare for a header; nearly always it is the one before."""
        if columns != self._columns:
            self._columns, self._mapper = columns, self._wide.narrowed(columns) if columns else self._wide
            self._table = Table.of(self._mapper, columns, {"import": self._recipe.mark})

    @staticmethod
    def _together(table: Table, piece: Piece, counts: Counter[str]) -> tuple[list[Value], Sequence[int]]:
        """The events of plain rows, and the places of all others."""
        every = range(len(piece.rows))
        fit = [at for at in every if type(piece.rows[at]) is not Unfit]
        laid = table([piece.rows[at] for at in fit], [piece.first + at for at in fit])
        if max(map(len, laid.values), default=0) > EVENT_LIMIT:
            return [], every
        counts.update(laid.counts)
        left = sorted({*every}.difference(fit).union(fit[at] for at in laid.left))
        return list(map(Value._make, zip(laid.numbers, laid.keys, laid.values, strict=True))), left

    def _one_by_one(
        self, piece: Piece, places: Sequence[int], counts: Counter[str], rejects: list[Reject]
    ) -> list[Value]:
        """The events of rows, or why there is none."""
        values: list[Value] = []
        repaired: defaultdict[Note, int] = defaultdict(int)
        dropped: defaultdict[Note, int] = defaultdict(int)
        shapes: defaultdict[tuple[str, ...], int] = defaultdict(int)  # which fields have a value; most rows are alike
        for at in places:
            line, cells = piece.lines[at], piece.rows[at]
            if isinstance(cells, Unfit):
                self._reject(
                    rejects, counts, line, self._mapper.unreadable(table=bool(piece.columns)).refused, cells.raw
                )
                continue
            row = dict(zip(piece.columns, cells, strict=True)) if piece.columns else cells
            found = self._mapper(row)
            for note in set(found.repairs):  # a value that is looked at twice is mended once
                repaired[note] += 1
            for note in set(found.dropped):
                dropped[note] += 1
            if found.event is None:
                self._reject(rejects, counts, line, found.refused, row)
                continue
            event, number = found.event, piece.first + at
            shapes[*event, *event.get("properties", ()), *event.get("traits", ())] += 1
            event["context"] |= {"import": self._recipe.mark, "row": number}
            value = _json.encode(event)
            if len(value) > EVENT_LIMIT:
                self._reject(rejects, counts, line, Note(ROW, "event_too_large"), None)
                continue
            key = event.get("userId") or event.get("anonymousId") or ""
            values.append(Value(number, str(key).encode("utf-8", "replace"), value))
        counts.update({f"repaired:{field}:{code}": n for (field, code), n in repaired.items()})
        counts.update({f"dropped:{field}:{code}": n for (field, code), n in dropped.items()})
        for fields, n in shapes.items():
            counts.update({f"filled:{field}": n for field in fields if field not in SHELL})
        return values

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
    _digester = Digester(recipe)


def digested(piece: Piece) -> Digest:
    """In a process of its own: one piece."""
    if _digester is None:
        raise AssertionError("prepare comes first")
    return _digester(piece)

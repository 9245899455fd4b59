"""``mien sources``: check how files become events, on a sample, sending nothing.

Knows: how before, after and faults are shown.  Must not know: how a row is mapped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from profiles.cleaning.cell import REFUSALS
from profiles.clock import system_clock
from profiles.errors import Rejected
from profiles.intake import Intake
from profiles.mapping.apply import Mapped, Mapper
from profiles.mapping.document import SourceMap
from profiles.rules.place import RuleErrors
from profiles.settings import Settings, load
from streams.commands.importing import chosen, mapping_of
from streams.importing.files import look
from streams.importing.pieces import Unfit, pieces

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
FAULTS_SHOWN = 20


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    file: Path
    sample: Path | None = None
    source: str | None = None
    rows: int = 1000
    show: int = 3
    sheet: str = ""


def check(wish: Wish) -> int:
    """0 if the mapping, and the sample if there is one, has no fault."""
    try:
        sources = mapping_of(wish.file)
        if wish.sample is None:
            out.print(f"{wish.file}: {len(sources)} sources, no fault")
            return 0
        return _try(wish, chosen(sources, wish.source, wish.sample), load())
    except RuleErrors as faults:
        for fault in faults.errors:
            err.print(f"[red]✗[/] {fault}")
        return 1


def _try(wish: Wish, source: SourceMap, settings: Settings) -> int:
    now = system_clock()
    mapper, intake = (
        Mapper(source, settings.timezone, settings.currency, now),
        Intake(settings.currency, settings.timezone),
    )
    counts: Counter[str] = Counter()
    faults: list[str] = []
    rows = 0
    for line, row, found in islice(_mapped(wish, source, mapper), wish.rows):
        rows += 1
        if rows <= wish.show:
            _show(line, row, found)
        if found.refused is not None:
            counts["skipped" if found.refused.code == "skipped" else "refused"] += 1
        why = [found.refused] if found.refused and found.refused.code != "skipped" else [*found.dropped]
        faults += [f"line {line}: {field}: {REFUSALS[code][1]} · {REFUSALS[code][0]} ({code})" for field, code in why]
        if found.event is not None:
            counts["events"] += 1
            try:
                intake.read(json.dumps(found.event).encode(), now)
            except Rejected as error:
                faults.append(f"line {line}: intake would refuse the event: {error}")
    for fault in faults[:FAULTS_SHOWN]:
        err.print(f"[red]✗[/] {fault}")
    if len(faults) > FAULTS_SHOWN:
        err.print(f"[red]✗[/] and {len(faults) - FAULTS_SHOWN:,} more")
    left = f", {counts['skipped']:,} left out" if counts["skipped"] else ""
    out.print(f"{wish.sample}: {rows:,} rows as source {source.name!r}: {counts['events']:,} events, "
              f"{counts['refused']:,} refused{left}, {len(faults):,} faults")  # fmt: skip
    return 1 if faults else 0


def _mapped(wish: Wish, source: SourceMap, mapper: Mapper) -> Iterator[tuple[int, object, Mapped]]:
    """Line, row and what it becomes."""
    if wish.sample is None:
        return
    for piece in pieces(look(wish.sample), shape=source.shape, sheet=wish.sheet, size=min(wish.rows, 1000)):
        if piece.columns and piece.first == 1:
            wrong = mapper.misfits(piece.columns, str(wish.file))
            if wrong:
                raise RuleErrors(wrong)
        for line, cells in zip(piece.lines, piece.rows, strict=True):
            if isinstance(cells, Unfit):
                yield line, cells.raw, mapper.unreadable(table=bool(piece.columns))
                continue
            row = dict(zip(piece.columns, cells, strict=True)) if piece.columns else cells
            yield line, row, mapper(row)


def _show(line: int, row: object, found: Mapped) -> None:
    table = Table(title=f"line {line}", title_justify="left", show_lines=True)
    table.add_column("before")
    table.add_column("after")
    table.add_column("repaired")
    after = found.event if found.event is not None else f"refused: {found.refused}"
    repaired = "\n".join(f"{field}: {code}" for field, code in found.repairs)
    table.add_row(_json(row), _json(after), repaired)
    out.print(table)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str) if not isinstance(value, str) else value

"""What was measured, kept and told: ``results.json``, ``RESULTS.md`` and the terminal.

Knows: tables of numbers.  Must not know: how any was measured.
Every part replaces only itself, so parts can be run one by one; each says when and how it was run.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.bars import BARS, Bar

Cell = str | float | int | None


class Table(msgspec.Struct):
    """Rows of the same kind.  Numbers are kept whole; they are rounded when told."""

    title: str
    columns: list[str]
    rows: list[list[Cell]] = []
    note: str = ""


class Figure(msgspec.Struct):
    """A number that is compared with a bar, or quoted: the median of some runs, the least and the most of them."""

    value: float
    unit: str
    least: float
    most: float
    runs: int = 1


class Part(msgspec.Struct):
    """One part's outcome."""

    name: str
    title: str
    tables: list[Table] = []
    figures: dict[str, Figure] = {}
    notes: list[str] = []  #: what was left out and why, what to keep in mind
    at: str = ""
    command: str = ""
    quick: bool = False
    seconds: float = 0.0
    load: float = 0.0
    stolen: float | None = None  #: share of the CPU time wanted that the host gave to others; None: not looked at
    machine: dict[str, str] = {}


class Results(msgspec.Struct):
    """All parts that were ever run, by name."""

    parts: dict[str, Part] = {}


def middle(values: Iterable[float]) -> float:
    """The median; NaN of nothing."""
    known = list(values)
    return statistics.median(known) if known else float("nan")


def figure(values: Iterable[float], unit: str) -> Figure:
    """The runs of one number; NaN, and so never written down, if there were none.

    >>> figure([3.0, 1.0, 2.5], "ms")
    Figure(value=2.5, unit='ms', least=1.0, most=3.0, runs=3)
    """
    known = list(values)
    return Figure(middle(known), unit, min(known, default=math.nan), max(known, default=math.nan), len(known))


def spread(values: Sequence[float]) -> str:
    """Least and most, to be shown beside a median.

    >>> spread([3.0, 1.0, 2.0])
    '1.00 to 3.00'
    """
    return f"{shown(min(values))} to {shown(max(values))}" if values else ""


def shown(cell: Cell) -> str:
    """A number with as many digits as mean something.

    >>> shown(31234.4), shown(3.14159), shown(0.0123), shown(None)
    ('31 234', '3.14', '0.012', '–')
    """
    if isinstance(cell, str):
        return cell
    if cell is None or math.isnan(cell):
        return "–"
    size = abs(cell)
    if isinstance(cell, int) or size >= 1000:
        return f"{cell:,.0f}".replace(",", " ")
    return (
        f"{cell:.0f}"
        if size >= 100
        else f"{cell:.1f}"
        if size >= 10
        else f"{cell:.2f}"
        if size >= 0.1
        else f"{cell:.2g}"
    )


def clocked(seconds: float) -> str:
    """A long time, to be read.

    >>> clocked(59.6), clocked(1234)
    ('1 min 00 s', '20 min 34 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Book:
    """The files that results are kept in."""

    def __init__(self, folder: Path) -> None:
        self._json, self._page = folder / "results.json", folder / "RESULTS.md"
        self.results = Results()
        if self._json.exists():
            self.results = msgspec.json.decode(self._json.read_bytes(), type=Results)

    @property
    def page(self) -> Path:
        """What people read."""
        return self._page

    def enter(self, part: Part, order: Sequence[str]) -> None:
        """Put a part in the place of its last run and write both files."""
        part.figures = {name: value for name, value in part.figures.items() if not math.isnan(value.value)}
        self.results.parts[part.name] = part
        self.results.parts = {name: self.results.parts[name] for name in order if name in self.results.parts}
        self._json.parent.mkdir(parents=True, exist_ok=True)
        self._json.write_bytes(msgspec.json.format(msgspec.json.encode(self.results), indent=1) + b"\n")
        self._page.write_text(page(self.results), encoding="utf-8")


def page(results: Results) -> str:
    """RESULTS.md."""
    took = clocked(sum(part.seconds for part in results.parts.values()))
    lines = [f"{HEAD}\nAll parts together took {took}.\n"]
    figures = {name: value for part in results.parts.values() for name, value in part.figures.items()}
    if figures:
        lines += ["## The bars", "", "| what | bar | measured | least to most | runs | |", "|---|---|---|---|---|---|"]
        lines += [_bar_row(bar, figures.get(bar.figure)) for bar in BARS]
        lines += ["", *FOOT]
    for part in results.parts.values():
        lines += ["", *_section(part)]
    return "\n".join(lines) + "\n"


HEAD: Final = """\
# Results

Written by `make bench`; the same numbers, unrounded, are in `results.json`. Every part says when, where and how it was
run, and can be run again alone: `make bench ARGS="update"`.

CPU is user + system seconds of the measured processes, all threads. Where a number is per core, it is events per CPU
second: machines are shared, and wall time also measures the neighbours. Medians of the runs; least and most beside
them. Ratios compare runs on the same machine, the same broker and the same records.

Unless a table says otherwise, events are those of a busy live shop: 5 000 a second of its own time, about customers who
are known already and whom silence owes nothing, as in a shop whose workers have kept up.
"""


FOOT: Final = [
    "Kills at any moment, nothing lost and nothing doubled, is no number: `make faults` asserts it.",
]


def _bar_row(bar: Bar, found: Figure | None) -> str:
    if found is None:
        return f"| {bar.what} | {bar.says} | – | | | not measured yet |"
    measured, ends = f"{shown(found.value)} {found.unit}", spread([found.least, found.most])
    verdict = "reached" if bar.reached(found.value) else "**not reached**"
    return f"| {bar.what} | {bar.says} | {measured} | {ends} | {found.runs} | {verdict} |"


def _section(part: Part) -> list[str]:
    lines = [f"## {part.title}", ""]
    quick = "; **quick form**: small sizes, few runs" if part.quick else ""
    stolen = "" if part.stolen is None else f"; {part.stolen:.0%} of the CPU time stolen by the host"
    lines.append(
        f"`{part.command}`, {part.at}, {part.seconds:.0f} s; load average before it {part.load}{stolen}{quick}  \n"
        + ", ".join(f"{name} {what}" for name, what in part.machine.items())
    )
    for table in part.tables:
        lines += ["", f"**{table.title}**", "", *markdown(table)]
        if table.note:
            lines += ["", table.note]
    lines += ["", *(f"- {note}" for note in part.notes)] if part.notes else []
    return lines


def markdown(table: Table) -> list[str]:
    """The table as Markdown lines."""
    rows = [[shown(cell) for cell in row] for row in table.rows]
    numeric = [all(not isinstance(row[i], str) for row in table.rows) for i in range(len(table.columns))]
    rule = ["--:" if right else "---" for right in numeric]
    return [f"| {' | '.join(row)} |" for row in ([*table.columns], rule, *rows)]


def plain(table: Table) -> str:
    """The table for a terminal."""
    rows = [table.columns, *([shown(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(f"    {line}" for line in [*lines, *([table.note] if table.note else [])])

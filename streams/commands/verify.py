"""``mien verify``: is everything that is stored and told what the log says it must be?

Knows: how a verification is asked for and shown.
Must not know: where things are read (``streams.evidence``), what is compared (``profiles.verify``).
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import msgspec
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from profiles.errors import MienError
from profiles.settings import load
from profiles.verify.report import KINDS, Report
from streams.evidence.case import Asked
from streams.evidence.run import Verification

CANNOT = 2


class NoPandas(MienError):
    """The judge of numbers is not installed."""


@dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    files: tuple[Path, ...] = ()
    as_json: bool = False
    profiles: int | None = None
    oracle: int | None = 200  #: None: all
    topic: str = ""


def verify(wish: Wish) -> int:
    """0 equal, 1 differences, 2 it cannot be judged."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        try:
            if wish.oracle != 0 and find_spec("pandas") is None:
                raise NoPandas("pandas is not installed: pip install 'mien[data]', or leave it out with --oracle 0")
            report = asyncio.run(
                Verification(load(), Asked(wish.files, wish.profiles, wish.oracle, wish.topic), progress).run()
            )
        except (MienError, RedisError, OSError) as fault:
            report = Report()
            report.cannot(str(fault))
    if wish.as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report.as_dict()), indent=2).decode() + "\n")
    else:
        show(report, Console(highlight=False))
    return report.code


def show(report: Report, console: Console) -> None:
    """The findings for people."""
    for what, count in sorted(report.compared.items()):
        console.print(f"[green]✓[/] {count:,} {what} compared")
    for what, count in sorted((what, count) for what, count in report.left_out.items() if count):
        console.print(f"[yellow]·[/] {count:,} {what}: left out")
    for reason in report.unable:
        console.print(f"[yellow]?[/] {reason}", soft_wrap=True)
    if report.by_kind:
        table = Table("kind", "differences", "where", "what", "stored", "expected", title="differences")
        for kind, count in sorted(report.by_kind.items()):
            for i, one in enumerate(report.examples[kind]):
                table.add_row(
                    kind if i == 0 else "",
                    f"{count:,}" if i == 0 else "",
                    one.where,
                    one.what,
                    one.stored,
                    one.expected,
                )
        console.print(table)
        for kind in sorted(report.by_kind):
            console.print(f"  [bold]{kind}[/]: {KINDS[kind]}", soft_wrap=True)
    verdict = (
        "[green]equal: no difference[/]",
        f"[red]{report.differences:,} differences[/]",
        "[yellow]cannot judge[/]",
    )
    console.print(verdict[report.code])

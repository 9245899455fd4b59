"""``mien import``: files of history into a topic whose events never send anything.

Knows: how progress, counts and faults are shown, which mapping a file gets.
Must not know: how a file is read, what an event is.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from profiles.cleaning.cell import REFUSALS, REPAIRS
from profiles.clock import system_clock
from profiles.errors import MienError, RuleError
from profiles.mapping.apply import Mapper
from profiles.mapping.document import SHIPPED, SourceMap, load
from profiles.mapping.live import book
from profiles.rules.place import RuleErrors
from profiles.settings import Settings
from profiles.settings import load as settings_from_environment
from streams.importing.files import BadFile, File, look
from streams.importing.pieces import pieces
from streams.importing.position import Book, Position
from streams.importing.run import Importer, Job, Outcome
from streams.importing.tally import Tally
from streams.topics import matching, provision

console = Console(highlight=False, soft_wrap=True)
UNTOLD = (
    "  what was repaired and refused is not in /v1/sources/quality yet, because the store did not take it ({why}); "
    "the next `mien import` brings it there; is MIEN_REDIS right?"
)


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    files: tuple[Path, ...]
    source: str | None = None
    mapping: Path | None = None
    topic: str = "events.history"
    sheet: str = ""
    again: bool = False


def run(wish: Wish) -> int:
    """0 if everything is in Kafka; 1 if a file could not be imported; 130 after Ctrl-C."""
    settings = settings_from_environment()
    _insist(settings, wish.topic)
    sources = mapping_of(wish.mapping)
    jobs = []
    for path in wish.files:
        file = look(path)
        source = chosen(sources, wish.source, path)
        fitting(file, source, sources, settings, wish)
        digest = sha256(repr(source).encode()).hexdigest()[:16]
        jobs.append(Job(file, source, digest, wish.topic, wish.sheet, wish.again))
    provision(settings)
    return asyncio.run(_import(settings, jobs))


def mapping_of(path: Path | None) -> tuple[SourceMap, ...]:
    """The sources of a mapping file, or those of MIEN_SOURCES and the shipped ones.

    Raises:
        RuleErrors: everything that is wrong with it.
    """
    return load(path.read_text(encoding="utf-8"), str(path)) if path else book(settings_from_environment())


def chosen(sources: Sequence[SourceMap], name: str | None, path: Path) -> SourceMap:
    """The source of that name, or the first whose ``files`` fit.

    Raises:
        MienError: there is none.
    """
    known = ", ".join(each.name for each in sources)
    if name is not None:
        found = next((each for each in sources if each.name == name), None)
        if found is None:
            raise MienError(f"there is no source {name!r} in the mapping; it has {known}")
        return found
    found = next((each for each in sources if each.fits(path.name)), None)
    if found is None:
        raise MienError(f"no source has `files` that fit {path.name}: say which with --source; there are {known}")
    return found


def fitting(file: File, source: SourceMap, sources: Sequence[SourceMap], settings: Settings, wish: Wish) -> None:
    """Insist, before anything is sent, that the columns are there.

    Raises:
        MienError: they are not; it says which, and which are, and which other of the ``sources`` would do.
    """
    piece = next(pieces(file, shape=source.shape, sheet=wish.sheet, size=1), None)
    if piece is None:
        raise BadFile(f"{file.path} has no rows")
    if not piece.columns:
        return

    def misfits(one: SourceMap) -> list[RuleError]:
        mapper = Mapper(one, settings.timezone, settings.currency, system_clock())
        return mapper.misfits(piece.columns, str(wish.mapping or SHIPPED.name))

    if wrong := misfits(source):
        fit = [each.name for each in sources if each.shape == source.shape and not misfits(each)]
        hint = f"\nas --source {' or '.join(fit)} it could be read" if fit else ""
        raise MienError(f"{RuleErrors(wrong)}{hint}")


def _insist(settings: Settings, topic: str) -> None:
    if settings.clock == "stream":
        raise MienError(
            "with MIEN_CLOCK=stream everything is lived through as if it were happening, alerts included: "
            "import into a Mien that runs with MIEN_CLOCK=wall"
        )
    if not matching(settings.history_topics, [topic]):
        raise MienError(
            f"{topic} is no topic of history, so its events could send alerts: choose one that MIEN_HISTORY_TOPICS "
            f"({','.join(settings.history_topics)}) names, or publish live events with `mien replay`"
        )
    if not matching(settings.event_topics, [topic]):
        raise MienError(f"nobody reads {topic}: let MIEN_EVENT_TOPICS ({','.join(settings.event_topics)}) name it")


async def _import(settings: Settings, jobs: Sequence[Job]) -> int:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    tally = Tally(settings, system_clock)
    tally.note(Book(settings.data_dir).all())  # what could not be told when it was imported
    outcomes: list[Outcome] = []
    with Progress(*columns, console=console) as progress:
        tasks = {job.name: progress.add_task(job.file.path.name, total=None, rows=0) for job in jobs}
        async with tally:
            for job in jobs:
                outcomes.append(await _one(settings, job, progress, tasks[job.name], tally))
                if outcomes[-1].end == "stopped":
                    break
    for outcome in outcomes:
        show(outcome)
    if tally.trouble:
        console.print(UNTOLD.format(why=tally.trouble[:200]))
    return 130 if outcomes[-1].end == "stopped" else 0


async def _one(settings: Settings, job: Job, progress: Progress, task: TaskID, tally: Tally) -> Outcome:
    def report(position: Position, at: int, of: int) -> None:
        progress.update(task, completed=at, total=max(of, at), rows=position.rows)
        tally.note([position])

    importer = Importer(settings, system_clock, report)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, importer.stop.set)
    outcome = await importer(job)
    tally.note([outcome.position])
    return outcome


def show(outcome: Outcome) -> None:
    """What became of a file, in a few lines."""
    position = outcome.position
    counts, name = position.counts, Path(position.file).name
    events, refused = counts.get("events", 0), counts.get("refused", 0)
    if outcome.end == "known":
        console.print(
            f"{name}: imported before, {events:,} events; nothing was sent. --again sends it once more (docs/import.md)"
        )
        return
    if outcome.end == "stopped":
        console.print(f"{name}: stopped after row {position.rows:,}; the same command goes on from there")
        return
    console.print(
        f"{name}: {position.rows:,} rows, {events:,} events in {position.topic} as source {position.source!r}"
    )
    if skipped := counts.get("skipped", 0):
        console.print(f"  {skipped:,} rows left out, as the mapping says")
    console.print(counts_table(counts))
    if refused:
        console.print(f"  {refused:,} rows were refused, with line and reason in {position.rejects}")


def counts_table(counts: Mapping[str, int]) -> Table:
    """Repairs and refusals, most frequent first."""
    table = Table(box=None, pad_edge=True)
    for title in ("", "field", "what", "什么", "rows"):
        table.add_column(title, justify="right" if title == "rows" else "left")
    words = {**REPAIRS, **REFUSALS}
    kinds = ("refused", "dropped", "repaired")
    for kind in kinds:
        found = [(n, key.split(":")) for key, n in counts.items() if key.startswith(f"{kind}:")]
        for n, (_, field, code) in sorted(found, reverse=True):
            table.add_row(kind, field, words[code][1], words[code][0], f"{n:,}")
    return table
